/*
 * reality_in.c - REALITY as server: who is known goes on, others get the target
 *
 *   HELLO   client -> target as it comes; a whole ClientHello is judged
 *   FLIGHT  known: the target's answer is gathered as a mould
 *   ANSWER  our flight of the same form goes out
 *   FINISH  the client's Finished is awaited; the target is still there
 *   WAIT    for what targets say behind it, when that is not known yet
 *   RELAY   not known, or not as expected: bytes both ways, as they are
 *   OVER    to be freed
 *
 * Nothing of ours is sent before ANSWER, so everything before can become RELAY:
 * whoever does not know the key meets the target itself, its certificate and its
 * errors. FINISH can, too: who said an overheard hello again has no Finished, and
 * the target, which awaits one as well, shall say what it thinks of what comes
 * instead. From the accept to the client's Finished one absolute deadline holds;
 * a relay ends when it is idle. A connection that is met is no session; it
 * counts as one for the limit of sessions.
 *
 * Source: docs/wire/reality.md; XTLS/REALITY tls.go (facts)
 */
#include "proxy/transport/reality_in.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/link.h"
#include "gateway/core/policy.h"
#include "gateway/core/session.h"
#include "proxy/layer/head.h"
#include "proxy/wire/proxy_head.h"

#define CLIENT_FIRST 2304 /* a browser's hello of today fits */
#define CLIENT_MAX   (REALITY_HELLO_MAX + 1024) /* with heads of records */
#define TARGET_FIRST 8192
#define WAIT_MS      2000u /* for what is behind the handshake */
#define WAIT_STEP_MS 50u

enum guest_state { HELLO, FLIGHT, ANSWER, FINISH, WAIT, RELAY, GUEST_OVER };

/**
 * struct guest - One connection until it is handed on, or relayed
 * @node:	In the worker's room
 * @t, @top:	Our level, the uppermost
 * @birth:	Of what comes out of it; its cfg is a reference of ours
 * @client, @target:	Owned; NULL once handed on or closed
 * @from_client:	All bytes of the client until it is decided, @sent of them
 *		went to the target, @hello of them are the ClientHello
 * @from_target:	All bytes of the target's flight
 * @to_client:	Our flight
 * @seen:	Bytes of @from_client behind the hello that were used
 * @flight_left:	Bytes of the target's flight still to come
 * @mirrored:	The target is shown what the client says behind its hello
 * @claim:	What the client says it is; its key; @alpn: what it wants to speak
 * @session:	The id in its hello, which the target repeats
 * @wait_ms:	When it began to wait
 * @half:	Of a relay
 * @why:	How it ends: 0 in order, -errno
 */
struct guest {
	struct job job; /* must be first */
	struct timer timer;
	struct list node;
	const struct transport *t, *top;
	struct birth birth;
	struct stream *client, *target;
	struct buf *from_client, *from_target, *to_client;
	size_t sent, hello, seen, flight_left;
	bool mirrored;
	struct reality_claim claim;
	uint8_t session[TLS13_SESSION_ID_BYTES];
	struct reality_keys keys;
	struct half half[2];
	enum guest_state state;
	enum reality_alpn alpn;
	uint32_t id, active_ms, wait_ms;
	int why;
};

/** struct reality_room - Of one worker: its guests, its questions */
struct reality_room {
	struct list guests;
	struct reality_probe *probes;
};

static const struct reality_in_conf *conf_of(const struct guest *g)
{
	return g->t->settings;
}

static void say(const struct guest *g, const char *what, const char *more)
{
	char from[ADDR_TEXT_MAX];
	enum log_level level = conf_of(g)->show ? LOG_INFO : LOG_DEBUG;

	if (!log_on(level))
		return;
	addr_format(&g->birth.source, from, sizeof(from));
	if (level == LOG_INFO)
		log_info("s%x reality: %s [%s] %s%s", g->id, from,
			 g->birth.ib->tag, what, more);
	else
		log_debug("s%x reality: %s [%s] %s%s", g->id, from,
			  g->birth.ib->tag, what, more);
}

/* --- the end -------------------------------------------------------------------- */

static void buf_end(struct buf **b)
{
	buf_free(*b);
	*b = NULL;
}

