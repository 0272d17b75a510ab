/*
 * test_h2_again.c - Requests that a server did not look at are asked once more, by
 * another connection, with all that was said
 */
#include "mem_stream.h"

#include <stdio.h>

#include "gateway/core/config.h"
#include "loop.h"
#include "proxy/transport/h2_int.h"
#include "proxy/transport/transports.h"

enum { DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };
enum { CONNS = 3, PREFACE = 24 };

/**
 * struct conn - A connection that was dialed; the test is the server
 * @heads, @body, @body_len, @ended:	Requests, the payload of stream 1, its end
 */
struct conn {
	struct mem m;
	unsigned int heads;
	uint8_t body[MEM_BYTES];
	size_t body_len, at;
	bool ended;
};

static struct conn conns[CONNS];
static unsigned int dials;

struct rig {
	struct loop l;
	struct transport bottom, t;
	struct h2_conf conf;
	struct h2_flow flow;
	struct job job;
	struct stream *st;
	bool grpc;
};

static void put(struct conn *c, const void *p, size_t n)
{
	struct mem_way *w = &c->m.way[0];

	for (size_t i = 0; i < n; i++)
		w->data[(w->head + w->len++) % MEM_BYTES] =
			((const uint8_t *)p)[i];
}

static void frame(struct conn *c, unsigned int type, unsigned int flags,
		  uint32_t id, const void *p, size_t n)
{
	const uint8_t head[] = { (uint8_t)(n >> 16),  (uint8_t)(n >> 8),
				 (uint8_t)n,          (uint8_t)type,
				 (uint8_t)flags,      (uint8_t)(id >> 24),
				 (uint8_t)(id >> 16), (uint8_t)(id >> 8),
				 (uint8_t)id };

	put(c, head, sizeof(head));
	put(c, p, n);
}

static int dial_next(const struct transport *t, const struct dial *d,
		     const struct addr *to, struct stream **out)
{
	struct conn *c = &conns[dials];

	(void)t;
	(void)to;
	assert_in_range(dials, 0, CONNS - 1);
	dials++;
	memset(c, 0, sizeof(*c));
	c->m.step = MEM_BYTES;
	c->at = PREFACE;
	*out = mem_new(&c->m, 0, d->job);
	frame(c, SETTINGS, 0, 0, "", 0);
	frame(c, SETTINGS, ACK, 0, "", 0);
	return 0;
}

/* What the server of @c heard */
static void look(struct conn *c)
{
	struct mem_way *w = &c->m.way[1];
	const uint8_t *p = w->data;

	assert_int_equal(w->head, 0);
	while (c->at + H2_FRAME_HEAD <= w->len) {
		const uint8_t *f = p + c->at;
		size_t n = (size_t)f[0] << 16 | (size_t)f[1] << 8 | f[2];

		if (c->at + H2_FRAME_HEAD + n > w->len)
			return;
		c->heads += f[3] == HEADERS;
		if (f[3] == DATA) {
			memcpy(c->body + c->body_len, f + H2_FRAME_HEAD, n);
			c->body_len += n;
		}
		if (f[3] == HEADERS || f[3] == DATA)
			c->ended |= f[4] & END_STREAM;
		c->at += H2_FRAME_HEAD + n;
	}
}

static void go_on(struct rig *r)
{
	for (int i = 0; i < 8; i++) {
		for (unsigned int k = 0; k < dials; k++)
			mem_tell(conns[k].m.end[0]);
		worker_tick(&r->l.w, 0);
	}
	for (unsigned int k = 0; k < dials; k++)
		look(&conns[k]);
}

static void no_job(struct job *j)
{
	(void)j;
}

static void begin(struct rig *r, bool grpc)
{
	static const struct transport_ops next = { .name = "next",
						   .dial = dial_next };

	memset(r, 0, sizeof(*r));
	dials = 0;
	loop_init(&r->l);
	r->bottom.ops = &next;
	r->t.below = &r->bottom;
	r->grpc = grpc;
	r->job = (struct job){ .run = no_job, .worker = &r->l.w };
	r->conf = (struct h2_conf){
		.name = "test", .scheme = "http", .path = "/g", .agent = "a"
	};
}

static void ask(struct rig *r, enum http_body_kind body, uint64_t length)
{
	struct addr to = addr_name("h.test", 6, 80);
	struct dial d = { .worker = &r->l.w, .job = &r->job, .cfg = &r->l.cfg };
	struct http_ask a = { .method = "POST",
			      .path = "/x",
			      .authority = "h.test",
			      .lines = "A: b\r\n",
			      .body = body,
			      .length = length,
			      .flow = &r->flow };

	assert_int_equal(r->grpc ? h2_open(&r->t, &r->conf, &d, &to, &r->st) :
				   h2_ask(&r->t, &r->conf, &d, &to, &a, &r->st),
			 0);
}

