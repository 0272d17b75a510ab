/*
 * h2_again.c - A request that its server did not look at is asked once more
 *
 *   REFUSED_STREAM, an id above the last one of GOAWAY	the server says so
 *   GOAWAY came before the request went			nobody saw it
 *
 * Until something of the answer comes, what was said is kept: the head, and up to
 * SAID_BYTES of the body, SAID_CARRIER of all streams of a carrier. It goes out as a
 * stream of another carrier; its owner only sees that it takes longer. The one that was
 * refused by gets nothing new and ends with its last stream. Who has said
 * more than what is kept is told of the refusal, and so is who was refused twice.
 *
 * Source: RFC 9113, 6.8 and 8.7
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/worker.h"
#include "proxy/transport/h2_int.h"

#define SAID_FIRST   1024u
#define SAID_BYTES   65536u /* what a server lets a new stream say, mostly */
#define SAID_CARRIER (1u << 20)

/**
 * struct h2_said - What a client's stream said so far
 * @ask:	Its head, texts in @text; without a method: gRPC's
 * @body:	As it is in DATA frames; NULL nothing
 * @size:	Bytes of memory, part of the carrier's @said
 */
struct h2_said {
	struct http_ask ask;
	struct buf *body;
	size_t size;
	char text[];
};

static void said_free(struct h2_sub *u)
{
	buf_free(u->said->body);
	free(u->said);
	u->said = NULL;
}

void h2_again_over(struct h2_sub *u)
{
	if (!u->said)
		return;
	if (u->h)
		u->h->said -= u->said->size;
	said_free(u);
}

/* @n bytes more are kept. False: too many */
static bool may_keep(struct h2_sub *u, size_t n)
{
	if (u->h->said + n > SAID_CARRIER)
		return false;
	u->h->said += n;
	u->said->size += n;
	return true;
}

static const char *put_text(char **at, const char *text)
{
	size_t n = strlen(text) + 1;

	memcpy(*at, text, n);
	*at += n;
	return *at - n;
}

void h2_again_may(struct h2_sub *u, const struct http_ask *ask)
{
	const struct http_ask none = {
		.method = "", .path = "", .authority = "", .lines = ""
	};
	const struct http_ask *a = ask ? ask : &none;
	size_t n = strlen(a->method) + strlen(a->path) + strlen(a->authority) +
		   strlen(a->lines) + 4;
	struct h2_said *said = malloc(sizeof(*said) + n);
	char *at;

	if (!said)
		return;
	at = said->text;
	said->ask = *a;
	said->ask.method = put_text(&at, a->method);
	said->ask.path = put_text(&at, a->path);
	said->ask.authority = put_text(&at, a->authority);
	said->ask.lines = put_text(&at, a->lines);
	said->body = NULL;
	said->size = 0;
	u->said = said;
	if (!may_keep(u, sizeof(*said) + n))
		h2_again_over(u);
}

/* Room for @n bytes behind the body so far. False: too many, or no memory */
static bool body_room(struct h2_sub *u, size_t n)
{
	struct buf *b = u->said->body, *more;
	size_t have = b ? b->len : 0, cap = b ? b->cap : SAID_FIRST;

	if (b && buf_space(b) >= n)
		return true;
	if (have + n > SAID_BYTES)
		return false;
	while (cap < have + n)
		cap *= 2;
	if (!may_keep(u, cap - (b ? b->cap : 0)))
		return false;
	more = buf_new(cap);
	if (!more)
		return false;
	if (have)
		buf_put(more, buf_head(b), have);
	buf_free(b);
	u->said->body = more;
	return true;
}

void h2_again_said(struct h2_sub *u, const uint8_t *head, size_t k,
		   const struct iovec *iov, size_t n)
{
	if (!u->said)
		return;
	if (!body_room(u, k + n)) {
		h2_again_over(u);
		return;
	}
	buf_put(u->said->body, head, k);
	for (; n; iov++) {
		size_t some = iov->iov_len < n ? iov->iov_len : n;

		if (some)
			buf_put(u->said->body, iov->iov_base, some);
		n -= some;
	}
}

/* From the carrier @from, which is left, to @to */
static void change(struct h2_sub *u, struct h2 *from, struct h2 *to)
{
	list_del(&u->node);
	from->count--;
	if (!from->count)
		h2_set_timer(from);
	u->h = to;
	list_add_tail(&to->subs, &u->node);
	to->count++;
	if (u->flow && u->flow->carrier == from) {
		h2_flow_leave(u->flow);
		h2_flow_join(u->flow, to);
	}
}

/* Nothing was said yet; @body is what shall be */
static void rewind_to(struct h2_sub *u, struct buf *body)
{
	buf_free(u->out);
	u->out = body;
	u->head_left = 0; /* of a write that goes on: it is in @body */
	u->src_left = 0;
	u->last = u->fin_sent = u->asked = false;
	u->left = UINT64_MAX;
	u->born_ms = u->since_ms = u->h->job.worker->now_ms;
}

/* 0 or -ENOMEM */
static int submit(struct h2_sub *u, const struct http_ask *ask)
{
	bool fin = u->fin;
	int rc;

	if (!*ask->method)
		return h2_session_request(u->h, u);
	if (u->h->requests_left != UINT32_MAX)
		u->h->requests_left--;
	rc = h2_submit(u->h, u, ask);
	u->fin |= fin;
	return rc;
}

/* Where it goes: its flow may have gone there already. NULL: nowhere */
static struct h2 *way_out(struct h2 *h, const struct h2_sub *u)
{
	struct h2 *to = u->flow ? u->flow->carrier : NULL;

	return to && to != h && h2_takes_request(to) ? to : h2_another(h);
}

/*
 * Nothing new goes by @h. The flows that it has may go on with it: a server whose
 * listener is gone takes what belongs to them
 */
static void refused_by(struct h2 *h, const struct h2_sub *u)
{
	if (u->flow)
		h->uses_left = 0;
	else
		h->requests_left = 0;
}

bool h2_again(struct h2 *h, struct h2_sub *u)
{
	struct h2_said *said = u->said;
	struct h2 *to = said ? way_out(h, u) : NULL;
	int rc;

	if (!to)
		return false;
	log_info("s%x %s: the server did not take the request: once more",
		 u->log_id, h->conf->name);
	refused_by(h, u);
	h->said -= said->size;
	u->said = NULL; /* once */
	change(u, h, to);
	rewind_to(u, said->body);
	rc = submit(u, &said->ask);
	free(said);
	if (rc < 0) {
		h2_sub_gone(to, u);
		u->h = NULL;
		h2_sub_fail(u, rc);
	} else {
		h2_flush_soon(to);
		h2_sub_wake(u);
	}
	return true;
}
