/*
 * parse_geodata.c - geodata: files that renew themselves
 *
 * Source: Xray infra/conf/geodata.go, app/geodata (keys, defaults)
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/app/app.h"
#include "gateway/assets/assets.h"
#include "gateway/assets/digest.h"
#include "gateway/route/geofile.h"

#define MAX_BYTES   (64u << 20)
#define DEADLINE_MS (15u * 60 * 1000)
#define PACE_MS     30000 /* as long as Xray waits for the next byte */
#define PACE_BYTES  32768

static const struct https_url *parse_url(struct jobj *o, const char *key,
					 struct config *cfg)
{
	const char *text = j_need_str(o, key);
	struct https_url *u = arena_alloc(&cfg->arena, sizeof(*u));

	if (!u || !*text)
		return NULL;
	if (https_url_parse(u, text, strlen(text)) == 0)
		return u;
	diag_error(o->d, j_get(o, key), NULL, "must be https://host/path");
	return NULL;
}

static const char *parse_file(struct jobj *o, struct asset *a,
			      struct config *cfg)
{
	const char *name = j_need_str(o, "file");
	char *path = NULL;

	if (!*name)
		return NULL;
	if (geo_path(name, &path) < 0) {
		diag_error(o->d, j_get(o, "file"), NULL,
			   "there is no folder for it: set "
			   "XRAY_LOCATION_ASSET");
		return NULL;
	}
	a->file = arena_strdup(&cfg->arena, name);
	a->path = arena_strdup(&cfg->arena, path);
	free(path);
	return a->path;
}

/* Its digest is compared with the file itself: none is kept in "hashFile" */
static void parse_sum(struct jobj *o, struct asset *a, struct config *cfg)
{
	const char *kind = j_str(o, "hashType", "");
	const char *file = j_str(o, "hashFile", "");

	a->sum_kind = digest_kind(kind);
	if (a->sum_kind < 0)
		diag_error(o->d, j_get(o, "hashType"), NULL,
			   "must be sha224, sha256, sha384 or sha512");
	if (j_get(o, "hashUrl"))
		a->sum_url = parse_url(o, "hashUrl", cfg);
	else if (*file || *kind)
		diag_error(o->d, o->node, "hashUrl",
			   "is missing, with hashFile or hashType");
}

static bool is_first(const struct assets *as, const struct asset *a)
{
	for (unsigned int i = 0; i < as->count; i++)
		if (!strcmp(as->v[i].path, a->path))
			return false;
	return true;
}

static void parse_asset(struct diag *d, const cJSON *node, struct assets *as,
			struct config *cfg)
{
	struct asset *a = &as->v[as->count];
	struct jobj o;

	if (!cJSON_IsObject(node)) {
		diag_error(d, node, NULL, "must be an object");
		return;
	}
	if (as->count == ASSETS_MAX) {
		diag_error(d, node, NULL, "at most %d assets", ASSETS_MAX);
		return;
	}
	j_open(&o, d, node);
	a->url = parse_url(&o, "url", cfg);
	if (parse_file(&o, a, cfg) && a->url && is_first(as, a))
		as->count++;
	else if (a->path && !is_first(as, a))
		diag_error(d, node, "file", "another asset is this file");
	parse_sum(&o, a, cfg);
	j_close(&o);
}

static void parse_cron(struct jobj *o, struct assets *as)
{
	const char *text = j_str(o, "cron", "");

	if (!*text)
		return;
	as->scheduled = cron_parse(&as->cron, text, strlen(text)) == 0;
	if (!as->scheduled)
		diag_error(o->d, j_get(o, "cron"), NULL,
			   "must be as \"0 4 * * *\" (minute hour day month "
			   "weekday), \"@daily\" or \"@every 12h\"");
}

static void parse_outbound(struct jobj *o, struct assets *as,
			   struct config *cfg)
{
	const char *tag = j_str(o, "outbound", "");

	if (!*tag)
		return;
	as->outbound = arena_strdup(&cfg->arena, tag);
	if (!config_outbound(cfg, tag))
		diag_error(o->d, j_get(o, "outbound"), NULL,
			   "no outbound has the tag \"%s\"", tag);
}

void parse_geodata(struct diag *d, const cJSON *node, struct config *cfg)
{
	struct assets *as;
	const cJSON *item;
	struct jobj o;

	if (!j_open(&o, d, node))
		return;
	as = arena_alloc(&cfg->arena, sizeof(*as));
	if (as)
		as->v = arena_alloc(&cfg->arena, ASSETS_MAX * sizeof(*as->v));
	if (!as || !as->v)
		return;
	as->check = geo_check_fd;
	as->max_bytes = MAX_BYTES;
	as->deadline_ms = DEADLINE_MS;
	as->pace_ms = PACE_MS;
	as->pace_bytes = PACE_BYTES;
	parse_cron(&o, as);
	parse_outbound(&o, as, cfg);
	cJSON_ArrayForEach(item, j_array(&o, "assets"))
		parse_asset(d, item, as, cfg);
	if (as->count && !as->scheduled && !j_get(&o, "cron"))
		diag_warning(d, node, "cron",
			     "is missing: nothing is renewed but by `culvert "
			     "geodata`");
	j_close(&o);
	if (assets_levels(as, d, cfg) == 0)
		cfg->assets = as;
}
