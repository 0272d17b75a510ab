/* test_layer_head.c - Heads each way: together, cut, late, behind, shed */
#include "layer_rig.h"

#include "proxy/layer/head.h"

/* An answer of 2 + p[1] bytes, the first of them 0 */
static size_t answer_size(const uint8_t *p, size_t n)
{
	return n < 2 ? 2 : 2u + p[1];
}

static ssize_t answer_take(void *arg, uint32_t id, const uint8_t *p, size_t n)
{
	(void)arg;
	(void)id;
	if (n && p[0])
		return -EPROTO;
	return n < answer_size(p, n) ? 0 : (ssize_t)answer_size(p, n);
}

/* Ends with a newline; what is behind may be read along */
static ssize_t line_take(void *arg, uint32_t id, const uint8_t *p, size_t n)
{
	const uint8_t *nl = memchr(p, '\n', n);

	(void)arg;
	(void)id;
	return nl ? nl - p + 1 : 0;
}

static const struct head_ops silent = { .name = "silent" };
static const struct head_ops answered = { .name = "answered",
					  .size = answer_size,
					  .take = answer_take };
static const struct head_ops waiting = { .name = "waiting",
					 .take = line_take,
					 .wait = true };
static const struct head_ops lazy = { .name = "lazy", .lazy = true };

static void open_head(struct rig *r, const struct head_ops *ops)
{
	static const uint8_t head[] = "HEAD";

	rig_begin(r);
	r->st = head_new(ops, r->below, head, 4, NULL, 1);
	assert_non_null(r->st);
}

static void head_and_payload_leave_together(void **state)
{
	char got[32];
	struct rig r;

	(void)state;
	open_head(&r, &silent);
	assert_false(r.st->ops->up(r.st));
	assert_int_equal(stream_write(r.st, "payload", 7), 7);
	assert_int_equal(far_hear(&r, got, sizeof(got)), 11);
	assert_memory_equal(got, "HEADpayload", 11);
	stream_shed(&r.st);
	assert_string_equal(r.st->ops->name, "fd");
	rig_end(&r);
}

static void a_head_goes_alone_when_the_client_is_silent(void **state)
{
	char got[32];
	struct rig r;

	(void)state;
	open_head(&r, &silent);
	assert_int_equal(stream_read(r.st, got, sizeof(got)), -EAGAIN);
	assert_int_equal(far_hear(&r, got, sizeof(got)), 4);
	assert_true(r.st->ops->up(r.st));
	rig_end(&r);
}

static void a_server_speaks_only_with_its_first_bytes(void **state)
{
	char got[32];
	struct rig r;

	(void)state;
	open_head(&r, &lazy);
	far_say(&r, "up", 2);
	assert_int_equal(stream_read(r.st, got, sizeof(got)), 2);
	assert_int_equal(far_hear(&r, got, sizeof(got)), -1);
	assert_non_null(r.st->ops->watch(r.st, ST_READ));
	assert_null(r.st->ops->watch(r.st, ST_WRITE));
	assert_int_equal(stream_write(r.st, "down", 4), 4);
	assert_int_equal(far_hear(&r, got, sizeof(got)), 8);
	assert_memory_equal(got, "HEADdown", 8);
	rig_end(&r);
}

static void a_server_that_says_nothing_ends_without_a_head(void **state)
{
	char got[32];
	struct rig r;

	(void)state;
	open_head(&r, &lazy);
	assert_int_equal(r.st->ops->finish(r.st), 0);
	assert_int_equal(far_hear(&r, got, sizeof(got)), 0);
	rig_end(&r);
}

static void an_answer_in_pieces_is_taken_off(void **state)
{
	static const char whole[] = "\0\3abcpayload";
	char got[32];
	struct rig r;

	(void)state;
	for (size_t cut = 1; cut < sizeof(whole) - 1; cut++) {
		size_t n = 0;
		ssize_t k;

		open_head(&r, &answered);
		assert_int_equal(stream_write(r.st, "x", 1), 1);
		/* the upload may be spliced while the answer is awaited */
		assert_non_null(r.st->ops->watch(r.st, ST_WRITE));
		assert_null(r.st->ops->watch(r.st, ST_READ));
		far_say(&r, whole, cut);
		while ((k = stream_read(r.st, got + n, sizeof(got) - n)) > 0)
			n += (size_t)k;
		assert_int_equal(k, -EAGAIN);
		far_say(&r, whole + cut, sizeof(whole) - 1 - cut);
		while ((k = stream_read(r.st, got + n, sizeof(got) - n)) > 0)
			n += (size_t)k;
		assert_int_equal(k, -EAGAIN);
		assert_int_equal(n, 7);
		assert_memory_equal(got, "payload", 7);
		stream_shed(&r.st);
		assert_string_equal(r.st->ops->name, "fd");
		rig_end(&r);
	}
}

