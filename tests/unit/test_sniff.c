/*
 * test_sniff.c - HTTP, TLS and BitTorrent streams; override rules; names
 *
 * Every input is sniffed at each length it may arrive with, from a copy that
 * ends with its allocation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "gateway/core/match.h"
#include "gateway/sniff/sniffers.h"
#include "tests/unit/quic_enc.h"
#include "tests/unit/vec.h"

static enum verdict sniff_copy(const void *p, size_t n, struct sniffed *out)
{
	uint8_t *copy = malloc(n ? n : 1);
	enum verdict is;

	assert_non_null(copy);
	if (n)
		memcpy(copy, p, n);
	is = sniff_stream(copy, n, out);
	free(copy);
	return is;
}

/*
 * Feed one byte more at a time. Returns the length at which the verdict
 * became final (0: never), and asserts that it never changed from then on.
 */
static size_t final_at(const void *p, size_t n, struct sniffed *out,
		       enum verdict *final)
{
	size_t at = 0;

	*final = SNIFF_MORE;
	for (size_t i = 0; i <= n; i++) {
		struct sniffed s;
		enum verdict is = sniff_copy(p, i, &s);

		if (at) {
			assert_int_equal(is, *final);
		} else if (is != SNIFF_MORE) {
			at = i;
			*final = is;
		}
		if (at && is == SNIFF_YES)
			*out = s;
	}
	return at;
}

static void check_text(const char *text, enum verdict want, const char *name)
{
	struct sniffed s;
	enum verdict is;

	final_at(text, strlen(text), &s, &is);
	if (is != want)
		fail_msg("verdict %d for: %s", is, text);
	if (want != SNIFF_YES)
		return;
	assert_int_equal(s.proto, SNIFF_HTTP1);
	assert_string_equal(s.domain, name);
	assert_int_equal(s.len, strlen(name));
}

static void http_host_is_found(void **state)
{
	static const char *const m[] = { "GET",     "POST",   "HEAD",
					 "PUT",     "DELETE", "OPTIONS",
					 "CONNECT", "PATCH",  "get",
					 "pOsT" };
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(m); i++) {
		snprintf(text, sizeof(text),
			 "%s /x HTTP/1.1\r\nA: b\r\nhOsT:  WWW.Example.ORG. "
			 "\r\n\r\n",
			 m[i]);
		check_text(text, SNIFF_YES, "www.example.org");
	}
	check_text("GET / HTTP/1.1\nHost: localhost\n", SNIFF_YES, "localhost");
	check_text("GET / HTTP/1.1\r\nHost: a.b:8080\r\n", SNIFF_YES, "a.b");
	check_text("GET / HTTP/1.1\r\nHost: a.b:\r\n", SNIFF_YES, "a.b");
	check_text("GET / HTTP/1.1\r\nHost:\ta_b.c\r\n", SNIFF_YES, "a_b.c");
}

static void http_hosts_that_are_no_domain_leave_only_the_protocol(void **state)
{
	static const char *const v[] = { "1.2.3.4",   "1.2.3.4:80", "[::1]",
					 "[::1]:443", "::1",        "a b",
					 "a/b",       ":80",        "a.b:x",
					 "a..b",      "\xc3\xa4.de" };
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		snprintf(text, sizeof(text),
			 "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", v[i]);
		check_text(text, SNIFF_YES, "");
	}
}

static void http_name_waits_for_the_end_of_its_line(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: example.org\r\n";
	struct sniffed s;
	enum verdict is;

	(void)state;
	assert_int_equal(final_at(text, strlen(text), &s, &is), strlen(text));
	assert_int_equal(is, SNIFF_YES);
}

