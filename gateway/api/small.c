/*
 * small.c - LoggerService and ObservatoryService
 *
 * Source: Xray app/log/command/config.proto, app/observatory/command/command.proto,
 * app/observatory/config.proto
 */
#include <stdatomic.h>

#include "gateway/api/api_int.h"
#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "gateway/core/health.h"

static int restart_logger(struct call *c, const uint8_t *p, size_t n)
{
	const struct config *cfg = call_cfg(c);

	(void)p;
	(void)n;
	if (!cfg->api) /* a reload took the API away while the call came */
		return call_fail(c, GRPC_UNIMPLEMENTED,
				 "there is no api any more");
	cfg->api->reopen_logs(cfg);
	return GRPC_OK;
}

static const struct method logger[] = { { "RestartLogger", restart_logger } };

const struct service service_logger = {
	.bit = API_LOGGER,
	.name = "LoggerService",
	.packages = { "xray.app.log.command", "v2ray.core.app.log.command" },
	.methods = logger,
	.count = ARRAY_SIZE(logger),
};

/* OutboundStatus of one that is probed */
static void put_health(struct pb_out *o, const struct outbound *ob)
{
	const struct health *h = ob->health;
	bool alive = atomic_load(&h->state) == HEALTH_ALIVE;
	size_t m = pb_begin(o, 1), ping;

	if (alive)
		pb_put_number(o, 1, 1);
	pb_put_number(o, 2, alive ? atomic_load(&h->delay_ms) : 99999999);
	pb_put_text(o, 4, ob->tag);
	ping = pb_begin(o, 7);
	pb_put_number(o, 1, atomic_load(&h->count));
	pb_put_number(o, 2, atomic_load(&h->fails));
	pb_put_number(o, 3, atomic_load(&h->deviation_ms));
	pb_put_number(o, 4, atomic_load(&h->average_ms));
	pb_end(o, ping);
	pb_end(o, m);
}

static int get_status(struct call *c, const uint8_t *p, size_t n)
{
	const struct config *cfg = call_cfg(c);
	size_t m = pb_begin(&c->out, 1);

	(void)p;
	(void)n;
	for (unsigned int i = 0; i < cfg->outbound_count; i++)
		if (cfg->outbounds[i]->health)
			put_health(&c->out, cfg->outbounds[i]);
	pb_end(&c->out, m);
	return GRPC_OK;
}

static const struct method observatory[] = {
	{ "GetOutboundStatus", get_status },
};

const struct service service_observatory = {
	.bit = API_OBSERVATORY,
	.name = "ObservatoryService",
	.packages = { "xray.core.app.observatory.command",
		      "v2ray.core.app.observatory.command" },
	.methods = observatory,
	.count = ARRAY_SIZE(observatory),
};
