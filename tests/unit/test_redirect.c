/* test_redirect.c - freedom's "redirect": its texts, and who answers whom */
#include <errno.h>
#include <stdlib.h>

#include "loop.h"

#include "alloc_fail.h"
#include "proxy/out/redirect.h"

/* --- texts --------------------------------------------------------------------- */

struct text {
	const char *text;
	enum addr_kind kind;
	uint16_t port;
	const char *name;
};

static void texts_say_a_host_a_port_or_both(void **state)
{
	static const struct text v[] = {
		{ "192.0.2.1:53", ADDR_V4, 53, NULL },
		{ "192.0.2.1:0", ADDR_V4, 0, NULL },
		{ ":5353", ADDR_NONE, 5353, NULL },
		{ "[2001:db8::1]:443", ADDR_V6, 443, NULL },
		{ "dns.test:65535", ADDR_NAME, 65535, "dns.test" },
		{ "DNS.Test:1", ADDR_NAME, 1, "dns.test" },
	};
	struct arena a = { 0 };
	struct addr got;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		assert_int_equal(redirect_parse(v[i].text, &a, &got), 0);
		assert_int_equal(got.kind, v[i].kind);
		assert_int_equal(got.port, v[i].port);
		if (v[i].name)
			assert_string_equal(got.name, v[i].name);
	}
	arena_free(&a);
}

static void other_texts_are_refused(void **state)
{
	static const char *const v[] = {
		"",           ":",         ":0",         "192.0.2.1",
		"a.test",     "a.test:",   "a.test:x",   "a.test:65536",
		"a.test:-1",  "a.test: 1", "[]:0",       "a..test:1",
		"a.test:+80", "a b:80",    "host:123456"
	};
	struct addr got = { .kind = ADDR_NONE, .port = 7 };
	struct arena a = { 0 };
	char longest[400];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		if (redirect_parse(v[i], &a, &got) != -EINVAL)
			fail_msg("taken: \"%s\"", v[i]);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + 300, ":1", 3);
	assert_int_equal(redirect_parse(longest, &a, &got), -EINVAL);
	assert_int_equal(got.port, 7); /* nothing was written */
	arena_free(&a);
}

static void what_is_left_open_stays(void **state)
{
	struct addr to = addr_of("192.0.2.1", 53),
		    host = addr_of("198.51.100.1", 0),
		    port = { .kind = ADDR_NONE, .port = 5353 };

	(void)state;
	redirect_apply(&host, &to);
	assert_int_equal(to.port, 53);
	assert_int_equal(to.ip[0], 198);
	redirect_apply(&port, &to);
	assert_int_equal(to.port, 5353);
	assert_int_equal(to.ip[0], 198);
}

/* --- datagrams ------------------------------------------------------------------ */

/* Below: keeps what was sent, gives it back from where it went */
struct echo {
	struct dgram d;
	struct pkt v[DGRAM_BATCH];
	int n;
	bool closed;
};

static int echo_send(struct dgram *d, const struct pkt *v, int n)
{
	struct echo *e = container_of(d, struct echo, d);

	memcpy(e->v, v, (size_t)n * sizeof(*v));
	e->n = n;
	return n;
}

static int echo_recv(struct dgram *d, struct pkt *v, int max)
{
	struct echo *e = container_of(d, struct echo, d);
	int n = e->n < max ? e->n : max;

	memcpy(v, e->v, (size_t)n * sizeof(*v));
	e->n = 0;
	return n ? n : -EAGAIN;
}

static void echo_want(struct dgram *d, unsigned int events)
{
	(void)d;
	(void)events;
}

static void echo_close(struct dgram *d)
{
	container_of(d, struct echo, d)->closed = true;
}

static const struct dgram_ops echo_ops = { .name = "echo",
					   .recv = echo_recv,
					   .send = echo_send,
					   .want = echo_want,
					   .close = echo_close };

static struct dgram *layer(struct loop *l, struct echo *e, const char *to)
{
	struct dgram *d = NULL;
	struct addr r;

	memset(e, 0, sizeof(*e));
	e->d = (struct dgram){ .ops = &echo_ops, .job = &l->job };
	assert_int_equal(redirect_parse(to, &l->cfg.arena, &r), 0);
	assert_int_equal(redirect_dgram(&l->w, &l->cfg, &r, &e->d, &d), 0);
	return d;
}

static void answers_come_from_where_the_client_sent(void **state)
{
	struct pkt v = { addr_of("192.0.2.1", 53), NULL, 0 }, got[2];
	struct dgram *d;
	struct echo e;
	struct loop l;

	(void)state;
	loop_init(&l);
	d = layer(&l, &e, "198.51.100.9:5353");
	assert_int_equal(d->ops->send(d, &v, 1), 1);
	assert_int_equal(e.v[0].peer.ip[0], 198);
	assert_int_equal(e.v[0].peer.port, 5353);
	assert_int_equal(d->ops->recv(d, got, 2), 1);
	assert_true(addr_eq(&got[0].peer, &v.peer));
	d->ops->close(d);
	assert_true(e.closed);
	loop_fini(&l);
}

static void with_the_port_open_each_port_has_its_own_source(void **state)
{
	struct pkt v[2] = { { addr_of("192.0.2.1", 53), NULL, 0 },
			    { addr_of("192.0.2.2", 54), NULL, 0 } };
	struct pkt got[2];
	struct dgram *d;
	struct echo e;
	struct loop l;

	(void)state;
	loop_init(&l);
	d = layer(&l, &e, "198.51.100.9:0");
	assert_int_equal(d->ops->send(d, v, 2), 2);
	assert_int_equal(d->ops->recv(d, got, 2), 2);
	assert_true(addr_eq(&got[0].peer, &v[0].peer));
	assert_true(addr_eq(&got[1].peer, &v[1].peer));
	d->ops->close(d);
	loop_fini(&l);
}

static void a_stranger_stays_a_stranger(void **state)
{
	struct addr stranger = addr_of("203.0.113.1", 5353);
	struct pkt v = { addr_of("192.0.2.1", 53), NULL, 0 }, got[2];
	struct dgram *d;
	struct echo e;
	struct loop l;

	(void)state;
	loop_init(&l);
	d = layer(&l, &e, "198.51.100.9:5353");
	assert_int_equal(d->ops->send(d, &v, 1), 1);
	e.v[0].peer = stranger; /* the port is the same, the host is not */
	assert_int_equal(d->ops->recv(d, got, 2), 1);
	assert_true(addr_eq(&got[0].peer, &stranger));
	assert_int_equal(d->ops->recv(d, got, 2), -EAGAIN);
	d->ops->close(d);
	loop_fini(&l);
}

static void without_memory_what_is_below_is_closed(void **state)
{
	struct addr r = { .kind = ADDR_NONE, .port = 1 };
	struct dgram *d = NULL;
	struct echo e = { .d = { .ops = &echo_ops } };
	struct loop l;

	(void)state;
	loop_init(&l);
	alloc_fail_at(1);
	assert_int_equal(redirect_dgram(&l.w, &l.cfg, &r, &e.d, &d), -ENOMEM);
	assert_true(alloc_fail_hit());
	assert_true(e.closed);
	assert_null(d);
	loop_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_say_a_host_a_port_or_both),
		cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(what_is_left_open_stays),
		cmocka_unit_test(answers_come_from_where_the_client_sent),
		cmocka_unit_test(
			with_the_port_open_each_port_has_its_own_source),
		cmocka_unit_test(a_stranger_stays_a_stranger),
		cmocka_unit_test(without_memory_what_is_below_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
