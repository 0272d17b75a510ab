/*
 * udp_send.c - Datagrams of one source to one client, in as few calls as can be
 *
 * Packets of equal size leave as one message with UDP_SEGMENT; where that is
 * refused they leave one by one.
 * Source: udp(7), ip(7) (IP_PKTINFO), ipv6(7); UDP_MAX_SEGMENTS is 64
 */
#include "proxy/in/udp_send.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "gateway/base/compat.h"

#define SEGMENTS  64 /* of one message */
#define RUN_BYTES 64000
#define GSO_MIN   256 /* below this, segments are not worth it */
#define CTRL_BYTES \
	(CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)))

union control {
	char bytes[CTRL_BYTES];
	struct cmsghdr align;
};

/* How many packets of @v go into one message */
static int run_length(const struct udp_out *o, const struct pkt *v, int n)
{
	size_t len = v->len, bytes = len;
	int k = 1;

	if (len < GSO_MIN || len > *o->gso_max)
		return 1;
	while (k < n && k < SEGMENTS && v[k].len && v[k].len <= len &&
	       bytes + v[k].len <= RUN_BYTES) {
		bytes += v[k].len;
		if (v[k++].len < len)
			break; /* a shorter one may only be the last */
	}
	return k;
}

/* Append one control message of @n bytes */
static void control_put(struct msghdr *h, int level, int type, const void *p,
			size_t n)
{
	struct cmsghdr *c;

	c = (struct cmsghdr *)((char *)h->msg_control + h->msg_controllen);
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = (socklen_t)CMSG_LEN(n);
	memcpy(CMSG_DATA(c), p, n);
	h->msg_controllen += (socklen_t)CMSG_SPACE(n);
}

static void put_source(struct msghdr *h, const struct addr *a)
{
	struct in_pktinfo v4 = { 0 };
	struct in6_pktinfo v6 = { 0 };

	if (a->kind == ADDR_V4) {
		memcpy(&v4.ipi_spec_dst, a->ip, 4);
		control_put(h, IPPROTO_IP, IP_PKTINFO, &v4, sizeof(v4));
	} else if (a->kind == ADDR_V6) {
		memcpy(&v6.ipi6_addr, a->ip, 16);
		control_put(h, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof(v6));
	}
}

/* One message of @k packets. 0 or -errno */
static int send_run(const struct udp_out *o, const struct pkt *v, int k)
{
	union control u = { .bytes = { 0 } };
	struct iovec iov[SEGMENTS];
	struct sockaddr_storage to = *o->to;
	uint16_t size = (uint16_t)v->len;
	struct msghdr h = {
		.msg_name = &to,
		.msg_namelen = o->to_len,
		.msg_iov = iov,
		.msg_iovlen = (size_t)k,
		.msg_control = &u,
	};

	for (int i = 0; i < k; i++) {
		iov[i].iov_base = v[i].data;
		iov[i].iov_len = v[i].len;
	}
	if (o->source)
		put_source(&h, o->source);
	if (k > 1)
		control_put(&h, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
	if (!h.msg_controllen)
		h.msg_control = NULL;
	return sendmsg(o->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void gso_lower(const struct udp_out *o, int err, size_t len)
{
	if (err == -EIO || err == -EOPNOTSUPP)
		*o->gso_max = 0;
	else if (err == -EINVAL || err == -EMSGSIZE)
		*o->gso_max = len - 1;
}

int udp_send_all(const struct udp_out *o, const struct pkt *v, int n)
{
	int sent = 0, err, k;

	for (int i = 0; i < n; i += k) {
		k = run_length(o, v + i, n - i);
		err = send_run(o, v + i, k);
		/* an ICMP error of an earlier packet is told once, here */
		if (err == -ECONNREFUSED || err == -EINTR)
			err = send_run(o, v + i, k);
		if (err == 0) {
			sent += k;
		} else if (k > 1) {
			gso_lower(o, err, v[i].len);
			k = send_run(o, v + i, 1) < 0 ? 1 : (sent++, 1);
		}
	}
	return sent;
}
