/*
 * Each transport level, client and server, over a stream in memory: every cut of
 * every message, ends in each state, and servers that say something else
 */
#include "mem_stream.h"

#include <stdio.h>

#include "gateway/base/arena.h"
#include "gateway/core/config.h"
#include "loop.h"
#include "proxy/transport/transports.h"

/* For unit.test, valid until 2046 */
#define CERT \
	"[ " \
	"\"-----BEGIN CERTIFICATE-----\", " \
	"\"MIIBkzCCATmgAwIBAgIUDK6ZpG5laMnnuYmteRP+" \
	"n0yZJ7UwCgYIKoZIzj0EAwIw\", " \
	"\"FDESMBAGA1UEAwwJdW5pdC50ZXN0MB4XDTI2MTEyNjAzMjQ1NFoXDTQ2MTEyMTAz\"" \
	", " \
	"\"MjQ1NFowFDESMBAGA1UEAwwJdW5pdC50ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0D\"" \
	", " \
	"\"AQcDQgAEC6/" \
	"tnQWF1teRc3fzMksHSCyBVPizVA7P7wwYAGY5piBPcGvqEZ4MGKRB\", " \
	"\"RsJLzuxCaXE95tWQSTHuQihAgCNDIqNpMGcwHQYDVR0OBBYEFCb8wsOvUJQkSh7f\"" \
	", " \
	"\"6eOW1S36GkhgMB8GA1UdIwQYMBaAFCb8wsOvUJQkSh7f6eOW1S36GkhgMA8GA1Ud\"" \
	", " \
	"\"EwEB/" \
	"wQFMAMBAf8wFAYDVR0RBA0wC4IJdW5pdC50ZXN0MAoGCCqGSM49BAMCA0gA\", " \
	"\"MEUCIQDlHZ2CffTOxLCqyB5XJQJfNqh70QFeIY3dfW6F+" \
	"2OPpwIgfryRUR1nO0xy\", " \
	"\"lWN/2uApgErOTowdzUMBmhgIJuqiaYM=\", " \
	"\"-----END CERTIFICATE-----\" " \
	"]"
#define KEY \
	"[ " \
	"\"-----BEGIN PRIVATE KEY-----\", " \
	"\"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYpZtJ/" \
	"htIH1yiaPL\", " \
	"\"LV0IvCy6iVmwCYnQB3WxxDmpvGuhRANCAAQLr+2dBYXW15Fzd/" \
	"MySwdILIFU+LNU\", " \
	"\"Ds/vDBgAZjmmIE9wa+oRngwYpEFGwkvO7EJpcT3m1ZBJMe5CKECAI0Mi\", " \
	"\"-----END PRIVATE KEY-----\" " \
	"]"
#define PIN "9025ecba5c52423ab4aaee1d6f63fda2ffcdb69f8439501d668277930ff43ae9"

struct level {
	const char *name;
	const struct transport_ops *ops;
	const char *client, *server;
};

static const struct level levels[] = {
	{ "tls", &transport_tls_ops,
	  "{ \"serverName\": \"unit.test\", \"pinnedPeerCertSha256\": \"" PIN
	  "\" }",
	  "{ \"certificates\": [ { \"certificate\": " CERT ", \"key\": " KEY
	  " } ] }" },
	{ "tls 1.2", &transport_tls_ops,
	  "{ \"maxVersion\": \"1.2\", \"pinnedPeerCertSha256\": \"" PIN "\" }",
	  "{ \"certificates\": [ { \"certificate\": " CERT ", \"key\": " KEY
	  " } ] }" },
	{ "ws", &transport_ws_ops, "{ \"path\": \"/p?x=1\" }",
	  "{ \"path\": \"/p\" }" },
	{ "ws early", &transport_ws_ops,
	  "{ \"path\": \"/p?ed=2048\", \"host\": \"h.test\" }",
	  "{ \"path\": \"/p\", \"host\": \"h.test\" }" },
	{ "httpupgrade", &transport_httpupgrade_ops, "{ \"path\": \"/u\" }",
	  "{ \"path\": \"/u\" }" },
	{ "httpupgrade early", &transport_httpupgrade_ops,
	  "{ \"path\": \"/u?ed=9\" }", "{ \"path\": \"/u\" }" },
	{ "raw http", &transport_raw_ops,
	  "{ \"header\": { \"type\": \"http\" } }",
	  "{ \"header\": { \"type\": \"http\" } }" },
	{ "grpc", &transport_grpc_ops, "{ \"serviceName\": \"s\" }",
	  "{ \"serviceName\": \"s\" }" },
};

