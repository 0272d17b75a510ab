/* test_layer_venc.c - VLESS encryption as a layer: both ends of ours, and rogues */
#include "layer_rig.h"

#include "inner_tls.h"
#include "proxy/layer/room.h"
#include "proxy/layer/venc.h"
#include "proxy/layer/vision.h"
#include "venc_pair.h"

#define BULK (200u << 10)

static struct venc_pair pair;
static struct venc_known_key known = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* No pauses: time does not go by here */
#define NO_GAPS ".100-40-900.0-0-0.50-0-400"

static void pair_new(const char *mode, const char *tickets, const char *rtt)
{
	memset(&known.ticket, 0, sizeof(known.ticket));
	known.until_ms = 0;
	assert_null(pair_make(&pair, mode, tickets, rtt, NO_GAPS, "x"));
}

/* A client in @r->st, its server over the far end */
static struct stream *ends(struct rig *r)
{
	struct stream *below, *server;

	rig_begin(r);
	r->st = venc_client(&pair.client, &known, &r->l.w, r->below, 1);
	assert_non_null(r->st);
	below = fd_stream_new(&r->l.w, r->far, &r->l.job, false);
	assert_non_null(below);
	r->far = -1;
	server = venc_server(&pair.server, &r->l.w, below, 2);
	assert_non_null(server);
	return server;
}

/* @from says BULK bytes and the end, @to reads them in odd pieces */
static void bulk(struct rig *r, struct stream *from, struct stream *to)
{
	static uint8_t out[BULK], in[BULK + 1];
	size_t sent = 0, got = 0;
	ssize_t n = -EAGAIN;

	rand_bytes(out, sizeof(out));
	for (int i = 0; n != 0 && i < 100000; i++) {
		if (sent < BULK) {
			n = stream_write(from, out + sent, BULK - sent);
			sent += n > 0 ? (size_t)n : 0;
		} else {
			n = from->ops->finish(from);
		}
		assert_true(n >= 0 || n == -EAGAIN);
		worker_tick(&r->l.w, 0);
		while ((n = stream_read(to, in + got, 1 + got % 5000)) > 0)
			got += (size_t)n;
		assert_true(n == 0 || n == -EAGAIN);
	}
	assert_int_equal(n, 0);
	assert_int_equal(got, BULK);
	assert_memory_equal(in, out, BULK);
	assert_int_equal(layer_room(&r->l.w)->in.live_count, 0);
}

static void both_ways_in_each_mode(void **state)
{
	static const char *const modes[] = { "native", "xorpub", "random" };

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		pair_new(modes[i / 2], "600s", i & 1 ? "0rtt" : "1rtt");
		for (int again = 0; again < 3; again++) {
			struct rig r;
			struct stream *server = ends(&r);
			bool resumed = (i & 1) && again;

			/* with a ticket nothing is waited for */
			assert_int_equal(stream_write(r.st, "a", 1),
					 resumed ? 1 : -EAGAIN);
			assert_int_equal(r.st->ops->up(r.st), resumed);
			if (resumed) {
				uint8_t a;

				worker_tick(&r.l.w, 0);
				assert_int_equal(stream_read(server, &a, 1), 1);
			}
			bulk(&r, r.st, server);
			bulk(&r, server, r.st);
			stream_close(&server, 0);
			rig_end(&r);
		}
		assert_int_equal(known.until_ms > 0, i & 1);
	}
}

/* A client's first bytes, whatever they are. Bytes of the handshake and a record */
static size_t record(uint8_t *p, size_t room)
{
	struct rig r;
	ssize_t n;

	rig_begin(&r);
	r.st = venc_client(&pair.client, &known, &r.l.w, r.below, 1);
	(void)stream_write(r.st, "hello", 5);
	worker_tick(&r.l.w, 0);
	n = far_hear(&r, p, room);
	assert_true(n > 0);
	rig_end(&r);
	return (size_t)n;
}

/* What a server that is told @p reads. Bytes or -errno */
static ssize_t server_reads(const uint8_t *p, size_t n, bool end,
			    size_t *answered)
{
	struct stream *server;
	uint8_t in[64], out[4096];
	struct rig r;
	ssize_t got, k;

	rig_begin(&r);
	server = venc_server(&pair.server, &r.l.w, r.below, 2);
	assert_non_null(server);
	if (n)
		far_say(&r, p, n);
	if (end)
		far_end(&r);
	got = stream_read(server, in, sizeof(in));
	worker_tick(&r.l.w, 0);
	*answered = 0;
	while ((k = far_hear(&r, out, sizeof(out))) > 0)
		*answered += (size_t)k;
	stream_close(&server, 0);
	rig_end(&r);
	return got;
}

