/*
 * fuzz_http_req.c - What an HTTP proxy's client may send
 *
 * A head that was rewritten must decode, mean the same, and be rewritten to
 * itself; a body must end at the same byte however it is cut.
 */
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/http_req.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_rewrite(const struct http1_head *h, const struct http_req *r)
{
	static uint8_t a[HTTP_REQ_OUT_MAX], b[HTTP_REQ_OUT_MAX];
	ssize_t n = http_req_rewrite(h, r, a, sizeof(a)), m;
	struct http1_head h2;
	struct http_req r2;

	if (n < 0) /* colons without a space grow by one each */
		return;
	if (n >= HTTP1_HEAD_MAX)
		return;
	m = http1_request_decode(a, (size_t)n, &h2);
	if (m != n)
		abort();
	if (http1_is(&h2.target, "*"))
		return;
	if (http_req_read(&h2, &r2) || r2.chunked != r->chunked ||
	    r2.length != r->length || r2.keep != r->keep)
		abort();
	if (http_req_rewrite(&h2, &r2, b, sizeof(b)) != n || memcmp(a, b, n))
		abort();
}

static ssize_t body_end(const struct http_req *r, const uint8_t *p, size_t n,
			size_t step)
{
	struct http_body b;
	size_t at = 0;

	http_body_init(&b, r);
	while (at < n && b.state != BODY_DONE) {
		size_t k = n - at < step ? n - at : step;
		ssize_t used = http_body_take(&b, p + at, k);

		if (used < 0)
			return used;
		at += (size_t)used;
	}
	return (ssize_t)at;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct http_req chunked = { .chunked = true };
	struct http1_head h;
	struct http_req r;
	char user[256], pass[256];

	if (body_end(&chunked, p, n, 1) != body_end(&chunked, p, n, 7))
		abort();
	if (http1_request_decode(p, n, &h) <= 0)
		return 0;
	(void)http_req_account(&h, user, pass);
	if (http_req_read(&h, &r) == 0 && !r.connect)
		check_rewrite(&h, &r);
	return 0;
}
