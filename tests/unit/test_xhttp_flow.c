/*
 * test_xhttp_flow.c - A server's flows of several requests, by HTTP/1 connections
 * in memory: pieces that are refused, who is woken when
 */
#include "mem_stream.h"

#include <stdio.h>

#include "gateway/base/arena.h"
#include "gateway/core/config.h"
#include "loop.h"
#include "proxy/transport/transports.h"

#define CONNS 4
#define PAD \
	"Host: h\r\nReferer: /?x_padding=" \
	"XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX" \
	"XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX" \
	"\r\n"

/**
 * struct rig - An inbound's level and connections to it
 * @st:		The session's stream, once its GET came; @runs: of its job
 */
struct rig {
	struct loop l;
	struct diag d;
	struct transport t;
	struct mem m[CONNS];
	struct stream *st;
	struct job job;
	unsigned int runs;
};

static struct rig *the_rig;

static void on_run(struct job *j)
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

static void begin(struct rig *r, const char *settings)
{
	struct jdoc *doc;
	struct jobj o;

	memset(r, 0, sizeof(*r));
	the_rig = r;
	loop_init(&r->l);
	diag_init(&r->d);
	r->job = (struct job){ .run = on_run, .worker = &r->l.w };
	r->t = (struct transport){ .ops = &transport_xhttp_ops,
				   .server = true };
	doc = jdoc_parse(&r->d, "test", settings, strlen(settings));
	assert_non_null(doc);
	assert_true(j_open(&o, &r->d, doc->root));
	assert_int_equal(r->t.ops->parse(&r->t, &o, &r->l.cfg), 0);
	assert_int_equal(r->d.errors, 0);
}

static void end(struct rig *r)
{
	stream_close(&r->st, 0);
	for (int i = 0; i < 3; i++)
		worker_tick(&r->l.w, 0);
	job_forget(&r->job);
	diag_free(&r->d);
	loop_fini(&r->l);
}

static void say(struct rig *r, unsigned int i, const char *text)
{
	struct mem_way *w = &r->m[i].way[1];

	for (; *text; text++)
		w->data[(w->head + w->len++) % MEM_BYTES] = (uint8_t)*text;
	mem_tell(r->m[i].end[1]);
}

static void turns(struct rig *r)
{
	for (int i = 0; i < 4; i++)
		worker_tick(&r->l.w, 0);
}

/* A new connection that says @text */
static void come(struct rig *r, unsigned int i, const char *text)
{
	struct birth b = { .cfg = &r->l.cfg, .born = on_born };

	memset(&r->m[i], 0, sizeof(r->m[i]));
	r->m[i].step = MEM_BYTES;
	assert_int_equal(
		r->t.ops->serve(&r->t, &r->l.w, mem_new(&r->m[i], 1, NULL), &b),
		0);
	say(r, i, text);
	turns(r);
}

/* The status of the answer that is there */
static unsigned int status(struct rig *r, unsigned int i)
{
	struct mem_way *w = &r->m[i].way[0];
	unsigned int code = 0;

	assert_in_range(w->len, 12, MEM_BYTES);
	assert_int_equal(w->head, 0);
	w->data[w->len] = '\0';
	assert_memory_equal(w->data, "HTTP/1.1 ", 9);
	for (unsigned int k = 9; k < 12; k++)
		code = code * 10 + w->data[k] - '0';
	return code;
}

/* Data in a cookie and in the body too: refused, and nothing of it stays (sanitizers look) */
static void a_refused_piece_leaves_nothing(void **state)
{
	static char text[4000];
	struct rig *r = calloc(1, sizeof(*r));
	char data[1001];

	(void)state;
	assert_non_null(r);
	begin(r, "{ \"path\": \"/x\", \"mode\": \"packet-up\", "
		 "\"uplinkDataPlacement\": \"cookie\", "
		 "\"uplinkDataKey\": \"d\" }");
	memset(data, 'Y', sizeof(data) - 1);
	data[sizeof(data) - 1] = '\0';
	snprintf(text, sizeof(text),
		 "POST /x/name/0 HTTP/1.1\r\n" PAD "Cookie: d_0=%s\r\n"
		 "Content-Length: 3\r\n\r\nabc",
		 data);
	come(r, 0, text);
	assert_int_equal(status(r, 0), 400);
	assert_null(r->st);
	end(r);
	free(r);
}

/*
 * The end of the way up comes when the session has read all there was, and says
 * what it waits for: it is run again
 */
static void an_end_between_reading_and_waiting_is_told(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	uint8_t got[16];

	(void)state;
	assert_non_null(r);
	begin(r, "{ \"path\": \"/x\" }");
	come(r, 0, "GET /x/name HTTP/1.1\r\n" PAD "\r\n");
	assert_non_null(r->st);
	come(r, 1,
	     "POST /x/name/0 HTTP/1.1\r\n" PAD
	     "Transfer-Encoding: chunked\r\n\r\n");
	assert_int_equal(stream_read(r->st, got, sizeof(got)), -EAGAIN);
	job_forget(&r->job);
	r->runs = 0;
	say(r, 1, "0\r\n\r\n");
	job_forget(&r->job); /* nobody has said what he waits for yet */
	r->st->ops->want(r->st, ST_READ);
	turns(r);
	assert_in_range(r->runs, 1, 4);
	assert_int_equal(stream_read(r->st, got, sizeof(got)), 0);
	/* afterwards only a break is of interest */
	r->runs = 0;
	r->st->ops->want(r->st, ST_READ);
	turns(r);
	assert_int_equal(r->runs, 0);
	assert_int_equal(status(r, 1), 200);
	end(r);
	free(r);
}

