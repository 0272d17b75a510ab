/*
 * nl.c - Netlink requests (contract: nl.h)
 *
 * Messages are put together here instead of by libnl-route, which has no word
 * for suppress_prefixlength and drops the kernel's errno.
 * Source: Linux include/uapi/linux/{rtnetlink,fib_rules,if_link,if_addr}.h
 */
#include "netstack/nl.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "gateway/base/compat.h"

static uint8_t af_of(uint8_t kind)
{
	return kind == ADDR_V6 ? AF_INET6 : AF_INET;
}

static int ip_bytes(uint8_t kind)
{
	return kind == ADDR_V6 ? 16 : 4;
}

/* --- asking ------------------------------------------------------------------ */

static int answer_error(struct sockaddr_nl *who, struct nlmsgerr *e, void *arg)
{
	struct nlk *nl = arg;

	(void)who;
	nl->err = e->error;
	nl->done = true;
	return NL_STOP;
}

static int answer_ack(struct nl_msg *m, void *arg)
{
	struct nlk *nl = arg;

	(void)m;
	nl->err = 0;
	nl->done = true;
	return NL_STOP;
}

int nlk_open(struct nlk *nl, int protocol)
{
	*nl = (struct nlk){ .sk = nl_socket_alloc() };
	if (!nl->sk)
		return -ENOMEM;
	if (nl_connect(nl->sk, protocol) < 0) {
		nlk_close(nl);
		return -EPROTONOSUPPORT;
	}
	nl_socket_modify_err_cb(nl->sk, NL_CB_CUSTOM, answer_error, nl);
	nl_socket_modify_cb(nl->sk, NL_CB_ACK, NL_CB_CUSTOM, answer_ack, nl);
	nl_socket_modify_cb(nl->sk, NL_CB_FINISH, NL_CB_CUSTOM, answer_ack, nl);
	return 0;
}

void nlk_close(struct nlk *nl)
{
	if (nl->sk)
		nl_socket_free(nl->sk);
	nl->sk = NULL;
}

static int await(struct nlk *nl)
{
	while (!nl->done)
		if (nl_recvmsgs_default(nl->sk) < 0 && !nl->done)
			break;
	return nl->err;
}

int nlk_send_raw(struct nlk *nl, void *buf, size_t n)
{
	nl->done = false;
	nl->err = -EIO;
	return nl_sendto(nl->sk, buf, n) < 0 ? -EIO : await(nl);
}

/* Send @m (freed) and wait for the answer. @ok: attributes all fitted */
static int ask(struct nlk *nl, struct nl_msg *m, bool ok)
{
	int err = -EIO;

	if (!m || !ok) {
		nlmsg_free(m);
		return m ? -EMSGSIZE : -ENOMEM;
	}
	nl->done = false;
	nl->err = -EIO;
	if (nl_send_auto(nl->sk, m) >= 0)
		err = await(nl);
	nlmsg_free(m);
	return err;
}

int nlk_ask(struct nlk *nl, struct nl_msg *m)
{
	return ask(nl, m, true);
}

static bool put(struct nl_msg *m, int type, int len, const void *p)
{
	return nla_put(m, type, len, p) == 0;
}

static bool put_u32(struct nl_msg *m, int type, uint32_t v)
{
	return nla_put_u32(m, type, v) == 0;
}

/* --- links and addresses --------------------------------------------------------- */

/* One number inside IFLA_AF_SPEC: a room of the family, in it @type = @v */
static bool put_af(struct nl_msg *m, int family, int conf, int type, uint32_t v)
{
	struct nlattr *spec = nla_nest_start(m, IFLA_AF_SPEC);
	struct nlattr *af = spec ? nla_nest_start(m, family) : NULL;
	struct nlattr *in = af && conf ? nla_nest_start(m, conf) : NULL;
	bool ok;

	if (!af || (conf && !in))
		return false;
	ok = conf ? put_u32(m, type, v) : nla_put_u8(m, type, (uint8_t)v) == 0;
	if (in)
		nla_nest_end(m, in);
	nla_nest_end(m, af);
	nla_nest_end(m, spec);
	return ok;
}

static struct nl_msg *link_msg(int type, int ifindex, unsigned int flags)
{
	struct ifinfomsg i = {
		.ifi_index = ifindex,
		.ifi_flags = flags,
		.ifi_change = flags,
	};
	struct nl_msg *m = nlmsg_alloc_simple(type, 0);

	if (m && nlmsg_append(m, &i, sizeof(i), NLMSG_ALIGNTO) < 0) {
		nlmsg_free(m);
		return NULL;
	}
	return m;
}

