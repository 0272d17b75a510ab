/* test_packet.c - What a frame must look like to get behind packet_parse() */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "netstack/packet.h"

enum { TCP = 6, UDP = 17, ICMP = 1, ICMP6 = 58 };

/* A frame under construction; sums are made last */
struct frame {
	_Alignas(8) uint8_t b[2048];
	size_t len, l4;
	uint8_t proto;
	bool v6;
};

static const uint8_t SRC4[4] = { 10, 0, 0, 7 }, DST4[4] = { 203, 0, 113, 9 };
static const uint8_t SRC6[16] = { 0xfd, 1, [15] = 7 };
static const uint8_t DST6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 9 };

static void sum4(struct frame *f)
{
	put_be16(f->b + 10, 0);
	put_be16(f->b + 10, csum_fold(csum_add(0, f->b, (f->b[0] & 15u) * 4)));
}

static void sum_l4(struct frame *f)
{
	size_t at = f->proto == TCP ? 16 : f->proto == UDP ? 6 : 2;
	struct addr s = f->v6 ? addr_v6(f->b + 8, 0) : addr_v4(f->b + 12, 0);
	struct addr d = f->v6 ? addr_v6(f->b + 24, 0) : addr_v4(f->b + 16, 0);
	uint32_t n = (uint32_t)(f->len - f->l4), sum = 0;

	put_be16(f->b + f->l4 + at, 0);
	if (f->proto != ICMP)
		sum = csum_pseudo(&s, &d, f->proto, n);
	put_be16(f->b + f->l4 + at, csum_fold(csum_add(sum, f->b + f->l4, n)));
}

static void finish(struct frame *f)
{
	if (f->v6) {
		put_be16(f->b + 4, (uint16_t)(f->len - 40));
	} else {
		put_be16(f->b + 2, (uint16_t)f->len);
		sum4(f);
	}
	sum_l4(f);
}

static void make(struct frame *f, bool v6, uint8_t proto, size_t payload)
{
	size_t head = proto == TCP ? 20 : 8;

	memset(f, 0, sizeof(*f));
	f->v6 = v6;
	f->proto = proto;
	f->l4 = v6 ? 40 : 20;
	f->len = f->l4 + head + payload;
	if (v6) {
		f->b[0] = 0x60;
		f->b[6] = proto;
		f->b[7] = 64;
		memcpy(f->b + 8, SRC6, 16);
		memcpy(f->b + 24, DST6, 16);
	} else {
		f->b[0] = 0x45;
		f->b[8] = 64;
		f->b[9] = proto;
		memcpy(f->b + 12, SRC4, 4);
		memcpy(f->b + 16, DST4, 4);
	}
	if (proto == TCP || proto == UDP) {
		put_be16(f->b + f->l4, 40000);
		put_be16(f->b + f->l4 + 2, 443);
	}
	if (proto == TCP) {
		f->b[f->l4 + 12] = 0x50;
		f->b[f->l4 + 13] = 0x10;
	}
	if (proto == UDP)
		put_be16(f->b + f->l4 + 4, (uint16_t)(8 + payload));
	if (proto == ICMP || proto == ICMP6)
		f->b[f->l4] = v6 ? 128 : 8;
	for (size_t i = 0; i < payload; i++)
		f->b[f->l4 + head + i] = (uint8_t)(i * 5 + 1);
	finish(f);
}

static const struct vnet NONE;

/* -1 passes, else the drop reason; the bytes must not change */
static int parse(struct frame *f, struct packet *p)
{
	struct frame before = *f;
	enum drop why = DROP_COUNT;
	int r = packet_parse(f->b, f->len, &NONE, p, &why);

	assert_memory_equal(f->b, before.b, sizeof(f->b));
	if (r)
		assert_in_range(why, 0, DROP_COUNT - 1);
	return r ? (int)why : -1;
}

static int verdict(struct frame *f)
{
	struct packet p;

	return parse(f, &p);
}

