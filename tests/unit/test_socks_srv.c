/* test_socks_srv.c - SOCKS server messages: layouts, every cut, garbage */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cm.h"

#include "proxy/wire/socks5.h"
#include "proxy/wire/socks_srv.h"

/* A heap copy of exactly @n bytes, so that ASan sees a read behind it */
static uint8_t *copy(const void *p, size_t n)
{
	uint8_t *q = malloc(n ? n : 1);

	assert_non_null(q);
	if (n)
		memcpy(q, p, n);
	return q;
}

static void greetings_tell_whether_a_method_is_offered(void **state)
{
	static const uint8_t m[] = { 5, 2, 0, 2, 0xee };
	bool offered;

	(void)state;
	assert_int_equal(socks_srv_greeting(m, sizeof(m), 0, &offered), 4);
	assert_true(offered);
	assert_int_equal(socks_srv_greeting(m, sizeof(m), 2, &offered), 4);
	assert_true(offered);
	assert_int_equal(socks_srv_greeting(m, sizeof(m), 0xee, &offered), 4);
	assert_false(offered); /* behind the message */
	for (size_t i = 0; i < 4; i++) {
		uint8_t *q = copy(m, i);

		assert_int_equal(socks_srv_greeting(q, i, 0, &offered), 0);
		free(q);
	}
	assert_int_equal(
		socks_srv_greeting((const uint8_t *)"\4", 1, 0, &offered),
		-EPROTO);
}

static void a_greeting_without_methods_offers_nothing(void **state)
{
	static const uint8_t m[] = { 5, 0 };
	bool offered = true;

	(void)state;
	assert_int_equal(socks_srv_greeting(m, sizeof(m), 0, &offered), 2);
	assert_false(offered);
}

static void passwords_are_read_at_every_length(void **state)
{
	static const uint8_t m[] = { 1, 2, 'm', 'e', 3, 'p', 'w', 'd', 9 };
	char user[256], pass[256];
	uint8_t big[513];

	(void)state;
	assert_int_equal(socks_srv_auth(m, sizeof(m), user, pass), 8);
	assert_string_equal(user, "me");
	assert_string_equal(pass, "pwd");
	for (size_t i = 0; i < 8; i++) {
		uint8_t *q = copy(m, i);

		assert_int_equal(socks_srv_auth(q, i, user, pass), 0);
		free(q);
	}
	memset(big, 'x', sizeof(big));
	big[0] = 1;
	big[1] = 255;
	big[257] = 255;
	assert_int_equal(socks_srv_auth(big, sizeof(big), user, pass), 513);
	assert_int_equal(strlen(user), 255);
	assert_int_equal(strlen(pass), 255);
	assert_int_equal(
		socks_srv_auth((const uint8_t *)"\1\0\0", 3, user, pass), 3);
	assert_string_equal(user, "");
}

static void passwords_that_are_none_are_refused(void **state)
{
	char user[256], pass[256];

	(void)state;
	assert_int_equal(socks_srv_auth((const uint8_t *)"\5", 1, user, pass),
			 -EPROTO);
	assert_int_equal(
		socks_srv_auth((const uint8_t *)"\1\2a\0\1b", 6, user, pass),
		-EPROTO); /* a NUL inside */
}

static void requests_of_every_kind(void **state)
{
	static const struct {
		size_t n;
		uint8_t m[32];
		const char *to;
	} good[] = {
		{ 10,
		  { 5, 1, 0, 1, 192, 0, 2, 7, 0x1f, 0x90 },
		  "192.0.2.7:8080" },
		{ 12,
		  { 5, 1, 0, 3, 5, 'A', '.', 't', 's', 't', 0, 80 },
		  "a.tst:80" },
		{ 22,
		  { 5, 3, 9, 4, 0x20, 1, [19] = 1, 1, 0xbb },
		  "[2001::1]:443" },
		{ 14,
		  { 5, 1, 0, 3, 7, '1', '.', '2', '.', '3', '.', '4', 0, 80 },
		  "1.2.3.4:80" },
	};
	struct socks_request r;
	char text[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(socks_srv_request(good[i].m, good[i].n, &r),
				 good[i].n);
		assert_int_equal(r.cmd, good[i].m[1]);
		assert_string_equal(addr_format(&r.to, text, sizeof(text)),
				    good[i].to);
		for (size_t k = 0; k < good[i].n; k++) {
			uint8_t *q = copy(good[i].m, k);

			assert_int_equal(socks_srv_request(q, k, &r), 0);
			free(q);
		}
	}
}

static void requests_that_are_none(void **state)
{
	static const uint8_t type[] = { 5, 1, 0, 2 }, ver[] = { 4 },
			     name[] = { 5, 1, 0, 3, 2, 'a', '/', 0, 80 },
			     empty[] = { 5, 1, 0, 3, 0, 0, 80 };
	struct socks_request r;

	(void)state;
	assert_int_equal(socks_srv_request(type, 4, &r), -EAFNOSUPPORT);
	assert_int_equal(socks_srv_request(ver, 1, &r), -EPROTO);
	assert_int_equal(socks_srv_request(name, sizeof(name), &r), -EPROTO);
	assert_int_equal(socks_srv_request(empty, sizeof(empty), &r), -EPROTO);
}

