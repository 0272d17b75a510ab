/*
 * socks_srv.c - SOCKS4, 4a and 5: the server's side of the handshake
 *
 *   SOCKS5  05 | count | method...           ->  05 | method
 *           01 | ulen | user | plen | pass   ->  01 | 00 is success
 *           05 | cmd | 00 | address          ->  05 | rep | 00 | address
 *   SOCKS4  04 | cmd | port | ip | user 00   ->  00 | 5a granted, 5b | port | ip
 *   4a      ip is 0.0.0.x, x not 0; then name 00 follows the user
 *
 * Source: RFC 1928, RFC 1929; Ying-Da Lee's SOCKS4 protocol, SOCKS4a extension
 */
#include "proxy/wire/socks_srv.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/rd.h"
#include "proxy/wire/addr_wire.h"
#include "proxy/wire/socks5.h"

enum { TYPE_V4 = 1, TYPE_NAME = 3, TYPE_V6 = 4 };
enum { SOCKS4_HEAD = 8, SOCKS4_GRANTED = 0x5a, SOCKS4_REJECTED = 0x5b };

ssize_t socks_srv_greeting(const uint8_t *p, size_t n, uint8_t method,
			   bool *offered)
{
	if (n && p[0] != SOCKS5_VERSION)
		return -EPROTO;
	if (n < 2 || n < 2 + (size_t)p[1])
		return 0;
	*offered = memchr(p + 2, method, p[1]) != NULL;
	return 2 + p[1];
}

static bool keep_text(struct rd *r, char out[256])
{
	uint8_t len = rd_u8(r);
	const uint8_t *s = rd_bytes(r, len);

	if (!s || memchr(s, 0, len))
		return false;
	memcpy(out, s, len);
	out[len] = '\0';
	return true;
}

ssize_t socks_srv_auth(const uint8_t *p, size_t n, char user[256],
		       char pass[256])
{
	struct rd r = rd_init(p, n);

	if (n && p[0] != 1)
		return -EPROTO;
	rd_u8(&r);
	if (!keep_text(&r, user) || !keep_text(&r, pass))
		return rd_ok(&r) ? -EPROTO : 0;
	return (ssize_t)(n - rd_left(&r));
}

ssize_t socks_srv_request(const uint8_t *p, size_t n, struct socks_request *out)
{
	ssize_t len;

	if (n && p[0] != SOCKS5_VERSION)
		return -EPROTO;
	if (n < 4)
		return 0;
	if (p[3] != TYPE_V4 && p[3] != TYPE_NAME && p[3] != TYPE_V6)
		return -EAFNOSUPPORT;
	len = addr_wire_decode(ADDR_SOCKS, p + 3, n - 3, &out->to, out->name);
	if (len <= 0)
		return len;
	out->cmd = p[1];
	return 3 + len;
}

/* A text up to its NUL, of at most @max bytes. Length, -EAGAIN, -EPROTO */
static ssize_t text_len(const uint8_t *p, size_t n, size_t max)
{
	const uint8_t *end = memchr(p, 0, n < max + 1 ? n : max + 1);

	if (end)
		return end - p;
	return n > max ? -EPROTO : -EAGAIN;
}

static ssize_t socks4_name(const uint8_t *p, size_t n, uint16_t port,
			   struct socks_request *out)
{
	ssize_t len = text_len(p, n, ADDR_NAME_MAX);
	char text[256];
	int clean;

	if (len < 0)
		return len;
	memcpy(text, p, (size_t)len);
	text[len] = '\0';
	out->to = (struct addr){ .port = port };
	if (addr_parse_ip(&out->to, text) == 0)
		return len + 1;
	clean = addr_clean_name(text, (size_t)len, out->name);
	if (clean <= 0)
		return -EPROTO;
	out->to = addr_name(out->name, (size_t)clean, port);
	return len + 1;
}

ssize_t socks4_request(const uint8_t *p, size_t n, struct socks_request *out)
{
	ssize_t user, name = 0;
	size_t at = SOCKS4_HEAD;
	uint16_t port;

	if (n && p[0] != SOCKS4_VERSION)
		return -EPROTO;
	if (n < SOCKS4_HEAD)
		return 0;
	port = get_be16(p + 2);
	user = text_len(p + at, n - at, SOCKS4_USER_MAX);
	if (user < 0)
		return user == -EAGAIN ? 0 : user;
	at += (size_t)user + 1;
	if (!p[4] && !p[5] && !p[6] && p[7]) {
		name = socks4_name(p + at, n - at, port, out);
		if (name < 0)
			return name == -EAGAIN ? 0 : name;
	} else {
		out->to = addr_v4(p + 4, port);
	}
	out->cmd = p[1];
	return (ssize_t)at + name;
}

int socks_srv_put_method(struct buf *b, uint8_t method)
{
	uint8_t m[2] = { SOCKS5_VERSION, method };

	return buf_put(b, m, sizeof(m));
}

int socks_srv_put_auth(struct buf *b, bool ok)
{
	uint8_t m[2] = { 1, ok ? 0 : 0xff };

	return buf_put(b, m, sizeof(m));
}

int socks_srv_put_reply(struct buf *b, uint8_t rep, const struct addr *a)
{
	static const uint8_t any[4];
	struct addr none = addr_v4(any, 0);
	uint8_t m[3 + ADDR_WIRE_MAX] = { SOCKS5_VERSION, rep, 0 };
	ssize_t n = addr_wire_encode(ADDR_SOCKS, a && addr_is_ip(a) ? a : &none,
				     m + 3, ADDR_WIRE_MAX);

	return n < 0 ? (int)n : buf_put(b, m, 3 + (size_t)n);
}

int socks4_put_reply(struct buf *b, bool granted, const struct addr *a)
{
	uint8_t m[SOCKS4_HEAD] = { 0,
				   granted ? SOCKS4_GRANTED : SOCKS4_REJECTED };

	if (a && a->kind == ADDR_V4) {
		m[2] = (uint8_t)(a->port >> 8);
		m[3] = (uint8_t)a->port;
		memcpy(m + 4, a->ip, 4);
	}
	return buf_put(b, m, sizeof(m));
}