static void end(struct rig *r)
{
	stream_close(&r->st, -ECANCELED);
	h2_flow_leave(&r->flow);
	go_on(r);
	job_forget(&r->job);
	loop_fini(&r->l);
}

enum how { BY_RESET, BY_GOAWAY, HOWS };

static void refuse(unsigned int conn, enum how how)
{
	static const uint8_t reset[4] = { 0, 0, 0, NGHTTP2_REFUSED_STREAM };
	static const uint8_t none[8] = { 0 };

	if (how == BY_RESET)
		frame(&conns[conn], RST, 0, 1, reset, sizeof(reset));
	else
		frame(&conns[conn], GOAWAY, 0, 0, none, sizeof(none));
}

/* The answer comes by the second one */
static void answers(struct rig *r, const char *text, size_t n)
{
	uint8_t got[64];

	frame(&conns[1], HEADERS, END_HEADERS, 1, "\x88", 1);
	frame(&conns[1], DATA, 0, 1, text, n);
	go_on(r);
	assert_int_equal(stream_read(r->st, got, sizeof(got)), 4);
	assert_memory_equal(got, "pong", 4);
}

/* gRPC: what is in messages, and what is said afterwards */
static void a_grpc_stream_goes_on_elsewhere(void **state)
{
	static const uint8_t want[] = "\0\0\0\0\x06\x0a\x04ping"
				      "\0\0\0\0\x06\x0a\x04more";
	struct rig r;

	(void)state;
	for (int how = 0; how < HOWS; how++) {
		begin(&r, true);
		ask(&r, HTTP_OPEN_END, 0);
		assert_int_equal(stream_write(r.st, "ping", 4), 4);
		go_on(&r);
		assert_int_equal(conns[0].heads, 1);
		refuse(0, (enum how)how);
		go_on(&r);
		assert_int_equal(dials, 2);
		assert_int_equal(conns[1].heads, 1);
		assert_int_equal(stream_write(r.st, "more", 4), 4);
		go_on(&r);
		assert_int_equal(conns[1].body_len, sizeof(want) - 1);
		assert_memory_equal(conns[1].body, want, sizeof(want) - 1);
		answers(&r, "\0\0\0\0\x06\x0a\x04pong", 11);
		/* the next one does not try the first server again */
		stream_close(&r.st, 0);
		ask(&r, HTTP_OPEN_END, 0);
		go_on(&r);
		assert_int_equal(dials, 2);
		assert_int_equal(conns[0].heads, 1);
		assert_int_equal(conns[1].heads, 2);
		end(&r);
	}
}

/* Other requests: the head, the body, and that it had ended */
static void a_request_goes_on_elsewhere(void **state)
{
	static const enum http_body_kind kinds[] = { HTTP_NO_BODY, HTTP_LENGTH,
						     HTTP_OPEN_END };
	struct rig r;

	(void)state;
	for (unsigned int i = 0; i < 3U * HOWS; i++) {
		enum http_body_kind kind = kinds[i / HOWS];
		size_t n = kind == HTTP_NO_BODY ? 0 : 4;

		begin(&r, false);
		ask(&r, kind, n);
		if (n)
			assert_int_equal(stream_write(r.st, "ping", n), n);
		if (kind == HTTP_OPEN_END)
			(void)r.st->ops->finish(r.st);
		go_on(&r);
		assert_true(conns[0].ended);
		assert_int_equal(r.st->ops->finish(r.st), 0);
		refuse(0, (enum how)(i % HOWS));
		go_on(&r);
		assert_int_equal(dials, 2);
		assert_int_equal(conns[1].heads, 1);
		assert_int_equal(conns[1].body_len, n);
		assert_memory_equal(conns[1].body, "ping", n);
		assert_true(conns[1].ended);
		/* the flow's next request goes there, too */
		assert_ptr_equal(
			r.flow.carrier,
			list_last(&((struct h2_room *)r.l.w.rooms[ROOM_H2])
					   ->carriers,
				  struct h2, node));
		answers(&r, "pong", 4);
		end(&r);
	}
}

