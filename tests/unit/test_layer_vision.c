/*
 * test_layer_vision.c - Both ends of Vision over a connection with records of
 * its own, which they leave at the same byte; full and silent connections
 */
#include "mem_stream.h"

#include "alloc_fail.h"
#include "inner_tls.h"
#include "loop.h"
#include "proxy/layer/vision.h"
#include "proxy/wire/vision.h"

static const uint8_t id[VISION_ID_BYTES] = "0123456789abcde";

/* --- the connection below: records, length first, all bytes changed ------------ */

#define SEAL       0x55
#define RECORD_MAX 4000u

/**
 * struct sealed - As TLS, as far as Vision sees it
 * @in, @in_len, @in_at:	A record that was read, and how much was given on
 * @part, @part_len:	One that is not whole
 * @bare_rc:	What the next bare() gives, if not 0
 * @told:	bare(0) was said; @tx_bare, @rx_bare: and then these
 */
struct sealed {
	struct stream s; /* must be first */
	uint8_t in[RECORD_MAX], part[RECORD_MAX + 2];
	size_t in_len, in_at, part_len;
	int bare_rc;
	bool told, tx_bare, rx_bare, up;
	bool holds; /* it took, and has not passed on */
};

static struct sealed *sealed_of(struct stream *s)
{
	return container_of(s, struct sealed, s);
}

static size_t mem_space(struct stream *s)
{
	struct mem_end *e = container_of(s, struct mem_end, s);

	return MEM_BYTES - e->m->way[!e->side].len;
}

static ssize_t sealed_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct sealed *t = sealed_of(s);
	uint8_t out[RECORD_MAX + 2];
	size_t n = 0;
	ssize_t rc;

	if (t->tx_bare)
		return s->below->ops->writev(s->below, iov, cnt);
	for (int i = 0; i < cnt; i++)
		for (size_t k = 0; k < iov[i].iov_len && n < RECORD_MAX; k++)
			out[2 + n++] = ((uint8_t *)iov[i].iov_base)[k] ^ SEAL;
	if (!n)
		return t->holds ? -EAGAIN : 0;
	if (mem_space(s->below) < n + 2)
		return -EAGAIN;
	put_be16(out, (uint16_t)n);
	rc = stream_write(s->below, out, n + 2);
	if (rc < 0)
		return rc;
	assert_int_equal(rc, n + 2);
	return (ssize_t)n;
}

/* One whole record. Bytes, or as readv */
static ssize_t next_record(struct sealed *t)
{
	size_t want = 2;
	ssize_t n;

	for (;;) {
		if (t->part_len >= 2)
			want = 2u + get_be16(t->part);
		if (t->part_len >= 2 && t->part_len == want)
			break;
		n = stream_read(t->s.below, t->part + t->part_len,
				want - t->part_len);
		if (n <= 0)
			return n;
		t->part_len += (size_t)n;
	}
	t->in_at = 0;
	t->in_len = want - 2;
	for (size_t i = 0; i < t->in_len; i++)
		t->in[i] = t->part[2 + i] ^ SEAL;
	t->part_len = 0;
	return (ssize_t)t->in_len;
}

static ssize_t sealed_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct sealed *t = sealed_of(s);
	ssize_t n;

	if (t->rx_bare)
		return s->below->ops->readv(s->below, iov, cnt);
	if (t->in_at == t->in_len) {
		n = next_record(t);
		if (n <= 0)
			return n;
	}
	n = (ssize_t)(t->in_len - t->in_at);
	if ((size_t)n > iov->iov_len)
		n = (ssize_t)iov->iov_len;
	memcpy(iov->iov_base, t->in + t->in_at, (size_t)n);
	t->in_at += (size_t)n;
	return n;
}