static void good_packets_pass(void **state)
{
	struct frame f;
	struct packet p;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		make(&f, v6, TCP, 333);
		assert_int_equal(parse(&f, &p), -1);
		assert_int_equal(p.l4, f.l4);
		assert_int_equal(p.len, f.len);
		assert_int_equal(p.proto, TCP);
		assert_int_equal(p.src.port, 40000);
		assert_int_equal(p.dst.port, 443);
		assert_int_equal(p.v6, v6);
		assert_false(p.frag);
		assert_memory_equal(p.dst.ip, v6 ? DST6 : DST4, v6 ? 16 : 4);
		make(&f, v6, UDP, 0);
		assert_int_equal(verdict(&f), -1);
		make(&f, v6, UDP, 1001);
		assert_int_equal(verdict(&f), -1);
		make(&f, v6, v6 ? ICMP6 : ICMP, 56);
		assert_int_equal(verdict(&f), -1);
	}
}

static void every_truncation_is_refused(void **state)
{
	static const uint8_t protos[] = { TCP, UDP, ICMP };
	struct frame f;
	struct packet p;
	enum drop why;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		for (size_t i = 0; i < sizeof(protos); i++) {
			make(&f, v6,
			     v6 && protos[i] == ICMP ? ICMP6 : protos[i], 40);
			for (size_t n = 0; n < f.len; n++)
				assert_int_equal(
					packet_parse(f.b, n, &NONE, &p, &why),
					-1);
		}
	}
}

static void padding_is_cut_off(void **state)
{
	struct frame f;
	struct packet p;

	(void)state;
	make(&f, false, TCP, 3);
	f.len += 9;
	assert_int_equal(parse(&f, &p), -1);
	assert_int_equal(p.len, 43);
	make(&f, true, UDP, 3);
	f.len += 9;
	assert_int_equal(parse(&f, &p), -1);
	assert_int_equal(p.len, 51);
}

static void lying_ip_headers_are_refused(void **state)
{
	struct frame f;

	(void)state;
	make(&f, false, TCP, 10);
	f.b[0] = 0x55;
	assert_int_equal(verdict(&f), DROP_IP_VERSION);
	make(&f, false, TCP, 10);
	f.b[0] = 0x44; /* header shorter than 20 */
	assert_int_equal(verdict(&f), DROP_IP_HEADER);
	make(&f, false, TCP, 10);
	f.b[0] = 0x4f; /* header longer than the packet */
	assert_int_equal(verdict(&f), DROP_IP_HEADER);
	make(&f, false, TCP, 10);
	put_be16(f.b + 2, 19);
	assert_int_equal(verdict(&f), DROP_IP_HEADER);
	make(&f, false, TCP, 10);
	put_be16(f.b + 2, (uint16_t)(f.len + 1));
	assert_int_equal(verdict(&f), DROP_IP_HEADER);
	make(&f, true, TCP, 10);
	put_be16(f.b + 4, (uint16_t)(f.len - 40 + 1));
	assert_int_equal(verdict(&f), DROP_IP_HEADER);
	make(&f, false, TCP, 10);
	f.b[10] ^= 1;
	assert_int_equal(verdict(&f), DROP_IP_CHECKSUM);
}

static void ip_options_are_skipped(void **state)
{
	struct frame f;
	struct packet p;

	(void)state;
	make(&f, false, TCP, 10);
	memmove(f.b + 32, f.b + 20, 30);
	memset(f.b + 20, 1, 12);
	f.b[0] = 0x48;
	f.l4 = 32;
	f.len += 12;
	finish(&f);
	assert_int_equal(parse(&f, &p), -1);
	assert_int_equal(p.l4, 32);
}

static void wrong_sums_are_refused(void **state)
{
	static const struct {
		uint8_t proto;
		enum drop why;
	} c[] = { { TCP, DROP_TCP_CHECKSUM },
		  { UDP, DROP_UDP_CHECKSUM },
		  { ICMP, DROP_ICMP_HEADER } };
	struct vnet ok = { .csum_ok = true },
		    partial = { .csum_partial = true };
	struct frame f;
	struct packet p;
	enum drop why;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
			make(&f, v6,
			     v6 && c[i].proto == ICMP ? ICMP6 : c[i].proto, 21);
			f.b[f.len - 1] ^= 0x40;
			assert_int_equal(verdict(&f), c[i].why);
			/* the kernel vouches, or makes it later */
			assert_int_equal(
				packet_parse(f.b, f.len, &ok, &p, &why), 0);
			assert_int_equal(
				packet_parse(f.b, f.len, &partial, &p, &why),
				0);
		}
	}
}

