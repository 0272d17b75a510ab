/* test_reload.c - A worker adopts a generation: which listeners stay */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/app/app.h"
#include "tests/unit/loop.h"

static struct loop l;
static int started, stopped, start_rc;

static int fake_start(const struct inbound *ib, struct worker *w,
		      struct listener **out)
{
	struct listener *x;

	(void)ib;
	(void)w;
	if (start_rc)
		return start_rc;
	x = calloc(1, sizeof(*x));
	assert_non_null(x);
	started++;
	*out = x;
	return 0;
}

static void fake_stop(struct listener *x)
{
	stopped++;
	free(x);
}

/* Settings are compared by where they are */
static bool fake_same(const struct inbound *a, const struct inbound *b)
{
	return a->settings == b->settings;
}

static const struct inbound_ops kind = {
	.name = "k", .start = fake_start, .stop = fake_stop, .same = fake_same
};
static const struct inbound_ops other_kind = {
	.name = "o", .start = fake_start, .stop = fake_stop, .same = fake_same
};
static const struct inbound_ops never_same = { .name = "n",
					       .start = fake_start,
					       .stop = fake_stop };

/**
 * struct gen - One generation with up to two inbounds
 */
struct gen {
	struct config cfg;
	struct inbound ib[2];
	struct inbound *list[2];
	bool freed;
};

static void gen_free(struct config *c)
{
	container_of(c, struct gen, cfg)->freed = true;
}

static void gen_init(struct gen *g, unsigned int count)
{
	memset(g, 0, sizeof(*g));
	atomic_init(&g->cfg.refs, 1);
	g->cfg.free = gen_free;
	for (int i = 0; i < 2; i++) {
		g->ib[i] =
			(struct inbound){ .ops = &kind, .tag = i ? "b" : "a" };
		g->list[i] = &g->ib[i];
	}
	g->cfg.inbounds = g->list;
	g->cfg.inbound_count = count;
}

static int begin(void **state)
{
	(void)state;
	loop_init(&l);
	started = stopped = start_rc = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	reload_stop_listeners(&l.w);
	config_unref(l.w.cfg);
	l.w.cfg = NULL;
	loop_fini(&l);
	return 0;
}

static const struct inbound *running(int i)
{
	struct list *p;

	list_for_each (p, &l.w.listeners) {
		if (i-- == 0)
			return container_of(p, struct listener, node)->ib;
	}
	return NULL;
}

static void the_first_generation_starts_all(void **state)
{
	static struct gen a;

	(void)state;
	gen_init(&a, 2);
	assert_int_equal(reload_listeners(&l.w, config_ref(&a.cfg), true), 0);
	assert_int_equal(started, 2);
	assert_ptr_equal(l.w.cfg, &a.cfg);
	assert_ptr_equal(running(0), &a.ib[0]);
	assert_ptr_equal(running(1), &a.ib[1]);
	assert_int_equal(atomic_load(&a.cfg.refs), 2);
}

static void what_did_not_change_stays_open(void **state)
{
	static struct gen a, b;

	(void)state;
	gen_init(&a, 2);
	gen_init(&b, 2);
	b.ib[1].settings = &b; /* not the same any more */
	reload_listeners(&l.w, config_ref(&a.cfg), true);
	config_unref(&a.cfg); /* only the worker holds it */
	assert_int_equal(reload_listeners(&l.w, config_ref(&b.cfg), false), 0);
	assert_int_equal(started, 3);
	assert_int_equal(stopped, 1);
	assert_ptr_equal(running(0), &b.ib[0]); /* points to the new one */
	assert_ptr_equal(running(1), &b.ib[1]);
	assert_true(a.freed);
	assert_false(b.freed);
}

static void another_tag_or_kind_is_another_listener(void **state)
{
	static struct gen a, b, c;

	(void)state;
	gen_init(&a, 1);
	gen_init(&b, 1);
	gen_init(&c, 1);
	b.ib[0].tag = "z";
	c.ib[0].tag = "z";
	c.ib[0].ops = &other_kind;
	reload_listeners(&l.w, config_ref(&a.cfg), true);
	reload_listeners(&l.w, config_ref(&b.cfg), false);
	assert_int_equal(stopped, 1);
	reload_listeners(&l.w, config_ref(&c.cfg), false);
	assert_int_equal(stopped, 2);
	assert_int_equal(started, 3);
}

static void a_kind_that_cannot_compare_is_opened_anew(void **state)
{
	static struct gen a, b;

	(void)state;
	gen_init(&a, 1);
	gen_init(&b, 1);
	a.ib[0].ops = b.ib[0].ops = &never_same;
	reload_listeners(&l.w, config_ref(&a.cfg), true);
	reload_listeners(&l.w, config_ref(&b.cfg), false);
	assert_int_equal(stopped, 1);
	assert_int_equal(started, 2);
}

static void inbounds_that_are_gone_are_closed(void **state)
{
	static struct gen a, b;

	(void)state;
	gen_init(&a, 2);
	gen_init(&b, 0);
	reload_listeners(&l.w, config_ref(&a.cfg), true);
	reload_listeners(&l.w, config_ref(&b.cfg), false);
	assert_int_equal(stopped, 2);
	assert_null(running(0));
}

static void what_does_not_start_is_an_error_only_at_first(void **state)
{
	static struct gen a, b;

	(void)state;
	gen_init(&a, 2);
	gen_init(&b, 2);
	b.ib[0].settings = &b;
	start_rc = -EADDRINUSE;
	assert_int_equal(reload_listeners(&l.w, config_ref(&a.cfg), true),
			 -EADDRINUSE);
	assert_null(running(0));
	/* A later one goes on without it: the others must not suffer */
	assert_int_equal(reload_listeners(&l.w, config_ref(&b.cfg), false), 0);
	assert_ptr_equal(l.w.cfg, &b.cfg);
}

#define T(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_first_generation_starts_all),
		T(what_did_not_change_stays_open),
		T(another_tag_or_kind_is_another_listener),
		T(a_kind_that_cannot_compare_is_opened_anew),
		T(inbounds_that_are_gone_are_closed),
		T(what_does_not_start_is_an_error_only_at_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