/**
 * struct rig - Both ends of one level
 * @mid:	The level it stands on, over @bottom; without ops: none
 * @hasty:	The server closes as soon as both directions are done
 * @st:		[0] the client's, [1] the server's; NULL until it is there
 * @job:	Of them; they do nothing: the test asks again each turn
 */
struct rig {
	struct loop l;
	struct diag d;
	struct mem m;
	struct transport bottom[2], mid[2], t[2];
	struct stream *st[2];
	struct job job[2];
	size_t put[2], got[2], total;
	bool finished[2], ended[2], hasty;
	int err[2];
};

static void idle_job(struct job *j)
{
	(void)j;
}

static void parse_one(struct rig *r, struct transport *t, const char *json)
{
	struct jdoc *doc = jdoc_parse(&r->d, "test", json, strlen(json));
	struct jobj o;

	assert_non_null(doc);
	assert_true(j_open(&o, &r->d, doc->root));
	assert_int_equal(t->ops->parse(t, &o, &r->l.cfg), 0);
	if (r->d.errors)
		diag_print(&r->d, stderr, false);
	assert_int_equal(r->d.errors, 0);
}

static void parse(struct rig *r, int side, const struct level *v,
		  const struct level *on)
{
	const struct transport *below = &r->bottom[side];
	bool server = side == 1;

	r->bottom[side] =
		(struct transport){ .ops = &mem_transport, .settings = &r->m };
	if (on) {
		r->mid[side] = (struct transport){ .ops = on->ops,
						   .below = below,
						   .server = server };
		parse_one(r, &r->mid[side], server ? on->server : on->client);
		below = &r->mid[side];
	}
	r->t[side] = (struct transport){ .ops = v->ops,
					 .below = below,
					 .server = server };
	parse_one(r, &r->t[side], server ? v->server : v->client);
}

static struct rig *born_rig;

static int on_born(const struct birth *b, struct worker *w, struct stream *s)
{
	(void)b;
	(void)w;
	assert_null(born_rig->st[1]);
	born_rig->st[1] = s;
	stream_set_job(s, &born_rig->job[1]);
	return 0;
}

static void serve(struct rig *r)
{
	const struct transport_ops *ops = r->t[1].ops;
	struct stream *below = mem_new(&r->m, 1, &r->job[1]);
	struct birth b = { .cfg = &r->l.cfg, .born = on_born };

	born_rig = r;
	if (r->mid[1].ops)
		assert_int_equal(r->mid[1].ops->accept(&r->mid[1], &r->l.w,
						       below, &below),
				 0);
	if (ops->serve)
		assert_int_equal(ops->serve(&r->t[1], &r->l.w, below, &b), 0);
	else
		assert_int_equal(
			ops->accept(&r->t[1], &r->l.w, below, &r->st[1]), 0);
}

/* Dials of raw go to the kernel: only its layer is of interest here */
static int dial(struct rig *r)
{
	struct addr to = addr_name("unit.test", 9, 443);
	struct dial d = { .worker = &r->l.w,
			  .job = &r->job[0],
			  .cfg = &r->l.cfg };

	if (r->t[0].ops == &transport_raw_ops) {
		r->st[0] = mem_new(&r->m, 0, &r->job[0]);
		return transport_raw_ops.accept(&r->t[0], &r->l.w, r->st[0],
						&r->st[0]);
	}
	return r->t[0].ops->dial(&r->t[0], &d, &to, &r->st[0]);
}

/* @on: what it stands on; NULL: on the stream in memory */
static void begin_on(struct rig *r, const struct level *v,
		     const struct level *on)
{
	memset(r, 0, sizeof(*r));
	loop_init(&r->l);
	diag_init(&r->d);
	r->m.step = MEM_BYTES;
	for (int i = 0; i < 2; i++)
		r->job[i] = (struct job){ .run = idle_job, .worker = &r->l.w };
	parse(r, 0, v, on);
	parse(r, 1, v, on);
}

static void begin(struct rig *r, const struct level *v)
{
	begin_on(r, v, NULL);
}