static void socks4_and_4a_requests(void **state)
{
	static const struct {
		size_t n;
		uint8_t m[32];
		const char *to;
	} good[] = {
		{ 9, { 4, 1, 0, 80, 192, 0, 2, 7, 0 }, "192.0.2.7:80" },
		{ 11,
		  { 4, 1, 0, 80, 192, 0, 2, 7, 'm', 'e', 0 },
		  "192.0.2.7:80" },
		{ 15,
		  { 4, 1, 0, 80, 0, 0, 0, 1, 0, 'w', '.', 't', 's', 't', 0 },
		  "w.tst:80" },
		{ 17,
		  { 4, 1, 0, 80, 0, 0, 0, 9, 'u', 0, '1', '.', '2', '.', '3',
		    '.', '4' },
		  NULL }, /* its NUL is still to come */
		{ 13,
		  { 4, 1, 0, 80, 0, 0, 0, 9, 0, ':', ':', '1', 0 },
		  "[::1]:80" },
		{ 9, { 4, 1, 0, 80, 0, 0, 0, 0, 0 }, "0.0.0.0:80" },
	};
	struct socks_request r;
	char text[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		ssize_t want = good[i].to ? (ssize_t)good[i].n : 0;

		assert_int_equal(socks4_request(good[i].m, good[i].n, &r),
				 want);
		if (want)
			assert_string_equal(
				addr_format(&r.to, text, sizeof(text)),
				good[i].to);
		for (size_t k = 0; k < good[i].n; k++) {
			uint8_t *q = copy(good[i].m, k);

			assert_int_equal(socks4_request(q, k, &r), 0);
			free(q);
		}
	}
}

static void socks4_texts_have_an_end(void **state)
{
	uint8_t m[600] = { 4, 1, 0, 80, 192, 0, 2, 7 };
	struct socks_request r;

	(void)state;
	memset(m + 8, 'u', sizeof(m) - 8);
	assert_int_equal(socks4_request(m, 8 + 255, &r), 0);
	assert_int_equal(socks4_request(m, 8 + 256, &r), -EPROTO);
	assert_int_equal(socks4_request(m, sizeof(m), &r), -EPROTO);
	memcpy(m + 4, "\0\0\0\1\0", 5); /* 4a, no user, an endless name */
	assert_int_equal(socks4_request(m, 9 + 255, &r), 0);
	assert_int_equal(socks4_request(m, sizeof(m), &r), -EPROTO);
	memcpy(m + 9, "a b", 4);
	assert_int_equal(socks4_request(m, 13, &r), -EPROTO);
	assert_int_equal(socks4_request((const uint8_t *)"\5", 1, &r), -EPROTO);
}

static void replies_have_their_layout(void **state)
{
	static const uint8_t want[] = {
		5,    0xff, 1,   0, 1, 0xff, 5, 0,    0, 1, 192, 0, 2, 7,
		0x1f, 0x90, 5,   7, 0, 1,    0, 0,    0, 0, 0,   0, 0, 0x5a,
		0x1f, 0x90, 192, 0, 2, 7,    0, 0x5b, 0, 0, 0,   0, 0, 0
	};
	static const uint8_t ip[4] = { 192, 0, 2, 7 };
	struct addr a = addr_v4(ip, 8080), name = addr_name("x", 1, 1);
	struct buf *b = buf_new(sizeof(want));

	(void)state;
	assert_int_equal(socks_srv_put_method(b, 0xff), 0);
	assert_int_equal(socks_srv_put_auth(b, true), 0);
	assert_int_equal(socks_srv_put_auth(b, false), 0);
	assert_int_equal(socks_srv_put_reply(b, 0, &a), 0);
	assert_int_equal(socks_srv_put_reply(b, 7, &name), 0);
	assert_int_equal(socks4_put_reply(b, true, &a), 0);
	assert_int_equal(socks4_put_reply(b, false, NULL), 0);
	assert_int_equal(b->len, sizeof(want));
	assert_memory_equal(buf_head(b), want, sizeof(want));
	assert_int_equal(socks_srv_put_reply(b, 0, &a), -ENOBUFS);
	buf_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(greetings_tell_whether_a_method_is_offered),
		cmocka_unit_test(a_greeting_without_methods_offers_nothing),
		cmocka_unit_test(passwords_are_read_at_every_length),
		cmocka_unit_test(passwords_that_are_none_are_refused),
		cmocka_unit_test(requests_of_every_kind),
		cmocka_unit_test(requests_that_are_none),
		cmocka_unit_test(socks4_and_4a_requests),
		cmocka_unit_test(socks4_texts_have_an_end),
		cmocka_unit_test(replies_have_their_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
