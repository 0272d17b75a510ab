/* test_http_req.c - Requests to a proxy: targets, accounts, rewriting, bodies */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cm.h"

#include "proxy/wire/http_req.h"

/* http_req_read() of @text, or the decoder's own -EPROTO */
static int read_req(const char *text, struct http1_head *h, struct http_req *r)
{
	if (http1_request_decode((const uint8_t *)text, strlen(text), h) <= 0)
		return -EBADMSG;
	return http_req_read(h, r);
}

static void targets_of_every_form(void **state)
{
	static const struct {
		const char *text, *to, *path;
		bool connect, origin;
	} good[] = {
		{ "CONNECT a.b:8443 HTTP/1.1\r\n\r\n", "a.b:8443", "", true,
		  0 },
		{ "CONNECT [::1]:1 HTTP/1.1\r\n\r\n", "[::1]:1", "", true, 0 },
		{ "GET http://a.b HTTP/1.1\r\n\r\n", "a.b:80", "", 0, 0 },
		{ "GET http://a.b/x?y HTTP/1.1\r\n\r\n", "a.b:80", "/x?y", 0,
		  0 },
		{ "GET HTTP://A.B:81?q HTTP/1.1\r\n\r\n", "a.b:81", "?q", 0,
		  0 },
		{ "GET http://me@x:@1.2.3.4/ HTTP/1.1\r\n\r\n", "1.2.3.4:80",
		  "/", 0, 0 },
		{ "GET https://a.b/ HTTP/1.1\r\n\r\n", "a.b:443", "/", 0, 0 },
		{ "GET /x HTTP/1.1\r\nHost: a.b:99\r\n\r\n", "a.b:99", "/x", 0,
		  true },
	};
	struct http1_head h;
	struct http_req r;
	char text[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(read_req(good[i].text, &h, &r), 0);
		assert_string_equal(addr_format(&r.to, text, sizeof(text)),
				    good[i].to);
		assert_int_equal(r.path.n, strlen(good[i].path));
		assert_memory_equal(r.path.n ? r.path.p : "", good[i].path,
				    r.path.n);
		assert_int_equal(r.connect, good[i].connect);
		assert_int_equal(r.origin, good[i].origin);
	}
}

static void targets_that_are_none(void **state)
{
	static const char *const bad[] = {
		"GET x HTTP/1.1\r\n\r\n",
		"GET * HTTP/1.1\r\n\r\n",
		"GET ftp://a/ HTTP/1.1\r\n\r\n",
		"GET http:///x HTTP/1.1\r\n\r\n",
		"GET http://me@/x HTTP/1.1\r\n\r\n",
		"GET http://a:0x/ HTTP/1.1\r\n\r\n",
		"GET http://a:99999/ HTTP/1.1\r\n\r\n",
		"GET http://a%41/ HTTP/1.1\r\n\r\n",
		"GET /x HTTP/1.1\r\n\r\n", /* no Host */
		"CONNECT http://a/ HTTP/1.1\r\n\r\n",
	};
	struct http1_head h;
	struct http_req r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(read_req(bad[i], &h, &r), -EPROTO);
}

static void bodies_framed_in_two_ways_are_refused(void **state)
{
	static const char *const bad[] = {
		"Content-Length: 1\r\nContent-Length: 2\r\n",
		"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
		"Content-Length: +1\r\n",
		"Content-Length: 1, 1\r\n",
		"Content-Length: 99999999999999999999\r\n",
		"Content-Length: \r\n",
		"Transfer-Encoding: gzip, chunked\r\n",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		"Transfer-Encoding: xchunked\r\n",
	};
	struct http1_head h;
	struct http_req r;
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text),
			 "POST http://a/ HTTP/1.1\r\n%s\r\n", bad[i]);
		assert_int_equal(read_req(text, &h, &r), -EPROTO);
	}
	assert_int_equal(read_req("POST http://a/ HTTP/1.0\r\n"
				  "Transfer-Encoding: chunked\r\n\r\n",
				  &h, &r),
			 -EPROTO);
	assert_int_equal(read_req("POST http://a/ HTTP/1.1\r\nContent-Length: 5"
				  "\r\nContent-Length: 5\r\n\r\n",
				  &h, &r),
			 0);
	assert_int_equal(r.length, 5);
}

