/* plan.c - Routes and rules as a list (contract: plan.h) */
#include "netstack/plan.h"

#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "gateway/core/tun_conf.h"

/* Routes into the TUN lose against nothing but what is more specific */
#define TUN_METRIC 1

static void add_route(struct plan *p, const struct nlk_route *r)
{
	size_t n = (p->route_count + 1) * sizeof(*r);
	struct nlk_route *v = realloc(p->routes, n);

	if (!v) {
		p->failed = true;
		return;
	}
	v[p->route_count++] = *r;
	p->routes = v;
}

void plan_tun_routes(struct plan *p, const struct tun_conf *tc, int ifindex)
{
	for (unsigned int i = 0; i < tc->route_count; i++)
		add_route(p, &(struct nlk_route){
				     .dst = tc->routes[i],
				     .type = RTN_UNICAST,
				     .table = RT_TABLE_MAIN,
				     .metric = TUN_METRIC,
				     .ifindex = ifindex,
			     });
}

void plan_free(struct plan *p)
{
	free(p->rules);
	free(p->routes);
	*p = (struct plan){ .failed = false };
}
