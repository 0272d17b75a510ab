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
#define HEAD_BUDGET \
	8000 /* bytes that Xray's servers take of a head, by default */
#define HEAD_REST   500 /* of them: path, session, number */
#define CHUNK_REST  36 /* of a chunk: what HPACK's accounting adds, "-123" */
#define CHUNK_LEAST 64
#define NAMES_LEAST 31 /* bits of a session's name */

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

/* After the layout: what follows the path in it wants a '/' */
static void parse_path(struct xhttp_conf *c, struct jobj *o, struct config *cfg)
{
	const char *path = c->http.path, *query = strchr(path, '?');
	size_t n = query ? (size_t)(query - path) : strlen(path);
	bool more = c->layout.session.where == XHTTP_PATH ||
		    c->layout.seq.where == XHTTP_PATH;
	char *base;

	if (strlen(path) > PATH_BYTES_MAX)
		diag_error(o->d, j_get(o, "path"), NULL,
			   "is longer than %d bytes", PATH_BYTES_MAX);
	base = arena_alloc(&cfg->arena, n + 2);
	if (!base)
		return;
	snprintf(base, n + 2, "%.*s%s", (int)n, path,
		 !more || path[n - 1] == '/' ? "" : "/");
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
	c->http.framed = true;
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

/* A name as it may stand in a header, a cookie and a query. NULL: none is given */
static const char *parse_key(struct jobj *o, const char *key,
			     struct config *cfg)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "abcdefghijklmnopqrstuvwxyz0123456789-_.~";
	const char *word = j_str(o, key, "");

	if (!word[0])
		return NULL;
	if (word[strspn(word, good)] || strlen(word) > XHTTP_KEY_MAX) {
		diag_error(o->d, j_get(o, key), NULL,
			   "must be at most %d letters, digits, or -_.~",
			   XHTTP_KEY_MAX);
		return NULL;
	}
	return arena_strdup(&cfg->arena, word);
}

static const struct jword place_words[] = {
	{ "", XHTTP_PATH },         { "path", XHTTP_PATH },
	{ "query", XHTTP_QUERY },   { "header", XHTTP_HEADER },
	{ "cookie", XHTTP_COOKIE },
};
static const struct jword pad_words[] = {
	{ "", XHTTP_URL_IN_HEADER }, { "queryInHeader", XHTTP_URL_IN_HEADER },
	{ "query", XHTTP_QUERY },    { "header", XHTTP_HEADER },
	{ "cookie", XHTTP_COOKIE },
};
static const struct jword data_words[] = {
	{ "", XHTTP_ANYWHERE },     { "auto", XHTTP_ANYWHERE },
	{ "body", XHTTP_BODY },     { "header", XHTTP_HEADER },
	{ "cookie", XHTTP_COOKIE },
};

static void parse_padding(struct xhttp_conf *c, struct jobj *o,
			  struct config *cfg)
{
	static const char *const keys[] = { "xPaddingKey", "xPaddingHeader",
					    "xPaddingPlacement",
					    "xPaddingMethod" };
	const cJSON *node = j_get(o, "xPaddingBytes");
	struct xhttp_layout *l = &c->layout;
	const char *method;

	c->padding = range(o, "xPaddingBytes", 100, 1000, XHTTP_PADDING_MAX);
	if (node && c->padding.lo < 1) {
		diag_error(o->d, node, NULL, "cannot be turned off");
		c->padding = (struct xhttp_range){ 100, 1000 };
	}
	l->pad = (struct xhttp_spot){ XHTTP_URL_IN_HEADER, XHTTP_PADDING };
	l->pad_header = "Referer";
	l->chosen = j_bool(o, "xPaddingObfsMode", false);
	if (!l->chosen) {
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			j_ignore(o, keys[i], "xPaddingObfsMode is off");
		return;
	}
	l->pad.where = (enum xhttp_where)j_word(
		o, "xPaddingPlacement", pad_words, ARRAY_SIZE(pad_words),
		XHTTP_URL_IN_HEADER);
	l->pad.key = parse_key(o, "xPaddingKey", cfg);
	if (!l->pad.key)
		l->pad.key = XHTTP_PADDING;
	l->pad_header = parse_key(o, "xPaddingHeader", cfg);
	if (!l->pad_header)
		l->pad_header = "X-Padding";
	method = j_str(o, "xPaddingMethod", "");
	l->tokenish = !strcmp(method, "tokenish");
	if (method[0] && !l->tokenish && strcmp(method, "repeat-x") != 0)
		diag_error(o->d, j_get(o, "xPaddingMethod"), NULL,
			   "must be \"repeat-x\" or \"tokenish\"");
}