static void relay_end(struct guest *g)
{
	struct half *h = g->half;

	if (!h[UP].src)
		return;
	link_free(g->job.worker, h);
	log_debug("s%x reality: relayed up %llu (%s) down %llu (%s): %s", g->id,
		  (unsigned long long)h[UP].total, way_name(h[UP].way),
		  (unsigned long long)h[DOWN].total, way_name(h[DOWN].way),
		  g->why ? strerror(-g->why) : "done");
}

static void guest_free(struct guest *g)
{
	struct worker *w = g->job.worker;

	relay_end(g);
	job_forget(&g->job);
	timer_cancel(&g->timer);
	list_del(&g->node);
	stream_close(&g->target, g->half[UP].finished ? 0 : g->why);
	stream_close(&g->client, g->half[DOWN].finished ? 0 : g->why);
	buf_end(&g->from_client);
	buf_end(&g->from_target);
	buf_end(&g->to_client);
	reality_keys_drop(&g->keys);
	wipe(&g->claim, sizeof(g->claim));
	config_unref(g->birth.cfg);
	worker_sessions(w, -1);
	worker_tidy_later(w);
	free(g);
}

/* Nothing is freed during a turn's jobs */
static int over(struct guest *g, int why)
{
	g->state = GUEST_OVER;
	g->why = why;
	timer_set(&g->job.worker->wheel, &g->timer, 0);
	return -EAGAIN;
}

static void idle_check(struct guest *g)
{
	uint32_t limit = g->birth.ib->policy->idle_ms;
	uint32_t idle = g->job.worker->now_ms - g->active_ms;

	if (idle < limit) {
		timer_set(&g->job.worker->wheel, &g->timer, limit - idle);
		return;
	}
	g->why = -ETIMEDOUT;
	guest_free(g);
}

static void guest_due(struct timer *t)
{
	struct guest *g = container_of(t, struct guest, timer);

	if (g->state == RELAY) {
		idle_check(g);
		return;
	}
	if (g->state == WAIT) {
		job_ready(&g->job);
		return;
	}
	if (g->state != GUEST_OVER)
		say(g, "has not shaken hands in time", "");
	guest_free(g);
}

/* --- relaying ------------------------------------------------------------------- */

static void half_set(struct half *h, struct stream **src, struct stream **dst,
		     struct buf **early)
{
	h->src = src;
	h->dst = dst;
	h->early = *early;
	*early = NULL;
	if (h->early && !h->early->len)
		buf_end(&h->early);
}

/* The client is shown the target, from now on without us. 0 or -EAGAIN */
static int relay(struct guest *g, const char *why)
{
	const struct reality_in_conf *c = conf_of(g);
	struct worker *w = g->job.worker;

	say(g, "is shown the target: ", why);
	if (g->from_client)
		buf_drop(g->from_client, g->sent);
	half_set(&g->half[UP], &g->client, &g->target, &g->from_client);
	half_set(&g->half[DOWN], &g->target, &g->client, &g->from_target);
	wipe(&g->claim, sizeof(g->claim));
	reality_keys_drop(&g->keys);
	if (reality_slow_down(w, &c->up, &g->client) < 0 ||
	    reality_slow_down(w, &c->down, &g->target) < 0)
		return over(g, -ENOMEM);
	g->state = RELAY;
	g->active_ms = w->now_ms;
	timer_set(&w->wheel, &g->timer, g->birth.ib->policy->idle_ms);
	return 0;
}

static int run_relay(struct guest *g)
{
	uint64_t before = g->half[UP].total + g->half[DOWN].total;
	bool again;
	int side = 2;
	int rc = link_pump(g->job.worker, g->half, WORKER_BUDGET_BYTES, &again,
			   &side);

	if (g->half[UP].total + g->half[DOWN].total != before)
		g->active_ms = g->job.worker->now_ms;
	if (rc)
		return over(g, rc < 0 ? rc : 0);
	link_want(g->half);
	if (again)
		job_ready(&g->job);
	return -EAGAIN;
}

/* --- HELLO ---------------------------------------------------------------------- */

