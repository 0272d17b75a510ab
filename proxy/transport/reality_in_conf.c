/*
 * reality_in_conf.c - realitySettings of an inbound
 *
 * Source: Xray infra/conf/transport_security.go (facts); docs/wire/reality.md
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/base64.h"
#include "gateway/base/crypto.h"
#include "gateway/core/config.h"
#include "proxy/transport/key_log.h"
#include "proxy/transport/reality_in.h"

#define LIST_MAX 256 /* names, short ids */

static int parse_target(struct jobj *o, struct reality_in_conf *c,
			struct arena *a)
{
	const char *key = j_get(o, "target") ? "target" : "dest";
	const cJSON *node = j_get(o, key);
	int rc = node ? dest_parse(node, &c->target, a) : -EINVAL;

	j_get(o, "dest"); /* known also when target is there */
	if (rc < 0 && rc != -ENOMEM)
		diag_error(o->d, node ? node : o->node, NULL,
			   "target must be a port, host:port, /path or @name: "
			   "the site that strangers are shown");
	(void)j_str(o, "type", NULL); /* the target's form tells */
	c->xver = (uint8_t)j_int(o, "xver", 0, 0, 2);
	return rc == -ENOMEM ? rc : 0;
}

/* "26.3.27", or its first parts; 0 when it is absent */
static uint32_t parse_version(struct jobj *o, const char *key)
{
	const char *text = j_str(o, key, "");
	uint32_t v = 0;
	int parts = 0;

	if (!text[0])
		return 0;
	for (const char *p = text;; p++) {
		char *end;
		unsigned long n = strtoul(p, &end, 10);

		if (*p < '0' || *p > '9' || end - p > 3 || n > 255 ||
		    ++parts > 3)
			break;
		v |= (uint32_t)n << 8 * (3 - parts);
		p = end;
		if (!*p)
			return v;
		if (*p != '.')
			break;
	}
	diag_error(o->d, j_get(o, key), NULL,
		   "must be a version as 26.3.27, got \"%s\"", text);
	return 0;
}

/* A list of 1 to LIST_MAX members, or NULL after a complaint */
static const cJSON *need_list(struct jobj *o, const char *key, const char *what)
{
	const cJSON *list = j_array(o, key);
	int n = cJSON_GetArraySize(list);

	if (n >= 1 && n <= LIST_MAX)
		return list;
	diag_error(o->d, list ? list : o->node, NULL, "%s must have 1 to %d %s",
		   key, LIST_MAX, what);
	return NULL;
}

static int parse_names(struct jobj *o, struct reality_rules *r, struct arena *a)
{
	const cJSON *list = need_list(o, "serverNames", "names of the target");
	size_t n = (size_t)cJSON_GetArraySize(list);
	const char **name = arena_alloc(a, (n + 1) * sizeof(*name));
	const cJSON *it;

	if (!name)
		return -ENOMEM;
	r->name = name;
	cJSON_ArrayForEach(it, list)
	{
		if (!cJSON_IsString(it)) {
			diag_error(o->d, it, NULL, "must be a string");
			continue;
		}
		name[r->names] = arena_strdup(a, it->valuestring);
		if (!name[r->names++])
			return -ENOMEM;
	}
	return 0;
}

static int parse_short_ids(struct jobj *o, struct reality_rules *r,
			   struct arena *a)
{
	const cJSON *list = need_list(o, "shortIds",
				      "strings, \"\" for clients without one");
	size_t n = (size_t)cJSON_GetArraySize(list);
	uint8_t(*id)[REALITY_SHORT_ID_BYTES] =
		arena_alloc(a, (n + 1) * sizeof(*id));
	const cJSON *it;

	if (!id)
		return -ENOMEM;
	r->short_id = (const uint8_t(*)[REALITY_SHORT_ID_BYTES])id;
	cJSON_ArrayForEach(it, list)
	{
		const char *text = cJSON_IsString(it) ? it->valuestring : "?";

		reality_parse_short_id(o, it, text, id[r->short_ids++]);
	}
	return 0;
}

static void parse_limit(struct jobj *o, const char *key,
			struct reality_limit *l)
{
	struct jobj in;

	if (!j_open(&in, o->d, j_get(o, key)))
		return;
	l->after = (uint64_t)j_int(&in, "afterBytes", 0, 0, INT64_MAX / 4096);
	l->rate = (uint64_t)j_int(&in, "bytesPerSec", 0, 0, UINT32_MAX);
	l->burst = (uint64_t)j_int(&in, "burstBytesPerSec", 0, 0, UINT32_MAX);
	j_close(&in);
}

static void parse_others(struct jobj *o, struct reality_in_conf *c)
{
	static const char *const clients[] = { "fingerprint",  "serverName",
					       "password",     "publicKey",
					       "shortId",      "spiderX",
					       "mldsa65Verify" };

	c->show = j_bool(o, "show", false);
	c->log_fd = key_log_parse(o);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		j_ignore(o, clients[i], "of clients");
}

/* "mldsa65Seed". 0 or -ENOMEM */
static int parse_seed(struct jobj *o, struct reality_in_conf *c,
		      struct arena *a)
{
	const char *text = j_str(o, "mldsa65Seed", "");
	uint8_t seed[MLDSA_SEED_BYTES + 3];

	if (!*text)
		return 0;
	c->sign = arena_alloc(a, sizeof(*c->sign));
	if (!c->sign)
		return -ENOMEM;
	if (base64_decode(text, strlen(text), seed, sizeof(seed)) !=
	    MLDSA_SEED_BYTES)
		diag_error(o->d, j_get(o, "mldsa65Seed"), NULL,
			   "must be 32 bytes in base64url");
	else
		mldsa65_key_set(c->sign, seed);
	wipe(seed, sizeof(seed));
	return 0;
}

int reality_in_parse(struct transport *t, struct jobj *o, struct config *cfg)
{
	struct reality_in_conf *c = arena_alloc(&cfg->arena, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	t->settings = c;
	c->log_fd = -1;
	rc = parse_target(o, c, &cfg->arena);
	reality_parse_key(o, "privateKey", "; `culvert x25519` makes some",
			  c->rules.private_key);
	c->rules.min = parse_version(o, "minClientVer");
	c->rules.max = parse_version(o, "maxClientVer");
	c->rules.max_diff_ms =
		(uint64_t)j_int(o, "maxTimeDiff", 0, 0, INT64_MAX / 4096);
	if (!rc)
		rc = parse_names(o, &c->rules, &cfg->arena);
	c->after = arena_alloc(&cfg->arena,
			       (3 * c->rules.names + 1) * sizeof(*c->after));
	if (!rc && !c->after)
		rc = -ENOMEM;
	if (!rc)
		rc = parse_short_ids(o, &c->rules, &cfg->arena);
	parse_limit(o, "limitFallbackUpload", &c->up);
	parse_limit(o, "limitFallbackDownload", &c->down);
	parse_others(o, c);
	if (!rc)
		rc = parse_seed(o, c, &cfg->arena);
	return rc;
}

void reality_in_drop(struct transport *t)
{
	struct reality_in_conf *c = t->settings;

	if (!c)
		return;
	if (c->log_fd >= 0)
		close(c->log_fd);
	wipe(c->rules.private_key, sizeof(c->rules.private_key));
	if (c->sign)
		wipe(c->sign, sizeof(*c->sign));
}
