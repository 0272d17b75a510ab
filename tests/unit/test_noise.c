/* test_noise.c - Junk before the first datagram: to whom, when, and its settings */
#include <errno.h>
#include <stdlib.h>

#include "loop.h"

#include "alloc_fail.h"
#include "gateway/base/arena.h"
#include "gateway/base/jdoc.h"
#include "proxy/out/noise.h"
#include "tests/unit/diag_text.h"

#define KEPT 64

/**
 * struct below - What noise stands on
 * @rc:		What the next sends give, if below 0
 */
struct below {
	struct dgram d; /* must be first */
	struct addr to[KEPT];
	uint8_t data[KEPT][NOISE_BYTES_MAX];
	size_t len[KEPT];
	int sent, rc, closed;
	unsigned int want;
	struct job *asked;
};

static struct below *below_of(struct dgram *d)
{
	return container_of(d, struct below, d);
}

static int below_send(struct dgram *d, const struct pkt *v, int n)
{
	struct below *b = below_of(d);

	if (b->rc < 0)
		return b->rc;
	for (int i = 0; i < n; i++) {
		assert_true(b->sent < KEPT);
		assert_true(v[i].len <= NOISE_BYTES_MAX);
		b->to[b->sent] = v[i].peer;
		b->len[b->sent] = v[i].len;
		if (v[i].len)
			memcpy(b->data[b->sent], v[i].data, v[i].len);
		b->sent++;
	}
	return n;
}

static int below_recv(struct dgram *d, struct pkt *v, int max)
{
	(void)d;
	*v = (struct pkt){ .len = 7 };
	return max ? 1 : 0;
}

static void below_want(struct dgram *d, unsigned int events)
{
	below_of(d)->want = events;
	below_of(d)->asked = d->job;
}

static void below_close(struct dgram *d)
{
	below_of(d)->closed++;
}

static const struct dgram_ops below_ops = { .name = "below",
					    .recv = below_recv,
					    .send = below_send,
					    .want = below_want,
					    .close = below_close };

/**
 * struct rig - Noises of a configuration, over a dgram of the test
 */
struct rig {
	struct loop l;
	struct diag d;
	struct noises n;
	struct below b;
	struct dgram *top;
};

/* "noises" of @json; how many complaints */
static unsigned int parse(struct rig *r, const char *json)
{
	struct jdoc *doc;
	struct jobj o;

	diag_init(&r->d);
	doc = jdoc_parse(&r->d, "test", json, strlen(json));
	assert_non_null(doc);
	assert_true(j_open(&o, &r->d, doc->root));
	assert_int_equal(noises_parse(&o, &r->n, &r->l.cfg.arena), 0);
	return r->d.errors;
}

static void begin(struct rig *r, const char *json)
{
	memset(r, 0, sizeof(*r));
	loop_init(&r->l);
	worker_tick(&r->l.w, 0);
	if (parse(r, json))
		fail_msg("%s: %s", json, diag_text(&r->d, false));
	r->b.d = (struct dgram){ .ops = &below_ops, .job = &r->l.job };
	assert_int_equal(noise_dgram(&r->l.w, &r->n, &r->b.d, &r->top), 0);
}

static void end(struct rig *r)
{
	if (r->top)
		r->top->ops->close(r->top);
	assert_int_equal(r->b.closed, 1);
	diag_free(&r->d);
	loop_fini(&r->l);
}

static int put(struct rig *r, const struct addr *to, const char *text)
{
	uint8_t data[16];
	struct pkt p = { *to, data, strlen(text) };

	memcpy(data, text, p.len);
	return r->top->ops->send(r->top, &p, 1);
}

static void assert_packet(const struct rig *r, int i, const struct addr *to,
			  const char *text)
{
	assert_true(i < r->b.sent);
	assert_true(addr_eq(&r->b.to[i], to));
	assert_int_equal(r->b.len[i], strlen(text));
	assert_memory_equal(r->b.data[i], text, strlen(text));
}

