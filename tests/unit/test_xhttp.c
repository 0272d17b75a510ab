/* test_xhttp.c - XHTTP: places, padding, bodies in any cut; settings */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "proxy/transport/transports.h"
#include "proxy/transport/xhttp_int.h"
#include "proxy/wire/http_req.h"
#include "proxy/wire/xhttp.h"

static const struct xhttp_layout usual = {
	.data = { XHTTP_ANYWHERE, "X-Data" },
	.pad = { XHTTP_URL_IN_HEADER, "x_padding" },
	.pad_header = "Referer",
};

static int place(const char *target, struct xhttp_place *p)
{
	/* a copy without a NUL: a read behind it is seen */
	size_t n = strlen(target);
	char *copy = malloc(n ? n : 1);
	struct http1_head h = { .target = { copy, n } };
	int rc;

	assert_non_null(copy);
	memcpy(copy, target, n);
	rc = xhttp_place(&h, "/p/", &usual, p);
	if (p->session.n) /* it points into the copy */
		p->session.p = target + (p->session.p - copy);
	free(copy);
	return rc;
}

static void xhttp_finds_session_and_number(void **state)
{
	struct xhttp_place p;

	(void)state;
	assert_int_equal(place("/p/", &p), 0);
	assert_int_equal(p.session.n, 0);
	assert_int_equal(place("/p/?q=/a/1", &p), 0);
	assert_int_equal(p.session.n, 0);
	assert_int_equal(place("/p/abc", &p), 0);
	assert_int_equal(p.session.n, 3);
	assert_memory_equal(p.session.p, "abc", 3);
	assert_false(p.has_seq);
	assert_int_equal(place("/p/abc/", &p), 0);
	assert_false(p.has_seq);
	assert_int_equal(place("/p/abc/0?x", &p), 0);
	assert_true(p.has_seq && p.seq == 0);
	assert_int_equal(place("/p/a/18446744073709551615", &p), 0);
	assert_true(p.seq == UINT64_MAX);
}

