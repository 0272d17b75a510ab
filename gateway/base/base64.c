/* base64.c - Base64, standard and URL alphabet (RFC 4648, 4 and 5) */
#include "gateway/base/base64.h"

#include <errno.h>

static const char alphabet[2][65] = {
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

ssize_t base64_encode(const void *p, size_t n, bool url, char *out, size_t room)
{
	const uint8_t *b = p;
	const char *a = alphabet[url];
	size_t at = 0;

	if (room <= BASE64_LEN(n))
		return -ENOBUFS;
	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v = (uint32_t)b[i] << 16 |
			     (left > 1 ? (uint32_t)b[i + 1] << 8 : 0) |
			     (left > 2 ? b[i + 2] : 0u);

		for (size_t k = 0; k < 4; k++) {
			if (k <= left)
				out[at++] = a[v >> (18 - 6 * k) & 63];
			else if (!url)
				out[at++] = '=';
		}
	}
	out[at] = '\0';
	return (ssize_t)at;
}

/* 0 to 63, or -1 */
static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

ssize_t base64_decode(const char *text, size_t n, uint8_t *out, size_t room)
{
	uint32_t v = 0;
	size_t at = 0;
	int bits = 0;

	for (int i = 0; i < 2 && n && text[n - 1] == '='; i++)
		n--;
	if (n % 4 == 1)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		int d = digit(text[i]);

		if (d < 0)
			return -EINVAL;
		v = v << 6 | (uint32_t)d;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		if (at == room)
			return -ENOBUFS;
		out[at++] = (uint8_t)(v >> bits);
		v &= (1u << bits) - 1;
	}
	return v ? -EINVAL : (ssize_t)at;
}
