/*
 * addr_wire.c - The two ways proxy protocols write an address
 *
 * Sources: RFC 1928, 5; Xray common/protocol/address.go (facts in xray.md, 2)
 */
#include "proxy/wire/addr_wire.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/rd.h"

/* Type numbers on the wire, by enum addr_kind; 0 is none in both styles */
static const uint8_t type_of[2][4] = {
	{ [ADDR_V4] = 1, [ADDR_NAME] = 3, [ADDR_V6] = 4 },
	{ [ADDR_V4] = 1, [ADDR_NAME] = 2, [ADDR_V6] = 3 },
};

static enum addr_kind kind_of(enum addr_style style, uint8_t type)
{
	const uint8_t *t = type_of[style == ADDR_PORT];

	if (style == ADDR_SS)
		type &= 0x0f;
	for (int k = ADDR_V4; k <= ADDR_NAME; k++)
		if (t[k] == type)
			return (enum addr_kind)k;
	return ADDR_NONE;
}

/* 0 or -EPROTO. An IP literal, perhaps in brackets, written as a name is an IP */
static int name_set(struct addr *a, const uint8_t *p, size_t len,
		    char name[256])
{
	char text[256];
	int n;

	if (len > 2 && p[0] == '[' && p[len - 1] == ']') {
		p++;
		len -= 2;
	}
	memcpy(text, p, len);
	text[len] = '\0';
	if (addr_parse_ip(a, text) == 0)
		return 0;
	n = addr_clean_name(text, len, name);
	if (n <= 0)
		return -EPROTO;
	if (addr_parse_ip(a, name) == 0) /* "192.0.2.1." */
		return 0;
	*a = addr_name(name, (size_t)n, 0);
	return 0;
}

static int host_read(struct rd *r, enum addr_kind kind, struct addr *a,
		     char name[256])
{
	size_t len = kind == ADDR_V4 ? 4 : kind == ADDR_V6 ? 16 : rd_u8(r);
	const uint8_t *p;

	if (rd_ok(r) && !len)
		return -EPROTO;
	p = rd_bytes(r, len);
	if (!p)
		return 0;
	if (kind == ADDR_NAME)
		return name_set(a, p, len, name);
	*a = kind == ADDR_V4 ? addr_v4(p, 0) : addr_v6(p, 0);
	return 0;
}

ssize_t addr_wire_decode(enum addr_style style, const uint8_t *p, size_t n,
			 struct addr *out, char name[256])
{
	struct rd r = rd_init(p, n);
	struct addr a = { 0 };
	enum addr_kind kind;
	uint16_t port = 0;
	uint8_t type;
	int err;

	if (style == ADDR_PORT)
		port = rd_be16(&r);
	type = rd_u8(&r);
	if (!rd_ok(&r))
		return 0;
	kind = kind_of(style, type);
	if (kind == ADDR_NONE)
		return -EPROTO;
	err = host_read(&r, kind, &a, name);
	if (err)
		return err;
	if (style != ADDR_PORT)
		port = rd_be16(&r);
	if (!rd_ok(&r))
		return 0;
	a.port = port;
	*out = a;
	return r.p - p;
}

size_t addr_wire_len(const struct addr *a)
{
	if (a->kind == ADDR_NONE)
		return 0;
	return 3 + (a->kind == ADDR_NAME ? 1u + a->len : addr_ip_len(a));
}

ssize_t addr_wire_encode(enum addr_style style, const struct addr *a,
			 uint8_t *out, size_t room)
{
	size_t len = addr_wire_len(a), host = len - 3;
	uint8_t *w = out;

	if (!len || (a->kind == ADDR_NAME && !a->len))
		return -EINVAL;
	if (len > room)
		return -ENOBUFS;
	if (style == ADDR_PORT) {
		put_be16(w, a->port);
		w += 2;
	}
	*w++ = type_of[style == ADDR_PORT][a->kind];
	if (a->kind == ADDR_NAME) {
		*w++ = a->len;
		host--;
		memcpy(w, a->name, host);
	} else {
		memcpy(w, a->ip, host);
	}
	w += host;
	if (style != ADDR_PORT)
		put_be16(w, a->port);
	return (ssize_t)len;
}
