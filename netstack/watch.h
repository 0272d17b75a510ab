/*
 * watch.h - The host changes: netlink news, gathered for a moment
 *
 * One descriptor for the main loop. What the news are does not matter; the
 * executor looks at the kernel and adds what is missing.
 */
#ifndef NETSTACK_WATCH_H
#define NETSTACK_WATCH_H

#include <stdbool.h>

#define WATCH_AGAIN_MS 1000 /* something could not be put back */
#define WATCH_QUIET_MS 100
#define WATCH_SOON_MS  1 /* something of ours was removed */
#define WATCH_SOON_MAX 8 /* such looks in a row */

/* What a piece of news means */
enum news { NEWS_NONE, NEWS_LOOK, NEWS_SOON };

/* What the timer runs for: the more urgent takes the place of the other */
enum alarm { ALARM_NONE, ALARM_AGAIN, ALARM_QUIET, ALARM_SOON };

struct nlmsghdr;

/**
 * struct watch_host - Netlink groups and a timer behind one epoll
 * @epoll, @timer, @route, @nft:	Descriptors; -1 none
 * @armed:	What the timer runs for
 * @soon_count:	Looks since the last quiet one
 * @all_routes:	Routes that are no default ones matter, too
 */
struct watch_host {
	int epoll, timer, route, nft;
	enum alarm armed;
	bool all_routes;
	unsigned int soon_count;
};

/* 0 or -errno; without nftables in the kernel there are no news of it */
int watch_open(struct watch_host *w);
void watch_close(struct watch_host *w);
/* Another descriptor that shall wake the main loop. 0 or -errno */
int watch_also(struct watch_host *w, int fd);
/* Readable: take the news in. true: the moment is over, look now */
bool watch_read(struct watch_host *w);
/* Ask for a look in WATCH_AGAIN_MS, whether or not there are news */
void watch_again(struct watch_host *w);
/*
 * News of the route family. Unless @all_routes, of routes only default ones and
 * ours matter; all of the rest. Rules and our routes that go: soon
 */
enum news watch_route_news(const struct nlmsghdr *h, bool all_routes);
/* News of nftables: a table that goes: soon; else look */
enum news watch_nft_news(const struct nlmsghdr *h);

#endif
