/*
 * h2_ask.c - HTTP/2 as a client that asks (contract: h2_ask.h)
 *
 *   h2_ask_put -> HEADERS, DATA (END_STREAM) -> h2_ask_give
 *   h2_ask_take -> HEADERS: status, type, age -> DATA: the body -> end: @done
 *
 * A question whose answer goes wrong is told at once and its stream reset; the
 * others go on. A stream that ends is told by its end of stream or its close,
 * whichever comes first, once.
 */
#include "proxy/wire/h2_ask.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/compat.h"
#include "gateway/base/list.h"
#include "proxy/wire/http1_body.h"

#define HEADERS_MAX (16u << 10) /* of one response */
#define WINDOW      (128u << 10) /* of a stream: a body and some more */
#define CONN_WINDOW (1 << 20)
#define BODY_FIRST  1024u

/**
 * struct h2_ask - See the head
 * @asks:	struct ask
 * @count:	Of @asks
 */
struct h2_ask {
	nghttp2_session *ng;
	void (*done)(void *arg, void *user, const struct h2_ask_answer *a);
	void *arg;
	struct list asks;
	unsigned int count;
	bool leaving;
};

/**
 * struct ask - One question
 * @type:	What the answer must be
 * @out, @out_left:	Body still to be framed
 * @in, @in_len, @in_cap:	Body of the answer, at most @max
 * @grpc, @words:	grpc-status and grpc-message
 */
struct ask {
	struct list node;
	void *user;
	int32_t id;
	const char *type;
	const uint8_t *out;
	size_t out_left;
	uint8_t *in;
	size_t in_len, in_cap, max;
	int grpc;
	char words[H2_ASK_WORDS];
	uint32_t age_s;
	uint16_t status;
	bool typed;
};

static void ask_free(struct h2_ask *h, struct ask *a)
{
	nghttp2_session_set_stream_user_data(h->ng, a->id, NULL);
	list_del(&a->node);
	h->count--;
	free(a->in);
	free(a);
}

/* It ends with @rc: told, forgotten */
static void ask_over(struct h2_ask *h, struct ask *a, int rc)
{
	struct h2_ask_answer r = {
		.rc = rc,
		.status = a->status,
		.age_s = a->age_s,
		.grpc_status = a->grpc,
		.body = a->in,
		.len = a->in_len,
	};
	void *user = a->user;
	uint8_t *in = a->in;
	char words[H2_ASK_WORDS];

	memcpy(words, a->words, sizeof(words));
	r.grpc_message = words;
	a->in = NULL; /* lives until it was told */
	ask_free(h, a);
	h->done(h->arg, user, &r);
	free(in);
}

/* The answer is no good: its rest is not wanted */
static void ask_refuse(struct h2_ask *h, struct ask *a, int rc)
{
	nghttp2_submit_rst_stream(h->ng, NGHTTP2_FLAG_NONE, a->id,
				  NGHTTP2_CANCEL);
	ask_over(h, a, rc);
}

static struct ask *ask_of(nghttp2_session *ng, int32_t id)
{
	return id > 0 ? nghttp2_session_get_stream_user_data(ng, id) : NULL;
}

/* --- what nghttp2 tells --- */

static bool name_is(const uint8_t *p, size_t n, const char *name)
{
	return n == strlen(name) && !memcmp(p, name, n);
}

/* NOLINTNEXTLINE(readability-function-size): nghttp2's callback */
static int on_header(nghttp2_session *ng, const nghttp2_frame *frame,
		     const uint8_t *name, size_t name_len, const uint8_t *value,
		     size_t value_len, uint8_t flags, void *arg)
{
	struct ask *a = ask_of(ng, frame->hd.stream_id);
	struct http1_text text = { (const char *)value, value_len };

	(void)flags;
	(void)arg;
	if (!a)
		return 0;
	if (name_is(name, name_len, ":status"))
		a->status = (uint16_t)http1_number(&text);
	else if (name_is(name, name_len, "content-type"))
		a->typed = http1_is_type(&text, a->type);
	else if (name_is(name, name_len, "age"))
		a->age_s = http1_number(&text);
	else if (name_is(name, name_len, "grpc-status"))
		a->grpc = (int)(http1_number(&text) & 0xffff);
	else if (name_is(name, name_len, "grpc-message"))
		snprintf(a->words, sizeof(a->words), "%.*s",
			 value_len < sizeof(a->words) ? (int)value_len :
							H2_ASK_WORDS,
			 (const char *)value);
	return 0;
}

