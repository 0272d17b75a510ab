/*
 * dompattern.c - Reading domain patterns in Xray's syntax
 *
 *	x  keyword:x  domain:x  full:x  regexp:x  dotless:x
 *	geosite:CODE[@ATTR...]  ext:FILE:CODE[@ATTR...]  (ext-domain, ext-site)
 *
 * Source: Xray-core common/geodata/rule_parser.go, for the meaning.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/route/dommap.h"
#include "gateway/route/geofile.h"

enum pattern_kind {
	PAT_KEYWORD,
	PAT_DOMAIN,
	PAT_FULL,
	PAT_REGEXP,
	PAT_DOTLESS,
	PAT_GEOSITE,
	PAT_EXT,
};

static const struct {
	const char *prefix;
	enum pattern_kind kind;
} prefixes[] = {
	{ "keyword:", PAT_KEYWORD }, { "domain:", PAT_DOMAIN },
	{ "full:", PAT_FULL },       { "regexp:", PAT_REGEXP },
	{ "dotless:", PAT_DOTLESS }, { "geosite:", PAT_GEOSITE },
	{ "ext:", PAT_EXT },         { "ext-domain:", PAT_EXT },
	{ "ext-site:", PAT_EXT },
};

/* Has all attributes of "cn@ads": the text between and behind '@' */
static bool has_attrs(const struct geo_domain *d, const char *attrs)
{
	const char *end;

	for (; *attrs; attrs = *end ? end + 1 : end) {
		end = strchrnul(attrs, '@');
		if (end > attrs &&
		    !geo_has_attr(d, attrs, (size_t)(end - attrs)))
			return false;
	}
	return true;
}

/* Add the domains of one geosite entry. 0, -EINVAL, -ENOMEM */
static int add_entry(struct dommap *m, const uint8_t *p, size_t n,
		     const char *attrs, uint32_t id, char err[128])
{
	struct rd r = rd_init(p, n);
	struct geo_domain d;
	int rc;

	while ((rc = geo_next_domain(&r, &d)) > 0) {
		if (!has_attrs(&d, attrs))
			continue;
		rc = dommap_add_type(m, d.type, d.value, d.len, id, err);
		if (rc == -ENOMEM)
			return rc;
		if (rc <
		    0) /* one odd line of a list must not stop the gateway */
			log_warning("route: skipped %.*s: %s",
				    (int)(d.len < 80 ? d.len : 80), d.value,
				    err);
	}
	if (rc < 0) {
		snprintf(err, 128, "this list is damaged");
		return -EINVAL;
	}
	return 0;
}

/* @spec: CODE[@ATTR...] in the file @name */
static int add_list(struct dommap *m, const char *name, size_t name_len,
		    const char *spec, uint32_t id, char err[128])
{
	const char *at = strchrnul(spec, '@');
	struct geo_blob blob = { NULL, 0 };
	int rc;

	rc = geo_load(name, name_len, spec, (size_t)(at - spec), &blob, err);
	if (rc < 0)
		return rc == -ENOENT ? -EINVAL : rc;
	rc = add_entry(m, blob.p, blob.n, *at ? at + 1 : at, id, err);
	free(blob.p);
	return rc;
}

static int add_ext(struct dommap *m, const char *spec, uint32_t id,
		   char err[128])
{
	const char *colon = strchr(spec, ':');

	if (!colon) {
		snprintf(err, 128, "expected ext:FILE:CODE");
		return -EINVAL;
	}
	return add_list(m, spec, (size_t)(colon - spec), colon + 1, id, err);
}

/* Which kind @pattern is; *@value moves behind the prefix */
static int pattern_kind(const char *pattern, enum dom_plain plain,
			const char **value, char err[128])
{
	size_t i, n;
	const char *colon = strchr(pattern, ':');

	for (i = 0; i < ARRAY_SIZE(prefixes); i++) {
		n = strlen(prefixes[i].prefix);
		if (!strncmp(pattern, prefixes[i].prefix, n)) {
			*value = pattern + n;
			return prefixes[i].kind;
		}
	}
	if (colon) {
		snprintf(err, 128,
			 "unknown prefix \"%.*s\"; known: domain, full, "
			 "keyword, regexp, dotless, geosite, ext",
			 (int)(colon - pattern < 24 ? colon - pattern : 24),
			 pattern);
		return -EINVAL;
	}
	*value = pattern;
	return plain == DOM_PLAIN_FULL ? PAT_FULL : PAT_KEYWORD;
}

int dommap_add(struct dommap *m, const char *pattern, enum dom_plain plain,
	       uint32_t id, char err[128])
{
	const char *v = pattern;
	int kind;

	err[0] = '\0';
	kind = pattern_kind(pattern, plain, &v, err);
	switch (kind) {
	case PAT_KEYWORD:
		return dommap_add_type(m, GEO_SUBSTRING, v, strlen(v), id, err);
	case PAT_DOMAIN:
		return dommap_add_type(m, GEO_DOMAIN, v, strlen(v), id, err);
	case PAT_FULL:
		return dommap_add_type(m, GEO_FULL, v, strlen(v), id, err);
	case PAT_REGEXP:
		return dommap_add_type(m, GEO_REGEX, v, strlen(v), id, err);
	case PAT_DOTLESS:
		return dommap_add_dotless(m, v, strlen(v), id, err);
	case PAT_GEOSITE:
		return add_list(m, "geosite.dat", 11, v, id, err);
	case PAT_EXT:
		return add_ext(m, v, id, err);
	default:
		return kind;
	}
}

unsigned int dommap_parse(struct dommap *m, struct jobj *o, const char *key,
			  enum dom_plain plain, uint32_t id)
{
	unsigned int added = 0;
	bool any = false;
	char err[128];
	struct jlist l;
	size_t before;
	int rc;

	j_list(o, key, &l);
	while (j_list_next(o, &l)) {
		any = true;
		before = m->count;
		rc = dommap_add(m, l.text, plain, id, err);
		if (rc == -ENOMEM)
			diag_error(o->d, l.node, NULL, "out of memory");
		else if (rc < 0)
			diag_error(o->d, l.node, NULL, "%s", err);
		else if (m->count == before)
			diag_warning(o->d, l.node, NULL,
				     "no domain has these attributes");
		added += rc >= 0;
	}
	if (!any && cJSON_IsString(j_get(o, key)))
		diag_error(o->d, j_get(o, key), NULL, "must not be empty");
	return added;
}