static void udp_without_sum_is_for_v4_only(void **state)
{
	struct frame f;

	(void)state;
	make(&f, false, UDP, 5);
	put_be16(f.b + f.l4 + 6, 0);
	assert_int_equal(verdict(&f), -1);
	make(&f, true, UDP, 5);
	put_be16(f.b + f.l4 + 6, 0);
	assert_int_equal(verdict(&f), DROP_UDP_CHECKSUM);
}

static void set_addr(struct frame *f, bool dst, const char *text)
{
	struct addr a = { 0 };

	assert_int_equal(addr_parse_ip(&a, text), 0);
	if (f->v6)
		memcpy(f->b + (dst ? 24 : 8), a.ip, 16);
	else
		memcpy(f->b + (dst ? 16 : 12), a.ip, 4);
	finish(f);
}

static void martians_and_land_are_refused(void **state)
{
	static const char *const v4[] = { "127.0.0.1", "0.0.0.0", "224.0.0.1",
					  "239.255.255.250",
					  "255.255.255.255" };
	static const char *const v6[] = { "::", "::1", "ff02::1" };
	struct frame f;

	(void)state;
	for (int dst = 0; dst < 2; dst++) {
		for (size_t i = 0; i < ARRAY_SIZE(v4); i++) {
			make(&f, false, UDP, 9);
			set_addr(&f, dst, v4[i]);
			assert_int_equal(verdict(&f), DROP_IP_MARTIAN);
		}
		for (size_t i = 0; i < ARRAY_SIZE(v6); i++) {
			make(&f, true, TCP, 9);
			set_addr(&f, dst, v6[i]);
			assert_int_equal(verdict(&f), DROP_IP_MARTIAN);
		}
	}
	make(&f, false, TCP, 0);
	set_addr(&f, true, "10.0.0.7"); /* land */
	assert_int_equal(verdict(&f), DROP_IP_MARTIAN);
	make(&f, true, TCP, 0);
	memset(f.b + 24, 0, 10);
	memset(f.b + 34, 0xff, 2); /* v4-mapped */
	finish(&f);
	assert_int_equal(verdict(&f), DROP_IP_MARTIAN);
}

static void tcp_headers_are_checked(void **state)
{
	struct frame f;

	(void)state;
	make(&f, false, TCP, 10);
	f.b[f.l4 + 12] = 0x40;
	finish(&f);
	assert_int_equal(verdict(&f), DROP_TCP_HEADER);
	make(&f, false, TCP, 10);
	f.b[f.l4 + 12] = 0xf0;
	finish(&f);
	assert_int_equal(verdict(&f), DROP_TCP_HEADER);
	for (int at = 0; at < 4; at += 2) { /* port 0 */
		make(&f, false, TCP, 10);
		put_be16(f.b + f.l4 + at, 0);
		finish(&f);
		assert_int_equal(verdict(&f), DROP_TCP_HEADER);
	}
}

static void tcp_flags_of_scanners_are_refused(void **state)
{
	/* null, FIN, Xmas, SYN+FIN, SYN+RST, PSH */
	static const uint8_t bad[] = { 0, 1, 0x29, 3, 6, 8, 0x3f };
	static const uint8_t good[] = { 2,    0x12, 0x10, 0x11,
					0x18, 4,    0x14, 0xc2 /* with ECN */ };
	struct frame f;

	(void)state;
	for (size_t i = 0; i < sizeof(bad); i++) {
		make(&f, false, TCP, 0);
		f.b[f.l4 + 13] = bad[i];
		finish(&f);
		assert_int_equal(verdict(&f), DROP_TCP_HEADER);
	}
	for (size_t i = 0; i < sizeof(good); i++) {
		make(&f, true, TCP, 0);
		f.b[f.l4 + 13] = good[i];
		finish(&f);
		assert_int_equal(verdict(&f), -1);
	}
}

