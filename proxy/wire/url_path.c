/* url_path.c - Paths and queries of requests (contract: url_path.h) */
#include "proxy/wire/url_path.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "gateway/base/text.h"

/* One byte at @p of @n, to *@out. Bytes used, or -EINVAL */
static int decode_byte(const char *p, size_t n, char *out)
{
	int hi, lo;

	if (*p != '%') {
		*out = *p;
		return *p ? 1 : -EINVAL;
	}
	if (n < 3)
		return -EINVAL;
	hi = hex_digit(p[1]);
	lo = hex_digit(p[2]);
	if (hi < 0 || lo < 0 || !(hi | lo))
		return -EINVAL;
	*out = (char)(hi << 4 | lo);
	return 3;
}

/* @n bytes at @p as text. Its length, -EINVAL, -ENOBUFS */
static int decode(const char *p, size_t n, bool plus, char *out, size_t room)
{
	size_t len = 0, i = 0;

	while (i < n) {
		int used;

		if (len + 1 >= room)
			return -ENOBUFS;
		used = decode_byte(p + i, n - i, &out[len]);
		if (used < 0)
			return used;
		if (plus && p[i] == '+')
			out[len] = ' ';
		len++;
		i += (size_t)used;
	}
	out[len] = '\0';
	return (int)len;
}

int url_path_decode(const char *p, size_t n, struct url_path *out)
{
	const char *mark = n ? memchr(p, '?', n) : NULL;
	size_t end = mark ? (size_t)(mark - p) : n, i = 0, at = 0;

	out->count = 0;
	out->query = mark ? mark + 1 : "";
	out->query_len = mark ? n - end - 1 : 0;
	if (!n || *p != '/')
		return -EINVAL;
	while (i < end) {
		const char *slash = memchr(p + i, '/', end - i);
		size_t len = slash ? (size_t)(slash - p) - i : end - i;
		int got;

		if (len) {
			if (out->count == URL_SEGS_MAX || at >= URL_PATH_MAX)
				return -ENOBUFS;
			got = decode(p + i, len, false, out->text + at,
				     URL_PATH_MAX - at);
			if (got < 0)
				return got;
			out->seg[out->count++] = out->text + at;
			at += (size_t)got + 1;
		}
		i += len + 1;
	}
	return 0;
}

int url_query_get(const char *query, size_t n, const char *name, char *out,
		  size_t room)
{
	size_t want = strlen(name), i = 0;

	while (i < n) {
		const char *and = memchr(query + i, '&', n - i);
		size_t len = and? (size_t)(and-query) - i : n - i;

		if (len > want && !memcmp(query + i, name, want) &&
		    query[i + want] == '=')
			return decode(query + i + want + 1, len - want - 1,
				      true, out, room);
		i += len + 1;
	}
	return -ENOENT;
}