static void xhttp_refuses_other_places(void **state)
{
	static const char *const other[] = {
		"", "/", "/p", "/q/", "/P/a", "p/a"
	};
	static const char *const wrong[] = {
		"/p//1",
		"/p/a/x",
		"/p/a/-1",
		"/p/a/1/2",
		"/p/a/ 1",
		"/p/a/1x",
		"/p//",
		"/p/a/0x1",
		"/p/a/18446744073709551616",
		"/p/a/99999999999999999999999999",
	};
	char longest[3 + XHTTP_SESSION_MAX + 2] = "/p/";
	struct xhttp_place p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		assert_int_equal(place(other[i], &p), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(place(wrong[i], &p), -EPROTO);
	memset(longest + 3, 'a', XHTTP_SESSION_MAX);
	assert_int_equal(place(longest, &p), 0);
	longest[3 + XHTTP_SESSION_MAX] = 'a';
	assert_int_equal(place(longest, &p), -EPROTO);
}

static size_t padding(const char *target, const char *headers)
{
	struct http1_head h = { .target = { target, strlen(target) },
				.headers = { headers, strlen(headers) } };

	return xhttp_padding(&h, &usual);
}

static void xhttp_measures_padding(void **state)
{
	(void)state;
	assert_int_equal(
		padding("/p/", "Referer: http://h/p/?x_padding=XXXX\r\n"), 4);
	assert_int_equal(padding("/p/", "referer: /?a=b&x_padding=XX&c=d\r\n"),
			 2);
	assert_int_equal(padding("/p/", "Referer: /?x_padding=XX#XX\r\n"), 2);
	assert_int_equal(padding("/p/?x_padding=XXX", ""), 3);
	/* the Referer counts when there is one */
	assert_int_equal(padding("/p/?x_padding=XXX", "Referer: /\r\n"), 0);
	assert_int_equal(padding("/p/", ""), 0);
	assert_int_equal(padding("/p/?x_padding=", ""), 0);
	assert_int_equal(padding("/p/?xx_padding=a", ""), 0);
	assert_int_equal(padding("/p/x_padding=a", ""), 0);
	assert_int_equal(padding("/p/?", ""), 0);
	assert_int_equal(padding("/p/?a&", ""), 0);
}

/* --- other places --- */

static struct http1_head head_of(const char *target, const char *headers)
{
	return (struct http1_head){ .target = { target, strlen(target) },
				    .headers = { headers, strlen(headers) } };
}

static const struct {
	struct xhttp_spot session, seq;
	const char *base, *target, *headers;
	int rc;
	uint64_t number; /* UINT64_MAX: none */
} elsewhere[] = {
	{ { XHTTP_QUERY, "s" },
	  { XHTTP_QUERY, "n" },
	  "/p",
	  "/p?a=b&s=abc&n=7",
	  "",
	  0,
	  7 },
	{ { XHTTP_QUERY, "s" },
	  { XHTTP_PATH, NULL },
	  "/p/",
	  "/p/7?s=abc",
	  "",
	  0,
	  7 },
	{ { XHTTP_PATH, NULL },
	  { XHTTP_QUERY, "n" },
	  "/p/",
	  "/p/abc?n=0",
	  "",
	  0,
	  0 },
	{ { XHTTP_PATH, NULL },
	  { XHTTP_HEADER, "X-Seq" },
	  "/p/",
	  "/p/abc",
	  "x-seq: 8\r\n",
	  0,
	  8 },
	{ { XHTTP_HEADER, "X-S" },
	  { XHTTP_HEADER, "X-N" },
	  "/p",
	  "/p",
	  "X-S: abc\r\n",
	  0,
	  UINT64_MAX },
	{ { XHTTP_COOKIE, "s" },
	  { XHTTP_COOKIE, "n" },
	  "/p",
	  "/p",
	  "Cookie: a=b;  n=9; s=abc\r\n",
	  0,
	  9 },
	/* blanks and quotes around them; names that begin or end alike */
	{ { XHTTP_COOKIE, "s" },
	  { XHTTP_COOKIE, "n" },
	  "/p",
	  "/p",
	  "Cookie: ss=x; xs=y; S=z; s =\"abc\" ;\tn=9\t; s=d\r\n",
	  0,
	  9 },
	/* HTTP/2 may cut them */
	{ { XHTTP_COOKIE, "s" },
	  { XHTTP_COOKIE, "n" },
	  "/p",
	  "/p",
	  "cookie: s=abc\r\nX: y\r\ncookie: n=3\r\n",
	  0,
	  3 },
	{ { XHTTP_COOKIE, "s" },
	  { XHTTP_COOKIE, "n" },
	  "/p",
	  "/p",
	  "Cookie: s=abc; n=\r\n",
	  0,
	  UINT64_MAX },
	/* a number without a session, or that is none */
	{ { XHTTP_COOKIE, "s" },
	  { XHTTP_COOKIE, "n" },
	  "/p",
	  "/p",
	  "Cookie: s; =; ;;n=3\r\n",
	  -EPROTO,
	  0 },
	{ { XHTTP_HEADER, "X-S" },
	  { XHTTP_HEADER, "X-N" },
	  "/p",
	  "/p",
	  "X-S: abc\r\nX-N: 1,2\r\n",
	  -EPROTO,
	  0 },
	{ { XHTTP_QUERY, "s" },
	  { XHTTP_PATH, NULL },
	  "/p/",
	  "/p/x?s=abc",
	  "",
	  -EPROTO,
	  0 },
	{ { XHTTP_QUERY, "s" },
	  { XHTTP_PATH, NULL },
	  "/p/",
	  "/p?s=abc",
	  "",
	  -ENOENT,
	  0 },
};

static void xhttp_finds_them_elsewhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++) {
		struct http1_head h =
			head_of(elsewhere[i].target, elsewhere[i].headers);
		struct xhttp_layout l = { .session = elsewhere[i].session,
					  .seq = elsewhere[i].seq };
		struct xhttp_place p;

		if (xhttp_place(&h, elsewhere[i].base, &l, &p) !=
		    elsewhere[i].rc)
			fail_msg("row %zu", i);
		if (elsewhere[i].rc)
			continue;
		assert_int_equal(p.session.n, 3);
		assert_memory_equal(p.session.p, "abc", 3);
		assert_int_equal(p.has_seq, elsewhere[i].number != UINT64_MAX);
		if (p.has_seq)
			assert_true(p.seq == elsewhere[i].number);
	}
}