static void http_without_host_and_what_only_looks_like_it_is_no(void **state)
{
	static const char *const no[] = {
		"GET / HTTP/1.1\r\n\r\nHost: a.b\r\n",
		"GET / HTTP/1.1\r\nHost:\r\n\r\n",
		"GET / HTTP/1.1\r\nXHost: a\r\n\r\n",
		"X /foo.php HTTP/1.1\r\nHost: localhost\r\n",
		"GETX / HTTP/1.1\r\nHost: a.b\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"GET \x01\x02 HTTP/1.1\r\nHost: a.b\r\n",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"\x05\x01",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		check_text(no[i], SNIFF_NO, NULL);
	check_text("GET / HTTP/1.1\r\nHost: a.b", SNIFF_MORE, NULL);
	check_text("GET / HTTP/1.1", SNIFF_MORE, NULL);
}

static void the_first_byte_decides_for_most(void **state)
{
	struct sniffed s;
	int more = 0;

	(void)state;
	for (int b = 0; b < 256; b++) {
		uint8_t c = (uint8_t)b;
		enum verdict is = sniff_copy(&c, 1, &s);

		assert_int_not_equal(is, SNIFF_YES);
		more += is == SNIFF_MORE;
	}
	/* g p h d o c in both cases, 16, 13 */
	assert_int_equal(more, 14);
}

static void no_verdict_is_open_at_16_kib(void **state)
{
	static uint8_t big[SNIFF_MAX_BYTES + 100];
	struct sniffed s;

	(void)state;
	memset(big, 'a', sizeof(big));
	memcpy(big, "GET /", 5);
	assert_int_equal(sniff_copy(big, SNIFF_MAX_BYTES - 1, &s), SNIFF_MORE);
	assert_int_equal(sniff_copy(big, SNIFF_MAX_BYTES, &s), SNIFF_NO);
	assert_int_equal(sniff_copy(big, sizeof(big), &s), SNIFF_NO);
}

/* The hello in records of at most @max bytes */
static void records(struct enc *out, const struct enc *hello, size_t max)
{
	for (size_t at = 0; at < hello->n; at += max) {
		size_t n = hello->n - at < max ? hello->n - at : max;

		enc_put(out, "\x16\x03\x01", 3);
		enc_u16(out, (unsigned int)n);
		enc_put(out, hello->b + at, n);
	}
}

static void check_tls(const struct enc *e, const char *name)
{
	struct sniffed s = { 0 };
	enum verdict is;
	size_t at = final_at(e->b, e->n, &s, &is);

	assert_int_equal(is, SNIFF_YES);
	assert_int_equal(s.proto, SNIFF_TLS);
	assert_string_equal(s.domain, name);
	assert_true(at > 60);
}

/* One of them names an address: protocol without a name */
static void published_hellos_give_their_names(void **state)
{
	struct vec v;
	int count = 0;

	(void)state;
	for (vec_open(&v, "tls_hello.txt"); vec_next(&v); count++) {
		static struct enc e;

		e.n = hex_get(v.field[1], e.b, sizeof(e.b));
		check_tls(&e,
			  strcmp(v.field[0], "10.42.0.243") ? v.field[0] : "");
	}
	assert_int_equal(count, 4);
}

static void a_hello_cut_at_every_byte_is_found_with_its_name(void **state)
{
	struct enc hello = { .n = 0 }, e = { .n = 0 };
	struct sniffed s;
	enum verdict is;
	size_t at, name_end;

	(void)state;
	enc_hello(&hello, "www.example.org", 300);
	records(&e, &hello, 16384);
	at = final_at(e.b, e.n, &s, &is);
	assert_int_equal(is, SNIFF_YES);
	/* 8 bytes of another extension follow the name */
	name_end = e.n - 8;
	assert_int_equal(at, name_end);
}

static void a_hello_in_records_of_any_size_is_found(void **state)
{
	struct enc hello = { .n = 0 };

	(void)state;
	enc_hello(&hello, "a.example.org", 20);
	for (size_t max = 1; max <= hello.n; max++) {
		static struct enc e;

		e.n = 0;
		records(&e, &hello, max);
		check_tls(&e, "a.example.org");
	}
}

/* Two records split at every byte, each again cut at every byte (final_at) */
static void a_hello_in_two_records_split_anywhere_is_found(void **state)
{
	struct enc hello = { .n = 0 };

	(void)state;
	enc_hello(&hello, "b.example.org", 0);
	for (size_t cut = 1; cut < hello.n; cut++) {
		static struct enc e;
		struct enc part = { .n = 0 };

		e.n = 0;
		enc_put(&part, hello.b, cut);
		records(&e, &part, 16384);
		part.n = 0;
		enc_put(&part, hello.b + cut, hello.n - cut);
		records(&e, &part, 16384);
		check_tls(&e, "b.example.org");
	}
}

static void tls_without_a_usable_name_is_no(void **state)
{
	static const char *const name[] = { NULL, "a.", "a b", "" };
	struct sniffed s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
		struct enc hello = { .n = 0 }, e = { .n = 0 };

		enc_hello(&hello, name[i], 0);
		records(&e, &hello, 16384);
		assert_int_equal(sniff_copy(e.b, e.n, &s), SNIFF_NO);
	}
}

