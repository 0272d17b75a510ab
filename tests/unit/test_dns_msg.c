/* test_dns_msg.c - DNS messages: names, questions, answers, what is broken */
#include "tests/unit/cm.h"

#include <errno.h>
#include <string.h>

#include "proxy/wire/dns_msg.h"

/* A response being written by hand */
struct msg {
	uint8_t b[4096];
	size_t n;
};

static void put(struct msg *m, const void *p, size_t n)
{
	memcpy(m->b + m->n, p, n);
	m->n += n;
}

static void put16(struct msg *m, unsigned int v)
{
	put_be16(m->b + m->n, (uint16_t)v);
	m->n += 2;
}

static void put_name(struct msg *m, const char *name)
{
	m->n += (size_t)dns_name_encode(name, m->b + m->n, sizeof(m->b) - m->n);
}

static void head(struct msg *m, unsigned int flags, unsigned int qd,
		 unsigned int an, unsigned int ns)
{
	m->n = 0;
	put16(m, 0x1234);
	put16(m, flags);
	put16(m, qd);
	put16(m, an);
	put16(m, ns);
	put16(m, 0);
}

static void question(struct msg *m, const char *name, unsigned int type)
{
	put_name(m, name);
	put16(m, type);
	put16(m, 1);
}

static void record(struct msg *m, const char *name, unsigned int type,
		   uint32_t ttl, const void *data, unsigned int len)
{
	put_name(m, name);
	put16(m, type);
	put16(m, 1);
	put16(m, ttl >> 16);
	put16(m, ttl & 0xffff);
	put16(m, len);
	put(m, data, len);
}

static void name_round_trip(void **state)
{
	static const char *const names[] = {
		"",
		"a",
		"www.example.com",
		"_sip._tcp.x-y.example",
	};
	char back[256];
	uint8_t wire[300];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ssize_t n = dns_name_encode(names[i], wire, sizeof(wire));
		size_t off = 0;
		bool odd = true;

		assert_true(n > 0);
		assert_int_equal(
			dns_name_decode(wire, (size_t)n, &off, back, &odd),
			strlen(names[i]));
		assert_string_equal(back, names[i]);
		assert_int_equal(off, n);
		assert_false(odd);
	}
}

static void name_is_lowered_and_oddities_are_told(void **state)
{
	static const uint8_t upper[] = "\3WwW\2eX";
	static const uint8_t dot[] = "\3a.b";
	static const uint8_t ctrl[] = "\2a\n";
	char back[256];
	size_t off = 0;
	bool odd;

	(void)state;
	assert_int_equal(
		dns_name_decode(upper, sizeof(upper), &off, back, &odd), 6);
	assert_string_equal(back, "www.ex");
	assert_false(odd);
	off = 0;
	assert_int_equal(dns_name_decode(dot, sizeof(dot), &off, back, &odd),
			 3);
	assert_string_equal(back, "a?b");
	assert_true(odd);
	off = 0;
	assert_int_equal(dns_name_decode(ctrl, sizeof(ctrl), &off, back, &odd),
			 2);
	assert_true(odd);
}

static void name_limits_hold(void **state)
{
	char name[300], back[256];
	uint8_t wire[300];
	size_t off = 0;
	ssize_t n;
	int i;

	(void)state;
	for (i = 0; i < 253; i++) /* 63.63.63.61: 253 characters, 255 bytes */
		name[i] = i % 64 == 63 ? '.' : 'a';
	name[253] = '\0';
	n = dns_name_encode(name, wire, sizeof(wire));
	assert_int_equal(n, 255);
	assert_int_equal(dns_name_decode(wire, 255, &off, back, NULL), 253);
	name[253] = 'a';
	name[254] = '\0';
	assert_int_equal(dns_name_encode(name, wire, sizeof(wire)), -EINVAL);
	wire[254] = 1; /* one label more than fits */
	wire[255] = 'a';
	wire[256] = 0;
	off = 0;
	assert_int_equal(dns_name_decode(wire, 257, &off, back, NULL), -EPROTO);
	assert_int_equal(dns_name_encode("a..b", wire, sizeof(wire)), -EINVAL);
	assert_int_equal(dns_name_encode(".", wire, sizeof(wire)), -EINVAL);
	assert_int_equal(dns_name_encode("a.b", wire, 4), -ENOBUFS);
}