static int sealed_bare(struct stream *s, unsigned int dir)
{
	struct sealed *t = sealed_of(s);

	if (t->bare_rc)
		return t->bare_rc;
	t->told = !(dir & ST_STAY);
	if (dir & ST_WRITE)
		t->tx_bare = true;
	if (dir & ST_READ) {
		assert_int_equal(t->in_at, t->in_len); /* ended in a record */
		assert_int_equal(t->part_len, 0);
		t->rx_bare = true;
	}
	return 0;
}

static void sealed_want(struct stream *s, unsigned int events)
{
	s->below->ops->want(s->below, events);
}

static bool sealed_up(const struct stream *s)
{
	return ((const struct sealed *)(const void *)s)->up;
}

static int sealed_finish(struct stream *s)
{
	return s->below->ops->finish(s->below);
}

static void sealed_close(struct stream *s, int why)
{
	stream_close(&s->below, why);
	free(sealed_of(s));
}

static ssize_t sealed_lend(struct stream *s, struct iovec *iov, int *cnt)
{
	struct sealed *t = sealed_of(s);
	ssize_t n = t->in_at == t->in_len ? next_record(t) : 1;

	if (n <= 0)
		return n;
	*cnt = 1;
	*iov = (struct iovec){ t->in + t->in_at, t->in_len - t->in_at };
	return (ssize_t)iov->iov_len;
}

static void sealed_took(struct stream *s, size_t n)
{
	sealed_of(s)->in_at += n;
}

#define SEALED_OPS \
	.name = "sealed", .readv = sealed_readv, .writev = sealed_writev, \
	.want = sealed_want, .up = sealed_up, .finish = sealed_finish, \
	.close = sealed_close, .bare = sealed_bare

static const struct stream_ops sealed_ops = { SEALED_OPS };
static const struct stream_ops sealed_lends_ops = { SEALED_OPS,
						    .lend = sealed_lend,
						    .took = sealed_took };

/**
 * struct ends - [0] the client's, [1] the server's
 */
struct ends {
	struct loop l;
	struct mem m;
	struct sealed *t[2];
	struct stream *st[2];
	struct job job[2];
	unsigned int runs[2];
};

static struct ends *counted;

static void count_job(struct job *j)
{
	counted->runs[j == &counted->job[1]]++;
}

static void begin(struct ends *e)
{
	memset(e, 0, sizeof(*e));
	loop_init(&e->l);
	counted = e;
	e->m.step = MEM_BYTES;
	for (int i = 0; i < 2; i++) {
		struct sealed *t = calloc(1, sizeof(*t));

		assert_non_null(t);
		e->job[i] = (struct job){ .run = count_job, .worker = &e->l.w };
		t->s = (struct stream){ .ops = &sealed_ops,
					.below = mem_new(&e->m, i, &e->job[i]),
					.job = &e->job[i] };
		t->up = true;
		e->t[i] = t;
		e->st[i] = vision_new(&e->l.w, &t->s, id, 1, i == 1);
		assert_non_null(e->st[i]);
	}
}

static void end(struct ends *e)
{
	for (int i = 0; i < 2; i++) {
		stream_close(&e->st[i], 0);
		job_forget(&e->job[i]);
	}
	loop_fini(&e->l);
}

/* All of @n bytes from @side to the other one, in reads of @piece */
static void pass(struct ends *e, int side, const uint8_t *p, size_t n,
		 size_t piece)
{
	static uint8_t got[MEM_BYTES];
	size_t put = 0, have = 0;
	ssize_t k;

	for (int turn = 0; turn < 100000 && have < n; turn++) {
		k = put < n ? stream_write(e->st[side], p + put, n - put) : 0;
		assert_true(k >= 0 || k == -EAGAIN);
		put += k > 0 ? (size_t)k : 0;
		k = stream_read(e->st[!side], got + have,
				piece < n - have ? piece : n - have);
		assert_true(k > 0 || k == -EAGAIN);
		have += k > 0 ? (size_t)k : 0;
	}
	assert_int_equal(have, n);
	assert_memory_equal(got, p, n);
}

