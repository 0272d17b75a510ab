/*
 * tls_hello.c - The server name in a ClientHello, as far as it has arrived
 *
 *	01 | length u24 | version u16 | random 32 | session id <0..32> u8
 *	| cipher suites <2..> u16 | compression <1..255> u8
 *	| extensions u16: { type u16 | data u16 }...
 *	server_name (type 0): list u16: { type u8 (0 host) | name u16 }...
 *
 * Every length is held against the end that was announced (a lie is -EPROTO
 * at once) and against the bytes that are here (-EAGAIN).
 *
 * Source: RFC 8446, 4.1.2 and 4.2; RFC 6066, 3
 */
#include "proxy/wire/tls_hello.h"

#include <errno.h>

#include "gateway/base/rd.h"

/**
 * struct win - A block whose announced end may lie behind what has arrived
 * @have:	The bytes that are here
 * @left:	Bytes of the block not read yet, here or not
 * @err:	First failure: -EAGAIN, -EPROTO; 0 none
 */
struct win {
	struct rd have;
	size_t left;
	int err;
};

static const uint8_t *win_bytes(struct win *w, size_t n)
{
	if (w->err)
		return NULL;
	if (n > w->left || rd_left(&w->have) < n) {
		w->err = n > w->left ? -EPROTO : -EAGAIN;
		return NULL;
	}
	w->left -= n;
	return rd_bytes(&w->have, n);
}

static size_t win_u8(struct win *w)
{
	const uint8_t *p = win_bytes(w, 1);

	return p ? p[0] : 0;
}

static size_t win_u16(struct win *w)
{
	const uint8_t *p = win_bytes(w, 2);

	return p ? get_be16(p) : 0;
}

/* The next @n bytes as a block of their own, which may be incomplete */
static struct win win_block(struct win *w, size_t n)
{
	struct win b = { .have = w->have, .left = n, .err = w->err };

	if (!b.err && n > w->left)
		b.err = w->err = -EPROTO;
	if (b.err || rd_left(&b.have) <= n)
		return b;
	b.have.end = b.have.p + n;
	return b;
}

/* The list inside a server_name extension: the first host name counts */
static ssize_t find_name(struct win *ext, const uint8_t **name)
{
	size_t list = win_u16(ext);

	if (!ext->err && list != ext->left)
		return -EPROTO;
	while (!ext->err && ext->left) {
		size_t type = win_u8(ext), len = win_u16(ext);
		const uint8_t *p = win_bytes(ext, len);

		if (!p || type)
			continue;
		if (!len)
			return -EPROTO;
		*name = p;
		return (ssize_t)len;
	}
	return ext->err ? ext->err : -ENOENT;
}

static ssize_t find_extension(struct win *w, const uint8_t **name)
{
	while (!w->err && w->left) {
		size_t type = win_u16(w), len = win_u16(w);

		if (!w->err && type == 0) {
			struct win ext = win_block(w, len);

			return find_name(&ext, name);
		}
		win_bytes(w, len);
	}
	return w->err ? w->err : -ENOENT;
}

/* Everything before the extensions; w->err tells what became of it */
static void skip_fixed(struct win *w)
{
	const uint8_t *version = win_bytes(w, 2);
	size_t len;

	if (version && version[0] != 3)
		w->err = -EPROTO;
	win_bytes(w, 32);
	len = win_u8(w);
	if (!w->err && len > 32)
		w->err = -EPROTO;
	win_bytes(w, len);
	len = win_u16(w);
	if (!w->err && (len % 2 || !len))
		w->err = -EPROTO;
	win_bytes(w, len);
	len = win_u8(w);
	if (!w->err && !len)
		w->err = -EPROTO;
	win_bytes(w, len);
}

ssize_t tls_hello_name(const uint8_t *p, size_t n, const uint8_t **name)
{
	struct win w = { .have = rd_init(p, n), .left = 4 };
	const uint8_t *b = win_bytes(&w, 1);
	size_t len;

	if (!b)
		return -EAGAIN;
	if (*b != 1)
		return -EPROTO;
	len = win_u8(&w) << 16;
	len |= win_u16(&w);
	if (w.err)
		return w.err;
	if (len > TLS_HELLO_MAX_BYTES)
		return -EPROTO;
	w.left = len;
	if (rd_left(&w.have) > len)
		w.have.end = w.have.p + len;
	skip_fixed(&w);
	if (!w.err && !w.left)
		return -ENOENT; /* before TLS 1.2 extensions were optional */
	len = win_u16(&w);
	if (!w.err && len != w.left)
		return -EPROTO;
	return find_extension(&w, name);
}