/* Room for @n more bytes. 0, -EMSGSIZE, -ENOMEM */
static int body_room(struct ask *a, size_t n)
{
	size_t cap = a->in_cap ? a->in_cap : BODY_FIRST;
	uint8_t *more;

	if (n > a->max - a->in_len)
		return -EMSGSIZE;
	while (cap < a->in_len + n)
		cap *= 2;
	if (cap == a->in_cap)
		return 0;
	more = realloc(a->in, cap);
	if (!more)
		return -ENOMEM;
	a->in = more;
	a->in_cap = cap;
	return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id,
		   const uint8_t *p, size_t n, void *arg)
{
	struct ask *a = ask_of(ng, id);
	int rc;

	(void)flags;
	if (!a)
		return 0;
	rc = body_room(a, n);
	if (rc < 0) {
		ask_refuse(arg, a, rc);
		return 0;
	}
	if (n)
		memcpy(a->in + a->in_len, p, n);
	a->in_len += n;
	return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
	struct h2_ask *h = arg;
	struct ask *a;
	bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	if (frame->hd.type == NGHTTP2_GOAWAY) {
		h->leaving = true;
		return 0;
	}
	a = ask_of(ng, frame->hd.stream_id);
	if (!a || (frame->hd.type != NGHTTP2_HEADERS &&
		   frame->hd.type != NGHTTP2_DATA))
		return 0;
	/* 1xx come before the response, and say nothing here */
	if (frame->hd.type == NGHTTP2_HEADERS && a->status >= 200 &&
	    (a->status != 200 || !a->typed))
		ask_refuse(h, a, -EPROTO);
	else if (end)
		ask_over(h, a, a->status == 200 && a->typed ? 0 : -EPROTO);
	return 0;
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t code, void *arg)
{
	struct h2_ask *h = arg;
	struct ask *a = ask_of(ng, id);

	/* refused, or it did not go before the other side went away */
	if (a)
		ask_over(h, a,
			 code == NGHTTP2_REFUSED_STREAM ||
					 (h->leaving && !a->status) ?
				 -EAGAIN :
				 -ECONNRESET);
	return 0;
}

/* NOLINTNEXTLINE(readability-function-size,readability-non-const-parameter): nghttp2's callback */
static ssize_t body_read(nghttp2_session *ng, int32_t id, uint8_t *buf,
			 size_t room, uint32_t *flags,
			 nghttp2_data_source *source, void *arg)
{
	struct ask *a = ask_of(ng, id);
	size_t n;

	(void)source;
	(void)arg;
	if (!a) /* cancelled before its body went */
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	n = a->out_left < room ? a->out_left : room;
	memcpy(buf, a->out, n);
	a->out += n;
	a->out_left -= n;
	if (!a->out_left)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

/* --- birth and end --- */

static int session_new(struct h2_ask *h)
{
	nghttp2_session_callbacks *cb;
	nghttp2_option *opt = NULL;
	int rc = nghttp2_session_callbacks_new(&cb);

	if (rc == 0)
		rc = nghttp2_option_new(&opt);
	if (rc == 0) {
		nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
			cb, on_data);
		nghttp2_session_callbacks_set_on_frame_recv_callback(cb,
								     on_frame);
		nghttp2_session_callbacks_set_on_stream_close_callback(
			cb, on_close);
		nghttp2_option_set_max_send_header_block_length(opt,
								HEADERS_MAX);
		rc = nghttp2_session_client_new2(&h->ng, cb, h, opt);
	}
	nghttp2_option_del(opt);
	nghttp2_session_callbacks_del(cb);
	return rc ? -ENOMEM : 0;
}

