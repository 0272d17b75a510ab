/*
 * http.c - Host of an HTTP/1 request
 *
 *	METHOD SP target SP version LF { name ":" value LF } LF
 *
 * Methods as Xray (any case) and PATCH. The answer comes with the end of the
 * Host line; a head that ends without one is no match, as in Xray. A Host
 * that is an IP literal or no host name leaves the protocol without a name.
 *
 * Source: RFC 9112, 2 to 5; xray.md, 1 D
 */
#include <string.h>
#include <strings.h>

#include "gateway/base/compat.h"
#include "gateway/sniff/sniffers.h"

static const char *const methods[] = {
	"get ",    "post ",    "head ",    "put ",
	"delete ", "options ", "connect ", "patch ",
};

/* Does @p start with a method and a space? SNIFF_MORE: it may yet */
static enum verdict method_begins(const char *p, size_t n)
{
	enum verdict v = SNIFF_NO;

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		size_t len = strlen(methods[i]);

		if (strncasecmp(p, methods[i], n < len ? n : len))
			continue;
		if (n >= len)
			return SNIFF_YES;
		v = SNIFF_MORE;
	}
	return v;
}

/* A byte that no request head may have: this is something else */
static bool has_control(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)p[i] < 0x20 && p[i] != '\t' &&
		     p[i] != '\r' && p[i] != '\n') ||
		    p[i] == 0x7f)
			return true;
	return false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void trim(const char **p, size_t *n)
{
	while (*n && is_blank(**p)) {
		(*p)++;
		(*n)--;
	}
	while (*n && is_blank((*p)[*n - 1]))
		(*n)--;
}

/* Bytes of @p without ":port"; 0 for "[v6]" and for what is no host */
static size_t host_len(const char *p, size_t n)
{
	const char *colon = memchr(p, ':', n);
	size_t len = colon ? (size_t)(colon - p) : n;

	if (!n || p[0] == '[')
		return 0;
	for (size_t i = len + 1; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return 0; /* also a bare v6 address */
	return len;
}

/* Is this header line Host? Its value, trimmed, is at @value */
static bool line_host(const char *p, size_t n, const char **value, size_t *len)
{
	static const char key[] = "host:";

	if (n < strlen(key) || strncasecmp(p, key, strlen(key)))
		return false;
	*value = p + strlen(key);
	*len = n - strlen(key);
	trim(value, len);
	return *len > 0;
}

static enum verdict host_found(const char *p, size_t n, struct sniffed *out)
{
	const uint8_t *name = (const uint8_t *)p;

	if (!sniffed_set(out, SNIFF_HTTP1, name, host_len(p, n)))
		sniffed_set(out, SNIFF_HTTP1, NULL, 0);
	return SNIFF_YES;
}

enum verdict sniff_http(const uint8_t *p, size_t n, struct sniffed *out)
{
	const char *at = (const char *)p, *end = at + n, *value, *lf;
	enum verdict v = method_begins(at, n);
	bool first = true;
	size_t len;

	if (v != SNIFF_YES)
		return v;
	for (; (lf = memchr(at, '\n', (size_t)(end - at))); at = lf + 1) {
		size_t line = (size_t)(lf - at);

		if (has_control(at, line))
			return SNIFF_NO;
		if (!line || (line == 1 && *at == '\r'))
			return SNIFF_NO;
		if (!first && line_host(at, line, &value, &len))
			return host_found(value, len, out);
		first = false;
	}
	return has_control(at, (size_t)(end - at)) ? SNIFF_NO : SNIFF_MORE;
}
