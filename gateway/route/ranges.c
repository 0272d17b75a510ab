/* ranges.c - Sorted ranges of IPv4 and IPv6 addresses */
#include "gateway/route/ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"

static const struct ip6 ip6_max = { UINT64_MAX, UINT64_MAX };

static int order6(struct ip6 a, struct ip6 b)
{
	if (a.hi != b.hi)
		return a.hi < b.hi ? -1 : 1;
	return (a.lo > b.lo) - (a.lo < b.lo);
}

static struct ip6 next6(struct ip6 a)
{
	a.lo++;
	a.hi += !a.lo;
	return a;
}

static struct ip6 before6(struct ip6 a)
{
	a.hi -= !a.lo;
	a.lo--;
	return a;
}

static int put4(struct ranges *r, struct range4 x)
{
	size_t cap = r->cap4;
	struct range4 *p = r->v4;

	if (r->n4 == cap) {
		cap += cap / 2 + 8;
		p = realloc(p, cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		r->v4 = p;
		r->cap4 = cap;
	}
	p[r->n4++] = x;
	return 0;
}

static int put6(struct ranges *r, struct range6 x)
{
	size_t cap = r->cap6;
	struct range6 *p = r->v6;

	if (r->n6 == cap) {
		cap += cap / 2 + 8;
		p = realloc(p, cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		r->v6 = p;
		r->cap6 = cap;
	}
	p[r->n6++] = x;
	return 0;
}

static int add4(struct ranges *r, const struct cidr *c)
{
	uint32_t host = c->bits >= 32 ? 0 : UINT32_MAX >> c->bits;
	uint32_t lo = get_be32(c->ip) & ~host;

	return put4(r, (struct range4){ lo, lo | host });
}

static int add6(struct ranges *r, const struct cidr *c)
{
	struct ip6 host, lo = { get_be64(c->ip), get_be64(c->ip + 8) };
	unsigned int b = c->bits;

	host.hi = b >= 64 ? 0 : UINT64_MAX >> b;
	host.lo = b <= 64 ? UINT64_MAX : b >= 128 ? 0 : UINT64_MAX >> (b - 64);
	lo.hi &= ~host.hi;
	lo.lo &= ~host.lo;
	return put6(
		r, (struct range6){ lo, { lo.hi | host.hi, lo.lo | host.lo } });
}

int ranges_add(struct ranges *r, const struct cidr *c)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct cidr v4 = { .kind = ADDR_V4 };

	if (c->kind == ADDR_V4)
		return add4(r, c);
	/* addresses never are v4-mapped here, so prefixes must not be */
	if (c->bits < 96 || memcmp(c->ip, mapped, sizeof(mapped)))
		return add6(r, c);
	v4.bits = (uint8_t)(c->bits - 96);
	memcpy(v4.ip, c->ip + 12, 4);
	return add4(r, &v4);
}

int ranges_add_all(struct ranges *r, const struct ranges *from)
{
	size_t i;

	for (i = 0; i < from->n4; i++)
		if (put4(r, from->v4[i]) < 0)
			return -ENOMEM;
	for (i = 0; i < from->n6; i++)
		if (put6(r, from->v6[i]) < 0)
			return -ENOMEM;
	return 0;
}

static int sort4(const void *a, const void *b)
{
	const struct range4 *x = a, *y = b;

	return (x->lo > y->lo) - (x->lo < y->lo);
}

static int sort6(const void *a, const void *b)
{
	const struct range6 *x = a, *y = b;

	return order6(x->lo, y->lo);
}

static void tidy4(struct ranges *r)
{
	struct range4 *p = r->v4, *last;
	size_t i, n = 0;

	if (!r->n4)
		return;
	qsort(p, r->n4, sizeof(*p), sort4);
	for (i = 0; i < r->n4; i++) {
		last = n ? &p[n - 1] : NULL;
		if (!last || (last->hi != UINT32_MAX && p[i].lo > last->hi + 1))
			p[n++] = p[i];
		else if (p[i].hi > last->hi)
			last->hi = p[i].hi;
	}
	r->n4 = n;
	p = realloc(p, n * sizeof(*p));
	if (p) {
		r->v4 = p;
		r->cap4 = n;
	}
}

static void tidy6(struct ranges *r)
{
	struct range6 *p = r->v6, *last;
	size_t i, n = 0;

	if (!r->n6)
		return;
	qsort(p, r->n6, sizeof(*p), sort6);
	for (i = 0; i < r->n6; i++) {
		last = n ? &p[n - 1] : NULL;
		if (!last || (order6(last->hi, ip6_max) &&
			      order6(p[i].lo, next6(last->hi)) > 0))
			p[n++] = p[i];
		else if (order6(p[i].hi, last->hi) > 0)
			last->hi = p[i].hi;
	}
	r->n6 = n;
	p = realloc(p, n * sizeof(*p));
	if (p) {
		r->v6 = p;
		r->cap6 = n;
	}
}

void ranges_tidy(struct ranges *r)
{
	tidy4(r);
	tidy6(r);
}

static int gaps4(const struct ranges *r, struct ranges *out)
{
	uint32_t from = 0;
	size_t i;

	for (i = 0; i < r->n4; i++) {
		if (r->v4[i].lo > from &&
		    put4(out, (struct range4){ from, r->v4[i].lo - 1 }) < 0)
			return -ENOMEM;
		if (r->v4[i].hi == UINT32_MAX)
			return 0;
		from = r->v4[i].hi + 1;
	}
	return put4(out, (struct range4){ from, UINT32_MAX });
}

static int gaps6(const struct ranges *r, struct ranges *out)
{
	struct ip6 from = { 0, 0 };
	size_t i;

	for (i = 0; i < r->n6; i++) {
		if (order6(r->v6[i].lo, from) > 0 &&
		    put6(out, (struct range6){ from, before6(r->v6[i].lo) }) <
			    0)
			return -ENOMEM;
		if (!order6(r->v6[i].hi, ip6_max))
			return 0;
		from = next6(r->v6[i].hi);
	}
	return put6(out, (struct range6){ from, ip6_max });
}

int ranges_negate(struct ranges *r)
{
	struct ranges out = { 0 };

	if ((r->n4 && gaps4(r, &out) < 0) || (r->n6 && gaps6(r, &out) < 0)) {
		ranges_free(&out);
		return -ENOMEM;
	}
	ranges_free(r);
	*r = out;
	return 0;
}

static bool have4(const struct ranges *r, uint32_t ip)
{
	size_t lo = 0, hi = r->n4, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (r->v4[mid].lo <= ip)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && r->v4[lo - 1].hi >= ip;
}

static bool have6(const struct ranges *r, struct ip6 ip)
{
	size_t lo = 0, hi = r->n6, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (order6(r->v6[mid].lo, ip) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && order6(r->v6[lo - 1].hi, ip) >= 0;
}

bool ranges_have(const struct ranges *r, const struct addr *a)
{
	if (a->kind == ADDR_V4)
		return have4(r, get_be32(a->ip));
	if (a->kind == ADDR_V6)
		return have6(r, (struct ip6){ get_be64(a->ip),
					      get_be64(a->ip + 8) });
	return false;
}

void ranges_free(struct ranges *r)
{
	free(r->v4);
	free(r->v6);
	*r = (struct ranges){ 0 };
}
