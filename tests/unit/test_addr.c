/* test_addr.c - Literals, text, sockaddr, prefixes and host names */
#include "tests/unit/cm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "gateway/base/addr.h"
#include "gateway/base/arena.h"

static struct addr ip(const char *text, uint16_t port)
{
	struct addr a = { .port = port };

	assert_int_equal(addr_parse_ip(&a, text), 0);
	return a;
}

static void literals_are_read_and_written_back(void **state)
{
	static const struct {
		const char *in, *out, *host;
	} v[] = {
		{ "1.2.3.4", "1.2.3.4:80", "1.2.3.4" },
		{ "255.255.255.255", "255.255.255.255:80", "255.255.255.255" },
		{ "::1", "[::1]:80", "::1" },
		{ "2001:DB8::0:1", "[2001:db8::1]:80", "2001:db8::1" },
		{ "::ffff:10.0.0.1", "10.0.0.1:80", "10.0.0.1" },
	};
	char buf[ADDR_TEXT_MAX];
	struct addr a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		a = ip(v[i].in, 80);
		assert_string_equal(addr_format(&a, buf, sizeof(buf)),
				    v[i].out);
		assert_string_equal(addr_format_host(&a, buf, sizeof(buf)),
				    v[i].host);
		assert_true(addr_is_ip(&a));
	}
}

static void what_is_no_literal_is_refused_and_changes_nothing(void **state)
{
	static const char *const bad[] = {
		"",           "1.2.3",   "1.2.3.4.5",    "1.2.3.256",
		"01.2.3.4",   "a.b.c.d", "::g",          ":::",
		"1::2::3",    "[::1]",   "fe80::1%eth0", "1.2.3.4 ",
		"1.2.3.4:80", "12345::",
	};
	struct addr a = { .kind = ADDR_NONE, .port = 7 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(addr_parse_ip(&a, bad[i]), -EINVAL);
	assert_int_equal(a.kind, ADDR_NONE);
	assert_int_equal(a.port, 7);
}

static void names_of_255_bytes_fit_and_longer_ones_are_none(void **state)
{
	char name[300], buf[ADDR_TEXT_MAX];
	struct addr a;

	(void)state;
	memset(name, 'a', sizeof(name));
	name[255] = '\0';
	a = addr_name(name, 255, 65535);
	assert_int_equal(a.kind, ADDR_NAME);
	assert_int_equal(strlen(addr_format(&a, buf, sizeof(buf))), 255 + 6);
	assert_string_equal(buf + 255, ":65535");
	assert_int_equal(addr_name(name, 256, 1).kind, ADDR_NONE);
	assert_int_equal(addr_name(name, 0, 1).kind, ADDR_NONE);
	assert_int_equal(addr_ip_len(&a), 0);
}

static void format_cuts_at_the_size_and_terminates(void **state)
{
	struct addr a = ip("192.168.100.200", 12345);
	char buf[8];

	(void)state;
	memset(buf, 'x', sizeof(buf));
	addr_format(&a, buf, sizeof(buf));
	assert_string_equal(buf, "192.168");
}

static void equality_looks_at_kind_host_and_port(void **state)
{
	struct addr a = ip("1.2.3.4", 80), b = ip("1.2.3.4", 81);
	struct addr c = ip("::ffff:1.2.3.4", 80), v6 = ip("102:304::", 80);
	struct addr n = addr_name("abc", 3, 80), m = addr_name("abcd", 4, 80);
	char copy[] = "abc";
	struct addr n2 = addr_name(copy, 3, 80);

	(void)state;
	assert_true(addr_eq(&a, &c));
	assert_false(addr_eq(&a, &b));
	assert_true(addr_eq_host(&a, &b));
	assert_false(addr_eq_host(&a, &v6));
	assert_true(addr_eq(&n, &n2));
	assert_false(addr_eq(&n, &m));
	assert_int_equal(addr_hash(&n, 9), addr_hash(&n2, 9));
	assert_int_equal(addr_hash(&a, 9), addr_hash(&c, 9));
	assert_true(addr_hash(&a, 9) != addr_hash(&b, 9));
	assert_true(addr_hash(&a, 9) != addr_hash(&a, 10));
}

static void hash_of_neighbours_spreads_over_a_table(void **state)
{
	unsigned int slot[256] = { 0 }, most = 0;
	uint8_t b[4] = { 10, 0, 0, 0 };

	(void)state;
	for (unsigned int i = 0; i < 65536; i++) {
		struct addr a;

		b[2] = (uint8_t)(i >> 8);
		b[3] = (uint8_t)i;
		a = addr_v4(b, 443);
		slot[addr_hash(&a, 1234567) & 255]++;
	}
	for (unsigned int i = 0; i < 256; i++)
		most = slot[i] > most ? slot[i] : most;
	assert_in_range(most, 256, 256 + 5 * 16); /* 5 sigma */
}

static void sockaddr_and_back(void **state)
{
	struct addr v4 = ip("1.2.3.4", 80), v6 = ip("2001:db8::7", 443), back;
	struct addr name = addr_name("x", 1, 1);
	struct sockaddr_storage ss;
	struct sockaddr_in6 in6;

	(void)state;
	assert_int_equal(addr_to_sockaddr(&v4, AF_INET, &ss),
			 sizeof(struct sockaddr_in));
	back = addr_from_sockaddr(&ss);
	assert_true(addr_eq(&v4, &back));
	assert_int_equal(addr_to_sockaddr(&v4, AF_INET6, &ss),
			 sizeof(struct sockaddr_in6));
	memcpy(&in6, &ss, sizeof(in6));
	assert_true(IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr));
	back = addr_from_sockaddr(&ss);
	assert_true(addr_eq(&v4, &back));
	assert_int_equal(addr_to_sockaddr(&v6, AF_UNSPEC, &ss),
			 sizeof(struct sockaddr_in6));
	back = addr_from_sockaddr(&ss);
	assert_true(addr_eq(&v6, &back));
	assert_int_equal(back.scope, 0);
	assert_int_equal(addr_to_sockaddr(&v6, AF_INET, &ss), 0);
	assert_int_equal(addr_to_sockaddr(&name, AF_INET, &ss), 0);
	ss.ss_family = AF_UNIX;
	assert_int_equal(addr_from_sockaddr(&ss).kind, ADDR_NONE);
}

