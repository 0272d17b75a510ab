/*
 * test_h2_stream.c - Streams of an HTTP/2 carrier against a peer made of frames:
 * how answers end, what is counted, what is read
 */
#include "mem_stream.h"

#include <stdio.h>

#include "gateway/core/config.h"
#include "gateway/core/send_through.h"
#include "gateway/core/session.h"
#include "loop.h"
#include "proxy/transport/h2_int.h"
#include "proxy/transport/transports.h"

enum { DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

#define SEEN_MAX 64

/* A frame the peer got */
struct seen {
	uint8_t type, flags;
	uint32_t id, code; /* of RST */
	size_t len;
	uint8_t first; /* byte of the payload */
};

/**
 * struct rig - A carrier at one end; the test is the other
 * @side:	The test's
 * @handle:	What a server's handler does
 * @st:		Client: the asked stream; server: the last one that was born
 * @sts:	Of three(); @runs: how often the job of all ran
 */
struct rig {
	struct loop l;
	struct mem m;
	struct mem_end far;
	struct transport bottom, t;
	struct h2_conf conf;
	struct h2_flow flow;
	struct job job;
	struct stream *st, *sts[3];
	unsigned int runs;
	int side;
	void (*handle)(struct rig *r, const struct http_rq *rq);
	size_t said_within; /* bytes there were when the handler was done */
	struct seen seen[SEEN_MAX];
	unsigned int seen_count;
	uint8_t rx[MEM_BYTES];
	size_t rx_len;
};

static struct rig *the_rig;

static void count_job(struct job *j)
{
	(void)j;
	the_rig->runs++;
}

static int on_born(const struct birth *b, struct worker *w, struct stream *s)
{
	(void)b;
	(void)w;
	the_rig->st = s;
	stream_set_job(s, &the_rig->job);
	return 0;
}

static void handler(const struct http_rq *rq)
{
	the_rig->handle(the_rig, rq);
	the_rig->said_within = the_rig->m.way[the_rig->side].len;
}

static void far_put(struct rig *r, const void *p, size_t n)
{
	struct mem_way *w = &r->m.way[!r->side];

	for (size_t i = 0; i < n; i++)
		w->data[(w->head + w->len++) % MEM_BYTES] =
			((const uint8_t *)p)[i];
}

static void frame(struct rig *r, unsigned int type, unsigned int flags,
		  uint32_t id, const void *p, size_t n)
{
	const uint8_t head[] = { (uint8_t)(n >> 16),  (uint8_t)(n >> 8),
				 (uint8_t)n,          (uint8_t)type,
				 (uint8_t)flags,      (uint8_t)(id >> 24),
				 (uint8_t)(id >> 16), (uint8_t)(id >> 8),
				 (uint8_t)id };

	far_put(r, head, sizeof(head));
	far_put(r, p, n);
}

/* A request's head, in HPACK without an index: POST http @path of two bytes */
static void request(struct rig *r, uint32_t id, const char *path, bool end)
{
	const uint8_t h[] = {
		0x83, 0x86, 0x04, 2, (uint8_t)path[0], (uint8_t)path[1],
		0x01, 1,    'h'
	};

	frame(r, HEADERS, END_HEADERS | (end ? END_STREAM : 0), id, h,
	      sizeof(h));
}

static void reset(struct rig *r, uint32_t id, uint8_t code)
{
	const uint8_t p[4] = { 0, 0, 0, code };

	frame(r, RST, 0, id, p, sizeof(p));
}

/* What was said so far, as frames */
static void look(struct rig *r)
{
	struct mem_way *w = &r->m.way[r->side];
	uint8_t *p = r->rx;

	for (; w->len; w->len--) {
		r->rx[r->rx_len++] = w->data[w->head];
		w->head = (w->head + 1) % MEM_BYTES;
	}
	while (r->rx_len >= H2_FRAME_HEAD) {
		size_t n = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
		struct seen s = { .type = p[3],
				  .flags = p[4],
				  .id = (uint32_t)p[7] << 8 | p[8],
				  .len = n };

		if (r->rx_len < H2_FRAME_HEAD + n)
			return;
		if (s.type == RST)
			s.code = p[12];
		if (n)
			s.first = p[9];
		if (s.type == DATA || s.type == HEADERS || s.type == RST) {
			assert_true(r->seen_count < SEEN_MAX);
			r->seen[r->seen_count++] = s;
		}
		r->rx_len -= H2_FRAME_HEAD + n;
		memmove(p, p + H2_FRAME_HEAD + n, r->rx_len);
	}
}

/* Let the carrier hear, and say */
static void go_on(struct rig *r)
{
	for (int i = 0; i < 8; i++) {
		mem_tell(r->m.end[!r->side]);
		worker_tick(&r->l.w, 0);
		look(r);
	}
}

static void begin(struct rig *r, bool server)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