int nlk_link_up(struct nlk *nl, int ifindex, unsigned int mtu)
{
	struct nl_msg *m = link_msg(RTM_NEWLINK, ifindex, 0);
	bool ok = m && put_af(m, AF_INET6, 0, IFLA_INET6_ADDR_GEN_MODE,
			      IN6_ADDR_GEN_MODE_NONE);

	ask(nl, m, ok); /* a host without IPv6 refuses it: no matter */
	m = link_msg(RTM_NEWLINK, ifindex, IFF_UP);
	ok = m && (!mtu || put_u32(m, IFLA_MTU, mtu));
	return ask(nl, m, ok);
}

int nlk_link_localnet(struct nlk *nl, int ifindex)
{
	struct nl_msg *m = link_msg(RTM_NEWLINK, ifindex, 0);
	bool ok = m && put_af(m, AF_INET, IFLA_INET_CONF,
			      IPV4_DEVCONF_ROUTE_LOCALNET, 1);

	return ask(nl, m, ok);
}

int nlk_link_del(struct nlk *nl, int ifindex)
{
	return ask(nl, link_msg(RTM_DELLINK, ifindex, 0), true);
}

int nlk_addr_add(struct nlk *nl, int ifindex, const struct addr *a,
		 uint8_t bits)
{
	int n = ip_bytes(a->kind), err;
	struct ifaddrmsg i = {
		.ifa_family = af_of(a->kind),
		.ifa_prefixlen = bits,
		.ifa_flags = a->kind == ADDR_V6 ? IFA_F_NODAD : 0,
		.ifa_index = (unsigned int)ifindex,
	};
	struct nl_msg *m =
		nlmsg_alloc_simple(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	bool ok = m && nlmsg_append(m, &i, sizeof(i), NLMSG_ALIGNTO) == 0 &&
		  put(m, IFA_LOCAL, n, a->ip) && put(m, IFA_ADDRESS, n, a->ip);

	err = ask(nl, m, ok);
	return err == -EEXIST ? 0 : err;
}

/* --- routes and rules ---------------------------------------------------------------- */

static int settle(enum nlk_op op, int err)
{
	if (op != NLK_DEL)
		return err == -EEXIST ? 0 : err == 0 ? 1 : err;
	return err == -ENOENT || err == -ESRCH || err == -ENODEV ? 0 : err;
}

static uint8_t route_scope(const struct nlk_route *r)
{
	if (r->type == RTN_LOCAL)
		return RT_SCOPE_HOST;
	return r->ifindex ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

int nlk_route(struct nlk *nl, enum nlk_op op, const struct nlk_route *r)
{
	static const int flags[] = { [NLK_ADD] = NLM_F_CREATE | NLM_F_EXCL,
				     [NLK_PUT] = NLM_F_CREATE | NLM_F_REPLACE,
				     [NLK_DEL] = 0 };
	int type = op == NLK_DEL ? RTM_DELROUTE : RTM_NEWROUTE;
	struct rtmsg h = {
		.rtm_family = af_of(r->dst.kind),
		.rtm_dst_len = r->dst.bits,
		.rtm_table =
			r->table < 256 ? (uint8_t)r->table : RT_TABLE_UNSPEC,
		.rtm_protocol = NLK_PROTOCOL,
		.rtm_scope = route_scope(r),
		.rtm_type = r->type,
	};
	struct nl_msg *m = nlmsg_alloc_simple(type, flags[op]);
	bool ok = m && nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO) == 0 &&
		  put_u32(m, RTA_TABLE, r->table);

	if (ok && r->dst.bits)
		ok = put(m, RTA_DST, ip_bytes(r->dst.kind), r->dst.ip);
	if (ok && r->metric)
		ok = put_u32(m, RTA_PRIORITY, r->metric);
	if (ok && r->ifindex)
		ok = put_u32(m, RTA_OIF, (uint32_t)r->ifindex);
	return settle(op, ask(nl, m, ok));
}

static bool put_rule_match(struct nl_msg *m, const struct nlk_rule *r)
{
	struct fib_rule_port_range port = { r->dport, r->dport };
	struct fib_rule_port_range sport = { 1, r->sport_max };
	struct fib_rule_uid_range uid = { (uint32_t)r->uid, (uint32_t)r->uid };
	bool ok = true;

	if (r->src.kind)
		ok = put(m, FRA_SRC, ip_bytes(r->kind), r->src.ip);
	if (ok && r->dst.kind)
		ok = put(m, FRA_DST, ip_bytes(r->kind), r->dst.ip);
	if (ok && r->iif[0])
		ok = nla_put_string(m, FRA_IIFNAME, r->iif) == 0;
	if (ok && r->mask)
		ok = put_u32(m, FRA_FWMARK, r->mark) &&
		     put_u32(m, FRA_FWMASK, r->mask);
	if (ok && r->ipproto)
		ok = nla_put_u8(m, FRA_IP_PROTO, r->ipproto) == 0;
	if (ok && r->dport)
		ok = put(m, FRA_DPORT_RANGE, sizeof(port), &port);
	if (ok && r->sport_max)
		ok = put(m, FRA_SPORT_RANGE, sizeof(sport), &sport);
	if (ok && r->uid >= 0)
		ok = put(m, FRA_UID_RANGE, sizeof(uid), &uid);
	return ok;
}

static bool put_rule_action(struct nl_msg *m, const struct nlk_rule *r)
{
	bool ok = put_u32(m, FRA_PRIORITY, r->pref) &&
		  nla_put_u8(m, FRA_PROTOCOL, NLK_PROTOCOL) == 0;

	if (ok && r->action == NLK_LOOKUP)
		ok = put_u32(m, FRA_TABLE, r->target);
	if (ok && r->action == NLK_GOTO)
		ok = put_u32(m, FRA_GOTO, r->target);
	if (ok && r->suppress)
		ok = put_u32(m, FRA_SUPPRESS_PREFIXLEN, NLK_DEFAULT_BITS);
	return ok;
}

int nlk_rule(struct nlk *nl, enum nlk_op op, const struct nlk_rule *r)
{
	static const uint8_t actions[] = {
		[NLK_LOOKUP] = FR_ACT_TO_TBL,
		[NLK_GOTO] = FR_ACT_GOTO,
		[NLK_NOP] = FR_ACT_NOP,
		[NLK_UNREACHABLE] = FR_ACT_UNREACHABLE,
	};
	struct fib_rule_hdr h = {
		.family = af_of(r->kind),
		.dst_len = r->dst.kind ? r->dst.bits : 0,
		.src_len = r->src.kind ? r->src.bits : 0,
		.action = actions[r->action],
	};
	struct nl_msg *m = nlmsg_alloc_simple(
		op == NLK_ADD ? RTM_NEWRULE : RTM_DELRULE,
		op == NLK_ADD ? NLM_F_CREATE | NLM_F_EXCL : 0);
	bool ok = m && nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO) == 0 &&
		  put_rule_match(m, r) && put_rule_action(m, r);

	return settle(op, ask(nl, m, ok));
}

