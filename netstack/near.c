/* near.c - What goes as if culvert were not there (contract: near.h) */
#include "netstack/near.h"

#include <linux/rtnetlink.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/msg.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "netstack/plan.h"

/* A router with more routes than that has no use for a list of them */
enum { NEAR_ROUTES = 4096 };

/**
 * struct search - Routes seen so far
 */
struct search {
	struct cidrs *out;
	unsigned int count;
};

static void look(struct nlmsghdr *h, void *arg)
{
	struct search *s = arg;
	struct nlattr *tb[RTA_MAX + 1] = { NULL };
	const struct rtmsg *r = NLMSG_DATA(h);
	struct cidr c = { .kind = ADDR_V4 };
	int n;

	if (h->nlmsg_type != RTM_NEWROUTE ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(*r)) ||
	    r->rtm_dst_len <= NLK_DEFAULT_BITS || r->rtm_type != RTN_UNICAST ||
	    r->rtm_flags & RTM_F_CLONED || r->rtm_protocol == NLK_PROTOCOL ||
	    nlmsg_parse(h, sizeof(*r), tb, RTA_MAX, NULL) < 0)
		return;
	if ((tb[RTA_TABLE] ? nla_get_u32(tb[RTA_TABLE]) : r->rtm_table) !=
	    RT_TABLE_MAIN)
		return;
	c.kind = r->rtm_family == AF_INET6 ? ADDR_V6 : ADDR_V4;
	n = r->rtm_family == AF_INET6 ? 16 : 4;
	if (!tb[RTA_DST] || nla_len(tb[RTA_DST]) < n ||
	    s->count++ >= NEAR_ROUTES)
		return;
	c.bits = r->rtm_dst_len;
	memcpy(c.ip, nla_data(tb[RTA_DST]), (size_t)n);
	cidrs_add(s->out, &c);
}

void near_find(struct nlk *nl, const struct host_conf *h, struct cidrs *out)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct search s = { .out = out };

	*out = (struct cidrs){ .v4 = NULL };
	plan_private(out);
	for (unsigned int i = 0; i < h->bypass_count; i++)
		cidrs_add(out, &h->bypass[i]);
	for (size_t i = 0; nl && i < ARRAY_SIZE(families); i++)
		nlk_dump(nl, RTM_GETROUTE, families[i], look, &s);
	if (s.count > NEAR_ROUTES)
		log_warning("host: of %u routes only %d are looked at: traffic "
			    "to the other networks is caught",
			    s.count, NEAR_ROUTES);
	cidrs_seal(out);
}
