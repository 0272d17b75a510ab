/*
 * test_sniff_quic.c - QUIC: published packets, layouts of clients, forgeries
 *
 * The layouts are those that broke other sniffers (reliability.md, 3: #3-#6).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "gateway/base/rand.h"
#include "gateway/sniff/sniffers.h"
#include "tests/unit/quic_enc.h"
#include "tests/unit/vec.h"

#define NAME "www.example.org"

/* Sniff a copy that ends with its allocation, so that ASan sees every read */
static enum verdict sniff_copies(const struct enc *d, int cnt,
				 struct sniffed *out)
{
	struct iovec v[8] = { { NULL, 0 } };
	enum verdict is;

	for (int i = 0; i < cnt; i++) {
		v[i].iov_base = malloc(d[i].n ? d[i].n : 1);
		v[i].iov_len = d[i].n;
		assert_non_null(v[i].iov_base);
		memcpy(v[i].iov_base, d[i].b, d[i].n);
	}
	is = sniff_dgrams(v, cnt, out);
	for (int i = 0; i < cnt; i++)
		free(v[i].iov_base);
	return is;
}

static void finds(const struct enc *d, int cnt, const char *name)
{
	struct sniffed s;

	assert_int_equal(sniff_copies(d, cnt, &s), SNIFF_YES);
	assert_int_equal(s.proto, SNIFF_QUIC);
	assert_string_equal(s.domain, name);
	assert_int_equal(s.len, strlen(name));
}

static void published_initials_give_their_names(void **state)
{
	struct vec v;
	int count = 0, in_first = 0;

	(void)state;
	for (vec_open(&v, "quic_initial.txt"); vec_next(&v); count++) {
		static struct enc d[4];
		struct sniffed s;
		int n = v.count - 1;

		for (int i = 0; i < n; i++)
			d[i].n =
				hex_get(v.field[1 + i], d[i].b, sizeof(d[i].b));
		finds(d, n, v.field[0]);
		if (n == 1)
			continue;
		/* the wait for more is never answered by a wrong name */
		if (sniff_copies(d, 1, &s) == SNIFF_YES) {
			assert_string_equal(s.domain, v.field[0]);
			in_first++;
		} else {
			assert_int_equal(sniff_copies(d, 1, &s), SNIFF_MORE);
		}
	}
	assert_int_equal(count, 9);
	assert_true(in_first >= 1);
}

static void other_protocols_and_forgeries_are_let_go_at_once(void **state)
{
	struct vec v;
	int count = 0;

	(void)state;
	for (vec_open(&v, "quic_not.txt"); vec_next(&v); count++) {
		static struct enc d;
		struct sniffed s;

		d.n = hex_get(v.field[1], d.b, sizeof(d.b));
		assert_int_equal(sniff_copies(&d, 1, &s), SNIFF_NO);
	}
	assert_int_equal(count, 13);
}

static const uint32_t versions[] = { 1, 0x6b3343cf, 0xff00001d };

/**
 * struct layout - How a hello of @hello bytes is spread
 * @write:	Fill up to two datagrams, return how many
 */
struct layout {
	const char *what;
	int (*write)(struct enc *d, struct initial in, const struct enc *hello);
};

static int one_packet(struct enc *d, struct initial in, const struct enc *hello)
{
	struct enc f = { .n = 0 };

	enc_crypto(&f, hello->b, 0, hello->n);
	enc_fill(&f, 0, 700);
	enc_initial(d, &in, &f);
	return 1;
}

static int padding_and_ping_first(struct enc *d, struct initial in,
				  const struct enc *hello)
{
	struct enc f = { .n = 0 };

	enc_fill(&f, 0, 300);
	enc_u8(&f, 1);
	enc_crypto(&f, hello->b, 0, hello->n);
	enc_u8(&f, 1);
	in.pn = 1;
	in.pn_len = 4;
	enc_initial(d, &in, &f);
	return 1;
}

static int shuffled_with_frames_between(struct enc *d, struct initial in,
					const struct enc *hello)
{
	struct enc f = { .n = 0 };
	size_t q = hello->n / 4;

	enc_crypto(&f, hello->b, 3 * q, hello->n - 3 * q);
	enc_u8(&f, 1);
	enc_crypto(&f, hello->b, q, q);
	enc_put(&f, "\x02\x05\x00\x01\x00\x02\x01", 7); /* ACK, one range */
	enc_crypto(&f, hello->b, 0, q);
	enc_put(&f, "\x03\x05\x00\x00\x00\x01\x02\x03", 8); /* with ECN */
	enc_fill(&f, 0, 9);
	enc_crypto(&f, hello->b, 2 * q, q);
	in.pn_len = 2;
	enc_initial(d, &in, &f);
	return 1;
}

