/*
 * fuzz_lw_tcp.c - The TCP stack under a client and an owner that do anything
 *
 * The input is a list of operations on a few flows: segments of any flags with
 * numbers near the right ones, stream calls in any order, time. lwIP must never
 * meet one of its own assertions, and every buffer comes back.
 */
#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "netstack/lw/lw_in.h"
#include "tests/unit/lw_peer.c"

enum { FLOWS = 3, OPS_MAX = 400 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct input {
	const uint8_t *p, *end;
};

static uint8_t get8(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static uint16_t get16(struct input *in)
{
	uint8_t hi = get8(in);

	return (uint16_t)(hi << 8 | get8(in));
}

/* Near the right number, or anywhere */
static uint32_t near(struct input *in, uint32_t right)
{
	uint8_t how = get8(in);

	if (how < 160)
		return right;
	if (how < 220)
		return right + (uint32_t)(int8_t)get8(in) * (how & 1 ? 1 : 997);
	return (uint32_t)get16(in) << 16 | get16(in);
}

static void segment(struct input *in, struct client *c)
{
	static uint8_t body[60000];
	uint32_t seq = c->seq, ack = c->ack;
	uint8_t flags = get8(in) & 0x3f, opt[40] = { 0 };
	size_t opt_len = (size_t)(get8(in) % 11) * 4, len = get16(in) % 60000;

	for (size_t i = 0; i < opt_len; i++)
		opt[i] = get8(in);
	if (!(flags & F_PSH))
		len &= 15;
	c->seq = near(in, seq);
	c->ack = near(in, ack);
	c->wnd = get16(in);
	client_send_opt(c, flags, opt, opt_len, body, len);
	/* believe in what was sent half the time */
	if (get8(in) & 1)
		c->seq = seq;
	c->ack = ack;
}

static void stream_op(struct input *in, struct accepted *a)
{
	static uint8_t body[65536];
	struct stream *s = a->stream;
	struct iovec iov[8];
	ssize_t got;
	int cnt = 8;

	if (!s)
		return;
	switch (get8(in) % 8) {
	case 0:
		stream_read(s, body, get16(in));
		break;
	case 1:
		got = s->ops->lend(s, iov, &cnt);
		if (got > 0)
			s->ops->took(s, (size_t)got % (get16(in) + 1u));
		break;
	case 2:
		stream_write(s, body, get16(in));
		break;
	case 3:
		got = s->ops->room(s, iov, &cnt);
		if (got > 0)
			s->ops->filled(s, (size_t)got % (get16(in) + 1u));
		break;
	case 4:
		s->ops->want(s, get8(in) & 3);
		break;
	case 5:
		s->ops->finish(s);
		break;
	case 6:
		stream_close(&a->stream, 0);
		break;
	default:
		stream_close(&a->stream, -ECONNABORTED);
		break;
	}
}

/* Learn the server's numbers as a client would */
static void learn(struct client *c)
{
	struct seg *s;

	while ((s = peer_next(c[0].p))) {
		for (int i = 0; i < FLOWS; i++) {
			if (s->dst.port != c[i].src.port)
				continue;
			if (s->flags & F_SYN || s->seq == c[i].ack)
				c[i].ack = s->seq + s->len +
					   !!(s->flags & (F_SYN | F_FIN));
		}
	}
	peer_forget(c[0].p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct peer p;
	struct input in = { data, data + n };
	struct client c[FLOWS];
	struct lw_stats st;

	peer_up(&p, &lw_ops, get8(&in) & 1, get8(&in) & 1);
	/* one handshake is kept, further ones are answered by cookies */
	lw_self->conf.half_open_max = 1;
	for (int i = 0; i < FLOWS; i++)
		c[i] = client_make(&p, (uint16_t)(1000 + i));
	if (get8(&in) & 1)
		client_open(&c[0]);
	for (int ops = 0; in.p < in.end && ops < OPS_MAX; ops++) {
		uint8_t op = get8(&in);

		p.refuse = op == 255;
		p.theirs = op == 252; /* another worker has its flow */
		p.raced = op == 248; /* since a moment ago */
		if (op == 251) /* a cookie may have become too old */
			p.w.now_ms += 20000;
		if (op % 4 < 2)
			segment(&in, &c[op / 4 % FLOWS]);
		else if (op % 4 == 2 && p.acc_count)
			stream_op(&in, &p.acc[op / 4 % p.acc_count]);
		else
			peer_wait(&p, (op & 0x80) ? 700 : 20);
		learn(c);
	}
	lw_ops.stats(p.lw, &st);
	MUST(st.asserts == 0);
	peer_down(&p);
	MUST(p.bufs_out == 0);
	return 0;
}
