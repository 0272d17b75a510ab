/*
 * observe.c - Probing outbounds
 *
 *	start -> all at once -> request by HTTP/1.1 through the outbound -> the
 *	head of a response, of any status: alive, so many ms -> again later
 *
 * The clock runs from the dial to the head. Nothing within the timeout, an end,
 * an error: dead; in a burst the second in a row. What an outbound is called changes
 * in the log when it does.
 * Source: Xray app/observatory/observer.go, app/observatory/burst (facts)
 */
#include "gateway/observe/observe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/health.h"
#include "gateway/core/transport.h"
#include "gateway/core/worker.h"
#include "gateway/observe/samples.h"
#include "proxy/wire/http1.h"

#define HEAD_BYTES 4096u /* of a response, at most */
#define FEW        3u /* outbounds whose first deaths are told one by one */

/**
 * struct probe - Of one outbound
 * @timer:	Running: the end of the time allowed; else: the next one
 * @s:		NULL: none under way
 * @sent, @len:	Bytes of the request that went, of the response in @in
 */
struct probe {
	struct job job; /* must be first */
	struct timer timer;
	const struct observe *conf;
	const struct observed *of;
	struct config *cfg;
	struct stream *s;
	struct samples samples;
	uint32_t since_ms, sent, len;
	unsigned int number; /* of the outbound */
	bool first, over;
	bool fresh; /* its first result is not there yet */
	int err;
	uint8_t in[HEAD_BYTES];
};

/**
 * struct observer - Of the worker that does it; worker->rooms[ROOM_OBSERVE]
 * @cfg:	One reference
 * @waiting:	Outbounds whose first result is not there yet
 * @alive, @quickest, @quickest_ms:	Of the first results
 */
struct observer {
	struct config *cfg;
	unsigned int count, waiting, alive;
	const char *quickest;
	uint32_t quickest_ms;
	struct probe v[];
};

/* --- what came of it --- */

/* At the default level a long list of servers is told as a whole */
static void sum_up(const struct observer *o)
{
	if (o->alive == o->count && o->count == 1)
		log_warning("observatory: [%s] answers after %u ms",
			    o->quickest, o->quickest_ms);
	else if (o->alive)
		log_warning("observatory: %u of %u outbounds answer, the "
			    "quickest is [%s] after %u ms",
			    o->alive, o->count, o->quickest, o->quickest_ms);
	else if (o->count > 1)
		log_warning("observatory: no outbound answers. Has this host a "
			    "way out (`culvert check`), has the subscription "
			    "expired, is its clock right?");
}

static void first_result(struct observer *o, const struct probe *p, uint32_t ms)
{
	if (!p->err && (!o->alive || ms < o->quickest_ms)) {
		o->quickest = p->of->tag;
		o->quickest_ms = ms;
	}
	o->alive += !p->err;
	if (--o->waiting == 0)
		sum_up(o);
}

/* DNS tells with these that there is no such name, and that nobody answers */
static const char *word(int err)
{
	return err == ENOENT ? "its name is not found" :
	       err == EIO    ? "its name cannot be looked up" :
			       strerror(err);
}

static void tell(const struct probe *p, enum health_state was,
		 enum health_state is, uint32_t ms)
{
	const struct observer *o = p->job.worker->rooms[ROOM_OBSERVE];

	if (is == was)
		return;
	if (is == HEALTH_ALIVE && was == HEALTH_DEAD)
		log_warning("observatory: [%s] is alive again: %u ms",
			    p->of->tag, ms);
	else if (is == HEALTH_ALIVE)
		log_info("observatory: [%s] is alive: %u ms", p->of->tag, ms);
	else if (o->waiting && o->count > FEW)
		log_info("observatory: [%s] is dead: %s", p->of->tag,
			 word(-p->err));
	else
		log_warning("observatory: [%s] is dead: %s", p->of->tag,
			    word(-p->err));
}

static uint32_t next_ms(struct probe *p)
{
	const struct observe *c = p->conf;
	uint32_t ms = c->interval_ms;

	if (c->spread)
		ms = ms / 2 + rand_below(ms + 1);
	if (p->first)
		ms += p->number * c->stagger_ms;
	p->first = false;
	return ms;
}

static void note_time(const struct probe *p, struct health *h)
{
	unsigned int now_s = (unsigned int)clock_wall(); /* until 2106 */

	atomic_store(&h->tried_s, now_s);
	if (!p->err)
		atomic_store(&h->seen_s, now_s);
	atomic_store(&h->error, (unsigned int)-p->err);
}

/* The probe has its result: p->err, 0 alive */
static void done(struct probe *p)
{
	struct worker *w = p->job.worker;
	struct health *h = p->of->health;
	enum health_state before = (enum health_state)atomic_load(&h->state);
	enum health_state was = /* or of before a reload */
		p->samples.count ? before : HEALTH_UNKNOWN;
	enum health_state is;
	uint32_t ms = w->now_ms - p->since_ms;

	stream_close(&p->s, -ECANCELED);
	samples_put(&p->samples, p->err ? SAMPLE_FAIL : ms, w->now_ms);
	is = samples_state(&p->samples, p->conf->spread, before);
	samples_tell(&p->samples, w->now_ms, p->conf->age_ms, h);
	note_time(p, h);
	if (!p->err)
		atomic_store(&h->delay_ms, ms);
	atomic_store(&h->state, is);
	atomic_fetch_add(&h->rounds, 1);
	tell(p, was, is, ms);
	if (p->fresh && !p->conf->on_demand)
		first_result(w->rooms[ROOM_OBSERVE], p, ms);
	p->fresh = false;
	timer_cancel(&p->timer);
	if (!p->conf->on_demand)
		timer_set(&w->wheel, &p->timer, next_ms(p));
}