static void a_cut_answer_is_an_error_at_any_place(void **state)
{
	char got[32];
	struct rig r;

	(void)state;
	for (size_t n = 0; n < 5; n++) {
		open_head(&r, &answered);
		far_say(&r, "\0\3abc", n);
		far_end(&r);
		assert_int_equal(stream_read(r.st, got, 32), -ECONNRESET);
		/* and stays one */
		assert_int_equal(stream_write(r.st, "x", 1), -ECONNRESET);
		assert_false(r.st->ops->up(r.st));
		rig_end(&r);
	}
}

/* The server refuses and is gone before it has the whole request */
static void an_answer_is_read_before_a_failed_write(void **state)
{
	static const struct head_ops *const kinds[] = { &answered, &waiting };
	char got[32];
	struct rig r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		open_head(&r, kinds[i]);
		assert_int_equal(send(r.far, i ? "ok\nno" : "\0\0no", i ? 5 : 4,
				      MSG_NOSIGNAL),
				 i ? 5 : 4);
		far_gone(&r);
		assert_false(r.st->ops->up(r.st));
		assert_int_equal(stream_read(r.st, got, sizeof(got)), 2);
		assert_memory_equal(got, "no", 2);
		assert_int_equal(stream_write(r.st, "x", 1), -EPIPE);
		rig_end(&r);
		/* and without an answer the reason is told */
		open_head(&r, kinds[i]);
		far_gone(&r);
		assert_int_equal(stream_read(r.st, got, sizeof(got)), -EPIPE);
		rig_end(&r);
	}
}

static void silence_after_our_end_is_an_end(void **state)
{
	char got[32];
	struct rig r;

	(void)state;
	open_head(&r, &answered);
	assert_int_equal(stream_write(r.st, "x", 1), 1);
	assert_int_equal(r.st->ops->finish(r.st), 0);
	far_end(&r);
	assert_int_equal(stream_read(r.st, got, sizeof(got)), 0);
	rig_end(&r);
}

static void a_wrong_answer_is_an_error(void **state)
{
	char got[32];
	struct rig r;

	(void)state;
	open_head(&r, &answered);
	far_say(&r, "\1\0", 2);
	assert_int_equal(stream_read(r.st, got, sizeof(got)), -EPROTO);
	assert_null(r.st->ops->shed(r.st));
	rig_end(&r);
}

static void payload_waits_for_the_answer_where_it_must(void **state)
{
	char got[32];
	struct rig r;

	(void)state;
	open_head(&r, &waiting);
	assert_int_equal(stream_write(r.st, "early", 5), -EAGAIN);
	assert_int_equal(far_hear(&r, got, sizeof(got)), 4);
	assert_false(r.st->ops->up(r.st));
	far_say(&r, "200 fine\ntunnel", 15);
	assert_int_equal(stream_write(r.st, "late", 4), 4);
	assert_true(r.st->ops->up(r.st));
	/* bytes behind the answer come first; only then it is spent */
	assert_null(r.st->ops->shed(r.st));
	assert_int_equal(stream_read(r.st, got, 3), 3);
	assert_int_equal(stream_read(r.st, got + 3, 29), 3);
	assert_memory_equal(got, "tunnel", 6);
	stream_shed(&r.st);
	assert_string_equal(r.st->ops->name, "fd");
	rig_end(&r);
}

static void an_endless_answer_is_refused(void **state)
{
	char junk[4096], got[32];
	struct rig r;
	ssize_t n = -EAGAIN;

	(void)state;
	memset(junk, 'x', sizeof(junk));
	open_head(&r, &waiting);
	for (int i = 0; i < 8 && n == -EAGAIN; i++) {
		far_say(&r, junk, sizeof(junk));
		n = stream_read(r.st, got, sizeof(got));
	}
	assert_int_equal(n, -EPROTO);
	rig_end(&r);
}

static size_t fill_peer(void *arg, struct stream *below, uint8_t *out)
{
	assert_non_null(below->ops->watch);
	assert_non_null(below->ops->watch(below, ST_WRITE));
	memcpy(out, arg, 4);
	return 4;
}

/* Who is at the other end is known once it is there */
static void a_head_may_be_written_late(void **state)
{
	static const struct head_ops late = { .name = "late",
					      .fill = fill_peer };
	char got[32];
	struct rig r;

	(void)state;
	for (int payload = 0; payload < 2; payload++) {
		char *arg = strdup("PEER");

		assert_non_null(arg);
		rig_begin(&r);
		r.st = head_new(&late, r.below, NULL, 0, arg, 1);
		assert_non_null(r.st);
		assert_false(r.st->ops->up(r.st));
		assert_null(r.st->ops->watch(r.st, ST_WRITE));
		if (payload)
			assert_int_equal(stream_write(r.st, "x", 1), 1);
		else
			assert_int_equal(stream_read(r.st, got, 1), -EAGAIN);
		assert_int_equal(far_hear(&r, got, sizeof(got)), 4 + payload);
		assert_memory_equal(got, "PEERx", 4u + (size_t)payload);
		assert_true(r.st->ops->up(r.st));
		stream_shed(&r.st);
		assert_string_equal(r.st->ops->name, "fd");
		rig_end(&r);
	}
}

