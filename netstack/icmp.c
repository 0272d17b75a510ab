/*
 * icmp.c - Echo answered here, and port unreachable built here
 *
 *   v4  type 3 code 3 | sum | 0 | IPv4 header + 8 bytes of the datagram
 *   v6  type 1 code 4 | sum | 0 | IPv6 header + 8 bytes
 *
 * Errors are rate limited by a bucket for all of a worker, as a flood of
 * datagrams to a block must not become a flood of errors.
 * Source: RFC 792; RFC 1122, 3.2.2; RFC 4443, 2.4 and 3.1
 */
#include <netinet/in.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "netstack/ip_out.h"
#include "netstack/netstack.h"

#define ICMP4_ECHO        8
#define ICMP4_REPLY       0
#define ICMP4_UNREACHABLE 3
#define ICMP4_PORT        3
#define ICMP6_ECHO        128
#define ICMP6_REPLY       129
#define ICMP6_UNREACHABLE 1
#define ICMP6_PORT        4
#define ICMP_HEADER       8
#define ICMP_RATE         1000 /* errors a second */
#define ICMP_BURST        100
#define UDP_HEADER        8

static void icmp_checksum(uint8_t *p, size_t n, const struct addr *src,
			  const struct addr *dst)
{
	uint32_t sum = 0;

	put_be16(p + 2, 0);
	if (src->kind == ADDR_V6)
		sum = csum_pseudo(src, dst, IPPROTO_ICMPV6, (uint32_t)n);
	put_be16(p + 2, csum_fold(csum_add(sum, p, n)));
}

static void icmp_send(struct netstack *ns, uint8_t *p, size_t n,
		      const struct addr *src, const struct addr *dst)
{
	struct iovec iov = { p, n };
	struct ip_msg msg = { .src = src, .dst = dst, .l4 = &iov, .cnt = 1 };

	msg.proto = src->kind == ADDR_V6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	icmp_checksum(p, n, src, dst);
	ip_send(ns, &msg, NULL);
}

void icmp_input(struct netstack *ns, struct packet *p)
{
	uint8_t *icmp = p->data + p->l4;
	uint8_t echo = p->v6 ? ICMP6_ECHO : ICMP4_ECHO;

	if (p->len < (size_t)p->l4 + ICMP_HEADER) {
		worker_drop(ns->worker, DROP_ICMP_HEADER);
		return;
	}
	if (icmp[0] != echo || icmp[1] != 0 || !ns->local_echo ||
	    addr_is_martian(&p->dst)) {
		worker_drop(ns->worker, DROP_ICMP_KIND);
		return;
	}
	icmp[0] = p->v6 ? ICMP6_REPLY : ICMP4_REPLY;
	icmp_send(ns, icmp, p->len - p->l4, &p->dst, &p->src);
}

/* One error more? The bucket fills by ICMP_RATE a second up to ICMP_BURST */
static bool icmp_allowed(struct netstack *ns)
{
	uint32_t passed = ns->worker->now_ms - ns->icmp_ms;
	uint32_t fill = passed >= 1000 ? ICMP_BURST : passed * ICMP_RATE / 1000;

	if (fill) {
		ns->icmp_ms = ns->worker->now_ms;
		ns->icmp_tokens += fill;
		if (ns->icmp_tokens > ICMP_BURST)
			ns->icmp_tokens = ICMP_BURST;
	}
	if (!ns->icmp_tokens)
		return false;
	ns->icmp_tokens--;
	return true;
}

/* IP and UDP header of an empty datagram as @src would have sent it */
static size_t put_quote(uint8_t *q, const struct addr *src,
			const struct addr *dst)
{
	bool v6 = src->kind == ADDR_V6;
	size_t head = v6 ? IP6_HEADER : IP4_HEADER;

	memset(q, 0, head + UDP_HEADER);
	if (v6) {
		q[0] = 0x60;
		put_be16(q + 4, UDP_HEADER);
		q[6] = IPPROTO_UDP;
		q[7] = 64;
		memcpy(q + 8, src->ip, 16);
		memcpy(q + 24, dst->ip, 16);
	} else {
		q[0] = 0x45;
		put_be16(q + 2, IP4_HEADER + UDP_HEADER);
		q[8] = 64;
		q[9] = IPPROTO_UDP;
		memcpy(q + 12, src->ip, 4);
		memcpy(q + 16, dst->ip, 4);
		put_be16(q + 10, csum_fold(csum_add(0, q, IP4_HEADER)));
	}
	put_be16(q + head, src->port);
	put_be16(q + head + 2, dst->port);
	put_be16(q + head + 4, UDP_HEADER);
	return head + UDP_HEADER;
}

void icmp_unreachable(struct netstack *ns, const struct addr *client,
		      const struct addr *dst)
{
	uint8_t p[ICMP_HEADER + IP6_HEADER + UDP_HEADER] = { 0 };
	bool v6 = client->kind == ADDR_V6;
	size_t n;

	if (client->kind != dst->kind || !addr_is_ip(client) ||
	    addr_is_martian(dst) || !icmp_allowed(ns))
		return;
	p[0] = v6 ? ICMP6_UNREACHABLE : ICMP4_UNREACHABLE;
	p[1] = v6 ? ICMP6_PORT : ICMP4_PORT;
	n = ICMP_HEADER + put_quote(p + ICMP_HEADER, client, dst);
	icmp_send(ns, p, n, dst, client);
}
