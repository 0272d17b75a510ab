/* test_nl_read.c - A link out of a netlink dump: whose it is, and its queues */
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <cmocka.h>

#include "netstack/nl.h"

/* A link @name of @kind, with @queues if @known; nlmsg_free() it */
static struct nl_msg *link_of(const char *name, const char *kind,
			      uint32_t queues, bool known)
{
	struct nl_msg *m = nlmsg_alloc_simple(RTM_NEWLINK, 0);
	struct ifinfomsg head = { .ifi_index = 7 };
	struct nlattr *info, *data;

	assert_non_null(m);
	assert_int_equal(nlmsg_append(m, &head, sizeof(head), NLMSG_ALIGNTO),
			 0);
	nla_put_string(m, IFLA_IFNAME, name);
	info = nla_nest_start(m, IFLA_LINKINFO);
	nla_put_string(m, IFLA_INFO_KIND, kind);
	data = nla_nest_start(m, IFLA_INFO_DATA);
	if (known)
		nla_put_u32(m, IFLA_TUN_NUM_QUEUES, queues);
	else
		nla_put_u8(m, IFLA_TUN_TYPE, 1);
	nla_nest_end(m, data);
	nla_nest_end(m, info);
	return m;
}

static bool queues_of(struct nl_msg *m, unsigned int *queues)
{
	bool found = nlk_tun_read(nlmsg_hdr(m), "culvert0", queues);

	nlmsg_free(m);
	return found;
}

static void the_queues_of_a_tun_are_read(void **state)
{
	unsigned int n = 9;

	(void)state;
	assert_true(queues_of(link_of("culvert0", "tun", 2, true), &n));
	assert_int_equal(n, 2);
	assert_true(queues_of(link_of("culvert0", "tun", 0, false), &n));
	assert_int_equal(n, 0);
}

static void another_link_is_none(void **state)
{
	unsigned int n = 9;

	(void)state;
	assert_false(queues_of(link_of("culvert00", "tun", 2, true), &n));
	assert_false(queues_of(link_of("culvert", "tun", 2, true), &n));
	assert_false(queues_of(link_of("culvert0", "veth", 2, true), &n));
	assert_int_equal(n, 9);
}

/* Memory of just @n bytes, so that sanitizers see what is read behind them */
static bool read_cut(const struct nlmsghdr *h, size_t n, uint32_t said,
		     unsigned int *queues)
{
	struct nlmsghdr *copy = malloc(n);
	bool found;

	assert_non_null(copy);
	memcpy(copy, h, n);
	copy->nlmsg_len = said;
	found = nlk_tun_read(copy, "culvert0", queues);
	free(copy);
	return found;
}

static void a_cut_one_says_no_more_than_it_has(void **state)
{
	struct nl_msg *m = link_of("culvert0", "tun", 2, true);
	const struct nlmsghdr *h = nlmsg_hdr(m);

	(void)state;
	for (uint32_t n = sizeof(*h); n < h->nlmsg_len; n++) {
		unsigned int queues = 0;

		read_cut(h, n, n, &queues);
		assert_int_equal(queues, 0);
	}
	nlmsg_free(m);
}

/* An attribute that says it is longer than what holds it */
static void lengths_that_are_too_large_are_not_believed(void **state)
{
	struct nl_msg *m = link_of("culvert0", "tun", 2, true);
	struct nlmsghdr *h = nlmsg_hdr(m);
	struct nlattr *at[3];

	(void)state;
	at[0] = nlmsg_find_attr(h, sizeof(struct ifinfomsg), IFLA_LINKINFO);
	at[1] = nla_find(nla_data(at[0]), nla_len(at[0]), IFLA_INFO_DATA);
	at[2] = nla_find(nla_data(at[1]), nla_len(at[1]), IFLA_TUN_NUM_QUEUES);
	for (int i = 0; i < 3; i++) {
		uint16_t was = at[i]->nla_len;
		unsigned int queues = 0;

		at[i]->nla_len = UINT16_MAX;
		read_cut(h, h->nlmsg_len, h->nlmsg_len, &queues);
		assert_int_equal(queues, 0);
		at[i]->nla_len = was;
	}
	nlmsg_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_queues_of_a_tun_are_read),
		cmocka_unit_test(another_link_is_none),
		cmocka_unit_test(a_cut_one_says_no_more_than_it_has),
		cmocka_unit_test(lengths_that_are_too_large_are_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
