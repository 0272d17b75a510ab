/* route.h - Picking an outbound */
#ifndef GATEWAY_CORE_ROUTE_H
#define GATEWAY_CORE_ROUTE_H

#include <stdbool.h>

#include "gateway/base/jget.h"

struct config;
struct outbound;
struct router;
struct session;

/* NULL node: no rules. Outbounds of @cfg must be there (tags are checked) */
struct router *router_parse(struct diag *d, const cJSON *node,
			    struct config *cfg);
void router_free(struct router *r); /* NULL is allowed */
/* Some rule looks at HTTP attributes: the session keeps the request head */
bool router_wants_attrs(const struct router *r);

/**
 * route_pick() - First matching rule, else the first outbound
 * @s:		Looks at source, orig, target, route_name, sniffed, inbound, user ...;
 *		s->forced_tag goes before all rules. Sets s->rule and s->route_how
 *
 * Return: 0 with *@ob, -EAGAIN (s->job is marked ready when DNS or the search for
 * its program has an answer; call again), -ENOENT
 */
int route_pick(const struct router *r, struct session *s,
	       const struct outbound **ob);

#endif