static size_t chosen(enum xhttp_where where, const char *target,
		     const char *headers)
{
	struct http1_head h = head_of(target, headers);
	struct xhttp_layout l = { .pad = { where, "k" },
				  .pad_header = "X-P",
				  .chosen = true };

	return xhttp_padding(&h, &l);
}

static void xhttp_chosen_padding(void **state)
{
	(void)state;
	assert_int_equal(chosen(XHTTP_QUERY, "/?k=XXX", ""), 3);
	assert_int_equal(chosen(XHTTP_COOKIE, "/", "Cookie: k=XX; a=b\r\n"), 2);
	assert_int_equal(chosen(XHTTP_HEADER, "/", "X-P: XXXX\r\n"), 4);
	assert_int_equal(
		chosen(XHTTP_URL_IN_HEADER, "/", "X-P: http://h/p?k=XX\r\n"),
		2);
	/* as Xray: the cookie, the header, the query, whatever is configured */
	assert_int_equal(
		chosen(XHTTP_QUERY, "/?k=XXX", "X-P: ?k=X\r\nCookie: k=XX\r\n"),
		2);
	assert_int_equal(chosen(XHTTP_QUERY, "/?k=XXX", "X-P: ?k=X\r\n"), 1);
	assert_int_equal(chosen(XHTTP_QUERY, "/?k=XXX", "X-P: a\r\n"), 0);
	assert_int_equal(
		chosen(XHTTP_HEADER, "/", "Referer: /?x_padding=XXX\r\n"), 0);
}

