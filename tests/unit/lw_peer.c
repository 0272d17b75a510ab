/* lw_peer.c - See lw_peer.h */
#include "tests/unit/lw_peer.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"

static int on_send(void *arg, const struct vnet *vnet, const struct iovec *iov,
		   int cnt)
{
	struct peer *p = arg;
	static uint8_t buf[70000];
	struct packet k;
	enum drop why;
	struct seg *s;
	size_t n = 0;
	const uint8_t *t;
	uint32_t head;

	for (int i = 0; i < cnt; i++) {
		memcpy(buf + n, iov[i].iov_base, iov[i].iov_len);
		n += iov[i].iov_len;
	}
	/* what the stack sends passes the checks of what it receives */
	if (packet_parse(buf, n, vnet, &k, &why) || p->seg_count == PEER_SEGS)
		abort();
	if (vnet->csum_partial &&
	    (csum_fold(csum_pseudo(&k.src, &k.dst, 6, k.len - k.l4)) ^
	     get_be16(buf + k.l4 + 16)) != 0xffff)
		abort();
	s = &p->segs[p->seg_count++];
	t = buf + k.l4;
	head = (uint32_t)(t[12] >> 4) * 4;
	*s = (struct seg){ .src = k.src,
			   .dst = k.dst,
			   .flags = t[13],
			   .seq = get_be32(t + 4),
			   .ack = get_be32(t + 8),
			   .wnd = get_be16(t + 14),
			   .len = k.len - k.l4 - head,
			   .ip_id = k.v6 ? 0 : get_be16(buf + 4),
			   .ip_df = !k.v6 && buf[6] & 0x40,
			   .vnet = *vnet,
			   .option_len = (uint8_t)(head - 20) };
	memcpy(s->options, t + 20, head - 20);
	s->data = malloc(s->len + 1);
	memcpy(s->data, t + head, s->len);
	return 0;
}

static void on_job(struct job *j)
{
	container_of(j, struct accepted, job)->wakes++;
}

static int on_accept(void *arg, struct stream *s, const struct addr *client,
		     const struct addr *dest)
{
	struct peer *p = arg;
	struct accepted *a;

	if (p->refuse)
		return -ENOBUFS;
	a = &p->acc[p->acc_count++];
	*a = (struct accepted){ .stream = s, .client = *client, .dest = *dest };
	a->job.run = on_job;
	a->job.worker = &p->w;
	stream_set_job(s, &a->job);
	return 0;
}

static void on_buf_free(void *arg, struct lw_buf *b)
{
	struct peer *p = arg;

	p->bufs_out--;
	free(b);
}

static void on_wake(void *arg)
{
	if (!arg)
		abort();
}

static bool on_elsewhere(void *arg, uint64_t tuple, const struct packet *k)
{
	struct peer *p = arg;

	if (!k->len)
		abort();
	p->tuple = tuple;
	p->taken += p->theirs;
	return p->theirs;
}

static bool on_claim(void *arg, uint64_t tuple)
{
	struct peer *p = arg;

	p->tuple = tuple;
	p->claims += !p->raced;
	return !p->raced;
}

static void on_ended(void *arg, uint64_t tuple)
{
	struct peer *p = arg;

	p->tuple = tuple;
	p->ends++;
}

void peer_up(struct peer *p, const struct lw_ops *ops, bool super, bool v6)
{
	memset(p, 0, offsetof(struct peer, segs));
	if (worker_init(&p->w, 0, NULL))
		abort();
	p->w.now_ms = 1000;
	p->ops = ops;
	p->v6 = v6;
	p->conf = (struct lw_conf){
		.worker = &p->w,
		.mtu = 1500,
		.super = super,
		.send = on_send,
		.accept = on_accept,
		.buf_free = on_buf_free,
		.wake = on_wake,
		.elsewhere = on_elsewhere,
		.claim = on_claim,
		.ended = on_ended,
		.arg = p,
		.flow_max = 100000,
		.half_open_max = 1000,
		.half_open_source_max = 500,
		.secret = { 0x1122334455667788u, 0x99aabbccddeeff00u },
	};
	p->lw = ops->new (&p->conf);
	if (!p->lw)
		abort();
}

static void run_jobs(struct peer *p)
{
	while (p->w.ready_head) {
		struct job *j = p->w.ready_head;

		job_forget(j);
		j->run(j);
	}
}

void peer_down(struct peer *p)
{
	p->ops->free(p->lw);
	run_jobs(p);
	for (unsigned int i = 0; i < p->acc_count; i++)
		stream_close(&p->acc[i].stream, -ECONNABORTED);
	peer_forget(p);
	worker_fini(&p->w);
}