static void a_link_local_address_keeps_its_interface(void **state)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_scope_id = 7 };
	struct sockaddr_storage ss = { 0 };
	struct addr a, other;

	(void)state;
	inet_pton(AF_INET6, "fe80::1", &in6.sin6_addr);
	memcpy(&ss, &in6, sizeof(in6));
	a = addr_from_sockaddr(&ss);
	assert_int_equal(a.scope, 7);
	other = ip("fe80::1", 0);
	assert_true(addr_eq(&a, &other)); /* one host all the same */
	memset(&in6, 0, sizeof(in6));
	assert_int_equal(addr_to_sockaddr(&a, AF_INET6, &ss), sizeof(in6));
	memcpy(&in6, &ss, sizeof(in6));
	assert_int_equal(in6.sin6_scope_id, 7);

	/* what the kernel says with other addresses is not the address's */
	inet_pton(AF_INET6, "2001:db8::1", &in6.sin6_addr);
	memcpy(&ss, &in6, sizeof(in6));
	assert_int_equal(addr_from_sockaddr(&ss).scope, 0);
}

static void martians_and_private_ranges(void **state)
{
	static const struct {
		const char *ip;
		bool martian, private;
	} v[] = {
		{ "0.0.0.0", true, true },
		{ "127.255.0.1", true, true },
		{ "224.0.0.251", true, true },
		{ "255.255.255.255", true, true },
		{ "::", true, true },
		{ "::1", true, true },
		{ "ff02::fb", true, true },
		{ "::2", false, false },
		{ "10.1.2.3", false, true },
		{ "100.63.255.255", false, false },
		{ "100.64.0.0", false, true },
		{ "100.127.255.255", false, true },
		{ "100.128.0.0", false, false },
		{ "169.254.1.1", false, true },
		{ "172.15.255.255", false, false },
		{ "172.31.255.255", false, true },
		{ "172.32.0.0", false, false },
		{ "192.168.1.1", false, true },
		{ "192.169.1.1", false, false },
		{ "198.19.255.255", false, true },
		{ "198.20.0.0", false, false },
		{ "223.255.255.255", false, false },
		{ "240.0.0.1", false, true },
		{ "8.8.8.8", false, false },
		{ "fd00::1", false, true },
		{ "febf::1", false, true },
		{ "fec0::1", false, false },
		{ "2606:4700::1", false, false },
		{ "::ffff:192.168.1.1", false, true },
	};
	struct addr a, name = addr_name("localhost", 9, 0);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		a = ip(v[i].ip, 0);
		if (addr_is_martian(&a) != v[i].martian ||
		    addr_is_private(&a) != v[i].private)
			fail_msg("%s", v[i].ip);
	}
	assert_false(addr_is_private(&name));
	assert_false(addr_is_martian(&name));
}

