/* test_h2_ask.c - HTTP/2 as a client that asks, against nghttp2's server side */
#include "tests/unit/cm.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

#include "proxy/wire/h2_ask.h"
#include "tests/unit/alloc_fail.h"

#define TYPE "application/dns-message"
#define MANY 40

/**
 * struct rig - A client, a server, and what each saw
 * @status, @type, @size:	What the server answers; @size of its body
 * @mute:	It answers nothing
 * @asked:	Streams with a complete request; @ids of the last ones
 * @body:	Of the last request; @head: its fields, joined
 */
struct rig {
	struct h2_ask *h;
	nghttp2_session *ng;
	const char *status, *type, *age;
	size_t size, sent;
	bool mute;
	unsigned int asked;
	int32_t ids[MANY];
	char body[64], head[512];
	unsigned int told;
	struct h2_ask_answer last;
	void *users[MANY];
	uint8_t first;
};

static void on_told(void *arg, void *user, const struct h2_ask_answer *a)
{
	struct rig *r = arg;

	r->users[r->told++ % MANY] = user;
	r->last = *a;
	r->first = a->len ? a->body[0] : 0;
}

static ssize_t answer_body(nghttp2_session *ng, int32_t id, uint8_t *buf,
			   size_t room, uint32_t *flags,
			   nghttp2_data_source *source, void *arg)
{
	struct rig *r = arg;
	size_t n = r->size - r->sent;

	(void)ng;
	(void)id;
	(void)source;
	if (n > room)
		n = room;
	memset(buf, 0x5a, n);
	r->sent += n;
	if (r->sent == r->size)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

#define NV(name, value) \
	{ \
		(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), \
			strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE \
	}

static void respond(struct rig *r, int32_t id)
{
	nghttp2_nv nv[] = {
		NV(":status", r->status),
		NV("content-type", r->type),
		NV("age", r->age),
	};
	nghttp2_data_provider body = { .read_callback = answer_body };

	r->sent = 0;
	assert_int_equal(
		nghttp2_submit_response(r->ng, id, nv, ARRAY_SIZE(nv), &body),
		0);
}

static int srv_header(nghttp2_session *ng, const nghttp2_frame *f,
		      const uint8_t *name, size_t name_len,
		      const uint8_t *value, size_t value_len, uint8_t flags,
		      void *arg)
{
	struct rig *r = arg;
	size_t used = strlen(r->head);

	(void)ng;
	(void)f;
	(void)flags;
	snprintf(r->head + used, sizeof(r->head) - used, "%.*s=%.*s ",
		 (int)name_len, name, (int)value_len, value);
	return 0;
}

static int srv_data(nghttp2_session *ng, uint8_t flags, int32_t id,
		    const uint8_t *p, size_t n, void *arg)
{
	struct rig *r = arg;

	(void)ng;
	(void)flags;
	(void)id;
	snprintf(r->body, sizeof(r->body), "%.*s", (int)n, p);
	return 0;
}

static int srv_frame(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
	struct rig *r = arg;

	(void)ng;
	if ((f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA) ||
	    !(f->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	r->ids[r->asked++ % MANY] = f->hd.stream_id;
	if (!r->mute)
		respond(r, f->hd.stream_id);
	return 0;
}

static void rig_init(struct rig *r, uint32_t streams)
{
	nghttp2_session_callbacks *cb;
	nghttp2_settings_entry set = { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
				       streams };

	memset(r, 0, sizeof(*r));
	r->status = "200";
	r->type = TYPE;
	r->age = "7";
	r->size = 100;
	assert_int_equal(nghttp2_session_callbacks_new(&cb), 0);
	nghttp2_session_callbacks_set_on_header_callback(cb, srv_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, srv_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, srv_frame);
	assert_int_equal(nghttp2_session_server_new(&r->ng, cb, r), 0);
	nghttp2_session_callbacks_del(cb);
	nghttp2_submit_settings(r->ng, NGHTTP2_FLAG_NONE, &set, 1);
	r->h = h2_ask_new(on_told, r);
	assert_non_null(r->h);
}

static void rig_fini(struct rig *r)
{
	h2_ask_free(r->h);
	nghttp2_session_del(r->ng);
}

/* Bytes go to and fro until both are silent. @cut: in pieces of so many */
static void pump(struct rig *r, size_t cut)
{
	const uint8_t *p;
	const char *why = "";
	ssize_t n;
	bool moved;

	do {
		moved = false;
		while ((n = h2_ask_give(r->h, &p)) > 0) {
			moved = true;
			assert_int_equal(
				nghttp2_session_mem_recv(r->ng, p, (size_t)n),
				n);
		}
		while ((n = nghttp2_session_mem_send(r->ng, &p)) > 0) {
			moved = true;
			for (size_t at = 0; at < (size_t)n; at += cut) {
				size_t k = (size_t)n - at < cut ?
						   (size_t)n - at :
						   cut;

				if (h2_ask_take(r->h, p + at, k, &why))
					fail_msg("%s", why);
			}
		}
	} while (moved);
}

static int32_t put(struct rig *r, void *user)
{
	static const struct h2_ask_request ask = {
		.scheme = "https",
		.authority = "d.example",
		.path = "/dns-query",
		.type = TYPE,
		.body = (const uint8_t *)"question",
		.len = 8,
	};

	return h2_ask_put(r->h, &ask, user);
}

static void a_question_is_a_post_with_its_answer(void **state)
{
	struct rig r;
	int user;

	(void)state;
	for (size_t cut = 1; cut < 20; cut += 3) {
		rig_init(&r, 100);
		assert_true(put(&r, &user) > 0);
		pump(&r, cut);
		assert_int_equal(r.told, 1);
		assert_ptr_equal(r.users[0], &user);
		assert_int_equal(r.last.rc, 0);
		assert_int_equal(r.last.status, 200);
		assert_int_equal(r.last.age_s, 7);
		assert_int_equal(r.last.len, 100);
		assert_int_equal(r.first, 0x5a);
		assert_string_equal(r.body, "question");
		assert_string_equal(r.head,
				    ":method=POST :scheme=https "
				    ":authority=d.example :path=/dns-query "
				    "accept=" TYPE " content-type=" TYPE
				    " content-length=8 ");
		assert_false(h2_ask_over(r.h));
		rig_fini(&r);
	}
}

static void many_go_at_the_same_time_up_to_the_servers_limit(void **state)
{
	unsigned int i;
	struct rig r;

	(void)state;
	rig_init(&r, 5);
	pump(&r, 100); /* its settings */
	assert_int_equal(h2_ask_places(r.h), 5);
	r.mute = true;
	for (i = 0; i < 5; i++)
		assert_true(put(&r, &r.users[i]) > 0);
	assert_int_equal(h2_ask_places(r.h), 0);
	assert_int_equal(put(&r, NULL), -ENOBUFS);
	pump(&r, 100);
	assert_int_equal(r.asked, 5);
	for (i = 5; i-- > 0;) /* in another order */
		respond(&r, r.ids[i]), pump(&r, 100);
	assert_int_equal(r.told, 5);
	assert_int_equal(r.last.rc, 0);
	assert_int_equal(h2_ask_places(r.h), 5);
	rig_fini(&r);
}

static void what_is_no_answer_costs_that_question_only(void **state)
{
	static const struct {
		const char *status, *type;
		size_t size;
		int rc;
	} bad[] = {
		{ "404", TYPE, 100, -EPROTO },
		{ "200", "text/html", 100, -EPROTO },
		{ "302", TYPE, 0, -EPROTO },
		{ "200", TYPE, H2_ASK_BODY_MAX + 1, -EMSGSIZE },
		{ "200", TYPE, H2_ASK_BODY_MAX, 0 },
		{ "200", TYPE, 0, 0 },
	};
	struct rig r;

	(void)state;
	rig_init(&r, 100);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		r.status = bad[i].status;
		r.type = bad[i].type;
		r.size = bad[i].size;
		assert_true(put(&r, NULL) > 0);
		pump(&r, 5000);
		assert_int_equal(r.told, i + 1);
		assert_int_equal(r.last.rc, bad[i].rc);
		assert_int_equal(r.last.len,
				 bad[i].rc ? r.last.len : bad[i].size);
	}
	assert_false(h2_ask_leaving(r.h));
	rig_fini(&r);
}

static void a_cancelled_question_is_never_told(void **state)
{
	struct rig r;
	int32_t id;

	(void)state;
	rig_init(&r, 100);
	h2_ask_cancel(r.h, put(&r, NULL)); /* before it went out */
	pump(&r, 100);
	assert_int_equal(r.asked, 0);
	r.mute = true;
	id = put(&r, NULL);
	pump(&r, 100);
	assert_int_equal(r.asked, 1);
	h2_ask_cancel(r.h, id);
	h2_ask_cancel(r.h, id);
	respond(&r, id); /* the answer crosses the reset */
	pump(&r, 100);
	r.mute = false;
	put(&r, &r);
	pump(&r, 100);
	assert_int_equal(r.told, 1);
	assert_ptr_equal(r.users[0], &r);
	rig_fini(&r);
}

/* GOAWAY lies in the socket when it is put: it does not go, and may be asked again */
static void a_question_that_met_goaway_is_for_another_connection(void **state)
{
	const char *why;
	struct rig r;
	int user;

	(void)state;
	rig_init(&r, 100);
	put(&r, NULL);
	pump(&r, 100);
	assert_int_equal(r.told, 1);
	nghttp2_submit_goaway(r.ng, NGHTTP2_FLAG_NONE, r.ids[0],
			      NGHTTP2_NO_ERROR, NULL, 0);
	put(&r, &user);
	for (const uint8_t *p; true;) {
		ssize_t n = nghttp2_session_mem_send(r.ng, &p);

		if (n <= 0)
			break;
		assert_int_equal(h2_ask_take(r.h, p, (size_t)n, &why), 0);
	}
	pump(&r, 100);
	assert_int_equal(r.told, 2);
	assert_ptr_equal(r.users[1], &user);
	assert_int_equal(r.last.rc, -EAGAIN);
	rig_fini(&r);
}

static void a_leaving_server_answers_what_it_took(void **state)
{
	int first, second;
	struct rig r;

	(void)state;
	rig_init(&r, 100);
	r.mute = true;
	put(&r, &first);
	pump(&r, 100);
	put(&r, &second);
	/* the second one goes out, but is not looked at */
	nghttp2_submit_goaway(r.ng, NGHTTP2_FLAG_NONE, r.ids[0],
			      NGHTTP2_NO_ERROR, NULL, 0);
	for (const uint8_t *p; true;) {
		ssize_t n = nghttp2_session_mem_send(r.ng, &p);
		const char *why;

		if (n <= 0)
			break;
		assert_int_equal(h2_ask_take(r.h, p, (size_t)n, &why), 0);
	}
	pump(&r, 100);
	assert_true(h2_ask_leaving(r.h));
	assert_int_equal(h2_ask_places(r.h), 0);
	assert_int_equal(put(&r, NULL), -ENOBUFS);
	assert_int_equal(r.told, 1);
	assert_ptr_equal(r.users[0], &second);
	assert_int_equal(r.last.rc, -EAGAIN);
	respond(&r, r.ids[0]);
	pump(&r, 100);
	assert_int_equal(r.told, 2);
	assert_ptr_equal(r.users[1], &first);
	assert_int_equal(r.last.rc, 0);
	assert_true(h2_ask_over(r.h));
	rig_fini(&r);
}

static void resets_are_told(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 100);
	r.mute = true;
	for (int i = 0; i < 2; i++) {
		put(&r, NULL);
		pump(&r, 100);
		nghttp2_submit_rst_stream(r.ng, NGHTTP2_FLAG_NONE, r.ids[i],
					  i ? NGHTTP2_INTERNAL_ERROR :
					      NGHTTP2_REFUSED_STREAM);
		pump(&r, 100);
		assert_int_equal(r.told, i + 1);
		assert_int_equal(r.last.rc, i ? -ECONNRESET : -EAGAIN);
	}
	rig_fini(&r);
}

static void what_is_not_http2_ends_it(void **state)
{
	static const char text[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
	const char *why = NULL;
	const uint8_t *p;
	struct rig r;

	(void)state;
	rig_init(&r, 100);
	put(&r, NULL);
	(void)h2_ask_take(r.h, (const uint8_t *)text, sizeof(text) - 1, &why);
	while (h2_ask_give(r.h, &p) > 0)
		;
	assert_true(h2_ask_over(r.h));
	assert_int_equal(h2_ask_places(r.h), 0);
	rig_fini(&r);
}

/* libnghttp2's own allocations are not among those that fail here */
static void out_of_memory_is_an_error(void **state)
{
	struct rig r = { 0 };

	(void)state;
	alloc_fail_at(1);
	assert_null(h2_ask_new(on_told, &r));
	assert_true(alloc_fail_hit());
	rig_init(&r, 100);
	alloc_fail_at(1);
	assert_int_equal(put(&r, NULL), -ENOMEM);
	assert_true(alloc_fail_hit());
	assert_true(put(&r, NULL) > 0);
	alloc_fail_at(1);
	pump(&r, 5000); /* the body */
	assert_true(alloc_fail_hit());
	assert_int_equal(r.told, 1);
	assert_int_equal(r.last.rc, -ENOMEM);
	put(&r, NULL);
	pump(&r, 5000);
	assert_int_equal(r.told, 2);
	assert_int_equal(r.last.rc, 0);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_is_a_post_with_its_answer),
		cmocka_unit_test(
			many_go_at_the_same_time_up_to_the_servers_limit),
		cmocka_unit_test(what_is_no_answer_costs_that_question_only),
		cmocka_unit_test(a_cancelled_question_is_never_told),
		cmocka_unit_test(a_leaving_server_answers_what_it_took),
		cmocka_unit_test(
			a_question_that_met_goaway_is_for_another_connection),
		cmocka_unit_test(resets_are_told),
		cmocka_unit_test(what_is_not_http2_ends_it),
		cmocka_unit_test(out_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
