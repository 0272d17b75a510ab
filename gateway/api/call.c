/* call.c - One request, and its answer (contract: call.h) */
#include "gateway/api/call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"
#include "gateway/base/log.h"

#define HEAD     5u /* 00 | length u32 */
#define IN_FIRST 512u

static const char grpc_type[] = "content-type: application/grpc\r\n";

/** struct api_room - Calls of one worker; ROOM_API */
struct api_room {
	struct list calls;
	unsigned int count;
};

static void call_free(struct call *c)
{
	struct api_room *r = c->worker->rooms[ROOM_API];

	r->count--;
	list_del(&c->node);
	timer_cancel(&c->deadline);
	job_forget(&c->job);
	stream_close(&c->s, -ECANCELED);
	if (c->held)
		c->drop(c->held);
	if (c->in)
		wipe(c->in, c->cap);
	free(c->in);
	pb_free(&c->out);
	free(c);
}

/* It ends now; freed by its timer, for this may be its own turn */
static void call_over(struct call *c, int why)
{
	stream_close(&c->s, why);
	timer_set(&c->worker->wheel, &c->deadline, 0);
}

static void room_free(void *room)
{
	struct api_room *r = room;
	struct list *p, *n;

	list_for_each_safe (p, n, &r->calls)
		call_free(container_of(p, struct call, node));
	free(r);
}

static struct api_room *room_get(struct worker *w)
{
	struct api_room *r = w->rooms[ROOM_API];

	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	list_init(&r->calls);
	w->rooms[ROOM_API] = r;
	w->room_free[ROOM_API] = room_free;
	return r;
}

int call_fail(struct call *c, int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	return status;
}

int call_malformed(struct call *c)
{
	return call_fail(c, GRPC_INVALID, "the request is malformed");
}

/* --- the answer --- */

/* Who takes a long answer slowly, but does, has the time for it */
static void put_off(struct call *c)
{
	if (c->sent - c->timed < CALL_PART)
		return;
	c->timed = c->sent;
	timer_set(&c->worker->wheel, &c->deadline, CALL_MS);
}

/* Write what is left. The call is over when all of it went, or nothing goes */
static void push(struct call *c)
{
	ssize_t n = 0;

	while (n >= 0 && c->sent < c->out.len) {
		n = stream_write(c->s, c->out.p + c->sent,
				 c->out.len - c->sent);
		if (n > 0)
			c->sent += (size_t)n;
	}
	put_off(c);
	if (n >= 0)
		n = c->s->ops->finish(c->s);
	if (n == -EAGAIN)
		c->s->ops->want(c->s, ST_WRITE);
	else
		call_over(c, (int)n);
}

/* Percent-encoded, as the value of grpc-message */
static void put_words(char *out, size_t room, const char *text)
{
	size_t at = strlen(out);

	for (; *text && at + 4 < room; text++) {
		bool plain = *text >= ' ' && *text <= '~' && *text != '%';

		at += (size_t)snprintf(out + at, room - at,
				       plain ? "%c" : "%%%02X",
				       (unsigned char)*text);
	}
}

static void send_status(struct call *c, int status)
{
	char lines[4 * CALL_WHY_MAX];
	int rc;

	snprintf(lines, sizeof(lines),
		 "%sgrpc-status: %d\r\ngrpc-message: ", grpc_type, status);
	put_words(lines, sizeof(lines) - 2, c->why);
	strncat(lines, "\r\n", 3);
	c->answered = true;
	rc = c->answer(c->s, 200, lines, false);
	call_over(c, rc);
}

void call_send(struct call *c, unsigned int status, const char *lines)
{
	int rc;

	if (c->out.bad) {
		status = 503;
		c->out.len = 0;
	}
	c->answered = true;
	rc = c->answer(c->s, status, lines, true);
	if (rc < 0)
		call_over(c, rc);
	else
		job_ready(&c->job);
}

void call_answer(struct call *c, int status)
{
	if (!status && c->out.bad)
		status = call_fail(c, GRPC_EXHAUSTED,
				   "the answer is too long, or no memory");
	if (status) {
		send_status(c, status);
		return;
	}
	put_be32(c->out.p + 1, (uint32_t)(c->out.len - HEAD));
	call_send(c, 200, grpc_type);
}

/* The message is whole: its method's turn */
static void run(struct call *c)
{
	size_t n = c->len - HEAD;
	int status;

	c->out.most = CALL_OUT_MAX;
	pb_raw(&c->out, "\0\0\0\0", HEAD);
	status = c->run(c, c->in + HEAD, n);
	if (status == GRPC_LATER)
		c->run = NULL;
	else
		call_answer(c, status);
}

/* --- the request --- */

