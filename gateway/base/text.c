/*
 * text.c - Small helpers for text that is shown to people
 *
 * UTF-8: RFC 3629, section 4. Distance: optimal string alignment, three rows.
 */
#include "gateway/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define WORD_MAX 63 /* longer words have no neighbours */

static size_t lead_len(unsigned char c)
{
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

size_t text_char(const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t len = lead_len(u[0]);

	if (len == 1)
		return u[0] >= 0x20 && u[0] != 0x7f;
	if (!len || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	/* C1 controls; overlong forms; surrogates; beyond U+10FFFF */
	if ((u[0] == 0xc2 && u[1] < 0xa0) || (u[0] == 0xe0 && u[1] < 0xa0) ||
	    (u[0] == 0xed && u[1] > 0x9f) || (u[0] == 0xf0 && u[1] < 0x90) ||
	    (u[0] == 0xf4 && u[1] > 0x8f))
		return 0;
	return len;
}

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

static int same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

unsigned int text_distance(const char *a, const char *b, unsigned int limit)
{
	unsigned int row[3][WORD_MAX + 1], *cur, *up, *up2, best;
	size_t na = strlen(a), nb = strlen(b);

	if (na > WORD_MAX || nb > WORD_MAX)
		return limit + 1;
	for (size_t j = 0; j <= nb; j++)
		row[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= na; i++) {
		cur = row[i % 3];
		up = row[(i - 1) % 3];
		up2 = row[(i + 1) % 3];
		cur[0] = (unsigned int)i;
		for (size_t j = 1; j <= nb; j++) {
			best = least(up[j], cur[j - 1]) + 1;
			best = least(best,
				     up[j - 1] + !same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) &&
			    same(a[i - 2], b[j - 1]))
				best = least(best, up2[j - 2] + 1);
			cur[j] = best;
		}
	}
	return least(row[na % 3][nb], limit + 1);
}

bool text_nearer(const char *word, const char *have, unsigned int *best)
{
	unsigned int n = text_distance(word, have, TEXT_FAR - 1);

	if (n >= *best || n >= strlen(word) || n >= strlen(have))
		return false;
	*best = n;
	return true;
}

ssize_t hex_decode(const char *text, size_t n, uint8_t *out, size_t room)
{
	if (n % 2)
		return -EINVAL;
	if (n / 2 > room)
		return -ENOBUFS;
	for (size_t i = 0; i < n; i += 2) {
		int hi = hex_digit(text[i]), lo = hex_digit(text[i + 1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		out[i / 2] = (uint8_t)(hi << 4 | lo);
	}
	return (ssize_t)(n / 2);
}

int text_port(const char *text, size_t n, uint16_t *port)
{
	uint32_t v = 0;

	if (!n || n > 5)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		v = v * 10 + (uint32_t)(text[i] - '0');
	}
	if (v > UINT16_MAX)
		return -EINVAL;
	*port = (uint16_t)v;
	return 0;
}
