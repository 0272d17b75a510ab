/*
 * trojan.c - Trojan: request head, packets over the stream
 *
 *	request  key 56 hex | CR LF | command | SOCKS address | CR LF | payload
 *	packet   SOCKS address | length u16 | CR LF | payload
 *
 * The server answers nothing of its own.
 *
 * Source: trojan-gfw.github.io/trojan/protocol; xray.md, 2.5
 */
#include "proxy/wire/trojan.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/crypto.h"
#include "gateway/base/rd.h"
#include "gateway/base/wr.h"

static const char crlf[] = "\r\n";

int trojan_key(const char *password, uint8_t out[TROJAN_KEY_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t sum[HASH_MAX_BYTES];
	int err = hash_once(HASH_SHA224, password, strlen(password), sum);

	for (size_t i = 0; !err && i < TROJAN_KEY_BYTES / 2; i++) {
		out[2 * i] = (uint8_t)digits[sum[i] >> 4];
		out[2 * i + 1] = (uint8_t)digits[sum[i] & 15];
	}
	wipe(sum, sizeof(sum));
	return err;
}

static ssize_t wr_addr(struct wr *w, const struct addr *a)
{
	ssize_t n = addr_wire_encode(ADDR_SOCKS, a, w->p, wr_left(w));

	if (n > 0)
		wr_room(w, (size_t)n);
	return n;
}

ssize_t trojan_request_encode(const struct trojan_request *rq, uint8_t *out,
			      size_t room)
{
	struct wr w = wr_init(out, room);
	ssize_t n;

	wr_bytes(&w, rq->key, TROJAN_KEY_BYTES);
	wr_bytes(&w, crlf, 2);
	wr_u8(&w, (uint8_t)rq->command);
	n = wr_addr(&w, &rq->to);
	if (n < 0)
		return n;
	wr_bytes(&w, crlf, 2);
	return wr_ok(&w) ? (ssize_t)wr_len(&w) : -ENOBUFS;
}

/* The address at the cursor: 1, 0 more bytes are needed, -EPROTO */
static int rd_addr(struct rd *r, struct addr *a, char name[256])
{
	ssize_t n = addr_wire_decode(ADDR_SOCKS, r->p, rd_left(r), a, name);

	if (n <= 0)
		return (int)n;
	rd_bytes(r, (size_t)n);
	return 1;
}

/* CR LF at the cursor: 1, 0, -EPROTO. A wrong first byte is enough */
static int rd_crlf(struct rd *r)
{
	size_t n = rd_left(r) < 2 ? rd_left(r) : 2;

	if (memcmp(r->p, crlf, n))
		return -EPROTO;
	if (n < 2)
		return 0;
	rd_bytes(r, 2);
	return 1;
}

static bool is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

ssize_t trojan_request_decode(const uint8_t *p, size_t n,
			      struct trojan_request *out)
{
	struct rd r = rd_init(p, n);
	uint8_t command;
	struct addr to;
	int is;

	for (size_t i = 0; i < n && i < TROJAN_KEY_BYTES; i++)
		if (!is_hex(p[i]))
			return -EPROTO;
	if (!rd_bytes(&r, TROJAN_KEY_BYTES))
		return 0;
	is = rd_crlf(&r);
	if (is <= 0)
		return is;
	command = rd_u8(&r);
	if (!rd_ok(&r))
		return 0;
	if (command != TROJAN_TCP && command != TROJAN_UDP)
		return -EPROTO;
	is = rd_addr(&r, &to, out->name);
	if (is <= 0)
		return is;
	is = rd_crlf(&r);
	if (is <= 0)
		return is;
	out->key = p;
	out->command = (enum trojan_command)command;
	out->to = to;
	return r.p - p;
}

ssize_t trojan_packet_encode(const struct wire_packet *pk, uint8_t *out,
			     size_t room)
{
	struct wr w = wr_init(out, room);
	ssize_t n = wr_addr(&w, &pk->peer);

	if (n < 0)
		return n;
	if (pk->len > TROJAN_PACKET_MAX)
		return -EINVAL;
	wr_be16(&w, (uint16_t)pk->len);
	wr_bytes(&w, crlf, 2);
	wr_bytes(&w, pk->data, pk->len);
	return wr_ok(&w) ? (ssize_t)wr_len(&w) : -ENOBUFS;
}

ssize_t trojan_packet_decode(const uint8_t *p, size_t n,
			     struct wire_packet *out)
{
	struct rd r = rd_init(p, n);
	struct addr peer;
	uint16_t len;
	int is = rd_addr(&r, &peer, out->name);

	if (is <= 0)
		return is;
	len = rd_be16(&r);
	if (!rd_ok(&r))
		return 0;
	if (len > TROJAN_PACKET_MAX)
		return -EPROTO;
	is = rd_crlf(&r);
	if (is <= 0)
		return is;
	if (rd_left(&r) < len)
		return 0;
	out->peer = peer;
	out->data = r.p;
	out->len = len;
	return r.p - p + len;
}
