/* test_tls13_post.c - What TLS 1.3 says behind its handshake that is no data */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "proxy/wire/tls13_post.h"

/* A record of @type in pieces of @step bytes. What it said in the end */
static int take(struct tls13_post *t, enum tls_content type, const void *p,
		size_t n, size_t step)
{
	size_t at = 0, k;
	int said;

	do {
		k = n - at < step ? n - at : step;
		said = tls13_post_take(t, type, (const uint8_t *)p + at, k,
				       at + k == n);
		at += k;
	} while (said == TLS13_SAID_NOTHING && at < n);
	return said;
}

static void each_word_is_understood_in_any_pieces(void **state)
{
	static const struct {
		const char *p;
		size_t n;
		enum tls_content type;
		int said;
	} words[] = {
		{ "\1\0", 2, TLS_ALERT, TLS13_SAID_END },
		{ "\2\0", 2, TLS_ALERT, TLS13_SAID_END },
		{ "\1\132", 2, TLS_ALERT, TLS13_SAID_NOTHING },
		{ "\2\50", 2, TLS_ALERT, TLS13_SAID_ALERT },
		{ "\30\0\0\1\0", 5, TLS_HANDSHAKE, TLS13_SAID_UPDATE },
		{ "\30\0\0\1\1", 5, TLS_HANDSHAKE, TLS13_SAID_BOTH },
		{ "\4\0\0\2ab", 6, TLS_HANDSHAKE, TLS13_SAID_NOTHING },
		{ "\4\0\0\0", 4, TLS_HANDSHAKE, TLS13_SAID_NOTHING },
		{ "\4\0\0\2ab\30\0\0\1\1", 11, TLS_HANDSHAKE, TLS13_SAID_BOTH },
		{ "", 0, TLS_CHANGE_CIPHER_SPEC, TLS13_SAID_NOTHING },
		/* wrong ones */
		{ "", 0, TLS_ALERT, -EPROTO },
		{ "\1", 1, TLS_ALERT, -EPROTO },
		{ "\1\0\0", 3, TLS_ALERT, -EPROTO },
		{ "", 0, TLS_HANDSHAKE, -EPROTO },
		{ "\4\0\0", 3, TLS_HANDSHAKE, -EPROTO },
		{ "\1\0\0\0", 4, TLS_HANDSHAKE, -EPROTO },
		{ "\4\2\0\1", 4, TLS_HANDSHAKE, -EPROTO },
		{ "\30\0\0\1\2", 5, TLS_HANDSHAKE, -EPROTO },
		{ "\30\0\0\2\0\0", 6, TLS_HANDSHAKE, -EPROTO },
		{ "\30\0\0\1", 4, TLS_HANDSHAKE, -EPROTO },
		{ "\30\0\0\1\0\4", 6, TLS_HANDSHAKE, -EPROTO },
		{ "\1", 1, TLS_CHANGE_CIPHER_SPEC, -EPROTO },
		{ "x", 1, (enum tls_content)24, -EPROTO },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		for (size_t step = 1; step < 12; step++) {
			struct tls13_post t = { 0 };

			assert_int_equal(take(&t, words[i].type, words[i].p,
					      words[i].n, step),
					 words[i].said);
			if (words[i].said < 0)
				continue;
			/* nothing of it is left behind */
			assert_int_equal(
				take(&t, TLS_HANDSHAKE, "\30\0\0\1\0", 5, step),
				TLS13_SAID_UPDATE);
		}
}

static void an_alert_is_kept(void **state)
{
	struct tls13_post t = { 0 };

	(void)state;
	assert_int_equal(take(&t, TLS_ALERT, "\2\50", 2, 1), TLS13_SAID_ALERT);
	assert_int_equal(t.got[1], 40);
}

static void a_long_ticket_goes_over_records(void **state)
{
	static uint8_t ticket[4 + (1u << 17)] = { 4, 2, 0, 0 };
	struct tls13_post t = { 0 };

	(void)state;
	for (size_t at = 0; at < sizeof(ticket); at += 16384) {
		size_t n = sizeof(ticket) - at < 16384 ? sizeof(ticket) - at :
							 16384;

		assert_int_equal(take(&t, TLS_HANDSHAKE, ticket + at, n, 1000),
				 TLS13_SAID_NOTHING);
		assert_int_equal(t.skip != 0, at + n < sizeof(ticket));
		if (t.skip) /* alerts may come between */
			assert_int_equal(take(&t, TLS_ALERT, "\1\132", 2, 2),
					 TLS13_SAID_NOTHING);
	}
	assert_int_equal(take(&t, TLS_ALERT, "\1\0", 2, 2), TLS13_SAID_END);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_word_is_understood_in_any_pieces),
		cmocka_unit_test(an_alert_is_kept),
		cmocka_unit_test(a_long_ticket_goes_over_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