static int options(const uint8_t *o, size_t n)
{
	struct frame f;

	make(&f, false, TCP, 12);
	f.b[f.l4 + 12] = 0x80; /* 12 bytes of options */
	memset(f.b + f.l4 + 20, 1, 12);
	memcpy(f.b + f.l4 + 20, o, n);
	finish(&f);
	return verdict(&f);
}

static void tcp_option_lists_are_walked(void **state)
{
	static const uint8_t last_cut[12] = { [0 ... 10] = 1, [11] = 2 };
	static const uint8_t ends[12] = { 2, 4, 5, 0xb4, 0, 99, 99 };

	(void)state;
	assert_int_equal(options((const uint8_t[]){ 2, 4, 5, 0xb4 }, 4), -1);
	assert_int_equal(options((const uint8_t[]){ 2, 0 }, 2),
			 DROP_TCP_OPTIONS);
	assert_int_equal(options((const uint8_t[]){ 2, 1 }, 2),
			 DROP_TCP_OPTIONS);
	assert_int_equal(options((const uint8_t[]){ 5, 13 }, 2),
			 DROP_TCP_OPTIONS);
	assert_int_equal(options((const uint8_t[]){ 5, 12 }, 2), -1);
	/* lwIP would read the length behind the header */
	assert_int_equal(options(last_cut, 12), DROP_TCP_OPTIONS);
	assert_int_equal(options(ends, 7), -1);
}

static void udp_lengths_are_checked(void **state)
{
	struct frame f;
	struct packet p;

	(void)state;
	make(&f, false, UDP, 10);
	put_be16(f.b + f.l4 + 4, 7);
	assert_int_equal(verdict(&f), DROP_UDP_HEADER);
	make(&f, false, UDP, 10);
	put_be16(f.b + f.l4 + 4, 19);
	assert_int_equal(verdict(&f), DROP_UDP_HEADER);
	make(&f, false, UDP, 10); /* bytes behind the datagram */
	put_be16(f.b + f.l4 + 4, 12);
	put_be16(f.b + f.l4 + 6, 0);
	assert_int_equal(parse(&f, &p), -1);
	assert_int_equal(p.len, 32);
}

static void protocols_and_families_must_fit(void **state)
{
	struct frame f;

	(void)state;
	make(&f, false, ICMP, 10);
	f.b[9] = ICMP6;
	sum4(&f);
	assert_int_equal(verdict(&f), DROP_IP_PROTO);
	make(&f, true, ICMP6, 10);
	f.b[6] = ICMP;
	assert_int_equal(verdict(&f), DROP_IP_PROTO);
	make(&f, false, UDP, 10);
	f.b[9] = 132;
	sum4(&f);
	assert_int_equal(verdict(&f), DROP_IP_PROTO);
}

static void fragments_are_told_apart(void **state)
{
	struct frame f;
	struct packet p;

	(void)state;
	make(&f, false, UDP, 64);
	put_be16(f.b + 4, 777);
	put_be16(f.b + 6, 0x2000);
	sum4(&f);
	assert_int_equal(parse(&f, &p), -1);
	assert_true(p.frag && p.frag_more);
	assert_int_equal(p.frag_offset, 0);
	assert_int_equal(p.frag_id, 777);
	assert_int_equal(p.src.port, 0);
	put_be16(f.b + 6, 5);
	sum4(&f);
	assert_int_equal(parse(&f, &p), -1);
	assert_true(p.frag && !p.frag_more);
	assert_int_equal(p.frag_offset, 40);
	put_be16(f.b + 6, 0x4000); /* don't fragment is no fragment */
	sum4(&f);
	assert_int_equal(parse(&f, &p), -1);
	assert_false(p.frag);
}

