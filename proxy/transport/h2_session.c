/*
 * h2_session.c - What libnghttp2 tells of a connection, and is told of gRPC
 *
 *   on_begin -> on_header ... -> on_frame	a request: a session is born of it
 *   on_data, on_frame (END_STREAM), on_close	what its stream reads
 *
 * Callbacks run inside hear() of h2_carrier.c; none of them writes or frees the
 * carrier.
 * Source: RFC 9113; nghttp2's API reference; xray.md section 2.14
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "proxy/transport/h2_int.h"
#include "proxy/transport/http_conf.h"
#include "proxy/transport/tls.h"

#define STREAMS_MAX 1024u /* a client may open with us */
#define CONN_WINDOW (8 << 20)
#define HEADERS_MAX (16u << 10) /* of one request or response */

/* --- what nghttp2 tells --- */

static struct h2_sub *sub_by_id(nghttp2_session *ng, int32_t id)
{
	return nghttp2_session_get_stream_user_data(ng, id);
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id,
		   const uint8_t *p, size_t n, void *arg)
{
	struct h2_sub *u = sub_by_id(ng, id);
	int rc;

	(void)flags;
	(void)arg;
	nghttp2_session_consume_connection(ng, n);
	if (!u || u->err) /* the page behind a refusal is no payload */
		return 0;
	rc = h2_sub_data(u, p, n);
	if (rc < 0) {
		h2_sub_fail(u, rc);
		nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, id,
					  NGHTTP2_PROTOCOL_ERROR);
	}
	return 0;
}

static bool text_is(const uint8_t *p, size_t n, const char *text)
{
	return n == strlen(text) && !memcmp(p, text, n);
}

/* NOLINTNEXTLINE(readability-function-size): nghttp2's callback */
static int on_header(nghttp2_session *ng, const nghttp2_frame *frame,
		     const uint8_t *name, size_t name_len, const uint8_t *value,
		     size_t value_len, uint8_t flags, void *arg)
{
	struct h2 *h = arg;
	int32_t id = frame->hd.stream_id;
	struct h2_sub *u = sub_by_id(ng, id);

	(void)flags;
	if (!u)
		return 0;
	if (h->server && u->raw) {
		if (h2_text_add(u, name, name_len, value, value_len) < 0)
			return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	} else if (h->server && !text_is(name, name_len, ":path")) {
		/* who forwarded it, when that is of interest */
		if (h->birth.ib && h->birth.ib->sockopt.trusted &&
		    h2_text_add(u, name, name_len, value, value_len) < 0)
			return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	} else if (h->server) {
		for (int i = 0; i < 2; i++)
			u->answered |=
				text_is(value, value_len, h->conf->paths[i]);
	} else if (!h->server && text_is(name, name_len, ":status") &&
		   value_len && value[0] != '1') {
		h2_again_over(u);
		u->answered = text_is(value, value_len, "200");
		if (u->answered)
			return 0;
		log_info("s%x %s: server answers %.*s", u->log_id,
			 h->conf->name, value_len < 4 ? (int)value_len : 3,
			 value);
		h2_sub_fail(u, -EPROTO);
	} else if (!h->server && !u->raw &&
		   text_is(name, name_len, "grpc-status") &&
		   !text_is(value, value_len, "0")) {
		log_info("s%x grpc: server ends with status %.*s", u->log_id,
			 value_len < 4 ? (int)value_len : 3, value);
		h2_sub_fail(u, -ECONNRESET);
	}
	return 0;
}