void peer_wait(struct peer *p, uint32_t ms)
{
	p->ops->flush(p->lw);
	for (; ms; ms = ms > 10 ? ms - 10 : 0) {
		p->w.now_ms += ms > 10 ? 10 : ms;
		if (p->ops->next_timer(p->lw) == 0)
			p->ops->tick(p->lw);
		run_jobs(p);
		p->ops->flush(p->lw);
	}
	run_jobs(p);
}

struct seg *peer_next(struct peer *p)
{
	return p->seg_read < p->seg_count ? &p->segs[p->seg_read++] : NULL;
}

void peer_forget(struct peer *p)
{
	for (unsigned int i = 0; i < p->seg_count; i++)
		free(p->segs[i].data);
	p->seg_count = 0;
	p->seg_read = 0;
}

struct client client_make(struct peer *p, uint16_t port)
{
	static const uint8_t a6[16] = { 0xfd, 1, [15] = 7 };
	static const uint8_t b6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 9 };
	static const uint8_t a4[4] = { 10, 0, 0, 7 },
			     b4[4] = { 203, 0, 113, 9 };

	return (struct client){
		.p = p,
		.src = p->v6 ? addr_v6(a6, port) : addr_v4(a4, port),
		.dst = p->v6 ? addr_v6(b6, 443) : addr_v4(b4, 443),
		.seq = 1000,
		.wnd = 65535,
	};
}

static size_t ip_header(const struct client *c, uint8_t *h, size_t l4_len)
{
	size_t n = addr_ip_len(&c->src);

	if (c->src.kind == ADDR_V6) {
		h[0] = 0x60;
		put_be16(h + 4, (uint16_t)l4_len);
		h[6] = 6;
		h[7] = 64;
		memcpy(h + 8, c->src.ip, n);
		memcpy(h + 24, c->dst.ip, n);
		return 40;
	}
	h[0] = 0x45;
	put_be16(h + 2, (uint16_t)(20 + l4_len));
	h[8] = 64;
	h[9] = 6;
	memcpy(h + 12, c->src.ip, n);
	memcpy(h + 16, c->dst.ip, n);
	put_be16(h + 10, csum_fold(csum_add(0, h, 20)));
	return 20;
}

void client_send_opt(struct client *c, uint8_t flags, const void *options,
		     size_t option_len, const void *data, size_t len)
{
	struct lw_buf *b = calloc(1, sizeof(*b) + 66000);
	size_t l4_len = 20 + option_len + len, l4;
	struct vnet vnet = { .csum_partial = true };
	struct packet k;
	enum drop why;
	uint8_t *t;

	l4 = ip_header(c, b->data, l4_len);
	t = b->data + l4;
	put_be16(t, c->src.port);
	put_be16(t + 2, c->dst.port);
	put_be32(t + 4, c->seq);
	put_be32(t + 8, flags & F_ACK ? c->ack : 0);
	t[12] = (uint8_t)((20 + option_len) / 4 << 4);
	t[13] = flags;
	put_be16(t + 14, c->wnd);
	if (option_len)
		memcpy(t + 20, options, option_len);
	if (len)
		memcpy(t + 20 + option_len, data, len);
	c->seq += (uint32_t)len + !!(flags & F_SYN) + !!(flags & F_FIN);
	if (!packet_parse(b->data, l4 + l4_len, &vnet, &k, &why)) {
		c->p->bufs_out++;
		if (c->p->ops->input(c->p->lw, &k, b))
			return;
		c->p->bufs_out--;
	}
	free(b);
}

void client_send(struct client *c, uint8_t flags, const void *data, size_t len)
{
	client_send_opt(c, flags, NULL, 0, data, len);
}

struct accepted *client_open(struct client *c)
{
	/* MSS 1460, SACK permitted, window scale 7 */
	static const uint8_t opt[] = { 2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7, 0, 0 };
	unsigned int before = c->p->acc_count;
	struct seg *s;

	peer_forget(c->p);
	client_send_opt(c, F_SYN, opt, sizeof(opt), NULL, 0);
	s = peer_next(c->p);
	if (!s || s->flags != (F_SYN | F_ACK) || s->ack != c->seq)
		return NULL;
	c->ack = s->seq + 1;
	client_send(c, F_ACK, NULL, 0);
	return c->p->acc_count > before ? &c->p->acc[before] : NULL;
}

size_t client_collect(struct client *c, uint8_t *out, size_t max, bool *fin)
{
	struct seg *s;
	size_t n = 0;

	while ((s = peer_next(c->p))) {
		if (s->seq != c->ack || s->dst.port != c->src.port)
			continue;
		if (n + s->len > max || s->flags & F_RST)
			break;
		memcpy(out + n, s->data, s->len);
		n += s->len;
		c->ack += s->len;
		if (s->flags & F_FIN) {
			c->ack++;
			*fin = true;
		}
		client_send(c, F_ACK, NULL, 0);
	}
	return n;
}
