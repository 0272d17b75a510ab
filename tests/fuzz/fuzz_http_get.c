/* fuzz_http_get.c - Answers to a GET, whole and in pieces */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/http_get.h"

#define ROOM 8192
#define MOST 4096

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Bytes of the body, read in pieces of @step; -1 refused */
static ssize_t body(struct http_get *g, const uint8_t *p, size_t n, size_t step,
		    uint8_t *out)
{
	size_t at = 0, len = 0, got;

	http_get_begin(g, MOST);
	while (at < n && !g->done) {
		size_t k = n - at < step ? n - at : step;
		size_t room = step < 64 ? step : ROOM - len;
		ssize_t used =
			http_get_take(g, p + at, k, out + len, room, &got);

		if (used < 0)
			return -1;
		if ((size_t)used > k || got > room ||
		    (!used && !got && !g->done))
			abort();
		at += (size_t)used;
		len += got;
	}
	if (len != g->size || len > MOST)
		abort();
	return (ssize_t)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static uint8_t one[ROOM], two[ROOM];
	static struct http_get a, b;
	ssize_t x, y;

	if (n > ROOM)
		return 0;
	x = body(&a, p, n, n, one);
	y = body(&b, p, n, 1, two);
	if (x != y || (x > 0 && memcmp(one, two, (size_t)x) != 0))
		abort();
	if (x >= 0 && (a.status != b.status || a.done != b.done ||
		       strcmp(a.location, b.location) != 0 ||
		       strcmp(a.etag, b.etag) != 0 ||
		       http_get_end(&a) != http_get_end(&b)))
		abort();
	return 0;
}
