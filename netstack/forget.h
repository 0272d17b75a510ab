/*
 * forget.h - Datagram flows that the kernel shall not remember
 *
 * conntrack keeps how a flow was translated when it began. What went to us was not
 * masqueraded: datagrams that go by later, with the same ports, would leave with an
 * address of the LAN, for as long as somebody goes on sending them.
 */
#ifndef NETSTACK_FORGET_H
#define NETSTACK_FORGET_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/core/cidrs.h"

struct nlmsghdr;

/**
 * struct forget_flow - What begins a flow, out of conntrack
 * @dst:	Where to; @port: there
 */
struct forget_flow {
	struct addr dst;
	uint16_t port, zone;
	uint32_t id;
	uint8_t family, tuple[96]; /* CTA_TUPLE_ORIG as it came */
	uint16_t tuple_len;
};

/*
 * Those of UDP with @bit in their conntrack mark; the next datagram begins anew. Of
 * them, unless @to is NULL, only what goes to its addresses (sealed), but not to port
 * 53. Does nothing for a @bit of 0, or where ctnetlink is missing
 */
void forget_marked(uint32_t bit, const struct cidrs *to);
/* Is this a flow of UDP with @bit in its mark? Then *@out; @h is the kernel's */
bool forget_read(struct nlmsghdr *h, uint32_t bit, struct forget_flow *out);
bool forget_goes_to(const struct forget_flow *f, const struct cidrs *to);

#endif
