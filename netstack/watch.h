/*
 * watch.h - The host changes: netlink news, gathered for a moment
 *
 * One descriptor for the main loop. What the news are does not matter; the
 * executor looks at the kernel and adds what is missing.
 */
#ifndef NETSTACK_WATCH_H
#define NETSTACK_WATCH_H

#include <stdbool.h>

#define WATCH_QUIET_MS 100
#define WATCH_SOON_MS  1 /* something of ours was removed */
#define WATCH_SOON_MAX 8 /* such looks in a row */

/* What a piece of news means */
enum news { NEWS_NONE, NEWS_LOOK, NEWS_SOON };

struct nlmsghdr;

/**
 * struct watch_host - Netlink groups and a timer behind one epoll
 * @epoll, @timer, @route, @nft:	Descriptors; -1 none
 * @armed:	The timer runs; @soon: for a short time
 * @soon_count:	Looks since the last quiet one
 * @all_routes:	Routes that are no default ones matter, too
 */
struct watch_host {
	int epoll, timer, route, nft;
	bool armed, soon, all_routes;
	unsigned int soon_count;
};

/* 0 or -errno; without nftables in the kernel there are no news of it */
int watch_open(struct watch_host *w);
void watch_close(struct watch_host *w);
/* Another descriptor that shall wake the main loop. 0 or -errno */
int watch_also(struct watch_host *w, int fd);
/* Readable: take the news in. true: the moment is over, look now */
bool watch_read(struct watch_host *w);
/* Ask for a look soon */
void watch_arm(struct watch_host *w);
/*
 * News of the route family. Unless @all_routes, of routes only default ones and
 * ours matter; all of the rest. Rules and our routes that go: soon
 */
enum news watch_route_news(const struct nlmsghdr *h, bool all_routes);
/* News of nftables: a table that goes: soon; else look */
enum news watch_nft_news(const struct nlmsghdr *h);

#endif
