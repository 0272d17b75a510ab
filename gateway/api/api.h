/*
 * api.h - Services of this program for others: the API (gRPC) and metrics (HTTP)
 *
 * Both are reached in two ways: by a listener of their own, and as an outbound with
 * a tag, which routing rules send sessions to.
 */
#ifndef GATEWAY_API_API_H
#define GATEWAY_API_API_H

#include "gateway/core/inbound.h"
#include "gateway/core/outbound.h"
#include "gateway/core/transport.h"

struct message;

enum api_service {
	API_STATS = 1,
	API_HANDLER = 2,
	API_ROUTING = 4,
	API_LOGGER = 8,
	API_OBSERVATORY = 16,
	API_REFLECTION = 32, /* known, and not there */
};

/**
 * struct api_conf - In the configuration
 * @services:	enum api_service
 * @reopen_logs:	LoggerService.RestartLogger; app's: the main thread does it, then
 *		@back is posted to @w. 0 or -errno
 */
struct api_conf {
	uint32_t services;
	int (*reopen_logs)(struct worker *w, struct message *back);
};

#define CLASH_SECRET_MAX 255 /* bytes */

/**
 * struct clash_conf - Clash's API, for dashboards
 * @secret:	What they must show, at most CLASH_SECRET_MAX; "": nothing, on
 *		loopback alone
 * @ui:		Folder that is served below /ui/; NULL none
 */
struct clash_conf {
	const char *secret, *ui;
};

/* Outbounds (without settings), listeners (with one of the transports) */
extern const struct outbound_ops api_outbound, metrics_outbound;
extern const struct inbound_ops api_inbound;
extern const struct transport api_transport, metrics_transport, clash_transport;

#endif