	memset(r, 0, sizeof(*r));
	the_rig = r;
	loop_init(&r->l);
	r->m.step = MEM_BYTES;
	r->side = server ? 0 : 1;
	r->bottom =
		(struct transport){ .ops = &mem_transport, .settings = &r->m };
	r->t = (struct transport){ .below = &r->bottom, .server = server };
	r->job = (struct job){ .run = count_job, .worker = &r->l.w };
	r->conf = (struct h2_conf){ .name = "test",
				    .scheme = "http",
				    .paths = { "/g", "/gm" },
				    .path = "/g",
				    .agent = "a" };
	if (server)
		far_put(r, preface, sizeof(preface) - 1);
	frame(r, SETTINGS, 0, 0, "", 0);
	frame(r, SETTINGS, ACK, 0, "", 0);
}

/* A server; @handle: of requests, NULL: it is gRPC's */
static void serve(struct rig *r,
		  void (*handle)(struct rig *r, const struct http_rq *rq))
{
	struct birth b = { .cfg = &r->l.cfg, .born = on_born };

	begin(r, true);
	r->handle = handle;
	if (handle)
		r->conf.handler = handler;
	assert_int_equal(h2_serve(&r->t, &r->conf, &r->l.w,
				  mem_new(&r->m, 1, NULL), &b, NULL),
			 0);
	go_on(r);
}

static void ask(struct rig *r, enum http_body_kind body)
{
	struct addr to = addr_name("h.test", 6, 80);
	struct dial d = { .worker = &r->l.w, .job = &r->job, .cfg = &r->l.cfg };
	struct http_ask a = { .method = "POST",
			      .path = "/x",
			      .authority = "h.test",
			      .lines = "",
			      .body = body,
			      .flow = &r->flow };

	begin(r, false);
	assert_int_equal(h2_ask(&r->t, &r->conf, &d, &to, &a, &r->st), 0);
	go_on(r);
}

static void end(struct rig *r)
{
	stream_close(&r->st, 0);
	h2_flow_leave(&r->flow);
	go_on(r);
	job_forget(&r->job);
	loop_fini(&r->l);
}

static struct h2 *carrier(struct rig *r)
{
	struct h2_room *room = r->l.w.rooms[ROOM_H2];

	return list_first(&room->carriers, struct h2, node);
}

static void saw(const struct rig *r, unsigned int i, unsigned int type,
		unsigned int flags)
{
	assert_in_range(i, 0, r->seen_count ? r->seen_count - 1 : 0);
	assert_int_equal(r->seen[i].type, type);
	assert_int_equal(r->seen[i].flags & END_STREAM, flags & END_STREAM);
}

/* --- a server's answers --- */

static void refuse(struct rig *r, const struct http_rq *rq)
{
	(void)r;
	assert_int_equal(rq->answer(rq->s, 404, "", false), 0);
	rq->s->ops->close(rq->s, 0);
}

/* Who still sends is told the answer, and only then to stop */
static void a_refusal_goes_before_the_reset(void **state)
{
	struct rig r;

	(void)state;
	serve(&r, refuse);
	request(&r, 1, "/x", false);
	go_on(&r);
	assert_int_equal(r.seen_count, 2);
	saw(&r, 0, HEADERS, END_STREAM);
	assert_int_equal(r.seen[0].first, 0x8d); /* 404 */
	saw(&r, 1, RST, 0);
	assert_int_equal(r.seen[1].code, NGHTTP2_NO_ERROR);
	assert_int_equal(carrier(&r)->count, 0);
	end(&r);
}

static void a_whole_request_needs_no_reset(void **state)
{
	struct rig r;

	(void)state;
	serve(&r, refuse);
	request(&r, 1, "/x", true);
	go_on(&r);
	assert_int_equal(r.seen_count, 1);
	saw(&r, 0, HEADERS, END_STREAM);
	end(&r);
}

