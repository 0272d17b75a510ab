/* target.h - A session's target becomes an address before its outbound sees it */
#ifndef GATEWAY_CORE_TARGET_H
#define GATEWAY_CORE_TARGET_H

#include "gateway/core/dns.h"

struct session;

/*
 * targetStrategy of an outbound that would hand the name on. To be called until it
 * is not -EAGAIN. 0: s->target is as the outbound shall see it; -errno: an address
 * was a must, and there is none
 */
int target_resolve(struct session *s);

/**
 * struct server_turn - How far the search for a server's addresses is
 * @strategy:	enum domain_strategy
 * @round:	Questions of the strategy that were asked
 * @system:	So was the last resort, which is all that AsIs has
 */
struct server_turn {
	uint8_t strategy, round;
	bool system;
};

/*
 * Ask for the server @name as long as questions fail at once. To be called until it is
 * not -EAGAIN; @r: zeroed but for an rc of -ENOENT before the first time. 0: it has
 * some addresses; -errno
 */
int server_ask(struct server_turn *t, struct dns_req *r, struct worker *w,
	       struct config *cfg, struct job *job, const char *name);

#endif