/* --- one exchange --- */

/* 0 sent, -EAGAIN, -errno */
static int put(struct probe *p)
{
	while (p->sent < p->conf->request_len) {
		ssize_t n = stream_write(p->s, p->conf->request + p->sent,
					 p->conf->request_len - p->sent);

		if (n < 0)
			return (int)n;
		p->sent += (uint32_t)n;
	}
	return 0;
}

/* 0 the head is there, -EAGAIN, -errno */
static int get(struct probe *p)
{
	struct http1_head head;
	ssize_t n;

	for (;;) {
		if (p->len == sizeof(p->in))
			return -EMSGSIZE;
		n = stream_read(p->s, p->in + p->len, sizeof(p->in) - p->len);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0)
			return (int)n;
		p->len += (uint32_t)n;
		n = http1_response_decode(p->in, p->len, &head);
		if (n)
			return n < 0 ? (int)n : 0;
	}
}

static void probe_run(struct job *j)
{
	struct probe *p = container_of(j, struct probe, job);
	int rc;

	if (!p->s)
		return;
	stream_shed(&p->s);
	rc = put(p);
	if (!rc)
		rc = get(p);
	if (rc == -EAGAIN) {
		p->s->ops->want(p->s, p->sent < p->conf->request_len ?
					      ST_READ | ST_WRITE :
					      ST_READ);
		return;
	}
	p->err = rc;
	done(p);
}

static void begin(struct probe *p)
{
	struct worker *w = p->job.worker;
	struct dial d = {
		.worker = w, .job = &p->job, .cfg = p->cfg, .ob = &p->of->probe
	};
	int rc;

	p->since_ms = w->now_ms;
	p->sent = p->len = 0;
	rc = transport_dial(p->of->probe.transport, &d, &p->conf->to, &p->s);
	if (rc < 0) {
		p->err = rc;
		done(p);
		return;
	}
	timer_set(&w->wheel, &p->timer, p->conf->timeout_ms);
	job_ready(&p->job);
}

static void probe_timer(struct timer *t)
{
	struct probe *p = container_of(t, struct probe, timer);

	if (!p->s) {
		begin(p);
		return;
	}
	p->err = -ETIMEDOUT;
	done(p);
}

/* --- life --- */

static void observer_free(void *room)
{
	struct observer *o = room;

	if (!o)
		return;
	for (unsigned int i = 0; i < o->count; i++) {
		struct probe *p = &o->v[i];

		stream_close(&p->s, -ECANCELED);
		timer_cancel(&p->timer);
		job_forget(&p->job);
	}
	config_unref(o->cfg);
	free(o);
}

void observe_stop(struct worker *w)
{
	observer_free(w->rooms[ROOM_OBSERVE]);
	w->rooms[ROOM_OBSERVE] = NULL;
}

void observe_start(struct worker *w, struct config *cfg)
{
	const struct observe *c = cfg->observe;
	struct observer *o;

	observe_stop(w);
	if (!c || !c->count)
		return;
	o = calloc(1, sizeof(*o) + c->count * sizeof(o->v[0]));
	if (!o) {
		log_error("observatory: out of memory");
		return;
	}
	o->cfg = config_ref(cfg);
	o->count = o->waiting = c->count;
	for (unsigned int i = 0; i < c->count; i++) {
		struct probe *p = &o->v[i];

		p->job = (struct job){ .run = probe_run, .worker = w };
		p->conf = c;
		p->of = &c->v[i];
		p->cfg = cfg;
		p->number = i;
		p->first = p->fresh = true;
		p->samples.max = c->samples;
		timer_init(&p->timer, probe_timer);
		if (!c->on_demand)
			timer_set(&w->wheel, &p->timer, 0);
	}
	w->rooms[ROOM_OBSERVE] = o;
	w->room_free[ROOM_OBSERVE] = observer_free;
}

static void inherit(const struct health *from, struct health *to)
{
	atomic_store(&to->delay_ms, atomic_load(&from->delay_ms));
	atomic_store(&to->average_ms, atomic_load(&from->average_ms));
	atomic_store(&to->deviation_ms, atomic_load(&from->deviation_ms));
	atomic_store(&to->min_ms, atomic_load(&from->min_ms));
	atomic_store(&to->max_ms, atomic_load(&from->max_ms));
	atomic_store(&to->count, atomic_load(&from->count));
	atomic_store(&to->fails, atomic_load(&from->fails));
	atomic_store(&to->tried_s, atomic_load(&from->tried_s));
	atomic_store(&to->seen_s, atomic_load(&from->seen_s));
	atomic_store(&to->error, atomic_load(&from->error));
	atomic_store(&to->state, atomic_load(&from->state));
}

void observe_inherit(const struct observe *old, const struct observe *next)
{
	for (unsigned int i = 0; old && next && i < next->count; i++)
		for (unsigned int k = 0; k < old->count; k++)
			if (!strcmp(old->v[k].tag, next->v[i].tag))
				inherit(old->v[k].health, next->v[i].health);
}

/** struct wish - To the worker that probes: @health says of whom */
struct wish {
	struct message m; /* must be first */
	const struct health *health;
};

static void wish_run(struct worker *w, struct message *m)
{
	struct wish *wish = container_of(m, struct wish, m);
	struct observer *o = w->rooms[ROOM_OBSERVE];

	for (unsigned int i = 0; o && i < o->count; i++)
		if (o->v[i].of->health == wish->health && !o->v[i].s)
			timer_set(&w->wheel, &o->v[i].timer, 0);
	free(wish);
}

void observe_now(const struct observed *of)
{
	struct wish *wish = calloc(1, sizeof(*wish));

	if (!wish)
		return;
	wish->m.fn = wish_run;
	wish->health = of->health;
	worker_post(workers_all[0], &wish->m);
}