/* A connection breaks within a POST: the same number may come again, as in Xray */
static void a_cut_piece_may_come_again(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	uint8_t got[32];

	(void)state;
	assert_non_null(r);
	begin(r, "{ \"path\": \"/x\", \"scMaxBufferedPosts\": 2, "
		 "\"scMaxEachPostBytes\": 12 }");
	come(r, 0, "GET /x/name HTTP/1.1\r\n" PAD "\r\n");
	assert_non_null(r->st);
	come(r, 1,
	     "POST /x/name/0 HTTP/1.1\r\n" PAD
	     "Content-Length: 10\r\n\r\nabcdef");
	/* some of it was taken, some waits */
	assert_int_equal(stream_read(r->st, got, 2), 2);
	r->m[1].way[0].cut = r->m[1].way[1].cut = true;
	mem_tell(r->m[1].end[1]);
	r->st->ops->want(r->st, ST_READ);
	turns(r);
	assert_int_equal(stream_read(r->st, got, sizeof(got)), 4);
	assert_memory_equal(got, "cdef", 4);
	assert_int_equal(stream_read(r->st, got, sizeof(got)), -EAGAIN);
	/* the next one waits; there is place for the missing one all the same */
	come(r, 2,
	     "POST /x/name/1 HTTP/1.1\r\n" PAD "Content-Length: 3\r\n\r\nxyz");
	assert_int_equal(stream_read(r->st, got, sizeof(got)), -EAGAIN);
	come(r, 3,
	     "POST /x/name/0 HTTP/1.1\r\n" PAD
	     "Content-Length: 10\r\n\r\nabcdefghij");
	assert_int_equal(stream_read(r->st, got, sizeof(got)), 7);
	assert_memory_equal(got, "ghijxyz", 7);
	turns(r);
	assert_int_equal(status(r, 2), 200);
	assert_int_equal(status(r, 3), 200);
	end(r);
	free(r);
}

/* The second time it is shorter: that is no repetition */
static void a_cut_piece_that_shrinks_ends_the_flow(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	uint8_t got[32];

	(void)state;
	assert_non_null(r);
	begin(r, "{ \"path\": \"/x\" }");
	come(r, 0, "GET /x/name HTTP/1.1\r\n" PAD "\r\n");
	come(r, 1,
	     "POST /x/name/0 HTTP/1.1\r\n" PAD
	     "Content-Length: 10\r\n\r\nabcdef");
	assert_int_equal(stream_read(r->st, got, sizeof(got)), 6);
	r->m[1].way[0].cut = r->m[1].way[1].cut = true;
	assert_int_equal(stream_read(r->st, got, sizeof(got)), -EAGAIN);
	come(r, 2,
	     "POST /x/name/0 HTTP/1.1\r\n" PAD "Content-Length: 3\r\n\r\nabc");
	assert_int_equal(stream_read(r->st, got, sizeof(got)), -EPROTO);
	end(r);
	free(r);
}

/* Nobody says it again: the flow ends in time */
static void a_cut_piece_is_not_awaited_for_ever(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	uint8_t got[32];

	(void)state;
	assert_non_null(r);
	begin(r, "{ \"path\": \"/x\" }");
	come(r, 0, "GET /x/name HTTP/1.1\r\n" PAD "\r\n");
	come(r, 1,
	     "POST /x/name/0 HTTP/1.1\r\n" PAD
	     "Content-Length: 10\r\n\r\nabcdef");
	assert_int_equal(stream_read(r->st, got, sizeof(got)), 6);
	r->m[1].way[0].cut = r->m[1].way[1].cut = true;
	assert_int_equal(stream_read(r->st, got, sizeof(got)), -EAGAIN);
	r->st->ops->want(r->st, ST_READ);
	wheel_run(&r->l.w.wheel, r->l.w.now_ms + 29000);
	assert_int_equal(stream_read(r->st, got, sizeof(got)), -EAGAIN);
	r->l.w.now_ms += 31000;
	wheel_run(&r->l.w.wheel, r->l.w.now_ms);
	assert_int_equal(stream_read(r->st, got, sizeof(got)), -ETIMEDOUT);
	end(r);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_piece_leaves_nothing),
		cmocka_unit_test(an_end_between_reading_and_waiting_is_told),
		cmocka_unit_test(a_cut_piece_may_come_again),
		cmocka_unit_test(a_cut_piece_that_shrinks_ends_the_flow),
		cmocka_unit_test(a_cut_piece_is_not_awaited_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