/* gRPC's refusal of a path: nothing more is taken of that stream */
static void a_stream_that_is_not_ours_is_ended(void **state)
{
	struct rig r;

	(void)state;
	serve(&r, NULL);
	request(&r, 1, "/n", false);
	go_on(&r);
	assert_int_equal(r.seen_count, 2);
	saw(&r, 0, HEADERS, END_STREAM);
	saw(&r, 1, RST, 0);
	end(&r);
}

/* A server with streams 1, 3 and 5; what it answers waits for windows */
static void three(struct rig *r)
{
	static const uint8_t none[] = { 0, 4, 0, 0, 0, 0 };

	serve(r, NULL);
	frame(r, SETTINGS, 0, 0, none, sizeof(none));
	for (unsigned int i = 0; i < 3; i++) {
		request(r, 2 * i + 1, "/g", false);
		go_on(r);
		r->sts[i] = r->st;
	}
	r->st = NULL;
	assert_int_equal(r->seen_count, 3);
	r->seen_count = 0;
}

static void answers(struct rig *r, unsigned int i, size_t n, bool fin)
{
	static uint8_t text[H2_PUT_BYTES];

	assert_int_equal(stream_write(r->sts[i], text, n), n);
	if (fin)
		assert_int_equal(r->sts[i]->ops->finish(r->sts[i]), -EAGAIN);
}

/* Windows for all; of what they allow below takes a little */
static void windows(struct rig *r)
{
	static const uint8_t more[] = { 0, 4, 0, 0 };

	go_on(r);
	r->m.room = 20;
	for (uint32_t id = 0; id < 6; id += id ? 2 : 1)
		frame(r, WINDOW, 0, id, more, sizeof(more));
	for (int i = 0; i < 4; i++) {
		mem_tell(r->m.end[1]);
		worker_tick(&r->l.w, 0);
	}
}

static void close_all(struct rig *r)
{
	for (unsigned int i = 0; i < 3; i++)
		stream_close(&r->sts[i], 0);
}

/*
 * A frame that ends stream 3 is asked for, and there is no room for it in the
 * batch. Its owner, who hears of the end, closes: it must come
 */
static void an_end_is_told_when_it_is_on_its_way(void **state)
{
	unsigned int heads = 0, data = 0;
	struct rig r;

	(void)state;
	three(&r);
	answers(&r, 0, 60000, false);
	answers(&r, 1, 32700, true);
	answers(&r, 2, 60000, false);
	windows(&r);
	if (r.sts[1]->ops->finish(r.sts[1]) == 0)
		stream_close(&r.sts[1], 0);
	r.m.room = 0;
	go_on(&r);
	for (unsigned int i = 0; i < r.seen_count; i++) {
		if (r.seen[i].id == 3 && r.seen[i].type == RST)
			assert_int_equal(r.seen[i].code, NGHTTP2_NO_ERROR);
		heads += r.seen[i].id == 3 && r.seen[i].type == HEADERS;
		data += r.seen[i].id == 3 && r.seen[i].type == DATA;
	}
	assert_int_equal(data, 2);
	assert_int_equal(heads, 1);
	close_all(&r);
	end(&r);
}

/* It had said something malformed, and the reset waits: it is gone once */
static void a_close_is_counted_once(void **state)
{
	struct rig r;

	(void)state;
	three(&r);
	answers(&r, 0, 65000, false);
	answers(&r, 1, 10, true);
	windows(&r);
	assert_int_equal(r.sts[1]->ops->finish(r.sts[1]), 0);
	frame(&r, DATA, 0, 3, "\1\1\1\1\1\1\1\1", 8);
	mem_tell(r.m.end[1]);
	worker_tick(&r.l.w, 0);
	r.m.room = 0;
	stream_close(&r.sts[1], 0);
	assert_int_equal(carrier(&r)->count, 2);
	go_on(&r);
	assert_int_equal(carrier(&r)->count, 2);
	close_all(&r);
	end(&r);
}

