/* explain.h - Where would this go? Asked by people, without a session */
#ifndef GATEWAY_ROUTE_EXPLAIN_H
#define GATEWAY_ROUTE_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"

struct outbound;
struct router;

/**
 * struct route_query - A session as far as rules look at it
 * @net:	NET_TCP or NET_UDP
 * @name:	Sniffed name when @target is an address; NULL none
 * @ips:	What @name resolves to; @ip_count 0: not known
 * @protocol:	"tls" ...; NULL unknown
 * @program:	Path of the one it comes from; NULL: not of this host
 */
struct route_query {
	uint8_t net;
	struct addr source, local, target;
	const char *name, *inbound_tag, *user, *protocol, *http_head, *program;
	const struct addr *ips;
	unsigned int ip_count;
};

/**
 * struct route_answer - What the rules say
 * @outbound:	NULL: nothing, or @balancer chooses
 * @rule:	Tag of the rule; NULL: the default outbound
 * @needs_dns:	domainStrategy would resolve the name first: ask again with
 *		@ips for the true answer
 */
struct route_answer {
	const struct outbound *outbound;
	const char *balancer, *rule;
	bool needs_dns;
};

/* Pure: no counter moves, nothing is asked */
void route_explain(const struct router *r, const struct route_query *q,
		   struct route_answer *out);

/* Each rule, in order: its outbound ("" when a balancer chooses) and its tag */
void route_each(const struct router *r,
		void (*fn)(void *arg, const char *outbound, const char *tag),
		void *arg);
/* Tag of the balancer of rule @i; NULL: none */
const char *route_balancer(const struct router *r, uint32_t i);

#endif