static size_t text(uint8_t *p, size_t n, int salt)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)((i * 7 + i / 256 + (size_t)salt) & 0x7f);
	return n;
}

/* The hellos, then data both ways. @suite 0: TLS 1.2 */
static void tls_within(struct ends *e, uint16_t suite, size_t piece)
{
	static uint8_t p[40000];
	size_t n;

	pass(e, 0, p, client_hello(p), piece);
	pass(e, 1, p, server_hello(p, suite), piece);
	n = rec(p, 0x14, 1);
	n += rec(p + n, 0x17, 60);
	n += rec(p + n, 0x17, 9000);
	pass(e, 1, p, n, piece);
	pass(e, 0, p, n, piece);
	for (int i = 0; i < 3; i++) {
		pass(e, 1, p, text(p, 20000, i), piece);
		pass(e, 0, p, text(p, 3000, i), piece);
	}
}

/* A hello that is read in crumbs is not seen, then nobody leaves by it: but no
 * byte is lost, and what one side leaves by the other follows */
static void tls13_leaves_at_the_same_byte_on_both_sides(void **state)
{
	static const size_t pieces[] = { 1, 7, 500, 4096, 60000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		struct ends e;

		begin(&e);
		tls_within(&e, 0x1301, pieces[i]);
		for (int k = 0; k < 2; k++) {
			assert_int_equal(e.t[k]->tx_bare, e.t[!k]->rx_bare);
			assert_true(pieces[i] < 500 || e.t[k]->tx_bare);
			stream_shed(&e.st[k]);
			assert_string_equal(e.st[k]->ops->name, "sealed");
		}
		end(&e);
	}
}

static void others_stay_within(void **state)
{
	static const uint16_t suites[] = { 0, 0x1305 };
	static uint8_t p[30000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(suites); i++) {
		struct ends e;

		begin(&e);
		tls_within(&e, suites[i], 500);
		for (int k = 0; k < 2; k++) {
			assert_false(e.t[k]->tx_bare || e.t[k]->rx_bare);
			/* its work is done all the same */
			stream_shed(&e.st[k]);
			assert_string_equal(e.st[k]->ops->name, "sealed");
		}
		end(&e);
	}
	for (size_t piece = 1; piece < 40000; piece = piece * 5 + 2) {
		struct ends e;

		begin(&e);
		for (int k = 0; k < 12; k++)
			pass(&e, k & 1, p, text(p, 30000, k), piece);
		assert_false(e.t[0]->tx_bare || e.t[1]->tx_bare);
		end(&e);
	}
}

/* Who only downloads never ends its own frames: what it reads is lent all the same */
static void what_is_behind_the_frames_is_lent(void **state)
{
	static uint8_t p[9000];
	struct iovec iov[STREAM_IOV];
	uint8_t got[50];
	int cnt = STREAM_IOV;
	struct ends e;

	(void)state;
	begin(&e);
	e.t[0]->s.ops = &sealed_lends_ops;
	pass(&e, 0, p, text(p, 16, 0), 16);
	assert_null(e.st[0]->ops->lend);
	assert_true(e.t[0]->told);
	for (int k = 0; k < 20 && !e.st[0]->ops->lend; k++)
		pass(&e, 1, p, text(p, 9000, k), 9000);
	assert_non_null(e.st[0]->ops->lend);
	assert_false(e.t[0]->told); /* it may read ahead again */
	assert_int_equal(e.st[0]->ops->lend(e.st[0], iov, &cnt), -EAGAIN);

	(void)text(p, 100, 7);
	assert_int_equal(stream_write(e.st[1], p, 100), 100);
	cnt = STREAM_IOV;
	assert_int_equal(e.st[0]->ops->lend(e.st[0], iov, &cnt), 100);
	assert_int_equal(cnt, 1);
	assert_memory_equal(iov[0].iov_base, p, 100);
	e.st[0]->ops->took(e.st[0], 50);

	/* the layer below has changed for one that cannot */
	e.t[0]->s.ops = &sealed_ops;
	cnt = STREAM_IOV;
	assert_int_equal(e.st[0]->ops->lend(e.st[0], iov, &cnt), -EAGAIN);
	assert_null(e.st[0]->ops->lend);
	assert_int_equal(stream_read(e.st[0], got, 50), 50);
	assert_memory_equal(got, p + 50, 50);
	end(&e);
}

