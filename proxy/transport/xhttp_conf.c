/*
 * xhttp_conf.c - xhttpSettings of Xray to the settings of a level
 *
 * "extra" replaces all keys but host, path, mode. What Xray does and we do not
 * is an error by name.
 * Source: xray.md section L; Xray-core infra/conf/transport_method.go (facts)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/core/config.h"
#include "proxy/transport/tls.h"
#include "proxy/transport/transports.h"
#include "proxy/transport/xhttp_int.h"

#define PATH_BYTES_MAX 512
#define POST_BYTES_MAX 1000000 /* memory of one flow; less is always allowed */
#define PADDING_MAX    4000
#define NAMES_LEAST    31 /* bits of a session's name */

/* What a browser's fetch() says; not when the User-Agent is the user's */
static const char fetch_lines[] =
	"Sec-CH-UA: \"Chromium\";v=\"138\", \"Not)A;Brand\";v=\"8\", "
	"\"Google Chrome\";v=\"138\"\r\n"
	"Sec-CH-UA-Mobile: ?0\r\n"
	"Sec-CH-UA-Platform: \"Linux\"\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
	"(KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36\r\n"
	"Accept-Language: en-US,en;q=0.9\r\n"
	"Accept: */*\r\n"
	"Sec-Fetch-Site: same-origin\r\n"
	"Sec-Fetch-Mode: cors\r\n"
	"Sec-Fetch-Dest: empty\r\n"
	"Priority: u=1, i\r\n"
	"Cache-Control: no-cache\r\n"
	"Pragma: no-cache\r\n";

static struct xhttp_range range(struct jobj *o, const char *key, int32_t def_lo,
				int32_t def_hi, int32_t max)
{
	struct xhttp_range r = { def_lo, def_hi };
	int32_t lo, hi;

	if (!j_range(o, key, &lo, &hi) || !hi)
		return r;
	if (lo < 0 || hi > max) {
		diag_error(o->d, j_get(o, key), NULL, "must be 0 to %d", max);
		return r;
	}
	return (struct xhttp_range){ lo, hi };
}

/* --- path, host, headers --- */

static void parse_path(struct xhttp_conf *c, struct jobj *o, struct config *cfg)
{
	const char *path = c->http.path, *query = strchr(path, '?');
	size_t n = query ? (size_t)(query - path) : strlen(path);
	char *base;

	if (strlen(path) > PATH_BYTES_MAX)
		diag_error(o->d, j_get(o, "path"), NULL,
			   "is longer than %d bytes", PATH_BYTES_MAX);
	base = arena_alloc(&cfg->arena, n + 2);
	if (!base)
		return;
	snprintf(base, n + 2, "%.*s%s", (int)n, path,
		 path[n - 1] == '/' ? "" : "/");
	c->base = base;
	c->query = query ? query : "";
}

/* Headers of @src, and those of a browser */
static int parse_headers(struct xhttp_conf *c, struct jobj *src,
			 struct config *cfg)
{
	const cJSON *headers = j_get(src, "headers"), *one;
	size_t size;
	char *all;

	cJSON_ArrayForEach(one, headers)
	{
		if (one->string && !strcasecmp(one->string, "host"))
			diag_error(src->d, one, NULL,
				   "belongs into \"host\" of the settings");
	}
	c->http.agent = false;
	c->http.extra = http_conf_headers(
		src->d, cJSON_IsObject(headers) ? headers : NULL, &c->http,
		cfg);
	if (!c->http.extra)
		return -ENOMEM;
	size = strlen(c->http.extra) + sizeof(fetch_lines);
	all = arena_alloc(&cfg->arena, size);
	if (!all)
		return -ENOMEM;
	snprintf(all, size, "%s%s", c->http.extra,
		 c->http.agent ? "" : fetch_lines);
	c->http.extra = all;
	return 0;
}

/* --- how requests look --- */