static void end(struct rig *r)
{
	for (int i = 0; i < 2; i++) {
		stream_close(&r->st[i], 0);
		job_forget(&r->job[i]);
	}
	worker_tick(&r->l.w, 0);
	worker_tick(&r->l.w, 0);
	for (int i = 0; i < 2; i++) {
		if (r->t[i].ops->drop)
			r->t[i].ops->drop(&r->t[i]);
		if (r->mid[i].ops && r->mid[i].ops->drop)
			r->mid[i].ops->drop(&r->mid[i]);
	}
	diag_free(&r->d);
	loop_fini(&r->l);
}

static uint8_t byte_at(int side, size_t at)
{
	return (uint8_t)(at * 7 + at / 251 + (size_t)side * 3);
}

/* Put, and the end behind all of it */
static void turn_out(struct rig *r, int side, size_t piece)
{
	uint8_t p[4096];
	struct stream *s = r->st[side];
	size_t n = r->total - r->put[side];
	ssize_t rc;

	if (n > piece)
		n = piece;
	for (size_t i = 0; i < n; i++)
		p[i] = byte_at(side, r->put[side] + i);
	rc = n ? stream_write(s, p, n) : -EAGAIN;
	if (rc > 0)
		r->put[side] += (size_t)rc;
	if (r->put[side] == r->total && !r->finished[side]) {
		rc = s->ops->finish(s);
		r->finished[side] = rc == 0;
	}
	if (rc < 0 && rc != -EAGAIN)
		r->err[side] = (int)rc;
}

/* One end's turn: put, take, end */
static void turn(struct rig *r, int side, size_t piece)
{
	uint8_t p[4096];
	struct stream *s;
	ssize_t rc;

	if (!r->st[side] || r->err[side])
		return;
	stream_shed(&r->st[side]);
	s = r->st[side];
	turn_out(r, side, piece);
	rc = r->ended[side] ? -EAGAIN : stream_read(s, p, piece);
	for (ssize_t i = 0; i < rc; i++)
		assert_int_equal(p[i], byte_at(!side, r->got[side]++));
	r->ended[side] |= rc == 0;
	if (rc < 0 && rc != -EAGAIN)
		r->err[side] = (int)rc;
	if (!r->err[side])
		s->ops->want(s, ST_READ | ST_WRITE);
	if (side == 1 && r->hasty && r->finished[1] && r->ended[1])
		stream_close(&r->st[1], r->err[1]);
}

static bool over(const struct rig *r)
{
	return (r->finished[0] && r->finished[1] && r->ended[0] &&
		r->ended[1]) ||
	       r->err[0] || r->err[1];
}

static void run(struct rig *r, size_t total, size_t piece, int turns)
{
	r->total = total;
	assert_int_equal(dial(r), 0);
	serve(r);
	for (int i = 0; i < turns && !over(r); i++) {
		turn(r, 0, piece);
		turn(r, 1, piece);
		worker_tick(&r->l.w, 0);
	}
}

static void whole(const struct level *v, size_t step, bool flaky, size_t total,
		  size_t piece)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	begin(r, v);
	r->m.step = step;
	r->m.flaky = flaky;
	run(r, total, piece, 200000);
	if (r->err[0] || r->err[1] || !over(r))
		fail_msg("%s step %zu: %d %d, put %zu %zu got %zu %zu", v->name,
			 step, r->err[0], r->err[1], r->put[0], r->put[1],
			 r->got[0], r->got[1]);
	assert_int_equal(r->got[0], total);
	assert_int_equal(r->got[1], total);
	end(r);
	free(r);
}

static void all_arrives_in_big_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		whole(&levels[i], MEM_BYTES, false, 300000, 4096);
}

static void all_arrives_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		whole(&levels[i], 1, false, 300, 100);
		whole(&levels[i], 1, true, 300, 1);
		whole(&levels[i], 7, true, 3000, 999);
	}
}

/*
 * As a session does: the server closes in the turn in which both directions are
 * done, be the connection as full as it likes. The client gets all of it and the
 * end
 */
static void ends_at_once(const struct level *v, const struct level *on,
			 size_t room)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	begin_on(r, v, on);
	r->m.room = room;
	r->hasty = true;
	run(r, 3000, 700, 20000);
	if (r->err[0] || r->err[1] || !r->ended[0] || r->got[0] != r->total ||
	    r->got[1] != r->total)
		fail_msg("%s%s room %zu: %d %d, end %d, got %zu %zu", v->name,
			 on ? " on tls" : "", room, r->err[0], r->err[1],
			 r->ended[0], r->got[0], r->got[1]);
	end(r);
	free(r);
}

