/*
 * forwarded.c - Where a client is, as an HTTP proxy before us says
 *
 *	X-Forwarded-For: client, proxy, proxy
 *
 * Who may be believed is told by another header, which clients cannot know or a
 * proxy removes from what they send; it may be X-Forwarded-For itself.
 *
 * Source: Xray-core common/protocol/http/headers.go (facts)
 */
#include "proxy/wire/forwarded.h"

#include <string.h>

static bool is_trusted(const struct http1_head *h, const char *const *trusted)
{
	struct http1_text v;

	for (; trusted && *trusted; trusted++)
		if (http1_header(h, *trusted, &v))
			return true;
	return false;
}

/* An address with spaces around it, or an IPv6 address in brackets */
static bool read_address(const char *p, size_t n, struct addr *out)
{
	char text[ADDR_TEXT_MAX];

	for (; n && (*p == ' ' || *p == '\t'); n--)
		p++;
	while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	if (n > 1 && p[0] == '[' && p[n - 1] == ']') {
		p++;
		n -= 2;
	}
	if (!n || n >= sizeof(text))
		return false;
	memcpy(text, p, n);
	text[n] = '\0';
	return addr_parse_ip(out, text) == 0;
}

bool forwarded_source(const struct http1_head *h, const char *const *trusted,
		      struct addr *out)
{
	struct addr a = { 0 };
	struct http1_text v;
	const char *comma;

	if (!is_trusted(h, trusted) ||
	    !http1_header(h, "x-forwarded-for", &v) || !v.n)
		return false;
	comma = memchr(v.p, ',', v.n);
	if (!read_address(v.p, comma ? (size_t)(comma - v.p) : v.n, &a))
		return false;
	a.port = out->port;
	*out = a;
	return true;
}
