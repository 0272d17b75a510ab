/*
 * udp_raw.c - A datagram from an address and port that somebody else holds
 *
 * A program of this host may serve the address a client asked (its DNS server,
 * say), and yet the client's datagrams are ours by a tproxy rule. A socket bound
 * there for the answers would be refused, or take that program's datagrams
 * away. A raw socket is bound to nothing. The kernel does not fragment what it
 * sends and refuses what is above the interface's MTU: that is cut here.
 * Source: RFC 768, RFC 791 3.2, RFC 8200 4.5 and 8.1; raw(7)
 */
#include "proxy/in/udp_raw.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/rand.h"
#include "gateway/core/sock.h"

enum {
	V4_HEAD = 20,
	V4_MORE = 0x2000,
	V6_HEAD = 40,
	V6_FRAGMENT = 8,
	V6_NEXT_FRAGMENT = 44,
	UDP_HEAD = 8,
	TTL = 64,
	MTU_MIN = 68
};

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

size_t udp_raw_piece(const struct addr *src, const struct addr *dst,
		     const struct udp_piece *p, uint8_t *out)
{
	uint16_t id = (uint16_t)p->id;

	if (src->kind != ADDR_V6) {
		head_v4(out, src, dst);
		put_be16(out + 4, id ? id : 1); /* 0: the kernel's choice */
		put_be16(out + 6,
			 (uint16_t)(p->off / 8 | (p->more ? V4_MORE : 0)));
		return V4_HEAD;
	}
	head_v6(out, src, dst, (uint16_t)(V6_FRAGMENT + p->len));
	out[6] = V6_NEXT_FRAGMENT;
	out += V6_HEAD;
	out[0] = IPPROTO_UDP;
	out[1] = 0;
	put_be16(out + 2, (uint16_t)(p->off | (p->more ? 1 : 0)));
	put_be32(out + 4, p->id);
	return V6_HEAD + V6_FRAGMENT;
}

/* One packet to @dst. 0 or -errno */
static int send_packet(int fd, const struct addr *dst, struct iovec *iov,
		       size_t cnt)
{
	int family = dst->kind == ADDR_V6 ? AF_INET6 : AF_INET;
	struct sockaddr_storage to;
	struct addr no_port = *dst;
	struct msghdr h = { .msg_name = &to,
			    .msg_iov = iov,
			    .msg_iovlen = (int)cnt };

	no_port.port = 0; /* a raw v6 socket takes it for a protocol */
	h.msg_namelen = addr_to_sockaddr(&no_port, family, &to);
	return sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* @l4: UDP header, payload */
static int send_pieces(int fd, const struct addr *src, const struct addr *dst,
		       const struct iovec l4[2], size_t mtu)
{
	size_t head = src->kind == ADDR_V6 ? V6_HEAD + V6_FRAGMENT : V4_HEAD;
	size_t room = (mtu - head) & ~(size_t)7;
	size_t len = UDP_HEAD + l4[1].iov_len;
	struct udp_piece p = { .id = rand_u32() };
	uint8_t buf[UDP_RAW_HEAD];
	struct iovec iov[3];
	int err = 0;

	for (; err == 0 && p.off < len; p.off += p.len) {
		size_t n = 0, from = p.off ? p.off - UDP_HEAD : 0, udp;

		p.len = len - p.off < room ? len - p.off : room;
		p.more = p.off + p.len < len;
		udp = p.off ? 0 : UDP_HEAD;
		iov[n].iov_base = buf;
		iov[n++].iov_len = udp_raw_piece(src, dst, &p, buf);
		if (udp)
			iov[n++] = l4[0];
		iov[n].iov_base = (uint8_t *)l4[1].iov_base + from;
		iov[n++].iov_len = p.len - udp;
		err = send_packet(fd, dst, iov, n);
	}
	return err;
}

int udp_raw_send(int fd, const struct sockopt *so, const struct addr *src,
		 const struct addr *dst, uint8_t *data, size_t len)
{
	uint8_t head[UDP_RAW_HEAD];
	int n = udp_raw_head(src, dst, data, len, head), err, mtu;
	struct iovec iov[2] = { { head, (size_t)n }, { data, len } };

	if (n < 0)
		return n;
	err = send_packet(fd, dst, iov, 2);
	if (err != -EMSGSIZE)
		return err;
	mtu = sock_path_mtu(so, dst);
	if (mtu < MTU_MIN)
		return mtu < 0 ? mtu : err;
	iov[0].iov_base = head + n - UDP_HEAD;
	iov[0].iov_len = UDP_HEAD;
	return send_pieces(fd, src, dst, iov, (size_t)mtu);
}
