/*
 * clash_proxies.c - Outbounds and balancers as Clash's proxies and groups
 *
 * A balancer is a group; a choice made for it is kept until the process ends. GLOBAL
 * is a group that dashboards take the order from: its choice is the default outbound.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/base/jget.h"

#include "gateway/api/clash.h"
#include "gateway/api/jout.h"
#include "gateway/core/health.h"
#include "gateway/observe/observe.h"
#include "gateway/route/groups.h"

/** struct listing - What is being written: all, or the one that is @only */
struct listing {
	const struct config *cfg;
	struct pb_out *o;
	const char *only;
	bool found, groups_only;
};

static const char *kind_of(const struct outbound *ob)
{
	static const char *const words[][2] = {
		{ "freedom", "Direct" },
		{ "blackhole", "Reject" },
		{ "dns", "Dns" },
		{ "socks", "Socks5" },
		{ "http", "Http" },
		{ "shadowsocks", "Shadowsocks" },
		{ "trojan", "Trojan" },
		{ "vless", "Vless" },
		{ "vmess", "Vmess" },
		{ "wireguard", "WireGuard" },
		{ "hysteria", "Hysteria2" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(words[i][0], ob->ops->name))
			return words[i][1];
	return "Pass";
}

static const struct observed *observed_of(const struct config *cfg,
					  const char *tag)
{
	for (unsigned int i = 0; cfg->observe && i < cfg->observe->count; i++)
		if (!strcmp(cfg->observe->v[i].tag, tag))
			return &cfg->observe->v[i];
	return NULL;
}

/* Begins the entry @name. False: it is not wanted */
static bool begin(struct listing *l, const char *name, const char *kind)
{
	struct pb_out *o = l->o;

	if (!name || (l->only && strcmp(l->only, name) != 0))
		return false;
	if (l->only && l->found)
		return false;
	if (!l->only) {
		if (l->found)
			jo(o, ",");
		jo_text(o, name);
		jo(o, ":");
	}
	l->found = true;
	jo(o, "{\"name\":");
	jo_text(o, name);
	jo_pair(o, "type", kind);
	jo(o, ",\"udp\":true,\"xudp\":false,\"tfo\":false,\"extra\":{}");
	return true;
}

/* 0 means dead to dashboards */
static unsigned int shown_delay(const struct health *h)
{
	unsigned int ms = atomic_load(&h->delay_ms);

	if (atomic_load(&h->state) != HEALTH_ALIVE)
		return 0;
	return ms ? ms : 1;
}

static void put_history(struct listing *l, const char *tag)
{
	const struct observed *of = tag ? observed_of(l->cfg, tag) : NULL;
	unsigned int state = of ? atomic_load(&of->health->state) : 0;
	time_t tried = of ? (time_t)atomic_load(&of->health->tried_s) : 0;
	char at[32] = "";
	struct tm tm;

	jo(l->o, ",\"alive\":%s,\"history\":[",
	   state == HEALTH_DEAD ? "false" : "true");
	if (state != HEALTH_UNKNOWN && gmtime_r(&tried, &tm) &&
	    strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &tm))
		jo(l->o, "{\"time\":\"%s\",\"delay\":%u}", at,
		   shown_delay(of->health));
	jo(l->o, "]");
}

static void put_outbound(struct listing *l, const struct outbound *ob)
{
	if (!ob->tag[0] || !begin(l, ob->tag, kind_of(ob)))
		return;
	put_history(l, ob->tag);
	jo(l->o, "}");
}

/* One more of an array that was begun with "[" */
static void put_member(struct listing *l, const char *name)
{
	if (l->o->len && l->o->p[l->o->len - 1] != '[')
		jo(l->o, ",");
	jo_text(l->o, name);
}

static void put_group(void *arg, const struct route_group *g)
{
	const char *now = g->now ? g->now->tag : "";
	struct listing *l = arg;

	if (!begin(l, g->tag, g->by_ping ? "URLTest" : "LoadBalance"))
		return;
	put_history(l, now);
	jo(l->o, ",\"all\":[");
	for (uint32_t i = 0; i < g->count; i++)
		put_member(l, g->outbounds[i]->tag);
	jo(l->o, "]");
	jo_pair(l->o, "now", now);
	jo_pair(l->o, "fixed", g->pinned ? now : "");
	jo(l->o, "}");
}

