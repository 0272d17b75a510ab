/* test_records.c - A stream in records of TLS 1.3, against a far end by hand */
#include <stdlib.h>

#include "layer_rig.h"

#include "gateway/base/compat.h"
#include "gateway/base/rand.h"
#include "proxy/layer/records.h"
#include "proxy/layer/room.h"

enum { MAC = 20, UNEXPECTED = 10 };

/* The layer with its keys, and those of the far end */
struct pair {
	struct rig r;
	struct records *rec;
	struct tls13_dir tx, rx;
};

static void keys(struct tls13_dir *a, struct tls13_dir *b, uint8_t first)
{
	uint8_t secret[32] = { first };

	assert_int_equal(
		tls13_dir_set(a, HASH_SHA256, AEAD_AES_128_GCM, secret), 0);
	assert_int_equal(
		tls13_dir_set(b, HASH_SHA256, AEAD_AES_128_GCM, secret), 0);
}

static void pair_begin(struct pair *p)
{
	memset(p, 0, sizeof(*p));
	rig_begin(&p->r);
	p->rec = calloc(1, sizeof(*p->rec));
	assert_non_null(p->rec);
	records_setup(p->rec);
	p->rec->c.started = true;
	keys(&p->rec->tx, &p->rx, 1);
	keys(&p->rec->rx, &p->tx, 2);
	chunk_init(&p->rec->c, &records_ops, &p->r.l.w, p->r.below, 1);
	p->r.st = &p->rec->c.s;
	worker_tick(&p->r.l.w, 0);
}

static void pair_end(struct pair *p)
{
	assert_int_equal(layer_room(&p->r.l.w)->in.live_count, 0);
	tls13_dir_drop(&p->tx);
	tls13_dir_drop(&p->rx);
	rig_end(&p->r);
}

/* One record of the far end */
static void say(struct pair *p, enum tls_content type, const void *data,
		size_t n)
{
	uint8_t out[TLS13_RECORD_MAX];
	ssize_t k = tls13_seal(&p->tx, type, data, n, out, sizeof(out));

	assert_true(k > 0);
	far_say(&p->r, out, (size_t)k);
}

/* Opens the one record at @in. Its length as a whole; payload to *@data */
static size_t hear(struct pair *p, uint8_t *in, size_t n, enum tls_content type,
		   uint8_t **data, size_t *len)
{
	enum tls_content got;
	ssize_t k = tls13_open(&p->rx, in, n, &got, data, len);

	assert_true(k > 0);
	assert_int_equal(got, type);
	return (size_t)k;
}

static void hear_alert(struct pair *p, uint8_t level, uint8_t what)
{
	uint8_t in[256], *data;
	ssize_t n = far_hear(&p->r, in, sizeof(in));
	size_t len;

	assert_true(n > 0);
	assert_int_equal(hear(p, in, (size_t)n, TLS_ALERT, &data, &len), n);
	assert_int_equal(len, 2);
	assert_int_equal(data[0], level);
	assert_int_equal(data[1], what);
}

static ssize_t read_some(struct pair *p)
{
	uint8_t got[64];

	return stream_read(p->r.st, got, sizeof(got));
}

static void first_bytes_go_in_small_records(void **state)
{
	static uint8_t out[64u << 10], in[2 * sizeof(out)];
	size_t sent = 0, have = 0, at = 0, seen = 0, records = 0, big = 0;
	struct pair p;

	(void)state;
	pair_begin(&p);
	rand_bytes(out, sizeof(out));
	while (seen < sizeof(out)) {
		uint8_t *data;
		size_t len;
		ssize_t n =
			stream_write(p.r.st, out + sent, sizeof(out) - sent);

		sent += n > 0 ? (size_t)n : 0;
		(void)stream_write(p.r.st, NULL, 0);
		n = far_hear(&p.r, in + have, sizeof(in) - have);
		have += n > 0 ? (size_t)n : 0;
		while (have - at >= TLS13_HEAD_BYTES &&
		       have - at >= TLS13_HEAD_BYTES +
					    (size_t)get_be16(in + at + 3)) {
			at += hear(&p, in + at, have - at, TLS_APPLICATION_DATA,
				   &data, &len);
			assert_memory_equal(data, out + seen, len);
			seen += len;
			records++;
			big += len == TLS13_PLAIN_MAX;
			assert_true(len <= 1360 || seen > 16384);
		}
	}
	assert_true(big >= 2);
	assert_true(records >= 13);
	pair_end(&p);
}

static void what_was_read_before_comes_first(void **state)
{
	uint8_t out[64], got[64];
	struct pair p;
	ssize_t n;

	(void)state;
	pair_begin(&p);
	n = tls13_seal(&p.tx, TLS_APPLICATION_DATA, (const uint8_t *)"hello", 5,
		       out, sizeof(out));
	assert_int_equal(chunk_unread(&p.rec->c, out, (size_t)n), 0);
	p.r.st->ops->want(p.r.st, ST_READ);
	assert_true(p.r.l.job.queued);
	assert_int_equal(stream_read(p.r.st, got, sizeof(got)), 5);
	assert_memory_equal(got, "hello", 5);
	assert_int_equal(read_some(&p), -EAGAIN);
	pair_end(&p);
}

