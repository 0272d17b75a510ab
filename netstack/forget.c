/*
 * forget.c - Entries of conntrack, deleted by their mark (contract: forget.h)
 *
 * One at a time, as the kernel deletes by mark alone, and TCP must stay: a running
 * connection would be taken for one that begins with whoever speaks next.
 * Source: Linux include/uapi/linux/netfilter/nfnetlink_conntrack.h
 */
#include "netstack/forget.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "gateway/base/log.h"
#include "netstack/nl.h"

enum { FLOWS_MAX = 100000, DNS_PORT = 53 };

/**
 * struct memory - Flows that are to be forgotten
 * A dump must be over before the next request may be sent.
 */
struct memory {
	uint32_t bit;
	const struct cidrs *to;
	struct forget_flow *flows;
	size_t count;
};

/* --- what the kernel says ----------------------------------------------------------- */

static bool read_dst(struct nlattr *ip, struct addr *out)
{
	struct nlattr *tb[CTA_IP_MAX + 1] = { NULL };
	int v6 = 0, n = 4;
	struct nlattr *a;

	if (nla_parse_nested(tb, CTA_IP_MAX, ip, NULL) < 0)
		return false;
	a = tb[CTA_IP_V4_DST];
	if (!a) {
		a = tb[CTA_IP_V6_DST];
		v6 = 1;
		n = 16;
	}
	if (!a || nla_len(a) < n)
		return false;
	*out = (struct addr){ .kind = v6 ? ADDR_V6 : ADDR_V4 };
	memcpy(out->ip, nla_data(a), (size_t)n);
	return true;
}

/* The original direction; false: not UDP, or not understood */
static bool read_tuple(struct nlattr *tuple, struct forget_flow *out)
{
	struct nlattr *tb[CTA_TUPLE_MAX + 1] = { NULL };
	struct nlattr *pb[CTA_PROTO_MAX + 1] = { NULL };

	if (nla_len(tuple) > (int)sizeof(out->tuple) ||
	    nla_parse_nested(tb, CTA_TUPLE_MAX, tuple, NULL) < 0 ||
	    !tb[CTA_TUPLE_IP] || !tb[CTA_TUPLE_PROTO] ||
	    nla_parse_nested(pb, CTA_PROTO_MAX, tb[CTA_TUPLE_PROTO], NULL) < 0)
		return false;
	if (!pb[CTA_PROTO_NUM] || nla_len(pb[CTA_PROTO_NUM]) < 1 ||
	    nla_get_u8(pb[CTA_PROTO_NUM]) != IPPROTO_UDP)
		return false;
	if (!pb[CTA_PROTO_DST_PORT] || nla_len(pb[CTA_PROTO_DST_PORT]) < 2 ||
	    !read_dst(tb[CTA_TUPLE_IP], &out->dst))
		return false;
	out->port = ntohs(nla_get_u16(pb[CTA_PROTO_DST_PORT]));
	out->tuple_len = (uint16_t)nla_len(tuple);
	memcpy(out->tuple, nla_data(tuple), out->tuple_len);
	return true;
}

bool forget_read(struct nlmsghdr *h, uint32_t bit, struct forget_flow *out)
{
	struct nlattr *tb[CTA_MAX + 1] = { NULL };
	struct forget_flow f = { .zone = 0 };
	struct nfgenmsg head;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(head)) ||
	    nlmsg_parse(h, sizeof(head), tb, CTA_MAX, NULL) < 0)
		return false;
	if (!tb[CTA_TUPLE_ORIG] || !tb[CTA_MARK] || nla_len(tb[CTA_MARK]) < 4 ||
	    !(ntohl(nla_get_u32(tb[CTA_MARK])) & bit) ||
	    !read_tuple(tb[CTA_TUPLE_ORIG], &f))
		return false;
	memcpy(&head, nlmsg_data(h), sizeof(head));
	f.family = head.nfgen_family;
	if (tb[CTA_ID] && nla_len(tb[CTA_ID]) >= 4)
		f.id = nla_get_u32(tb[CTA_ID]); /* given back as it is */
	if (tb[CTA_ZONE] && nla_len(tb[CTA_ZONE]) >= 2)
		f.zone = nla_get_u16(tb[CTA_ZONE]);
	*out = f;
	return true;
}

bool forget_goes_to(const struct forget_flow *f, const struct cidrs *to)
{
	return f->port != DNS_PORT && cidrs_have(to, &f->dst);
}

/* --- asking ---------------------------------------------------------------------------- */

static int collect(struct nl_msg *msg, void *arg)
{
	struct memory *m = arg;
	struct forget_flow f, *v;

	if (m->count >= FLOWS_MAX || !forget_read(nlmsg_hdr(msg), m->bit, &f) ||
	    (m->to && !forget_goes_to(&f, m->to)))
		return NL_OK;
	if (m->count % 64 == 0) {
		v = realloc(m->flows, (m->count + 64) * sizeof(*v));
		if (!v)
			return NL_OK;
		m->flows = v;
	}
	m->flows[m->count++] = f;
	return NL_OK;
}

static struct nl_msg *ct_msg(int type, int flags, uint8_t family)
{
	struct nfgenmsg h = { .nfgen_family = family, .version = NFNETLINK_V0 };
	struct nl_msg *m =
		nlmsg_alloc_simple(NFNL_SUBSYS_CTNETLINK << 8 | type, flags);

	if (m && nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO) == 0)
		return m;
	nlmsg_free(m);
	return NULL;
}

/* The kernel may not look at the mark: it is looked at again */
static int ask_for(struct nlk *nl, struct memory *mem)
{
	struct nl_msg *m = ct_msg(IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC);
	int err;

	if (!m || nla_put_u32(m, CTA_MARK, htonl(mem->bit)) < 0 ||
	    nla_put_u32(m, CTA_MARK_MASK, htonl(mem->bit)) < 0) {
		nlmsg_free(m);
		return -ENOMEM;
	}
	nl_socket_modify_cb(nl->sk, NL_CB_VALID, NL_CB_CUSTOM, collect, mem);
	err = nlk_ask(nl, m);
	nl_socket_modify_cb(nl->sk, NL_CB_VALID, NL_CB_DEFAULT, NULL, NULL);
	return err;
}

static void forget_one(struct nlk *nl, const struct forget_flow *f)
{
	struct nl_msg *m = ct_msg(IPCTNL_MSG_CT_DELETE, NLM_F_ACK, f->family);

	if (m &&
	    nla_put(m, CTA_TUPLE_ORIG | NLA_F_NESTED, f->tuple_len, f->tuple) ==
		    0 &&
	    (!f->zone || nla_put_u16(m, CTA_ZONE, f->zone) == 0) &&
	    (!f->id || nla_put_u32(m, CTA_ID, f->id) == 0))
		nlk_ask(nl, m); /* it may have gone by itself */
	else
		nlmsg_free(m);
}

void forget_marked(uint32_t bit, const struct cidrs *to)
{
	struct memory mem = { .bit = bit, .to = to };
	struct nlk nl;
	int err;

	if (!bit || (to && !to->count4 && !to->count6) ||
	    nlk_open(&nl, NETLINK_NETFILTER) < 0)
		return;
	err = ask_for(&nl, &mem);
	for (size_t i = 0; i < mem.count; i++)
		forget_one(&nl, &mem.flows[i]);
	nlk_close(&nl);
	free(mem.flows);
	if (err < 0)
		log_debug("host: conntrack does not tell its flows: %s",
			  strerror(-err));
}