/* GOAWAY lies in the socket when the request is made: it does not go */
static void a_request_that_met_goaway_goes_elsewhere(void **state)
{
	struct stream *old;
	struct rig r;

	(void)state;
	begin(&r, true);
	ask(&r, HTTP_OPEN_END, 0);
	go_on(&r);
	old = r.st;
	frame(&conns[0], HEADERS, END_HEADERS, 1, "\x88", 1);
	go_on(&r);
	frame(&conns[0], GOAWAY, 0, 0, "\0\0\0\1\0\0\0", 8);
	ask(&r, HTTP_OPEN_END, 0);
	go_on(&r);
	assert_int_equal(conns[0].heads, 1);
	assert_int_equal(dials, 2);
	assert_int_equal(conns[1].heads, 1);
	assert_int_equal(stream_write(r.st, "ping", 4), 4);
	go_on(&r);
	assert_int_equal(conns[1].body_len, 11);
	/* and the one that was there goes on */
	assert_int_equal(stream_write(old, "ping", 4), 4);
	go_on(&r);
	assert_int_equal(conns[0].body_len, 11);
	stream_close(&old, -ECANCELED);
	end(&r);
}

/* A write that meets the end of the carrier: its bytes go once */
static void a_write_that_meets_goaway_is_whole(void **state)
{
	struct rig r;

	(void)state;
	begin(&r, true);
	ask(&r, HTTP_OPEN_END, 0);
	for (int i = 0; i < 3; i++) {
		mem_tell(conns[0].m.end[0]);
		worker_tick(&r.l.w, 0);
	}
	refuse(0, BY_GOAWAY);
	refuse(0, BY_RESET); /* of a stream that is gone: no matter */
	assert_int_equal(stream_write(r.st, "ping", 4), 4);
	go_on(&r);
	assert_int_equal(conns[1].body_len, 11);
	answers(&r, "\0\0\0\0\x06\x0a\x04pong", 11);
	end(&r);
}

/* Who is refused twice, or had an answer, or said much, is told */
static void once_and_only_what_is_kept(void **state)
{
	static uint8_t much[40000];
	uint8_t got[8];
	struct rig r;

	(void)state;
	begin(&r, true);
	ask(&r, HTTP_OPEN_END, 0);
	go_on(&r);
	refuse(0, BY_RESET);
	go_on(&r);
	refuse(1, BY_RESET);
	go_on(&r);
	assert_int_equal(dials, 2);
	assert_int_equal(stream_read(r.st, got, sizeof(got)), -ECONNREFUSED);
	end(&r);

	begin(&r, true);
	ask(&r, HTTP_OPEN_END, 0);
	go_on(&r);
	frame(&conns[0], HEADERS, END_HEADERS, 1, "\x88", 1);
	refuse(0, BY_RESET);
	go_on(&r);
	assert_int_equal(dials, 1);
	assert_int_equal(stream_read(r.st, got, sizeof(got)), -ECONNREFUSED);
	end(&r);

	begin(&r, true);
	ask(&r, HTTP_OPEN_END, 0);
	go_on(&r);
	for (int i = 0; i < 2; i++) {
		if (i) /* the window of the first one is used up */
			frame(&conns[0], 8, 0, 1, "\0\1\0\0", 4);
		go_on(&r);
		assert_int_equal(stream_write(r.st, much, sizeof(much)),
				 sizeof(much));
	}
	refuse(0, BY_RESET);
	go_on(&r);
	assert_int_equal(dials, 1);
	assert_int_equal(stream_read(r.st, got, sizeof(got)), -ECONNREFUSED);
	end(&r);
}

/* What is kept of all streams of a carrier is counted, and let go */
static void what_is_kept_is_counted(void **state)
{
	struct h2 *h;
	struct rig r;

	(void)state;
	begin(&r, true);
	ask(&r, HTTP_OPEN_END, 0);
	go_on(&r);
	h = list_first(&((struct h2_room *)r.l.w.rooms[ROOM_H2])->carriers,
		       struct h2, node);
	assert_in_range(h->said, 1, 512);
	assert_int_equal(stream_write(r.st, "ping", 4), 4);
	assert_in_range(h->said, 1024, 2048);
	frame(&conns[0], HEADERS, END_HEADERS, 1, "\x88", 1);
	go_on(&r);
	assert_int_equal(h->said, 0);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grpc_stream_goes_on_elsewhere),
		cmocka_unit_test(a_request_goes_on_elsewhere),
		cmocka_unit_test(a_request_that_met_goaway_goes_elsewhere),
		cmocka_unit_test(a_write_that_meets_goaway_is_whole),
		cmocka_unit_test(once_and_only_what_is_kept),
		cmocka_unit_test(what_is_kept_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
