/*
 * test_ktls.c - TLS by the kernel, against a kernel of the test's own
 *
 * Its records are frames on the socket: type, length, bytes. What it is told to say
 * goes out as such a frame, too, and data as it is.
 */
#include <linux/tls.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "layer_rig.h"

#include "gateway/base/compat.h"
#include "proxy/layer/ktls.h"
#include "proxy/layer/records.h"
#include "proxy/layer/room.h"

enum { MAC = 20, OVERFLOW = 22, UNEXPECTED = 10, INTERNAL = 80 };
enum { SAY_EBADMSG = 200, SAY_EMSGSIZE = 201 };

/* What the kernel does, and was asked for; directions by ST_READ, ST_WRITE */
static struct {
	int attach_rc, give_rc[3];
	unsigned int gives[3], pushes;
	uint64_t seq[3];
	uint8_t secret[3][32];
	bool waits, rekeys;
	uint64_t sent;
	uint8_t type, left;
} kernel;

static int fake_attach(int fd)
{
	(void)fd;
	return kernel.attach_rc;
}

static int fake_give(int fd, unsigned int dir, const struct tls13_dir *d)
{
	(void)fd;
	if (kernel.give_rc[dir])
		return kernel.give_rc[dir];
	kernel.gives[dir]++;
	kernel.seq[dir] = d->seq;
	memcpy(kernel.secret[dir], d->secret, 32);
	return 0;
}

static ssize_t fake_recv(int fd, const struct iovec *iov, int cnt,
			 struct ktls_got *got)
{
	uint8_t head[2];
	ssize_t n = 0;

	(void)cnt;
	*got = (struct ktls_got){ .type = TLS_APPLICATION_DATA };
	if (!kernel.left) {
		n = recv(fd, head, 2, MSG_DONTWAIT);
		if (n <= 0)
			return n < 0 ? -errno : 0;
		kernel.type = head[0];
		kernel.left = head[1];
		if (head[0] == SAY_EBADMSG)
			return -EBADMSG;
		if (head[0] == SAY_EMSGSIZE)
			return -EMSGSIZE;
	}
	if (kernel.left)
		n = recv(fd, iov->iov_base,
			 iov->iov_len < kernel.left ? iov->iov_len :
						      kernel.left,
			 MSG_DONTWAIT);
	else
		n = 0;
	assert_true(n >= 0);
	kernel.left = (uint8_t)(kernel.left - n);
	got->type = (enum tls_content)kernel.type;
	got->whole = !kernel.left;
	return n;
}

