/*
 * reality_probe.c - What a target says behind its handshake, before it is asked
 *
 *   dial -> ClientHello -> its flight -> our Finished -> what comes then, until a
 *   second of silence: tickets, settings of HTTP/2
 *
 * Known clients are told records of the same lengths, and nothing in them. It
 * differs by name and by the protocol a client asks for first. Asked once, by the
 * worker whose client wants to know; a target that did not answer is asked again
 * after a while.
 *
 * Source: docs/wire/reality.md; XTLS/REALITY record_detect.go (facts)
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/worker.h"
#include "proxy/layer/keep.h"
#include "proxy/transport/reality_in.h"
#include "proxy/wire/proxy_head.h"
#include "proxy/wire/reality_flight.h"

#define PROBE_MS   5000u
#define SILENCE_MS 1000u
#define AGAIN_MS   30000u
#define OUT_MAX    (PROXY_HEAD_OUT_MAX + TLS13_HEAD_BYTES + TLS13_HELLO_MAX)

enum { UNKNOWN, ASKED, KNOWN };

/**
 * struct reality_probe - One question on its way
 * @list, @next:	The worker's; @at, @conf: of @cfg, one reference
 * @timer:	The end of the silence, or of the patience; the only place that frees
 * @in:		What the target said: its flight, then what comes behind
 * @shaken:	The handshake is over
 */
struct reality_probe {
	struct job job; /* must be first */
	struct timer timer;
	struct reality_probe **list, *next;
	struct config *cfg;
	const struct reality_in_conf *conf;
	struct reality_after *at;
	struct stream *s;
	struct tls13_shake k;
	struct buf *in, *out;
	uint32_t born_ms;
	bool shaken, over;
};

