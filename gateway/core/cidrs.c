/* cidrs.c - Prefixes to ranges (contract: cidrs.h) */
#include "gateway/core/cidrs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/compat.h"

enum { LINE_MAX_BYTES = 512, PIECE_BYTES = 65536 };

/* Room for one more in a vector of @n, which grows at powers of two */
static void *grow(void *v, size_t n, size_t size)
{
	if (n & (n - 1))
		return v;
	return realloc(v, (n ? n * 2 : 1) * size);
}

static int put4(struct cidrs *s, uint32_t lo, uint32_t hi)
{
	struct range4 *v;

	if (s->count4 >= CIDRS_MAX)
		return -E2BIG;
	v = grow(s->v4, s->count4, sizeof(*v));
	if (!v)
		return -ENOMEM;
	s->v4 = v;
	v[s->count4++] = (struct range4){ lo, hi };
	return 0;
}

/* Place for one more. 0 or -errno */
static int put6(struct cidrs *s, struct range6 **out)
{
	struct range6 *v;

	if (s->count6 >= CIDRS_MAX)
		return -E2BIG;
	v = grow(s->v6, s->count6, sizeof(*v));
	if (!v)
		return -ENOMEM;
	s->v6 = v;
	*out = &v[s->count6++];
	return 0;
}

int cidrs_add_range(struct cidrs *s, const struct addr *lo,
		    const struct addr *hi)
{
	struct range6 *v = NULL;
	int rc;

	if (lo->kind != ADDR_V6)
		return put4(s, get_be32(lo->ip), get_be32(hi->ip));
	rc = put6(s, &v);
	if (rc < 0)
		return rc;
	memcpy(v->lo, lo->ip, 16);
	memcpy(v->hi, hi->ip, 16);
	return 0;
}

static int add4(struct cidrs *s, const struct cidr *c)
{
	uint32_t mask = c->bits ? UINT32_MAX << (32 - c->bits) : 0;
	uint32_t lo = get_be32(c->ip) & mask;

	return put4(s, lo, lo | ~mask);
}

static int add6(struct cidrs *s, const struct cidr *c)
{
	struct range6 *v = NULL;
	int rc = put6(s, &v);

	if (rc < 0)
		return rc;
	for (unsigned int i = 0; i < 16; i++) {
		unsigned int keep = c->bits > i * 8 ? c->bits - i * 8 : 0;
		unsigned int host = keep < 8 ? 0xffu >> keep : 0;

		v->lo[i] = (uint8_t)(c->ip[i] & ~host);
		v->hi[i] = (uint8_t)(c->ip[i] | host);
	}
	return 0;
}

int cidrs_add(struct cidrs *s, const struct cidr *c)
{
	return c->kind == ADDR_V6 ? add6(s, c) : add4(s, c);
}

/* One line without its newline */
static int add_line(struct cidrs *s, const char *p, size_t n)
{
	char word[LINE_MAX_BYTES];
	const char *hash = memchr(p, '#', n);
	struct cidr c;

	if (hash)
		n = (size_t)(hash - p);
	while (n && (*p == ' ' || *p == '\t')) {
		p++;
		n--;
	}
	while (n && strchr(" \t\r", p[n - 1]) && p[n - 1])
		n--;
	if (!n)
		return 0;
	if (n >= sizeof(word) || memchr(p, '\0', n))
		return -EINVAL;
	memcpy(word, p, n);
	word[n] = '\0';
	if (cidr_parse(&c, word) < 0)
		return -EINVAL;
	return cidrs_add(s, &c);
}

long cidrs_add_text(struct cidrs *s, const char *text, size_t n, size_t *line,
		    bool last)
{
	size_t at = 0;

	while (at < n) {
		const char *end = memchr(text + at, '\n', n - at);
		size_t len = end ? (size_t)(end - text) - at : n - at;
		int err;

		if (!end && !last)
			break;
		err = add_line(s, text + at, len);
		if (err < 0)
			return err;
		at += len + (end ? 1 : 0);
		(*line)++;
	}
	return (long)at;
}

