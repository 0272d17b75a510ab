/*
 * ip_out.c - IP packets that culvert builds itself
 *
 * No "don't fragment" and a fresh id: a smaller link behind the TUN may cut a
 * packet further, for nobody here would see its ICMP error.
 * Source: RFC 791, 3.1; RFC 8200, 3 and 4.5
 */
#include "netstack/ip_out.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/rand.h"
#include "netstack/netstack.h"

#define OUT_TTL           64
#define IP4_MORE          0x2000
#define IP6_NEXT_FRAGMENT 44

/**
 * struct ip_head - What the header of one packet is made of
 * @offset:	Of a fragment, bytes; @more: fragments follow
 * @frag:	A fragment (IPv6 carries the extension header then)
 */
struct ip_head {
	const struct addr *src, *dst;
	uint32_t id;
	size_t offset;
	uint8_t proto;
	bool frag, more;
};

static bool is_v6(const struct addr *a)
{
	return a->kind == ADDR_V6;
}

bool ip_fits(const struct netstack *ns, bool v6, size_t l4_len)
{
	return l4_len + (v6 ? IP6_HEADER : IP4_HEADER) <= ns->mtu;
}

static size_t put_ip4(uint8_t *p, const struct ip_head *h, size_t payload)
{
	memset(p, 0, IP4_HEADER);
	p[0] = 0x45;
	put_be16(p + 2, (uint16_t)(IP4_HEADER + payload));
	put_be16(p + 4, (uint16_t)h->id);
	put_be16(p + 6, (uint16_t)(h->offset / 8 | (h->more ? IP4_MORE : 0)));
	p[8] = OUT_TTL;
	p[9] = h->proto;
	memcpy(p + 12, h->src->ip, 4);
	memcpy(p + 16, h->dst->ip, 4);
	put_be16(p + 10, csum_fold(csum_add(0, p, IP4_HEADER)));
	return IP4_HEADER;
}

static size_t put_ip6(uint8_t *p, const struct ip_head *h, size_t payload)
{
	size_t ext = h->frag ? IP6_FRAGMENT : 0;

	memset(p, 0, IP6_HEADER + IP6_FRAGMENT);
	p[0] = 0x60;
	put_be16(p + 4, (uint16_t)(ext + payload));
	p[6] = h->frag ? IP6_NEXT_FRAGMENT : h->proto;
	p[7] = OUT_TTL;
	memcpy(p + 8, h->src->ip, 16);
	memcpy(p + 24, h->dst->ip, 16);
	if (h->frag) {
		p[40] = h->proto;
		put_be16(p + 42, (uint16_t)(h->offset | (h->more ? 1 : 0)));
		put_be32(p + 44, h->id);
	}
	return IP6_HEADER + ext;
}

static size_t put_head(uint8_t *p, const struct ip_head *h, size_t payload)
{
	return is_v6(h->src) ? put_ip6(p, h, payload) : put_ip4(p, h, payload);
}

/* Bytes [off, off + len) of @in as pieces in @out; returns how many */
static int slice(const struct iovec *in, int cnt, size_t off, size_t len,
		 struct iovec *out)
{
	int i, n = 0;

	for (i = 0; i < cnt && len; i++) {
		size_t have = in[i].iov_len, take;

		if (off >= have) {
			off -= have;
			continue;
		}
		take = have - off < len ? have - off : len;
		out[n].iov_base = (uint8_t *)in[i].iov_base + off;
		out[n++].iov_len = take;
		len -= take;
		off = 0;
	}
	return n;
}

static int send_fragments(struct netstack *ns, struct ip_head *h,
			  const struct ip_msg *msg, size_t len)
{
	size_t head = is_v6(h->src) ? IP6_HEADER + IP6_FRAGMENT : IP4_HEADER;
	uint8_t buf[IP6_HEADER + IP6_FRAGMENT];
	struct iovec iov[IP_OUT_IOV + 1];
	struct vnet none = { 0 };
	size_t room, take;
	int n, err;

	if (ns->mtu < head + 8)
		return -EMSGSIZE;
	room = (ns->mtu - head) & ~(size_t)7;
	h->frag = true;
	for (h->offset = 0; h->offset < len; h->offset += take) {
		take = len - h->offset < room ? len - h->offset : room;
		h->more = h->offset + take < len;
		iov[0].iov_base = buf;
		iov[0].iov_len = put_head(buf, h, take);
		n = slice(msg->l4, msg->cnt, h->offset, take, iov + 1);
		err = tun_send(ns, &none, iov, n + 1);
		if (err)
			return err; /* the rest would be of no use */
	}
	return 0;
}

static int send_whole(struct netstack *ns, const struct ip_head *h,
		      const struct ip_msg *msg, size_t len,
		      const struct vnet *offload)
{
	uint8_t buf[IP6_HEADER + IP6_FRAGMENT];
	struct iovec iov[IP_OUT_IOV + 1];
	size_t head = put_head(buf, h, len);
	struct vnet vnet = { 0 };

	if (offload) {
		vnet = *offload;
		vnet.csum_start = (uint16_t)(vnet.csum_start + head);
		vnet.hdr_len = (uint16_t)(vnet.hdr_len + head);
	}
	iov[0].iov_base = buf;
	iov[0].iov_len = head;
	memcpy(iov + 1, msg->l4, (size_t)msg->cnt * sizeof(*msg->l4));
	return tun_send(ns, &vnet, iov, msg->cnt + 1);
}

int ip_send(struct netstack *ns, const struct ip_msg *msg,
	    const struct vnet *offload)
{
	struct ip_head h = { .src = msg->src,
			     .dst = msg->dst,
			     .proto = msg->proto };
	bool v6 = is_v6(msg->src), cut;
	size_t len = 0;
	int i;

	if (msg->cnt > IP_OUT_IOV || msg->src->kind != msg->dst->kind ||
	    !addr_is_ip(msg->src))
		return -EINVAL;
	for (i = 0; i < msg->cnt; i++)
		len += msg->l4[i].iov_len;
	if (len + (v6 ? 0 : IP4_HEADER) > UINT16_MAX)
		return -EMSGSIZE;
	cut = !offload && !ip_fits(ns, v6, len);
	if (cut || !v6) /* a whole IPv6 packet has none */
		h.id = rand_u32();
	if (cut)
		return send_fragments(ns, &h, msg, len);
	return send_whole(ns, &h, msg, len, offload);
}