/* --- GLOBAL --- */

static void put_name(void *arg, const struct route_group *g)
{
	struct listing *l = arg;

	put_member(l, g->tag);
}

static void put_global(struct listing *l)
{
	const struct config *cfg = l->cfg;

	if (!begin(l, "GLOBAL", "Selector"))
		return;
	put_history(l, NULL);
	jo(l->o, ",\"all\":[");
	if (cfg->router)
		route_groups(cfg->router, put_name, l);
	for (unsigned int i = 0; i < cfg->outbound_count; i++)
		if (cfg->outbounds[i]->tag[0])
			put_member(l, cfg->outbounds[i]->tag);
	jo(l->o, "]");
	jo_pair(l->o, "now", cfg->outbounds[0]->tag);
	jo(l->o, "}");
}

static void put_all(struct listing *l)
{
	put_global(l);
	if (l->cfg->router)
		route_groups(l->cfg->router, put_group, l);
	for (unsigned int i = 0; !l->groups_only && i < l->cfg->outbound_count;
	     i++)
		put_outbound(l, l->cfg->outbounds[i]);
}

void clash_proxies(struct ask *a)
{
	struct call *c = ask_call(a);
	struct listing l = { .cfg = a->cfg };

	if (!c)
		return;
	l.o = &c->out;
	jo(l.o, "{\"proxies\":{");
	put_all(&l);
	jo(l.o, "}}");
	clash_send(c, 200);
}

/* Groups, one after another */
static void put_group_entry(void *arg, const struct route_group *g)
{
	struct listing *all = arg, one = *all;

	one.only = g->tag;
	one.found = false;
	if (all->found)
		jo(all->o, ",");
	put_group(&one, g);
	all->found = true;
}

void clash_groups(struct ask *a)
{
	struct call *c = ask_call(a);
	struct listing l = { .cfg = a->cfg };

	if (!c)
		return;
	l.o = &c->out;
	jo(l.o, "{\"proxies\":[");
	if (a->cfg->router)
		route_groups(a->cfg->router, put_group_entry, &l);
	jo(l.o, "]}");
	clash_send(c, 200);
}

void clash_proxy(struct ask *a)
{
	struct call *c = ask_call(a);
	struct listing l = { .cfg = a->cfg,
			     .only = a->path.seg[1],
			     .groups_only = !strcmp(a->path.seg[0], "group") };

	if (!c)
		return;
	l.o = &c->out;
	put_all(&l);
	if (l.found)
		clash_send(c, 200);
	else
		clash_fail(c, 404, "Resource not found");
}

/* --- choosing --- */

/* @outbound NULL: by its strategy again */
static void pin(struct call *c, const char *group, const char *outbound)
{
	int rc = route_pin(call_cfg(c)->router, group, outbound);

	if (!rc)
		clash_send(c, 204);
	else if (rc == -ENOENT)
		clash_fail(c, 400, "Must be a balancer");
	else
		clash_fail(c, 400, "not one of this balancer's outbounds");
}

static void take_pin(struct call *c, const uint8_t *p, size_t n)
{
	cJSON *root = cJSON_ParseWithLength((const char *)p, n);
	const cJSON *name = cJSON_GetObjectItem(root, "name");

	if (cJSON_IsString(name) && call_cfg(c)->router)
		pin(c, c->held, name->valuestring);
	else
		clash_fail(c, 400, "Body invalid");
	cJSON_Delete(root);
}

void clash_pin(struct ask *a)
{
	struct call *c = ask_call(a);

	if (!c)
		return;
	c->held = strdup(a->path.seg[1]);
	c->drop = free;
	if (c->held)
		call_body(c, take_pin);
	else
		clash_fail(c, 503, "out of memory");
}

void clash_unpin(struct ask *a)
{
	struct call *c = ask_call(a);

	if (!c)
		return;
	if (a->cfg->router)
		pin(c, a->path.seg[1], NULL);
	else
		clash_fail(c, 404, "Resource not found");
}
