/* test_out_socks.c - SOCKS5 client against servers that behave and that do not */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "rogue.h"
#include "tests/unit/emulated.h"

struct expect {
	struct client *c;
	uint8_t got[64];
	size_t n, want;
};

static bool received(void *arg)
{
	struct expect *e = arg;
	struct stream *st = e->c->st;
	ssize_t n = stream_read(st, e->got + e->n, sizeof(e->got) - e->n);

	if (n > 0)
		e->n += (size_t)n;
	st->ops->want(st, ST_READ);
	return e->n >= e->want;
}

static void assert_echo(struct client *c)
{
	struct expect e = { .c = c, .want = 5 };

	assert_int_equal(stream_write(c->st, "hello", 5), 5);
	assert_true(loop_until(&c->l, received, &e, 2000));
	assert_memory_equal(e.got, "hello", 5);
}

static void a_name_is_asked_for_as_a_name_and_the_layer_sheds(void **state)
{
	static const uint8_t want[] = { 5,   1,   0,   5,   1,   0,
					3,   8,   'w', 'e', 'b', '.',
					't', 'e', 's', 't', 1,   0xbb };
	struct client c;

	(void)state;
	begin(&c, serve_exact);
	assert_int_equal(open_in(&c, 2000), 0);
	assert_string_equal(c.st->ops->name, "fd");
	assert_int_equal(c.r.seen_len, sizeof(want));
	assert_memory_equal(c.r.seen, want, sizeof(want));
	assert_echo(&c);
	assert_int_equal(atomic_load(&c.conf.pipeline), PIPELINE_YES);
	assert_int_equal(atomic_load(&c.r.conns), 1);
	end(&c);
}

static void password_v6_and_all_in_one_go(void **state)
{
	static const uint8_t head[] = { 5,   1,   2,   1, 2, 'm', 'e', 3,
					'p', 'w', 'd', 5, 1, 0,   4 };
	struct client c;

	(void)state;
	begin(&c, serve_exact);
	c.conf.user = "me";
	c.conf.pass = "pwd";
	c.s.target = addr_of("2001:db8::9", 80);
	assert_int_equal(open_in(&c, 2000), 0);
	assert_int_equal(c.r.seen_len, sizeof(head) + 18);
	assert_memory_equal(c.r.seen, head, sizeof(head));
	assert_echo(&c);
	assert_int_equal(atomic_load(&c.conf.pipeline), PIPELINE_YES);
	end(&c);
}

static void a_server_that_loses_the_request_is_asked_again(void **state)
{
	struct client c;

	(void)state;
	for (int password = 0; password < 2; password++) {
		uint32_t t0 = clock_ms();

		begin(&c, serve_lossy);
		c.conf.user = password ? "me" : NULL;
		c.conf.pass = password ? "pwd" : NULL;
		assert_int_equal(open_in(&c, 4000), 0);
		assert_in_range(clock_ms() - t0, 950, 2000);
		assert_echo(&c);
		assert_int_equal(atomic_load(&c.conf.pipeline), PIPELINE_NO);
		assert_int_equal(atomic_load(&c.r.conns), 2);
		/* and is known from now on */
		t0 = clock_ms();
		assert_int_equal(open_in(&c, 2000), 0);
		assert_true(clock_ms() - t0 < 500);
		assert_echo(&c);
		assert_int_equal(atomic_load(&c.r.conns), 3);
		end(&c);
	}
}

static void a_server_that_hangs_up_on_a_pipeline_is_asked_again(void **state)
{
	struct client c;
	uint32_t t0 = clock_ms();

	(void)state;
	begin(&c, serve_strict);
	assert_int_equal(open_in(&c, 2000), 0);
	assert_true(clock_ms() - t0 < 500);
	assert_echo(&c);
	assert_int_equal(atomic_load(&c.conf.pipeline), PIPELINE_NO);
	end(&c);
}

static void what_was_learned_is_doubted_when_a_request_hangs(void **state)
{
	struct client c;

	(void)state;
	begin(&c, serve_lossy);
	atomic_store(&c.conf.pipeline, PIPELINE_YES);
	assert_int_equal(open_in(&c, 300), -EAGAIN);
	stream_close(&c.st, -ETIMEDOUT);
	assert_int_equal(atomic_load(&c.conf.pipeline), PIPELINE_UNKNOWN);
	end(&c);
}

static void every_cut_is_an_error(void **state)
{
	static const char whole[] = "\5\2\1\0\5\0\0\3\4name\1\2";
	struct client c;

	(void)state;
	for (int pipeline = PIPELINE_UNKNOWN; pipeline <= PIPELINE_YES;
	     pipeline++) {
		begin(&c, serve_script);
		c.conf.user = "me";
		c.conf.pass = "pwd";
		for (size_t n = 0; n < sizeof(whole) - 1; n++) {
			int rc;

			script(&c, whole, n, false);
			atomic_store(&c.conf.pipeline, pipeline);
			rc = open_in(&c, 2000);
			/* EPIPE: it was cut before we had written all */
			if (rc != -ECONNRESET && rc != -EPIPE)
				fail_msg("cut at %zu: %d", n, rc);
		}
		script(&c, whole, sizeof(whole) - 1, true);
		assert_int_equal(open_in(&c, 2000), 0);
		end(&c);
	}
}