static void parse_padding(struct xhttp_conf *c, struct jobj *o)
{
	const cJSON *node = j_get(o, "xPaddingBytes");

	c->padding = range(o, "xPaddingBytes", 100, 1000, PADDING_MAX);
	if (node && c->padding.lo < 1) {
		diag_error(o->d, node, NULL, "cannot be turned off");
		c->padding = (struct xhttp_range){ 100, 1000 };
	}
	if (j_bool(o, "xPaddingObfsMode", false))
		j_not_yet(o, "xPaddingObfsMode",
			  "padding goes into the Referer only");
	else
		for (size_t i = 0; i < 4; i++) {
			static const char *const keys[] = { "xPaddingKey",
							    "xPaddingHeader",
							    "xPaddingPlacement",
							    "xPaddingMethod" };

			j_ignore(o, keys[i], "xPaddingObfsMode is off");
		}
}

/* A placement: @only is what we do */
static void only(struct jobj *o, const char *key, const char *one,
		 const char *other)
{
	const char *word = j_str(o, key, one);

	if (word[0] && strcmp(word, one) != 0 && strcmp(word, other) != 0)
		j_not_yet(o, key, "another place than the usual");
}

static void parse_places(struct xhttp_conf *c, struct jobj *o,
			 struct config *cfg)
{
	const char *method = j_str(o, "uplinkHTTPMethod", "POST");
	char *up = arena_strdup(&cfg->arena, method[0] ? method : "POST");

	only(o, "sessionIDPlacement", "path", "path");
	only(o, "seqPlacement", "path", "path");
	only(o, "uplinkDataPlacement", "auto", "body");
	j_ignore(o, "sessionIDKey", "the path has no keys");
	j_ignore(o, "seqKey", "the path has no keys");
	j_ignore(o, "uplinkDataKey", "data is the body");
	j_ignore(o, "uplinkChunkSize", "data is the body");
	c->method = up;
	for (; up && *up; up++) {
		if (*up >= 'a' && *up <= 'z')
			*up = (char)(*up - 'a' + 'A');
		if (*up < 'A' || *up > 'Z' || up - c->method > 12) {
			diag_error(o->d, j_get(o, "uplinkHTTPMethod"), NULL,
				   "is no method");
			break;
		}
	}
	if (up && !strcmp(c->method, "GET"))
		j_not_yet(o, "uplinkHTTPMethod", "bodies of GET");
}

