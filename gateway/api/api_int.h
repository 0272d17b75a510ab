/* api_int.h - What the files of the API share */
#ifndef GATEWAY_API_API_INT_H
#define GATEWAY_API_API_INT_H

#include "gateway/api/api.h"
#include "gateway/api/call.h"

/** struct method - A method of a service */
struct method {
	const char *name;
	call_method run;
};

/**
 * struct service - A service
 * @name:	Without its package
 * @packages:	Xray's, v2ray's
 */
struct service {
	enum api_service bit;
	const char *name, *packages[2];
	const struct method *methods;
	size_t count;
};

extern const struct service service_stats, service_handler, service_routing,
	service_logger, service_observatory;

/* The configuration in force */
static inline struct config *call_cfg(const struct call *c)
{
	return c->worker->cfg;
}

/* users.c: methods of HandlerService */
int users_alter(struct call *c, const uint8_t *p, size_t n);
int users_get(struct call *c, const uint8_t *p, size_t n);
int users_count(struct call *c, const uint8_t *p, size_t n);

/* Requests, as http_handler */
void api_handle(const struct http_rq *rq);
void metrics_handle(const struct http_rq *rq);
void clash_handle(const struct http_rq *rq);

#endif