static int doubled_and_overlapping(struct enc *d, struct initial in,
				   const struct enc *hello)
{
	struct enc f = { .n = 0 };

	for (size_t at = 0; at < hello->n; at += 20) {
		size_t n = hello->n - at < 35 ? hello->n - at : 35;

		enc_crypto(&f, hello->b, at, n);
		enc_crypto(&f, hello->b, at, n);
	}
	in.token = "a token of the server";
	enc_initial(d, &in, &f);
	return 1;
}

static int coalesced(struct enc *d, struct initial in, const struct enc *hello)
{
	struct enc f = { .n = 0 }, g = { .n = 0 }, zero_rtt = { .n = 0 };
	struct initial early = in;

	enc_crypto(&f, hello->b, 0, hello->n / 2);
	enc_initial(d, &in, &f);
	early.type = in.version == 0x6b3343cf ? 2 : 1;
	enc_fill(&zero_rtt, 0x77, 40);
	enc_initial(d, &early, &zero_rtt);
	enc_crypto(&g, hello->b, hello->n / 2, hello->n - hello->n / 2);
	in.pn = 1;
	enc_initial(d, &in, &g);
	enc_fill(d, 0, 100); /* padding outside of packets */
	return 1;
}

static int two_datagrams(struct enc *d, struct initial in,
			 const struct enc *hello)
{
	struct enc f = { .n = 0 }, g = { .n = 0 };

	enc_crypto(&f, hello->b, 0, 60);
	enc_initial(d, &in, &f);
	enc_crypto(&g, hello->b, 60, hello->n - 60);
	in.pn = 1;
	in.pn_len = 3;
	enc_initial(d + 1, &in, &g);
	return 2;
}

static int second_half_first(struct enc *d, struct initial in,
			     const struct enc *hello)
{
	struct enc f = { .n = 0 }, g = { .n = 0 };

	enc_crypto(&g, hello->b, 60, hello->n - 60);
	enc_initial(d, &in, &g);
	enc_crypto(&f, hello->b, 0, 60);
	in.pn = 1;
	enc_initial(d + 1, &in, &f);
	return 2;
}

/* The server has answered: its id is the destination, the keys stay */
static int server_id_in_the_second(struct enc *d, struct initial in,
				   const struct enc *hello)
{
	struct enc f = { .n = 0 }, g = { .n = 0 };

	enc_crypto(&f, hello->b, 0, 60);
	enc_initial(d, &in, &f);
	enc_crypto(&g, hello->b, 60, hello->n - 60);
	in.key_cid = in.cid;
	in.cid = "server's";
	enc_initial(d + 1, &in, &g);
	return 2;
}

/* Retry: new id, new keys, a token, the hello from its start */
static int after_a_retry(struct enc *d, struct initial in,
			 const struct enc *hello)
{
	struct enc f = { .n = 0 };

	enc_crypto(&f, hello->b, 0, 60);
	enc_initial(d, &in, &f);
	in.cid = "retried";
	in.token = "0123456789012345678901234567890123456789012345678901234567"
		   "890123456789";
	one_packet(d + 1, in, hello);
	return 2;
}

static const struct layout layouts[] = {
	{ "one packet", one_packet },
	{ "padding and ping first, number 1", padding_and_ping_first },
	{ "shuffled, ACK and PING between", shuffled_with_frames_between },
	{ "doubled and overlapping", doubled_and_overlapping },
	{ "coalesced with 0-RTT", coalesced },
	{ "two datagrams", two_datagrams },
	{ "second half first", second_half_first },
	{ "server's id in the second", server_id_in_the_second },
	{ "after a Retry", after_a_retry },
};