/* 0 there is room, -EMSGSIZE, -ENOMEM */
static int in_room(struct call *c)
{
	size_t cap = c->cap ? 2 * c->cap : IN_FIRST;
	uint8_t *more;

	if (c->len < c->cap)
		return 0;
	if (c->cap >= CALL_IN_MAX)
		return -EMSGSIZE;
	more = malloc(cap);
	if (!more)
		return -ENOMEM;
	if (c->len)
		memcpy(more, c->in, c->len);
	if (c->in)
		wipe(c->in, c->cap);
	free(c->in);
	c->in = more;
	c->cap = cap;
	return 0;
}

/* Read all there is. 0 the end was reached, -EAGAIN, -errno */
static int fill(struct call *c)
{
	for (;;) {
		int rc = in_room(c);
		ssize_t n;

		if (rc < 0)
			return rc;
		n = stream_read(c->s, c->in + c->len, c->cap - c->len);
		if (n <= 0)
			return (int)n;
		c->len += (size_t)n;
	}
}

/* Exactly one message, not compressed. 0 or a status */
static int check(struct call *c)
{
	if (c->why[0])
		return GRPC_UNIMPLEMENTED;
	if (c->len < HEAD || get_be32(c->in + 1) != c->len - HEAD)
		return call_malformed(c);
	if (c->in[0])
		return call_fail(c, GRPC_UNIMPLEMENTED,
				 "compressed messages are not read");
	return GRPC_OK;
}

/* The body is whole: once */
static void call_take(struct call *c)
{
	void (*take)(struct call * c, const uint8_t *p, size_t n) = c->take;

	c->take = NULL;
	take(c, c->in, c->len);
}

static void call_run(struct job *j)
{
	struct call *c = container_of(j, struct call, job);
	int rc;

	if (!c->s)
		return;
	if (c->answered) {
		push(c);
		return;
	}
	if (!c->refuse && !c->run && !c->take && !c->why[0])
		return; /* HTTP: the service answers when it can */
	rc = fill(c); /* some clients hear nothing before they have said all */
	if (rc == -EAGAIN) {
		c->s->ops->want(c->s, ST_READ);
		return;
	}
	if (c->take && rc == -EMSGSIZE)
		c->refuse = 413;
	if (c->refuse && (!rc || rc == -EMSGSIZE)) {
		c->answered = true;
		call_over(c, c->answer(c->s, c->refuse, "", false));
	} else if (c->take && !rc) {
		call_take(c);
	} else if (rc == -EMSGSIZE) {
		send_status(c, call_fail(c, GRPC_EXHAUSTED,
					 "at most %u bytes a message",
					 CALL_IN_MAX));
	} else if (rc < 0) {
		call_over(c, rc);
	} else {
		rc = check(c);
		if (rc)
			send_status(c, rc);
		else
			run(c);
	}
}

static void on_deadline(struct timer *t)
{
	struct call *c = container_of(t, struct call, deadline);

	stream_close(&c->s, -ETIMEDOUT);
	call_free(c);
}

void call_refuse(const struct http_rq *rq, unsigned int status,
		 const char *lines)
{
	struct stream *s = rq->s;
	int rc = rq->answer(s, status, lines, false);

	if (!rc && s->ops->finish(s) < 0)
		(void)s->ops->writev(s, NULL, 0); /* what it takes */
	stream_close(&s, rc);
}

/* NULL: it was answered with 503 */
static struct call *call_new(const struct http_rq *rq)
{
	struct api_room *r = room_get(rq->worker);
	struct call *c =
		r && r->count < CALLS_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (!c) {
		log_warning("api: too many calls at a time");
		call_refuse(rq, 503, "");
		return NULL;
	}
	c->job = (struct job){ .run = call_run, .worker = rq->worker };
	c->worker = rq->worker;
	c->s = rq->s;
	c->answer = rq->answer;
	list_add_tail(&r->calls, &c->node);
	r->count++;
	timer_init(&c->deadline, on_deadline);
	timer_set(&rq->worker->wheel, &c->deadline, CALL_MS);
	stream_set_job(c->s, &c->job);
	return c;
}

void call_grpc(const struct http_rq *rq, call_method run_it, const char *why)
{
	struct call *c = call_new(rq);

	if (!c)
		return;
	c->run = run_it;
	if (why)
		snprintf(c->why, sizeof(c->why), "%s", why);
	job_ready(&c->job);
}

void call_deny(const struct http_rq *rq, unsigned int status)
{
	struct call *c = call_new(rq);

	if (!c)
		return;
	c->refuse = status;
	job_ready(&c->job);
}

struct call *call_http(const struct http_rq *rq)
{
	struct call *c = call_new(rq);

	if (c)
		c->out.most = CALL_OUT_MAX;
	return c;
}

void call_body(struct call *c,
	       void (*take)(struct call *c, const uint8_t *p, size_t n))
{
	c->take = take;
	job_ready(&c->job);
}