static int on_begin(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
	struct h2 *h = arg;
	struct h2_sub *u;

	if (!h->server || frame->hd.type != NGHTTP2_HEADERS ||
	    frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	u = h2_sub_new(h, NULL);
	if (!u)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	u->id = frame->hd.stream_id;
	nghttp2_session_set_stream_user_data(ng, u->id, u);
	return 0;
}

#define NV(name, value) \
	{ \
		(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), \
			strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE \
	}

static int grpc_born(struct h2 *h, struct h2_sub *u)
{
	struct buf *text = u->text;
	struct http1_head head = { .minor = 1 };
	int rc;

	u->text = NULL;
	if (text) {
		head.headers.p = (const char *)buf_head(text);
		head.headers.n = text->len;
	}
	rc = forwarded_born(&h->birth, h->job.worker, &u->s, &head);
	buf_free(text);
	return rc;
}

/* A request is complete: a session for it, or no */
static void answer(struct h2 *h, struct h2_sub *u)
{
	/* NOLINTBEGIN(performance-no-int-to-ptr): nghttp2's macro */
	nghttp2_nv ok[] = { NV(":status", "200"),
			    NV("content-type", "application/grpc") };
	nghttp2_nv no[] = { NV(":status", "404") };
	/* NOLINTEND(performance-no-int-to-ptr) */
	int32_t id = u->id;

	if (u->answered && h2_over_refuses(h)) {
		h2_over_refuse(h, id);
	} else if (u->answered) {
		nghttp2_submit_response(h->ng, id, ok, ARRAY_SIZE(ok),
					&h2_sub_source);
		if (grpc_born(h, u) == 0)
			return;
		nghttp2_submit_rst_stream(h->ng, NGHTTP2_FLAG_NONE, id,
					  NGHTTP2_REFUSED_STREAM);
	} else {
		log_info("grpc: refused: not our service");
		nghttp2_submit_response(h->ng, id, no, ARRAY_SIZE(no), NULL);
	}
	nghttp2_session_set_stream_user_data(h->ng, id, NULL);
	h2_sub_gone(h, u);
	h2_sub_unborn(u);
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
	struct h2 *h = arg;
	struct h2_sub *u;

	if (frame->hd.type == NGHTTP2_GOAWAY) {
		h->goaway = true;
		return 0;
	}
	u = frame->hd.stream_id ? sub_by_id(ng, frame->hd.stream_id) : NULL;
	if (!u || (frame->hd.type != NGHTTP2_HEADERS &&
		   frame->hd.type != NGHTTP2_DATA))
		return 0;
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
		u->eof = !u->err; /* not what a refusal ends with */
		h2_sub_wake(u);
	}
	if (h->server && frame->hd.type == NGHTTP2_HEADERS &&
	    frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		if (u->raw)
			h2_request(h, u);
		else
			answer(h, u);
	} else if (u->raw && frame->hd.type == NGHTTP2_HEADERS) {
		h2_sub_wake(u); /* it is up */
	}
	return 0;
}

/*
 * An answer is out whose stream nobody has any more: who still sends may stop
 * (RFC 9113, 8.1). Not before: a reset takes what waits with it
 */
static int on_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
	const struct h2 *h = arg;
	int32_t id = frame->hd.stream_id;
	struct h2_sub *u;

	if (!h->server && frame->hd.type == NGHTTP2_HEADERS &&
	    frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		u = sub_by_id(ng, id);
		if (u)
			u->asked = true;
	}
	if (h->server && id && frame->hd.flags & NGHTTP2_FLAG_END_STREAM &&
	    (frame->hd.type == NGHTTP2_HEADERS ||
	     frame->hd.type == NGHTTP2_DATA) &&
	    !sub_by_id(ng, id) &&
	    nghttp2_session_get_stream_remote_close(ng, id) == 0)
		nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, id,
					  NGHTTP2_NO_ERROR);
	return 0;
}

