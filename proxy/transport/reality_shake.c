/*
 * reality_shake.c - The handshake of a REALITY server: its states, see reality_in.c
 *
 * Source: docs/wire/reality.md; XTLS/REALITY tls.go (facts)
 */
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/rand.h"
#include "gateway/core/session.h"
#include "proxy/transport/key_log.h"
#include "proxy/transport/reality_guest.h"

#define CLIENT_FIRST 2304 /* a browser's hello of today fits */
#define CLIENT_MAX   (REALITY_HELLO_MAX + 1024) /* with heads of records */
#define TARGET_FIRST 8192
#define WAIT_MS      2000u /* for what is behind the handshake */
#define WAIT_STEP_MS 50u

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
		return guest_relay(g, "it says no ClientHello");
	if (used == 0)
		return 1;
	why = judge(g, len);
	if (why)
		return guest_relay(g, why);
	g->hello = (size_t)used;
	g->state = GUEST_FLIGHT;
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
		return guest_over(g, (int)n);
	g->half[DOWN].eof = n == 0;
	return guest_relay(g, "the target spoke first");
}

static int run_hello(struct guest *g)
{
	int rc = forward(g, SIZE_MAX);
	ssize_t n;

	if (rc < 0 && rc != -EAGAIN) {
		guest_say(g, "the target cannot be reached: ", strerror(-rc));
		return guest_over(g, rc);
	}
	rc = g->target->ops->up(g->target) ? target_speaks(g) : 1;
	while (rc == 1) {
		n = gather(&g->client, &g->from_client, CLIENT_FIRST,
			   CLIENT_MAX);
		if (n == -EAGAIN)
			break;
		if (n == -ENOBUFS)
			return guest_relay(g, "its hello is too long");
		if (n < 0)
			return guest_over(g, (int)n);
		if (n == 0) {
			g->half[UP].eof = true;
			return guest_relay(g, "it ended");
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
				    .auth_key = g->claim.auth_key,
				    .sign = conf_of(g)->sign };
	struct tls13_tell tell = { .put = key_log_put,
				   .fd = conf_of(g)->log_fd };
	struct reality_hello h;
	struct reality_dice dice;
	ssize_t n;

	if (read_hello(g, &c.len) <= 0 ||
	    reality_hello_decode(c.msg, c.len, &h) < 0)
		return -EPROTO;
	c.hello = &h;
	memcpy(tell.random, h.random, sizeof(tell.random));
	if (tell.fd >= 0)
		c.tell = &tell;
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
		return guest_relay(g,
				   "the target answers before it was told all");
	rc = make_answer(g, m);
	if (rc == -EPROTO)
		return guest_relay(g,
				   "the target's answer is no mould for ours");
	if (rc < 0)
		return guest_over(g, rc);
	guest_say(g, "is known",
		  m->answer.group == TLS13_X25519 ? "" : ", X25519MLKEM768");
	g->flight_left = flight_left(g, m);
	buf_end(&g->from_target);
	g->state = GUEST_ANSWER;
	return 0;
}

static int run_flight(struct guest *g)
{
	struct reality_mould m;
	ssize_t n;
	int rc = forward(g, SIZE_MAX);

	if (rc < 0 && rc != -EAGAIN)
		return guest_over(g, rc);
	for (;;) {
		n = gather(&g->target, &g->from_target, TARGET_FIRST,
			   REALITY_FLIGHT_MAX);
		if (n == -EAGAIN)
			break;
		if (n == -ENOBUFS)
			return guest_relay(g,
					   "the target's answer is too long");
		if (n < 0)
			return guest_over(g, (int)n);
		if (n == 0) {
			g->half[DOWN].eof = true;
			return guest_relay(g, "the target ended");
		}
		rc = reality_mould_take(buf_head(g->from_target),
					g->from_target->len, g->session, &m);
		if (rc < 0)
			return guest_relay(g,
					   "the target answers in another way");
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
			return guest_over(g, (int)n);
		buf_drop(g->to_client, (size_t)n);
	}
	buf_end(&g->to_client);
	buf_drop(g->from_client, g->hello);
	g->sent -= g->hello; /* all of it was sent: flight_whole() */
	g->state = GUEST_FINISH;
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
		return guest_over(g, -ENOMEM);
	g->client = NULL;
	stream_set_job(s, NULL);
	worker_sessions(w, -1); /* the next counts itself */
	(void)transport_met(g->top, g->t, w, s, &g->birth);
	worker_sessions(w, 1);
	return guest_over(g, 0);
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
	g->state = GUEST_WAIT;
	g->wait_ms = g->job.worker->now_ms;
	return 0;
}

/*
 * It is a stranger after all. What is left of the target's flight is not for who has
 * heard ours, but what comes behind it is. 0, 1 wait, -EAGAIN
 */
static int unfit(struct guest *g, const char *why)
{
	if (!g->flight_left)
		return guest_relay(g, why);
	g->unfit = why;
	return 1;
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
			return unfit(g, "it does not finish the handshake");
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
		return guest_relay(g, "the target does not wait for it");
	if (n != -EAGAIN && n != -ENOBUFS)
		return guest_over(g, (int)n);
	if (g->unfit && !g->flight_left)
		return guest_relay(g, g->unfit);
	if (g->mirrored && g->from_target && g->from_target->len)
		return guest_relay(g, "the target does not like what it says");
	buf_end(&g->from_target);
	return 1;
}

/* More of the client. 0 state changed, 1 wait, -EAGAIN */
static int client_finishes(struct guest *g)
{
	int rc = take_finished(g);

	while (rc == 1 && !g->unfit) {
		ssize_t n = gather(&g->client, &g->from_client, CLIENT_FIRST,
				   CLIENT_MAX);

		if (n == -EAGAIN)
			break;
		if (n == -ENOBUFS)
			return unfit(g, "it says too much");
		if (n < 0)
			return guest_over(g, (int)n);
		if (n == 0) {
			g->half[UP].eof = true;
			return unfit(g, "it ended");
		}
		rc = take_finished(g);
	}
	return rc;
}

static int run_finish(struct guest *g)
{
	int rc = g->unfit ? 1 : client_finishes(g), put = 0;

	if (rc == 1 && g->mirrored)
		put = forward(g, g->seen);
	if (put < 0 && put != -EAGAIN)
		return guest_over(g, put);
	if (rc == 1)
		rc = target_waits(g);
	if (rc != 1)
		return rc;
	g->client->ops->want(g->client, g->unfit ? 0 : ST_READ);
	g->target->ops->want(g->target, ST_READ | (put ? ST_WRITE : 0u));
	return -EAGAIN;
}

int guest_shake(struct guest *g)
{
	switch (g->state) {
	case GUEST_HELLO:
		return run_hello(g);
	case GUEST_FLIGHT:
		return run_flight(g);
	case GUEST_ANSWER:
		return run_answer(g);
	case GUEST_FINISH:
		return run_finish(g);
	case GUEST_WAIT:
		return run_wait(g);
	case GUEST_RELAY:
	case GUEST_OVER:
		break;
	}
	return -EAGAIN;
}
