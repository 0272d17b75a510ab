/* watch.c - Netlink news, gathered for a moment (contract: watch.h) */
#include "netstack/watch.h"

#include <errno.h>
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

	w->armed = false;
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

void watch_arm(struct watch_host *w)
{
	struct itimerspec t = { .it_value.tv_nsec = WATCH_QUIET_MS * 1000000 };

	if (!w->armed && timerfd_settime(w->timer, 0, &t, NULL) == 0)
		w->armed = true;
}

bool watch_matters(const struct nlmsghdr *h, bool all_routes)
{
	const struct rtmsg *r = NLMSG_DATA(h);

	if (h->nlmsg_type != RTM_NEWROUTE && h->nlmsg_type != RTM_DELROUTE)
		return true;
	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*r)))
		return false;
	return !(r->rtm_flags & RTM_F_CLONED) &&
	       (all_routes || r->rtm_dst_len == 0 ||
		r->rtm_protocol == NLK_PROTOCOL);
}

/* Take all there is off @fd. true: something of it matters */
static bool drain(int fd, bool parse, bool all_routes)
{
	union {
		struct nlmsghdr h;
		char bytes[16384];
	} buf;
	bool matters = false;
	ssize_t n;

	while ((n = recv(fd, &buf, sizeof(buf), MSG_DONTWAIT)) != 0) {
		struct nlmsghdr *h = &buf.h;
		size_t left = n > 0 ? (size_t)n : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) /* ENOBUFS: some news were lost, so look */
			return matters || errno == ENOBUFS;
		for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left))
			if (!parse || watch_matters(h, all_routes))
				matters = true;
	}
	return matters;
}

bool watch_read(struct watch_host *w)
{
	uint64_t ticks;

	if (drain(w->route, true, w->all_routes))
		watch_arm(w);
	if (w->nft >= 0 && drain(w->nft, false, false))
		watch_arm(w);
	if (read(w->timer, &ticks, sizeof(ticks)) != (ssize_t)sizeof(ticks))
		return false;
	w->armed = false;
	return true;
}