static void connections_are_kept_as_asked(void **state)
{
	static const struct {
		const char *text;
		bool keep;
	} v[] = {
		{ "GET http://a/ HTTP/1.1\r\n\r\n", true },
		{ "GET http://a/ HTTP/1.1\r\nConnection: x, Close\r\n\r\n",
		  false },
		{ "GET http://a/ HTTP/1.1\r\nProxy-Connection: close\r\n\r\n",
		  false },
		{ "GET http://a/ HTTP/1.0\r\n\r\n", false },
		{ "GET http://a/ HTTP/1.0\r\nProxy-Connection: keep-alive\r\n"
		  "\r\n",
		  true },
	};
	struct http1_head h;
	struct http_req r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		assert_int_equal(read_req(v[i].text, &h, &r), 0);
		assert_int_equal(r.keep, v[i].keep);
	}
}

static int account(const char *value, char user[256], char pass[256])
{
	struct http1_head h;
	char text[2048];

	snprintf(text, sizeof(text), "GET http://a/ HTTP/1.1\r\n%s%s\r\n\r\n",
		 value ? "Proxy-Authorization: " : "X: ", value ? value : "1");
	assert_true(http1_request_decode((const uint8_t *)text, strlen(text),
					 &h) > 0);
	return http_req_account(&h, user, pass);
}

static void accounts_are_read(void **state)
{
	char user[256], pass[256];

	(void)state;
	assert_int_equal(account("Basic YW5uOnB3", user, pass), 0);
	assert_string_equal(user, "ann");
	assert_string_equal(pass, "pw");
	assert_int_equal(account("basic  YW5uOmE6Yg==", user, pass), 0);
	assert_string_equal(pass, "a:b");
	assert_int_equal(account("Basic Og==", user, pass), 0);
	assert_string_equal(user, "");
	assert_string_equal(pass, "");
	assert_int_equal(account(NULL, user, pass), -ENOENT);
	assert_int_equal(account("Digest x", user, pass), -ENOENT);
	assert_int_equal(account("Basic ", user, pass), -ENOENT);
	assert_int_equal(account("Basic !!!!", user, pass), -EPROTO);
	assert_int_equal(account("Basic YW5u", user, pass), -EPROTO);
	assert_int_equal(account("Basic YQA6Yg==", user, pass), -EPROTO);
}

static void long_accounts_are_refused(void **state)
{
	char user[256], pass[256], text[1024] = "Basic ";

	(void)state;
	memset(text + 6, 'Q', 800);
	assert_int_equal(account(text, user, pass), -EPROTO);
	memcpy(text + 6, "Onh4", 4); /* ":xx", then 300 more */
	text[6 + 400] = '\0';
	assert_int_equal(account(text, user, pass), -EPROTO);
}

static void heads_are_rewritten(void **state)
{
	static const char in[] =
		"POST http://u@a.b:81/p?q HTTP/1.1\r\n"
		"Host: evil\r\nAccept: */*\r\nProxy-Connection: x-hop\r\n"
		"X-Hop: 1\r\nconnection: Content-Length, close2\r\n"
		"Proxy-Authorization: Basic x\r\nTE: gzip\r\nClose2: "
		"1\r\nclose: x\r\n"
		"Content-Length: 3\r\nUpgrade: h2c\r\nX:y \r\n\r\n";
	static const char want[] =
		"POST /p?q HTTP/1.1\r\nHost: a.b:81\r\nAccept: */*\r\n"
		"Content-Length: 3\r\nX: y\r\nConnection: keep-alive\r\n\r\n";
	uint8_t out[HTTP_REQ_OUT_MAX];
	struct http1_head h;
	struct http_req r;
	ssize_t n;

	(void)state;
	assert_int_equal(read_req(in, &h, &r), 0);
	n = http_req_rewrite(&h, &r, out, sizeof(out));
	assert_int_equal(n, strlen(want));
	assert_memory_equal(out, want, strlen(want));
	for (size_t room = 0; room < (size_t)n; room++)
		assert_int_equal(http_req_rewrite(&h, &r, out, room), -ENOBUFS);
}

static void empty_paths_become_one(void **state)
{
	uint8_t out[256];
	struct http1_head h;
	struct http_req r;

	(void)state;
	assert_int_equal(read_req("GET http://a?x HTTP/1.0\r\n\r\n", &h, &r),
			 0);
	assert_true(http_req_rewrite(&h, &r, out, sizeof(out)) > 0);
	assert_memory_equal(out, "GET /?x HTTP/1.0\r\n", 18);
	assert_int_equal(read_req("OPTIONS http://a HTTP/1.1\r\n\r\n", &h, &r),
			 0);
	assert_true(http_req_rewrite(&h, &r, out, sizeof(out)) > 0);
	assert_memory_equal(out, "OPTIONS * HTTP/1.1\r\n", 20);
}