static void wrong_answers_have_their_errors(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int rc;
	} cases[] = {
		{ "\4\0", 2, -EPROTO }, /* version */
		{ "HTTP/1.1 400 Bad Request\r\n\r\n", 28, -EPROTO },
		{ "\5\xff", 2, -EPERM }, /* no method */
		{ "\5\2", 2, -EPROTO }, /* one we did not offer */
		{ "\5\0\4\0\0\1\0\0\0\0\0\0", 12, -EPROTO },
		{ "\5\0\5\0\0\2\0\0\0\0\0\0", 12, -EPROTO }, /* address type */
		{ "\5\0\5\0\0\3\3a b\0\0", 12, -EPROTO }, /* name */
		{ "\5\0\5\1\0\1\0\0\0\0\0\0", 12, -EREMOTEIO },
		{ "\5\0\5\2\0\1\0\0\0\0\0\0", 12, -EPERM },
		{ "\5\0\5\3\0\1\0\0\0\0\0\0", 12, -ENETUNREACH },
		{ "\5\0\5\4\0\1\0\0\0\0\0\0", 12, -EHOSTUNREACH },
		{ "\5\0\5\5\0\1\0\0\0\0\0\0", 12, -ECONNREFUSED },
		{ "\5\0\5\5\0\3\0\0\0", 9, -ECONNREFUSED },
		{ "\5\0\5\xf0\0\1\0\0\0\0\0\0", 12, -EPROTO },
	};
	struct client c;

	(void)state;
	begin(&c, serve_script);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int rc;

		script(&c, cases[i].bytes, cases[i].n, true);
		atomic_store(&c.conf.pipeline, PIPELINE_YES);
		rc = open_in(&c, 2000);
		if (rc != cases[i].rc)
			fail_msg("case %zu: %d", i, rc);
		assert_false(c.st->ops->up(c.st));
	}
	end(&c);
}

static void a_password_refused_is_told(void **state)
{
	struct client c;

	(void)state;
	begin(&c, serve_script);
	c.conf.user = "me";
	c.conf.pass = "wrong";
	script(&c, "\5\2\1\1", 4, false);
	assert_int_equal(open_in(&c, 2000), -EPERM);
	assert_int_equal(atomic_load(&c.r.conns), 1);
	end(&c);
}

static void a_refused_server_is_told(void **state)
{
	struct client c;

	(void)state;
	skip_foreign_errno();
	begin(&c, serve_exact);
	c.conf.server.server.port = port_unused("127.0.0.1");
	assert_int_equal(open_in(&c, 2000), -ECONNREFUSED);
	end(&c);
}

static void a_dripping_server_works_and_payload_behind_it_is_kept(void **state)
{
	static const char all[] = "\5\0\5\0\0\1\1\2\3\4\5\6payload";
	struct expect e = { .want = 7 };
	struct client c;

	(void)state;
	begin(&c, serve_script);
	script(&c, all, sizeof(all) - 1, true);
	c.r.drip_us = 3000;
	e.c = &c;
	assert_int_equal(open_in(&c, 4000), 0);
	assert_true(loop_until(&c.l, received, &e, 2000));
	assert_memory_equal(e.got, "payload", 7);
	/* all at once, too */
	c.r.drip_us = 0;
	e.n = 0;
	assert_int_equal(open_in(&c, 2000), 0);
	assert_true(loop_until(&c.l, received, &e, 2000));
	assert_memory_equal(e.got, "payload", 7);
	end(&c);
}

static void a_silent_server_is_never_up_and_takes_no_payload(void **state)
{
	struct client c;

	(void)state;
	begin(&c, serve_script);
	script(&c, "", 0, true);
	assert_int_equal(open_in(&c, 1500), -EAGAIN);
	assert_false(c.st->ops->up(c.st));
	assert_int_equal(stream_write(c.st, "x", 1), -EAGAIN);
	assert_int_equal(c.st->ops->finish(c.st), -EAGAIN);
	assert_int_equal(atomic_load(&c.r.conns), 1);
	end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_name_is_asked_for_as_a_name_and_the_layer_sheds),
		cmocka_unit_test(password_v6_and_all_in_one_go),
		cmocka_unit_test(
			a_server_that_loses_the_request_is_asked_again),
		cmocka_unit_test(
			a_server_that_hangs_up_on_a_pipeline_is_asked_again),
		cmocka_unit_test(
			what_was_learned_is_doubted_when_a_request_hangs),
		cmocka_unit_test(every_cut_is_an_error),
		cmocka_unit_test(wrong_answers_have_their_errors),
		cmocka_unit_test(a_password_refused_is_told),
		cmocka_unit_test(a_refused_server_is_told),
		cmocka_unit_test(
			a_dripping_server_works_and_payload_behind_it_is_kept),
		cmocka_unit_test(
			a_silent_server_is_never_up_and_takes_no_payload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