/* Who waits until its end is out is not asked all the time */
static void an_end_that_waits_costs_no_turns(void **state)
{
	struct rig r;

	(void)state;
	three(&r);
	answers(&r, 0, 65000, false);
	answers(&r, 1, 65000, false);
	windows(&r);
	assert_int_equal(r.sts[2]->ops->finish(r.sts[2]), -EAGAIN);
	r.runs = 0;
	r.sts[2]->ops->want(r.sts[2], ST_WRITE);
	worker_tick(&r.l.w, 0);
	assert_int_equal(r.runs, 0);
	r.m.room = 0;
	go_on(&r);
	assert_in_range(r.runs, 1, 8);
	assert_int_equal(r.sts[2]->ops->finish(r.sts[2]), 0);
	close_all(&r);
	end(&r);
}

/* The worker ends in the middle of a request's head (sanitizers look) */
static void a_cut_request_leaves_nothing(void **state)
{
	struct rig r;

	(void)state;
	serve(&r, refuse);
	frame(&r, HEADERS, 0, 1, "\x83", 1);
	go_on(&r);
	assert_int_equal(carrier(&r)->count, 1);
	assert_null(r.st);
	job_forget(&r.job);
	loop_fini(&r.l);
}

static void say_at_once(struct rig *r, const struct http_rq *rq)
{
	r->st = rq->s;
	stream_set_job(rq->s, &r->job);
	assert_int_equal(rq->answer(rq->s, 200, "", true), 0);
	assert_int_equal(stream_write(rq->s, "padding", 7), 7);
}

/* nghttp2 may not be asked for frames while it tells what came */
static void a_handler_that_writes_waits_for_the_turn(void **state)
{
	struct rig r;

	(void)state;
	serve(&r, say_at_once);
	look(&r);
	request(&r, 1, "/x", false);
	go_on(&r);
	assert_int_equal(r.said_within, 0);
	assert_int_equal(r.seen_count, 2);
	saw(&r, 0, HEADERS, 0);
	saw(&r, 1, DATA, 0);
	assert_int_equal(r.seen[1].len, 7);
	end(&r);
}

/* Connections of the API: the oldest that nobody uses goes, not the one in use */
static void the_oldest_idle_one_makes_room(void **state)
{
	static struct mem more[2];
	struct birth b = { .born = on_born };
	struct rig r;

	(void)state;
	serve(&r, NULL);
	b.cfg = &r.l.cfg;
	request(&r, 1, "/g", false); /* the first one is in use */
	go_on(&r);
	assert_non_null(r.st);
	for (unsigned int i = 0; i < 2; i++) {
		memset(&more[i], 0, sizeof(more[i]));
		more[i].step = MEM_BYTES;
		assert_true(h2_make_room(&r.l.w, &r.t, 2));
		assert_int_equal(h2_serve(&r.t, &r.conf, &r.l.w,
					  mem_new(&more[i], 1, NULL), &b, NULL),
				 0);
		go_on(&r);
	}
	assert_null(more[0].end[1]);
	assert_non_null(more[1].end[1]);
	assert_non_null(r.m.end[1]);
	assert_int_equal(carrier(&r)->count, 1);
	/* of another level there may be as many again; of none idle none goes */
	assert_true(h2_make_room(&r.l.w, &r.bottom, 2));
	assert_false(h2_make_room(&r.l.w, &r.t, 1) && r.m.end[1] == NULL);
	go_on(&r);
	assert_false(h2_make_room(&r.l.w, &r.t, 1));
	assert_non_null(r.m.end[1]);
	end(&r);
}

/* --- a client --- */

/* RFC 9113, 8.1: the server has said all, and wants no more of the request */
static void an_early_answer_is_read_behind_its_reset(void **state)
{
	struct rig r;
	uint8_t got[16];

	(void)state;
	ask(&r, HTTP_OPEN_END);
	assert_true(r.st->ops->up(r.st)); /* payload may be what it waits for */
	frame(&r, HEADERS, END_HEADERS, 1, "\x88", 1);
	frame(&r, DATA, END_STREAM, 1, "answer", 6);
	reset(&r, 1, NGHTTP2_NO_ERROR);
	go_on(&r);
	assert_true(r.st->ops->up(r.st));
	assert_int_equal(stream_write(r.st, "more", 4), -EPIPE);
	assert_int_equal(stream_read(r.st, got, sizeof(got)), 6);
	assert_memory_equal(got, "answer", 6);
	assert_int_equal(stream_read(r.st, got, sizeof(got)), 0);
	assert_int_equal(r.st->ops->finish(r.st), 0);
	assert_int_equal(carrier(&r)->count, 0);
	end(&r);
}

