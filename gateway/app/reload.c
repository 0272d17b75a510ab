/*
 * reload.c - A worker adopts a generation: what did not change stays open
 *
 * A listener is kept when the new generation has an inbound with the same tag
 * and kind whose settings the kind calls the same. Live sessions keep theirs; those who
 * came by a listener that is gone begin none.
 */
#include <string.h>

#include "gateway/app/app.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/host.h"
#include "gateway/core/sock.h"
#include "gateway/core/worker.h"
#include "gateway/observe/observe.h"
#include "proxy/mux/bridge.h"
#include "proxy/transport/h2_carrier.h"

const struct inbound *config_same_inbound(const struct config *cfg,
					  const struct inbound *old)
{
	for (unsigned int i = 0; i < cfg->inbound_count; i++) {
		const struct inbound *ib = cfg->inbounds[i];

		if (ib->ops == old->ops && !strcmp(ib->tag, old->tag) &&
		    ib->ops->same && ib->ops->same(old, ib))
			return ib;
	}
	return NULL;
}

static bool is_open(struct worker *w, const struct inbound *ib)
{
	struct list *p;

	list_for_each (p, &w->listeners)
		if (container_of(p, struct listener, node)->ib == ib)
			return true;
	return false;
}

/* Two programs of one user may share a port, and its connections by chance */
static bool is_shared(const struct inbound *ib)
{
	struct addr at = ib->listen;

	at.port = ib->port_count ? ib->ports[0].lo : 0;
	return sock_is_taken(&at);
}

static int start_missing(struct worker *w, const struct config *cfg, bool first)
{
	for (unsigned int i = 0; i < cfg->inbound_count; i++) {
		const struct inbound *ib = cfg->inbounds[i];
		bool shared = first && !w->index && is_shared(ib);
		struct listener *l = NULL;
		int err;

		if (is_open(w, ib))
			continue;
		err = ib->ops->start(ib, w, &l);
		if (err == 0) {
			l->ib = ib;
			l->worker = w;
			list_add_tail(&w->listeners, &l->node);
			if (shared)
				log_warning("inbound [%s]: another program "
					    "listens on port %u, too: each "
					    "gets a part of the connections",
					    ib->tag, ib->ports[0].lo);
			continue;
		}
		/* the kinds say why, but for want of memory */
		log_at(err == -ENOMEM ? LOG_ERROR : LOG_INFO,
		       "inbound [%s] does not start: %s", ib->tag,
		       strerror(-err));
		if (first)
			return err;
	}
	return 0;
}

static void listener_stop(struct listener *l)
{
	list_del(&l->node);
	l->ib->ops->stop(l);
}

/* What one worker does for all */
static void start_alone(struct worker *w, struct config *cfg)
{
	observe_start(w, cfg);
	bridges_start(w, cfg);
}

int reload_listeners(struct worker *w, struct config *cfg, bool first)
{
	struct config *old = w->cfg;
	struct list *p, *n;
	int err;

	list_for_each_safe (p, n, &w->listeners) {
		struct listener *l = container_of(p, struct listener, node);
		const struct inbound *ib = config_same_inbound(cfg, l->ib);

		if (ib)
			l->ib = ib;
		else
			listener_stop(l);
	}
	w->cfg = cfg;
	err = start_missing(w, cfg, first);
	if (w->index == 0 && !err)
		start_alone(w, cfg);
	h2_reloaded(w);
	h1_reloaded(w);
	if (old != cfg)
		config_unref(old);
	return err;
}

void reload_stop_lost(struct worker *w)
{
	struct list *p, *n;

	list_for_each_safe (p, n, &w->listeners) {
		struct listener *l = container_of(p, struct listener, node);

		if (host_device_lost(l->ib))
			listener_stop(l);
	}
}

int reload_start_lost(struct worker *w)
{
	return start_missing(w, w->cfg, true);
}

void reload_stop_listeners(struct worker *w)
{
	struct list *p, *n;

	if (w->index == 0) {
		observe_stop(w);
		bridges_stop(w);
	}
	list_for_each_safe (p, n, &w->listeners)
		listener_stop(container_of(p, struct listener, node));
}