static void a_layer_with_work_left_is_not_shed(void **state)
{
	uint8_t p[16];
	struct ends e;

	(void)state;
	begin(&e);
	stream_shed(&e.st[0]);
	assert_string_equal(e.st[0]->ops->name, "vision");
	pass(&e, 0, p, text(p, 16, 1), 16);
	stream_shed(&e.st[0]);
	stream_shed(&e.st[1]);
	assert_string_equal(e.st[0]->ops->name, "vision");
	assert_string_equal(e.st[1]->ops->name, "vision");
	assert_null(e.st[0]->ops->watch(e.st[0], ST_READ));
	assert_null(e.st[0]->ops->watch(e.st[0], ST_WRITE));
	end(&e);
}

/* A client that waits hides its head in padding; a server says nothing first */
static void a_silent_client_shows_itself(void **state)
{
	struct ends e;
	uint8_t p[8];

	(void)state;
	begin(&e);
	assert_int_equal(stream_read(e.st[1], p, sizeof(p)), -EAGAIN);
	assert_int_equal(e.m.way[0].len, 0);
	assert_int_equal(stream_read(e.st[0], p, sizeof(p)), -EAGAIN);
	assert_true(e.m.way[1].len > 900);
	/* the server knows whom it talks to */
	pass(&e, 1, p, text(p, 8, 1), 8);
	pass(&e, 0, p, text(p, 8, 2), 8);
	end(&e);
	begin(&e);
	assert_int_equal(e.st[0]->ops->finish(e.st[0]), 0);
	assert_int_equal(stream_read(e.st[1], p, sizeof(p)), 0);
	pass(&e, 1, p, text(p, 8, 1), 8);
	end(&e);
}

static void a_stranger_is_refused_for_good(void **state)
{
	uint8_t p[32];
	struct ends e;

	(void)state;
	begin(&e);
	assert_int_equal(stream_write(&e.t[0]->s, "0123456789abcdX!", 16), 16);
	assert_int_equal(stream_read(e.st[1], p, sizeof(p)), -EPROTO);
	assert_int_equal(stream_read(e.st[1], p, sizeof(p)), -EPROTO);
	assert_int_equal(stream_write(e.st[1], "x", 1), -EPROTO);
	assert_int_equal(e.st[1]->ops->finish(e.st[1]), -EPROTO);
	assert_false(e.st[1]->ops->up(e.st[1]));
	end(&e);
	begin(&e); /* a command that there is not */
	assert_int_equal(
		stream_write(&e.t[0]->s, "0123456789abcde\0\3\0\1\0\0x", 22),
		22);
	assert_int_equal(stream_read(e.st[1], p, sizeof(p)), -EPROTO);
	end(&e);
}

/* What the greeting had read already comes first, cut where it likes */
static void what_was_read_before_comes_first(void **state)
{
	static const uint8_t early[] = "0123456789abcde\0\0\0\3\0\2one..";
	uint8_t p[32];

	(void)state;
	for (size_t cut = 0; cut < sizeof(early); cut++) {
		size_t have = 0;
		struct ends e;
		ssize_t n;

		begin(&e);
		if (cut)
			assert_int_equal(vision_unread(e.st[1], early, cut), 0);
		assert_int_equal(stream_write(&e.t[0]->s, early + cut,
					      sizeof(early) - 1 - cut),
				 (ssize_t)(sizeof(early) - 1 - cut));
		e.runs[1] = 0;
		e.st[1]->ops->want(e.st[1], ST_READ);
		worker_tick(&e.l.w, 0);
		assert_true(e.runs[1] > 0); /* no event would tell */
		for (int i = 0; i < 4 && have < 3; i++) {
			n = stream_read(e.st[1], p + have, sizeof(p) - have);
			assert_true(n > 0 || n == -EAGAIN);
			have += n > 0 ? (size_t)n : 0;
		}
		assert_int_equal(have, 3);
		assert_memory_equal(p, "one", 3);
		end(&e);
	}
}