static void a_hello_cut_at_any_byte_is_no_connection(void **state)
{
	static uint8_t p[8192];
	size_t n, answered;

	(void)state;
	pair_new("random", "600s", "1rtt");
	n = record(p, sizeof(p));
	for (size_t i = 0; i < n; i += i < 100 ? 1 : 37) {
		assert_int_equal(server_reads(p, i, false, &answered), -EAGAIN);
		assert_int_equal(server_reads(p, i, true, &answered),
				 -ECONNRESET);
	}
}

static void strangers_are_not_answered(void **state)
{
	static uint8_t p[8192];
	size_t n, answered;

	(void)state;
	pair_new("native", "600s", "1rtt");
	n = record(p, sizeof(p));
	p[20] ^= 1;
	assert_int_equal(server_reads(p, n, false, &answered), -EAGAIN);
	assert_int_equal(answered, 0);
	rand_bytes(p, sizeof(p));
	assert_int_equal(server_reads(p, sizeof(p), false, &answered), -EAGAIN);
	assert_int_equal(answered, 0);
	memset(p, 0, sizeof(p)); /* a share that gives no secret */
	assert_int_equal(server_reads(p, sizeof(p), false, &answered), -EAGAIN);
	assert_int_equal(answered, 0);
}

static void a_stranger_leaves_others_their_turn(void **state)
{
	static uint8_t p[100u << 10];
	struct stream *server;
	struct rig r;
	uint8_t in;

	(void)state;
	pair_new("native", "600s", "1rtt");
	rig_begin(&r);
	server = venc_server(&pair.server, &r.l.w, r.below, 2);
	assert_non_null(server);
	far_say(&r, p, sizeof(p));
	worker_tick(&r.l.w, 0);
	assert_int_equal(stream_read(server, &in, 1), -EAGAIN);
	assert_true(r.l.job.queued);
	worker_tick(&r.l.w, 0);
	assert_int_equal(stream_read(server, &in, 1), -EAGAIN);
	assert_false(r.l.job.queued); /* all is swallowed */
	stream_close(&server, 0);
	rig_end(&r);
}

/* A connection for its ticket */
static void get_ticket(void)
{
	struct rig r;
	struct stream *server = ends(&r);

	bulk(&r, r.st, server);
	stream_close(&server, 0);
	rig_end(&r);
	assert_true(known.until_ms > 0);
}

static void a_hello_that_comes_again_is_swallowed(void **state)
{
	static uint8_t p[8192];
	size_t n, answered;

	(void)state;
	pair_new("native", "600s", "0rtt");
	get_ticket();
	n = record(p, sizeof(p));
	assert_int_equal(server_reads(p, n, false, &answered), 5);
	for (int i = 0; i < 3; i++)
		assert_int_equal(server_reads(p, n, false, &answered), -EAGAIN);
	assert_int_equal(answered, 0);
	/* many others fit beside it, each once */
	for (int i = 0; i < 100; i++) {
		n = record(p, sizeof(p));
		assert_int_equal(server_reads(p, n, false, &answered), 5);
		assert_int_equal(server_reads(p, n, false, &answered), -EAGAIN);
	}
}

static void an_unknown_ticket_is_forgotten_by_its_client(void **state)
{
	const char *const modes[] = { "native", "random" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct rig r;
		struct stream *server;
		uint8_t in;

		pair_new(modes[i], "600s", "0rtt");
		get_ticket();
		known.ticket.id[9] ^= 1;
		server = ends(&r);
		assert_int_equal(stream_write(r.st, "a", 1), 1);
		worker_tick(&r.l.w, 0);
		assert_int_equal(stream_read(server, &in, 1), -EAGAIN);
		worker_tick(&r.l.w, 0);
		assert_int_equal(stream_read(r.st, &in, 1), -EPROTO);
		assert_int_equal(known.until_ms, 0);
		stream_close(&server, 0);
		rig_end(&r);
		get_ticket(); /* the next one makes a whole handshake */
	}
}

