/*
 * parse_observe.c - observatory and burstObservatory
 *
 * Both become the same: what to ask, how often, how many results are kept. The
 * URL's TLS is a transport as an outbound would have it, made from text.
 * Source: Xray infra/conf/observatory.go, app/observatory (defaults)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/app/app.h"
#include "gateway/base/jdoc.h"
#include "gateway/core/health.h"
#include "gateway/core/sockopt.h"
#include "gateway/core/transport.h"
#include "gateway/observe/observe.h"
#include "gateway/observe/samples.h"

#define PROBE_URL "https://www.google.com/generate_204"
#define PING_URL  "https://connectivitycheck.gstatic.com/generate_204"
#define TEXT_MAX  2048

static uint32_t parse_duration(struct jobj *o, const char *key, uint32_t def,
			       uint32_t min)
{
	const char *text = j_str(o, key, "");
	int64_t ms = *text ? j_duration_ms(text) : def;

	if (ms < 0) {
		diag_error(o->d, j_get(o, key), NULL,
			   "must be a duration as \"10s\" or \"1m30s\", at "
			   "most 24h");
		return def;
	}
	return ms < min ? min : (uint32_t)ms;
}

/* Of an interval, as long as a clock that wraps can tell */
static uint32_t times(uint32_t ms, uint32_t n)
{
	uint64_t all = (uint64_t)ms * n;

	return all < INT32_MAX ? (uint32_t)all : INT32_MAX;
}

/**
 * struct url - Of a probe, borrowed from the text
 */
struct url {
	bool tls;
	char host[256];
	uint16_t port;
	const char *path;
};

/* http[s]://host[:port][/path]. 0 or -EINVAL */
static int parse_url(const char *text, struct url *u)
{
	const char *at = strstr(text, "://"), *end;
	unsigned long port;
	size_t n;

	u->tls = !strncasecmp(text, "https://", 8);
	if (!at || (!u->tls && strncasecmp(text, "http://", 7) != 0))
		return -EINVAL;
	at += 3;
	n = *at == '[' ? strcspn(at, "]") : strcspn(at, ":/");
	if (*at == '[' && at[n] != ']')
		return -EINVAL;
	if (*at == '[') {
		at++;
		n--;
	}
	if (!n || n >= sizeof(u->host))
		return -EINVAL;
	memcpy(u->host, at, n);
	u->host[n] = '\0';
	end = at + n + (at[n] == ']');
	u->port = u->tls ? 443 : 80;
	if (*end == ':') {
		n = strspn(end + 1, "0123456789");
		port = strtoul(end + 1, NULL, 10);
		if (!n || n > 5 || !port || port > UINT16_MAX)
			return -EINVAL;
		u->port = (uint16_t)port;
		end += 1 + n;
	}
	if (*end && *end != '/')
		return -EINVAL;
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == '"' || *p == '\\')
			return -EINVAL;
	u->path = *end ? end : "/";
	return 0;
}

/* The level below the request: raw, or TLS to the URL's host */
static const struct transport *
make_transport(struct diag *d, const struct url *u, struct config *cfg)
{
	struct sockopt so = SOCKOPT_DEFAULT;
	const struct transport *t = NULL;
	char text[TEXT_MAX];
	struct jdoc *doc;
	struct jobj o;

	if (!u->tls)
		return &transport_raw;
	snprintf(text, sizeof(text),
		 "{\"streamSettings\":{\"security\":\"tls\",\"tlsSettings\":"
		 "{\"serverName\":\"%s\",\"alpn\":[\"http/1.1\"]}}}",
		 u->host);
	doc = jdoc_parse(d, "built-in", text, strlen(text));
	if (doc && j_open(&o, d, doc->root)) {
		t = parse_stream(&o, &so, false, cfg);
		j_close(&o);
	}
	return t;
}

static int set_url(struct observe *ob, const struct url *u, const char *method,
		   struct config *cfg)
{
	struct addr *to = &ob->to;
	char name[256], text[TEXT_MAX];
	int n;

	if (addr_parse_ip(to, u->host) < 0) {
		n = addr_clean_name(u->host, strlen(u->host), name);
		if (n <= 0)
			return -EINVAL;
		*to = addr_name(arena_strndup(&cfg->arena, name, (size_t)n),
				(size_t)n, 0);
		if (!to->name)
			return -ENOMEM;
	}
	to->port = u->port;
	n = snprintf(text, sizeof(text),
		     "%s %s HTTP/1.1\r\nHost: %s%s%s\r\nUser-Agent: "
		     "Mozilla/5.0\r\nConnection: close\r\n\r\n",
		     method, u->path, strchr(u->host, ':') ? "[" : "", u->host,
		     strchr(u->host, ':') ? "]" : "");
	if (n < 0 || n >= TEXT_MAX)
		return -EINVAL;
	ob->request = arena_strndup(&cfg->arena, text, (size_t)n);
	ob->request_len = (uint32_t)n;
	return ob->request ? 0 : -ENOMEM;
}

/* Stands before the outbound that is probed: whose own rules decide, none here do */
static const struct outbound_ops probe_ops = { .name = "probe", .local = true };

