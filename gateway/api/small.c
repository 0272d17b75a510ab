/*
 * small.c - LoggerService and ObservatoryService
 *
 * Source: Xray app/log/command/config.proto, app/observatory/command/command.proto,
 * app/observatory/config.proto
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/api/api_int.h"
#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "gateway/core/health.h"

/**
 * struct reopened - The answer of who opens the files
 * @c:		NULL: nobody waits for it any more
 */
struct reopened {
	struct message m; /* must be first */
	struct call *c;
};

static void forget(void *held)
{
	struct reopened *r = held;

	r->c = NULL;
}

static void on_reopened(struct worker *w, struct message *m)
{
	struct reopened *r = container_of(m, struct reopened, m);

	(void)w;
	if (r->c) {
		r->c->held = NULL;
		call_answer(r->c, GRPC_OK);
	}
	free(r);
}

/* A worker opens no files */
static int restart_logger(struct call *c, const uint8_t *p, size_t n)
{
	const struct config *cfg = call_cfg(c);
	struct reopened *r;

	(void)p;
	(void)n;
	if (!cfg->api) /* a reload took the API away while the call came */
		return call_fail(c, GRPC_UNIMPLEMENTED,
				 "there is no api any more");
	r = calloc(1, sizeof(*r));
	if (r) /* the answer may be on its way at once */
		*r = (struct reopened){ .m.fn = on_reopened, .c = c };
	if (!r || cfg->api->reopen_logs(c->worker, &r->m) < 0) {
		free(r);
		return call_fail(c, GRPC_EXHAUSTED, "no memory");
	}
	c->held = r;
	c->drop = forget;
	return GRPC_LATER;
}

static const struct method logger[] = { { "RestartLogger", restart_logger } };

const struct service service_logger = {
	.bit = API_LOGGER,
	.name = "LoggerService",
	.packages = { "xray.app.log.command", "v2ray.core.app.log.command" },
	.methods = logger,
	.count = ARRAY_SIZE(logger),
};

#define NS_OF_MS   1000000ull
#define DEAD_DELAY 99999999 /* ms; as in Xray */

/* HealthPingMeasurementResult: its times are Go's, in nanoseconds */
static void put_ping(struct pb_out *o, const struct health *h)
{
	size_t m = pb_begin(o, 7);

	pb_put_number(o, 1, atomic_load(&h->count));
	pb_put_number(o, 2, atomic_load(&h->fails));
	pb_put_number(o, 3, NS_OF_MS * atomic_load(&h->deviation_ms));
	pb_put_number(o, 4, NS_OF_MS * atomic_load(&h->average_ms));
	pb_put_number(o, 5, NS_OF_MS * atomic_load(&h->max_ms));
	pb_put_number(o, 6, NS_OF_MS * atomic_load(&h->min_ms));
	pb_end(o, m);
}

/* OutboundStatus of one that was probed: a delay in ms, two times in seconds */
static void put_health(struct pb_out *o, const struct outbound *ob)
{
	const struct health *h = ob->health;
	bool alive = atomic_load(&h->state) == HEALTH_ALIVE;
	int error = (int)atomic_load(&h->error);
	size_t m = pb_begin(o, 1);

	if (alive)
		pb_put_number(o, 1, 1);
	pb_put_number(o, 2, alive ? atomic_load(&h->delay_ms) : DEAD_DELAY);
	if (!alive)
		pb_put_text(o, 3, strerror(error));
	pb_put_text(o, 4, ob->tag);
	pb_put_number(o, 5, atomic_load(&h->seen_s));
	pb_put_number(o, 6, atomic_load(&h->tried_s));
	put_ping(o, h);
	pb_end(o, m);
}

static bool was_probed(const struct outbound *ob)
{
	return ob->health && atomic_load(&ob->health->state) != HEALTH_UNKNOWN;
}

static int get_status(struct call *c, const uint8_t *p, size_t n)
{
	const struct config *cfg = call_cfg(c);
	size_t m = pb_begin(&c->out, 1);

	(void)p;
	(void)n;
	for (unsigned int i = 0; i < cfg->outbound_count; i++)
		if (was_probed(cfg->outbounds[i]))
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
