/* clash_flows.c - The list of sessions once, and their end */
#include <stdlib.h>

#include "gateway/api/clash.h"
#include "gateway/api/flows.h"

/** struct wait - A call that waits for all workers */
struct wait {
	struct call *c;
	struct flows *f;
};

static void wait_drop(void *held)
{
	struct wait *w = held;

	if (w->f)
		flows_forget(w->f);
	free(w);
}

static void have_flows(const struct flows *f, void *arg)
{
	struct wait *w = arg;

	w->f = NULL;
	if (!w->c->s)
		return;
	flows_put(f, &w->c->out);
	clash_send(w->c, 200);
}

void clash_flows(struct ask *a)
{
	struct wait *w;
	struct call *c;

	if (clash_flows_feed(a))
		return;
	c = ask_call(a);
	if (!c)
		return;
	w = calloc(1, sizeof(*w));
	if (w)
		w->f = flows_ask(c->worker, have_flows, w);
	if (!w || !w->f) {
		free(w);
		clash_fail(c, 503, "out of memory");
		return;
	}
	w->c = c;
	c->held = w;
	c->drop = wait_drop;
}

void clash_flows_end(struct ask *a)
{
	if (flows_end(a->path.count > 1 ? a->path.seg[1] : NULL))
		ask_done(a);
	else
		ask_fail(a, 404, "there is no such connection");
}
