/*
 * proxy_head.c - The PROXY protocol's header, versions 1 and 2
 *
 *   1: "PROXY TCP4 192.0.2.1 192.0.2.9 51000 443\r\n", at most 107 bytes
 *      "PROXY UNKNOWN anything\r\n"
 *   2: 12 bytes signature | version 2, command | family, protocol | length u16
 *      | addresses: 12 bytes IPv4, 36 IPv6, 216 unix | TLVs, skipped
 *      command 0 LOCAL: the connection's own ends hold
 *
 * Source: haproxy.org, proxy-protocol.txt, sections 2.1 and 2.2
 */
#include "proxy/wire/proxy_head.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/compat.h"

enum {
	V1_MAX = 107,
	V2_SIGN = 12,
	V2_HEAD = 16,
	V2_IP4 = 12,
	V2_IP6 = 36,
	V2_UNIX = 216
};
enum { CMD_LOCAL = 0x20, CMD_PROXY = 0x21 };
enum { FAMILY_NONE, FAMILY_IP4, FAMILY_IP6, FAMILY_UNIX };

static const uint8_t v2_sign[V2_SIGN + 1] = "\r\n\r\n\0\r\nQUIT\n";
static const char v1_sign[] = "PROXY ";

/* --- version 1 ----------------------------------------------------------------- */

/* The word at *@p, up to a space or the end of the line; moves behind it */
static bool word(const char **p, char *out, size_t room)
{
	size_t n = strcspn(*p, " ");

	if (!n || n >= room)
		return false;
	memcpy(out, *p, n);
	out[n] = '\0';
	*p += n + ((*p)[n] == ' ');
	return true;
}

static bool word_ip(const char **p, uint8_t kind, struct addr *out)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t ip[16];

	if (!word(p, text, sizeof(text)) ||
	    inet_pton(kind == ADDR_V6 ? AF_INET6 : AF_INET, text, ip) != 1)
		return false;
	*out = kind == ADDR_V6 ? addr_v6(ip, 0) : addr_v4(ip, 0);
	return true;
}

/* Decimal, without zeros before it */
static bool word_port(const char **p, struct addr *out)
{
	char text[6];
	unsigned int v = 0;

	if (!word(p, text, sizeof(text)) || (text[0] == '0' && text[1]))
		return false;
	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9')
			return false;
		v = v * 10 + (unsigned int)(*c - '0');
	}
	out->port = (uint16_t)v;
	return v <= UINT16_MAX;
}

/* What stands behind "PROXY ", without the end of the line */
static int v1_line(const char *p, struct addr ends[2])
{
	struct addr a[2] = { { .kind = ADDR_NONE }, { .kind = ADDR_NONE } };
	uint8_t kind;
	char proto[8];

	if (!word(&p, proto, sizeof(proto)))
		return -EPROTO;
	if (strcmp(proto, "UNKNOWN") != 0) {
		if (strcmp(proto, "TCP4") != 0 && strcmp(proto, "TCP6") != 0)
			return -EPROTO;
		kind = proto[3] == '6' ? ADDR_V6 : ADDR_V4;
		if (!word_ip(&p, kind, &a[0]) || !word_ip(&p, kind, &a[1]) ||
		    !word_port(&p, &a[0]) || !word_port(&p, &a[1]) || *p ||
		    p[-1] == ' ')
			return -EPROTO;
	}
	memcpy(ends, a, sizeof(a));
	return 0;
}

static ssize_t v1_decode(const uint8_t *p, size_t n, struct addr ends[2])
{
	const uint8_t *end = memchr(p, '\n', n < V1_MAX ? n : V1_MAX);
	size_t skip = sizeof(v1_sign) - 1, len;
	char line[V1_MAX + 1];

	if (!end)
		return n < V1_MAX ? 0 : -EPROTO;
	len = (size_t)(end - p);
	if (len < skip + 1 || end[-1] != '\r' || memchr(p, '\0', len))
		return -EPROTO;
	memcpy(line, p + skip, len - skip - 1);
	line[len - skip - 1] = '\0';
	return v1_line(line, ends) < 0 ? -EPROTO : (ssize_t)len + 1;
}

/* --- version 2 ----------------------------------------------------------------- */

static int v2_addresses(uint8_t family, const uint8_t *p, size_t n,
			struct addr a[2])
{
	switch (family >> 4) {
	case FAMILY_NONE:
		return 0;
	case FAMILY_IP4:
		if (n < V2_IP4)
			return -EPROTO;
		a[0] = addr_v4(p, get_be16(p + 8));
		a[1] = addr_v4(p + 4, get_be16(p + 10));
		return 0;
	case FAMILY_IP6:
		if (n < V2_IP6)
			return -EPROTO;
		a[0] = addr_v6(p, get_be16(p + 32));
		a[1] = addr_v6(p + 16, get_be16(p + 34));
		return 0;
	case FAMILY_UNIX:
		return n < V2_UNIX ? -EPROTO : 0;
	default:
		return -EPROTO;
	}
}