/* One read of @s into *@b, which grows. Bytes, 0 end, -EAGAIN, -ENOBUFS, -errno */
static ssize_t gather(struct stream **s, struct buf **b, size_t first,
		      size_t most)
{
	struct buf *more;
	ssize_t n;

	if (!*b || !buf_space(*b)) {
		size_t cap = *b ? (*b)->cap * 2u : first;

		if (*b && (*b)->cap >= most)
			return -ENOBUFS;
		more = buf_new(cap < most ? cap : most);
		if (!more)
			return -ENOMEM;
		if (*b)
			buf_put(more, buf_head(*b), (*b)->len);
		buf_free(*b);
		*b = more;
	}
	stream_shed(s);
	n = stream_read(*s, buf_tail(*b), buf_space(*b));
	if (n > 0)
		(*b)->len += (uint32_t)n;
	if (n < 0 && !(*b)->len) /* waiting costs no buffer */
		buf_end(b);
	return n;
}

/*
 * What the client said so far goes to the target, @most bytes of it; of nothing, a
 * write still tells how it stands. 0, -EAGAIN, -errno
 */
static int forward(struct guest *g, size_t most)
{
	ssize_t n;

	if (!g->from_client) {
		n = g->target->ops->writev(g->target, NULL, 0);
		return n < 0 ? (int)n : 0;
	}
	if (most > g->from_client->len)
		most = g->from_client->len;
	while (g->sent < most) {
		n = stream_write(g->target, buf_head(g->from_client) + g->sent,
				 most - g->sent);
		if (n < 0)
			return (int)n;
		g->sent += (size_t)n;
	}
	return 0;
}

/* The hello's message, laid at worker->scratch until the next call. As gather */
static ssize_t read_hello(struct guest *g, size_t *len)
{
	return reality_hello_gather(buf_head(g->from_client),
				    g->from_client->len, g->job.worker->scratch,
				    REALITY_HELLO_MAX, len);
}

/* Is it one of ours? NULL: yes; else why not */
static const char *judge(struct guest *g, size_t len)
{
	uint8_t *msg = g->job.worker->scratch;
	struct reality_hello h;
	const char *why;

	if (reality_hello_decode(msg, len, &h) < 0)
		return "its hello is broken";
	why = reality_judge(&conf_of(g)->rules, msg, len, &h,
			    (uint64_t)clock_wall_ms(), &g->claim);
	g->alpn = h.alpn;
	if (!why)
		memcpy(g->session, h.session, sizeof(g->session));
	return why;
}

/* What is said behind the handshake; NULL: not known yet */
static const struct reality_after *what_is_after(const struct guest *g)
{
	const struct reality_in_conf *c = conf_of(g);
	struct worker *w = g->job.worker;
	struct reality_room *r = w->rooms[ROOM_REALITY];
	struct reality_ask q = {
		.conf = c,
		.at = &c->after[3 * g->claim.name_at + g->alpn],
		.name = g->claim.name,
		.alpn = g->alpn
	};

	return reality_after_get(w, &r->probes, g->birth.cfg, &q);
}

/* 0 the state changed, 1 more is needed, -EAGAIN */
static int hello_came(struct guest *g)
{
	size_t len = 0;
	ssize_t used = read_hello(g, &len);
	const char *why;

	if (used < 0)
		return relay(g, "it says no ClientHello");
	if (used == 0)
		return 1;
	why = judge(g, len);
	if (why)
		return relay(g, why);
	g->hello = (size_t)used;
	g->state = FLIGHT;
	(void)what_is_after(g); /* meanwhile */
	return 0;
}

/* The target should say nothing yet; if it does, the client shall hear it */
static int target_speaks(struct guest *g)
{
	ssize_t n = gather(&g->target, &g->from_target, TARGET_FIRST,
			   REALITY_FLIGHT_MAX);

	if (n == -EAGAIN)
		return 1;
	if (n < 0)
		return over(g, (int)n);
	g->half[DOWN].eof = n == 0;
	return relay(g, "the target spoke first");
}

