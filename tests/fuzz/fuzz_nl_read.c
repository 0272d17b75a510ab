/* fuzz_nl_read.c - Routes, rules and flows of a netlink dump: what is read fits */
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "netstack/forget.h"
#include "netstack/nl.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct nlmsghdr *h;
	struct nlk_route route;
	struct forget_flow flow;
	struct nlk_rule rule;
	unsigned int queues;

	if (n < sizeof(*h))
		return 0;
	h = malloc(n); /* so that over-reads are seen */
	if (!h)
		return 0;
	memcpy(h, p, n);
	h->nlmsg_len = (uint32_t)n;
	h->nlmsg_type = p[0] & 1 ? RTM_NEWROUTE : RTM_NEWRULE;
	if (nlk_route_read(h, &route) && p[0] % 2 == 0)
		abort();
	if (nlk_rule_read(h, &rule) && memchr(rule.iif, 0, IFNAMSIZ) == NULL)
		abort();
	if (forget_read(h, UINT32_MAX, &flow) &&
	    (!flow.dst.kind || flow.tuple_len > sizeof(flow.tuple)))
		abort();
	h->nlmsg_type = RTM_NEWLINK;
	nlk_tun_read(h, "a", &queues);
	free(h);
	return 0;
}