static void each_destination_meets_its_noise_once(void **state)
{
	struct addr a = addr_of("192.0.2.1", 443), b = a, c = a;
	struct rig r;

	(void)state;
	b.port = 444;
	c.ip[3] = 9;
	begin(&r, "{\"noises\":[{\"type\":\"str\",\"packet\":\"junk\"},"
		  "{\"type\":\"hex\",\"packet\":\"0a0B\"}]}");
	assert_int_equal(put(&r, &a, "one"), 1);
	assert_packet(&r, 0, &a, "junk");
	assert_packet(&r, 1, &a, "\n\v");
	assert_packet(&r, 2, &a, "one");
	assert_int_equal(put(&r, &a, "two"), 1);
	assert_packet(&r, 3, &a, "two");
	assert_int_equal(put(&r, &b, "three"), 1);
	assert_packet(&r, 4, &b, "junk");
	assert_packet(&r, 6, &b, "three");
	assert_int_equal(put(&r, &c, "four"), 1);
	assert_packet(&r, 7, &c, "junk");
	assert_packet(&r, 9, &c, "four");
	assert_int_equal(r.b.sent, 10);
	end(&r);
}

static void dns_gets_none(void **state)
{
	struct addr a = addr_of("192.0.2.1", 53);
	struct rig r;

	(void)state;
	begin(&r, "{\"noises\":[{\"packet\":\"10\"}]}");
	assert_int_equal(put(&r, &a, "query"), 1);
	assert_packet(&r, 0, &a, "query");
	assert_int_equal(r.b.sent, 1);
	end(&r);
}

static void a_noise_may_be_for_one_family(void **state)
{
	struct addr v4 = addr_of("192.0.2.1", 443);
	struct addr v6 = addr_of("2001:db8::1", 443);
	struct rig r;

	(void)state;
	begin(&r, "{\"noises\":[{\"type\":\"str\",\"packet\":\"four\","
		  "\"applyTo\":\"ipv4\"},{\"type\":\"base64\",\"packet\":"
		  "\"c2l4\",\"applyTo\":\"ipv6\"},{\"type\":\"str\","
		  "\"packet\":\"both\",\"applyTo\":\"ip\"}]}");
	assert_int_equal(put(&r, &v4, "x"), 1);
	assert_packet(&r, 0, &v4, "four");
	assert_packet(&r, 1, &v4, "both");
	assert_packet(&r, 2, &v4, "x");
	assert_int_equal(put(&r, &v6, "y"), 1);
	assert_packet(&r, 3, &v6, "six");
	assert_packet(&r, 4, &v6, "both");
	assert_packet(&r, 5, &v6, "y");
	assert_int_equal(r.b.sent, 6);
	end(&r);
}

static void random_noise_has_the_length_asked_for(void **state)
{
	bool shortest = false, longest = false, differs = false;
	struct addr a = addr_of("192.0.2.1", 443);
	struct rig r;

	(void)state;
	begin(&r, "{\"noises\":[{\"type\":\"rand\",\"packet\":\"4-6\"}]}");
	for (int i = 0; i < 200; i++) {
		a.port = (uint16_t)(1000 + i);
		r.b.sent = 0;
		assert_int_equal(put(&r, &a, "x"), 1);
		assert_int_equal(r.b.sent, 2);
		assert_true(r.b.len[0] >= 4 && r.b.len[0] <= 6);
		shortest |= r.b.len[0] == 4;
		longest |= r.b.len[0] == 6;
		differs |= memcmp(r.b.data[0], r.b.data[2], 4) != 0;
		memcpy(r.b.data[2], r.b.data[0], 4);
	}
	assert_true(shortest && longest && differs);
	end(&r);
}

static bool ran(void *arg)
{
	const struct rig *r = arg;

	return r->l.runs > 0;
}

static void a_pause_holds_all_of_the_leg_back(void **state)
{
	struct addr a = addr_of("192.0.2.1", 443), b = a;
	struct addr dns = addr_of("192.0.2.1", 53);
	struct rig r;

	(void)state;
	b.port = 444;
	begin(&r, "{\"noises\":[{\"type\":\"str\",\"packet\":\"n\","
		  "\"delay\":\"20-30\"},{\"type\":\"str\",\"packet\":\"m\","
		  "\"delay\":10}]}");
	assert_int_equal(put(&r, &a, "x"), -EAGAIN);
	assert_int_equal(r.b.sent, 1);
	assert_packet(&r, 0, &a, "n");
	assert_int_equal(put(&r, &b, "y"), -EAGAIN);
	assert_int_equal(put(&r, &dns, "y"), -EAGAIN);
	assert_int_equal(r.b.sent, 1);
	/* the timer calls, not the socket below: that would spin */
	r.top->ops->want(r.top, ST_READ | ST_WRITE);
	assert_int_equal(r.b.want, ST_READ);
	assert_ptr_equal(r.b.asked, &r.l.job);
	assert_true(loop_until(&r.l, ran, &r, 2000));
	assert_int_equal(put(&r, &a, "x"), -EAGAIN); /* the second pause */
	assert_packet(&r, 1, &a, "m");
	r.l.runs = 0;
	assert_true(loop_until(&r.l, ran, &r, 2000));
	r.top->ops->want(r.top, ST_READ | ST_WRITE);
	assert_int_equal(r.b.want, ST_READ | ST_WRITE);
	assert_int_equal(put(&r, &a, "x"), 1);
	assert_packet(&r, 2, &a, "x");
	assert_int_equal(r.b.sent, 3);
	end(&r);
}

