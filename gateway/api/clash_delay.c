/*
 * clash_delay.c - How long an outbound takes, measured now
 *
 * A probe as the observatory's (its URL, not the one in the query: nobody shall make
 * this program fetch what he likes), and its result is waited for. An outbound that
 * is not among those probed has none.
 */
#include <stdlib.h>

#include "gateway/api/clash.h"
#include "gateway/api/jout.h"
#include "gateway/core/health.h"
#include "gateway/observe/observe.h"
#include "gateway/route/groups.h"

#define LOOK_MS    20u
#define TIMEOUT_MS 5000u
#define DELAYS_MAX 256u

/** struct one - An outbound that is being probed; @rounds it had before */
struct one {
	const struct observed *of;
	unsigned int rounds;
	bool done;
};

/**
 * struct delays - Of a call
 * @cfg:	One reference: @v is of it
 */
struct delays {
	struct timer timer;
	struct call *c;
	struct config *cfg;
	uint32_t since_ms, timeout_ms;
	bool group;
	unsigned int count, left;
	struct one v[DELAYS_MAX];
};

static void delays_drop(void *held)
{
	struct delays *d = held;

	timer_cancel(&d->timer);
	config_unref(d->cfg);
	free(d);
}

static void add(struct delays *d, const char *tag)
{
	const struct observe *all = d->cfg->observe;

	for (unsigned int i = 0; all && i < all->count; i++) {
		const struct observed *of = &all->v[i];

		if (strcmp(of->tag, tag) != 0 || d->count == DELAYS_MAX)
			continue;
		d->v[d->count++] = (struct one){
			.of = of, .rounds = atomic_load(&of->health->rounds)
		};
		d->left++;
		observe_now(of);
	}
}

static bool alive(const struct one *v)
{
	return v->done && !atomic_load(&v->of->health->error);
}

static unsigned int delay_of(const struct one *v)
{
	unsigned int ms = atomic_load(&v->of->health->delay_ms);

	return ms ? ms : 1; /* 0 means dead to dashboards */
}

static void answer_group(struct delays *d)
{
	struct pb_out *o = &d->c->out;
	bool any = false;

	jo(o, "{");
	for (unsigned int i = 0; i < d->count; i++) {
		if (!alive(&d->v[i]))
			continue;
		jo(o, "%s", any ? "," : "");
		jo_text(o, d->v[i].of->tag);
		jo(o, ":%u", delay_of(&d->v[i]));
		any = true;
	}
	jo(o, "}");
	clash_send(d->c, 200);
}

static void answer(struct delays *d)
{
	if (!d->c->s)
		return;
	if (d->group) {
		answer_group(d);
	} else if (alive(&d->v[0])) {
		jo(&d->c->out, "{\"delay\":%u}", delay_of(&d->v[0]));
		clash_send(d->c, 200);
	} else if (d->v[0].done) {
		clash_fail(d->c, 503, "An error occurred in the delay test");
	} else {
		clash_fail(d->c, 504, "Timeout");
	}
}

static void look(struct timer *t)
{
	struct delays *d = container_of(t, struct delays, timer);
	struct worker *w = d->c->worker;

	for (unsigned int i = 0; i < d->count; i++) {
		struct one *v = &d->v[i];

		if (v->done || atomic_load(&v->of->health->rounds) == v->rounds)
			continue;
		v->done = true;
		d->left--;
	}
	if (!d->left || w->now_ms - d->since_ms >= d->timeout_ms)
		answer(d);
	else
		timer_set(&w->wheel, &d->timer, LOOK_MS);
}

static struct delays *start(struct ask *a, bool group)
{
	struct call *c = ask_call(a);
	struct delays *d = c ? calloc(1, sizeof(*d)) : NULL;

	if (!d) {
		if (c)
			clash_fail(c, 503, "out of memory");
		return NULL;
	}
	d->c = c;
	d->cfg = config_ref(a->cfg);
	d->group = group;
	d->since_ms = c->worker->now_ms;
	d->timeout_ms = ask_number(a, "timeout", TIMEOUT_MS, CALL_MS - 1000u);
	timer_init(&d->timer, look);
	c->held = d;
	c->drop = delays_drop;
	return d;
}

static void go(struct delays *d)
{
	if (d->count)
		timer_set(&d->c->worker->wheel, &d->timer, LOOK_MS);
	else
		clash_fail(d->c, 404, "nobody by this name is probed");
}

/** struct search - For the group @tag, or its choice */
struct search {
	struct delays *d;
	const char *tag;
	bool all;
};

static void add_members(void *arg, const struct route_group *g)
{
	struct search *s = arg;

	if (strcmp(g->tag, s->tag) != 0)
		return;
	for (uint32_t i = 0; s->all && i < g->count; i++)
		add(s->d, g->outbounds[i]->tag);
	if (!s->all && g->now)
		add(s->d, g->now->tag);
}

void clash_delay(struct ask *a)
{
	struct delays *d = start(a, false);
	struct search s = { .d = d, .tag = a->path.seg[1] };

	if (!d)
		return;
	add(d, s.tag);
	if (!d->count && a->cfg->router)
		route_groups(a->cfg->router, add_members, &s);
	go(d);
}

void clash_group_delay(struct ask *a)
{
	struct delays *d = start(a, true);
	struct search s = { .d = d, .tag = a->path.seg[1], .all = true };

	if (!d)
		return;
	if (!strcmp(s.tag, "GLOBAL"))
		for (unsigned int i = 0; i < a->cfg->outbound_count; i++)
			add(d, a->cfg->outbounds[i]->tag);
	else if (a->cfg->router)
		route_groups(a->cfg->router, add_members, &s);
	go(d);
}