/* A short answer may be whole before anybody looks */
static void a_whole_answer_is_up(void **state)
{
	struct rig r;
	uint8_t got[16];

	(void)state;
	ask(&r, HTTP_NO_BODY);
	frame(&r, HEADERS, END_HEADERS, 1, "\x88", 1);
	frame(&r, DATA, END_STREAM, 1, "answer", 6);
	go_on(&r);
	assert_true(r.st->ops->up(r.st));
	assert_int_equal(stream_read(r.st, got, sizeof(got)), 6);
	assert_int_equal(stream_read(r.st, got, sizeof(got)), 0);
	end(&r);
}

static void a_cut_answer_is_an_error(void **state)
{
	static const uint8_t codes[] = { NGHTTP2_NO_ERROR, NGHTTP2_CANCEL };
	uint8_t got[16];
	struct rig r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		ask(&r, HTTP_OPEN_END);
		frame(&r, HEADERS, END_HEADERS, 1, "\x88", 1);
		frame(&r, DATA, 0, 1, "ans", 3);
		reset(&r, 1, codes[i]);
		go_on(&r);
		assert_int_equal(stream_read(r.st, got, sizeof(got)), 3);
		assert_int_equal(stream_read(r.st, got, sizeof(got)),
				 -ECONNRESET);
		assert_int_equal(r.st->ops->finish(r.st), -ECONNRESET);
		assert_false(r.st->ops->up(r.st));
		end(&r);
	}
}

/* The page behind a refusal is no payload */
static void a_refusals_page_is_not_read(void **state)
{
	struct rig r;
	uint8_t got[16];

	(void)state;
	ask(&r, HTTP_OPEN_END);
	frame(&r, HEADERS, END_HEADERS, 1, "\x8d", 1);
	frame(&r, DATA, END_STREAM, 1, "not found", 9);
	go_on(&r);
	assert_int_equal(stream_read(r.st, got, sizeof(got)), -EPROTO);
	assert_false(r.st->ops->up(r.st));
	end(&r);
}

/* Streams that end meanwhile do not put off the end of a carrier that is dead */
static void an_answer_to_a_ping_is_awaited_once(void **state)
{
	struct rig r;
	struct h2 *h;

	(void)state;
	ask(&r, HTTP_NO_BODY);
	h = carrier(&r);
	r.conf.keepalive_ms = 60000;
	r.conf.answer_ms = 20000;
	h->pinging = true;
	h->ping_ms = r.l.w.now_ms - 15000;
	h2_set_timer(h);
	assert_in_range(h->timer.due_ms - r.l.w.now_ms, 4000, 6000);
	stream_close(&r.st, -ETIMEDOUT);
	assert_int_equal(h->count, 0);
	assert_in_range(h->timer.due_ms - r.l.w.now_ms, 4000, 6000);
	end(&r);
}

/* An inner carrier: the level below of another one */
static int dial_inner(const struct transport *t, const struct dial *d,
		      const struct addr *to, struct stream **out)
{
	return h2_open(t, t->settings, d, to, out);
}

/* What the inner carrier's stream carried, out of its messages. Bytes */
static size_t carried(struct rig *r, uint8_t *out)
{
	struct mem_way *w = &r->m.way[r->side];
	struct grpc_rd rd = { 0 };
	const uint8_t *p = w->data;
	size_t got = 0, at = 24; /* behind the preface */

	while (at + H2_FRAME_HEAD <= w->len) {
		size_t n = (size_t)p[at + 1] << 8 | p[at + 2];
		ssize_t k = 0;

		if (p[at + 3] == DATA)
			k = grpc_read(&rd, p + at + H2_FRAME_HEAD, n,
				      out + got);
		assert_true(k >= 0);
		got += (size_t)k;
		at += H2_FRAME_HEAD + n;
	}
	assert_int_equal(at, w->len);
	return got;
}