static int run_hello(struct guest *g)
{
	int rc = forward(g, SIZE_MAX);
	ssize_t n;

	if (rc < 0 && rc != -EAGAIN) {
		say(g, "the target cannot be reached: ", strerror(-rc));
		return over(g, rc);
	}
	rc = g->target->ops->up(g->target) ? target_speaks(g) : 1;
	while (rc == 1) {
		n = gather(&g->client, &g->from_client, CLIENT_FIRST,
			   CLIENT_MAX);
		if (n == -EAGAIN)
			break;
		if (n == -ENOBUFS)
			return relay(g, "its hello is too long");
		if (n < 0)
			return over(g, (int)n);
		if (n == 0) {
			g->half[UP].eof = true;
			return relay(g, "it ended");
		}
		rc = hello_came(g);
	}
	if (rc != 1)
		return rc;
	rc = forward(g, SIZE_MAX);
	g->client->ops->want(g->client, ST_READ);
	g->target->ops->want(g->target,
			     ST_READ | (rc == -EAGAIN ? ST_WRITE : 0u));
	return -EAGAIN;
}

/* --- FLIGHT --------------------------------------------------------------------- */

/* Our flight in the mould's form. 0 or -errno: nothing was sent */
static int make_answer(struct guest *g, const struct reality_mould *m)
{
	struct reality_client c = { .msg = g->job.worker->scratch,
				    .auth_key = g->claim.auth_key };
	struct reality_hello h;
	struct reality_dice dice;
	ssize_t n;

	if (read_hello(g, &c.len) <= 0 ||
	    reality_hello_decode(c.msg, c.len, &h) < 0)
		return -EPROTO;
	c.hello = &h;
	g->to_client = buf_new(REALITY_FLIGHT_MAX + TLS13_RECORD_MAX);
	if (!g->to_client)
		return -ENOMEM;
	rand_bytes(&dice, sizeof(dice));
	n = reality_answer(m, &c, &dice, buf_head(g->to_client),
			   buf_space(g->to_client), &g->keys);
	wipe(&dice, sizeof(dice));
	if (n < 0)
		buf_end(&g->to_client);
	else
		g->to_client->len = (uint32_t)n;
	return n < 0 ? (int)n : 0;
}

/* Bytes of the target's flight that were not read yet */
static size_t flight_left(const struct guest *g, const struct reality_mould *m)
{
	const uint8_t *end = m->hello + m->hello_len + TLS13_CCS_BYTES;
	size_t total = (size_t)(end - buf_head(g->from_target)) + m->ticket;

	for (int i = 0; i < REALITY_PARTS; i++)
		total += m->size[i];
	return total > g->from_target->len ? total - g->from_target->len : 0;
}

static int flight_whole(struct guest *g, const struct reality_mould *m)
{
	int rc;

	if (g->sent < g->hello)
		return relay(g, "the target answers before it was told all");
	rc = make_answer(g, m);
	if (rc == -EPROTO)
		return relay(g, "the target's answer is no mould for ours");
	if (rc < 0)
		return over(g, rc);
	say(g, "is known",
	    m->answer.group == TLS13_X25519 ? "" : ", X25519MLKEM768");
	g->flight_left = flight_left(g, m);
	buf_end(&g->from_target);
	g->state = ANSWER;
	return 0;
}

static int run_flight(struct guest *g)
{
	struct reality_mould m;
	ssize_t n;
	int rc = forward(g, SIZE_MAX);

	if (rc < 0 && rc != -EAGAIN)
		return over(g, rc);
	for (;;) {
		n = gather(&g->target, &g->from_target, TARGET_FIRST,
			   REALITY_FLIGHT_MAX);
		if (n == -EAGAIN)
			break;
		if (n == -ENOBUFS)
			return relay(g, "the target's answer is too long");
		if (n < 0)
			return over(g, (int)n);
		if (n == 0) {
			g->half[DOWN].eof = true;
			return relay(g, "the target ended");
		}
		rc = reality_mould_take(buf_head(g->from_target),
					g->from_target->len, g->session, &m);
		if (rc < 0)
			return relay(g, "the target answers in another way");
		if (rc == 1)
			return flight_whole(g, &m);
	}
	rc = forward(g, SIZE_MAX);
	g->client->ops->want(g->client, 0);
	g->target->ops->want(g->target,
			     ST_READ | (rc == -EAGAIN ? ST_WRITE : 0u));
	return -EAGAIN;
}

/* --- ANSWER, FINISH --------------------------------------------------------------- */

