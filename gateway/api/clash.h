/* clash.h - What the files of Clash's API share */
#ifndef GATEWAY_API_CLASH_H
#define GATEWAY_API_CLASH_H

#include "gateway/api/api_int.h"
#include "gateway/core/config.h"
#include "proxy/wire/url_path.h"

/**
 * struct ask - A request, for one call of its handler
 * @rq:		Its stream goes to whoever answers
 * @cfg:	The configuration in force
 */
struct ask {
	const struct http_rq *rq;
	struct config *cfg;
	struct url_path path;
};

typedef void (*ask_handler)(struct ask *a);

/* Value of a parameter of the query; "" when there is none or it is malformed */
void ask_param(const struct ask *a, const char *name, char *out, size_t room);
/* The same as a number; @def when it is none, and at most @max */
uint32_t ask_number(const struct ask *a, const char *name, uint32_t def,
		    uint32_t max);
/* A call to be answered with JSON; NULL: it was answered with 503 */
struct call *ask_call(const struct ask *a);
/* The JSON in c->out is complete */
void clash_send(struct call *c, unsigned int status);
/* {"message": @text} */
void clash_fail(struct call *c, unsigned int status, const char *text);
void ask_fail(const struct ask *a, unsigned int status, const char *text);
/* 204 */
void ask_done(const struct ask *a);
/* Headers for pages of other origins: none without a secret */
const char *clash_lines(const struct config *cfg);

/* clash_state.c */
void clash_version(struct ask *a);
void clash_configs(struct ask *a);
void clash_configs_change(struct ask *a);
void clash_reload(struct ask *a);
void clash_rules(struct ask *a);
void clash_no_providers(struct ask *a);
/* clash_flows.c */
void clash_flows(struct ask *a);
void clash_flows_end(struct ask *a);
/* clash_proxies.c */
void clash_proxies(struct ask *a);
void clash_proxy(struct ask *a);
void clash_groups(struct ask *a);
void clash_pin(struct ask *a);
void clash_unpin(struct ask *a);
/* clash_delay.c */
void clash_delay(struct ask *a);
void clash_group_delay(struct ask *a);
/* clash_feed.c: without an end, one JSON a line or a WebSocket message */
void clash_traffic(struct ask *a);
void clash_memory(struct ask *a);
void clash_logs(struct ask *a);
/* The list of sessions again and again. False: that is not what is asked for */
bool clash_flows_feed(struct ask *a);
/* clash_ui.c */
void clash_ui(struct ask *a);
void clash_root(struct ask *a);

#endif