/* Insert @n extension headers of 8 bytes, types in @ext */
static void extend(struct frame *f, const uint8_t *ext, size_t n)
{
	make(f, true, TCP, 20);
	memmove(f->b + 40 + n * 8, f->b + 40, f->len - 40);
	memset(f->b + 40, 0, n * 8);
	for (size_t i = 0; i < n; i++)
		f->b[40 + i * 8] = i + 1 < n ? ext[i + 1] : TCP;
	f->b[6] = n ? ext[0] : TCP;
	f->l4 = 40 + n * 8;
	f->len += n * 8;
	finish(f);
}

static void extension_headers_are_walked(void **state)
{
	static const uint8_t ok[] = { 0, 60, 43, 60, 60, 60, 60, 60 };
	static const uint8_t nine[] = { 60, 60, 60, 60, 60, 60, 60, 60, 60 };
	static const uint8_t late[] = { 60, 0 };
	struct frame f;
	struct packet p;

	(void)state;
	extend(&f, ok, 8);
	assert_int_equal(parse(&f, &p), -1);
	assert_int_equal(p.l4, 104);
	extend(&f, nine, 9);
	assert_int_equal(verdict(&f), DROP_IP6_CHAIN);
	extend(&f, late, 2); /* hop-by-hop not in front */
	assert_int_equal(verdict(&f), DROP_IP_PROTO);
	extend(&f, ok, 1);
	f.b[41] = 200; /* longer than the packet */
	assert_int_equal(verdict(&f), DROP_IP6_CHAIN);
	extend(&f, (const uint8_t[]){ 43 }, 1);
	f.b[43] = 3; /* routing header type 0, 3 segments left */
	assert_int_equal(verdict(&f), DROP_IP6_CHAIN);
	extend(&f, (const uint8_t[]){ 44 }, 1); /* atomic fragment */
	assert_int_equal(parse(&f, &p), -1);
	assert_false(p.frag);
	assert_int_equal(p.dst.port, 443);
	extend(&f, (const uint8_t[]){ 44 }, 1);
	put_be16(f.b + 42, 1);
	put_be32(f.b + 44, 0x12345678);
	assert_int_equal(parse(&f, &p), -1);
	assert_true(p.frag && p.frag_more);
	assert_int_equal(p.frag_id, 0x12345678);
	assert_int_equal(p.l4, 48);
	assert_int_equal(p.proto, TCP);
}

static void sums_of_odd_and_long_runs(void **state)
{
	static uint8_t ff[65535];
	uint8_t odd[3] = { 1, 2, 3 };

	(void)state;
	assert_int_equal(csum_add(0, odd, 3), 0x0102 + 0x0300);
	assert_int_equal(csum_fold(0x1ffff), 0xfffe);
	memset(ff, 0xff, sizeof(ff));
	assert_int_equal(csum_fold(csum_add(0, ff, 65534)), 0);
	assert_int_equal(csum_fold(csum_add(0xfffffff0, ff, 4)),
			 csum_fold(0xfff0 + 0xffff));
	/* RFC 1071, section 3 */
	assert_int_equal(
		csum_fold(csum_add(0,
				   (const uint8_t[]){ 0, 1, 0xf2, 3, 0xf4, 0xf5,
						      0xf6, 0xf7 },
				   8)),
		(uint16_t)~0xddf2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_packets_pass),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(padding_is_cut_off),
		cmocka_unit_test(lying_ip_headers_are_refused),
		cmocka_unit_test(ip_options_are_skipped),
		cmocka_unit_test(wrong_sums_are_refused),
		cmocka_unit_test(udp_without_sum_is_for_v4_only),
		cmocka_unit_test(martians_and_land_are_refused),
		cmocka_unit_test(tcp_headers_are_checked),
		cmocka_unit_test(tcp_flags_of_scanners_are_refused),
		cmocka_unit_test(tcp_option_lists_are_walked),
		cmocka_unit_test(udp_lengths_are_checked),
		cmocka_unit_test(protocols_and_families_must_fit),
		cmocka_unit_test(fragments_are_told_apart),
		cmocka_unit_test(extension_headers_are_walked),
		cmocka_unit_test(sums_of_odd_and_long_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
