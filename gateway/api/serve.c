/*
 * serve.c - Where requests come from: listeners of our own, and sessions that are
 * routed to the tag of the API or of metrics
 *
 * Such a session's outbound is one end of a duct; the other one is a client's
 * connection as it would come from a listener.
 */
#include <errno.h>
#include <stdlib.h>

#include "gateway/api/api_int.h"
#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "gateway/core/duct.h"
#include "gateway/core/listen.h"
#include "gateway/core/session.h"
#include "proxy/transport/h2_carrier.h"

/* Of one kind on one worker; more than there are calls and feeds */
#define CONNS_MAX 256u

static const struct h2_conf api_h2 = {
	.name = "api",
	.scheme = "http",
	.handler = api_handle,
	.grpc_status = true,
};

static int api_serve(const struct transport *t, struct worker *w,
		     struct stream *below, const struct birth *b)
{
	if (!h2_make_room(w, t, CONNS_MAX))
		return -ENOBUFS;
	return h2_serve(t, &api_h2, w, below, b, NULL);
}

static int metrics_serve(const struct transport *t, struct worker *w,
			 struct stream *below, const struct birth *b)
{
	h1_make_room(w, t, CONNS_MAX);
	return h1_serve(t, w, below, b, metrics_handle, NULL);
}

static int clash_serve(const struct transport *t, struct worker *w,
		       struct stream *below, const struct birth *b)
{
	h1_make_room(w, t, CONNS_MAX);
	return h1_serve(t, w, below, b, clash_handle, NULL);
}

static const struct transport_ops api_transport_ops = {
	.name = "api",
	.serve = api_serve,
};

static const struct transport_ops metrics_transport_ops = {
	.name = "metrics",
	.serve = metrics_serve,
};

static const struct transport_ops clash_transport_ops = {
	.name = "clash",
	.serve = clash_serve,
};

const struct transport clash_transport = {
	.ops = &clash_transport_ops,
	.below = &transport_raw,
	.server = true,
};

const struct transport api_transport = {
	.ops = &api_transport_ops,
	.below = &transport_raw,
	.server = true,
};

const struct transport metrics_transport = {
	.ops = &metrics_transport_ops,
	.below = &transport_raw,
	.server = true,
};

/* --- as an outbound --- */

static int open_duct(const struct transport *t, struct session *s,
		     struct stream **out)
{
	struct birth b = { .ib = s->inbound,
			   .cfg = s->cfg,
			   .source = s->source,
			   .local = s->local };
	struct stream *end[2];
	int rc = duct_new(end);

	if (rc < 0)
		return rc;
	rc = t->ops->serve(t, s->job.worker, end[1], &b);
	if (rc < 0) {
		stream_close(&end[0], 0);
		stream_close(&end[1], 0);
		return rc;
	}
	stream_set_job(end[0], &s->job);
	*out = end[0];
	return 0;
}

static int api_open(const struct outbound *ob, struct session *s,
		    struct stream **out)
{
	(void)ob;
	return open_duct(&api_transport, s, out);
}

static int metrics_open(const struct outbound *ob, struct session *s,
			struct stream **out)
{
	(void)ob;
	return open_duct(&metrics_transport, s, out);
}

const struct outbound_ops api_outbound = { .name = "api", .open = api_open };

const struct outbound_ops metrics_outbound = {
	.name = "metrics",
	.open = metrics_open,
};

/* --- as a listener --- */

static int own_start(const struct inbound *ib, struct worker *w,
		     struct listener **out)
{
	struct tcp_listener *tl = calloc(1, sizeof(*tl));
	int rc;

	if (!tl)
		return -ENOMEM;
	rc = listen_start(tl, ib, w);
	if (rc < 0)
		free(tl);
	else
		*out = &tl->l;
	return rc;
}

static void own_stop(struct listener *l)
{
	struct tcp_listener *tl = container_of(l, struct tcp_listener, l);

	listen_stop(tl);
	free(tl);
}

static bool own_same(const struct inbound *a, const struct inbound *b)
{
	return a->transport == b->transport && listen_same(a, b);
}

const struct inbound_ops api_inbound = {
	.name = "api",
	.start = own_start,
	.stop = own_stop,
	.same = own_same,
};
