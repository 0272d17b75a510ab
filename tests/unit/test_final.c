/* test_final.c - finalRules: the first that holds decides; datagrams pass or not */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/arena.h"
#include "gateway/base/compat.h"
#include "gateway/base/jdoc.h"
#include "proxy/out/final.h"

struct rules {
	struct arena a;
	struct jdoc *doc;
	struct diag d;
	struct final_rules f;
};

static void load(struct rules *r, const char *json, unsigned int errors)
{
	struct jobj o;

	memset(r, 0, sizeof(*r));
	diag_init(&r->d);
	r->doc = jdoc_parse(&r->d, "test", json, strlen(json));
	assert_non_null(r->doc);
	assert_true(j_open(&o, &r->d, r->doc->root));
	assert_int_equal(final_parse(&o, &r->f, &r->a), 0);
	assert_int_equal(r->d.errors, errors);
}

static void unload(struct rules *r)
{
	final_drop(&r->f);
	diag_free(&r->d);
	arena_free(&r->a);
}

static struct addr at(const char *ip, uint16_t port)
{
	struct addr a = { .port = port };

	assert_int_equal(addr_parse_ip(&a, ip), 0);
	a.port = port;
	return a;
}

static void the_first_rule_that_holds_decides(void **state)
{
	static const struct {
		const char *ip;
		uint16_t port;
		bool udp, allowed;
	} cases[] = {
		{ "10.0.0.1", 80, false, true },
		{ "10.0.0.1", 80, true, false }, /* allowed for tcp only */
		{ "10.0.0.1", 81, false, false },
		{ "10.0.0.2", 80, false, false },
		{ "192.0.2.1", 81, true, true },
		{ "192.0.2.1", 25, false, false },
		{ "192.0.2.1", 26, false, true },
		{ "fd00::1", 80, false, false },
		{ "2001:db8::1", 80, false, true },
	};
	struct rules r;

	(void)state;
	load(&r,
	     "{\"finalRules\":[{\"action\":\"allow\",\"network\":\"tcp\","
	     "\"port\":\"80\",\"ip\":[\"10.0.0.1\"]},"
	     "{\"action\":\"Block\",\"ip\":[\"10.0.0.0/8\",\"fd00::/8\"]},"
	     "{\"action\":\"block\",\"port\":25,\"blockDelay\":\"1-2\"}]}",
	     0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct addr a = at(cases[i].ip, cases[i].port);

		assert_int_equal(final_allows(&r.f, cases[i].udp, &a),
				 cases[i].allowed);
	}
	unload(&r);
}

static void wrong_rules_are_told(void **state)
{
	struct rules r;

	(void)state;
	load(&r, "{\"finalRules\":[{\"ip\":\"10.0.0.1\"}]}", 1);
	unload(&r);
	load(&r, "{\"finalRules\":[{\"action\":\"drop\"}]}", 1);
	unload(&r);
	load(&r,
	     "{\"finalRules\":[{\"action\":\"block\",\"network\":\"icmp\"}]}",
	     1);
	unload(&r);
	load(&r, "{\"finalRules\":[{\"action\":\"block\",\"ip\":\"x\"}]}", 1);
	unload(&r);
}

/* A socket that takes all it is given, and gives back what it took */
static struct pkt kept[8];
static int kept_count;

static int keep_send(struct dgram *d, const struct pkt *v, int n)
{
	(void)d;
	memcpy(kept + kept_count, v, (size_t)n * sizeof(*v));
	kept_count += n;
	return n;
}

static int keep_recv(struct dgram *d, struct pkt *v, int max)
{
	int n = kept_count < max ? kept_count : max;

	(void)d;
	memcpy(v, kept, (size_t)n * sizeof(*v));
	kept_count = 0;
	return n ? n : -EAGAIN;
}

static void keep_close(struct dgram *d)
{
	(void)d;
}

static const struct dgram_ops keep_ops = { .name = "keep",
					   .send = keep_send,
					   .recv = keep_recv,
					   .close = keep_close };

static void datagrams_of_blocked_ones_are_dropped(void **state)
{
	struct dgram below = { .ops = &keep_ops }, *d;
	struct pkt v[4], back[8];
	struct rules r;
	int sent = 0;

	(void)state;
	load(&r,
	     "{\"finalRules\":[{\"action\":\"block\",\"ip\":\"10.0.0.0/8\"}]}",
	     0);
	assert_int_equal(final_dgram(&r.f, &below, &d), 0);
	v[0] = (struct pkt){ .peer = at("10.0.0.1", 1) };
	v[1] = (struct pkt){ .peer = at("192.0.2.1", 2) };
	v[2] = (struct pkt){ .peer = at("10.0.0.1", 3) };
	v[3] = (struct pkt){ .peer = at("192.0.2.1", 4) };
	while (sent < 4) {
		int n = d->ops->send(d, v + sent, 4 - sent);

		assert_in_range(n, 1, 4);
		sent += n;
	}
	assert_int_equal(kept_count, 2);
	assert_int_equal(kept[0].peer.port, 2);
	assert_int_equal(kept[1].peer.port, 4);
	kept[0].peer = v[0].peer; /* an answer of a blocked one */
	assert_int_equal(d->ops->recv(d, back, 8), 1);
	assert_int_equal(back[0].peer.port, 4);
	assert_int_equal(d->ops->recv(d, back, 8), -EAGAIN);
	d->ops->close(d);
	unload(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_rule_that_holds_decides),
		cmocka_unit_test(wrong_rules_are_told),
		cmocka_unit_test(datagrams_of_blocked_ones_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