static void an_end_comes_whole_through_a_full_connection(void **state)
{
	(void)state;
	for (size_t room = 20; room < 1500; room += room < 60 ? 5 : 137) {
		for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
			ends_at_once(&levels[i], NULL, room);
			if (i >= 2 && levels[i].ops != &transport_raw_ops)
				ends_at_once(&levels[i], &levels[0], room);
		}
	}
}

/* Until nothing more happens by itself; what the client reads goes to @got */
static size_t settle(struct rig *r, uint8_t *got, size_t size)
{
	size_t have = 0;

	for (int i = 0; i < 20; i++) {
		ssize_t n = stream_read(r->st[0], got + have, size - have);

		have += n > 0 ? (size_t)n : 0;
		worker_tick(&r->l.w, 0);
	}
	return have;
}

/* A stream of a carrier has written; TLS keeps that until the socket takes it */
static void what_waits_below_a_carrier_goes_when_it_can(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	uint8_t got[4096];

	(void)state;
	assert_non_null(r);
	begin_on(r, &levels[7], &levels[0]);
	r->total = 100000;
	assert_int_equal(dial(r), 0);
	serve(r);
	for (int i = 0; i < 1000 && (r->got[0] < 100 || r->got[1] < 100); i++) {
		turn(r, 0, 100);
		turn(r, 1, 100);
		worker_tick(&r->l.w, 0);
	}
	assert_true(r->got[0] >= 100 && r->got[1] >= 100);
	settle(r, got, sizeof(got));
	r->m.room = 1;
	assert_int_equal(stream_write(r->st[1], "at last", 7), 7);
	assert_int_equal(settle(r, got, sizeof(got)), 0);
	r->m.room = 0;
	mem_tell(r->m.end[1]);
	assert_int_equal(settle(r, got, sizeof(got)), 7);
	assert_memory_equal(got, "at last", 7);
	end(r);
	free(r);
}

/* An owner whose end was told within closes at once; close_notify has no room */
static void a_close_without_room_costs_no_payload(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	uint8_t got[4096], said[100];

	(void)state;
	assert_non_null(r);
	begin(r, &levels[0]);
	r->total = 100000;
	assert_int_equal(dial(r), 0);
	serve(r);
	for (int i = 0; i < 100 && (r->got[0] < 100 || r->got[1] < 100); i++) {
		turn(r, 0, 100);
		turn(r, 1, 100);
		worker_tick(&r->l.w, 0);
	}
	settle(r, got, sizeof(got));
	assert_int_equal(r->m.way[0].len, 0);
	memset(said, 'x', sizeof(said));
	r->m.room = sizeof(said) + 22; /* the record, and no byte more */
	assert_int_equal(stream_write(r->st[1], said, sizeof(said)), 100);
	assert_int_equal(r->m.way[0].len, r->m.room);
	stream_close(&r->st[1], 0);
	assert_int_equal(settle(r, got, sizeof(got)), 100);
	assert_memory_equal(got, said, sizeof(said));
	end(r);
	free(r);
}

/* A server that has said Close may be gone before its end is asked for */
static void a_break_behind_a_close_spoils_nothing(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	uint8_t p[4096];

	(void)state;
	assert_non_null(r);
	begin(r, &levels[2]);
	r->total = 1000;
	assert_int_equal(dial(r), 0);
	serve(r);
	assert_int_equal(stream_read(r->st[0], p, sizeof(p)), -EAGAIN);
	for (int k = 0; k < 9 && !r->finished[1]; k++)
		turn(r, 1, 1000);
	assert_true(r->finished[1]);
	assert_int_equal(stream_read(r->st[0], p, sizeof(p)), 1000);
	r->m.way[0].cut = r->m.way[1].cut = true;
	assert_int_equal(stream_read(r->st[0], p, sizeof(p)), 0);
	assert_int_equal(stream_read(r->st[0], p, sizeof(p)), -ECONNRESET);
	end(r);
	free(r);
}

/* Exchange a little; nothing is on its way afterwards */
static void get_up(struct rig *r)
{
	uint8_t got[4096];

	r->total = 100000;
	assert_int_equal(dial(r), 0);
	serve(r);
	for (int i = 0; i < 1000 && (r->got[0] < 100 || r->got[1] < 100); i++) {
		turn(r, 0, 100);
		turn(r, 1, 100);
		worker_tick(&r->l.w, 0);
	}
	assert_true(r->got[0] >= 100 && r->got[1] >= 100);
	settle(r, got, sizeof(got));
}

