/* uplink.c - Who has a default route (contract: uplink.h) */
#include "netstack/uplink.h"

#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/msg.h>

#include "gateway/base/compat.h"

#define UPLINKS 16

/**
 * struct search - Default routes seen so far
 */
struct search {
	const int *skip;
	unsigned int skip_count, count;
	struct hop {
		uint64_t order; /* whole or part, family, metric */
		int ifindex;
	} hops[UPLINKS];
};

static bool skipped(const struct search *s, int ifindex)
{
	for (unsigned int i = 0; i < s->skip_count; i++)
		if (s->skip[i] == ifindex)
			return true;
	return ifindex <= 0;
}

static void add_hop(struct search *s, int ifindex, uint64_t order)
{
	if (skipped(s, ifindex))
		return;
	for (unsigned int i = 0; i < s->count; i++) {
		if (s->hops[i].ifindex != ifindex)
			continue;
		if (order < s->hops[i].order)
			s->hops[i].order = order;
		return;
	}
	if (s->count < UPLINKS)
		s->hops[s->count++] = (struct hop){ order, ifindex };
}

/* All next hops of a route over several */
static void add_hops(struct search *s, struct nlattr *a, uint64_t order)
{
	const char *p = nla_data(a);
	size_t left = (size_t)nla_len(a);
	struct rtnexthop hop;

	while (left >= sizeof(hop)) {
		memcpy(&hop, p, sizeof(hop));
		if ((size_t)hop.rtnh_len < sizeof(hop) ||
		    (size_t)hop.rtnh_len > left)
			return;
		add_hop(s, hop.rtnh_ifindex, order);
		if ((size_t)RTNH_ALIGN(hop.rtnh_len) >= left)
			return;
		p += RTNH_ALIGN(hop.rtnh_len);
		left -= RTNH_ALIGN(hop.rtnh_len);
	}
}

static void look(struct nlmsghdr *h, void *arg)
{
	struct search *s = arg;
	struct nlattr *tb[RTA_MAX + 1] = { NULL };
	const struct rtmsg *r = NLMSG_DATA(h);
	uint64_t order;

	if (h->nlmsg_type != RTM_NEWROUTE ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(*r)) ||
	    r->rtm_dst_len > NLK_DEFAULT_BITS || r->rtm_type != RTN_UNICAST ||
	    (r->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD)) ||
	    nlmsg_parse(h, sizeof(*r), tb, RTA_MAX, NULL) < 0)
		return;
	if ((tb[RTA_TABLE] ? nla_get_u32(tb[RTA_TABLE]) : r->rtm_table) !=
	    RT_TABLE_MAIN)
		return;
	order = (r->rtm_dst_len ? 1ull << 33 : 0) +
		(r->rtm_family == AF_INET6 ? 1ull << 32 : 0) +
		(tb[RTA_PRIORITY] ? nla_get_u32(tb[RTA_PRIORITY]) : 0);
	if (tb[RTA_OIF])
		add_hop(s, (int)nla_get_u32(tb[RTA_OIF]), order);
	else if (tb[RTA_MULTIPATH])
		add_hops(s, tb[RTA_MULTIPATH], order);
}

static int by_order(const void *a, const void *b)
{
	const struct hop *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

unsigned int uplink_find(struct nlk *nl, const int *skip, unsigned int n,
			 char (*out)[IFNAMSIZ], unsigned int max)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct search s = { .skip = skip, .skip_count = n };
	unsigned int count = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(families); i++)
		nlk_dump(nl, RTM_GETROUTE, families[i], look, &s);
	qsort(s.hops, s.count, sizeof(s.hops[0]), by_order);
	for (unsigned int i = 0; i < s.count && count < max; i++) {
		char name[IF_NAMESIZE] = "";

		if (!if_indextoname((unsigned int)s.hops[i].ifindex, name))
			continue;
		memset(out[count], 0, IFNAMSIZ);
		memcpy(out[count++], name, strlen(name));
	}
	return count;
}