static const struct {
	const char *name, *letters;
} tables[] = {
	{ "ALPHABET", "ABCDEFGHIJKLMNOPQRSTUVWXYZ" },
	{ "Alphabet", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" },
	{ "BASE36", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" },
	{ "Base62", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		    "abcdefghijklmnopqrstuvwxyz" },
	{ "HEX", "0123456789ABCDEF" },
	{ "alphabet", "abcdefghijklmnopqrstuvwxyz" },
	{ "base36", "0123456789abcdefghijklmnopqrstuvwxyz" },
	{ "hex", "0123456789abcdef" },
	{ "number", "0123456789" },
};

/* 2^31 names at least, as Xray wants */
static bool names_enough(const struct xhttp_conf *c)
{
	uint64_t n = 1;

	for (int32_t i = 0; i < c->name_len.hi && n >> NAMES_LEAST == 0; i++)
		n *= strlen(c->table);
	return c->name_len.lo > 0 && n >> NAMES_LEAST != 0;
}

static void parse_names(struct xhttp_conf *c, struct jobj *o,
			struct config *cfg)
{
	const char *word = j_str(o, "sessionIDTable", "");

	c->name_len = range(o, "sessionIDLength", 0, 0, XHTTP_SESSION_MAX);
	if (!word[0])
		return;
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (!strcmp(tables[i].name, word))
			c->table = tables[i].letters;
	if (!c->table)
		c->table = arena_strdup(&cfg->arena, word);
	for (const char *p = c->table; p && *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f ||
		    strchr("/?#%\"<>\\^`{|}", *p)) {
			diag_error(o->d, j_get(o, "sessionIDTable"), NULL,
				   "has a character that cannot stand in a "
				   "path");
			return;
		}
	if (c->table && !names_enough(c))
		diag_error(o->d, j_get(o, "sessionIDTable"), NULL,
			   "makes too few names with this sessionIDLength: "
			   "2^31 are the least");
}

static void parse_posts(struct xhttp_conf *c, struct jobj *o)
{
	c->post_bytes =
		range(o, "scMaxEachPostBytes", 1000000, 1000000, INT32_MAX);
	if (c->post_bytes.lo < 1)
		diag_error(o->d, j_get(o, "scMaxEachPostBytes"), NULL,
			   "must be above 0");
	c->post_gap_ms =
		range(o, "scMinPostsIntervalMs", 30, 30, 24 * 3600 * 1000);
	c->buffered = (uint32_t)j_int(o, "scMaxBufferedPosts", 30, 0, 10000);
	if (!c->buffered)
		c->buffered = 30;
	c->padding_secs = (struct xhttp_range){ 20, 80 };
	if (j_range(o, "scStreamUpServerSecs", &c->padding_secs.lo,
		    &c->padding_secs.hi) &&
	    !c->padding_secs.hi)
		c->padding_secs = (struct xhttp_range){ 20, 80 };
	if (c->padding_secs.hi > 86400)
		c->padding_secs.hi = 86400;
	if (c->padding_secs.lo < 1)
		c->padding_secs.lo = c->padding_secs.hi < 1 ? 0 : 1;
	if (j_int(o, "serverMaxHeaderBytes", 0, 0, INT32_MAX) > HTTP1_HEAD_MAX)
		diag_warning(o->d, j_get(o, "serverMaxHeaderBytes"), NULL,
			     "%d bytes is the most here", HTTP1_HEAD_MAX);
}

static void reuse_range(struct jobj *o, const char *key, uint32_t *lo,
			uint32_t *hi)
{
	struct xhttp_range r = range(o, key, 0, 0, 1000000);

	*lo = (uint32_t)r.lo;
	*hi = (uint32_t)r.hi;
}

static void parse_reuse(struct xhttp_conf *c, struct jobj *o)
{
	struct h2_reuse *u = &c->reuse;
	const cJSON *node = j_get(o, "xmux");
	struct xhttp_range most, flows;
	struct jobj x;
	int64_t ping;

	j_open(&x, o->d, node);
	most = range(&x, "maxConnections", 0, 0, 65535);
	flows = range(&x, "maxConcurrency", 0, 0, 65535);
	u->most = xhttp_draw(most);
	u->flows = xhttp_draw(flows);
	reuse_range(&x, "cMaxReuseTimes", &u->flow_uses.lo, &u->flow_uses.hi);
	reuse_range(&x, "hMaxRequestTimes", &u->requests.lo, &u->requests.hi);
	reuse_range(&x, "hMaxReusableSecs", &u->secs.lo, &u->secs.hi);
	ping = j_int(&x, "hKeepAlivePeriod", 0, INT32_MIN, 86400);
	c->h2.keepalive_ms =
		ping < 0 ? 0u : 1000u * (uint32_t)(ping ? ping : 45);
	if (most.hi && flows.hi)
		diag_error(o->d, node, NULL,
			   "maxConnections and maxConcurrency exclude each "
			   "other");
	if (!most.hi && !flows.hi && !u->flow_uses.hi && !u->requests.hi &&
	    !u->secs.hi && !ping) {
		u->most = 3;
		u->requests.lo = 600;
		u->requests.hi = 900;
		u->secs.lo = 1800;
		u->secs.hi = 3000;
	}
	if (x.node)
		j_close(&x);
}

/* --- mode and version --- */

static bool over_reality(const struct transport *t)
{
	return t->below && t->below->ops == &transport_reality_ops;
}

static void parse_mode(struct xhttp_conf *c, const struct transport *t,
		       struct jobj *o)
{
	static const struct jword words[] = {
		{ "", XHTTP_AUTO },
		{ "auto", XHTTP_AUTO },
		{ "packet-up", XHTTP_PACKET_UP },
		{ "stream-up", XHTTP_STREAM_UP },
		{ "stream-one", XHTTP_STREAM_ONE },
	};
	int mode = j_word(o, "mode", words, ARRAY_SIZE(words), XHTTP_AUTO);

	c->mode = (enum xhttp_mode)mode;
	if (!t->server && c->mode == XHTTP_AUTO)
		c->mode = over_reality(t) ? XHTTP_STREAM_ONE : XHTTP_PACKET_UP;
}

/* REALITY: 2; nothing below: 1.1; TLS: what its alpn says, if that is one word */
static void parse_version(struct xhttp_conf *c, const struct transport *t,
			  struct jobj *o)
{
	const struct tls_conf *tls = NULL;

	if (t->below && t->below->ops == &transport_tls_ops)
		tls = t->below->settings;
	c->h2.scheme = transport_secure(t) ? "https" : "http";
	c->h1 = !transport_secure(t);
	if (!tls)
		return;
	if (tls->alpn_len == 9 && !memcmp(tls->alpn, "\10http/1.1", 9))
		c->h1 = true;
	else if (tls->alpn_len == 3 && !memcmp(tls->alpn, "\2h3", 3))
		diag_error(o->d, o->node, NULL,
			   "network \"xhttp\" over HTTP/3 (alpn h3) is not "
			   "supported yet");
}

/* "extra" replaces what stands beside it */
static void warn_replaced(struct jobj *o)
{
	static const char *const keys[] = {
		"headers",
		"xPaddingBytes",
		"xPaddingObfsMode",
		"xPaddingKey",
		"xPaddingHeader",
		"xPaddingPlacement",
		"xPaddingMethod",
		"uplinkHTTPMethod",
		"sessionIDPlacement",
		"sessionIDKey",
		"sessionIDTable",
		"sessionIDLength",
		"seqPlacement",
		"seqKey",
		"uplinkDataPlacement",
		"uplinkDataKey",
		"uplinkChunkSize",
		"noGRPCHeader",
		"noSSEHeader",
		"scMaxEachPostBytes",
		"scMinPostsIntervalMs",
		"scMaxBufferedPosts",
		"scStreamUpServerSecs",
		"serverMaxHeaderBytes",
		"xmux",
		"downloadSettings",
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		j_ignore(o, keys[i], "\"extra\" replaces it");
}

static int parse_rest(struct xhttp_conf *c, struct jobj *src,
		      struct config *cfg)
{
	parse_padding(c, src);
	parse_places(c, src, cfg);
	parse_names(c, src, cfg);
	c->no_grpc = j_bool(src, "noGRPCHeader", false);
	c->no_sse = j_bool(src, "noSSEHeader", false);
	parse_posts(c, src);
	parse_reuse(c, src);
	j_not_yet(src, "downloadSettings", "downloads from another server");
	return parse_headers(c, src, cfg);
}

int xhttp_parse(struct transport *t, struct jobj *o, struct config *cfg)
{
	struct xhttp_conf *c = arena_alloc(&cfg->arena, sizeof(*c));
	struct jobj extra;
	int rc;

	if (!c)
		return -ENOMEM;
	t->settings = c;
	c->h2.name = "xhttp";
	c->h2.reuse = &c->reuse;
	c->h2.answer_ms = 15000;
	rc = http_conf_parse(&c->http, o, cfg);
	if (rc < 0)
		return rc;
	parse_path(c, o, cfg);
	parse_mode(c, t, o);
	parse_version(c, t, o);
	if (j_open(&extra, o->d, j_get(o, "extra"))) {
		warn_replaced(o);
		j_ignore(&extra, "host", "the one outside of \"extra\" counts");
		j_ignore(&extra, "path", "the one outside of \"extra\" counts");
		j_ignore(&extra, "mode", "the one outside of \"extra\" counts");
		rc = parse_rest(c, &extra, cfg);
		j_close(&extra);
	} else {
		rc = parse_rest(c, o, cfg);
	}
	if (!c->base || !c->method)
		rc = -ENOMEM;
	if (c->post_bytes.lo > POST_BYTES_MAX && !t->server)
		c->post_bytes.lo = POST_BYTES_MAX;
	if (c->post_bytes.hi > POST_BYTES_MAX && !t->server)
		c->post_bytes.hi = POST_BYTES_MAX;
	/* A session's requests come by several connections: one worker has all */
	t->one_worker = t->server && c->mode != XHTTP_STREAM_ONE;
	return rc;
}