/* gRPC through gRPC: what the outer one says is not overwritten by the inner one */
static void a_carrier_through_another_is_whole(void **state)
{
	static const struct transport_ops inner_ops = { .name = "inner",
							.dial = dial_inner };
	static uint8_t text[40000], got[MEM_BYTES];
	struct addr to = addr_name("h.test", 6, 80);
	struct transport inner;
	struct stream *st;
	const uint8_t *p;
	size_t n;
	struct rig r;

	(void)state;
	begin(&r, false);
	inner = (struct transport){ .ops = &inner_ops,
				    .below = &r.bottom,
				    .settings = &r.conf };
	r.t.below = &inner;
	struct dial d = { .worker = &r.l.w, .job = &r.job, .cfg = &r.l.cfg };

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 7 + i / 251);
	assert_int_equal(h2_open(&r.t, &r.conf, &d, &to, &st), 0);
	for (int i = 0; i < 4; i++)
		worker_tick(&r.l.w, 0);
	assert_int_equal(stream_write(st, text, sizeof(text)), sizeof(text));
	for (int i = 0; i < 8; i++)
		worker_tick(&r.l.w, 0);
	n = carried(&r, got);
	assert_memory_equal(got, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	/* three frames of the outer one; their heads are between */
	p = memmem(got, n, text, 1000);
	assert_non_null(p);
	assert_memory_equal(p, text, 16000);
	assert_non_null(memmem(got, n, text + 17000, 15000));
	assert_non_null(memmem(got, n, text + 33000, 7000));
	stream_close(&st, -ECANCELED);
	job_forget(&r.job);
	loop_fini(&r.l);
}

/* Where dials came from; each has a memory of its own, which nobody answers */
static struct addr dialed_from[4];
static unsigned int dials;
static struct mem mems[4];

static int dial_noted(const struct transport *t, const struct dial *d,
		      const struct addr *to, struct stream **out)
{
	(void)t;
	(void)to;
	assert_in_range(dials, 0, 3);
	dialed_from[dials] = d->from;
	mems[dials].step = MEM_BYTES;
	*out = mem_new(&mems[dials++], 0, d->job);
	return 0;
}

/* sendThrough "srcip": each client's connection leaves by his own address */
static void clients_that_leave_by_themselves_share_nothing(void **state)
{
	static const struct transport_ops noted = { .name = "noted",
						    .dial = dial_noted };
	static const char *const ips[] = { "10.0.0.1", "10.0.0.2", "10.0.0.1" };
	struct addr to = addr_name("h.test", 6, 80);
	struct outbound ob = { .send_how = SEND_SRCIP };
	struct session *s = calloc(1, sizeof(*s));
	struct stream *st[3];
	struct rig r;

	(void)state;
	assert_non_null(s);
	begin(&r, false);
	r.bottom.ops = &noted;
	for (int i = 0; i < 3; i++) {
		struct dial d = { .worker = &r.l.w,
				  .job = &r.job,
				  .cfg = &r.l.cfg,
				  .ob = &ob,
				  .s = s };

		s->source = addr_of(ips[i], 1000);
		assert_int_equal(h2_open(&r.t, &r.conf, &d, &to, &st[i]), 0);
	}
	assert_int_equal(dials, 2);
	for (int i = 0; i < 2; i++) {
		struct addr want = addr_of(ips[i], 0);

		assert_true(addr_eq(&dialed_from[i], &want));
	}
	for (int i = 0; i < 3; i++)
		stream_close(&st[i], -ECANCELED);
	job_forget(&r.job);
	loop_fini(&r.l);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refusal_goes_before_the_reset),
		cmocka_unit_test(a_whole_request_needs_no_reset),
		cmocka_unit_test(a_stream_that_is_not_ours_is_ended),
		cmocka_unit_test(an_end_is_told_when_it_is_on_its_way),
		cmocka_unit_test(an_end_that_waits_costs_no_turns),
		cmocka_unit_test(a_close_is_counted_once),
		cmocka_unit_test(a_cut_request_leaves_nothing),
		cmocka_unit_test(the_oldest_idle_one_makes_room),
		cmocka_unit_test(a_handler_that_writes_waits_for_the_turn),
		cmocka_unit_test(an_early_answer_is_read_behind_its_reset),
		cmocka_unit_test(a_whole_answer_is_up),
		cmocka_unit_test(a_cut_answer_is_an_error),
		cmocka_unit_test(a_refusals_page_is_not_read),
		cmocka_unit_test(a_carrier_through_another_is_whole),
		cmocka_unit_test(an_answer_to_a_ping_is_awaited_once),
		cmocka_unit_test(
			clients_that_leave_by_themselves_share_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
