/* clash_state.c - Version, settings, rules */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "gateway/base/jget.h"

#include "gateway/api/clash.h"
#include "gateway/api/jout.h"
#include "gateway/route/explain.h"

void clash_version(struct ask *a)
{
	struct call *c = ask_call(a);

	if (!c)
		return;
	jo(&c->out, "{\"version\":\"culvert %s\",\"meta\":true}",
	   CULVERT_VERSION);
	clash_send(c, 200);
}

/* The port of the first inbound of one of these kinds; 0 */
static unsigned int port_of(const struct config *cfg, const char *kind,
			    int tproxy)
{
	for (unsigned int i = 0; i < cfg->inbound_count; i++) {
		const struct inbound *ib = cfg->inbounds[i];

		if (!strcmp(ib->ops->name, kind) && ib->port_count &&
		    ib->sockopt.tproxy == tproxy)
			return ib->ports[0].lo;
	}
	return 0;
}

static bool has_tun(const struct config *cfg)
{
	for (unsigned int i = 0; i < cfg->inbound_count; i++)
		if (!strcmp(cfg->inbounds[i]->ops->name, "tun"))
			return true;
	return false;
}

static const char *const level_words[] = {
	[LOG_NONE] = "silent", [LOG_ERROR] = "error", [LOG_WARNING] = "warning",
	[LOG_INFO] = "info",   [LOG_DEBUG] = "debug",
};

void clash_configs(struct ask *a)
{
	struct call *c = ask_call(a);
	struct pb_out *o;

	if (!c)
		return;
	o = &c->out;
	jo(o,
	   "{\"port\":%u,\"socks-port\":%u,\"redir-port\":%u,"
	   "\"tproxy-port\":%u,\"mixed-port\":0,",
	   port_of(a->cfg, "http", 0), port_of(a->cfg, "socks", 0),
	   port_of(a->cfg, "dokodemo-door", 0),
	   port_of(a->cfg, "dokodemo-door", 1));
	jo(o,
	   "\"allow-lan\":true,\"bind-address\":\"*\",\"ipv6\":true,"
	   "\"mode\":\"rule\",\"mode-list\":[\"rule\"],\"modes\":[\"rule\"],");
	jo(o,
	   "\"log-level\":\"%s\",\"tun\":{\"enable\":%s,\"device\":\"\","
	   "\"stack\":\"lwIP\"}}",
	   level_words[__atomic_load_n(&log_level_now, __ATOMIC_RELAXED)],
	   has_tun(a->cfg) ? "true" : "false");
	clash_send(c, 200);
}

/* Of a JSON object, a member that is text; NULL */
static const char *member(const cJSON *root, const char *key)
{
	const cJSON *m = cJSON_GetObjectItem(root, key);

	return cJSON_IsString(m) ? m->valuestring : NULL;
}

static bool set_level(const char *word)
{
	for (int l = LOG_NONE; l <= LOG_DEBUG; l++) {
		if (strcmp(level_words[l], word) != 0)
			continue;
		__atomic_store_n(&log_level_now, (enum log_level)l,
				 __ATOMIC_RELAXED);
		return true;
	}
	return false;
}

/* log-level, until the next reload. The one mode there is may be set, too */
static void take_change(struct call *c, const uint8_t *p, size_t n)
{
	cJSON *root = cJSON_ParseWithLength((const char *)p, n);
	const char *level = member(root, "log-level"),
		   *mode = member(root, "mode");

	if (!root)
		clash_fail(c, 400, "Body invalid");
	else if (mode && strcasecmp(mode, "rule") != 0)
		clash_fail(c, 400, "there is no mode but rule");
	else if (level && !set_level(level))
		clash_fail(c, 400, "there is no such log-level");
	else if (!level && !mode)
		clash_fail(c, 400, "only log-level can be changed here");
	else
		clash_send(c, 204);
	cJSON_Delete(root);
}

void clash_configs_change(struct ask *a)
{
	struct call *c = ask_call(a);

	if (c)
		call_body(c, take_change);
}

/* As SIGHUP: the files again; a body that names others is not looked at */
void clash_reload(struct ask *a)
{
	kill(getpid(), SIGHUP);
	ask_done(a);
}

/** struct listing - Of rules */
struct listing {
	const struct config *cfg;
	struct pb_out *o;
	uint32_t n;
};

static void put_rule(void *arg, const char *outbound, const char *tag)
{
	struct listing *l = arg;
	const char *balancer = route_balancer(l->cfg->router, l->n);

	jo(l->o, "%s{\"type\":\"Rule\",", l->n ? "," : "");
	jo(l->o, "\"payload\":");
	jo_text(l->o, tag);
	jo_pair(l->o, "proxy", balancer ? balancer : outbound);
	jo(l->o, ",\"size\":-1,\"index\":%u}", l->n++);
}

void clash_rules(struct ask *a)
{
	struct call *c = ask_call(a);
	struct listing l = { .cfg = a->cfg };

	if (!c)
		return;
	l.o = &c->out;
	jo(l.o, "{\"rules\":[");
	if (a->cfg->router)
		route_each(a->cfg->router, put_rule, &l);
	jo(l.o, "%s{\"type\":\"Match\",\"payload\":\"\"", l.n ? "," : "");
	jo_pair(l.o, "proxy", a->cfg->outbounds[0]->tag);
	jo(l.o, ",\"size\":-1,\"index\":%u}]}", l.n);
	clash_send(c, 200);
}

void clash_no_providers(struct ask *a)
{
	struct call *c = ask_call(a);

	if (!c)
		return;
	jo(&c->out, "{\"providers\":{}}");
	clash_send(c, 200);
}
