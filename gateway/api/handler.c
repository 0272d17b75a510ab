/*
 * handler.c - HandlerService: inbounds, outbounds and users of inbounds
 *
 * What is listed of an inbound is where it listens; settings with their keys are
 * not told. Handlers are those of the configuration: they are changed by a reload.
 * Users are in users.c.
 * Source: Xray app/proxyman/command/command.proto, app/proxyman/config.proto
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/api/api_int.h"
#include "gateway/base/compat.h"
#include "gateway/core/config.h"

static void put_ports(struct pb_out *o, const struct inbound *ib)
{
	size_t list = pb_begin(o, 1);

	for (unsigned int i = 0; i < ib->port_count; i++) {
		size_t range = pb_begin(o, 1);

		pb_put_number(o, 1, ib->ports[i].lo);
		pb_put_number(o, 2, ib->ports[i].hi);
		pb_end(o, range);
	}
	pb_end(o, list);
}

/* ReceiverConfig, as far as it says where */
static void put_receiver(struct pb_out *o, const struct inbound *ib)
{
	size_t typed = pb_begin(o, 2), value, listen;

	pb_put_text(o, 1, "xray.app.proxyman.ReceiverConfig");
	value = pb_begin(o, 2);
	if (ib->port_count)
		put_ports(o, ib);
	listen = pb_begin(o, 2);
	if (ib->listen.kind == ADDR_NAME)
		pb_put_text(o, 2, ib->listen.name);
	else
		pb_put_bytes(o, 1, ib->listen.ip, addr_ip_len(&ib->listen));
	pb_end(o, listen);
	pb_end(o, value);
	pb_end(o, typed);
}

static int list_inbounds(struct call *c, const uint8_t *p, size_t n)
{
	const struct config *cfg = call_cfg(c);
	uint64_t tags = 0;

	if (pb_number(p, n, 1, &tags) < 0)
		return call_malformed(c);
	for (unsigned int i = 0; i < cfg->inbound_count; i++) {
		const struct inbound *ib = cfg->inbounds[i];
		size_t m;

		if (ib->ops == &api_inbound)
			continue;
		m = pb_begin(&c->out, 1);
		pb_put_text(&c->out, 1, ib->tag);
		if (!tags)
			put_receiver(&c->out, ib);
		pb_end(&c->out, m);
	}
	return GRPC_OK;
}

static int list_outbounds(struct call *c, const uint8_t *p, size_t n)
{
	const struct config *cfg = call_cfg(c);

	(void)p;
	(void)n;
	for (unsigned int i = 0; i < cfg->outbound_count; i++) {
		const struct outbound *ob = cfg->outbounds[i];
		size_t m;

		if (ob->ops == &api_outbound)
			continue; /* as Xray */
		m = pb_begin(&c->out, 1);
		pb_put_text(&c->out, 1, ob->tag);
		pb_end(&c->out, m);
	}
	return GRPC_OK;
}

static int by_reload(struct call *c, const uint8_t *p, size_t n)
{
	(void)p;
	(void)n;
	return call_fail(c, GRPC_UNIMPLEMENTED,
			 "culvert changes inbounds and outbounds by a reload: "
			 "write the configuration, then SIGHUP");
}

static const struct method methods[] = {
	{ "ListInbounds", list_inbounds },
	{ "ListOutbounds", list_outbounds },
	{ "AlterInbound", users_alter },
	{ "GetInboundUsers", users_get },
	{ "GetInboundUsersCount", users_count },
	{ "AddInbound", by_reload },
	{ "RemoveInbound", by_reload },
	{ "AddOutbound", by_reload },
	{ "RemoveOutbound", by_reload },
	{ "AlterOutbound", by_reload },
};

const struct service service_handler = {
	.bit = API_HANDLER,
	.name = "HandlerService",
	.packages = { "xray.app.proxyman.command",
		      "v2ray.core.app.proxyman.command" },
	.methods = methods,
	.count = ARRAY_SIZE(methods),
};