static struct xhttp_spot parse_spot(struct jobj *o, const char *where,
				    const char *key, const char *const def[2],
				    struct config *cfg)
{
	struct xhttp_spot s = { XHTTP_PATH, NULL };

	s.where = (enum xhttp_where)j_word(o, where, place_words,
					   ARRAY_SIZE(place_words), XHTTP_PATH);
	if (s.where == XHTTP_PATH) {
		j_ignore(o, key, "the path has no keys");
		return s;
	}
	s.key = parse_key(o, key, cfg);
	if (!s.key)
		s.key = def[s.where != XHTTP_HEADER];
	return s;
}

static void parse_data(struct xhttp_conf *c, struct jobj *o, struct config *cfg)
{
	struct xhttp_spot *s = &c->layout.data;

	s->where = (enum xhttp_where)j_word(o, "uplinkDataPlacement",
					    data_words, ARRAY_SIZE(data_words),
					    XHTTP_ANYWHERE);
	if (s->where == XHTTP_BODY)
		j_ignore(o, "uplinkDataKey", "data is the body");
	else
		s->key = parse_key(o, "uplinkDataKey", cfg);
	if (!s->key)
		s->key = s->where == XHTTP_COOKIE ? "x_data" : "X-Data";
	if (!xhttp_data_in_head(c)) {
		j_ignore(o, "uplinkChunkSize", "data is the body");
		return;
	}
	if (c->mode != XHTTP_PACKET_UP)
		diag_error(o->d, j_get(o, "uplinkDataPlacement"), NULL,
			   "header and cookie need mode \"packet-up\"");
	c->chunk = s->where == XHTTP_COOKIE ?
			   range(o, "uplinkChunkSize", 2048, 3072, 1 << 20) :
			   range(o, "uplinkChunkSize", 3000, 4000, 1 << 20);
	if (c->chunk.lo < CHUNK_LEAST)
		c->chunk.lo = CHUNK_LEAST;
	if (c->chunk.hi < c->chunk.lo)
		c->chunk.hi = c->chunk.lo;
}

static void parse_method(struct xhttp_conf *c, struct jobj *o,
			 struct config *cfg)
{
	const char *method = j_str(o, "uplinkHTTPMethod", "POST");
	char *up = arena_strdup(&cfg->arena, method[0] ? method : "POST");

	c->method = up;
	for (; up && *up; up++) {
		if (*up >= 'a' && *up <= 'z')
			*up = (char)(*up - 'a' + 'A');
		if (*up < 'A' || *up > 'Z' || up - c->method > 12) {
			diag_error(o->d, j_get(o, "uplinkHTTPMethod"), NULL,
				   "is no method");
			return;
		}
	}
	if (up && !strcmp(c->method, "GET") && c->mode != XHTTP_PACKET_UP)
		diag_error(o->d, j_get(o, "uplinkHTTPMethod"), NULL,
			   "GET needs mode \"packet-up\"");
}

static void parse_places(struct xhttp_conf *c, struct jobj *o,
			 struct config *cfg)
{
	static const char *const session[] = { "X-Session", "x_session" };
	static const char *const seq[] = { "X-Seq", "x_seq" };

