/* nl_read.c - Routes and rules of ours, TUN devices, out of the kernel's dumps (nl.h) */
#include "netstack/nl.h"

#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/msg.h>

#include "gateway/base/compat.h"

static uint8_t kind_of(uint8_t family)
{
	return family == AF_INET6 ? ADDR_V6 : ADDR_V4;
}

/* Attributes behind @head bytes into @tb. false: too short */
static bool attributes(struct nlmsghdr *h, size_t head, struct nlattr **tb,
		       int max)
{
	return h->nlmsg_len >= NLMSG_LENGTH(head) &&
	       nlmsg_parse(h, (int)head, tb, max, NULL) >= 0;
}

static uint32_t number(struct nlattr *a, uint32_t otherwise)
{
	return a && nla_len(a) >= 4 ? nla_get_u32(a) : otherwise;
}

static uint8_t byte(struct nlattr *a, uint8_t otherwise)
{
	return a && nla_len(a) >= 1 ? nla_get_u8(a) : otherwise;
}

static struct cidr read_cidr(struct nlattr *a, uint8_t family, uint8_t bits)
{
	struct cidr c = { .kind = kind_of(family), .bits = bits };
	int n = family == AF_INET6 ? 16 : 4;

	if (a && nla_len(a) >= n)
		memcpy(c.ip, nla_data(a), (size_t)n);
	return c;
}

bool nlk_route_read(struct nlmsghdr *h, struct nlk_route *r)
{
	struct nlattr *tb[RTA_MAX + 1] = { NULL };
	const struct rtmsg *m = NLMSG_DATA(h);

	if (h->nlmsg_type != RTM_NEWROUTE ||
	    !attributes(h, sizeof(*m), tb, RTA_MAX) ||
	    m->rtm_protocol != NLK_PROTOCOL || m->rtm_flags & RTM_F_CLONED)
		return false;
	*r = (struct nlk_route){
		.dst = read_cidr(tb[RTA_DST], m->rtm_family, m->rtm_dst_len),
		.type = m->rtm_type,
		.table = number(tb[RTA_TABLE], m->rtm_table),
		.metric = number(tb[RTA_PRIORITY], 0),
	};
	if (r->type == RTN_UNICAST ||
	    r->type == RTN_LOCAL) /* IPv6 names lo for the others */
		r->ifindex = (int)number(tb[RTA_OIF], 0);
	return true;
}

static void read_match(struct nlattr **tb, struct nlk_rule *r)
{
	struct fib_rule_port_range port;
	struct fib_rule_uid_range uid;

	r->mark = number(tb[FRA_FWMARK], 0);
	r->mask = number(tb[FRA_FWMASK], 0);
	if (tb[FRA_IIFNAME])
		nla_strlcpy(r->iif, tb[FRA_IIFNAME], sizeof(r->iif));
	r->ipproto = byte(tb[FRA_IP_PROTO], 0);
	if (tb[FRA_DPORT_RANGE] &&
	    nla_len(tb[FRA_DPORT_RANGE]) >= (int)sizeof(port)) {
		memcpy(&port, nla_data(tb[FRA_DPORT_RANGE]), sizeof(port));
		r->dport = port.start;
	}
	if (tb[FRA_SPORT_RANGE] &&
	    nla_len(tb[FRA_SPORT_RANGE]) >= (int)sizeof(port)) {
		memcpy(&port, nla_data(tb[FRA_SPORT_RANGE]), sizeof(port));
		r->sport_max = port.end;
	}
	if (tb[FRA_UID_RANGE] &&
	    nla_len(tb[FRA_UID_RANGE]) >= (int)sizeof(uid)) {
		memcpy(&uid, nla_data(tb[FRA_UID_RANGE]), sizeof(uid));
		r->uid = uid.start;
	}
}

bool nlk_rule_read(struct nlmsghdr *h, struct nlk_rule *r)
{
	struct nlattr *tb[FRA_MAX + 1] = { NULL };
	const struct fib_rule_hdr *m = NLMSG_DATA(h);

	if (h->nlmsg_type != RTM_NEWRULE ||
	    !attributes(h, sizeof(*m), tb, FRA_MAX) ||
	    byte(tb[FRA_PROTOCOL], 0) != NLK_PROTOCOL)
		return false;
	*r = (struct nlk_rule){
		.kind = kind_of(m->family),
		.action = NLK_NOP,
		.pref = number(tb[FRA_PRIORITY], 0),
		.uid = -1,
	};
	if (m->action == FR_ACT_TO_TBL) {
		r->action = NLK_LOOKUP;
		r->target = number(tb[FRA_TABLE], m->table);
		r->suppress = number(tb[FRA_SUPPRESS_PREFIXLEN], 255) ==
			      NLK_DEFAULT_BITS;
	} else if (m->action == FR_ACT_GOTO) {
		r->action = NLK_GOTO;
		r->target = number(tb[FRA_GOTO], 0);
	} else if (m->action == FR_ACT_UNREACHABLE) {
		r->action = NLK_UNREACHABLE;
	}
	if (m->src_len)
		r->src = read_cidr(tb[FRA_SRC], m->family, m->src_len);
	if (m->dst_len)
		r->dst = read_cidr(tb[FRA_DST], m->family, m->dst_len);
	read_match(tb, r);
	return true;
}

static bool text_is(struct nlattr *a, const char *text)
{
	size_t n = strlen(text);

	return a && (size_t)nla_len(a) == n + 1 &&
	       memcmp(nla_data(a), text, n + 1) == 0;
}

bool nlk_tun_read(struct nlmsghdr *h, const char *name, unsigned int *queues)
{
	struct nlattr *tb[IFLA_MAX + 1] = { NULL };
	struct nlattr *info[IFLA_INFO_MAX + 1] = { NULL };
	struct nlattr *tun[IFLA_TUN_MAX + 1] = { NULL };

	if (h->nlmsg_type != RTM_NEWLINK ||
	    !attributes(h, sizeof(struct ifinfomsg), tb, IFLA_MAX) ||
	    !text_is(tb[IFLA_IFNAME], name) || !tb[IFLA_LINKINFO] ||
	    nla_parse_nested(info, IFLA_INFO_MAX, tb[IFLA_LINKINFO], NULL) <
		    0 ||
	    !text_is(info[IFLA_INFO_KIND], "tun"))
		return false;
	*queues = 0;
	if (info[IFLA_INFO_DATA] &&
	    nla_parse_nested(tun, IFLA_TUN_MAX, info[IFLA_INFO_DATA], NULL) >=
		    0)
		*queues = number(tun[IFLA_TUN_NUM_QUEUES], 0);
	return true;
}
