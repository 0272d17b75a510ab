/* test_forget.c - Which of the kernel's flows are to be forgotten */
#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <cmocka.h>

#include "netstack/forget.h"

enum { BIT = 0x10000000 };

/* A flow to @dst as ctnetlink tells it; @proto, @mark 0: without */
static struct nl_msg *flow(const char *dst, uint8_t proto, uint16_t port,
			   uint32_t mark)
{
	struct nfgenmsg head = { .nfgen_family = AF_INET };
	struct nl_msg *m = nlmsg_alloc_simple(NFNL_SUBSYS_CTNETLINK << 8, 0);
	struct nlattr *tuple, *in;
	struct addr a;

	assert_non_null(m);
	assert_int_equal(addr_parse_ip(&a, dst), 0);
	assert_int_equal(nlmsg_append(m, &head, sizeof(head), NLMSG_ALIGNTO),
			 0);
	tuple = nla_nest_start(m, CTA_TUPLE_ORIG);
	in = nla_nest_start(m, CTA_TUPLE_IP);
	nla_put(m, a.kind == ADDR_V6 ? CTA_IP_V6_DST : CTA_IP_V4_DST,
		a.kind == ADDR_V6 ? 16 : 4, a.ip);
	nla_nest_end(m, in);
	in = nla_nest_start(m, CTA_TUPLE_PROTO);
	if (proto)
		nla_put_u8(m, CTA_PROTO_NUM, proto);
	nla_put_u16(m, CTA_PROTO_DST_PORT, htons(port));
	nla_nest_end(m, in);
	nla_nest_end(m, tuple);
	if (mark)
		nla_put_u32(m, CTA_MARK, htonl(mark));
	nla_put_u32(m, CTA_ID, 77);
	return m;
}

static bool reads(const char *dst, uint8_t proto, uint32_t mark,
		  struct forget_flow *out)
{
	struct nl_msg *m = flow(dst, proto, 4500, mark);
	bool ok = forget_read(nlmsg_hdr(m), BIT, out);

	nlmsg_free(m);
	return ok;
}

static void only_datagrams_with_the_bit_are_taken(void **state)
{
	struct forget_flow f;

	(void)state;
	assert_true(reads("192.0.2.1", IPPROTO_UDP, BIT, &f));
	assert_int_equal(f.port, 4500);
	assert_int_equal(f.id, 77);
	assert_int_equal(f.zone, 0);
	assert_int_equal(f.dst.kind, ADDR_V4);
	assert_true(reads("2001:db8::1", IPPROTO_UDP, BIT | 0xff, &f));
	assert_int_equal(f.dst.kind, ADDR_V6);
	assert_false(reads("192.0.2.1", IPPROTO_TCP, BIT, &f));
	assert_false(reads("192.0.2.1", IPPROTO_UDP, BIT << 1, &f));
	assert_false(reads("192.0.2.1", IPPROTO_UDP, 0, &f));
	assert_false(reads("192.0.2.1", 0, BIT, &f));
}

/* Each length in which it could be cut */
static void what_is_cut_off_is_not_read(void **state)
{
	struct nl_msg *m = flow("2001:db8::1", IPPROTO_UDP, 53, BIT);
	uint32_t whole = nlmsg_hdr(m)->nlmsg_len;
	struct forget_flow f;
	unsigned int taken = 0;

	(void)state;
	for (uint32_t n = 0; n < whole; n++) {
		struct nlmsghdr *copy = malloc(n + sizeof(*copy));

		assert_non_null(copy);
		memcpy(copy, nlmsg_hdr(m),
		       n > sizeof(*copy) ? n : sizeof(*copy));
		copy->nlmsg_len = n;
		taken += forget_read(copy, BIT, &f);
		free(copy);
	}
	nlmsg_free(m);
	assert_true(taken <= 8); /* without its last attribute */
}

static void where_it_goes_decides(void **state)
{
	struct cidrs to = { .v4 = NULL };
	struct forget_flow f;
	struct cidr c;

	(void)state;
	cidr_parse(&c, "192.0.2.0/24");
	cidrs_add(&to, &c);
	cidr_parse(&c, "10.0.0.0/8");
	cidrs_add(&to, &c);
	cidr_parse(&c, "2001:db8:1::/48");
	cidrs_add(&to, &c);
	cidrs_seal(&to);
	reads("192.0.2.255", IPPROTO_UDP, BIT, &f);
	assert_true(forget_goes_to(&f, &to));
	f.port = 53; /* caught wherever it goes */
	assert_false(forget_goes_to(&f, &to));
	reads("192.0.3.0", IPPROTO_UDP, BIT, &f);
	assert_false(forget_goes_to(&f, &to));
	reads("10.0.0.0", IPPROTO_UDP, BIT, &f);
	assert_true(forget_goes_to(&f, &to));
	reads("2001:db8:1:ffff::1", IPPROTO_UDP, BIT, &f);
	assert_true(forget_goes_to(&f, &to));
	reads("2001:db8:2::", IPPROTO_UDP, BIT, &f);
	assert_false(forget_goes_to(&f, &to));
	cidrs_free(&to);
	to = (struct cidrs){ .v4 = NULL };
	assert_false(forget_goes_to(&f, &to));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_datagrams_with_the_bit_are_taken),
		cmocka_unit_test(what_is_cut_off_is_not_read),
		cmocka_unit_test(where_it_goes_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
