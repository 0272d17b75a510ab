/*
 * udp_raw.c - A datagram from an address and port that somebody else holds
 *
 * A program of this host may serve the address a client asked (its DNS server,
 * say), and yet the client's datagrams are ours by a tproxy rule. A socket bound
 * there for the answers would be refused, or take that program's datagrams
 * away. A raw socket is bound to nothing. The kernel does not fragment what it
 * sends: answers above the MTU are lost this way.
 * Source: RFC 768, RFC 8200 8.1; raw(7)
 */
#include "proxy/in/udp_raw.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/compat.h"

enum { V4_HEAD = 20, V6_HEAD = 40, UDP_HEAD = 8, TTL = 64 };

static uint32_t sum(uint32_t acc, const uint8_t *p, size_t n)
{
	for (; n > 1; p += 2, n -= 2)
		acc += get_be16(p);
	return n ? acc + (uint32_t)(p[0] << 8) : acc;
}

/* 65,535 bytes add up to less than 2^32 */
static uint16_t fold(uint32_t acc)
{
	acc = (acc & 0xffff) + (acc >> 16);
	acc = (acc & 0xffff) + (acc >> 16);
	return (uint16_t)~acc;
}

/* Checksum and length of the IPv4 header are the kernel's */
static void head_v4(uint8_t *h, const struct addr *src, const struct addr *dst)
{
	memset(h, 0, V4_HEAD);
	h[0] = 0x45;
	h[8] = TTL;
	h[9] = IPPROTO_UDP;
	memcpy(h + 12, src->ip, 4);
	memcpy(h + 16, dst->ip, 4);
}

static void head_v6(uint8_t *h, const struct addr *src, const struct addr *dst,
		    uint16_t len)
{
	memset(h, 0, V6_HEAD);
	h[0] = 0x60;
	put_be16(h + 4, len);
	h[6] = IPPROTO_UDP;
	h[7] = TTL;
	memcpy(h + 8, src->ip, 16);
	memcpy(h + 24, dst->ip, 16);
}

int udp_raw_head(const struct addr *src, const struct addr *dst,
		 const uint8_t *data, size_t len, uint8_t *out)
{
	size_t ip = src->kind == ADDR_V6 ? V6_HEAD : V4_HEAD;
	uint8_t *u = out + ip;
	uint16_t total = (uint16_t)(UDP_HEAD + len), c;
	uint32_t acc;

	if (len > UINT16_MAX - V4_HEAD - UDP_HEAD)
		return -EMSGSIZE;
	if (src->kind == ADDR_V6)
		head_v6(out, src, dst, total);
	else
		head_v4(out, src, dst);
	put_be16(u, src->port);
	put_be16(u + 2, dst->port);
	put_be16(u + 4, total);
	put_be16(u + 6, 0);
	acc = sum(IPPROTO_UDP + (uint32_t)total, src->ip, addr_ip_len(src));
	acc = sum(acc, dst->ip, addr_ip_len(dst));
	acc = sum(sum(acc, u, UDP_HEAD), data, len);
	c = fold(acc);
	put_be16(u + 6, c ? c : 0xffff);
	return (int)(ip + UDP_HEAD);
}

int udp_raw_send(int fd, const struct addr *src, const struct addr *dst,
		 uint8_t *data, size_t len)
{
	int family = src->kind == ADDR_V6 ? AF_INET6 : AF_INET;
	struct sockaddr_storage to;
	struct addr no_port = *dst;
	uint8_t head[UDP_RAW_HEAD];
	int n = udp_raw_head(src, dst, data, len, head);
	struct iovec iov[2] = { { head, (size_t)n }, { data, len } };
	struct msghdr h = { .msg_name = &to, .msg_iov = iov, .msg_iovlen = 2 };

	if (n < 0)
		return n;
	no_port.port = 0; /* a raw v6 socket takes it for a protocol */
	h.msg_namelen = addr_to_sockaddr(&no_port, family, &to);
	return sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
