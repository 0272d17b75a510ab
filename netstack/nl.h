/*
 * nl.h - Netlink through libnl: one request at a time, exact errors
 *
 * Main thread only, but for the look at a device that is opened (tun.c); each call
 * waits for the kernel's answer. Whatever is made
 * carries NLK_PROTOCOL, so that it can be found again by who made it.
 */
#ifndef NETSTACK_NL_H
#define NETSTACK_NL_H

#include <linux/netlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"

struct nl_msg;
struct nl_sock;

/*
 * Origin of our routes and rules (RTPROT_*, FRA_PROTOCOL). Kernel and iproute2
 * give names up to 192 (eigrp); 0xC7 is free in /etc/iproute2/rt_protos of all
 * distributions looked at, and no gateway we know of uses it.
 */
#define NLK_PROTOCOL 0xC7

/*
 * Prefixes up to this long are parts of a default route: 0.0.0.0/1 and 128.0.0.0/1 of
 * VPNs, 2000::/3 of IPv6 uplinks. (0200::/7 is a network: Yggdrasil's.)
 */
#define NLK_DEFAULT_BITS 6

/**
 * struct nlk - A request socket
 * @err:	Answer of the request under way, -errno
 * @done:	It has been answered
 */
struct nlk {
	struct nl_sock *sk;
	int err;
	bool done;
};

/* NLK_PUT: in place of a route of that destination and metric, if there is one */
enum nlk_op { NLK_ADD, NLK_PUT, NLK_DEL };

/**
 * struct nlk_route - A route of ours
 * @dst:	kind says the family; bits 0 is the default route
 * @type:	RTN_UNICAST, RTN_LOCAL, or RTN_UNREACHABLE (no @ifindex then)
 * @metric:	0: the kernel's default
 */
struct nlk_route {
	struct cidr dst;
	uint8_t type;
	uint32_t table, metric;
	int ifindex;
};

enum nlk_action { NLK_LOOKUP, NLK_GOTO, NLK_NOP, NLK_UNREACHABLE };

/**
 * struct nlk_rule - A policy rule of ours
 * @kind:	ADDR_V4 or ADDR_V6
 * @target:	Table of NLK_LOOKUP, priority of NLK_GOTO
 * @suppress:	Default routes of that table do not count, nor parts of one
 * @mask:	0: any mark
 * @src, @dst:	kind ADDR_NONE: any
 * @iif:	"" any
 * @ipproto, @dport:	0 any
 * @sport_max:	Source ports 1 to this; 0 any
 * @uid:	Of the sending process; -1 any
 */
struct nlk_rule {
	uint8_t kind;
	uint8_t action;
	bool suppress;
	uint8_t ipproto;
	uint16_t dport, sport_max;
	uint32_t pref, target;
	uint32_t mark, mask;
	struct cidr src, dst;
	char iif[IFNAMSIZ];
	int64_t uid;
};

/* @protocol: NETLINK_ROUTE, NETLINK_NETFILTER. 0 or -errno */
int nlk_open(struct nlk *nl, int protocol);
void nlk_close(struct nlk *nl);

/* Send @m (freed here, NULL: -ENOMEM), wait for the answer: 0 or -errno */
int nlk_ask(struct nlk *nl, struct nl_msg *m);
/* Send a message, or several, as they are; the first answer counts */
int nlk_send_raw(struct nlk *nl, void *buf, size_t n);
/* MTU (0: leave), no link-local address of the kernel's, and up. 0 or -errno */
int nlk_link_up(struct nlk *nl, int ifindex, unsigned int mtu);
/* Accept and send 127.0.0.0/8 on this link (DNS of this host by NAT). 0, -errno */
int nlk_link_localnet(struct nlk *nl, int ifindex);
int nlk_link_del(struct nlk *nl, int ifindex);
/* 0, also when the address is there already; -errno */
int nlk_addr_add(struct nlk *nl, int ifindex, const struct addr *a,
		 uint8_t bits);
/*
 * 1 added, 0 it is there (NLK_ADD; rules know that alone); 1 (NLK_PUT); 0, also when it
 * is not (NLK_DEL); -errno
 */
int nlk_route(struct nlk *nl, enum nlk_op op, const struct nlk_route *r);
int nlk_rule(struct nlk *nl, enum nlk_op op, const struct nlk_rule *r);

/*
 * Call @fn for each message of a dump of @type (RTM_GETROUTE ...) and family.
 * 0 or -errno
 */
int nlk_dump(struct nlk *nl, int type, uint8_t family,
	     void (*fn)(struct nlmsghdr *h, void *arg), void *arg);
/* A route or rule of a dump as ours look. false: it is not of our protocol */
bool nlk_route_read(struct nlmsghdr *h, struct nlk_route *r);
bool nlk_rule_read(struct nlmsghdr *h, struct nlk_rule *r);
/*
 * Is a link of a dump (RTM_GETLINK) the TUN or TAP device @name? How many queues
 * programs have of it then; 0 where the kernel does not say (before Linux 4.19)
 */
bool nlk_tun_read(struct nlmsghdr *h, const char *name, unsigned int *queues);
/* Ask the kernel to delete what a dump showed (route or rule). 0 or -errno */
int nlk_del_shown(struct nlk *nl, struct nlmsghdr *h);

#endif
