/*
 * fuzz_base64.c - Base64, hexadecimal digits and UUIDs of settings: what decodes
 * lies within its room, and encodes to what decodes to itself
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/base64.h"
#include "gateway/base/text.h"
#include "must.h"
#include "proxy/wire/uuid.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Into memory of just @room bytes, so that ASan sees one too many */
static void base64(const char *text, size_t n, size_t room)
{
	uint8_t *out = malloc(room + 1), *again;
	ssize_t len, k;
	char *back;

	MUST(out);
	out[room] = 0xa5;
	len = base64_decode(text, n, out, room);
	MUST(out[room] == 0xa5 && (len < 0 || (size_t)len <= room));
	for (int url = 0; len >= 0 && url < 2; url++) {
		back = malloc(BASE64_LEN((size_t)len) + 1);
		again = malloc((size_t)len + 1);
		MUST(back && again);
		k = base64_encode(out, (size_t)len, url, back,
				  BASE64_LEN((size_t)len) + 1);
		MUST(k >= 0 && (size_t)k <= BASE64_LEN((size_t)len));
		MUST(base64_decode(back, (size_t)k, again, (size_t)len) == len);
		MUST(!memcmp(out, again, (size_t)len));
		free(back);
		free(again);
	}
	free(out);
}

static void hex(const char *text, size_t n, size_t room)
{
	uint8_t *out = malloc(room + 1);
	ssize_t len;

	MUST(out);
	out[room] = 0xa5;
	len = hex_decode(text, n, out, room);
	MUST(out[room] == 0xa5);
	MUST(len < 0 || ((size_t)len <= room && (size_t)len * 2 == n));
	for (ssize_t i = 0; i < len; i++)
		MUST(hex_digit(text[2 * i]) == out[i] >> 4 &&
		     hex_digit(text[2 * i + 1]) == (out[i] & 15));
	free(out);
}

/* The settings' parsers take texts with a NUL at their end */
static void uuid(const uint8_t *p, size_t n)
{
	char *text = malloc(n + 1);
	uint8_t id[16];

	MUST(text);
	memcpy(text, p, n);
	text[n] = '\0';
	(void)uuid_parse(text, id);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *copy = malloc(n + 1);

	MUST(copy);
	for (size_t at = 0, k; at < n; at += k ? k : 1) {
		k = text_char((const char *)p + at, n - at);
		MUST(k <= n - at);
	}
	memcpy(copy, p, n);
	base64(copy, n, n);
	base64(copy, n, n / 3);
	hex(copy, n, n);
	hex(copy, n, n / 3);
	uuid(p, n);
	free(copy);
	return 0;
}