	c->layout.session = parse_spot(o, "sessionIDPlacement", "sessionIDKey",
				       session, cfg);
	c->layout.seq = parse_spot(o, "seqPlacement", "seqKey", seq, cfg);
	parse_data(c, o, cfg);
	parse_method(c, o, cfg);
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

/* What has a meaning where @c puts names */
static const char *special(const struct xhttp_conf *c)
{
	return c->layout.session.where == XHTTP_PATH ? "/?#%\"<>\\^`{|}" :
						       "/?#%\"<>\\^`{|}&=+;, ";
}

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
		    strchr(special(c), *p)) {
			diag_error(o->d, j_get(o, "sessionIDTable"), NULL,
				   "has a character that cannot stand where "
				   "sessionIDPlacement says");
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
	c->auto_mode = !t->server && c->mode == XHTTP_AUTO;
	if (c->auto_mode)
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

/* The way down by another address. It is read by who reads streamSettings */
static void parse_other(struct xhttp_conf *c, struct transport *t,
			struct jobj *o, struct config *cfg)
{
	const cJSON *node = j_get(o, "downloadSettings");

	if (node && t->server) {
		j_ignore(o, "downloadSettings", "a client's");
		return;
	}
	if (!node)
		return;
	if (c->mode == XHTTP_STREAM_ONE) {
		if (!c->auto_mode)
			diag_error(o->d, node, NULL,
				   "cannot be with mode \"stream-one\"");
		c->mode = XHTTP_STREAM_UP;
	}
	t->other = arena_alloc(&cfg->arena, sizeof(*t->other));
	if (t->other)
		t->other->node = node;
}

static int parse_rest(struct xhttp_conf *c, struct transport *t,
		      struct jobj *src, struct config *cfg)
{
	parse_padding(c, src, cfg);
	parse_places(c, src, cfg);
	parse_names(c, src, cfg);
	c->no_grpc = j_bool(src, "noGRPCHeader", false);
	c->no_sse = j_bool(src, "noSSEHeader", false);
	parse_posts(c, src);
	parse_reuse(c, src);
	parse_other(c, t, src, cfg);
	return parse_headers(c, src, cfg);
}

/* Bytes of a piece that a head has room for, beside all else in it */
static int32_t head_room(const struct xhttp_conf *c)
{
	size_t used = HEAD_REST + strlen(c->http.extra) +
		      (size_t)c->padding.hi * (c->layout.tokenish ? 2 : 1);
	size_t n = used < HEAD_BUDGET ? HEAD_BUDGET - used : 0;
	size_t chunk = (size_t)c->chunk.lo;

	n = n * chunk / (chunk + strlen(c->layout.data.key) + CHUNK_REST);
	n = n * 3 / 4;
	if (n < CHUNK_LEAST)
		n = CHUNK_LEAST;
	return n < XHTTP_HEAD_DATA_MAX ? (int32_t)n : XHTTP_HEAD_DATA_MAX;
}

static void limit_posts(struct xhttp_conf *c)
{
	int32_t most = xhttp_data_in_head(c) ? head_room(c) : POST_BYTES_MAX;

	if (c->post_bytes.lo > most)
		c->post_bytes.lo = most;
	if (c->post_bytes.hi > most)
		c->post_bytes.hi = most;
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
	parse_mode(c, t, o);
	parse_version(c, t, o);
	if (j_open(&extra, o->d, j_get(o, "extra"))) {
		warn_replaced(o);
		j_ignore(&extra, "host", "the one outside of \"extra\" counts");
		j_ignore(&extra, "path", "the one outside of \"extra\" counts");
		j_ignore(&extra, "mode", "the one outside of \"extra\" counts");
		rc = parse_rest(c, t, &extra, cfg);
		j_close(&extra);
	} else {
		rc = parse_rest(c, t, o, cfg);
	}
	parse_path(c, o, cfg);
	if (!c->base || !c->method)
		rc = -ENOMEM;
	if (rc == 0 && !t->server)
		limit_posts(c);
	/* A session's requests come by several connections: one worker has all */
	t->one_worker = t->server && c->mode != XHTTP_STREAM_ONE;
	return rc;
}