/* Payload behind the last frame, in the same read: kept, and given before others */
static void what_is_behind_the_last_frame_is_kept(void **state)
{
	static const uint8_t early[] = "0123456789abcde\0\1\0\3\0\2one..behind";
	uint8_t p[64];
	struct ends e;

	(void)state;
	begin(&e);
	assert_int_equal(vision_unread(e.st[1], early, sizeof(early) - 1), 0);
	for (int i = 0; i < 12; i++) /* its own frames end, too */
		assert_true(stream_write(e.st[1], "no TLS at all", 13) > 0);
	assert_int_equal(stream_read(e.st[1], p, sizeof(p)), 3);
	assert_memory_equal(p, "one", 3);
	stream_shed(&e.st[1]);
	assert_string_equal(e.st[1]->ops->name, "vision");
	e.runs[1] = 0;
	e.st[1]->ops->want(e.st[1], ST_READ);
	worker_tick(&e.l.w, 0);
	assert_true(e.runs[1] > 0);
	assert_int_equal(stream_read(e.st[1], p, 4), 4);
	stream_shed(&e.st[1]);
	assert_string_equal(e.st[1]->ops->name, "vision");
	assert_int_equal(stream_read(e.st[1], p + 4, sizeof(p) - 4), 2);
	assert_memory_equal(p, "behind", 6);
	assert_int_equal(stream_read(e.st[1], p, sizeof(p)), -EAGAIN);
	stream_shed(&e.st[1]);
	assert_string_equal(e.st[1]->ops->name, "sealed");
	end(&e);
}

/* The connection takes nothing: frames wait, and nothing more is taken */
static void a_full_connection_is_back_pressure(void **state)
{
	static uint8_t p[VISION_CONTENT_MAX], junk[MEM_BYTES];
	struct ends e;

	(void)state;
	begin(&e);
	e.m.way[1].len = MEM_BYTES - 3;
	assert_int_equal(stream_write(e.st[0], "first", 5), 5);
	assert_int_equal(stream_write(e.st[0], "second", 6), -EAGAIN);
	assert_int_equal(e.st[0]->ops->finish(e.st[0]), -EAGAIN);
	assert_null(e.st[0]->ops->shed(e.st[0]));
	/* and goes when there is room, without a word of the owner's */
	e.runs[0] = 0;
	e.st[0]->ops->want(e.st[0], 0);
	worker_tick(&e.l.w, 0);
	assert_true(e.runs[0] > 0); /* below was asked to tell */
	assert_int_equal(stream_read(e.t[1]->s.below, junk, MEM_BYTES - 3),
			 MEM_BYTES - 3);
	assert_int_equal(stream_write(e.st[0], "second", 6), 6);
	assert_int_equal(stream_read(e.st[1], p, sizeof(p)), 5);
	assert_memory_equal(p, "first", 5);
	assert_int_equal(stream_read(e.st[1], p, sizeof(p)), 6);
	assert_memory_equal(p, "second", 6);
	assert_int_equal(e.st[0]->ops->finish(e.st[0]), 0);
	assert_int_equal(stream_read(e.st[1], p, sizeof(p)), 0);
	end(&e);
}