static void other_records_and_messages_are_no_at_once(void **state)
{
	static const struct {
		const char *hex;
		enum verdict is;
	} v[] = {
		{ "16", SNIFF_MORE },
		{ "17", SNIFF_NO },
		{ "1602", SNIFF_NO },
		{ "160301", SNIFF_MORE },
		{ "1603010000", SNIFF_NO },
		{ "1603014001", SNIFF_NO },
		{ "1603014000", SNIFF_MORE },
		{ "160301000401", SNIFF_MORE },
		{ "160301000402", SNIFF_NO },
		{ "1603010004010100010000", SNIFF_NO }, /* 64 KiB and more */
		{ "1603010004010000170303", SNIFF_NO }, /* foreign record */
		{ "1603010006010000100203", SNIFF_NO }, /* version 02xx */
	};
	uint8_t in[32];
	struct sniffed s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		size_t n = hex_get(v[i].hex, in, sizeof(in));

		if (sniff_copy(in, n, &s) != v[i].is)
			fail_msg("%s", v[i].hex);
	}
}

/* Each byte set to each of some values: no crash, no name that was not sent */
static void a_damaged_hello_does_no_harm(void **state)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
	struct enc hello = { .n = 0 }, e = { .n = 0 };
	struct sniffed s;

	(void)state;
	enc_hello(&hello, "c.example.org", 0);
	records(&e, &hello, 90);
	for (size_t i = 0; i < e.n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(values); k++) {
			struct enc bad = e;

			bad.b[i] = values[k];
			if (sniff_copy(bad.b, bad.n, &s) == SNIFF_YES)
				assert_int_equal(s.domain[s.len], 0);
		}
}

static void bittorrent_handshakes_are_found(void **state)
{
	static const char hello[] = "\x13"
				    "BitTorrent protocol";
	struct sniffed s = { 0 };
	enum verdict is;

	(void)state;
	assert_int_equal(final_at(hello, 20, &s, &is), 20);
	assert_int_equal(is, SNIFF_YES);
	assert_int_equal(s.proto, SNIFF_BITTORRENT);
	assert_int_equal(s.len, 0);
	assert_int_equal(sniff_copy("\x13"
				    "Bitt0",
				    6, &s),
			 SNIFF_NO);
}

static enum verdict one_dgram(const char *hex, size_t n, struct sniffed *out)
{
	uint8_t in[64];
	struct iovec v = { in, 0 };
	size_t have = hex_get(hex, in, sizeof(in));

	v.iov_len = n < have ? n : have;
	return sniff_dgrams(&v, 1, out);
}

static void utp_requests_are_found_and_cut_ones_are_not(void **state)
{
	static const char *const yes[] = {
		"4100abcd1234567800000000000000001fff0000",
		"4100abcd1234567800000000000400000001"
		"0000",
		/* extension bits, 8 bytes */
		"4102abcd1234567800000000000400000001"
		"0000"
		"00080000000000000000",
	};
	static const char *const no[] = {
		"4100abcd1234567800000001000400000001"
		"0000", /* difference */
		"4100abcd1234567800000000000400000001"
		"0001", /* ack */
		"4100abcd1234567800000000000400000001"
		"000055", /* payload */
		"4103abcd1234567800000000000400000001"
		"0000"
		"0000",
		"4200abcd1234567800000000000400000001"
		"0000", /* version */
		"0100abcd1234567800000000000400000001"
		"0000", /* data */
	};
	struct sniffed s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		size_t n = strlen(yes[i]) / 2;

		assert_int_equal(one_dgram(yes[i], n, &s), SNIFF_YES);
		assert_int_equal(s.proto, SNIFF_BITTORRENT);
		while (n--)
			assert_int_equal(one_dgram(yes[i], n, &s), SNIFF_NO);
	}
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		assert_int_equal(one_dgram(no[i], 64, &s), SNIFF_NO);
	assert_int_equal(sniff_dgrams(NULL, 0, &s), SNIFF_MORE);
}

static struct sniffed found(enum sniff_proto proto, const char *name)
{
	struct sniffed s = { .proto = (uint8_t)proto,
			     .len = (uint8_t)strlen(name) };

	strcpy(s.domain, name);
	return s;
}

static void what_goes_to_excluded_ports_is_not_read(void **state)
{
	struct sniffing sn = { .enabled = true,
			       .port_count = 2,
			       .ports = { { 22, 22 }, { 993, 995 } } };

	(void)state;
	assert_false(sniff_reads(&sn, 22));
	assert_true(sniff_reads(&sn, 23));
	assert_true(sniff_reads(&sn, 992));
	assert_false(sniff_reads(&sn, 993));
	assert_false(sniff_reads(&sn, 995));
	assert_true(sniff_reads(&sn, 996));
	sn.metadata_only = true;
	assert_false(sniff_reads(&sn, 443));
}

