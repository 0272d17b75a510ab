/*
 * routing.c - RoutingService: where would this go, and what rules there are
 *
 * Source: Xray app/router/command/command.proto
 */
#include <errno.h>
#include <string.h>

#include "gateway/api/api_int.h"
#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "gateway/route/explain.h"
#include "gateway/route/groups.h"

#define NETWORK_UDP 3 /* xray.common.net.Network: 2 TCP, 3 UDP */

/**
 * struct asked - A RoutingContext, and what its texts live in
 */
struct asked {
	struct route_query q;
	char inbound[CALL_TEXT_MAX], domain[CALL_TEXT_MAX], name[256],
		protocol[64], user[CALL_TEXT_MAX];
};

static int read_ip(const struct pb_field *f, struct addr *a)
{
	uint16_t port = a->port;

	if (f->len != 4 && f->len != 16)
		return -EPROTO;
	*a = f->len == 4 ? addr_v4(f->p, port) : addr_v6(f->p, port);
	return 0;
}

/* One field of the context that is no text. 0 or -EPROTO */
static int read_field(const struct pb_field *f, struct asked *a)
{
	struct route_query *q = &a->q;

	switch (f->number) {
	case 2:
		q->net = f->value == NETWORK_UDP ? NET_UDP : NET_TCP;
		break;
	case 3:
		return read_ip(f, &q->source);
	case 4:
		return read_ip(f, &q->target);
	case 5:
		q->source.port = (uint16_t)f->value;
		break;
	case 6:
		q->target.port = (uint16_t)f->value;
		break;
	case 13:
		return read_ip(f, &q->local);
	case 14:
		q->local.port = (uint16_t)f->value;
		break;
	default:
		break;
	}
	return 0;
}

static int read_texts(const uint8_t *p, size_t n, struct asked *a)
{
	struct route_query *q = &a->q;
	int len;

	if (pb_text(p, n, 1, a->inbound, sizeof(a->inbound)) < 0 ||
	    pb_text(p, n, 7, a->domain, sizeof(a->domain)) < 0 ||
	    pb_text(p, n, 8, a->protocol, sizeof(a->protocol)) < 0 ||
	    pb_text(p, n, 9, a->user, sizeof(a->user)) < 0)
		return -EPROTO;
	q->inbound_tag = a->inbound;
	q->protocol = a->protocol;
	q->user = a->user[0] ? a->user : NULL;
	if (!a->domain[0])
		return 0;
	len = addr_clean_name(a->domain, strlen(a->domain), a->name);
	if (len <= 0)
		return -EPROTO;
	if (addr_is_ip(&q->target))
		q->name = a->name;
	else
		q->target = addr_name(a->name, (size_t)len, q->target.port);
	return 0;
}

/* 0 or -EPROTO */
static int read_context(const uint8_t *p, size_t n, struct asked *a)
{
	struct rd r = rd_init(p, n);
	struct pb_field f;
	int rc;

	while ((rc = pb_next(&r, &f)) > 0)
		if (read_field(&f, a) < 0)
			return -EPROTO;
	return rc < 0 ? rc : read_texts(p, n, a);
}

/** struct choice - Of the balancer @tag: whom the next session takes */
struct choice {
	const char *tag;
	const struct outbound *now;
};

static void take_choice(void *arg, const struct route_group *g)
{
	struct choice *c = arg;

	if (!strcmp(g->tag, c->tag))
		c->now = g->now;
}