static void tickets_are_passed_over_in_any_pieces(void **state)
{
	uint8_t msg[4 + 600] = { 4, 0, 600 >> 8, 600 & 255 };
	struct pair p;

	(void)state;
	pair_begin(&p);
	say(&p, TLS_HANDSHAKE, msg, 100);
	say(&p, TLS_HANDSHAKE, msg + 100, 300);
	say(&p, TLS_HANDSHAKE, msg + 400, sizeof(msg) - 400);
	assert_int_equal(read_some(&p), -EAGAIN);
	say(&p, TLS_APPLICATION_DATA, "x", 1);
	assert_int_equal(read_some(&p), 1);
	/* data within a message */
	say(&p, TLS_HANDSHAKE, msg, 100);
	say(&p, TLS_APPLICATION_DATA, "x", 1);
	assert_int_equal(read_some(&p), -EPROTO);
	hear_alert(&p, 2, UNEXPECTED);
	pair_end(&p);
}

static void a_new_key_is_followed_and_answered(void **state)
{
	static const uint8_t update[5] = { 24, 0, 0, 1, 1 };
	uint8_t in[256], *data;
	size_t len, k;
	struct pair p;
	ssize_t n;

	(void)state;
	pair_begin(&p);
	say(&p, TLS_HANDSHAKE, update, sizeof(update));
	assert_int_equal(tls13_dir_next(&p.tx), 0);
	say(&p, TLS_APPLICATION_DATA, "new", 3);
	assert_int_equal(read_some(&p), 3);
	assert_int_equal(stream_write(p.r.st, "abc", 3), 3);
	n = far_hear(&p.r, in, sizeof(in));
	assert_true(n > 0);
	k = hear(&p, in, (size_t)n, TLS_HANDSHAKE, &data, &len);
	assert_int_equal(len, 5);
	assert_memory_equal(data, "\30\0\0\1\0", 5);
	assert_int_equal(tls13_dir_next(&p.rx), 0);
	hear(&p, in + k, (size_t)n - k, TLS_APPLICATION_DATA, &data, &len);
	assert_memory_equal(data, "abc", 3);
	assert_int_equal(read_some(&p), -EAGAIN);
	pair_end(&p);
}

static void wrong_records_are_answered_with_an_alert(void **state)
{
	static const struct {
		enum tls_content type;
		const char *msg;
		size_t n;
	} bad[] = {
		{ TLS_HANDSHAKE, "\1\0\0\0", 4 }, /* a ClientHello */
		{ TLS_HANDSHAKE, "\30\0\0\1\2", 5 },
		{ TLS_HANDSHAKE, "\30\0\0\1\0\4", 6 },
		{ TLS_HANDSHAKE, "\4\377\377\377", 4 },
		{ TLS_HANDSHAKE, "\4\0", 2 },
		{ TLS_HANDSHAKE, "", 0 },
		{ TLS_ALERT, "\1", 1 },
		{ (enum tls_content)99, "x", 1 },
	};
	struct pair p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		pair_begin(&p);
		say(&p, bad[i].type, bad[i].msg, bad[i].n);
		assert_int_equal(read_some(&p), -EPROTO);
		hear_alert(&p, 2, UNEXPECTED);
		assert_int_equal(read_some(&p), -EPROTO);
		pair_end(&p);
	}
	pair_begin(&p);
	p.tx.seq++;
	say(&p, TLS_APPLICATION_DATA, "x", 1);
	assert_int_equal(read_some(&p), -EPROTO);
	hear_alert(&p, 2, MAC);
	pair_end(&p);
}

static void records_without_data_are_limited(void **state)
{
	struct pair p;

	(void)state;
	pair_begin(&p);
	for (int i = 0; i < 32; i++)
		say(&p, TLS_APPLICATION_DATA, "", 0);
	assert_int_equal(read_some(&p), -EAGAIN);
	say(&p, TLS_APPLICATION_DATA, "x", 1);
	assert_int_equal(read_some(&p), 1);
	for (int i = 0; i < 33; i++)
		say(&p, TLS_APPLICATION_DATA, "", 0);
	assert_int_equal(read_some(&p), -EPROTO);
	pair_end(&p);
}