static void every_layout_in_every_version_gives_the_name(void **state)
{
	struct enc hello = { .n = 0 };

	(void)state;
	enc_hello(&hello, NAME, 50);
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
		for (size_t k = 0; k < ARRAY_SIZE(versions); k++) {
			static struct enc d[2];
			struct initial in = { .version = versions[k],
					      .type = -1,
					      .cid = "clientid",
					      .pn_len = 1 };
			struct sniffed s;
			int n;

			d[0].n = d[1].n = 0;
			n = layouts[i].write(d, in, &hello);
			if (n == 2)
				assert_int_equal(sniff_copies(d, 1, &s),
						 SNIFF_MORE);
			finds(d, n, NAME);
		}
}

/* Cut at every byte the sniffer neither reads past the end nor says a name */
static void every_prefix_of_an_initial_is_no(void **state)
{
	struct enc hello = { .n = 0 };
	struct initial in = { 1, -1, "clientid", NULL, NULL, 0, 1 };
	static struct enc d, cut;
	struct sniffed s;

	(void)state;
	enc_hello(&hello, NAME, 0);
	d.n = 0;
	one_packet(&d, in, &hello);
	for (size_t n = 0; n < d.n; n++) {
		memcpy(cut.b, d.b, n);
		cut.n = n;
		assert_int_equal(sniff_copies(&cut, 1, &s), SNIFF_NO);
	}
}

/* XTLS/Xray-core#6232 */
static void a_short_initial_with_any_length_is_no(void **state)
{
	static struct enc d;
	struct sniffed s;

	(void)state;
	for (unsigned int len = 0; len < 64; len++)
		for (size_t n = 0; n <= 40; n++) {
			d.n = hex_get("c00000000100000004", d.b, 16);
			d.b[8] = (uint8_t)len;
			enc_fill(&d, 0, 40);
			d.n = n;
			assert_int_equal(sniff_copies(&d, 1, &s), SNIFF_NO);
		}
}

static void a_flipped_bit_or_random_bytes_are_no(void **state)
{
	struct enc hello = { .n = 0 };
	struct initial in = { 1, -1, "clientid", NULL, NULL, 0, 1 };
	static struct enc d, bad;
	struct sniffed s;

	(void)state;
	enc_hello(&hello, NAME, 0);
	d.n = 0;
	one_packet(&d, in, &hello);
	for (size_t i = 0; i < d.n; i += 7) {
		bad = d;
		bad.b[i] ^= 0x20;
		assert_int_not_equal(sniff_copies(&bad, 1, &s), SNIFF_YES);
	}
	for (int i = 0; i < 200; i++) {
		bad.n = 1 + rand_below(1400);
		rand_bytes(bad.b, bad.n);
		memcpy(bad.b, "\xc0\0\0\0\1", bad.n < 5 ? bad.n : 5);
		assert_int_not_equal(sniff_copies(&bad, 1, &s), SNIFF_YES);
	}
}

static int frames_of(const struct enc *f, size_t n)
{
	struct quic_hello *h = malloc(sizeof(*h));
	uint8_t *copy = malloc(n ? n : 1);
	int err;

	assert_non_null(h);
	assert_non_null(copy);
	memcpy(copy, f->b, n);
	quic_hello_init(h);
	err = quic_frames(h, copy, n);
	assert_true(quic_hello_len(h) <= h->high);
	assert_true(h->high <= QUIC_CRYPTO_MAX_BYTES);
	free(copy);
	free(h);
	return err;
}

/* XTLS/Xray-core#5864 */
static void huge_offsets_and_lengths_do_no_harm(void **state)
{
	static const uint64_t big[] = { 0x3fffffffffffffff,
					0x3ffffffffffffffe,
					0xffffffff,
					0x80000000,
					0x7fffffff,
					16385,
					16384,
					16383 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(big); i++)
		for (size_t k = 0; k < ARRAY_SIZE(big); k++) {
			static struct enc f;

			f.n = 0;
			enc_u8(&f, 6);
			enc_varint(&f, big[i], 8);
			enc_varint(&f, big[k], 8);
			enc_fill(&f, 0x61, 100);
			assert_int_equal(frames_of(&f, f.n), -EPROTO);
			/* a far offset alone is legal: the bytes are ignored */
			f.n = 0;
			enc_u8(&f, 6);
			enc_varint(&f, big[i], 8);
			enc_varint(&f, 3, 8);
			enc_fill(&f, 0x61, 3);
			assert_int_equal(frames_of(&f, f.n), 0);
		}
}

