/*
 * fuzz_layer_vision.c - What the other end of Vision may say, and the stream within
 *
 * First byte: bit 0: we are the server, bit 1: the first bytes were read before.
 * Second: the size of the pieces and the end. The rest comes from the connection; it
 * is written back into the layer as the stream within.
 */
#include "proxy/layer/vision.h"
#include "worker.h"

#define TURNS 20000 /* more than any input takes */

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const uint8_t id[16] = "0123456789abcde";
static struct worker w;
static struct config cfg;
static unsigned int bare; /* directions that left the connection */

/* As TLS: the order is to be kept, and a direction is left once */
static int feed_bare(struct stream *s, unsigned int dir)
{
	(void)s;
	MUST(!(bare & dir));
	bare |= dir;
	return 0;
}

/* To its end, writing what comes back; the last result */
static ssize_t drain(struct stream **s)
{
	uint8_t b[700];
	ssize_t k = -EAGAIN, put;
	size_t at;

	for (int i = 0; i < TURNS && (k > 0 || k == -EAGAIN); i++) {
		k = stream_read(*s, b, sizeof(b));
		MUST(k <= (ssize_t)sizeof(b));
		for (at = 0; k > 0 && at < (size_t)k; at += (size_t)put) {
			put = stream_write(*s, b + at, (size_t)k - at);
			if (put == -EAGAIN)
				put = 0;
			if (put < 0)
				return put;
			MUST((size_t)put <= (size_t)k - at);
		}
		stream_shed(s);
	}
	return k;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct stream_ops ops;
	struct stream *s;
	size_t early = 0;
	struct feed f;
	ssize_t rc;

	if (n < 2)
		return 0;
	if (!cfg.level_count)
		worker_up_plain(&w, &cfg);
	if (p[0] & 2)
		early = (n - 2) / 3;
	feed_init(&f, p + 2 + early, n - 2 - early, p[1]);
	ops = feed_ops;
	ops.bare = feed_bare;
	f.s.ops = &ops;
	bare = 0;
	s = vision_new(&w, &f.s, id, 1, p[0] & 1);
	MUST(s);
	if (early)
		MUST(vision_unread(s, p + 2, early) == 0);
	rc = drain(&s);
	MUST(rc != -EAGAIN && rc != -ENOMEM);
	if (rc == 0)
		(void)s->ops->finish(s);
	s->ops->close(s, rc < 0 ? (int)rc : 0);
	MUST(f.closed);
	return 0;
}