static void a_name_overrides_only_when_its_protocol_is_listed(void **state)
{
	static const uint8_t bit[] = {
		[SNIFF_HTTP1] = OVERRIDE_HTTP,      [SNIFF_TLS] = OVERRIDE_TLS,
		[SNIFF_QUIC] = OVERRIDE_QUIC,       [SNIFF_BITTORRENT] = 0,
		[SNIFF_FAKEDNS] = OVERRIDE_FAKEDNS,
	};
	struct addr a = addr_v4("\x01\x02\x03\x04", 443);

	(void)state;
	for (unsigned int bits = 0; bits < 16; bits++)
		for (int p = SNIFF_HTTP1; p <= SNIFF_FAKEDNS; p++) {
			struct sniffing sn = { .enabled = true,
					       .override = (uint8_t)bits };
			struct sniffed s = found((enum sniff_proto)p, "a.b");
			bool listed = (bits & bit[p]) != 0;
			bool lost_fake = bits & OVERRIDE_FAKEDNS &&
					 p != SNIFF_BITTORRENT;

			assert_int_equal(sniff_overrides(&sn, &s, &a, false),
					 listed);
			assert_int_equal(sniff_overrides(&sn, &s, &a, true),
					 listed || lost_fake);
			s.len = 0;
			assert_false(sniff_overrides(&sn, &s, &a, true));
		}
}

static void excluded_names_and_addresses_do_not_override(void **state)
{
	struct sniffing sn = { .enabled = true, .override = OVERRIDE_TLS };
	struct addr a = addr_v4("\x0a\x01\x01\x01", 443);
	struct addr b = addr_v4("\x0b\x01\x01\x01", 443);
	struct sniffed s = found(SNIFF_TLS, "www.courier.push.apple.com");
	char err[128];

	(void)state;
	sn.excluded = dommap_new();
	sn.ips_excluded = ipset_new();
	assert_int_equal(dommap_add(sn.excluded, "push.apple",
				    DOM_PLAIN_SUBSTRING, 0, err),
			 0);
	assert_int_equal(dommap_seal(sn.excluded), 0);
	assert_int_equal(ipset_add(sn.ips_excluded, "10.0.0.0/8", err), 0);
	assert_int_equal(ipset_seal(sn.ips_excluded), 0);
	assert_false(sniff_overrides(&sn, &s, &b, false));
	s = found(SNIFF_TLS, "example.org");
	assert_true(sniff_overrides(&sn, &s, &b, false));
	assert_false(sniff_overrides(&sn, &s, &a, false));
	dommap_free(sn.excluded);
	ipset_free(sn.ips_excluded);
}

static void names_are_those_of_the_rules(void **state)
{
	(void)state;
	assert_string_equal(sniff_name(SNIFF_NONE), "");
	assert_string_equal(sniff_name(SNIFF_HTTP1), "http1");
	assert_string_equal(sniff_name(SNIFF_TLS), "tls");
	assert_string_equal(sniff_name(SNIFF_QUIC), "quic");
	assert_string_equal(sniff_name(SNIFF_BITTORRENT), "bittorrent");
	assert_string_equal(sniff_name(SNIFF_FAKEDNS), "fakedns");
	assert_true(sniff_server_first(22));
	assert_true(sniff_server_first(25));
	assert_true(sniff_server_first(3306));
	assert_false(sniff_server_first(443));
	assert_false(sniff_server_first(80));
	assert_false(sniff_server_first(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(http_host_is_found),
		cmocka_unit_test(
			http_hosts_that_are_no_domain_leave_only_the_protocol),
		cmocka_unit_test(http_name_waits_for_the_end_of_its_line),
		cmocka_unit_test(
			http_without_host_and_what_only_looks_like_it_is_no),
		cmocka_unit_test(the_first_byte_decides_for_most),
		cmocka_unit_test(no_verdict_is_open_at_16_kib),
		cmocka_unit_test(published_hellos_give_their_names),
		cmocka_unit_test(
			a_hello_cut_at_every_byte_is_found_with_its_name),
		cmocka_unit_test(a_hello_in_records_of_any_size_is_found),
		cmocka_unit_test(
			a_hello_in_two_records_split_anywhere_is_found),
		cmocka_unit_test(tls_without_a_usable_name_is_no),
		cmocka_unit_test(other_records_and_messages_are_no_at_once),
		cmocka_unit_test(a_damaged_hello_does_no_harm),
		cmocka_unit_test(bittorrent_handshakes_are_found),
		cmocka_unit_test(utp_requests_are_found_and_cut_ones_are_not),
		cmocka_unit_test(what_goes_to_excluded_ports_is_not_read),
		cmocka_unit_test(
			a_name_overrides_only_when_its_protocol_is_listed),
		cmocka_unit_test(excluded_names_and_addresses_do_not_override),
		cmocka_unit_test(names_are_those_of_the_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
