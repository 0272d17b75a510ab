/* fuzz_http1_body.c - A response with its body, whole and in pieces */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/http1_body.h"

#define ROOM 4096

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Payload of @p, read in pieces of @step. Bytes; -1 refused */
static ssize_t payload(const struct http1_head *h, const uint8_t *p, size_t n,
		       size_t step, uint8_t *out)
{
	struct http1_body b;
	size_t at = 0, len = 0, got;

	if (http1_body_begin(h, &b) < 0)
		return -1;
	while (at < n && !b.done) {
		size_t k = n - at < step ? n - at : step;
		ssize_t used = http1_body_read(&b, p + at, k, out + len,
					       ROOM - len, &got);

		if (used < 0)
			return -1;
		if ((size_t)used > k || got > ROOM - len)
			abort();
		at += (size_t)used;
		len += got;
		if ((size_t)used < k && !b.done)
			break; /* full */
	}
	return (ssize_t)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static uint8_t one[ROOM], two[ROOM];
	struct http1_text value;
	struct http1_head h;
	ssize_t head = http1_response_decode(p, n, &h), a, b;

	if (head <= 0)
		return 0;
	if (http1_header(&h, "content-type", &value))
		http1_is_type(&value, "application/dns-message");
	if (http1_header(&h, "age", &value))
		http1_number(&value);
	a = payload(&h, p + head, n - (size_t)head, n, one);
	b = payload(&h, p + head, n - (size_t)head, 1, two);
	/* What is refused late may have given something before */
	if (a != b || (a > 0 && memcmp(one, two, (size_t)a)))
		abort();
	return 0;
}