/* How much of @text is body, fed in pieces of @step; -EPROTO */
static ssize_t body(const char *text, size_t step, bool *done)
{
	struct http_req r = { .chunked = true };
	struct http_body b;
	size_t n = strlen(text), at = 0;

	http_body_init(&b, &r);
	while (at < n) {
		size_t k = n - at < step ? n - at : step;
		uint8_t *q = malloc(k);
		ssize_t used;

		memcpy(q, text + at, k);
		used = http_body_take(&b, q, k);
		free(q);
		if (used < 0)
			return used;
		at += (size_t)used;
		if ((size_t)used < k)
			break;
	}
	*done = b.state == BODY_DONE;
	return (ssize_t)at;
}

static void chunks_end_where_they_end(void **state)
{
	static const char *const good[] = {
		"0\r\n\r\n",
		"5\r\nhello\r\n0\r\n\r\n",
		"00a;x=y\r\n0123456789\r\n1 \r\nx\r\n0\r\nT: 1\r\nU: 2\r\n\r\n",
		"F\r\n0\r\n\r\n0\r\n\r\n12345\r\n0\r\n\r\n",
	};
	char text[256];
	bool done;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(text, sizeof(text), "%sGET /next", good[i]);
		for (size_t step = 1; step < 64; step++) {
			done = false;
			assert_int_equal(body(text, step, &done),
					 strlen(good[i]));
			assert_true(done);
		}
		for (size_t n = 1; n < strlen(good[i]); n++) {
			memcpy(text, good[i], n);
			text[n] = '\0';
			assert_int_equal(body(text, 100, &done), n);
			assert_false(done);
		}
	}
}

static void chunks_that_could_be_read_otherwise_are_refused(void **state)
{
	static const char *const bad[] = {
		"\r\n",        "x\r\n",         "5\nhello\r\n",
		"5\r\nhello0", "5\r\nhelloX\n", "5\r\nhello\rX",
		"-1\r\n",      "0x5\r\n",       "5;a\nb\r\n",
		"0\r\n\n",     "0\r\nT: 1\n",   "0\r\nT: 1\rX",
		"0\r\n\rX",    "5\rX",          "ffffffffffffffff\r\n",
		";\r\n",
	};
	bool done;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(body(bad[i], 1, &done), -EPROTO);
		assert_int_equal(body(bad[i], 100, &done), -EPROTO);
	}
}

/* Some servers fill each size with blanks */
static void a_body_may_have_any_number_of_extensions(void **state)
{
	static const char chunk[] = "1      \r\nx\r\n", end[] = "0\r\n\r\n";
	const size_t n = 20000, each = sizeof(chunk) - 1;
	char *text = malloc(n * each + sizeof(end));
	bool done = false;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		memcpy(text + i * each, chunk, each);
	memcpy(text + n * each, end, sizeof(end));
	assert_int_equal(body(text, 1000, &done), strlen(text));
	assert_true(done);
	free(text);
}

static void endless_trailers_are_refused(void **state)
{
	char *text = malloc(20001);
	bool done;

	(void)state;
	memset(text, 'a', 20000);
	memcpy(text, "0\r\n", 3);
	text[20000] = '\0';
	assert_int_equal(body(text, 1000, &done), -EPROTO);
	free(text);
}

static void bodies_of_a_length_are_counted(void **state)
{
	struct http_req r = { .length = 7 };
	struct http_body b;

	(void)state;
	http_body_init(&b, &r);
	assert_int_equal(http_body_take(&b, (const uint8_t *)"abc", 3), 3);
	assert_int_equal(b.state, BODY_LENGTH);
	assert_int_equal(http_body_take(&b, (const uint8_t *)"abcdef", 6), 4);
	assert_int_equal(b.state, BODY_DONE);
	assert_int_equal(http_body_take(&b, (const uint8_t *)"x", 1), 0);
	r.length = 0;
	http_body_init(&b, &r);
	assert_int_equal(b.state, BODY_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_of_every_form),
		cmocka_unit_test(targets_that_are_none),
		cmocka_unit_test(bodies_framed_in_two_ways_are_refused),
		cmocka_unit_test(connections_are_kept_as_asked),
		cmocka_unit_test(accounts_are_read),
		cmocka_unit_test(long_accounts_are_refused),
		cmocka_unit_test(heads_are_rewritten),
		cmocka_unit_test(empty_paths_become_one),
		cmocka_unit_test(chunks_end_where_they_end),
		cmocka_unit_test(
			chunks_that_could_be_read_otherwise_are_refused),
		cmocka_unit_test(a_body_may_have_any_number_of_extensions),
		cmocka_unit_test(endless_trailers_are_refused),
		cmocka_unit_test(bodies_of_a_length_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