/* As many bytes of @n as one call takes, then the next ones; nobody reads */
static void server_says(struct rig *r, const uint8_t *p, size_t n)
{
	for (int i = 0; i < 100 && n; i++) {
		ssize_t k = stream_write(r->st[1], p, n);

		assert_true(k > 0 || k == -EAGAIN);
		p += k > 0 ? k : 0;
		n -= k > 0 ? (size_t)k : 0;
		job_forget(&r->job[0]);
		(void)r->st[1]->ops->writev(r->st[1], NULL, 0);
	}
	assert_int_equal(n, 0);
}

/*
 * The server has said @n bytes, then the client's write fails: all of them are
 * read, and the reason after them. @first: the client has read some of it before
 */
static void delivers(const struct level *v, const struct level *on, size_t n,
		     bool first)
{
	static uint8_t said[30000], got[30001];
	struct rig *r = calloc(1, sizeof(*r));
	size_t have = 0;
	ssize_t k = -EAGAIN;

	assert_non_null(r);
	begin_on(r, v, on);
	get_up(r);
	for (size_t i = 0; i < n; i++)
		said[i] = byte_at(1, i);
	server_says(r, said, n);
	for (int i = 0; first && i < 10 && !have; i++) {
		k = stream_read(r->st[0], got, 10);
		have += k > 0 ? (size_t)k : 0;
		worker_tick(&r->l.w, 0);
	}
	r->m.deaf = r->m.end[0];
	(void)stream_write(r->st[0], "x", 1);
	r->st[0]->ops->want(r->st[0], ST_READ | ST_WRITE);
	for (int i = 0; i < 1000 && (k > 0 || k == -EAGAIN); i++) {
		k = stream_read(r->st[0], got + have, sizeof(got) - have);
		have += k > 0 ? (size_t)k : 0;
		worker_tick(&r->l.w, 0);
	}
	if (have != n || k != -EPIPE)
		fail_msg("%s%s: %zu of %zu bytes, then %zd", v->name,
			 on ? " on tls" : "", have, n, k);
	assert_memory_equal(got, said, n);
	assert_false(r->st[0]->ops->up(r->st[0]));
	assert_int_equal(stream_write(r->st[0], "x", 1), -EPIPE);
	end(r);
	free(r);
}

static void what_came_is_read_before_a_failed_write(void **state)
{
	static const struct level xhttp = {
		"xhttp", &transport_xhttp_ops,
		"{ \"path\": \"/x\", \"mode\": \"stream-one\" }",
		"{ \"path\": \"/x\" }"
	};
	static const size_t sizes[] = { 1, 100, 30000 };

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
		bool first = k == 2;

		delivers(&xhttp, NULL, sizes[k], first);
		for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
			/* a head that is done leaves nothing to test */
			if (levels[i].ops == &transport_raw_ops ||
			    levels[i].ops == &transport_httpupgrade_ops)
				continue;
			delivers(&levels[i], NULL, sizes[k], first);
			if (i >= 2) {
				delivers(&levels[i], &levels[0], sizes[k],
					 first);
				delivers(&levels[i], &levels[1], sizes[k],
					 first);
			}
		}
	}
}

/* The connection breaks after @n bytes of either side: an error, no hang */
static void breaks(const struct level *v, size_t n, bool clean)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	begin(r, v);
	r->m.step = 64;
	r->total = 5000;
	assert_int_equal(dial(r), 0);
	serve(r);
	for (int i = 0; i < 400 && !over(r); i++) {
		turn(r, 0, 64);
		turn(r, 1, 64);
		worker_tick(&r->l.w, 0);
		if ((size_t)i == n)
			for (int k = 0; k < 2; k++) {
				r->m.way[k].fin = clean;
				r->m.way[k].cut = !clean;
				mem_tell(r->m.end[k]);
			}
	}
	assert_true(over(r));
	assert_true(r->got[0] < 5000 && r->got[1] < 5000);
	end(r);
	free(r);
}

static void a_break_at_any_time_is_an_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		for (size_t n = 0; n < 40; n++)
			breaks(&levels[i], n, false);
}