static void pointers_go_backwards_only(void **state)
{
	static const uint8_t self[] = { 0xc0, 0x00 };
	static const uint8_t ahead[] = { 0xc0, 0x02, 1, 'a', 0 };
	static const uint8_t pair[] = { 0xc0, 0x02, 0xc0, 0x00 };
	static const uint8_t label_loop[] = { 1, 'a', 0xc0, 0x00 };
	static const uint8_t bad_bits[] = { 0x40, 0x00 };
	char back[256];
	uint8_t chain[64];
	size_t off = 0;
	int i;

	(void)state;
	assert_int_equal(dns_name_decode(self, 2, &off, back, NULL), -EPROTO);
	assert_int_equal(dns_name_decode(ahead, 5, &off, back, NULL), -EPROTO);
	off = 2;
	assert_int_equal(dns_name_decode(pair, 4, &off, back, NULL), -EPROTO);
	off = 0;
	assert_int_equal(dns_name_decode(label_loop, 4, &off, back, NULL),
			 -EPROTO);
	assert_int_equal(dns_name_decode(bad_bits, 2, &off, back, NULL),
			 -EPROTO);
	chain[0] = 0; /* the root, then pointers each to the one before */
	for (i = 0; i < 20; i++) {
		chain[1 + 2 * i] = 0xc0;
		chain[2 + 2 * i] = i ? (uint8_t)(2 * i - 1) : 0;
	}
	off = 1 + 2 * 15;
	assert_int_equal(dns_name_decode(chain, 64, &off, back, NULL), 0);
	off = 1 + 2 * 16;
	assert_int_equal(dns_name_decode(chain, 64, &off, back, NULL), -EPROTO);
}

static void question_is_read(void **state)
{
	struct dns_question q;
	uint8_t b[DNS_QUERY_MAX];
	ssize_t n = dns_query_encode(b, sizeof(b), 77, "example.com",
				     DNS_T_AAAA, 1232, NULL);

	(void)state;
	assert_true(n > 0);
	assert_int_equal(dns_question_decode(b, (size_t)n, &q), 0);
	assert_int_equal(q.id, 77);
	assert_string_equal(q.name, "example.com");
	assert_int_equal(q.name_len, 11);
	assert_int_equal(q.type, DNS_T_AAAA);
	assert_int_equal(q.klass, 1);
	assert_true(q.edns);
	assert_int_equal(q.udp_size, 1232);
	assert_int_equal(q.end, 12 + 13 + 4);
	for (size_t i = 0; i < (size_t)n; i++)
		assert_int_equal(dns_question_decode(b, i, &q),
				 i < 12 ? -EBADMSG : -EPROTO);
}

static void client_subnet_is_sent(void **state)
{
	struct cidr c = { .kind = ADDR_V4, .bits = 24, .ip = { 192, 0, 2 } };
	static const uint8_t want[] = { 0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2 };
	uint8_t b[DNS_QUERY_MAX];
	ssize_t n = dns_query_encode(b, sizeof(b), 1, "a.b", 1, 1232, &c);

	(void)state;
	assert_true(n > (ssize_t)sizeof(want));
	assert_memory_equal(b + n - sizeof(want), want, sizeof(want));
}

static void broken_questions_are_told_apart(void **state)
{
	struct dns_question q;
	struct msg m;

	(void)state;
	head(&m, DNS_F_QR | DNS_F_RD, 1, 0, 0);
	question(&m, "a.b", 1);
	assert_int_equal(dns_question_decode(m.b, m.n, &q), -EBADMSG);
	head(&m, 0x2800, 1, 0, 0); /* update */
	question(&m, "a.b", 1);
	assert_int_equal(dns_question_decode(m.b, m.n, &q), -EOPNOTSUPP);
	assert_int_equal(q.end, DNS_HEAD_BYTES);
	head(&m, DNS_F_RD, 0, 0, 0);
	assert_int_equal(dns_question_decode(m.b, m.n, &q), -EPROTO);
	head(&m, DNS_F_RD, 1000, 0, 0);
	question(&m, "a.b", 1);
	assert_int_equal(dns_question_decode(m.b, m.n, &q), -EPROTO);
	assert_int_equal(q.id, 0x1234);
	head(&m, DNS_F_RD, 1, 65535, 0); /* records that are not there */
	question(&m, "a.b", 1);
	assert_int_equal(dns_question_decode(m.b, m.n, &q), -EPROTO);
}