static void only_close_notify_ends_in_order(void **state)
{
	struct pair p;
	char junk[8];

	(void)state;
	pair_begin(&p);
	say(&p, TLS_ALERT, "\1\132", 2); /* user_canceled says nothing */
	assert_int_equal(read_some(&p), -EAGAIN);
	say(&p, TLS_ALERT, "\1\0", 2);
	assert_int_equal(read_some(&p), 0);
	far_say(&p.r, "junk", 4);
	assert_int_equal(read_some(&p), 0);
	far_end(&p.r);
	assert_int_equal(read_some(&p), 0);
	assert_int_equal(stream_write(p.r.st, "x", 1), 1);
	assert_true(far_hear(&p.r, junk, sizeof(junk)) > 0);
	pair_end(&p);

	pair_begin(&p);
	say(&p, TLS_APPLICATION_DATA, "x", 1);
	far_end(&p.r);
	assert_int_equal(read_some(&p), 1);
	assert_int_equal(read_some(&p), -ECONNRESET);
	pair_end(&p);

	pair_begin(&p);
	say(&p, TLS_ALERT, "\2\50", 2);
	assert_int_equal(read_some(&p), -ECONNRESET);
	pair_end(&p);
}

/* finish() and close() say it, and only once; a cut does not */
static void the_end_is_told_once(void **state)
{
	char in[64];
	struct pair p;

	(void)state;
	for (int finish = 0; finish < 2; finish++) {
		pair_begin(&p);
		if (finish)
			assert_int_equal(p.r.st->ops->finish(p.r.st), 0);
		stream_close(&p.r.st, 0);
		hear_alert(&p, 1, 0);
		assert_int_equal(far_hear(&p.r, in, sizeof(in)), 0);
		pair_end(&p);
	}
	pair_begin(&p);
	stream_close(&p.r.st, -ECANCELED);
	assert_true(far_hear(&p.r, in, sizeof(in)) <= 0);
	pair_end(&p);
}

static void a_server_tells_what_the_client_asked_for(void **state)
{
	struct stream_hello want = { .name = "a.test", .alpn = "h2" }, got;
	struct pair p;

	(void)state;
	pair_begin(&p);
	stream_hello(p.r.st, &got);
	assert_string_equal(got.name, "");
	assert_int_equal(records_hello_set(p.rec, &want), 0);
	stream_hello(p.r.st, &got);
	assert_string_equal(got.name, "a.test");
	assert_string_equal(got.alpn, "h2");
	pair_end(&p);
}

/* As sniffers need it: the same bytes again, and what came since */
static void lend_shows_what_came_since(void **state)
{
	struct iovec iov[4];
	struct pair p;
	int cnt;

	(void)state;
	pair_begin(&p);
	for (int i = 1; i < 4; i++) {
		say(&p, TLS_APPLICATION_DATA, "abc", 3);
		cnt = 4;
		assert_int_equal(p.r.st->ops->lend(p.r.st, iov, &cnt), 3 * i);
		assert_int_equal(cnt, i);
		for (int k = 0; k < cnt; k++)
			assert_memory_equal(iov[k].iov_base, "abc", 3);
	}
	p.r.st->ops->took(p.r.st, 4);
	cnt = 4;
	assert_int_equal(p.r.st->ops->lend(p.r.st, iov, &cnt), 5);
	assert_memory_equal(iov[0].iov_base, "bc", 2);
	p.r.st->ops->took(p.r.st, 5);
	assert_int_equal(read_some(&p), -EAGAIN);
	pair_end(&p);
}

/* Behind a record that a layer on top knows, bytes pass; then the layer goes */
static void it_steps_aside(void **state)
{
	uint8_t out[64], got[8];
	struct pair p;
	ssize_t n;

	(void)state;
	pair_begin(&p);
	assert_int_equal(p.r.st->ops->bare(p.r.st, 0), 0);
	n = tls13_seal(&p.tx, TLS_APPLICATION_DATA, (const uint8_t *)"x", 1,
		       out, sizeof(out));
	memset(out + n, 'b', 4);
	far_say(&p.r, out, (size_t)n + 4);
	assert_int_equal(stream_read(p.r.st, got, sizeof(got)), 1);
	assert_int_equal(p.r.st->ops->bare(p.r.st, ST_READ | ST_WRITE), 0);
	assert_int_equal(stream_read(p.r.st, got, sizeof(got)), 4);
	assert_memory_equal(got, "bbbb", 4);
	stream_shed(&p.r.st);
	assert_ptr_equal(p.r.st, p.r.below);
	assert_int_equal(stream_write(p.r.st, "out", 3), 3);
	assert_int_equal(far_hear(&p.r, got, sizeof(got)), 3);
	pair_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_bytes_go_in_small_records),
		cmocka_unit_test(what_was_read_before_comes_first),
		cmocka_unit_test(tickets_are_passed_over_in_any_pieces),
		cmocka_unit_test(a_new_key_is_followed_and_answered),
		cmocka_unit_test(wrong_records_are_answered_with_an_alert),
		cmocka_unit_test(records_without_data_are_limited),
		cmocka_unit_test(only_close_notify_ends_in_order),
		cmocka_unit_test(the_end_is_told_once),
		cmocka_unit_test(a_server_tells_what_the_client_asked_for),
		cmocka_unit_test(lend_shows_what_came_since),
		cmocka_unit_test(it_steps_aside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
