/* test_icmp.c - Echo, what is not answered, errors built here, their rate */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "netstack/netstack.h"
#include "tests/unit/ip_build.h"

static uint8_t sent[64][2048];
static size_t sent_len[64];
static int sent_count;

int tun_send(struct netstack *ns, const struct vnet *vnet,
	     const struct iovec *iov, int cnt)
{
	int i, k = sent_count++ % 64;

	(void)ns;
	assert_false(vnet->csum_partial);
	sent_len[k] = 0;
	for (i = 0; i < cnt; i++) {
		assert_true(sent_len[k] + iov[i].iov_len <= sizeof(sent[k]));
		memcpy(sent[k] + sent_len[k], iov[i].iov_base, iov[i].iov_len);
		sent_len[k] += iov[i].iov_len;
	}
	return 0;
}

static struct worker w;
static struct netstack ns;
static struct frag_table *reassembly;
static uint8_t frame[BUILD_MAX], l4[9000];

static int set_up(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	wheel_init(&w.wheel, 0);
	w.now_ms = 5000;
	ns = (struct netstack){ .worker = &w, .mtu = 1500, .local_echo = true };
	reassembly = frag_table_new(&w);
	sent_count = 0;
	return reassembly ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	frag_table_free(reassembly);
	return 0;
}

static struct build pair(bool v6)
{
	struct build b = { .proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP };

	b.src = build_addr(v6 ? "fd00::1" : "10.0.0.1", 0);
	b.dst = build_addr(v6 ? "2001:db8::1" : "192.0.2.1", 0);
	return b;
}

/* An ICMP message of @n bytes, checksum included, goes in */
static void input(const struct build *b, uint8_t type, uint8_t code, size_t n)
{
	uint32_t sum =
		b->src.kind == ADDR_V6 ?
			csum_pseudo(&b->src, &b->dst, b->proto, (uint32_t)n) :
			0;
	struct vnet ok = { .csum_ok = true };
	struct packet p;
	enum drop why;

	for (size_t i = 0; i < n; i++)
		l4[i] = (uint8_t)i;
	l4[0] = type;
	l4[1] = code;
	put_be16(l4 + 2, 0);
	put_be16(l4 + 2, csum_fold(csum_add(sum, l4, n)));
	assert_int_equal(
		packet_parse(frame, build_ip(frame, b, l4, n), &ok, &p, &why),
		0);
	icmp_input(&ns, &p);
}

static void echo_is_answered_with_the_same_bytes(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct build b = pair(v6);
		struct packet p;

		sent_count = 0;
		input(&b, v6 ? 128 : 8, 0, 61);
		assert_int_equal(sent_count, 1);
		p = build_parse(sent[0], sent_len[0]); /* checks the sum */
		assert_true(addr_eq(&p.src, &b.dst));
		assert_true(addr_eq(&p.dst, &b.src));
		assert_int_equal(p.data[p.l4], v6 ? 129 : 0);
		assert_int_equal(p.len - p.l4, 61);
		assert_memory_equal(p.data + p.l4 + 4, l4 + 4, 57);
	}
}

static void big_echo_leaves_in_fragments(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct build b = pair(v6);
		struct packet p, whole;
		bool done = false;

		sent_count = 0;
		input(&b, v6 ? 128 : 8, 0, 8008);
		assert_int_equal(sent_count, 6);
		for (int i = 0; i < sent_count; i++) {
			assert_true(sent_len[i] <= 1500);
			p = build_parse(sent[i], sent_len[i]);
			done = frag_input(reassembly, &p, &whole);
		}
		assert_true(done);
		assert_int_equal(whole.len - whole.l4, 8008);
		assert_memory_equal(whole.data + whole.l4 + 4, l4 + 4, 8004);
	}
}

static void other_kinds_are_counted_and_not_answered(void **state)
{
	struct build b4 = pair(false), b6 = pair(true);

	(void)state;
	input(&b4, 0, 0, 16); /* reply */
	input(&b4, 3, 3, 36); /* unreachable */
	input(&b4, 13, 0, 20); /* time stamp */
	input(&b4, 8, 1, 16); /* echo with a code */
	input(&b6, 133, 0, 16); /* router solicitation */
	input(&b6, 8, 0, 16);
	ns.local_echo = false;
	input(&b4, 8, 0, 16);
	assert_int_equal(sent_count, 0);
	assert_int_equal(w.drops[DROP_ICMP_KIND], 7);
}

static void unreachable_quotes_the_datagram(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct build b = pair(v6);
		struct packet p;
		uint8_t *q;

		sent_count = 0;
		b.src.port = 4321;
		b.dst.port = 443;
		icmp_unreachable(&ns, &b.src, &b.dst);
		assert_int_equal(sent_count, 1);
		p = build_parse(sent[0], sent_len[0]);
		assert_true(addr_eq_host(&p.src, &b.dst));
		assert_true(addr_eq_host(&p.dst, &b.src));
		assert_int_equal(get_be16(p.data + p.l4),
				 v6 ? 1 << 8 | 4 : 3 << 8 | 3);
		q = p.data + p.l4 + 8;
		assert_int_equal(q[v6 ? 6 : 9], IPPROTO_UDP);
		assert_memory_equal(q + (v6 ? 8 : 12), b.src.ip, v6 ? 16 : 4);
		assert_memory_equal(q + (v6 ? 24 : 16), b.dst.ip, v6 ? 16 : 4);
		q += v6 ? 40 : 20;
		assert_int_equal(get_be16(q), 4321);
		assert_int_equal(get_be16(q + 2), 443);
		assert_int_equal(p.len - p.l4, 8 + (v6 ? 40 : 20) + 8);
	}
}

static void errors_are_rate_limited(void **state)
{
	struct build b = pair(false);

	(void)state;
	for (int i = 0; i < 1000; i++)
		icmp_unreachable(&ns, &b.src, &b.dst);
	assert_int_equal(sent_count, 100);
	w.now_ms += 10;
	for (int i = 0; i < 1000; i++)
		icmp_unreachable(&ns, &b.src, &b.dst);
	assert_int_equal(sent_count, 110);
	w.now_ms += 60000;
	for (int i = 0; i < 1000; i++)
		icmp_unreachable(&ns, &b.src, &b.dst);
	assert_int_equal(sent_count, 210);
}

static void mixed_families_and_martians_get_no_error(void **state)
{
	struct build b4 = pair(false), b6 = pair(true);
	struct addr all = build_addr("255.255.255.255", 9);

	(void)state;
	icmp_unreachable(&ns, &b4.src, &b6.dst);
	icmp_unreachable(&ns, &b4.src, &all);
	assert_int_equal(sent_count, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(echo_is_answered_with_the_same_bytes),
		T(big_echo_leaves_in_fragments),
		T(other_kinds_are_counted_and_not_answered),
		T(unreachable_quotes_the_datagram),
		T(errors_are_rate_limited),
		T(mixed_families_and_martians_get_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