static int fake_say(int fd, enum tls_content type, const uint8_t *p, size_t n)
{
	uint8_t out[16] = { (uint8_t)type, (uint8_t)n };

	if (kernel.waits)
		return -EAGAIN;
	memcpy(out + 2, p, n);
	return send(fd, out, n + 2, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static bool fake_drained(int fd)
{
	(void)fd;
	return !kernel.waits;
}

static void fake_push(int fd)
{
	(void)fd;
	kernel.pushes++;
}

static uint64_t fake_sent(int fd, const struct tls13_dir *d)
{
	(void)fd;
	(void)d;
	return kernel.sent;
}

static bool fake_rekeys(void)
{
	return kernel.rekeys;
}

static const struct ktls_kernel fake = {
	.attach = fake_attach,
	.give = fake_give,
	.recv = fake_recv,
	.say = fake_say,
	.drained = fake_drained,
	.push = fake_push,
	.sent = fake_sent,
	.rekeys = fake_rekeys,
};

/* --- the rig ------------------------------------------------------------------ */

/* Records over a socket, the kernel wished for; @tx: the far end's own key */
struct pair {
	struct rig r;
	struct records *rec;
	struct tls13_dir tx;
};

static void pair_begin(struct pair *p)
{
	const uint8_t a[32] = { 1 }, b[32] = { 2 };
	const struct stream_hello hello = { .name = "a.test", .alpn = "h2" };

	memset(p, 0, sizeof(*p));
	memset(&kernel, 0, sizeof(kernel));
	rig_begin(&p->r);
	p->rec = calloc(1, sizeof(*p->rec));
	assert_non_null(p->rec);
	records_setup(p->rec);
	p->rec->c.started = true;
	p->rec->kernel = &fake;
	assert_int_equal(records_hello_set(p->rec, &hello), 0);
	tls13_dir_set(&p->rec->tx, HASH_SHA256, AEAD_AES_128_GCM, a);
	tls13_dir_set(&p->rec->rx, HASH_SHA256, AEAD_AES_128_GCM, b);
	tls13_dir_set(&p->tx, HASH_SHA256, AEAD_AES_128_GCM, b);
	p->rec->tx.seq = 3;
	chunk_init(&p->rec->c, &records_ops, &p->r.l.w, p->r.below, 1);
	p->r.st = &p->rec->c.s;
	worker_tick(&p->r.l.w, 0);
}

/* The same, and the kernel has it */
static void kernel_begin(struct pair *p)
{
	pair_begin(p);
	stream_shed(&p->r.st);
	assert_ptr_not_equal(p->r.st, &p->rec->c.s);
	assert_string_equal(p->r.st->ops->name, "ktls");
}

static void pair_end(struct pair *p)
{
	struct layer_room *room = layer_room(&p->r.l.w);

	assert_int_equal(room->in.live_count, 0);
	tls13_dir_drop(&p->tx);
	rig_end(&p->r);
}

/* A record as our own code reads it, to @out */
static size_t seal(struct pair *p, const char *text, uint8_t out[64])
{
	ssize_t n = tls13_seal(&p->tx, TLS_APPLICATION_DATA,
			       (const uint8_t *)text, strlen(text), out, 64);

	assert_true(n > 0);
	return (size_t)n;
}

/* A record as the kernel reads it */
static void frame(struct pair *p, uint8_t type, const void *data, uint8_t n)
{
	uint8_t out[258] = { type, n };

	memcpy(out + 2, data, n);
	far_say(&p->r, out, 2u + n);
}

static ssize_t get(struct pair *p)
{
	uint8_t got[64];

	return stream_read(p->r.st, got, sizeof(got));
}

static void hear(struct pair *p, const char *want, size_t n)
{
	char in[64];

	assert_int_equal(far_hear(&p->r, in, sizeof(in)), n);
	assert_memory_equal(in, want, n);
}

static void hear_fault(struct pair *p, uint8_t what)
{
	const char want[4] = { TLS_ALERT, 2, 2, (char)what };

	hear(p, want, 4);
}

/* --- taking over -------------------------------------------------------------- */

static void the_kernel_goes_on_where_nothing_waits(void **state)
{
	struct stream_hello hello;
	struct pair p;

	(void)state;
	kernel_begin(&p);
	assert_int_equal(kernel.gives[ST_READ], 1);
	assert_int_equal(kernel.gives[ST_WRITE], 1);
	assert_int_equal(kernel.seq[ST_WRITE], 3);
	assert_int_equal(kernel.seq[ST_READ], 0);
	assert_int_equal(kernel.secret[ST_WRITE][0], 1);
	stream_hello(p.r.st, &hello);
	assert_string_equal(hello.name, "a.test");
	assert_string_equal(hello.alpn, "h2");
	assert_true(p.r.st->ops->up(p.r.st));
	assert_non_null(p.r.st->ops->watch(p.r.st, ST_READ));
	assert_ptr_equal(p.r.st->ops->watch(p.r.st, ST_WRITE),
			 p.r.below->ops->watch(p.r.below, ST_WRITE));
	assert_int_equal(stream_write(p.r.st, NULL, 0), 0);
	assert_int_equal(stream_write(p.r.st, "abc", 3), 3);
	hear(&p, "abc", 3);
	assert_int_equal(get(&p), -EAGAIN);
	frame(&p, TLS_APPLICATION_DATA, "hello", 5);
	assert_int_equal(get(&p), 5);
	pair_end(&p);
}

/* Half a record has been read: the rest of it is, and not a byte more */
static void the_edge_of_a_record_is_found(void **state)
{
	uint8_t rec[128], got[8];
	struct pair p;
	size_t n;

	(void)state;
	for (size_t cut = 1; cut < 24; cut++) {
		pair_begin(&p);
		n = seal(&p, "one", rec);
		n += seal(&p, "two", rec + n);
		assert_int_equal(chunk_unread(&p.rec->c, rec, n / 2 + cut), 0);
		stream_shed(&p.r.st);
		assert_ptr_equal(p.r.st, &p.rec->c.s);
		assert_int_equal(stream_read(p.r.st, got, 8), 3);
		assert_memory_equal(got, "one", 3);
		stream_shed(&p.r.st);
		assert_ptr_equal(p.r.st, &p.rec->c.s);
		memcpy(rec + n,
		       (const uint8_t[]){ 23, 5, 't', 'h', 'r', 'e', 'e' }, 7);
		far_say(&p.r, rec + n / 2 + cut, n - n / 2 - cut + 7);
		assert_int_equal(stream_read(p.r.st, got, 8), 3);
		assert_memory_equal(got, "two", 3);
		/* here it is; the owner is to come again */
		job_forget(&p.r.l.job);
		assert_int_equal(stream_read(p.r.st, got, 8), -EAGAIN);
		assert_true(p.r.l.job.queued);
		stream_shed(&p.r.st);
		assert_string_equal(p.r.st->ops->name, "ktls");
		assert_int_equal(kernel.seq[ST_READ], 2);
		assert_int_equal(stream_read(p.r.st, got, 8), 5);
		assert_memory_equal(got, "three", 5);
		pair_end(&p);
	}
}

static void who_does_not_shed_is_not_held_up(void **state)
{
	uint8_t rec[128];
	struct pair p;
	size_t n;

	(void)state;
	pair_begin(&p);
	n = seal(&p, "one", rec);
	n += seal(&p, "two", rec + n);
	assert_int_equal(chunk_unread(&p.rec->c, rec, 7), 0);
	stream_shed(&p.r.st);
	far_say(&p.r, rec + 7, n - 7);
	assert_int_equal(get(&p), 3);
	assert_int_equal(get(&p), -EAGAIN);
	assert_int_equal(get(&p), 3);
	assert_int_equal(get(&p), -EAGAIN);
	assert_ptr_equal(p.r.st, &p.rec->c.s);
	pair_end(&p);
}

static void a_kernel_without_it_changes_nothing(void **state)
{
	uint8_t rec[64], in[64];
	struct pair p;

	(void)state;
	for (int i = 0; i < 2; i++) {
		pair_begin(&p);
		if (i)
			kernel.give_rc[ST_WRITE] = -EINVAL;
		else
			kernel.attach_rc = -ENOENT;
		stream_shed(&p.r.st);
		assert_ptr_equal(p.r.st, &p.rec->c.s);
		assert_null(p.rec->kernel);
		far_say(&p.r, rec, seal(&p, "one", rec));
		assert_int_equal(get(&p), 3);
		assert_int_equal(get(&p), -EAGAIN);
		assert_int_equal(stream_write(p.r.st, "abc", 3), 3);
		assert_int_equal(far_hear(&p.r, in, sizeof(in)),
				 3 + TLS13_EXTRA);
		pair_end(&p);
	}
	/* one key only: nobody could go on */
	pair_begin(&p);
	kernel.give_rc[ST_READ] = -ENOMEM;
	stream_shed(&p.r.st);
	assert_int_equal(get(&p), -ENOMEM);
	assert_int_equal(stream_write(p.r.st, "abc", 3), -ENOMEM);
	pair_end(&p);
}

static void nothing_may_wait_and_nobody_end_it(void **state)
{
	struct pair p;

	(void)state;
	for (int i = 0; i < 6; i++) {
		pair_begin(&p);
		if (i == 0) /* Vision, even when it has thought better of it */
			p.r.st->ops->bare(p.r.st, 0);
		if (i == 0)
			p.r.st->ops->bare(p.r.st, ST_STAY);
		p.rec->c.ended = i == 1;
		p.rec->c.eof = i == 2;
		p.rec->update = i == 3;
		p.rec->post.skip = i == 4;
		if (i == 5)
			p.rec->kernel = NULL;
		stream_shed(&p.r.st);
		assert_ptr_equal(p.r.st, &p.rec->c.s);
		assert_int_equal(kernel.gives[ST_WRITE], 0);
		pair_end(&p);
	}
}

static void out_of_memory_means_later(void **state)
{
	struct pair p;

	(void)state;
	pair_begin(&p);
	alloc_fail_at(1);
	stream_shed(&p.r.st);
	assert_true(alloc_fail_hit());
	assert_ptr_equal(p.r.st, &p.rec->c.s);
	stream_shed(&p.r.st);
	assert_string_equal(p.r.st->ops->name, "ktls");
	pair_end(&p);
}

/* --- what is no data ---------------------------------------------------------- */

static void tickets_are_passed_over(void **state)
{
	uint8_t ticket[204] = { 4, 0, 0, 200 }, got[3];
	struct pair p;

	(void)state;
	kernel_begin(&p);
	frame(&p, TLS_HANDSHAKE, ticket, sizeof(ticket));
	frame(&p, TLS_APPLICATION_DATA, "abc", 3);
	/* whatever the caller has room for */
	assert_int_equal(stream_read(p.r.st, got, sizeof(got)), 3);
	assert_memory_equal(got, "abc", 3);
	/* data within a message */
	frame(&p, TLS_HANDSHAKE, ticket, 100);
	frame(&p, TLS_APPLICATION_DATA, "abc", 3);
	assert_int_equal(get(&p), -EPROTO);
	hear_fault(&p, UNEXPECTED);
	pair_end(&p);
}

static void only_close_notify_ends_in_order(void **state)
{
	struct pair p;

	(void)state;
	kernel_begin(&p);
	frame(&p, TLS_ALERT, "\1\132", 2); /* user_canceled */
	assert_int_equal(get(&p), -EAGAIN);
	frame(&p, TLS_APPLICATION_DATA, "x", 1);
	frame(&p, TLS_ALERT, "\1\0", 2);
	assert_int_equal(get(&p), 1);
	assert_int_equal(get(&p), 0);
	assert_null(p.r.st->ops->watch(p.r.st, ST_READ));
	far_end(&p.r);
	assert_int_equal(get(&p), 0);
	assert_int_equal(stream_write(p.r.st, "x", 1), 1);
	hear(&p, "x", 1);
	pair_end(&p);

	kernel_begin(&p);
	frame(&p, TLS_APPLICATION_DATA, "x", 1);
	far_end(&p.r);
	assert_int_equal(get(&p), 1);
	assert_int_equal(get(&p), -ECONNRESET);
	pair_end(&p);

	kernel_begin(&p);
	frame(&p, TLS_ALERT, "\2\50", 2);
	assert_int_equal(get(&p), -ECONNRESET);
	pair_end(&p);
}

static void what_does_not_decrypt_is_told(void **state)
{
	static const struct {
		uint8_t type, n, alert;
		const char *p;
	} bad[] = {
		{ SAY_EBADMSG, 0, MAC, "" },
		{ SAY_EMSGSIZE, 0, OVERFLOW, "" },
		{ TLS_HANDSHAKE, 0, UNEXPECTED, "" },
		{ TLS_HANDSHAKE, 4, UNEXPECTED, "\1\0\0\0" },
		{ TLS_ALERT, 1, UNEXPECTED, "\1" },
		{ 99, 1, UNEXPECTED, "x" },
	};
	struct pair p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		kernel_begin(&p);
		frame(&p, bad[i].type, bad[i].p, bad[i].n);
		assert_int_equal(get(&p), -EPROTO);
		hear_fault(&p, bad[i].alert);
		assert_int_equal(get(&p), -EPROTO);
		assert_int_equal(stream_write(p.r.st, "x", 1), -EPROTO);
		assert_int_equal(p.r.st->ops->finish(p.r.st), -EPROTO);
		assert_null(p.r.st->ops->watch(p.r.st, ST_WRITE));
		pair_end(&p);
	}
	kernel_begin(&p);
	for (int i = 0; i < 33; i++)
		frame(&p, TLS_ALERT, "\1\132", 2);
	assert_int_equal(get(&p), -EPROTO);
	pair_end(&p);
}

static void a_new_key_is_followed_and_answered(void **state)
{
	struct pair p;

	(void)state;
	kernel_begin(&p);
	frame(&p, TLS_HANDSHAKE, "\30\0\0\1\0", 5);
	frame(&p, TLS_APPLICATION_DATA, "x", 1);
	assert_int_equal(get(&p), 1);
	assert_int_equal(kernel.gives[ST_READ], 2);
	assert_int_equal(kernel.gives[ST_WRITE], 1);
	assert_int_not_equal(kernel.secret[ST_READ][0], 2);
	/* ours as well, as soon as there is room */
	kernel.waits = true;
	frame(&p, TLS_HANDSHAKE, "\30\0\0\1\1", 5);
	assert_int_equal(get(&p), -EAGAIN);
	assert_int_equal(kernel.gives[ST_READ], 3);
	assert_int_equal(kernel.gives[ST_WRITE], 1);
	assert_null(p.r.st->ops->watch(p.r.st, ST_WRITE));
	assert_int_equal(stream_write(p.r.st, "abc", 3), -EAGAIN);
	assert_int_equal(kernel.pushes, 0);
	p.r.st->ops->want(p.r.st, 0);
	assert_int_equal(kernel.pushes, 1);
	kernel.waits = false;
	p.r.below->ops->watch(p.r.below, ST_WRITE)->ready |= ST_WRITE;
	assert_int_equal(stream_write(p.r.st, "abc", 3), 3);
	hear(&p, "\26\5\30\0\0\1\0abc", 10);
	assert_int_equal(kernel.gives[ST_WRITE], 2);
	assert_int_equal(kernel.seq[ST_WRITE], 0);
	assert_non_null(p.r.st->ops->watch(p.r.st, ST_WRITE));
	pair_end(&p);
}

static void a_kernel_that_cannot_follow_ends_it(void **state)
{
	struct pair p;

	(void)state;
	kernel_begin(&p);
	kernel.give_rc[ST_READ] = -EBUSY;
	frame(&p, TLS_APPLICATION_DATA, "before", 6);
	frame(&p, TLS_HANDSHAKE, "\30\0\0\1\1", 5);
	frame(&p, TLS_APPLICATION_DATA, "behind", 6);
	assert_int_equal(get(&p), 6);
	assert_int_equal(get(&p), -EPROTO);
	hear_fault(&p, INTERNAL);
	pair_end(&p);
}

static void an_old_key_is_changed(void **state)
{
	struct pair p;

	(void)state;
	for (int can = 0; can < 2; can++) {
		kernel_begin(&p);
		kernel.rekeys = can;
		kernel.sent = 1u << 24;
		assert_int_equal(stream_write(p.r.st, "a", 1), 1);
		hear(&p, "a", 1);
		p.r.l.w.now_ms += 1001;
		assert_int_equal(stream_write(p.r.st, "a", 1), 1);
		if (can)
			hear(&p, "\26\5\30\0\0\1\0a", 8);
		else
			hear(&p, "a", 1);
		pair_end(&p);
	}
}

/* --- the end ------------------------------------------------------------------ */

static void the_end_is_told_once_and_last(void **state)
{
	char in[8];
	struct pair p;

	(void)state;
	kernel_begin(&p);
	kernel.waits = true;
	assert_int_equal(p.r.st->ops->finish(p.r.st), -EAGAIN);
	assert_int_equal(far_hear(&p.r, in, sizeof(in)), -1);
	assert_int_equal(stream_write(p.r.st, "x", 1), -EPIPE);
	kernel.waits = false;
	p.r.below->ops->watch(p.r.below, ST_WRITE)->ready |= ST_WRITE;
	assert_int_equal(p.r.st->ops->finish(p.r.st), 0);
	hear(&p, "\25\2\1\0", 4);
	assert_int_equal(far_hear(&p.r, in, sizeof(in)), 0);
	/* the other way goes on */
	frame(&p, TLS_APPLICATION_DATA, "x", 1);
	assert_int_equal(get(&p), 1);
	stream_close(&p.r.st, 0);
	assert_int_equal(far_hear(&p.r, in, sizeof(in)), 0);
	pair_end(&p);

	for (int why = 0; why > -2; why--) {
		kernel_begin(&p);
		stream_close(&p.r.st, why);
		if (!why)
			hear(&p, "\25\2\1\0", 4);
		assert_true(far_hear(&p.r, in, sizeof(in)) <= 0);
		pair_end(&p);
	}
}

static void what_came_is_read_before_a_failed_write(void **state)
{
	struct pair p;

	(void)state;
	kernel_begin(&p);
	assert_int_equal(send(p.r.far, "\27\3abc", 5, MSG_NOSIGNAL), 5);
	far_gone(&p.r);
	assert_false(p.r.st->ops->up(p.r.st));
	assert_null(p.r.st->ops->watch(p.r.st, ST_READ));
	worker_tick(&p.r.l.w, 0);
	assert_int_equal(get(&p), 3);
	assert_int_equal(get(&p), -EPIPE);
	assert_int_equal(get(&p), -EPIPE);
	assert_int_equal(p.r.st->ops->finish(p.r.st), -EPIPE);
	pair_end(&p);
}

/* --- Linux -------------------------------------------------------------------- */

static void keys_lie_where_linux_looks_for_them(void **state)
{
	struct tls13_dir d = { .seq = 0x0102030405060708 };
	uint8_t keys[KTLS_KEYS_MAX], key[32];
	struct tls12_crypto_info_aes_gcm_128 a;
	struct tls12_crypto_info_aes_gcm_256 b;
	struct tls12_crypto_info_chacha20_poly1305 c;

	(void)state;
	memset(d.secret, 7, sizeof(d.secret));
	memcpy(d.iv, "abcdefghijkl", 12);
	d.hash = HASH_SHA256;
	d.aead = AEAD_AES_128_GCM;
	assert_int_equal(ktls_keys_fill(keys, &d), sizeof(a));
	memcpy(&a, keys, sizeof(a));
	assert_int_equal(a.info.version, TLS_1_3_VERSION);
	assert_int_equal(a.info.cipher_type, TLS_CIPHER_AES_GCM_128);
	assert_memory_equal(a.salt, "abcd", 4);
	assert_memory_equal(a.iv, "efghijkl", 8);
	assert_memory_equal(a.rec_seq, "\1\2\3\4\5\6\7\10", 8);
	hkdf_expand_label(HASH_SHA256, d.secret, "key", key, 16);
	assert_memory_equal(a.key, key, 16);
	d.hash = HASH_SHA384;
	d.aead = AEAD_AES_256_GCM;
	assert_int_equal(ktls_keys_fill(keys, &d), sizeof(b));
	memcpy(&b, keys, sizeof(b));
	assert_int_equal(b.info.cipher_type, TLS_CIPHER_AES_GCM_256);
	assert_memory_equal(b.salt, "abcd", 4);
	assert_memory_equal(b.iv, "efghijkl", 8);
	hkdf_expand_label(HASH_SHA384, d.secret, "key", key, 32);
	assert_memory_equal(b.key, key, 32);
	d.hash = HASH_SHA256;
	d.aead = AEAD_CHACHA20_POLY1305;
	assert_int_equal(ktls_keys_fill(keys, &d), sizeof(c));
	memcpy(&c, keys, sizeof(c));
	assert_int_equal(c.info.cipher_type, TLS_CIPHER_CHACHA20_POLY1305);
	assert_memory_equal(c.iv, "abcdefghijkl", 12);
	assert_memory_equal(c.rec_seq, "\1\2\3\4\5\6\7\10", 8);
	d.aead = AEAD_NONE;
	assert_int_equal(ktls_keys_fill(keys, &d), -EINVAL);
	d.aead = AEAD_XCHACHA20_POLY1305;
	assert_int_equal(ktls_keys_fill(keys, &d), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_goes_on_where_nothing_waits),
		cmocka_unit_test(the_edge_of_a_record_is_found),
		cmocka_unit_test(who_does_not_shed_is_not_held_up),
		cmocka_unit_test(a_kernel_without_it_changes_nothing),
		cmocka_unit_test(nothing_may_wait_and_nobody_end_it),
		cmocka_unit_test(out_of_memory_means_later),
		cmocka_unit_test(tickets_are_passed_over),
		cmocka_unit_test(only_close_notify_ends_in_order),
		cmocka_unit_test(what_does_not_decrypt_is_told),
		cmocka_unit_test(a_new_key_is_followed_and_answered),
		cmocka_unit_test(a_kernel_that_cannot_follow_ends_it),
		cmocka_unit_test(an_old_key_is_changed),
		cmocka_unit_test(the_end_is_told_once_and_last),
		cmocka_unit_test(what_came_is_read_before_a_failed_write),
		cmocka_unit_test(keys_lie_where_linux_looks_for_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