/* Who asks whether the last bytes are gone must not close over a full TLS */
static void what_tls_holds_waits(void **state)
{
	struct ends e;

	(void)state;
	begin(&e);
	assert_int_equal(stream_write(e.st[0], "first", 5), 5);
	assert_int_equal(stream_settled(e.st[0]), 0);
	e.t[0]->holds = true;
	assert_int_equal(stream_settled(e.st[0]), -EAGAIN);
	e.t[0]->holds = false;
	assert_int_equal(stream_settled(e.st[0]), 0);
	end(&e);
}

/* Frames that came are read, then why nothing can be written */
static void what_came_is_read_before_a_failed_write(void **state)
{
	uint8_t p[3000], got[4000];
	size_t have = 0;
	struct ends e;
	ssize_t n;

	(void)state;
	begin(&e);
	pass(&e, 0, p, text(p, 100, 1), 4000);
	assert_int_equal(stream_write(e.st[1], p, text(p, sizeof(p), 2)),
			 sizeof(p));
	e.m.deaf = e.m.end[0];
	assert_int_equal(stream_write(e.st[0], "x", 1), -EPIPE);
	assert_false(e.st[0]->ops->up(e.st[0]));
	while ((n = stream_read(e.st[0], got + have, 1000)) > 0)
		have += (size_t)n;
	assert_int_equal(n, -EPIPE);
	assert_int_equal(have, sizeof(p));
	assert_memory_equal(got, p, sizeof(p));
	assert_int_equal(e.st[0]->ops->finish(e.st[0]), -EPIPE);
	end(&e);
}

static void a_connection_that_cannot_be_left_is_refused(void **state)
{
	uint8_t p[8];
	struct ends e;

	(void)state;
	begin(&e);
	e.t[0]->bare_rc = -EPROTONOSUPPORT;
	assert_int_equal(stream_write(e.st[0], "x", 1), -EPROTONOSUPPORT);
	assert_int_equal(stream_read(e.st[0], p, 8), -EPROTONOSUPPORT);
	end(&e);
	begin(&e);
	e.t[0]->bare_rc = -EAGAIN; /* a head below is awaited: it says later */
	pass(&e, 0, p, text(p, 8, 1), 8);
	assert_false(e.t[0]->told);
	e.t[0]->bare_rc = 0;
	pass(&e, 1, p, text(p, 8, 1), 8);
	assert_true(e.t[0]->told);
	end(&e);
}

static void without_memory_nothing_is_made_up(void **state)
{
	static uint8_t p[600], got[600];

	(void)state;
	text(p, sizeof(p), 1);
	for (unsigned int n = 1;; n++) {
		struct ends e;
		ssize_t put, k;
		bool hit;

		begin(&e);
		alloc_fail_at(n);
		put = stream_write(e.st[0], p, sizeof(p));
		k = put > 0 ? stream_read(e.st[1], got, sizeof(got)) : -1;
		hit = alloc_fail_hit();
		if (k > 0)
			assert_memory_equal(got, p, (size_t)k);
		assert_true(hit ? put == -ENOMEM || k < 0 :
				  put == sizeof(p) && k > 0);
		end(&e);
		if (!hit)
			break;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls13_leaves_at_the_same_byte_on_both_sides),
		cmocka_unit_test(others_stay_within),
		cmocka_unit_test(what_is_behind_the_frames_is_lent),
		cmocka_unit_test(a_layer_with_work_left_is_not_shed),
		cmocka_unit_test(a_silent_client_shows_itself),
		cmocka_unit_test(a_stranger_is_refused_for_good),
		cmocka_unit_test(what_was_read_before_comes_first),
		cmocka_unit_test(what_is_behind_the_last_frame_is_kept),
		cmocka_unit_test(a_full_connection_is_back_pressure),
		cmocka_unit_test(what_tls_holds_waits),
		cmocka_unit_test(what_came_is_read_before_a_failed_write),
		cmocka_unit_test(a_connection_that_cannot_be_left_is_refused),
		cmocka_unit_test(without_memory_nothing_is_made_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
