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

static int place(const char *target, struct xhttp_place *p)
{
	/* a copy without a NUL: a read behind it is seen */
	size_t n = strlen(target);
	char *copy = malloc(n ? n : 1);
	struct http1_text t = { copy, n };
	int rc;

	assert_non_null(copy);
	memcpy(copy, target, n);
	rc = xhttp_place(&t, "/p/", p);
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

static size_t padding(const char *target, const char *headers, bool *referer)
{
	struct http1_head h = { .target = { target, strlen(target) },
				.headers = { headers, strlen(headers) } };

	return xhttp_padding(&h, referer);
}

static void xhttp_measures_padding(void **state)
{
	bool r;

	(void)state;
	assert_int_equal(
		padding("/p/", "Referer: http://h/p/?x_padding=XXXX\r\n", &r),
		4);
	assert_true(r);
	assert_int_equal(
		padding("/p/", "referer: /?a=b&x_padding=XX&c=d\r\n", &r), 2);
	assert_int_equal(padding("/p/", "Referer: /?x_padding=XX#XX\r\n", &r),
			 2);
	assert_int_equal(padding("/p/?x_padding=XXX", "", &r), 3);
	assert_false(r);
	/* the Referer counts when there is one */
	assert_int_equal(padding("/p/?x_padding=XXX", "Referer: /\r\n", &r), 0);
	assert_int_equal(padding("/p/", "", &r), 0);
	assert_int_equal(padding("/p/?x_padding=", "", &r), 0);
	assert_int_equal(padding("/p/?xx_padding=a", "", &r), 0);
	assert_int_equal(padding("/p/x_padding=a", "", &r), 0);
	assert_int_equal(padding("/p/?", "", &r), 0);
	assert_int_equal(padding("/p/?a&", "", &r), 0);
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
		"{ \"xPaddingObfsMode\": true }",
		"{ \"sessionIDPlacement\": \"query\" }",
		"{ \"seqPlacement\": \"header\" }",
		"{ \"uplinkDataPlacement\": \"cookie\" }",
		"{ \"uplinkHTTPMethod\": \"GET\" }",
		"{ \"uplinkHTTPMethod\": \"P T\" }",
		"{ \"downloadSettings\": {} }",
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xhttp_finds_session_and_number),
		cmocka_unit_test(xhttp_refuses_other_places),
		cmocka_unit_test(xhttp_measures_padding),
		cmocka_unit_test(xhttp_names_are_uuids),
		cmocka_unit_test(http_body_data_at_any_cut),
		cmocka_unit_test(xhttp_settings_have_xrays_defaults),
		cmocka_unit_test(xhttp_extra_replaces),
		cmocka_unit_test(xhttp_refuses_settings_by_name),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&cfg.arena);
	return rc;
}