static void probe_free(struct reality_probe *p)
{
	for (struct reality_probe **at = p->list; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	job_forget(&p->job);
	timer_cancel(&p->timer);
	stream_close(&p->s, 0);
	tls13_shake_drop(&p->k);
	buf_free(p->in);
	buf_free(p->out);
	config_unref(p->cfg);
	free(p);
}

void reality_probes_stop(struct reality_probe *all)
{
	while (all) {
		struct reality_probe *next = all->next;

		probe_free(all);
		all = next;
	}
}

/* What was heard is for everybody; nothing was: for a while */
static void publish(struct reality_probe *p)
{
	struct reality_after *a = p->at;

	if (!p->shaken) {
		log_info("reality: the target did not say what comes behind "
			 "its handshake");
		atomic_store(&a->again_ms,
			     (p->job.worker->now_ms + AGAIN_MS) | 1u);
		atomic_store(&a->state, UNKNOWN);
		return;
	}
	a->count = reality_after_take(p->in ? buf_head(p->in) : NULL,
				      p->in ? p->in->len : 0, a->size,
				      REALITY_AFTER_MAX);
	log_debug("reality: behind its handshake the target says %zu records",
		  a->count);
	atomic_store(&a->state, KNOWN);
}

static void probe_due(struct timer *t)
{
	struct reality_probe *p = container_of(t, struct reality_probe, timer);

	publish(p);
	probe_free(p);
}

/* Nothing is freed during a turn's jobs */
static void probe_over(struct reality_probe *p)
{
	p->over = true;
	timer_set(&p->job.worker->wheel, &p->timer, 0);
}

/*
 * Its flight is whole: our Finished, and what was read is forgotten (what came
 * with the flight belongs to it). 0 or -errno
 */
static int finish(struct reality_probe *p)
{
	ssize_t n;

	p->out = buf_new(256);
	if (!p->out)
		return -ENOMEM;
	n = tls13_shake_finish(&p->k, buf_head(p->out), buf_space(p->out));
	if (n < 0)
		return (int)n;
	p->out->len = (uint32_t)n;
	p->shaken = true;
	buf_drop(p->in, p->in->len);
	return 0;
}

/* 0 something was read, -EAGAIN, -errno; the end is -ECONNRESET */
static int hear(struct reality_probe *p)
{
	uint32_t left = p->born_ms + PROBE_MS - p->job.worker->now_ms;
	ssize_t n;

	if (!p->in)
		p->in = buf_new(REALITY_FLIGHT_MAX);
	if (!p->in)
		return -ENOMEM;
	if (!buf_space(p->in))
		return -ENOBUFS;
	stream_shed(&p->s);
	n = stream_read(p->s, buf_tail(p->in), buf_space(p->in));
	if (n <= 0)
		return n ? (int)n : -ECONNRESET;
	p->in->len += (uint32_t)n;
	if (p->shaken) {
		timer_set(&p->job.worker->wheel, &p->timer,
			  left < SILENCE_MS ? left : SILENCE_MS);
		return 0;
	}
	n = tls13_shake_feed(&p->k, buf_head(p->in), p->in->len);
	return n > 0 ? finish(p) : (int)n;
}

static void probe_run(struct job *j)
{
	struct reality_probe *p = container_of(j, struct reality_probe, job);
	int rc = 0;

	if (p->over)
		return;
	while (!rc) {
		rc = keep_flush(&p->out, p->s);
		if (!rc || (rc == -EAGAIN && p->shaken))
			rc = hear(p);
	}
	if (rc != -EAGAIN) {
		probe_over(p);
		return;
	}
	p->s->ops->want(p->s, ST_READ | (p->out ? ST_WRITE : 0u));
}

static int no_judge(void *arg, const struct tls13_proof *proof)
{
	(void)arg;
	(void)proof;
	return 0;
}

/* A PROXY header that tells nobody, if one is wanted, and the hello */
static int make_hello(struct reality_probe *p, const char *name,
		      enum reality_alpn alpn)
{
	static const uint8_t both[] = "\2h2\10http/1.1";
	static const struct addr nobody;
	struct tls13_offer o = { .name = name[0] ? name : NULL };
	uint8_t hello[TLS13_HELLO_MAX];
	ssize_t n;
	int rc;

	o.alpn = alpn == REALITY_ALPN_H2 ? both : both + 3;
	o.alpn_len = alpn == REALITY_ALPN_H2   ? 12 :
		     alpn == REALITY_ALPN_NONE ? 0 :
						 9;
	rand_bytes(&p->k.own, sizeof(p->k.own));
	rand_bytes(o.random, sizeof(o.random));
	rand_bytes(o.session, sizeof(o.session));
	rand_bytes(o.dice, sizeof(o.dice));
	rc = tls13_own_public(&p->k.own, &o);
	n = rc ? rc : tls13_hello_encode(&o, hello, sizeof(hello));
	if (n < 0)
		return (int)n;
	p->k.judge = no_judge;
	rc = tls13_shake_start(&p->k, hello, (size_t)n);
	p->out = rc ? NULL : buf_new(OUT_MAX);
	if (!p->out)
		return -ENOMEM;
	if (p->conf->xver)
		p->out->len = (uint32_t)proxy_head_encode(
			p->conf->xver, &nobody, &nobody, buf_head(p->out));
	n = tls13_shake_hello(&p->k, buf_tail(p->out), buf_space(p->out));
	if (n > 0)
		p->out->len += (uint32_t)n;
	return n < 0 ? (int)n : 0;
}

static void ask(struct worker *w, struct reality_probe **list,
		struct config *cfg, const struct reality_ask *q)
{
	struct reality_probe *p = calloc(1, sizeof(*p));
	struct dial d = { .worker = w, .cfg = cfg };

	if (!p) {
		atomic_store(&q->at->state, UNKNOWN);
		return;
	}
	p->job = (struct job){ .run = probe_run, .worker = w };
	p->cfg = config_ref(cfg);
	p->conf = q->conf;
	p->at = q->at;
	p->born_ms = w->now_ms;
	p->list = list;
	p->next = *list;
	*list = p;
	timer_init(&p->timer, probe_due);
	d.job = &p->job;
	if (make_hello(p, q->name, q->alpn) < 0 ||
	    dest_dial(&q->conf->target, &d, &p->s) < 0) {
		probe_over(p);
		return;
	}
	timer_set(&w->wheel, &p->timer, PROBE_MS);
	job_ready(&p->job);
}

const struct reality_after *reality_after_get(struct worker *w,
					      struct reality_probe **list,
					      struct config *cfg,
					      const struct reality_ask *q)
{
	static const struct reality_after nothing;
	int unknown = UNKNOWN;
	uint32_t again;

	if (atomic_load(&q->at->state) == KNOWN)
		return q->at;
	again = atomic_load(&q->at->again_ms);
	if (again && clock_before(w->now_ms, again))
		return &nothing;
	if (atomic_compare_exchange_strong(&q->at->state, &unknown, ASKED))
		ask(w, list, cfg, q);
	return NULL;
}
