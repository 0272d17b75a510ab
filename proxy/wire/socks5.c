/*
 * socks5.c - SOCKS5 messages and its address form
 *
 *   greeting   05 | count | method...          reply  05 | method
 *   password   01 | ulen | user | plen | pass  reply  01 | 00 is success
 *   request    05 | cmd | 00 | address         reply  05 | rep | 00 | address
 *   datagram   00 00 | fragment | address | data
 *   address    01 v4 port, 03 len name port, 04 v6 port
 *
 * Source: RFC 1928, RFC 1929
 */
#include "proxy/wire/socks5.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/compat.h"

enum { TYPE_V4 = 1, TYPE_NAME = 3, TYPE_V6 = 4 };

int socks5_put_greeting(struct buf *b, uint8_t method)
{
	uint8_t m[3] = { SOCKS5_VERSION, 1, method };

	return buf_put(b, m, sizeof(m));
}

int socks5_put_auth(struct buf *b, const char *user, const char *pass)
{
	size_t u = strlen(user), p = strlen(pass);
	uint8_t m[3 + 255 + 255];

	if (u > 255 || p > 255)
		return -EINVAL;
	m[0] = 1;
	m[1] = (uint8_t)u;
	memcpy(m + 2, user, m[1]);
	m[2 + u] = (uint8_t)p;
	memcpy(m + 3 + u, pass, m[2 + u]);
	return buf_put(b, m, 3 + u + p);
}

int socks5_put_request(struct buf *b, uint8_t cmd, const struct addr *a)
{
	static const uint8_t any[4];
	struct addr none = addr_v4(any, 0);
	uint8_t m[3 + ADDR_WIRE_MAX] = { SOCKS5_VERSION, cmd, 0 };
	ssize_t n = addr_wire_encode(ADDR_SOCKS, a ? a : &none, m + 3,
				     ADDR_WIRE_MAX);

	return n < 0 ? (int)n : buf_put(b, m, 3 + (size_t)n);
}

ssize_t socks5_get_method(const uint8_t *p, size_t n, uint8_t *method)
{
	if (n && p[0] != SOCKS5_VERSION)
		return -EPROTO;
	if (n < 2)
		return 0;
	*method = p[1];
	return 2;
}

/* Some servers answer with version 5 here; what counts is the status */
ssize_t socks5_get_auth_reply(const uint8_t *p, size_t n, bool *ok)
{
	if (n && p[0] != 1 && p[0] != SOCKS5_VERSION)
		return -EPROTO;
	if (n < 2)
		return 0;
	*ok = p[1] == 0;
	return 2;
}

size_t socks5_reply_size(const uint8_t *p, size_t n)
{
	if (n < 4)
		return SOCKS5_REPLY_MIN;
	if (p[3] == TYPE_V4)
		return 4 + 4 + 2;
	if (p[3] == TYPE_V6)
		return 4 + 16 + 2;
	return n < 5 ? SOCKS5_REPLY_MIN : 5 + (size_t)p[4] + 2;
}

ssize_t socks5_get_reply(const uint8_t *p, size_t n, struct socks5_reply *out)
{
	static const uint8_t any[4];
	struct addr a = addr_v4(any, 0);
	size_t size = socks5_reply_size(p, n);
	ssize_t got;

	if (n && p[0] != SOCKS5_VERSION)
		return -EPROTO;
	if (n >= 4 && p[3] != TYPE_V4 && p[3] != TYPE_NAME && p[3] != TYPE_V6)
		return -EPROTO;
	if (n < size)
		return 0;
	/* An empty name says as little as the unspecified address */
	if (p[3] == TYPE_NAME && !p[4]) {
		a.port = get_be16(p + 5);
	} else {
		got = addr_wire_decode(ADDR_SOCKS, p + 3, size - 3, &a,
				       out->name);
		if (got <= 0)
			return -EPROTO;
	}
	out->rep = p[1];
	out->bound = a;
	return (ssize_t)size;
}

ssize_t socks5_set_udp(uint8_t *p, const struct addr *a)
{
	ssize_t n = addr_wire_encode(ADDR_SOCKS, a, p + 3, ADDR_WIRE_MAX);

	memset(p, 0, 3);
	return n < 0 ? n : n + 3;
}

ssize_t socks5_get_udp(const uint8_t *p, size_t n, struct addr *a,
		       char name[256])
{
	ssize_t len;

	/* two reserved bytes, and fragment 0 */
	if (n < 3 || p[0] || p[1] || p[2])
		return -EPROTO;
	len = addr_wire_decode(ADDR_SOCKS, p + 3, n - 3, a, name);
	return len > 0 ? len + 3 : -EPROTO;
}

int socks5_rep_errno(uint8_t rep)
{
	static const int codes[] = {
		[SOCKS5_OK] = 0,
		[SOCKS5_GENERAL] = -EREMOTEIO,
		[SOCKS5_NOT_ALLOWED] = -EACCES,
		[SOCKS5_NET_UNREACH] = -ENETUNREACH,
		[SOCKS5_HOST_UNREACH] = -EHOSTUNREACH,
		[SOCKS5_REFUSED] = -ECONNREFUSED,
		[SOCKS5_TTL] = -ETIMEDOUT,
		[SOCKS5_BAD_COMMAND] = -EOPNOTSUPP,
		[SOCKS5_BAD_ADDRESS] = -EAFNOSUPPORT,
	};

	return rep < ARRAY_SIZE(codes) ? codes[rep] : -EPROTO;
}