static void answers_are_read_through_cnames(void **state)
{
	static const uint8_t ip1[] = { 192, 0, 2, 1 }, ip2[] = { 192, 0, 2, 2 };
	struct dns_found f;
	uint8_t alias[64];
	struct msg m;
	ssize_t n = dns_name_encode("cdn.example.net", alias, sizeof(alias));

	(void)state;
	head(&m, DNS_F_QR | DNS_F_RD, 1, 4, 0);
	question(&m, "www.example.com", 1);
	/* out of order, with a record of somebody else */
	record(&m, "cdn.example.net", 1, 30, ip1, 4);
	record(&m, "www.example.com", 5, 20, alias, (unsigned int)n);
	record(&m, "cdn.example.net", 1, 40, ip2, 4);
	record(&m, "evil.example", 1, 1, "\6\6\6\6", 4);
	assert_int_equal(dns_found_decode(m.b, m.n, "www.example.com", 1, &f),
			 0);
	assert_int_equal(f.count, 2);
	assert_memory_equal(f.ips[0].ip, ip1, 4);
	assert_memory_equal(f.ips[1].ip, ip2, 4);
	assert_int_equal(f.ttl, 20);
	for (size_t i = 0; i < m.n; i++)
		assert_int_equal(
			dns_found_decode(m.b, i, "www.example.com", 1, &f),
			-EPROTO);
}

static void a_circle_of_cnames_ends(void **state)
{
	struct dns_found f;
	uint8_t a[64], b[64];
	struct msg m;
	ssize_t na = dns_name_encode("a.x", a, sizeof(a));
	ssize_t nb = dns_name_encode("b.x", b, sizeof(b));

	(void)state;
	head(&m, DNS_F_QR, 1, 2, 0);
	question(&m, "a.x", 1);
	record(&m, "a.x", 5, 9, b, (unsigned int)nb);
	record(&m, "b.x", 5, 9, a, (unsigned int)na);
	assert_int_equal(dns_found_decode(m.b, m.n, "a.x", 1, &f), 0);
	assert_int_equal(f.count, 0);
}

static void another_question_is_refused(void **state)
{
	struct dns_found f;
	struct msg m;

	(void)state;
	head(&m, DNS_F_QR, 1, 0, 0);
	question(&m, "A.X", 1);
	assert_int_equal(dns_found_decode(m.b, m.n, "a.x", 1, &f), 0);
	assert_int_equal(dns_found_decode(m.b, m.n, "a.y", 1, &f), -EPROTO);
	assert_int_equal(dns_found_decode(m.b, m.n, "a.x", 28, &f), -EPROTO);
	head(&m, 0, 1, 0, 0); /* not a response */
	question(&m, "a.x", 1);
	assert_int_equal(dns_found_decode(m.b, m.n, "a.x", 1, &f), -EPROTO);
}

static void negative_answers_have_the_soa_time(void **state)
{
	uint8_t soa[22] = { 0 };
	struct dns_found f;
	struct msg m;

	(void)state;
	put_be32(soa + 18, 60); /* two root names, five numbers */
	head(&m, DNS_F_QR | DNS_NXDOMAIN, 1, 0, 1);
	question(&m, "a.x", 1);
	record(&m, "x", 6, 300, soa, 22);
	assert_int_equal(dns_found_decode(m.b, m.n, "a.x", 1, &f), 0);
	assert_int_equal(f.rcode, DNS_NXDOMAIN);
	assert_int_equal(f.ttl, 60);
}