static void prefixes_are_read_and_host_bits_are_zeroed(void **state)
{
	static const struct {
		const char *in, *out;
	} v[] = {
		{ "10.1.2.3/8", "10.0.0.0/8" },
		{ "10.1.2.3", "10.1.2.3/32" },
		{ "1.2.3.255/25", "1.2.3.128/25" },
		{ "1.2.3.4/0", "0.0.0.0/0" },
		{ "2001:db8:ffff::1/33", "2001:db8:8000::/33" },
		{ "::1", "::1/128" },
		{ "::/0", "::/0" },
		{ "::ffff:10.0.0.0/104", "10.0.0.0/8" },
		{ "::ffff:10.0.0.0/95", "::fffe:0:0/95" },
	};
	char buf[64];
	struct cidr c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		assert_int_equal(cidr_parse(&c, v[i].in), 0);
		assert_string_equal(cidr_format(&c, buf, sizeof(buf)),
				    v[i].out);
	}
}

static void bad_prefixes_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		"/8",
		"10.0.0.0/",
		"10.0.0.0/33",
		"::/129",
		"10.0.0.0/-1",
		"10.0.0.0/8 ",
		"10.0.0.0/0008",
		"10.0.0/8",
		"::1/64/2",
		"name/8",
		"10.0.0.0/+8",
		"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/8",
	};
	struct cidr c = { .kind = 77 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(cidr_parse(&c, bad[i]), -EINVAL);
	assert_int_equal(c.kind, 77);
}

static void prefix_has_its_first_and_last_address_only(void **state)
{
	struct addr in1 = ip("100.64.0.0", 0), in2 = ip("100.127.255.255", 0);
	struct addr out1 = ip("100.63.255.255", 0), out2 = ip("100.128.0.0", 0);
	struct addr six = ip("6440::", 0), name = addr_name("a", 1, 0);
	struct cidr c, all;

	(void)state;
	assert_int_equal(cidr_parse(&c, "100.64.0.0/10"), 0);
	assert_true(cidr_has(&c, &in1));
	assert_true(cidr_has(&c, &in2));
	assert_false(cidr_has(&c, &out1));
	assert_false(cidr_has(&c, &out2));
	assert_false(cidr_has(&c, &six));
	assert_int_equal(cidr_parse(&all, "0.0.0.0/0"), 0);
	assert_true(cidr_has(&all, &out1));
	assert_false(cidr_has(&all, &six));
	assert_false(cidr_has(&all, &name));
}

