/* sweep.c - Removal by identity (contract: sweep.h) */
#include "netstack/sweep.h"

#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"

/**
 * struct broom - Copies of what is to be removed
 * A dump must be over before the next request may be sent.
 */
struct broom {
	const struct plan *keep;
	struct crumb {
		struct nlmsghdr *h;
	} * found;
	size_t count;
};

static void collect(struct nlmsghdr *h, void *arg)
{
	struct broom *b = arg;
	struct crumb *v;
	struct nlmsghdr *copy;
	struct nlk_route route;
	struct nlk_rule rule;

	if (h->nlmsg_type == RTM_NEWRULE) {
		if (!nlk_rule_read(h, &rule) ||
		    (b->keep && plan_has_rule(b->keep, &rule)))
			return;
	} else if (!nlk_route_read(h, &route) || route.table == RT_TABLE_MAIN ||
		   (b->keep && plan_has_route(b->keep, &route))) {
		return;
	}
	copy = malloc(h->nlmsg_len);
	v = copy ? realloc(b->found, (b->count + 1) * sizeof(*v)) : NULL;
	if (!v) {
		free(copy);
		return;
	}
	memcpy(copy, h, h->nlmsg_len);
	v[b->count++].h = copy;
	b->found = v;
}

static void say(struct nlmsghdr *h, FILE *out)
{
	struct plan p = { .rules = NULL };
	struct nlk_route route;
	struct nlk_rule rule;

	if (!out)
		return;
	if (h->nlmsg_type == RTM_NEWRULE && nlk_rule_read(h, &rule)) {
		p.rules = &rule;
		p.rule_count = 1;
	} else if (nlk_route_read(h, &route)) {
		p.routes = &route;
		p.route_count = 1;
	}
	plan_print(&p, "(device)", "removed: ", out);
}

unsigned int sweep(struct nlk *nl, const struct plan *keep, FILE *out)
{
	static const int types[] = { RTM_GETRULE, RTM_GETROUTE };
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct broom b = { .keep = keep };
	unsigned int removed = 0;

	for (size_t t = 0; t < ARRAY_SIZE(types); t++)
		for (size_t f = 0; f < ARRAY_SIZE(families); f++)
			nlk_dump(nl, types[t], families[f], collect, &b);
	/* What catches has lower priorities than what it falls to: backwards */
	for (size_t i = b.count; i-- > 0;) {
		if (nlk_del_shown(nl, b.found[i].h) == 0) {
			say(b.found[i].h, out);
			removed++;
		}
		free(b.found[i].h);
	}
	free(b.found);
	return removed;
}
