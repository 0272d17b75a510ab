/* ranges.h - Sorted ranges of IPv4 and IPv6 addresses */
#ifndef GATEWAY_ROUTE_RANGES_H
#define GATEWAY_ROUTE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"

/* An IPv6 address as a number */
struct ip6 {
	uint64_t hi, lo;
};

struct range4 {
	uint32_t lo, hi; /* both included */
};

struct range6 {
	struct ip6 lo, hi; /* both included */
};

/**
 * struct ranges - A set of addresses
 * @v4, @v6:	After ranges_tidy(): ascending, with a gap between neighbours
 */
struct ranges {
	struct range4 *v4;
	struct range6 *v6;
	size_t n4, n6, cap4, cap6;
};

/* All return 0 or -ENOMEM */
int ranges_add(struct ranges *r, const struct cidr *c);
int ranges_add_all(struct ranges *r, const struct ranges *from);
/* Sort, join what touches, give spare memory back */
void ranges_tidy(struct ranges *r);
/* The opposite, in each family that it has ranges of; @r must be tidy */
int ranges_negate(struct ranges *r);
bool ranges_have(const struct ranges *r, const struct addr *a);
void ranges_free(struct ranges *r);

#endif