static int say_settings(struct h2_ask *h)
{
	nghttp2_settings_entry set[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADERS_MAX },
	};

	if (nghttp2_submit_settings(h->ng, NGHTTP2_FLAG_NONE, set,
				    ARRAY_SIZE(set)) ||
	    nghttp2_session_set_local_window_size(h->ng, NGHTTP2_FLAG_NONE, 0,
						  CONN_WINDOW))
		return -ENOMEM;
	return 0;
}

struct h2_ask *h2_ask_new(void (*done)(void *arg, void *user,
				       const struct h2_ask_answer *a),
			  void *arg)
{
	struct h2_ask *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	list_init(&h->asks);
	h->done = done;
	h->arg = arg;
	if (session_new(h) < 0 || say_settings(h) < 0) {
		h2_ask_free(h);
		return NULL;
	}
	return h;
}

void h2_ask_free(struct h2_ask *h)
{
	if (!h)
		return;
	while (!list_empty(&h->asks))
		ask_free(h, list_first(&h->asks, struct ask, node));
	nghttp2_session_del(h->ng);
	free(h);
}

#define NV(name, value) \
	{ \
		(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), \
			strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE \
	}

int32_t h2_ask_put(struct h2_ask *h, const struct h2_ask_request *r, void *user)
{
	nghttp2_data_provider body = { .read_callback = body_read };
	char length[24];
	int digits = snprintf(length, sizeof(length), "%zu", r->len);
	/* NOLINTBEGIN(performance-no-int-to-ptr): nghttp2's macro */
	nghttp2_nv nv[] = {
		NV(":method", "POST"),
		NV(":scheme", r->scheme),
		NV(":authority", r->authority),
		NV(":path", r->path),
		NV("accept", r->type),
		NV("content-type", r->type),
		/* without it unbound wants the body in one piece */
		NV("content-length", length),
	};
	/* NOLINTEND(performance-no-int-to-ptr) */
	struct ask *a;

	if (!h2_ask_places(h) || digits < 0)
		return -ENOBUFS;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->user = user;
	a->type = r->type;
	a->out = r->body;
	a->out_left = r->len;
	a->max = r->max ? r->max : H2_ASK_BODY_MAX;
	a->grpc = -1;
	a->id = nghttp2_submit_request(h->ng, NULL, nv, ARRAY_SIZE(nv), &body,
				       a);
	if (a->id < 0) {
		free(a);
		return -ENOMEM;
	}
	list_add_tail(&h->asks, &a->node);
	h->count++;
	return a->id;
}

void h2_ask_cancel(struct h2_ask *h, int32_t id)
{
	struct list *p, *next;

	list_for_each_safe (p, next, &h->asks) {
		struct ask *a = container_of(p, struct ask, node);

		if (a->id != id)
			continue;
		nghttp2_submit_rst_stream(h->ng, NGHTTP2_FLAG_NONE, id,
					  NGHTTP2_CANCEL);
		ask_free(h, a);
	}
}

unsigned int h2_ask_places(struct h2_ask *h)
{
	uint32_t max = nghttp2_session_get_remote_settings(
		h->ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

	if (h2_ask_leaving(h))
		return 0;
	return h->count < max ? max - h->count : 0;
}

bool h2_ask_leaving(const struct h2_ask *h)
{
	return h->leaving || !nghttp2_session_check_request_allowed(h->ng);
}

int h2_ask_take(struct h2_ask *h, const uint8_t *p, size_t n, const char **why)
{
	ssize_t used = nghttp2_session_mem_recv(h->ng, p, n);

	if (used >= 0)
		return 0;
	*why = nghttp2_strerror((int)used);
	return -EPROTO;
}

ssize_t h2_ask_give(struct h2_ask *h, const uint8_t **p)
{
	ssize_t n = nghttp2_session_mem_send(h->ng, p);

	return n < 0 ? -EPROTO : n;
}

bool h2_ask_over(struct h2_ask *h)
{
	return !nghttp2_session_want_read(h->ng) &&
	       !nghttp2_session_want_write(h->ng);
}