static int run_answer(struct guest *g)
{
	while (g->to_client->len) {
		ssize_t n = stream_write(g->client, buf_head(g->to_client),
					 g->to_client->len);

		if (n == -EAGAIN) {
			g->client->ops->want(g->client, ST_WRITE);
			g->target->ops->want(g->target, 0);
			return -EAGAIN;
		}
		if (n < 0)
			return over(g, (int)n);
		buf_drop(g->to_client, (size_t)n);
	}
	buf_end(&g->to_client);
	buf_drop(g->from_client, g->hello);
	g->sent -= g->hello; /* all of it was sent: flight_whole() */
	g->state = FINISH;
	return 0;
}

/* The levels above go on */
static int hand_on(struct guest *g, const struct reality_after *after)
{
	struct worker *w = g->job.worker;
	struct reality_over o = { .worker = w,
				  .below = g->client,
				  .id = g->id,
				  .keys = &g->keys,
				  .name = g->claim.name,
				  .after = after,
				  .rest = buf_head(g->from_client) + g->seen,
				  .rest_len = g->from_client->len - g->seen };
	struct stream *s;

	/* no event of its may mark us any more */
	g->client->ops->want(g->client, 0);
	s = reality_over(&o);
	if (!s)
		return over(g, -ENOMEM);
	g->client = NULL;
	stream_set_job(s, NULL);
	worker_sessions(w, -1); /* the next counts itself */
	(void)transport_met(g->top, g->t, w, s, &g->birth);
	worker_sessions(w, 1);
	return over(g, 0);
}

/* 0 or -EAGAIN */
static int run_wait(struct guest *g)
{
	const struct reality_after *after = what_is_after(g);
	struct worker *w = g->job.worker;

	if (after || w->now_ms - g->wait_ms >= WAIT_MS)
		return hand_on(g, after);
	timer_set(&w->wheel, &g->timer, WAIT_STEP_MS);
	return -EAGAIN;
}

/* The target has done its part. 0 or -EAGAIN */
static int finished(struct guest *g)
{
	stream_close(&g->target, 0);
	g->client->ops->want(g->client, 0);
	g->state = WAIT;
	g->wait_ms = g->job.worker->now_ms;
	return 0;
}

/*
 * Records that are here, opened in a copy: the target may have to hear them as
 * they are. One change_cipher_spec is everybody's, a second makes a difference.
 * 0 state changed, 1 more are needed, -EAGAIN
 */
static int take_finished(struct guest *g)
{
	uint8_t *copy = g->job.worker->scratch;
	struct buf *b = g->from_client;
	bool done = false;

	while (b && g->seen < b->len && !done) {
		size_t n = b->len - g->seen;
		ssize_t used;

		memcpy(copy, buf_head(b) + g->seen, n);
		used = reality_finished_take(&g->keys, copy, n, &done);
		if (used < 0)
			return relay(g, "it does not finish the handshake");
		if (used == 0)
			break;
		g->seen += (size_t)used;
	}
	g->mirrored |= g->keys.skipped > 1;
	return done ? finished(g) : 1;
}

/*
 * It awaits a client's Finished as we do. What it says meanwhile is of its flight,
 * or behind it, unless it is shown what the client says. 0, 1 wait, -EAGAIN
 */
static int target_waits(struct guest *g)
{
	size_t cut;
	ssize_t n;

	do {
		n = gather(&g->target, &g->from_target, TARGET_FIRST,
			   REALITY_FLIGHT_MAX);
		if (n > 0 && g->flight_left) {
			cut = g->from_target->len;
			if (cut > g->flight_left)
				cut = g->flight_left;
			buf_drop(g->from_target, cut);
			g->flight_left -= cut;
		}
	} while (n > 0);
	g->half[DOWN].eof = n == 0;
	if (n == 0)
		return relay(g, "the target does not wait for it");
	if (n != -EAGAIN && n != -ENOBUFS)
		return over(g, (int)n);
	if (g->mirrored && g->from_target && g->from_target->len)
		return relay(g, "the target does not like what it says");
	buf_end(&g->from_target);
	return 1;
}

/* More of the client. 0 state changed, 1 wait, -EAGAIN */
static int client_finishes(struct guest *g)
{
	int rc = take_finished(g);

	while (rc == 1) {
		ssize_t n = gather(&g->client, &g->from_client, CLIENT_FIRST,
				   CLIENT_MAX);

		if (n == -EAGAIN)
			break;
		if (n == -ENOBUFS)
			return relay(g, "it says too much");
		if (n < 0)
			return over(g, (int)n);
		if (n == 0) {
			g->half[UP].eof = true;
			return relay(g, "it ended");
		}
		rc = take_finished(g);
	}
	return rc;
}