/* The server says that it did not look at it, or cannot have done so */
static bool is_unseen(const struct h2 *h, const struct h2_sub *u, uint32_t code)
{
	return !h->server && !u->err &&
	       (code == NGHTTP2_REFUSED_STREAM || (h->goaway && !u->asked));
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t code, void *arg)
{
	struct h2 *h = arg;
	struct h2_sub *u = sub_by_id(ng, id);

	if (!u)
		return 0;
	nghttp2_session_set_stream_user_data(ng, id, NULL);
	if (is_unseen(h, u, code) && h2_again(h, u))
		return 0;
	h2_again_over(u);
	list_del(&u->node);
	h->count--;
	u->h = NULL;
	if (!h->count)
		h2_set_timer(h);
	if (!u->s.job) {
		h2_sub_unborn(u);
		return 0;
	}
	/*
	 * All was said: what is still to be read can be read. A client that hears
	 * a whole answer, and that it may stop, need not have said all
	 */
	if (!u->eof || (h->server && !u->fin_sent) || code != NGHTTP2_NO_ERROR)
		h2_sub_fail(u, code == NGHTTP2_REFUSED_STREAM ? -ECONNREFUSED :
								-ECONNRESET);
	else
		u->err = -EPIPE;
	h2_sub_wake(u);
	return 0;
}

/* --- birth --- */

static int library_new(struct h2 *h)
{
	nghttp2_session_callbacks *cb;
	nghttp2_option *opt = NULL;
	int rc = nghttp2_session_callbacks_new(&cb);

	if (rc == 0)
		rc = nghttp2_option_new(&opt);
	if (rc == 0) {
		nghttp2_session_callbacks_set_send_data_callback(
			cb, h2_sub_send_data);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
			cb, on_data);
		nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
		nghttp2_session_callbacks_set_on_begin_headers_callback(
			cb, on_begin);
		nghttp2_session_callbacks_set_on_frame_recv_callback(cb,
								     on_frame);
		nghttp2_session_callbacks_set_on_stream_close_callback(
			cb, on_close);
		nghttp2_session_callbacks_set_on_frame_send_callback(cb,
								     on_sent);
		nghttp2_option_set_no_auto_window_update(opt, 1);
		nghttp2_option_set_max_send_header_block_length(opt,
								HEADERS_MAX);
		rc = h->server ?
			     nghttp2_session_server_new2(&h->ng, cb, h, opt) :
			     nghttp2_session_client_new2(&h->ng, cb, h, opt);
	}
	nghttp2_option_del(opt);
	nghttp2_session_callbacks_del(cb);
	return rc ? -ENOMEM : 0;
}

static int say_settings(struct h2 *h)
{
	uint32_t window = h->conf->window ? h->conf->window : H2_WINDOW_MIN;
	nghttp2_settings_entry set[] = {
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADERS_MAX },
		{ h->server ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS :
			      NGHTTP2_SETTINGS_ENABLE_PUSH,
		  h->server ? STREAMS_MAX : 0 },
	};

	if (nghttp2_submit_settings(h->ng, NGHTTP2_FLAG_NONE, set,
				    ARRAY_SIZE(set)) ||
	    nghttp2_session_set_local_window_size(h->ng, NGHTTP2_FLAG_NONE, 0,
						  CONN_WINDOW))
		return -ENOMEM;
	return 0;
}

int h2_session_new(struct h2 *h)
{
	int rc = library_new(h);

	return rc ? rc : say_settings(h);
}

/* --- gRPC's request --- */

int h2_session_request(struct h2 *h, struct h2_sub *u)
{
	char text[ADDR_TEXT_MAX];
	const char *authority = h->conf->authority;

	if (!authority)
		authority = tls_server_name(h->t->below);
	if (!authority)
		authority = addr_format_host(&h->to, text, sizeof(text));
	nghttp2_nv nv[] = {
		/* NOLINTBEGIN(performance-no-int-to-ptr): nghttp2's macro */
		NV(":method", "POST"),
		NV(":scheme", h->conf->scheme),
		NV(":path", h->conf->path),
		NV(":authority", authority),
		NV("content-type", "application/grpc"),
		NV("user-agent", h->conf->agent),
		NV("te", "trailers"),
		/* NOLINTEND(performance-no-int-to-ptr) */
	};

	u->id = nghttp2_submit_request(h->ng, NULL, nv, ARRAY_SIZE(nv),
				       &h2_sub_source, u);
	return u->id < 0 ? -ENOMEM : 0;
}
