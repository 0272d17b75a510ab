/*
 * trouble.h - A server that does not work is said once, at the default log level
 *
 * Sessions end one by one, at level info. Here is counted whether any byte came back
 * through an outbound since connections began to fail; the first certain failure, or
 * some that are likely ones, give one line with the reason, and a second one tells
 * when it works again.
 */
#ifndef GATEWAY_CORE_TROUBLE_H
#define GATEWAY_CORE_TROUBLE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "gateway/core/outbound.h"

struct session;

/**
 * struct trouble - Of an outbound with a server; all workers write it
 * @server:	For messages; borrowed from the settings
 * @answers:	The server answers for the target before it is up: a failure may be
 *		the target's (socks, http)
 * @fails:	Since a byte came back, weighed
 * @last:	Whose target failed last: the same one tells nothing new
 * @told:	The line was written; @told_ms: when last
 */
struct trouble {
	const struct addr *server;
	bool answers;
	atomic_uint fails, last, told_ms;
	atomic_bool told;
};

/* @s is about to end: its state and counters still tell how far it came */
void trouble_end(const struct session *s, int why, int side);
void trouble_clear(const struct outbound *ob);
/* Bytes came back through @ob */
static inline void trouble_over(const struct outbound *ob)
{
	if (ob->trouble &&
	    atomic_load_explicit(&ob->trouble->fails, memory_order_relaxed))
		trouble_clear(ob);
}

#endif