static int run_finish(struct guest *g)
{
	int rc = client_finishes(g), put = 0;

	if (rc == 1 && g->mirrored)
		put = forward(g, g->seen);
	if (put < 0 && put != -EAGAIN)
		return over(g, put);
	if (rc == 1)
		rc = target_waits(g);
	if (rc != 1)
		return rc;
	g->client->ops->want(g->client, ST_READ);
	g->target->ops->want(g->target, ST_READ | (put ? ST_WRITE : 0u));
	return -EAGAIN;
}

/* --- birth ---------------------------------------------------------------------- */

static int guest_step(struct guest *g)
{
	switch (g->state) {
	case HELLO:
		return run_hello(g);
	case FLIGHT:
		return run_flight(g);
	case ANSWER:
		return run_answer(g);
	case FINISH:
		return run_finish(g);
	case WAIT:
		return run_wait(g);
	case RELAY:
		return run_relay(g);
	case GUEST_OVER:
		break;
	}
	return -EAGAIN;
}

static void guest_run(struct job *j)
{
	struct guest *g = container_of(j, struct guest, job);

	while (guest_step(g) == 0)
		;
}

static void room_free(void *room)
{
	struct reality_room *r = room;

	while (!list_empty(&r->guests)) {
		struct guest *g = list_first(&r->guests, struct guest, node);

		g->why = -ECANCELED;
		guest_free(g);
	}
	reality_probes_stop(r->probes);
	free(r);
}

static struct reality_room *room_get(struct worker *w)
{
	struct reality_room *r = w->rooms[ROOM_REALITY];

	if (!r) {
		r = calloc(1, sizeof(*r));
		if (r)
			list_init(&r->guests);
		w->rooms[ROOM_REALITY] = r;
		w->room_free[ROOM_REALITY] = room_free;
	}
	return r;
}

/* Who the client is, before its bytes. 0 or -ENOMEM */
static int tell_client(struct guest *g, unsigned int version)
{
	static const struct head_ops ops = { .name = "reality" };
	uint8_t head[PROXY_HEAD_OUT_MAX];
	size_t n = proxy_head_encode(version, &g->birth.source, &g->birth.local,
				     head);
	struct stream *st = head_new(&ops, g->target, head, n, NULL, g->id);

	if (!st)
		return -ENOMEM;
	g->target = st;
	return 0;
}

static int dial_target(struct guest *g)
{
	const struct reality_in_conf *c = conf_of(g);
	struct dial d = { .worker = g->job.worker,
			  .job = &g->job,
			  .cfg = g->birth.cfg };
	int rc = dest_dial(&c->target, &d, &g->target);

	if (!rc && c->xver)
		rc = tell_client(g, c->xver);
	return rc;
}

int reality_meet(const struct transport *t, const struct transport *top,
		 struct worker *w, struct stream *below, const struct birth *b)
{
	struct reality_room *r = room_get(w);
	struct guest *g = NULL;
	int rc;

	if (w->session_count >= w->session_limit)
		worker_drop(w, DROP_SESSIONS);
	else if (r)
		g = calloc(1, sizeof(*g));
	if (!g) {
		stream_close(&below, -ENOBUFS);
		return -ENOBUFS;
	}
	g->job = (struct job){ .run = guest_run, .worker = w };
	g->t = t;
	g->top = top;
	g->birth = *b;
	config_ref(b->cfg);
	g->client = below;
	stream_set_job(below, &g->job);
	g->id = w->next_id;
	w->next_id += WORKERS_MAX;
	worker_sessions(w, 1);
	list_add_tail(&r->guests, &g->node);
	timer_init(&g->timer, guest_due);
	timer_set(&w->wheel, &g->timer, b->ib->policy->handshake_ms);
	rc = dial_target(g);
	if (rc < 0) {
		say(g, "the target cannot be reached: ", strerror(-rc));
		g->why = rc;
		guest_free(g);
		return rc;
	}
	job_ready(&g->job);
	return 0;
}