/* Does the tag of @o begin with one of the selectors? */
static bool selected(struct jobj *o, const char *tag)
{
	bool yes = false;
	struct jlist l;

	j_list(o, "subjectSelector", &l);
	while (j_list_next(o, &l))
		yes |= tag[0] && !strncmp(tag, l.text, strlen(l.text));
	return yes;
}

static void take_subjects(struct jobj *o, struct observe *ob,
			  const struct transport *t, struct config *cfg)
{
	ob->v = arena_alloc(&cfg->arena,
			    (cfg->outbound_count + 1) * sizeof(*ob->v));
	for (unsigned int i = 0; ob->v && i < cfg->outbound_count; i++) {
		struct outbound *to = cfg->outbounds[i];
		struct observed *v = &ob->v[ob->count];

		if (!selected(o, to->tag) || !to->ops->open)
			continue;
		*v = (struct observed){
			.tag = to->tag,
			.health = arena_alloc(&cfg->arena, sizeof(*v->health)),
		};
		if (!v->health)
			return;
		if (!ob->on_demand)
			to->health = v->health;
		v->probe = (struct outbound){ .ops = &probe_ops,
					      .tag = to->tag,
					      .dialer = to,
					      .transport = t,
					      .sockopt = SOCKOPT_DEFAULT };
		ob->count++;
	}
	if (!ob->count)
		diag_warning(
			o->d, o->node, "subjectSelector",
			"no outbound has a tag with one of these prefixes");
}

/**
 * struct question - Where the URL stands and what it is without
 * @at, @key:	Its place
 */
struct question {
	struct jobj *at;
	const char *key, *def, *method;
};

static void set_target(struct jobj *o, const struct question *q,
		       struct observe *ob, struct config *cfg)
{
	const char *text = j_str(q->at, q->key, "");
	const struct transport *t;
	struct url u;

	if (parse_url(*text ? text : q->def, &u) < 0 ||
	    set_url(ob, &u, q->method, cfg) == -EINVAL) {
		diag_error(o->d, j_get(q->at, q->key), NULL,
			   "must be http://host/path or https://host/path");
		return;
	}
	t = make_transport(o->d, &u, cfg);
	if (t)
		take_subjects(o, ob, t, cfg);
}

static void parse_plain(struct jobj *o, struct observe *ob, struct config *cfg)
{
	struct question q = { o, "probeURL", PROBE_URL, "GET" };
	bool together = j_bool(o, "enableConcurrency", false);
	uint32_t ms = parse_duration(o, "probeInterval", 10000, 100);

	ob->samples = 10;
	ob->timeout_ms = 5000;
	set_target(o, &q, ob, cfg);
	/* one after the other: the round takes as long as there are outbounds */
	ob->stagger_ms = together ? 0 : ms;
	ob->interval_ms = together || !ob->count ? ms : times(ms, ob->count);
}

static void parse_burst(struct jobj *o, struct observe *ob, struct config *cfg)
{
	static const struct jword methods[] = { { "HEAD", 0 }, { "GET", 1 } };
	struct jobj p;
	struct question q = { &p, "destination", PING_URL, "HEAD" };
	int64_t many;

	if (!j_open(&p, o->d, j_get(o, "pingConfig"))) {
		diag_error(o->d, o->node, "pingConfig", "is missing");
		return;
	}
	ob->interval_ms = parse_duration(&p, "interval", 60000, 10000);
	ob->timeout_ms = parse_duration(&p, "timeout", 5000, 100);
	many = j_int(&p, "sampling", 0, INT32_MIN, SAMPLES_MAX);
	ob->samples = many > 0 ? (uint32_t)many : 10;
	ob->age_ms = times(ob->interval_ms, ob->samples * 2);
	ob->spread = true;
	j_ignore(&p, "connectivity", "the host's own uplink is not tested");
	if (j_word(&p, "httpMethod", methods, ARRAY_SIZE(methods), 0))
		q.method = "GET";
	set_target(o, &q, ob, cfg);
	j_close(&p);
}

void parse_observe(struct diag *d, const struct merged *m, struct config *cfg)
{
	/* who looks on may ask for a probe of anybody */
	static const char all[] = "{\"subjectSelector\":[\"\"]}";
	const cJSON *node =
		m->burst_observatory ? m->burst_observatory : m->observatory;
	bool on_demand = !node && cfg->clash;
	struct jdoc *doc =
		on_demand ? jdoc_parse(d, "built-in", all, strlen(all)) : NULL;
	struct observe *ob;
	struct jobj o;

	if (m->burst_observatory && m->observatory)
		diag_error(d, m->observatory, NULL,
			   "observatory and burstObservatory: one of them");
	if (!j_open(&o, d, doc ? doc->root : node))
		return;
	ob = arena_alloc(&cfg->arena, sizeof(*ob));
	if (!ob)
		return;
	ob->on_demand = on_demand;
	if (m->burst_observatory)
		parse_burst(&o, ob, cfg);
	else
		parse_plain(&o, ob, cfg);
	cfg->observe = ob;
	j_close(&o);
}