int cidrs_add_file(struct cidrs *s, const char *path, size_t *line)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	char *buf = malloc(PIECE_BYTES);
	size_t have = 0;
	ssize_t n = 1;
	long took;

	*line = 0;
	if (fd < 0 || !buf)
		err = fd < 0 ? -errno : -ENOMEM;
	while (err == 0 && n > 0) {
		n = read(fd, buf + have, PIECE_BYTES - have);
		if (n < 0) {
			err = -errno;
			*line = 0;
			break;
		}
		if (!*line)
			*line = 1;
		have += (size_t)n;
		took = cidrs_add_text(s, buf, have, line, n == 0);
		if (took < 0 || (took == 0 && have == PIECE_BYTES)) {
			err = took < 0 ? (int)took : -EINVAL;
			break;
		}
		have -= (size_t)took;
		memmove(buf, buf + took, have);
	}
	free(buf);
	if (fd >= 0)
		close(fd);
	return err;
}

/* --- sealing ----------------------------------------------------------------- */

static int by_lo4(const void *a, const void *b)
{
	const struct range4 *x = a, *y = b;

	return (x->lo > y->lo) - (x->lo < y->lo);
}

static int by_lo6(const void *a, const void *b)
{
	const struct range6 *x = a, *y = b;

	return memcmp(x->lo, y->lo, 16);
}

/* The address behind @a; all zero when there is none */
static void next6(const uint8_t a[16], uint8_t out[16])
{
	unsigned int carry = 1;

	for (int i = 15; i >= 0; i--) {
		carry += a[i];
		out[i] = (uint8_t)carry;
		carry >>= 8;
	}
}

static void join4(struct cidrs *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->count4; i++) {
		struct range4 r = s->v4[i];
		struct range4 *l = n ? &s->v4[n - 1] : NULL;

		if (l && (l->hi == UINT32_MAX || r.lo <= l->hi + 1)) {
			if (r.hi > l->hi)
				l->hi = r.hi;
		} else {
			s->v4[n++] = r;
		}
	}
	s->count4 = n;
}

static void join6(struct cidrs *s)
{
	static const uint8_t zero[16];
	uint8_t next[16];
	size_t n = 0;

	for (size_t i = 0; i < s->count6; i++) {
		struct range6 r = s->v6[i];
		struct range6 *l = n ? &s->v6[n - 1] : NULL;

		if (l)
			next6(l->hi, next);
		if (l &&
		    (!memcmp(next, zero, 16) || memcmp(r.lo, next, 16) <= 0)) {
			if (memcmp(r.hi, l->hi, 16) > 0)
				memcpy(l->hi, r.hi, 16);
		} else {
			s->v6[n++] = r;
		}
	}
	s->count6 = n;
}

void cidrs_seal(struct cidrs *s)
{
	if (s->count4)
		qsort(s->v4, s->count4, sizeof(*s->v4), by_lo4);
	if (s->count6)
		qsort(s->v6, s->count6, sizeof(*s->v6), by_lo6);
	join4(s);
	join6(s);
}

/* --- asking ------------------------------------------------------------------ */

static int by_range4(const void *key, const void *range)
{
	const uint32_t *ip = key;
	const struct range4 *r = range;

	return *ip < r->lo ? -1 : *ip > r->hi;
}

static int by_range6(const void *key, const void *range)
{
	const struct range6 *r = range;

	return memcmp(key, r->lo, 16) < 0 ? -1 : memcmp(key, r->hi, 16) > 0;
}

bool cidrs_have(const struct cidrs *s, const struct addr *a)
{
	uint32_t ip = get_be32(a->ip);

	if (a->kind == ADDR_V6)
		return s->count6 && bsearch(a->ip, s->v6, s->count6,
					    sizeof(*s->v6), by_range6);
	return s->count4 &&
	       bsearch(&ip, s->v4, s->count4, sizeof(*s->v4), by_range4);
}

void cidrs_free(struct cidrs *s)
{
	free(s->v4);
	free(s->v6);
	*s = (struct cidrs){ .v4 = NULL };
}