static ssize_t v2_decode(const uint8_t *p, size_t n, struct addr ends[2])
{
	struct addr a[2] = { { .kind = ADDR_NONE }, { .kind = ADDR_NONE } };
	size_t len;

	if (n > V2_SIGN && p[12] != CMD_LOCAL && p[12] != CMD_PROXY)
		return -EPROTO;
	if (n > V2_SIGN + 1 && (p[13] >> 4 > FAMILY_UNIX || (p[13] & 15) > 2))
		return -EPROTO;
	if (n < V2_HEAD)
		return 0;
	len = get_be16(p + 14);
	if (len > PROXY_HEAD_IN_MAX - V2_HEAD)
		return -EPROTO;
	if (n < V2_HEAD + len)
		return 0;
	if (p[12] == CMD_PROXY && v2_addresses(p[13], p + V2_HEAD, len, a) < 0)
		return -EPROTO;
	memcpy(ends, a, sizeof(a));
	return (ssize_t)(V2_HEAD + len);
}

/* Do the first bytes agree, as many as there are? */
static bool begins(const uint8_t *p, size_t n, const void *sign, size_t len)
{
	return !memcmp(p, sign, n < len ? n : len);
}

ssize_t proxy_head_decode(const uint8_t *p, size_t n, struct addr ends[2])
{
	if (!n)
		return 0;
	if (begins(p, n, v1_sign, sizeof(v1_sign) - 1))
		return v1_decode(p, n, ends);
	if (begins(p, n, v2_sign, V2_SIGN))
		return v2_decode(p, n, ends);
	return -EPROTO;
}

/* --- writing ------------------------------------------------------------------- */

/* 16 bytes, v4-mapped if it is IPv4 */
static void as_v6(const struct addr *a, uint8_t out[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (a->kind == ADDR_V6) {
		memcpy(out, a->ip, 16);
		return;
	}
	memcpy(out, mapped, 12);
	memcpy(out + 12, a->ip, 4);
}

static size_t v1_encode(const struct addr *from, const struct addr *to, bool v6,
			uint8_t *out)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	char line[PROXY_HEAD_OUT_MAX];
	uint8_t a[16], b[16];
	int n;

	if (v6) {
		as_v6(from, a);
		as_v6(to, b);
	} else {
		memcpy(a, from->ip, 4);
		memcpy(b, to->ip, 4);
	}
	inet_ntop(v6 ? AF_INET6 : AF_INET, a, src, sizeof(src));
	inet_ntop(v6 ? AF_INET6 : AF_INET, b, dst, sizeof(dst));
	n = snprintf(line, sizeof(line), "PROXY TCP%c %s %s %u %u\r\n",
		     v6 ? '6' : '4', src, dst, from->port, to->port);
	memcpy(out, line, (size_t)n);
	return (size_t)n;
}

static size_t v2_encode(const struct addr *from, const struct addr *to, bool v6,
			uint8_t *out)
{
	size_t size = v6 ? 16 : 4;

	memcpy(out, v2_sign, V2_SIGN);
	out[12] = CMD_PROXY;
	out[13] = (uint8_t)((v6 ? FAMILY_IP6 : FAMILY_IP4) << 4 | 1);
	put_be16(out + 14, v6 ? V2_IP6 : V2_IP4);
	out += V2_HEAD;
	if (v6) {
		as_v6(from, out);
		as_v6(to, out + 16);
	} else {
		memcpy(out, from->ip, 4);
		memcpy(out + 4, to->ip, 4);
	}
	put_be16(out + 2 * size, from->port);
	put_be16(out + 2 * size + 2, to->port);
	return V2_HEAD + (v6 ? V2_IP6 : V2_IP4);
}

size_t proxy_head_encode(unsigned int version, const struct addr *from,
			 const struct addr *to, uint8_t *out)
{
	static const char unknown[] = "PROXY UNKNOWN\r\n";
	bool known = addr_is_ip(from) && addr_is_ip(to);
	bool v6 = from->kind == ADDR_V6 || to->kind == ADDR_V6;

	if (known)
		return version == 1 ? v1_encode(from, to, v6, out) :
				      v2_encode(from, to, v6, out);
	if (version == 1) {
		memcpy(out, unknown, sizeof(unknown) - 1);
		return sizeof(unknown) - 1;
	}
	memcpy(out, v2_sign, V2_SIGN);
	out[12] = CMD_LOCAL;
	out[13] = FAMILY_NONE;
	put_be16(out + 14, 0);
	return V2_HEAD;
}
