/* test_http_fwd.c - Plain requests: who says on and on costs a turn's worth a turn */
#include "tests/unit/loop.h"

#include "proxy/in/http_fwd.h"
#include "tests/unit/endless.h"

static void begin(struct loop *l, struct session *s, struct endless *e,
		  struct inbound *ib, struct proxy_conf *conf, const char *text)
{
	struct addr to = addr_name("h", 1, 80);

	loop_init(l);
	memset(s, 0, sizeof(*s));
	memset(conf, 0, sizeof(*conf));
	*ib = (struct inbound){ .settings = conf };
	endless_init(e, &l->job);
	s->job.worker = &l->w;
	s->inbound = ib;
	s->in = &e->s;
	assert_int_equal(
		http_fwd_push(s, (const uint8_t *)text, strlen(text), &to), 0);
}

/* Behind the last request, and behind one to another host, nothing is sent on */
static void what_is_not_sent_on_is_read_in_turns(void **state)
{
	static const char *const heads[] = {
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
		"GET http://other/ HTTP/1.1\r\nHost: other\r\n\r\n",
	};
	struct proxy_conf conf;
	struct inbound ib;
	struct endless e;
	struct session s;
	struct loop l;
	char got[4096];

	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(&l, &s, &e, &ib, &conf, heads[i]);
		assert_true(stream_read(s.in, got, sizeof(got)) > 0);
		/* 0: the server is told that nothing more comes */
		assert_int_equal(stream_read(s.in, got, sizeof(got)),
				 i ? 0 : -EAGAIN);
		assert_in_range(e.taken, 1, 2 * WORKER_BUDGET_BYTES);
		if (!i) { /* and it goes on */
			size_t before = e.taken;

			l.runs = 0;
			s.in->ops->want(s.in, ST_READ);
			worker_tick(&l.w, 0);
			assert_int_equal(l.runs, 1);
			assert_int_equal(stream_read(s.in, got, sizeof(got)),
					 -EAGAIN);
			assert_in_range(e.taken - before, 1,
					2 * WORKER_BUDGET_BYTES);
		}
		stream_close(&s.in, 0);
		loop_fini(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_sent_on_is_read_in_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