/* A server that says @text: the client must not think it is up for good */
static void rogue(const struct level *v, const char *text, size_t n)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct mem_way *w;

	assert_non_null(r);
	begin(r, v);
	r->total = 100;
	assert_int_equal(dial(r), 0);
	w = &r->m.way[0];
	for (int i = 0; i < 50 && !over(r); i++) {
		turn(r, 0, 100);
		worker_tick(&r->l.w, 0);
		if (i == 3) {
			memcpy(w->data, text, n);
			w->len = n;
			w->fin = true;
			mem_tell(r->m.end[0]);
		}
	}
	/* Who has said all may be answered by an end in silence */
	if (!(r->err[0] < 0 || (!n && r->ended[0])))
		fail_msg("%s takes \"%s\": %d", v->name, text, r->err[0]);
	assert_int_equal(r->got[0], 0);
	end(r);
	free(r);
}

static void rogue_servers_are_refused(void **state)
{
	static const char *const texts[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 404 Not Found\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
		"\x15\x03\x01\x00\x02\x02\x28",
		"",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (levels[i].ops == &transport_raw_ops)
			continue; /* any head is one */
		for (size_t k = 0; k < ARRAY_SIZE(texts); k++)
			rogue(&levels[i], texts[k], strlen(texts[k]));
	}
}

/* A client that says @text and goes: nothing is taken, nothing is left */
static void stranger(const struct level *v, const char *text, size_t n)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	begin(r, v);
	r->total = 100;
	memcpy(r->m.way[1].data, text, n);
	r->m.way[1].len = n;
	r->m.way[1].fin = true;
	serve(r);
	for (int i = 0; i < 20 && !r->err[1]; i++) {
		turn(r, 1, 100);
		worker_tick(&r->l.w, 0);
	}
	assert_int_equal(r->got[1], 0);
	assert_true(r->err[1] < 0 || r->ended[1] || !r->st[1]);
	end(r);
	free(r);
}

#define TEXT(s) s, sizeof(s) - 1
/* Settings, and headers of stream 1 that go on in a frame that never comes */
#define H2_CUT \
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0" \
	"\0\0\1\1\0\0\0\0\1\x83"

static void strangers_leave_nothing_behind(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} said[] = {
		{ TEXT("") },
		{ TEXT("GET / HTTP/1.1\r\nHost: h.test\r\n") },
		{ TEXT("GET /none HTTP/1.1\r\nHost: h.test\r\n\r\n") },
		{ TEXT("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n\r\n") },
		{ TEXT(H2_CUT) },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		for (size_t k = 0; k < ARRAY_SIZE(said); k++)
			stranger(&levels[i], said[k].p, said[k].n);
}

/* Closing at each state frees everything (the sanitizers look) */
static void closing_at_any_time_is_clean(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		for (int n = 0; n < 30; n++) {
			struct rig *r = calloc(1, sizeof(*r));

			assert_non_null(r);
			begin(r, &levels[i]);
			r->m.step = 100;
			run(r, 1000, 100, n);
			stream_close(&r->st[n & 1], n & 2 ? -ECONNRESET : 0);
			end(r);
			free(r);
		}
}

/* The levels dial below; what below says is what they say */
static void a_failed_dial_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		struct rig *r = calloc(1, sizeof(*r));

		assert_non_null(r);
		begin(r, &levels[i]);
		r->m.dials = -ENETUNREACH;
		r->total = 10;
		if (levels[i].ops != &transport_raw_ops && dial(r) == 0)
			for (int k = 0; k < 5 && !r->err[0]; k++)
				turn(r, 0, 10);
		else
			r->err[0] = -ENETUNREACH;
		assert_int_equal(r->err[0], -ENETUNREACH);
		end(r);
		free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_arrives_in_big_pieces),
		cmocka_unit_test(all_arrives_byte_by_byte),
		cmocka_unit_test(an_end_comes_whole_through_a_full_connection),
		cmocka_unit_test(a_close_without_room_costs_no_payload),
		cmocka_unit_test(a_break_behind_a_close_spoils_nothing),
		cmocka_unit_test(what_waits_below_a_carrier_goes_when_it_can),
		cmocka_unit_test(what_came_is_read_before_a_failed_write),
		cmocka_unit_test(a_break_at_any_time_is_an_error),
		cmocka_unit_test(rogue_servers_are_refused),
		cmocka_unit_test(strangers_leave_nothing_behind),
		cmocka_unit_test(closing_at_any_time_is_clean),
		cmocka_unit_test(a_failed_dial_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