/* Of a batch, what may go goes; the noise of the next one stops it */
static void a_batch_stops_at_a_stranger(void **state)
{
	struct addr a = addr_of("192.0.2.1", 443), b = a;
	uint8_t x[] = "x";
	struct pkt v[3];
	struct rig r;

	(void)state;
	b.port = 444;
	begin(&r,
	      "{\"noises\":[{\"type\":\"str\",\"packet\":\"n\","
	      "\"applyTo\":\"ipv6\"},{\"type\":\"str\",\"packet\":\"n\"}]}");
	assert_int_equal(put(&r, &a, "x"), 1);
	r.n.v[1].delay = r.n.v[1].delay_max = 10;
	v[0] = v[1] = (struct pkt){ a, x, 1 };
	v[2] = (struct pkt){ b, x, 1 };
	r.b.sent = 0;
	assert_int_equal(r.top->ops->send(r.top, v, 3), 2);
	assert_int_equal(r.b.sent, 3); /* b's noise first */
	assert_packet(&r, 0, &b, "n");
	assert_true(addr_eq(&r.b.to[1], &a) && addr_eq(&r.b.to[2], &a));
	end(&r);
}

/* A noise that could not be sent is made the next time, and none twice */
static void what_below_says_is_passed_on(void **state)
{
	struct addr a = addr_of("192.0.2.1", 443);
	struct pkt got;
	struct rig r;

	(void)state;
	begin(&r, "{\"noises\":[{\"type\":\"str\",\"packet\":\"n\"}]}");
	r.b.rc = -EAGAIN;
	assert_int_equal(put(&r, &a, "x"), -EAGAIN);
	r.b.rc = -ENETUNREACH;
	assert_int_equal(put(&r, &a, "x"), -ENETUNREACH);
	r.b.rc = 0;
	assert_int_equal(put(&r, &a, "x"), 1);
	assert_packet(&r, 0, &a, "n");
	assert_int_equal(r.b.sent, 2);
	assert_int_equal(r.top->ops->recv(r.top, &got, 1), 1);
	assert_int_equal(got.len, 7);
	end(&r);
}

static void closing_in_a_pause_is_clean(void **state)
{
	struct addr a = addr_of("192.0.2.1", 443);
	struct rig r;

	(void)state;
	begin(&r, "{\"noises\":[{\"packet\":5,\"delay\":10}]}");
	assert_int_equal(put(&r, &a, "x"), -EAGAIN);
	r.top->ops->close(r.top);
	r.top = NULL;
	for (uint32_t end_ms = clock_ms() + 30;
	     clock_before(clock_ms(), end_ms);)
		worker_tick(&r.l.w, 5);
	assert_int_equal(r.l.runs, 0);
	end(&r);
}

static void without_memory_what_is_below_is_closed(void **state)
{
	struct dgram *none = NULL;
	struct rig r;

	(void)state;
	begin(&r, "{\"noises\":[{\"packet\":5}]}");
	r.top->ops->close(r.top);
	r.top = NULL;
	r.b.closed = 0;
	alloc_fail_at(1);
	assert_int_equal(noise_dgram(&r.l.w, &r.n, &r.b.d, &none), -ENOMEM);
	assert_true(alloc_fail_hit());
	assert_null(none);
	end(&r); /* closed once */
}

/* --- settings ------------------------------------------------------------------ */