static void a_server_without_tickets_gives_none(void **state)
{
	struct rig r;
	struct stream *server;

	(void)state;
	pair_new("xorpub", "0s", "0rtt");
	server = ends(&r);
	bulk(&r, r.st, server);
	assert_int_equal(known.until_ms, 0);
	stream_close(&server, 0);
	rig_end(&r);
}

static void tickets_are_of_one_owner_and_the_oldest_go_first(void **state)
{
	const uint8_t me[32] = { 1 }, you[32] = { 2 };
	struct venc_ticket_key first, k;
	uint8_t nfs[VENC_NFS_BYTES] = { 0 };

	(void)state;
	rand_bytes(&first, sizeof(first));
	assert_int_equal(venc_ticket_give(me, &first, 600), 0);
	k = first;
	assert_int_equal(venc_ticket_use(you, nfs, &k), VENC_USE_UNKNOWN);
	memset(k.pfs, 0, sizeof(k.pfs));
	assert_int_equal(venc_ticket_use(me, nfs, &k), VENC_USE_GOOD);
	assert_memory_equal(&k, &first, sizeof(k));
	assert_int_equal(venc_ticket_use(me, nfs, &k), VENC_USE_AGAIN);
	for (uint32_t i = 1; i < 5000; i++) {
		memcpy(nfs, &i, sizeof(i));
		assert_int_equal(venc_ticket_use(me, nfs, &k), VENC_USE_GOOD);
		assert_int_equal(venc_ticket_use(me, nfs, &k), VENC_USE_AGAIN);
	}
	for (unsigned int i = 0; i < VENC_TICKETS; i++) {
		rand_bytes(&k, sizeof(k));
		assert_int_equal(venc_ticket_give(me, &k, 600), 0);
	}
	assert_int_equal(venc_ticket_use(me, nfs, &k), VENC_USE_GOOD);
	assert_int_equal(venc_ticket_use(me, nfs, &first), VENC_USE_UNKNOWN);
}

/* A record cut in the middle is no end */
/* Nobody fills the memory by one ticket, nor takes those of others away by that */
static void uses_of_a_ticket_are_bounded(void **state)
{
	const uint8_t me[32] = { 3 };
	struct venc_ticket_key other, k;
	uint8_t nfs[VENC_NFS_BYTES] = { 0 };
	enum venc_use use = VENC_USE_GOOD;
	uint32_t i;

	(void)state;
	rand_bytes(&other, sizeof(other));
	rand_bytes(&k, sizeof(k));
	assert_int_equal(venc_ticket_give(me, &other, 600), 0);
	assert_int_equal(venc_ticket_give(me, &k, 600), 0);
	for (i = 1; i < VENC_USES_TOTAL && use == VENC_USE_GOOD; i++) {
		put_be32(nfs + 4, i);
		use = venc_ticket_use(me, nfs, &k);
	}
	assert_int_equal(use, VENC_USE_UNKNOWN);
	assert_true(i > VENC_USES_TOTAL / 8);
	assert_int_equal(venc_ticket_use(me, nfs, &other), VENC_USE_GOOD);
}

static void the_middle_of_a_record_is_no_end(void **state)
{
	static uint8_t p[8192];
	size_t n, answered;

	(void)state;
	pair_new("native", "600s", "0rtt");
	get_ticket();
	for (size_t cut = 1; cut < 26; cut++) {
		n = record(p, sizeof(p)) - cut;
		assert_int_equal(server_reads(p, n, true, &answered),
				 -ECONNRESET);
	}
	n = record(p, sizeof(p)) - 26;
	assert_int_equal(server_reads(p, n, true, &answered), 0);
}

/* All of @n bytes of @from are read by @to */
static void pass(struct rig *r, struct stream *from, struct stream *to,
		 const uint8_t *p, size_t n)
{
	static uint8_t got[BULK], none;
	size_t put = 0, have = 0;
	ssize_t k;

	for (int i = 0; i < 10000 && have < n; i++) {
		k = put < n ? stream_write(from, p + put, n - put) : 0;
		assert_true(k >= 0 || k == -EAGAIN);
		put += k > 0 ? (size_t)k : 0;
		/* the way back moves the handshake on */
		assert_int_equal(stream_read(from, &none, 1), -EAGAIN);
		worker_tick(&r->l.w, 0);
		k = stream_read(to, got + have, n - have);
		assert_true(k > 0 || k == -EAGAIN);
		have += k > 0 ? (size_t)k : 0;
	}
	assert_int_equal(have, n);
	assert_memory_equal(got, p, n);
}