static void truncation_and_failure_are_told(void **state)
{
	struct dns_found f;
	struct msg m;

	(void)state;
	head(&m, DNS_F_QR | DNS_F_TC, 1, 9, 0);
	question(&m, "a.x", 1);
	assert_int_equal(dns_found_decode(m.b, m.n, "a.x", 1, &f), 0);
	assert_true(f.truncated);
	head(&m, DNS_F_QR | DNS_REFUSED, 1, 0, 0);
	question(&m, "a.x", 1);
	assert_int_equal(dns_found_decode(m.b, m.n, "a.x", 1, &f), 0);
	assert_int_equal(f.rcode, DNS_REFUSED);
}

static void only_a_failure_may_come_without_the_question(void **state)
{
	static const uint8_t codes[] = { DNS_FORMERR, DNS_SERVFAIL, DNS_NOTIMP,
					 DNS_REFUSED };
	struct dns_found f;
	struct msg m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		head(&m, (uint16_t)(DNS_F_QR | codes[i]), 0, 0, 0);
		assert_int_equal(dns_found_decode(m.b, m.n, "a.x", 1, &f), 0);
		assert_int_equal(f.rcode, codes[i]);
		assert_int_equal(f.count, 0);
	}
	head(&m, DNS_F_QR | DNS_NXDOMAIN, 0, 0, 0);
	assert_int_equal(dns_found_decode(m.b, m.n, "a.x", 1, &f), -EPROTO);
	head(&m, DNS_F_QR, 0, 1, 0);
	record(&m, "a.x", 1, 9, "\6\6\6\6", 4);
	assert_int_equal(dns_found_decode(m.b, m.n, "a.x", 1, &f), -EPROTO);
	head(&m, DNS_REFUSED, 0, 0, 0); /* not a response */
	assert_int_equal(dns_found_decode(m.b, m.n, "a.x", 1, &f), -EPROTO);
}

static void replies_echo_and_compress(void **state)
{
	uint8_t b[DNS_QUERY_MAX], out[DNS_REPLY_MAX];
	struct addr ips[2] = { addr_v4("\xc6\x12\0\1", 0),
			       addr_v4("\xc6\x12\0\2", 0) };
	struct dns_reply r = { .ttl = 1, .count = 2, .ips = ips };
	ssize_t n =
		dns_query_encode(b, sizeof(b), 9, "Example.COM", 1, 0, NULL);
	struct dns_question q;
	struct dns_found f;

	(void)state;
	assert_int_equal(dns_question_decode(b, (size_t)n, &q), 0);
	n = dns_reply_encode(&q, b, &r, out, sizeof(out), 512);
	assert_int_equal(n, q.end + 2 * 16);
	assert_memory_equal(out + 13, "Example", 7); /* as it was asked */
	assert_int_equal(get_be16(out + 2),
			 DNS_F_QR | DNS_F_AA | DNS_F_RD | DNS_F_RA);
	assert_int_equal(dns_found_decode(out, (size_t)n, "example.com", 1, &f),
			 0);
	assert_int_equal(f.count, 2);
	assert_int_equal(f.ttl, 1);
	/* does not fit: TC and nothing */
	n = dns_reply_encode(&q, b, &r, out, sizeof(out), q.end + 20u);
	assert_int_equal(n, q.end);
	assert_true(get_be16(out + 2) & DNS_F_TC);
	/* addresses of the other family are left out */
	q.type = DNS_T_AAAA;
	n = dns_reply_encode(&q, b, &r, out, sizeof(out), 512);
	assert_int_equal(get_be16(out + 6), 0);
	assert_false(get_be16(out + 2) & DNS_F_TC);
}

static void formerr_has_no_question(void **state)
{
	struct dns_reply r = { .rcode = DNS_FORMERR };
	struct dns_question q;
	uint8_t out[64];
	struct msg m;

	(void)state;
	head(&m, DNS_F_RD, 7, 0, 0);
	assert_int_equal(dns_question_decode(m.b, m.n, &q), -EPROTO);
	assert_int_equal(dns_reply_encode(&q, m.b, &r, out, sizeof(out), 512),
			 12);
	assert_int_equal(get_be16(out), 0x1234);
	assert_int_equal(get_be16(out + 4), 0);
	assert_int_equal(out[3] & 15, DNS_FORMERR);
}