/* --- looking --------------------------------------------------------------------------- */

/**
 * struct dump - Who looks at a dump
 */
struct dump {
	void (*fn)(struct nlmsghdr *h, void *arg);
	void *arg;
};

static int dump_one(struct nl_msg *m, void *arg)
{
	struct dump *d = arg;

	d->fn(nlmsg_hdr(m), d->arg);
	return NL_OK;
}

int nlk_dump(struct nlk *nl, int type, uint8_t family,
	     void (*fn)(struct nlmsghdr *h, void *arg), void *arg)
{
	struct dump d = { fn, arg };
	struct nl_msg *m = nlmsg_alloc_simple(type, NLM_F_DUMP);
	struct rtmsg h = { .rtm_family = family };
	struct ifinfomsg link = { .ifi_family = family };
	bool ok;
	int err;

	if (type == RTM_GETLINK)
		ok = m && !nlmsg_append(m, &link, sizeof(link), NLMSG_ALIGNTO);
	else
		ok = m && !nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO);
	nl_socket_modify_cb(nl->sk, NL_CB_VALID, NL_CB_CUSTOM, dump_one, &d);
	err = ask(nl, m, ok);
	nl_socket_modify_cb(nl->sk, NL_CB_VALID, NL_CB_DEFAULT, NULL, NULL);
	return err;
}

int nlk_del_shown(struct nlk *nl, struct nlmsghdr *h)
{
	int type = h->nlmsg_type == RTM_NEWRULE ? RTM_DELRULE : RTM_DELROUTE;
	struct nl_msg *m = nlmsg_alloc_simple(type, 0);
	size_t n = h->nlmsg_len - NLMSG_HDRLEN;
	bool ok = m && nlmsg_append(m, NLMSG_DATA(h), n, NLMSG_ALIGNTO) == 0;

	return settle(NLK_DEL, ask(nl, m, ok));
}