static void names_are_cleaned(void **state)
{
	char out[256], longest[258];

	(void)state;
	assert_int_equal(addr_clean_name("WWW.Example_1.COM.", 18, out), 17);
	assert_string_equal(out, "www.example_1.com");
	assert_int_equal(addr_clean_name("a", 1, out), 1);
	assert_int_equal(addr_clean_name("abcdef", 3, out), 3);
	assert_string_equal(out, "abc");
	memset(longest, 'a', sizeof(longest));
	assert_int_equal(addr_clean_name(longest, 255, out), 255);
	assert_int_equal(strlen(out), 255);
	assert_int_equal(addr_clean_name(longest, 256, out), -EINVAL);
	longest[255] = '.';
	assert_int_equal(addr_clean_name(longest, 256, out), 255);
}

static void bad_names_are_refused_and_change_nothing(void **state)
{
	static const struct {
		const char *s;
		size_t n;
	} bad[] = {
		{ "", 0 },         { ".", 1 },    { "..", 2 },    { "a..b", 4 },
		{ ".a", 2 },       { "a..", 3 },  { "a b", 3 },   { "a\0b", 3 },
		{ "a/b", 3 },      { "a:80", 4 }, { "[::1]", 5 }, { "a\n", 2 },
		{ "\xc3\xa4", 2 }, { "a@b", 3 },
	};
	char out[256] = "kept";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(addr_clean_name(bad[i].s, bad[i].n, out),
				 -EINVAL);
	assert_string_equal(out, "kept");
}

static void hosts_are_addresses_or_names_that_are_kept(void **state)
{
	static const struct {
		const char *text;
		enum addr_kind kind;
		const char *want;
	} good[] = {
		{ "192.0.2.1", ADDR_V4, "192.0.2.1" },
		{ "[192.0.2.1]", ADDR_V4, "192.0.2.1" },
		{ "2001:db8::1", ADDR_V6, "2001:db8::1" },
		{ "[2001:db8::1]", ADDR_V6, "2001:db8::1" },
		{ "A.Example.", ADDR_NAME, "a.example" },
	};
	static const char *const bad[] = { "",     "[]",   "[",
					   "[::1", "::1]", "a..b",
					   "a b",  "a:b",  "1.2.3.4:5" };
	char text[300], longest[ADDR_NAME_MAX + 2];
	struct arena mem = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct addr a = { .port = 9 };
		size_t n = strlen(good[i].text);

		memcpy(text, good[i].text, n);
		text[n] = '9'; /* behind @n: not looked at */
		assert_int_equal(addr_parse_host(&a, text, n, &mem), 0);
		memset(text, 'x', n);
		assert_int_equal(a.kind, good[i].kind);
		assert_int_equal(a.port, 9);
		a.port = 0;
		assert_string_equal(addr_format_host(&a, text, sizeof(text)),
				    good[i].want);
	}
	memset(longest, 'a', sizeof(longest));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct addr a = { .port = 9 };

		assert_int_equal(
			addr_parse_host(&a, bad[i], strlen(bad[i]), &mem),
			-EINVAL);
		assert_int_equal(a.kind, ADDR_NONE);
		assert_int_equal(
			addr_parse_host(&a, longest, sizeof(longest), &mem),
			-EINVAL);
	}
	arena_free(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals_are_read_and_written_back),
		cmocka_unit_test(
			what_is_no_literal_is_refused_and_changes_nothing),
		cmocka_unit_test(
			names_of_255_bytes_fit_and_longer_ones_are_none),
		cmocka_unit_test(format_cuts_at_the_size_and_terminates),
		cmocka_unit_test(equality_looks_at_kind_host_and_port),
		cmocka_unit_test(hash_of_neighbours_spreads_over_a_table),
		cmocka_unit_test(sockaddr_and_back),
		cmocka_unit_test(a_link_local_address_keeps_its_interface),
		cmocka_unit_test(martians_and_private_ranges),
		cmocka_unit_test(prefixes_are_read_and_host_bits_are_zeroed),
		cmocka_unit_test(bad_prefixes_are_refused),
		cmocka_unit_test(prefix_has_its_first_and_last_address_only),
		cmocka_unit_test(names_are_cleaned),
		cmocka_unit_test(hosts_are_addresses_or_names_that_are_kept),
		cmocka_unit_test(bad_names_are_refused_and_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