static void pointer_names_become_addresses(void **state)
{
	static const char v6[] = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
				 "0.0.0.0.0.0.0.0.c.f"
				 ".ip6.arpa";
	struct addr a;
	char text[64];

	(void)state;
	assert_int_equal(dns_arpa_addr("7.2.18.198.in-addr.arpa", &a), 0);
	assert_string_equal(addr_format_host(&a, text, sizeof(text)),
			    "198.18.2.7");
	assert_int_equal(dns_arpa_addr(v6, &a), 0);
	assert_string_equal(addr_format_host(&a, text, sizeof(text)),
			    "fc00::1");
	assert_int_equal(dns_arpa_addr("2.18.198.in-addr.arpa", &a), -EINVAL);
	assert_int_equal(dns_arpa_addr("256.2.18.198.in-addr.arpa", &a),
			 -EINVAL);
	assert_int_equal(dns_arpa_addr("1.2.3.4.5.in-addr.arpa", &a), -EINVAL);
	assert_int_equal(dns_arpa_addr("in-addr.arpa", &a), -EINVAL);
	assert_int_equal(dns_arpa_addr(v6 + 2, &a), -EINVAL);
	assert_int_equal(dns_arpa_addr("", &a), -EINVAL);
}

static void queries_are_filled_up_to_whole_blocks(void **state)
{
	static const struct cidr subnet = { .kind = ADDR_V6, .bits = 96 };
	char name[256] = "";
	struct dns_question q;
	uint8_t m[DNS_PADDED_MAX];
	ssize_t n, was = 0;

	(void)state;
	while (strlen(name) < 250) {
		strcat(name, name[0] ? ".abcde" : "a");
		for (int with = 0; with < 2; with++) {
			was = dns_query_encode(m, DNS_QUERY_MAX, 1, name, 1,
					       1232, with ? &subnet : NULL);
			assert_true(was > 0);
			n = dns_query_pad(m, (size_t)was, sizeof(m),
					  DNS_PAD_BLOCK);
			assert_true(n >= was + 4);
			assert_int_equal(n % DNS_PAD_BLOCK, 0);
			assert_true(n < was + 4 + DNS_PAD_BLOCK);
			assert_int_equal(get_be16(m + was), 12);
			assert_int_equal(get_be16(m + was + 2), n - was - 4);
			/* the record is still one, up to the last byte */
			assert_int_equal(dns_question_decode(m, (size_t)n, &q),
					 0);
			assert_true(q.edns);
			assert_string_equal(q.name, name);
			assert_int_equal(
				dns_question_decode(m, (size_t)n - 1, &q),
				-EPROTO);
		}
	}
	assert_int_equal(dns_query_pad(m, (size_t)was, (size_t)was, 128),
			 -ENOBUFS);
	was = dns_query_encode(m, DNS_QUERY_MAX, 1, "a.b", 1, 0, NULL);
	assert_int_equal(dns_query_pad(m, (size_t)was, sizeof(m), 128), was);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_round_trip),
		cmocka_unit_test(name_is_lowered_and_oddities_are_told),
		cmocka_unit_test(name_limits_hold),
		cmocka_unit_test(pointers_go_backwards_only),
		cmocka_unit_test(question_is_read),
		cmocka_unit_test(client_subnet_is_sent),
		cmocka_unit_test(broken_questions_are_told_apart),
		cmocka_unit_test(answers_are_read_through_cnames),
		cmocka_unit_test(a_circle_of_cnames_ends),
		cmocka_unit_test(another_question_is_refused),
		cmocka_unit_test(negative_answers_have_the_soa_time),
		cmocka_unit_test(truncation_and_failure_are_told),
		cmocka_unit_test(only_a_failure_may_come_without_the_question),
		cmocka_unit_test(replies_echo_and_compress),
		cmocka_unit_test(formerr_has_no_question),
		cmocka_unit_test(pointer_names_become_addresses),
		cmocka_unit_test(queries_are_filled_up_to_whole_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
