/*
 * h2_reuse.c - Which carrier a new stream goes by
 *
 * Without h2_reuse: the first one that has a place. With it, as Xray's xmux: a
 * carrier that is used up gets nothing new; as long as there are fewer than
 * @most, a flow gets a new one; else one of those with fewer than @flows, at
 * random.
 *
 * Source: Xray-core transport/internet/splithttp/mux.go (facts)
 */
#include "gateway/base/rand.h"
#include "gateway/core/worker.h"
#include "proxy/transport/h2_int.h"

#define PICK_MAX 64 /* carriers looked at */
#define DOUBT_MS 1000u

static uint32_t draw(uint32_t lo, uint32_t hi)
{
	uint32_t n = rand_between(lo, hi);

	return n ? n : UINT32_MAX;
}

void h2_reuse_init(struct h2 *h)
{
	const struct h2_reuse *u = h->conf->reuse;
	uint32_t secs;

	h->uses_left = h->requests_left = UINT32_MAX;
	if (!u || h->server)
		return;
	h->uses_left = draw(u->flow_uses.lo, u->flow_uses.hi);
	h->requests_left = draw(u->requests.lo, u->requests.hi);
	secs = rand_between(u->secs.lo, u->secs.hi);
	h->limited = secs > 0;
	h->until_ms = h->job.worker->now_ms + 1000u * secs;
}

bool h2_has_place(struct h2 *h)
{
	uint32_t max = nghttp2_session_get_remote_settings(
		h->ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

	return !h->goaway && !h->dead && h->count < max &&
	       nghttp2_session_check_request_allowed(h->ng);
}

/* Its time and its requests are not used up */
static bool is_fresh(const struct h2 *h)
{
	return h->requests_left && !h->dead && !h->goaway &&
	       (!h->limited ||
		(int32_t)(h->until_ms - h->job.worker->now_ms) > 0);
}

void h2_doubt(struct h2 *h, const struct h2_sub *u)
{
	uint32_t now = h->job.worker->now_ms;

	if (now - u->born_ms >= DOUBT_MS &&
	    now - h->heard_ms >= now - u->born_ms)
		h->requests_left = 0;
}

bool h2_takes_request(struct h2 *h)
{
	return h->server || (is_fresh(h) && h2_has_place(h));
}

struct h2 *h2_pick(struct h2_room *r, const struct transport *t,
		   const struct h2_conf *conf, const struct addr *from,
		   const struct addr *to, const struct h2 *not_this)
{
	const struct h2_reuse *u = conf->reuse;
	struct h2 *fit[PICK_MAX];
	unsigned int there = 0, n = 0;
	struct list *p;

	list_for_each (p, &r->carriers) {
		struct h2 *h = container_of(p, struct h2, node);

		if (h == not_this || h->t != t || !addr_eq(&h->to, to) ||
		    !addr_eq(&h->d.from, from) || !is_fresh(h) || !h->uses_left)
			continue;
		there++;
		if (h2_has_place(h) && n < PICK_MAX &&
		    (!u || !u->flows || h->flow_count < u->flows))
			fit[n++] = h;
		if (!u && n)
			return fit[0];
	}
	if (!n || (u && there < u->most))
		return NULL;
	return fit[rand_below(n)];
}

void h2_flow_join(struct h2_flow *f, struct h2 *h)
{
	f->carrier = h;
	list_add_tail(&h->flows, &f->node);
	h->flow_count++;
	if (h->uses_left != UINT32_MAX)
		h->uses_left--;
}

void h2_flows_gone(struct h2 *h)
{
	struct list *p, *n;

	list_for_each_safe (p, n, &h->flows) {
		list_del(p);
		container_of(p, struct h2_flow, node)->carrier = NULL;
	}
	h->flow_count = 0;
}
