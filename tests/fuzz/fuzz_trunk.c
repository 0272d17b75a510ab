/*
 * fuzz_trunk.c - Frames on a live Mux.cool connection, in pieces, both sides
 *
 * First byte: odd is a server; its other bits are the size of the pieces. The
 * sub-streams are read, written and closed in between.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/core/worker.h"
#include "proxy/mux/sub.h"
#include "proxy/mux/trunk.h"

#define SUBS 8

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct worker w;
static struct job job;
static struct stream *streams[SUBS];
static struct dgram *dgrams[SUBS];
static unsigned int count;

static void nothing(struct trunk *t)
{
	(void)t;
}

static void run(struct job *j)
{
	(void)j;
}

static struct sub *birth(struct trunk *t, const struct mux_frame *f)
{
	unsigned int i = count % SUBS;
	struct sub_stream *ss;
	struct sub_dgram *d;

	if (streams[i] || dgrams[i])
		return NULL;
	count++;
	if (f->network == MUX_UDP) {
		d = sub_dgram_new(t, f->session, &f->to, true);
		if (!d)
			return NULL;
		d->d.job = &job;
		dgrams[i] = &d->d;
		return &d->sub;
	}
	ss = sub_stream_new(t, f->session, NULL);
	if (!ss)
		return NULL;
	ss->s.job = &job;
	streams[i] = &ss->s;
	return &ss->sub;
}

static const struct trunk_ops client = { .kick = nothing, .left = nothing };
static const struct trunk_ops server = { .kick = nothing,
					 .birth = birth,
					 .left = nothing };

static void close_one(unsigned int i, int why)
{
	stream_close(&streams[i], why);
	if (dgrams[i])
		dgrams[i]->ops->close(dgrams[i]);
	dgrams[i] = NULL;
}

static void use(unsigned int i, uint8_t how)
{
	struct pkt v[4];
	uint8_t b[300];

	if (streams[i]) {
		streams[i]->ops->want(streams[i], how & 3);
		(void)stream_read(streams[i], b, sizeof(b));
		(void)stream_write(streams[i], b, how);
	}
	if (dgrams[i]) {
		int n = dgrams[i]->ops->recv(dgrams[i], v, 4);

		if (n > 0)
			dgrams[i]->ops->send(dgrams[i], v, n);
	}
	if (how % 16 == 5)
		close_one(i, how & 16 ? -EPIPE : 0);
}

static void start(struct trunk *t, bool is_server)
{
	struct addr to = addr_v4("\1\2\3\4", 5);

	if (!w.scratch)
		worker_init(&w, 0, NULL);
	job = (struct job){ .run = run, .worker = &w };
	trunk_init(t, is_server ? &server : &client, &w);
	t->up = true;
	for (uint16_t i = 0; !is_server && i < SUBS / 2; i++) {
		struct sub_stream *ss = sub_stream_new(t, i, &to);
		struct sub_dgram *d =
			sub_dgram_new(t, (uint16_t)(i + SUBS / 2), NULL, false);

		ss->s.job = &job;
		d->d.job = &job;
		streams[i] = &ss->s;
		dgrams[i + SUBS / 2] = &d->d;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	size_t step, used = 1;
	struct trunk t;
	unsigned int i;

	if (n < 2)
		return 0;
	start(&t, p[0] & 1);
	step = (size_t)(p[0] >> 1) + 1;
	while (used < n) {
		size_t k = n - used < step ? n - used : step;
		ssize_t r = trunk_feed(&t, p + used, k);

		if (r < 0)
			break;
		if ((size_t)r > k || ((size_t)r < k && !trunk_stalled(&t)))
			abort();
		used += (size_t)r;
		use(p[used - 1] % SUBS, p[used - 1]);
		if (t.tx.bytes > TRUNK_TX_HARD + 70000)
			abort();
		trunk_sent(&t, t.tx.bytes);
		if (!r) /* stalled: whoever it is gives way */
			for (i = 0; i < SUBS; i++)
				close_one(i, 0);
	}
	for (i = 0; i < SUBS; i += 2)
		close_one(i, 0);
	trunk_kill(&t, -ECONNRESET);
	if (t.live)
		abort();
	for (i = 0; i < SUBS; i++)
		close_one(i, 0);
	job_forget(&job);
	return 0;
}
