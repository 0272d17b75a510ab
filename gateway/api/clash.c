/*
 * clash.c - Clash's API (external controller), as far as dashboards use it
 *
 *   request -> may it? (secret, or the own host's pages only) -> its handler
 *
 * Without a secret only this host is served (the configuration sees to that), and
 * what browsers there are made to send by strangers' pages is refused: another
 * origin, or a name that was bent to this address.
 * Source: mihomo and sing-box, behaviour; Fetch Standard, CORS protocol
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "gateway/api/clash.h"
#include "gateway/api/jout.h"
#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"

#define JSON "Content-Type: application/json\r\n"
#define CORS \
	"Access-Control-Allow-Origin: *\r\n" \
	"Access-Control-Allow-Methods: GET, POST, PUT, PATCH, DELETE\r\n" \
	"Access-Control-Allow-Headers: Content-Type, Authorization\r\n" \
	"Access-Control-Allow-Private-Network: true\r\n" \
	"Access-Control-Max-Age: 300\r\n"

/* An answer may come behind a reload that has taken the section away */
static bool has_secret(const struct config *cfg)
{
	return cfg->clash && cfg->clash->secret[0] != '\0';
}

const char *clash_lines(const struct config *cfg)
{
	return has_secret(cfg) ? JSON CORS : JSON;
}

void clash_send(struct call *c, unsigned int status)
{
	call_send(c, status, clash_lines(call_cfg(c)));
}

void clash_fail(struct call *c, unsigned int status, const char *text)
{
	c->out.len = 0;
	jo(&c->out, "{\"message\":");
	jo_text(&c->out, text);
	jo(&c->out, "}");
	clash_send(c, status);
}

struct call *ask_call(const struct ask *a)
{
	return call_http(a->rq);
}

void ask_fail(const struct ask *a, unsigned int status, const char *text)
{
	struct call *c = ask_call(a);

	if (c)
		clash_fail(c, status, text);
}

void ask_done(const struct ask *a)
{
	call_refuse(a->rq, 204, has_secret(a->cfg) ? CORS : "");
}

void ask_param(const struct ask *a, const char *name, char *out, size_t room)
{
	if (url_query_get(a->path.query, a->path.query_len, name, out, room) <
	    0)
		out[0] = '\0';
}

uint32_t ask_number(const struct ask *a, const char *name, uint32_t def,
		    uint32_t max)
{
	char text[16], *end;
	unsigned long n;

	ask_param(a, name, text, sizeof(text));
	n = strtoul(text, &end, 10);
	if (!*text || *end)
		return def;
	return n < max ? (uint32_t)n : max;
}

/* --- may it? --- */

/* "Authorization: Bearer X", or "?token=X" where no header can be sent */
static bool secret_shown(const struct ask *a)
{
	static const char bearer[] = "Bearer ";
	const char *want = a->cfg->clash->secret;
	char got[CLASH_SECRET_MAX + 2] = ""; /* a longer one shows */
	struct http1_text h;

	if (http1_header(a->rq->head, "authorization", &h)) {
		if (h.n > strlen(bearer) &&
		    !strncasecmp(h.p, bearer, strlen(bearer)))
			snprintf(got, sizeof(got), "%.*s",
				 (int)(h.n - strlen(bearer)),
				 h.p + strlen(bearer));
	} else {
		ask_param(a, "token", got, sizeof(got));
	}
	return strlen(got) == strlen(want) && ct_equal(got, want, strlen(want));
}

/* An address, or localhost: no name that somebody else has bent to us */
static bool host_is_plain(const struct http1_text *h)
{
	struct addr a;
	char name[256];

	if (http1_authority(h, 80, &a, name) < 0)
		return false;
	return addr_is_ip(&a) ||
	       (a.len == 9 && !strncasecmp(a.name, "localhost", 9));
}

/* A page of this very server, or no page at all */
static bool same_origin(const struct ask *a)
{
	struct http1_text host = { NULL, 0 }, origin;

	if (!http1_header(a->rq->head, "host", &host) || !host_is_plain(&host))
		return false;
	if (!http1_header(a->rq->head, "origin", &origin))
		return true;
	return origin.n == host.n + 7 && !strncasecmp(origin.p, "http://", 7) &&
	       !strncasecmp(origin.p + 7, host.p, host.n);
}

/* --- which --- */

static const struct entry {
	const char *method;
	const char *seg[3]; /* "*": any one; "**": any number */
	ask_handler run;
} entries[] = {
	{ "GET", { NULL }, clash_root },
	{ "GET", { "ui", "**" }, clash_ui },
	{ "GET", { "version" }, clash_version },
	{ "GET", { "configs" }, clash_configs },
	{ "PATCH", { "configs" }, clash_configs_change },
	{ "PUT", { "configs" }, clash_reload },
	{ "GET", { "proxies" }, clash_proxies },
	{ "GET", { "proxies", "*" }, clash_proxy },
	{ "PUT", { "proxies", "*" }, clash_pin },
	{ "DELETE", { "proxies", "*" }, clash_unpin },
	{ "GET", { "proxies", "*", "delay" }, clash_delay },
	{ "GET", { "group" }, clash_groups },
	{ "GET", { "group", "*" }, clash_proxy },
	{ "GET", { "group", "*", "delay" }, clash_group_delay },
	{ "GET", { "rules" }, clash_rules },
	{ "GET", { "connections" }, clash_flows },
	{ "DELETE", { "connections" }, clash_flows_end },
	{ "DELETE", { "connections", "*" }, clash_flows_end },
	{ "GET", { "traffic" }, clash_traffic },
	{ "GET", { "memory" }, clash_memory },
	{ "GET", { "logs" }, clash_logs },
	{ "GET", { "providers", "proxies" }, clash_no_providers },
	{ "GET", { "providers", "rules" }, clash_no_providers },
};

static bool path_fits(const struct entry *e, const struct url_path *p)
{
	unsigned int i = 0;

	for (; i < ARRAY_SIZE(e->seg) && e->seg[i]; i++) {
		if (!strcmp(e->seg[i], "**"))
			return true;
		if (i >= p->count || (strcmp(e->seg[i], "*") != 0 &&
				      strcmp(e->seg[i], p->seg[i]) != 0))
			return false;
	}
	return i == p->count;
}

/* The handler; NULL with @status */
static ask_handler find(const struct ask *a, unsigned int *status)
{
	*status = 404;
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		if (!path_fits(&entries[i], &a->path))
			continue;
		if (http1_is(&a->rq->head->method, entries[i].method))
			return entries[i].run;
		*status = 405;
	}
	return NULL;
}

/* Files of a dashboard hold no secret, and a browser cannot show one for them */
static bool is_open(ask_handler run)
{
	return run == clash_ui || run == clash_root;
}

void clash_handle(const struct http_rq *rq)
{
	struct ask a = { .rq = rq, .cfg = rq->worker->cfg };
	unsigned int status;
	ask_handler run;

	if (!a.cfg->clash) {
		call_refuse(rq, 404, "");
		return;
	}
	if (url_path_decode(rq->head->target.p, rq->head->target.n, &a.path)) {
		call_refuse(rq, 400, "");
		return;
	}
	run = find(&a, &status);
	if (!has_secret(a.cfg) && !same_origin(&a))
		ask_fail(&a, 403, "only this host, and its own pages");
	else if (http1_is(&rq->head->method, "OPTIONS"))
		ask_done(&a);
	else if (has_secret(a.cfg) && !is_open(run) && !secret_shown(&a))
		ask_fail(&a, 401, "Unauthorized");
	else if (!run)
		ask_fail(&a, status, "Not found");
	else
		run(&a);
}
