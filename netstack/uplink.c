/* uplink.c - The best default route (contract: uplink.h) */
#include "netstack/uplink.h"

#include <linux/rtnetlink.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/msg.h>

#include "gateway/base/compat.h"

/**
 * struct search - The best default route seen so far
 * @ifindex:	0: none yet
 */
struct search {
	const int *skip;
	unsigned int skip_count;
	int ifindex;
	uint32_t metric;
};

static bool skipped(const struct search *s, int ifindex)
{
	for (unsigned int i = 0; i < s->skip_count; i++)
		if (s->skip[i] == ifindex)
			return true;
	return false;
}

/* The interface a route leads to; of several next hops the first */
static int route_ifindex(struct nlattr **tb)
{
	const struct rtnexthop *hop;

	if (tb[RTA_OIF])
		return (int)nla_get_u32(tb[RTA_OIF]);
	if (!tb[RTA_MULTIPATH] ||
	    nla_len(tb[RTA_MULTIPATH]) < (int)sizeof(*hop))
		return 0;
	hop = nla_data(tb[RTA_MULTIPATH]);
	return hop->rtnh_ifindex;
}

static void look(const struct nlmsghdr *h, void *arg)
{
	struct search *s = arg;
	struct nlattr *tb[RTA_MAX + 1] = { NULL };
	const struct rtmsg *r = NLMSG_DATA(h);
	struct nlmsghdr *msg;
	uint32_t table, metric;
	int ifindex;

	memcpy(&msg, &h, sizeof(msg)); /* libnl takes no const */
	if (h->nlmsg_type != RTM_NEWROUTE ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(*r)) || r->rtm_dst_len ||
	    r->rtm_type != RTN_UNICAST ||
	    (r->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD)) ||
	    nlmsg_parse(msg, sizeof(*r), tb, RTA_MAX, NULL) < 0)
		return;
	table = tb[RTA_TABLE] ? nla_get_u32(tb[RTA_TABLE]) : r->rtm_table;
	metric = tb[RTA_PRIORITY] ? nla_get_u32(tb[RTA_PRIORITY]) : 0;
	ifindex = route_ifindex(tb);
	if (table != RT_TABLE_MAIN || !ifindex || skipped(s, ifindex))
		return;
	if (!s->ifindex || metric < s->metric) {
		s->ifindex = ifindex;
		s->metric = metric;
	}
}

void uplink_find(struct nlk *nl, const int *skip, unsigned int n,
		 char out[IFNAMSIZ])
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct search s = { .skip = skip, .skip_count = n };

	for (unsigned int i = 0; i < ARRAY_SIZE(families) && !s.ifindex; i++)
		nlk_dump(nl, RTM_GETROUTE, families[i], look, &s);
	if (!s.ifindex || !if_indextoname((unsigned int)s.ifindex, out))
		out[0] = '\0';
}
