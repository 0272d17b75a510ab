/*
 * parse_reverse.c - VLESS reverse: sessions that a server's clients take, and where
 * those come from that come back
 *
 *   inbounds[].settings.clients[].reverse.tag    an outbound (proxy/mux/portal.c)
 *   outbounds[].settings.reverse.tag, .sniffing  an inbound (proxy/mux/bridge.c)
 *
 * Routing wants to know the tags before inbounds are read.
 */
#include <strings.h>

#include "gateway/app/app.h"
#include "gateway/core/stats.h"
#include "proxy/mux/mux.h"

static const cJSON *member(const cJSON *o, const char *key)
{
	return cJSON_GetObjectItem(o, key); /* any case */
}

/* The settings of a VLESS inbound; NULL: it is something else */
static const cJSON *vless_settings(const cJSON *inbound)
{
	const cJSON *p = member(inbound, "protocol");

	return cJSON_IsString(p) && !strcasecmp(p->valuestring, "vless") ?
		       member(inbound, "settings") :
		       NULL;
}

static const cJSON *users_of(const cJSON *settings)
{
	const cJSON *users = member(settings, "users");

	if (!users)
		users = member(settings, "clients");
	return cJSON_IsArray(users) ? users : NULL;
}

/* Where a user's tag stands; NULL: he has none, or a wrong one is told of later */
static const cJSON *tag_of(const cJSON *user)
{
	const cJSON *t = member(member(user, "reverse"), "tag");

	return cJSON_IsString(t) && t->valuestring[0] ? t : NULL;
}

static void add_portal(struct diag *d, const cJSON *tag, struct config *cfg)
{
	const struct outbound *there = config_outbound(cfg, tag->valuestring);
	struct outbound *ob;

	if (there && there->ops != &mux_portal)
		diag_error(d, tag, NULL, "\"%s\" is the tag of an outbound",
			   tag->valuestring);
	if (there)
		return;
	ob = arena_alloc(&cfg->arena, sizeof(*ob));
	if (!ob)
		return;
	ob->ops = &mux_portal;
	ob->tag = arena_strdup(&cfg->arena, tag->valuestring);
	ob->sockopt = SOCKOPT_DEFAULT;
	ob->transport = &transport_raw;
	if (ob->tag)
		cfg->outbounds[cfg->outbound_count++] = ob;
	cfg->portals = true;
	if (cfg->host.workers > 1)
		diag_error(d, tag, NULL,
			   "needs culvert.workers 1: a session finds its "
			   "client on its own thread only");
}

/* The tags of all users; @add false: they are counted */
static unsigned int each_portal(struct diag *d, const struct merged *m,
				struct config *cfg, bool add)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < m->inbound_count; i++) {
		const cJSON *u,
			*users = users_of(vless_settings(m->inbounds[i]));

		cJSON_ArrayForEach(u, users)
		{
			const cJSON *tag = tag_of(u);

			n += tag != NULL;
			if (tag && add)
				add_portal(d, tag, cfg);
		}
	}
	return n;
}

void parse_portals(struct diag *d, const struct merged *m, struct config *cfg)
{
	unsigned int more = each_portal(d, m, cfg, false);
	struct outbound **all;

	if (!more || !cfg->outbounds)
		return;
	all = arena_alloc(&cfg->arena,
			  (cfg->outbound_count + more + OUTBOUNDS_OWN) *
				  sizeof(*all));
	if (!all)
		return; /* the arena remembers, and the build fails */
	for (unsigned int i = 0; i < cfg->outbound_count; i++)
		all[i] = cfg->outbounds[i];
	cfg->outbounds = all;
	(void)each_portal(d, m, cfg, true);
}

void parse_reverses(struct diag *d, struct config *cfg)
{
	for (struct reverse *v = cfg->reverses; v; v = v->next) {
		const char *tag;
		struct jobj o;

		v->ib.policy = config_policy(cfg, v->ib.level);
		if (!j_open(&o, d, v->node))
			continue;
		tag = arena_strdup(&cfg->arena, j_need_str(&o, "tag"));
		if (tag)
			v->ib.tag = tag;
		sniffing_parse(d, j_get(&o, "sniffing"), &v->ib.sniffing);
		j_close(&o);
		v->node = NULL;
	}
}
