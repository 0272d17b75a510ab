/* watch.c - Netlink news, gathered for a moment (contract: watch.h) */
#include "netstack/watch.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "netstack/nl.h"

static int group_socket(int protocol, const int *groups, size_t n)
{
	struct sockaddr_nl me = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			protocol);

	if (fd < 0 || bind(fd, (struct sockaddr *)&me, sizeof(me)) < 0)
		goto err;
	for (size_t i = 0; i < n; i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
			       &groups[i], sizeof(groups[i])) < 0)
			goto err;
	return fd;
err:
	if (fd >= 0)
		close(fd);
	return -1;
}

int watch_also(struct watch_host *w, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0)
		return -EBADF;
	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

int watch_open(struct watch_host *w)
{
	static const int route[] = { RTNLGRP_LINK,        RTNLGRP_IPV4_IFADDR,
				     RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
				     RTNLGRP_IPV6_ROUTE,  RTNLGRP_IPV4_RULE,
				     RTNLGRP_IPV6_RULE };
	static const int nft[] = { NFNLGRP_NFTABLES };
	int err;

	w->armed = ALARM_NONE;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	w->route = group_socket(NETLINK_ROUTE, route, ARRAY_SIZE(route));
	w->nft = group_socket(NETLINK_NETFILTER, nft, ARRAY_SIZE(nft));
	err = watch_also(w, w->timer);
	if (err == 0)
		err = watch_also(w, w->route);
	if (err == 0 && w->nft >= 0)
		err = watch_also(w, w->nft);
	if (err < 0)
		watch_close(w);
	return err;
}

void watch_close(struct watch_host *w)
{
	int *fds[] = { &w->epoll, &w->timer, &w->route, &w->nft };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

static void arm(struct watch_host *w, enum alarm why)
{
	static const long ms[] = { [ALARM_AGAIN] = WATCH_AGAIN_MS,
				   [ALARM_QUIET] = WATCH_QUIET_MS,
				   [ALARM_SOON] = WATCH_SOON_MS };
	struct itimerspec t = { .it_value.tv_nsec = 0 };

	/* somebody who removes our things for ever must not keep us busy */
	if (why == ALARM_SOON && w->soon_count >= WATCH_SOON_MAX)
		why = ALARM_QUIET;
	if (w->armed >= why)
		return;
	t.it_value.tv_sec = ms[why] / 1000;
	t.it_value.tv_nsec = ms[why] % 1000 * 1000000;
	if (timerfd_settime(w->timer, 0, &t, NULL) == 0)
		w->armed = why;
}

void watch_again(struct watch_host *w)
{
	arm(w, ALARM_AGAIN);
}

enum news watch_route_news(const struct nlmsghdr *h, bool all_routes)
{
	const struct rtmsg *r = NLMSG_DATA(h);
	bool ours;

	if (h->nlmsg_type == RTM_DELRULE)
		return NEWS_SOON;
	if (h->nlmsg_type != RTM_NEWROUTE && h->nlmsg_type != RTM_DELROUTE)
		return NEWS_LOOK;
	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*r)) ||
	    r->rtm_flags & RTM_F_CLONED)
		return NEWS_NONE;
	ours = r->rtm_protocol == NLK_PROTOCOL;
	if (ours && h->nlmsg_type == RTM_DELROUTE)
		return NEWS_SOON;
	return all_routes || r->rtm_dst_len <= NLK_DEFAULT_BITS || ours ?
		       NEWS_LOOK :
		       NEWS_NONE;
}

enum news watch_nft_news(const struct nlmsghdr *h)
{
	return h->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE) ?
		       NEWS_SOON :
		       NEWS_LOOK;
}

/* Take all there is off @fd. The most urgent of it */
static enum news drain(const struct watch_host *w, int fd)
{
	union {
		struct nlmsghdr h;
		char bytes[16384];
	} buf;
	enum news all = NEWS_NONE, one;
	ssize_t n;

	while ((n = recv(fd, &buf, sizeof(buf), MSG_DONTWAIT)) != 0) {
		struct nlmsghdr *h = &buf.h;
		size_t left = n > 0 ? (size_t)n : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOBUFS) /* some were lost, so look */
			return NEWS_SOON;
		if (n < 0)
			return all;
		for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			one = fd == w->nft ? watch_nft_news(h) :
					     watch_route_news(h, w->all_routes);
			if (one > all)
				all = one;
		}
	}
	return all;
}

bool watch_read(struct watch_host *w)
{
	enum news route = drain(w, w->route);
	enum news nft = w->nft >= 0 ? drain(w, w->nft) : NEWS_NONE;
	uint64_t ticks;

	if (route != NEWS_NONE || nft != NEWS_NONE)
		arm(w, route == NEWS_SOON || nft == NEWS_SOON ? ALARM_SOON :
								ALARM_QUIET);
	if (read(w->timer, &ticks, sizeof(ticks)) != (ssize_t)sizeof(ticks))
		return false;
	w->soon_count = w->armed == ALARM_SOON ? w->soon_count + 1 : 0;
	w->armed = ALARM_NONE;
	return true;
}