static void settings_are_read_to_their_limits(void **state)
{
	static char json[2 * NOISE_BYTES_MAX + 200];
	struct rig r;

	(void)state;
	begin(&r, "{\"noises\":[{\"packet\":\"1-1400\",\"delay\":\"7-60000\"},"
		  "{\"packet\":1400},{\"type\":\"str\",\"packet\":\"a\","
		  "\"delay\":0,\"applyTo\":\"all\"}]}");
	assert_int_equal(r.n.count, 3);
	assert_null(r.n.v[0].data);
	assert_int_equal(r.n.v[0].len, 1);
	assert_int_equal(r.n.v[0].len_max, 1400);
	assert_int_equal(r.n.v[0].delay, 7);
	assert_int_equal(r.n.v[0].delay_max, 60000);
	assert_int_equal(r.n.v[1].len, 1400);
	assert_int_equal(r.n.v[1].len_max, 1400);
	assert_non_null(r.n.v[2].data);
	assert_int_equal(r.n.v[2].kind, ADDR_NONE);
	end(&r);
	/* the longest text, and hex of as many bytes */
	snprintf(json, sizeof(json),
		 "{\"noises\":[{\"type\":\"str\",\"packet\":\"%0*d\"},"
		 "{\"type\":\"hex\",\"packet\":\"%0*d\"}]}",
		 NOISE_BYTES_MAX / 2, 0, NOISE_BYTES_MAX, 0);
	begin(&r, json);
	assert_int_equal(r.n.v[0].len, NOISE_BYTES_MAX / 2);
	assert_int_equal(r.n.v[1].len, NOISE_BYTES_MAX / 2);
	end(&r);
}

static void wrong_settings_are_told(void **state)
{
	static const char *const bad[] = {
		"{\"packet\":0}",
		"{\"packet\":1401}",
		"{\"packet\":\"5-1401\"}",
		"{\"packet\":\"-5\"}",
		"{\"packet\":\"x\"}",
		"{}",
		"{\"type\":\"hex\",\"packet\":\"abc\"}",
		"{\"type\":\"hex\",\"packet\":\"zz\"}",
		"{\"type\":\"base64\",\"packet\":\"!\"}",
		"{\"type\":\"what\",\"packet\":5}",
		"{\"packet\":5,\"delay\":60001}",
		"{\"packet\":5,\"delay\":-1}",
		"{\"packet\":5,\"applyTo\":\"ipv5\"}",
		"{\"packet\":5,\"more\":1}",
		"[]",
	};
	static char json[NOISE_BYTES_MAX + 200];
	struct rig r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(&r, 0, sizeof(r));
		snprintf(json, sizeof(json), "{\"noises\":[%s]}", bad[i]);
		if (!parse(&r, json) && !r.d.warnings)
			fail_msg("%s is taken", bad[i]);
		diag_free(&r.d);
		arena_free(&r.l.cfg.arena);
	}
	memset(&r, 0, sizeof(r));
	snprintf(json, sizeof(json),
		 "{\"noises\":[{\"type\":\"str\",\"packet\":\"%0*d\"}]}",
		 NOISE_BYTES_MAX + 1, 0);
	assert_int_equal(parse(&r, json), 1);
	diag_free(&r.d);
	arena_free(&r.l.cfg.arena);
}

/* There are places for so many */
static void more_noises_than_places_are_refused(void **state)
{
	char json[2000] = "{\"noises\":[";
	struct rig r;

	(void)state;
	for (int i = 0; i < NOISES_MAX; i++)
		strcat(json, i ? ",{\"packet\":5}" : "{\"packet\":5}");
	memset(&r, 0, sizeof(r));
	strcat(json, "]}");
	assert_int_equal(parse(&r, json), 0);
	assert_int_equal(r.n.count, NOISES_MAX);
	diag_free(&r.d);
	json[strlen(json) - 2] = '\0';
	strcat(json, ",{\"packet\":5}]}");
	memset(&r.n, 0, sizeof(r.n));
	assert_int_equal(parse(&r, json), 1);
	assert_int_equal(r.n.count, 0);
	diag_free(&r.d);
	arena_free(&r.l.cfg.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_destination_meets_its_noise_once),
		cmocka_unit_test(dns_gets_none),
		cmocka_unit_test(a_noise_may_be_for_one_family),
		cmocka_unit_test(random_noise_has_the_length_asked_for),
		cmocka_unit_test(a_pause_holds_all_of_the_leg_back),
		cmocka_unit_test(a_batch_stops_at_a_stranger),
		cmocka_unit_test(what_below_says_is_passed_on),
		cmocka_unit_test(closing_in_a_pause_is_clean),
		cmocka_unit_test(without_memory_what_is_below_is_closed),
		cmocka_unit_test(settings_are_read_to_their_limits),
		cmocka_unit_test(wrong_settings_are_told),
		cmocka_unit_test(more_noises_than_places_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