static void frames_that_are_cut_or_foreign_are_refused(void **state)
{
	static const uint8_t legal[] = { 0, 1, 2, 3, 6, 0x1c };
	struct enc f = { .n = 0 };
	size_t n;

	(void)state;
	enc_put(&f, "\x03\x40\x05\x00\x01\x00\x02\x01\x01\x02\x03", 11);
	n = f.n;
	for (size_t cut = 1; cut < n; cut++)
		assert_int_equal(frames_of(&f, cut), -EPROTO);
	assert_int_equal(frames_of(&f, n), 0);
	f.n = 0;
	enc_put(&f,
		"\x1c\x0a\x00\x03"
		"bye",
		7);
	for (size_t cut = 1; cut < f.n; cut++)
		assert_int_equal(frames_of(&f, cut), -EPROTO);
	assert_int_equal(frames_of(&f, f.n), 0);
	for (unsigned int type = 0; type < 256; type++) {
		f.n = 0;
		enc_u8(&f, type);
		if (!memchr(legal, (int)type, sizeof(legal)))
			assert_int_equal(frames_of(&f, 1), -EPROTO);
	}
	/* ACK that promises 2^62 - 1 ranges */
	f.n = 0;
	enc_put(&f, "\x02\x05\x00", 3);
	enc_varint(&f, 0x3fffffffffffffff, 8);
	enc_fill(&f, 0, 60);
	assert_int_equal(frames_of(&f, f.n), -EPROTO);
}

static void a_hello_without_name_is_quic_without_name(void **state)
{
	static const char *const none[] = { NULL, "1.2.3.4", "::1", "dot." };
	struct initial in = { 1, -1, "clientid", NULL, NULL, 0, 1 };
	struct sniffed s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		struct enc hello = { .n = 0 };
		static struct enc d;

		d.n = 0;
		enc_hello(&hello, none[i], 0);
		one_packet(&d, in, &hello);
		assert_int_equal(sniff_copies(&d, 1, &s), SNIFF_YES);
		assert_int_equal(s.proto, SNIFF_QUIC);
		assert_int_equal(s.len, 0);
	}
}

static void a_hello_that_never_ends_is_quic_after_four_datagrams(void **state)
{
	struct initial in = { 1, -1, "clientid", NULL, NULL, 0, 1 };
	struct enc hello = { .n = 0 };
	static struct enc d[SNIFF_DGRAMS];
	struct sniffed s;

	(void)state;
	enc_hello(&hello, NAME, 1200);
	for (int i = 0; i < SNIFF_DGRAMS; i++) {
		struct enc f = { .n = 0 };

		enc_crypto(&f, hello.b, 0, 500);
		in.pn = (uint32_t)i;
		d[i].n = 0;
		enc_initial(&d[i], &in, &f);
		assert_int_equal(sniff_copies(d, i + 1, &s),
				 i + 1 < SNIFF_DGRAMS ? SNIFF_MORE : SNIFF_YES);
	}
	assert_int_equal(s.len, 0);
}

static void zero_rtt_alone_waits_and_a_handshake_packet_does_not(void **state)
{
	struct initial in = { 1, 1, "clientid", NULL, NULL, 0, 1 };
	struct enc f = { .n = 0 };
	static struct enc d;
	struct sniffed s;

	(void)state;
	enc_fill(&f, 1, 100);
	d.n = 0;
	enc_initial(&d, &in, &f);
	assert_int_equal(sniff_copies(&d, 1, &s), SNIFF_MORE);
	in.type = 2;
	d.n = 0;
	enc_initial(&d, &in, &f);
	assert_int_equal(sniff_copies(&d, 1, &s), SNIFF_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_initials_give_their_names),
		cmocka_unit_test(
			other_protocols_and_forgeries_are_let_go_at_once),
		cmocka_unit_test(every_layout_in_every_version_gives_the_name),
		cmocka_unit_test(every_prefix_of_an_initial_is_no),
		cmocka_unit_test(a_short_initial_with_any_length_is_no),
		cmocka_unit_test(a_flipped_bit_or_random_bytes_are_no),
		cmocka_unit_test(huge_offsets_and_lengths_do_no_harm),
		cmocka_unit_test(frames_that_are_cut_or_foreign_are_refused),
		cmocka_unit_test(a_hello_without_name_is_quic_without_name),
		cmocka_unit_test(
			a_hello_that_never_ends_is_quic_after_four_datagrams),
		cmocka_unit_test(
			zero_rtt_alone_waits_and_a_handshake_packet_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