static int test_route(struct call *c, const uint8_t *p, size_t n)
{
	struct asked a = { .q = { .net = NET_TCP } };
	struct route_answer to = { .outbound = NULL };
	struct pb_out *o = &c->out;
	struct pb_field f;

	if (pb_find(p, n, 1, PB_BYTES, &f) <= 0)
		return call_fail(c, GRPC_UNKNOWN, "Invalid routing request.");
	if (read_context(f.p, f.len, &a) < 0)
		return call_malformed(c);
	route_explain(call_cfg(c)->router, &a.q, &to);
	if (to.balancer) {
		struct choice choice = { .tag = to.balancer };

		route_groups(call_cfg(c)->router, take_choice, &choice);
		to.outbound = choice.now;
	}
	if (!to.outbound)
		return call_fail(c, GRPC_UNKNOWN, "no outbound");
	pb_put_text(o, 1, a.inbound);
	pb_put_number(o, 2, a.q.net == NET_UDP ? NETWORK_UDP : 2);
	pb_put_number(o, 6, a.q.target.port);
	if (addr_is_ip(&a.q.target))
		pb_put_bytes(o, 4, a.q.target.ip, addr_ip_len(&a.q.target));
	pb_put_text(o, 7, a.domain);
	pb_put_text(o, 8, a.protocol);
	pb_put_text(o, 9, a.user);
	if (to.balancer)
		pb_put_text(o, 11, to.balancer);
	pb_put_text(o, 12, to.outbound->tag);
	return GRPC_OK;
}

static void put_rule(void *arg, const char *outbound, const char *tag)
{
	struct pb_out *o = arg;
	size_t m = pb_begin(o, 1);

	pb_put_text(o, 1, outbound);
	pb_put_text(o, 2, tag);
	pb_end(o, m);
}

static int list_rules(struct call *c, const uint8_t *p, size_t n)
{
	(void)p;
	(void)n;
	route_each(call_cfg(c)->router, put_rule, &c->out);
	return GRPC_OK;
}

/** struct sought - The balancer @tag, described into @o */
struct sought {
	const char *tag;
	struct pb_out *o;
	bool found;
};

static void put_balancer(void *arg, const struct route_group *g)
{
	struct sought *s = arg;
	struct pb_out *o = s->o;
	size_t whole, part;

	if (s->found || strcmp(g->tag, s->tag) != 0)
		return;
	s->found = true;
	whole = pb_begin(o, 1);
	if (g->pinned) {
		part = pb_begin(o, 5);
		pb_put_text(o, 2, g->now->tag);
		pb_end(o, part);
	}
	part = pb_begin(o, 6);
	if (g->now)
		pb_put_text(o, 1, g->now->tag);
	pb_end(o, part);
	pb_end(o, whole);
}

static int balancer_info(struct call *c, const uint8_t *p, size_t n)
{
	char tag[CALL_TEXT_MAX];
	struct sought s = { .tag = tag, .o = &c->out };

	if (pb_text(p, n, 1, tag, sizeof(tag)) < 0)
		return call_malformed(c);
	route_groups(call_cfg(c)->router, put_balancer, &s);
	return s.found ? GRPC_OK :
			 call_fail(c, GRPC_UNKNOWN, "there is no balancer %s",
				   tag);
}

/* No target: by its strategy again */
static int override_target(struct call *c, const uint8_t *p, size_t n)
{
	char tag[CALL_TEXT_MAX], target[CALL_TEXT_MAX];
	int rc;

	if (pb_text(p, n, 1, tag, sizeof(tag)) < 0 ||
	    pb_text(p, n, 2, target, sizeof(target)) < 0)
		return call_malformed(c);
	rc = route_pin(call_cfg(c)->router, tag, target[0] ? target : NULL);
	if (rc == -EINVAL)
		return call_fail(c, GRPC_UNKNOWN, "%s is not one of %s", target,
				 tag);
	if (rc < 0)
		return call_fail(c, GRPC_UNKNOWN, "there is no balancer %s",
				 tag);
	return GRPC_OK;
}

static int by_reload(struct call *c, const uint8_t *p, size_t n)
{
	(void)p;
	(void)n;
	return call_fail(c, GRPC_UNIMPLEMENTED,
			 "culvert changes rules by a reload: write the "
			 "configuration, then SIGHUP");
}

static const struct method methods[] = {
	{ "TestRoute", test_route },
	{ "ListRule", list_rules },
	{ "GetBalancerInfo", balancer_info },
	{ "OverrideBalancerTarget", override_target },
	{ "AddRule", by_reload },
	{ "RemoveRule", by_reload },
};

const struct service service_routing = {
	.bit = API_ROUTING,
	.name = "RoutingService",
	.packages = { "xray.app.router.command",
		      "v2ray.core.app.router.command" },
	.methods = methods,
	.count = ARRAY_SIZE(methods),
};
