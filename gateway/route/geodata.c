/*
 * geodata.c - geoip.dat and geosite.dat: readers over bytes
 *
 *	file	0A len entry, 0A len entry ...
 *	GeoIP	1 code, 2 CIDR { 1 ip (4 or 16 bytes), 2 prefix }..., 3 reverse
 *	GeoSite	1 code, 2 Domain { 1 type, 2 value, 3 Attribute { 1 key } }...
 *
 * Unknown fields are stepped over; type 0 and prefix 0 are not on the wire.
 */
#include "gateway/route/geodata.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define HEAD_BYTES 320 /* of an entry, read to see its code */

enum { PB_VARINT, PB_FIXED64, PB_BYTES, PB_FIXED32 = 5 };

/* One protobuf field: @num for varints, @bytes for the length-delimited */
struct pb_field {
	uint32_t tag;
	uint8_t wire;
	uint64_t num;
	struct rd bytes;
};

static uint64_t pb_varint(struct rd *r)
{
	uint64_t v = 0;
	unsigned int shift;
	uint8_t b;

	for (shift = 0; shift < 64; shift += 7) {
		b = rd_u8(r);
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
	r->bad = true;
	return 0;
}

/* 1 with *@f, 0 at the end, -EPROTO */
static int pb_next(struct rd *r, struct pb_field *f)
{
	uint64_t key, n;

	if (!rd_left(r))
		return rd_ok(r) ? 0 : -EPROTO;
	key = pb_varint(r);
	*f = (struct pb_field){ .tag = (uint32_t)(key >> 3),
				.wire = (uint8_t)(key & 7) };
	switch (f->wire) {
	case PB_VARINT:
		f->num = pb_varint(r);
		break;
	case PB_BYTES:
		n = pb_varint(r);
		if (n > rd_left(r))
			return -EPROTO;
		f->bytes = rd_sub(r, (size_t)n);
		break;
	case PB_FIXED64:
		rd_bytes(r, 8);
		break;
	case PB_FIXED32:
		rd_bytes(r, 4);
		break;
	default:
		return -EPROTO;
	}
	return rd_ok(r) && key >> 3 && key >> 32 == 0 ? 1 : -EPROTO;
}

static bool same_text(const struct rd *r, const char *s, size_t n)
{
	return n && rd_left(r) == n && !strncasecmp((const char *)r->p, s, n);
}

int geo_next_domain(struct rd *entry, struct geo_domain *d)
{
	struct pb_field f;
	struct rd m;
	int rc;

	do {
		rc = pb_next(entry, &f);
		if (rc <= 0)
			return rc;
	} while (f.tag != 2 || f.wire != PB_BYTES);
	*d = (struct geo_domain){ .message = f.bytes, .value = "" };
	m = f.bytes;
	while ((rc = pb_next(&m, &f)) > 0) {
		if (f.tag == 1 && f.wire == PB_VARINT) {
			if (f.num > GEO_FULL)
				return -EPROTO;
			d->type = (enum geo_type)f.num;
		} else if (f.tag == 2 && f.wire == PB_BYTES) {
			d->value = (const char *)f.bytes.p;
			d->len = rd_left(&f.bytes);
		}
	}
	return rc < 0 ? rc : 1;
}

bool geo_has_attr(const struct geo_domain *d, const char *key, size_t len)
{
	struct rd m = d->message, a;
	struct pb_field f, k;

	while (pb_next(&m, &f) > 0) {
		if (f.tag != 3 || f.wire != PB_BYTES)
			continue;
		a = f.bytes;
		while (pb_next(&a, &k) > 0)
			if (k.tag == 1 && k.wire == PB_BYTES &&
			    same_text(&k.bytes, key, len))
				return true;
	}
	return false;
}

/* One CIDR message. 0, -EPROTO */
static int read_cidr(struct rd m, struct cidr *c)
{
	struct cidr x = { 0 };
	struct pb_field f;
	uint64_t bits = 0;
	size_t n = 0;
	int rc;

	while ((rc = pb_next(&m, &f)) > 0) {
		if (f.tag == 1 && f.wire == PB_BYTES) {
			n = rd_left(&f.bytes);
			if (n != 4 && n != 16)
				return -EPROTO;
			memcpy(x.ip, f.bytes.p, n);
		} else if (f.tag == 2 && f.wire == PB_VARINT) {
			bits = f.num;
		}
	}
	if (rc < 0 || !n || bits > n * 8)
		return -EPROTO;
	x.kind = n == 4 ? ADDR_V4 : ADDR_V6;
	x.bits = (uint8_t)bits;
	*c = x;
	return 0;
}

int geo_next_cidr(struct rd *entry, struct cidr *c, bool *reverse)
{
	struct pb_field f;
	int rc;

	while ((rc = pb_next(entry, &f)) > 0) {
		if (f.tag == 3 && f.wire == PB_VARINT)
			*reverse = f.num != 0;
		if (f.tag == 2 && f.wire == PB_BYTES)
			return read_cidr(f.bytes, c) < 0 ? -EPROTO : 1;
	}
	return rc;
}

/* --- finding an entry -------------------------------------------------- */

static ssize_t mem_read(const struct geo_src *src, void *buf, size_t n,
			uint64_t off)
{
	if (off >= src->size)
		return 0;
	if (n > src->size - off)
		n = (size_t)(src->size - off);
	memcpy(buf, src->mem + off, n);
	return (ssize_t)n;
}

struct geo_src geo_mem(const uint8_t *p, size_t n)
{
	return (struct geo_src){ mem_read, n, p, -1 };
}

static ssize_t fd_read(const struct geo_src *src, void *buf, size_t n,
		       uint64_t off)
{
	uint8_t *p = buf;
	size_t have = 0;
	ssize_t got;

	while (have < n) {
		got = pread(src->fd, p + have, n - have, (off_t)(off + have));
		if (got < 0 && errno != EINTR)
			return -errno;
		if (!got)
			break;
		have += got > 0 ? (size_t)got : 0;
	}
	return (ssize_t)have;
}

struct geo_src geo_fd(int fd, uint64_t size)
{
	return (struct geo_src){ fd_read, size, NULL, fd };
}

/* Changes that turn @a into @b (Levenshtein), at most both lengths */
static unsigned int edit_distance(const char *a, size_t na, const char *b,
				  size_t nb)
{
	unsigned int row[GEO_CODE_MAX + 1], diagonal, up;
	size_t i, j;

	if (na > GEO_CODE_MAX || nb > GEO_CODE_MAX)
		return UINT32_MAX;
	for (j = 0; j <= nb; j++)
		row[j] = (unsigned int)j;
	for (i = 1; i <= na; i++) {
		diagonal = row[0]++;
		for (j = 1; j <= nb; j++) {
			up = row[j];
			if (strncasecmp(a + i - 1, b + j - 1, 1))
				diagonal++;
			if (diagonal > up + 1)
				diagonal = up + 1;
			if (diagonal > row[j - 1] + 1)
				diagonal = row[j - 1] + 1;
			row[j] = diagonal;
			diagonal = up;
		}
	}
	return row[nb];
}

/* Keep @have when it is among the codes nearest to @want */
static void near_offer(struct geo_near *near, const char *want, size_t n,
		       const struct rd *have)
{
	size_t len = rd_left(have), i, k;
	const char *s = (const char *)have->p;
	unsigned int d;

	if (!len || len >= GEO_CODE_MAX)
		return;
	d = edit_distance(want, n, s, len);
	if (d > n / 3 + 1)
		return;
	for (i = 0; i < GEO_NEAR && near->code[i][0]; i++)
		if (d < near->distance[i])
			break;
	if (i == GEO_NEAR)
		return;
	for (k = GEO_NEAR - 1; k > i; k--) {
		memcpy(near->code[k], near->code[k - 1], GEO_CODE_MAX);
		near->distance[k] = near->distance[k - 1];
	}
	memcpy(near->code[i], s, len);
	near->code[i][len] = '\0';
	near->distance[i] = d;
}

/* The code of the entry that starts at @r; false when it is not seen there */
static bool entry_code(struct rd r, struct rd *code)
{
	struct pb_field f;

	while (pb_next(&r, &f) > 0) {
		if (f.tag == 1 && f.wire == PB_BYTES) {
			*code = f.bytes;
			return true;
		}
	}
	return false;
}

static int read_body(const struct geo_src *src, uint64_t off, size_t len,
		     uint8_t **buf)
{
	uint8_t *p = malloc(len + 1);
	ssize_t got;

	if (!p)
		return -ENOMEM;
	got = src->read(src, p, len, off);
	if (got < 0 || (size_t)got != len) {
		free(p);
		return got < 0 ? (int)got : -EPROTO;
	}
	*buf = p;
	return 0;
}

/* Where the body of an entry lies */
struct entry_place {
	uint64_t off;
	size_t len;
};

/*
 * Read the head of the entry at @at: its place, and in @code its code when
 * that is near the start (in @head) as all known writers have it.
 */
static int entry_head(const struct geo_src *src, uint64_t at,
		      uint8_t head[HEAD_BYTES], struct entry_place *e,
		      struct rd *code)
{
	ssize_t got = src->read(src, head, HEAD_BYTES, at);
	struct rd r = rd_init(head, got > 0 ? (size_t)got : 0);
	uint64_t tag = pb_varint(&r), len = pb_varint(&r);

	if (got < 0)
		return (int)got;
	e->off = at + (uint64_t)(r.p - head);
	if (!rd_ok(&r) || tag != 0x0a || len > GEO_ENTRY_MAX ||
	    len > src->size - e->off)
		return -EPROTO;
	e->len = (size_t)len;
	if (rd_left(&r) > len)
		r.end = r.p + len;
	*code = rd_init("", 0);
	entry_code(r, code);
	return 0;
}

int geo_find(const struct geo_src *src, const char *code, size_t code_len,
	     struct geo_near *near, uint8_t **buf, size_t *len)
{
	uint8_t head[HEAD_BYTES], *body;
	struct entry_place e = { 0 };
	struct rd have = rd_init("", 0);
	uint64_t at;
	bool found;
	int rc;

	*near = (struct geo_near){ 0 };
	for (at = 0; at < src->size; at = e.off + e.len) {
		rc = entry_head(src, at, head, &e, &have);
		if (rc < 0)
			return rc;
		body = NULL;
		found = same_text(&have, code, code_len);
		if (found || !rd_left(&have)) {
			rc = read_body(src, e.off, e.len, &body);
			if (rc < 0)
				return rc;
			if (!found && entry_code(rd_init(body, e.len), &have))
				found = same_text(&have, code, code_len);
		}
		if (found) {
			*buf = body;
			*len = e.len;
			return 0;
		}
		near_offer(near, code, code_len, &have);
		free(body);
	}
	return -ENOENT;
}

/* --- the whole of a file ----------------------------------------------- */

enum { IS_DOMAINS = 1, IS_PREFIXES = 2 };

static bool all_domains(struct rd entry)
{
	struct geo_domain d;
	int rc;

	do {
		rc = geo_next_domain(&entry, &d);
	} while (rc > 0 && d.len);
	return rc == 0;
}

static bool all_prefixes(struct rd entry)
{
	bool reverse;
	struct cidr c;
	int rc;

	do {
		rc = geo_next_cidr(&entry, &c, &reverse);
	} while (rc > 0);
	return rc == 0;
}

/* What the entry may be: IS_DOMAINS, IS_PREFIXES, both when it is empty */
static unsigned int entry_kinds(struct rd entry)
{
	struct rd code = rd_init("", 0);

	if (!entry_code(entry, &code) || !rd_left(&code))
		return 0;
	return (all_domains(entry) ? IS_DOMAINS : 0u) |
	       (all_prefixes(entry) ? IS_PREFIXES : 0u);
}

int geo_check(const struct geo_src *src)
{
	unsigned int kinds = IS_DOMAINS | IS_PREFIXES;
	uint8_t head[HEAD_BYTES], *body;
	struct entry_place e = { 0 };
	struct rd code;
	uint64_t at;
	int rc;

	for (at = 0; at < src->size; at = e.off + e.len) {
		rc = entry_head(src, at, head, &e, &code);
		if (!rc)
			rc = read_body(src, e.off, e.len, &body);
		if (rc < 0)
			return rc;
		kinds &= entry_kinds(rd_init(body, e.len));
		free(body);
		if (!kinds)
			return -EPROTO;
	}
	return at ? 0 : -EPROTO;
}