/* --- over a layer that lends ----------------------------------------------------- */

static const char lent[] = "lent";
static size_t lent_at;
static unsigned int bare_dirs;

static ssize_t lender_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	(void)s;
	(void)cnt;
	memcpy(iov->iov_base, lent + lent_at, 1);
	lent_at++;
	return 1;
}

static ssize_t lender_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	ssize_t n = 0;

	(void)s;
	for (int i = 0; i < cnt; i++)
		n += (ssize_t)iov[i].iov_len;
	return n;
}

static ssize_t lender_lend(struct stream *s, struct iovec *iov, int *cnt)
{
	static char copy[sizeof(lent)];

	(void)s;
	memcpy(copy, lent, sizeof(lent));
	*iov = (struct iovec){ copy + lent_at, 4 - lent_at };
	*cnt = 1;
	return lent_at < 4 ? (ssize_t)iov->iov_len : -EAGAIN;
}

static void lender_took(struct stream *s, size_t n)
{
	(void)s;
	lent_at += n;
}

static void lender_want(struct stream *s, unsigned int events)
{
	(void)s;
	(void)events;
}

static bool lender_up(const struct stream *s)
{
	(void)s;
	return true;
}

static int lender_bare(struct stream *s, unsigned int dir)
{
	(void)s;
	bare_dirs |= dir;
	return 0;
}

static void lender_close(struct stream *s, int why)
{
	(void)s;
	(void)why;
}

/* A server that has said nothing yet: its head stays, what it receives is lent */
static void what_comes_is_lent_while_the_head_waits(void **state)
{
	static const struct stream_ops lends = { .name = "lender",
						 .readv = lender_readv,
						 .writev = lender_writev,
						 .lend = lender_lend,
						 .took = lender_took,
						 .want = lender_want,
						 .up = lender_up,
						 .bare = lender_bare,
						 .close = lender_close };
	static const struct stream_ops copies = { .name = "copier",
						  .readv = lender_readv,
						  .writev = lender_writev,
						  .want = lender_want,
						  .up = lender_up,
						  .close = lender_close };
	struct stream below = { .ops = &lends };
	struct iovec iov[STREAM_IOV];
	int cnt = STREAM_IOV;
	struct stream *st;
	struct loop l;
	char c;

	(void)state;
	loop_init(&l);
	below.job = &l.job;
	lent_at = 0;
	bare_dirs = 0;
	st = head_new(&lazy, &below, (const uint8_t *)"HEAD", 4, NULL, 1);
	assert_non_null(st);
	assert_null(st->ops->lend);
	assert_int_equal(stream_read(st, &c, 1), 1);
	assert_non_null(st->ops->lend);
	assert_int_equal(st->ops->lend(st, iov, &cnt), 3);
	assert_memory_equal(iov->iov_base, "ent", 3);
	st->ops->took(st, 1);
	assert_int_equal(lent_at, 2);

	/* op bare: nothing is left before the head is spent, but that it stays */
	assert_int_equal(st->ops->bare(st, ST_READ), -EAGAIN);
	assert_int_equal(st->ops->bare(st, ST_STAY), 0);
	assert_int_equal(bare_dirs, ST_STAY);

	below.ops = &copies;
	assert_int_equal(st->ops->lend(st, iov, &cnt), -EAGAIN);
	assert_null(st->ops->lend);
	assert_int_equal(stream_read(st, &c, 1), 1);
	assert_int_equal(c, 'n');
	assert_int_equal(stream_write(st, "down", 4), 4);
	stream_shed(&st);
	assert_string_equal(st->ops->name, "copier");
	loop_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head_and_payload_leave_together),
		cmocka_unit_test(a_head_goes_alone_when_the_client_is_silent),
		cmocka_unit_test(a_server_speaks_only_with_its_first_bytes),
		cmocka_unit_test(
			a_server_that_says_nothing_ends_without_a_head),
		cmocka_unit_test(an_answer_in_pieces_is_taken_off),
		cmocka_unit_test(a_cut_answer_is_an_error_at_any_place),
		cmocka_unit_test(an_answer_is_read_before_a_failed_write),
		cmocka_unit_test(silence_after_our_end_is_an_end),
		cmocka_unit_test(a_wrong_answer_is_an_error),
		cmocka_unit_test(payload_waits_for_the_answer_where_it_must),
		cmocka_unit_test(an_endless_answer_is_refused),
		cmocka_unit_test(a_head_may_be_written_late),
		cmocka_unit_test(what_comes_is_lent_while_the_head_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
