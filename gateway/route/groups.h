/* groups.h - Balancers from outside: what they choose from, and a choice for them */
#ifndef GATEWAY_ROUTE_GROUPS_H
#define GATEWAY_ROUTE_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

struct outbound;
struct router;

/**
 * struct route_group - A balancer
 * @outbounds:	@count of them, sorted by tag
 * @now:	The next session's, as far as one can be told; NULL none
 * @by_ping:	The quickest is taken
 * @pinned:	@now was chosen by route_pin()
 */
struct route_group {
	const char *tag;
	const struct outbound *const *outbounds;
	uint32_t count;
	const struct outbound *now;
	bool by_ping, pinned;
};

void route_groups(const struct router *r,
		  void (*fn)(void *arg, const struct route_group *g),
		  void *arg);
/*
 * New sessions of the balancer @tag take @outbound (NULL: as its strategy says), also
 * after reloads, until the process ends. 0, -ENOENT (no such balancer), -EINVAL (not
 * one of its outbounds), -ENOMEM. Any thread
 */
int route_pin(struct router *r, const char *tag, const char *outbound);
/* All workers have @r now: what was pinned by way of the one before is in force */
void route_pins_again(struct router *r);

#endif