/* TLS 1.3 within Vision; then data and no data, which lies outside of the records */
static void tls_within(struct rig *r, struct stream *client,
		       struct stream *server)
{
	static uint8_t p[BULK];
	size_t n;

	pass(r, client, server, p, client_hello(p));
	pass(r, server, client, p, server_hello(p, 0x1301));
	n = rec(p, 0x14, 1);
	n += rec(p + n, 0x17, 60);
	n += rec(p + n, 0x17, 9000);
	pass(r, server, client, p, n);
	pass(r, client, server, p, n);
	n = rec(p, 0x17, 16000);
	n += rec(p + n, 0x17, 1);
	pass(r, client, server, p, n);
	pass(r, server, client, p, n);
	memset(p, 0xaa, sizeof(p)); /* fives that are no heads */
	pass(r, client, server, p, sizeof(p));
	pass(r, server, client, p, sizeof(p));
}

static const uint8_t vision_id[16] = "0123456789abcde";

/* Both ends of Vision over @below and @server */
static void vision_ends(struct rig *r, struct stream **client,
			struct stream **server)
{
	*client = vision_new(&r->l.w, *client, vision_id, 1, false);
	*server = vision_new(&r->l.w, *server, vision_id, 2, true);
	assert_non_null(*client);
	assert_non_null(*server);
}

static void vision_leaves_the_records_but_masks_heads_on(void **state)
{
	static const char *const modes[] = { "native", "xorpub", "random" };

	(void)state;
	for (size_t i = 0; i < 12; i++) {
		const char *mode = modes[i / 4];
		struct rig r;
		struct stream *server;

		if (i % 4 == 0 ||
		    i % 4 == 2) /* 0-RTT: the second has a ticket */
			pair_new(mode, "600s", i & 2 ? "0rtt" : "1rtt");
		server = ends(&r);
		vision_ends(&r, &r.st, &server);
		tls_within(&r, r.st, server);
		stream_shed(&r.st);
		stream_shed(&server);
		assert_string_equal(r.st->ops->name,
				    i / 4 == 2 ? "vless encryption" : "fd");
		assert_ptr_equal(r.st->ops->name, server->ops->name);
		assert_int_equal(layer_room(&r.l.w)->in.live_count, 0);
		stream_close(&server, 0);
		rig_end(&r);
	}
}

/* What is outside of the records, in mode random, before the far end unmasks it */
static void no_head_is_seen_outside_in_mode_random(void **state)
{
	uint8_t p[200], seen[200], more[10];
	struct rig r;
	struct stream *server;
	struct stream *low;

	(void)state;
	pair_new("random", "600s", "1rtt");
	server = ends(&r);
	vision_ends(&r, &r.st, &server);
	tls_within(&r, r.st, server);
	stream_shed(&r.st);
	stream_shed(&server);
	low = server->below;
	for (size_t i = 0; i < 2; i++) {
		size_t n = rec(p, 0x17, 100);

		assert_int_equal(stream_write(r.st, p, n), n);
		worker_tick(&r.l.w, 0);
		assert_int_equal(stream_read(low, seen, sizeof(seen)), n);
		assert_true(memcmp(seen, p, 5) != 0);
	}
	assert_int_equal(stream_read(low, more, sizeof(more)), -EAGAIN);
	stream_close(&server, 0);
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways_in_each_mode),
		cmocka_unit_test(a_hello_cut_at_any_byte_is_no_connection),
		cmocka_unit_test(strangers_are_not_answered),
		cmocka_unit_test(a_stranger_leaves_others_their_turn),
		cmocka_unit_test(a_hello_that_comes_again_is_swallowed),
		cmocka_unit_test(an_unknown_ticket_is_forgotten_by_its_client),
		cmocka_unit_test(a_server_without_tickets_gives_none),
		cmocka_unit_test(
			tickets_are_of_one_owner_and_the_oldest_go_first),
		cmocka_unit_test(uses_of_a_ticket_are_bounded),
		cmocka_unit_test(the_middle_of_a_record_is_no_end),
		cmocka_unit_test(vision_leaves_the_records_but_masks_heads_on),
		cmocka_unit_test(no_head_is_seen_outside_in_mode_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