static void xhttp_measures_tokenish_as_hpack_does(void **state)
{
	/* lengths by libnghttp2's deflater */
	static const struct {
		const char *text;
		size_t n;
	} t[] = {
		{ "", 0 },           { "0", 1 },
		{ "XXXXXXXX", 8 },   { "ZZ", 2 },
		{ "012aceiost", 7 }, { "3456789Abdfghlmnpru", 15 },
		{ "BCDEFGHI", 7 },   { "jkqvwxyz", 7 },
	};
	char text[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(xhttp_huffman((struct http1_text){
					 t[i].text, strlen(t[i].text) }),
				 t[i].n);
	for (size_t n = 1; n < 100; n++) {
		struct http1_text made = { text, 0 };

		made.n = xhttp_tokenish(n, text, sizeof(text));
		assert_in_range(xhttp_huffman(made), n, n + 1);
	}
	assert_int_equal(xhttp_tokenish(1000, text, sizeof(text)),
			 sizeof(text));
}

static ssize_t data(enum xhttp_where where, const char *headers, uint8_t *out,
		    size_t room)
{
	struct http1_head h = head_of("/", headers);
	struct xhttp_layout l = { .data = { where, "X-D" } };

	return xhttp_data(&h, &l, out, room);
}

static void xhttp_reads_data_of_heads(void **state)
{
	uint8_t out[64];

	(void)state;
	assert_int_equal(data(XHTTP_HEADER, "x-d-1: Vm\r\nX-D-0: YWJjZG\r\n",
			      out, sizeof(out)),
			 6);
	assert_memory_equal(out, "abcdef", 6);
	assert_int_equal(data(XHTTP_COOKIE, "Cookie: a=b; X-D_0=YWJj\r\n", out,
			      sizeof(out)),
			 3);
	assert_int_equal(data(XHTTP_COOKIE,
			      "Cookie: X-d_0=ZGVm; XX-D_0=eA; X-D_0=YWJj ; "
			      "X-D_00=x\r\n",
			      out, sizeof(out)),
			 3);
	assert_memory_equal(out, "abc", 3);
	/* header, then cookie */
	assert_int_equal(data(XHTTP_ANYWHERE,
			      "Cookie: X-D_0=ZGVm\r\nX-D-0: YWJj\r\n", out,
			      sizeof(out)),
			 6);
	assert_memory_equal(out, "abcdef", 6);
	/* what is not asked for, gaps, other names */
	assert_int_equal(data(XHTTP_BODY, "X-D-0: YWJj\r\n", out, 64), 0);
	assert_int_equal(data(XHTTP_COOKIE, "X-D-0: YWJj\r\n", out, 64), 0);
	assert_int_equal(data(XHTTP_HEADER, "X-D-1: YWJj\r\n", out, 64), 0);
	assert_int_equal(data(XHTTP_HEADER,
			      "X-D-00: YWJj\r\nX-D-: YWJj\r\nX-D-x: YWJj\r\n"
			      "X-Data-0: YWJj\r\n",
			      out, 64),
			 0);
	assert_int_equal(
		data(XHTTP_HEADER, "X-D-0: YWJj\r\nX-D-2: YWJj\r\n", out, 64),
		3);
	assert_int_equal(
		data(XHTTP_HEADER, "X-D-0: YWJj\r\nX-D-0: ZGVm\r\n", out, 64),
		3);
	assert_memory_equal(out, "abc", 3);
	/* no base64, too many, too much */
	assert_int_equal(data(XHTTP_HEADER, "X-D-0: a*bc\r\n", out, 64),
			 -EPROTO);
	assert_int_equal(data(XHTTP_HEADER, "X-D-0: YWJjZ\r\n", out, 64),
			 -EPROTO);
	assert_int_equal(data(XHTTP_HEADER, "X-D-256: YWJj\r\n", out, 64),
			 -EPROTO);
	assert_int_equal(
		data(XHTTP_HEADER, "X-D-99999999999999999999: a\r\n", out, 64),
		-EPROTO);
	assert_int_equal(data(XHTTP_HEADER, "X-D-0: YWJj\r\n", out, 2),
			 -ENOBUFS);
}

static void xhttp_names_are_uuids(void **state)
{
	char a[37], b[37];

	(void)state;
	xhttp_uuid(a);
	xhttp_uuid(b);
	assert_int_equal(strlen(a), 36);
	assert_int_equal(a[14], '4');
	assert_non_null(strchr("89ab", a[19]));
	for (int i = 8; i <= 23; i += 5)
		assert_int_equal(a[i], '-');
	assert_string_not_equal(a, b);
}

/* All data of @in in pieces of @step. Bytes, or -EPROTO */
static ssize_t all(const char *in, size_t n, bool chunked, uint64_t length,
		   size_t step, char *out, size_t *used)
{
	struct http_req r = { .chunked = chunked, .length = length };
	struct http_body b;
	size_t got = 0;

	http_body_init(&b, &r);
	*used = 0;
	for (size_t at = 0; at < n && b.state != BODY_DONE;) {
		size_t k = n - at < step ? n - at : step, took;
		uint8_t piece[256];
		ssize_t rc;

		assert_true(k <= sizeof(piece));
		memcpy(piece, in + at, k);
		rc = http_body_data(&b, piece, k, &took);
		if (rc < 0)
			return rc;
		memcpy(out + got, piece, (size_t)rc);
		got += (size_t)rc;
		at += took;
		*used += took;
	}
	return (ssize_t)got;
}

static void http_body_data_at_any_cut(void **state)
{
	static const char in[] =
		"3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nt: v\r\n\r\nGET";
	char out[64];
	size_t used;

	(void)state;
	for (size_t step = 1; step < sizeof(in); step++) {
		assert_int_equal(
			all(in, sizeof(in) - 1, true, 0, step, out, &used), 4);
		assert_memory_equal(out, "abcd", 4);
		assert_int_equal(used, sizeof(in) - 1 - 3);
		assert_int_equal(all("abcdefgh", 8, false, 5, step, out, &used),
				 5);
		assert_int_equal(used, 5);
		assert_int_equal(all("2\r\nabX", 7, true, 0, step, out, &used),
				 -EPROTO);
		assert_int_equal(all("fffffffffffffffff\r\n", 19, true, 0, step,
				     out, &used),
				 -EPROTO);
	}
}

/* --- settings --- */

static struct config cfg;

static unsigned int parse(const char *text, bool server,
			  struct xhttp_conf **out)
{
	static struct transport t, raw = { .ops = &transport_raw_ops };
	struct diag d;
	struct jobj o;
	unsigned int errors;

	diag_init(&d);
	assert_non_null(jdoc_parse(&d, "c", text, strlen(text)));
	assert_true(j_open(&o, &d, d.docs->root));
	t = (struct transport){ .ops = &transport_xhttp_ops,
				.below = &raw,
				.server = server };
	assert_int_equal(t.ops->parse(&t, &o, &cfg), 0);
	j_close(&o);
	errors = d.errors + d.warnings;
	diag_free(&d);
	*out = t.settings;
	return errors;
}

static void xhttp_settings_have_xrays_defaults(void **state)
{
	struct xhttp_conf *c;

	(void)state;
	assert_int_equal(parse("{}", false, &c), 0);
	assert_string_equal(c->base, "/");
	assert_int_equal(c->mode, XHTTP_PACKET_UP);
	assert_true(c->h1);
	assert_int_equal(c->padding.lo, 100);
	assert_int_equal(c->padding.hi, 1000);
	assert_int_equal(c->post_bytes.hi, 1000000);
	assert_int_equal(c->post_gap_ms.lo, 30);
	assert_int_equal(c->buffered, 30);
	assert_int_equal(c->reuse.most, 3);
	assert_int_equal(c->reuse.requests.hi, 900);
	assert_int_equal(c->h2.keepalive_ms, 45000);
	assert_int_equal(
		parse("{ \"path\": \"a?b=c\", \"mode\": \"auto\" }", true, &c),
		0);
	assert_string_equal(c->base, "/a/");
	assert_string_equal(c->query, "?b=c");
	assert_int_equal(c->mode, XHTTP_AUTO);
}

/* A server that speaks HTTP/2 refuses a request with them */
static void xhttp_headers_are_not_about_the_connection(void **state)
{
	struct xhttp_conf *c;

	(void)state;
	assert_int_equal(
		parse("{ \"headers\": { \"Connection\": \"keep-alive\","
		      " \"X-A\": \"b\", \"transfer-ENCODING\":"
		      " [ \"chunked\" ] } }",
		      false, &c),
		2);
	assert_non_null(strstr(c->http.extra, "X-A: b\r\n"));
	assert_null(strstr(c->http.extra, "onnection"));
	assert_null(strstr(c->http.extra, "chunked"));
}

static void xhttp_extra_replaces(void **state)
{
	struct xhttp_conf *c;

	(void)state;
	assert_int_equal(
		parse("{ \"path\": \"/a/\", \"mode\": \"stream-up\", \"extra\":"
		      " { \"noGRPCHeader\": true, \"xmux\": {"
		      " \"maxConcurrency\": \"2-2\" } } }",
		      false, &c),
		0);
	assert_true(c->no_grpc);
	assert_int_equal(c->mode, XHTTP_STREAM_UP);
	assert_int_equal(c->reuse.flows, 2);
	assert_int_equal(c->reuse.most, 0);
	/* what is replaced, and what does not count, is told */
	assert_int_equal(
		parse("{ \"noGRPCHeader\": true, \"extra\": { \"mode\":"
		      " \"stream-up\" } }",
		      false, &c),
		2);
	assert_false(c->no_grpc);
}

static void xhttp_refuses_settings_by_name(void **state)
{
	static const char *const bad[] = {
		"{ \"mode\": \"up\" }",
		"{ \"headers\": { \"Host\": \"h\" } }",
		"{ \"xPaddingBytes\": \"0-10\" }",
		"{ \"xPaddingBytes\": -1 }",
		"{ \"xPaddingObfsMode\": true, \"xPaddingKey\": \"a b\" }",
		"{ \"xPaddingObfsMode\": true, \"xPaddingMethod\": \"x\" }",
		"{ \"sessionIDPlacement\": \"body\" }",
		"{ \"sessionIDPlacement\": \"query\", \"sessionIDKey\": \"=\" "
		"}",
		"{ \"seqPlacement\": \"queryInHeader\" }",
		"{ \"mode\": \"stream-up\","
		" \"uplinkDataPlacement\": \"cookie\" }",
		"{ \"mode\": \"stream-one\", \"uplinkHTTPMethod\": \"GET\" }",
		"{ \"sessionIDTable\": \"a=b\", \"sessionIDLength\": 100,"
		" \"sessionIDPlacement\": \"query\" }",
		"{ \"uplinkHTTPMethod\": \"P T\" }",
		"{ \"mode\": \"stream-one\", \"downloadSettings\": {} }",
		"{ \"sessionIDTable\": \"hex\", \"sessionIDLength\": 4 }",
		"{ \"sessionIDTable\": \"a/b\", \"sessionIDLength\": 100 }",
		"{ \"xmux\": { \"maxConnections\": 1, \"maxConcurrency\": 1 } "
		"}",
	};
	struct xhttp_conf *c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (parse(bad[i], false, &c) != 1)
			fail_msg("not refused once: %s", bad[i]);
	assert_int_equal(parse("{ \"sessionIDTable\": \"hex\","
			       " \"sessionIDLength\": \"8-12\" }",
			       false, &c),
			 0);
	assert_int_equal(strlen(c->table), 16);
}

static void xhttp_settings_say_where(void **state)
{
	struct xhttp_conf *c;

	(void)state;
	assert_int_equal(
		parse("{ \"path\": \"/a\", \"mode\": \"packet-up\","
		      " \"uplinkHTTPMethod\": \"get\","
		      " \"sessionIDPlacement\": \"cookie\","
		      " \"seqPlacement\": \"header\", \"seqKey\": \"N\","
		      " \"uplinkDataPlacement\": \"cookie\","
		      " \"uplinkChunkSize\": 10, \"xPaddingObfsMode\": true,"
		      " \"xPaddingPlacement\": \"query\","
		      " \"xPaddingMethod\": \"tokenish\" }",
		      false, &c),
		0);
	assert_string_equal(c->base, "/a");
	assert_string_equal(c->method, "GET");
	assert_string_equal(c->layout.session.key, "x_session");
	assert_string_equal(c->layout.seq.key, "N");
	assert_string_equal(c->layout.data.key, "x_data");
	assert_string_equal(c->layout.pad.key, "x_padding");
	assert_string_equal(c->layout.pad_header, "X-Padding");
	assert_true(c->layout.tokenish);
	assert_int_equal(c->chunk.lo, 64);
	assert_int_equal(c->chunk.hi, 64);
	/* a piece fits into a head that servers take */
	assert_in_range(c->post_bytes.hi, 64, XHTTP_HEAD_DATA_MAX);
	assert_int_equal(
		parse("{ \"path\": \"/a\", \"seqPlacement\": \"query\" }", true,
		      &c),
		0);
	assert_string_equal(c->base, "/a/");
	assert_int_equal(c->post_bytes.hi, 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xhttp_finds_session_and_number),
		cmocka_unit_test(xhttp_refuses_other_places),
		cmocka_unit_test(xhttp_measures_padding),
		cmocka_unit_test(xhttp_finds_them_elsewhere),
		cmocka_unit_test(xhttp_chosen_padding),
		cmocka_unit_test(xhttp_measures_tokenish_as_hpack_does),
		cmocka_unit_test(xhttp_reads_data_of_heads),
		cmocka_unit_test(xhttp_names_are_uuids),
		cmocka_unit_test(http_body_data_at_any_cut),
		cmocka_unit_test(xhttp_settings_have_xrays_defaults),
		cmocka_unit_test(xhttp_headers_are_not_about_the_connection),
		cmocka_unit_test(xhttp_extra_replaces),
		cmocka_unit_test(xhttp_refuses_settings_by_name),
		cmocka_unit_test(xhttp_settings_say_where),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&cfg.arena);
	return rc;
}
