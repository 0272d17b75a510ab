/*
 * fuzz_xhttp.c - Requests, their places, padding, data and bodies of XHTTP
 *
 * A body read whole and byte by byte: the same bytes, the same verdict. First
 * byte: how it is framed, and where a request has what.
 */
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/http_req.h"
#include "proxy/wire/xhttp.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void head(const uint8_t *p, size_t n, uint8_t how)
{
	static const enum xhttp_where where[] = { XHTTP_PATH, XHTTP_QUERY,
						  XHTTP_HEADER, XHTTP_COOKIE };
	struct xhttp_layout l = {
		.session = { where[how & 3], "s" },
		.seq = { where[how >> 2 & 3], "n" },
		.data = { XHTTP_ANYWHERE, "d" },
		.pad = { how & 64 ? XHTTP_HEADER : XHTTP_URL_IN_HEADER, "p" },
		.pad_header = "p",
		.chosen = how & 16,
		.tokenish = how & 32,
	};
	uint8_t data[HTTP1_HEAD_MAX];
	struct xhttp_place place;
	struct http1_head h;
	ssize_t got;

	if (http1_request_decode(p, n, &h) <= 0)
		return;
	if (xhttp_place(&h, "/p/", &l, &place) == 0 &&
	    (place.session.n > XHTTP_SESSION_MAX ||
	     (place.has_seq && !place.session.n)))
		abort();
	if (xhttp_padding(&h, &l) > 4 * n)
		abort();
	got = xhttp_data(&h, &l, data, sizeof(data));
	if (got > (ssize_t)n)
		abort();
}

static void body(const uint8_t *p, size_t n, uint8_t how)
{
	struct http_req r = { .chunked = how & 1, .length = how >> 1 };
	uint8_t *a = malloc(n + 1), *b = malloc(n + 1), one;
	struct http_body x, y;
	size_t used = 0, sum = 0, took;
	ssize_t got, rc = 0;

	if (!a || !b)
		abort();
	memcpy(a, p, n);
	http_body_init(&x, &r);
	http_body_init(&y, &r);
	got = http_body_data(&x, a, n, &used);
	for (size_t i = 0; i < n && y.state != BODY_DONE; i++) {
		one = p[i];
		rc = http_body_data(&y, &one, 1, &took);
		if (rc < 0)
			break;
		if (rc)
			b[sum++] = one;
	}
	if ((got < 0) != (rc < 0) || used > n)
		abort();
	if (got >= 0 && ((size_t)got != sum || memcmp(a, b, sum) != 0))
		abort();
	free(a);
	free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (!n)
		return 0;
	head(p + 1, n - 1, p[0]);
	body(p + 1, n - 1, p[0]);
	return 0;
}
