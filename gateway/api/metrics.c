/*
 * metrics.c - Counters over HTTP
 *
 *   /debug/vars   JSON as Xray's: stats {inbound, outbound, user} and observatory
 *   /metrics      text for Prometheus (version 0.0.4)
 *
 * Source: Xray app/metrics/metrics.go (shape); prometheus.io, exposition formats
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/api/api_int.h"
#include "gateway/api/jout.h"
#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "gateway/core/health.h"
#include "gateway/core/stats.h"
#include "gateway/core/user.h"

#define SEPARATOR ">>>"

/** struct stat_name - kind>>>who>>>traffic>>>way */
struct stat_name {
	const char *kind, *who, *way;
	size_t kind_len, who_len;
};

static bool split(const char *name, struct stat_name *s)
{
	const char *a = strstr(name, SEPARATOR), *b, *c;

	b = a ? strstr(a + 3, SEPARATOR) : NULL;
	c = b ? strstr(b + 3, SEPARATOR) : NULL;
	if (!c)
		return false;
	*s = (struct stat_name){ name, a + 3, c + 3, (size_t)(a - name),
				 (size_t)(b - a - 3) };
	return true;
}

/* --- Xray's JSON --- */

/** struct line - A counter */
struct line {
	char *name;
	uint64_t value;
};

/** struct lines - All counters at one time */
struct lines {
	struct line *v;
	size_t count, cap;
	bool bad;
};

static bool keep_line(const char *name, uint64_t value, void *arg)
{
	struct lines *l = arg;

	if (l->count == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		struct line *more = realloc(l->v, cap * sizeof(*more));

		if (!more) {
			l->bad = true;
			return false;
		}
		l->v = more;
		l->cap = cap;
	}
	l->v[l->count].name = strdup(name);
	l->v[l->count].value = value;
	if (l->v[l->count].name)
		l->count++;
	else
		l->bad = true;
	return !l->bad;
}

static int by_name(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* Sorted, so that those of one owner are neighbours */
static void take_lines(struct lines *l)
{
	*l = (struct lines){ .v = NULL };
	stat_each("", false, keep_line, l);
	if (l->count)
		qsort(l->v, l->count, sizeof(*l->v), by_name);
}

static void drop_lines(struct lines *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->v[i].name);
	free(l->v);
}

static bool same_owner(const struct stat_name *a, const struct stat_name *b)
{
	return a->who_len == b->who_len && !memcmp(a->who, b->who, a->who_len);
}

static void json_kind(struct pb_out *o, const struct lines *l, const char *kind)
{
	struct stat_name last = { .kind = NULL }, s;

	jo_quoted(o, kind, strlen(kind));
	jo(o, ":{");
	for (size_t i = 0; i < l->count; i++) {
		if (!split(l->v[i].name, &s) || s.kind_len != strlen(kind) ||
		    memcmp(s.kind, kind, s.kind_len) != 0)
			continue;
		if (last.kind && same_owner(&last, &s)) {
			jo(o, ",");
		} else {
			jo(o, last.kind ? "}," : "");
			jo_quoted(o, s.who, s.who_len);
			jo(o, ":{");
		}
		jo_quoted(o, s.way, strlen(s.way));
		jo(o, ":%llu", (unsigned long long)l->v[i].value);
		last = s;
	}
	jo(o, last.kind ? "}}" : "}");
}

static void json_health(struct pb_out *o, const struct config *cfg)
{
	const char *comma = "";

	jo(o, "\"observatory\":");
	if (!cfg->observe) {
		jo(o, "null");
		return;
	}
	jo(o, "{");
	for (unsigned int i = 0; i < cfg->outbound_count; i++) {
		const struct outbound *ob = cfg->outbounds[i];
		bool alive;

		if (!ob->health || !atomic_load(&ob->health->tried_s))
			continue;
		alive = atomic_load(&ob->health->state) == HEALTH_ALIVE;
		jo(o, "%s", comma);
		jo_quoted(o, ob->tag, strlen(ob->tag));
		jo(o, ":{%s\"delay\":%u,\"outbound_tag\":",
		   alive ? "\"alive\":true," : "",
		   alive ? atomic_load(&ob->health->delay_ms) : 99999999u);
		jo_quoted(o, ob->tag, strlen(ob->tag));
		jo(o, ",\"last_seen_time\":%u,\"last_try_time\":%u}",
		   atomic_load(&ob->health->seen_s),
		   atomic_load(&ob->health->tried_s));
		comma = ",";
	}
	jo(o, "}");
}

static void debug_vars(struct call *c)
{
	struct pb_out *o = &c->out;
	struct lines l;

	take_lines(&l);
	jo(o, "{");
	json_health(o, call_cfg(c));
	jo(o, ",\"stats\":{");
	json_kind(o, &l, "inbound");
	jo(o, ",");
	json_kind(o, &l, "outbound");
	jo(o, ",");
	json_kind(o, &l, "user");
	jo(o, "}}");
	o->bad |= l.bad;
	drop_lines(&l);
	call_send(c, 200, "Content-Type: application/json; charset=utf-8\r\n");
}

/* --- Prometheus --- */

static void prom_traffic(struct pb_out *o)
{
	struct stat_name s;
	struct lines l;

	take_lines(&l);
	jo(o, "# TYPE culvert_traffic_bytes_total counter\n");
	for (size_t i = 0; i < l.count; i++) {
		if (!split(l.v[i].name, &s))
			continue;
		jo(o, "culvert_traffic_bytes_total{kind=");
		jo_quoted(o, s.kind, s.kind_len);
		jo(o, ",name=");
		jo_quoted(o, s.who, s.who_len);
		jo(o, ",direction=");
		jo_quoted(o, s.way, strlen(s.way));
		jo(o, "} %llu\n", (unsigned long long)l.v[i].value);
	}
	o->bad |= l.bad;
	drop_lines(&l);
}

static void prom_online(const char *email, unsigned int ips, void *arg)
{
	jo(arg, "culvert_user_online_addresses{name=");
	jo_quoted(arg, email, strlen(email));
	jo(arg, "} %u\n", ips);
}

static void prom_sessions(struct pb_out *o)
{
	uint64_t tcp = 0, udp = 0, open = 0;

	for (unsigned int i = 0; i < workers_count; i++) {
		const struct worker *w = workers_all[i];

		tcp += count_read(&w->accepted[0]);
		udp += count_read(&w->accepted[1]);
		open += __atomic_load_n(&w->session_count, __ATOMIC_RELAXED);
	}
	jo(o,
	   "# TYPE culvert_sessions_total counter\n"
	   "culvert_sessions_total{network=\"tcp\"} %llu\n"
	   "culvert_sessions_total{network=\"udp\"} %llu\n",
	   (unsigned long long)tcp, (unsigned long long)udp);
	jo(o, "# TYPE culvert_sessions gauge\nculvert_sessions %llu\n",
	   (unsigned long long)open);
}

static void prom_drops(struct pb_out *o)
{
	jo(o, "# TYPE culvert_dropped_total counter\n");
	for (int d = 0; d < DROP_COUNT; d++) {
		const char *name = drop_name((enum drop)d);
		uint64_t n = 0;

		for (unsigned int i = 0; i < workers_count; i++)
			n += count_read(&workers_all[i]->drops[d]);
		jo(o, "culvert_dropped_total{reason=");
		jo_quoted(o, name, strlen(name));
		jo(o, "} %llu\n", (unsigned long long)n);
	}
}

static void prom_health(struct pb_out *o, const struct config *cfg,
			const char *metric,
			double (*value)(const struct health *h))
{
	jo(o, "# TYPE %s gauge\n", metric);
	for (unsigned int i = 0; i < cfg->outbound_count; i++) {
		const struct outbound *ob = cfg->outbounds[i];

		if (!ob->health)
			continue;
		jo(o, "%s{name=", metric);
		jo_quoted(o, ob->tag, strlen(ob->tag));
		jo(o, "} %.3f\n", value(ob->health));
	}
}

static double is_alive(const struct health *h)
{
	return atomic_load(&h->state) == HEALTH_ALIVE;
}

static double delay_s(const struct health *h)
{
	return atomic_load(&h->delay_ms) / 1e3;
}

static void prometheus(struct call *c)
{
	struct pb_out *o = &c->out;

	prom_traffic(o);
	jo(o, "# TYPE culvert_user_online_addresses gauge\n");
	user_each(prom_online, o);
	prom_sessions(o);
	prom_drops(o);
	prom_health(o, call_cfg(c), "culvert_outbound_alive", is_alive);
	prom_health(o, call_cfg(c), "culvert_outbound_delay_seconds", delay_s);
	jo(o,
	   "# TYPE culvert_uptime_seconds gauge\n"
	   "culvert_uptime_seconds %llu\n",
	   (unsigned long long)(clock_us() - c->worker->born_us) / 1000000);
	call_send(c, 200,
		  "Content-Type: text/plain; version=0.0.4; "
		  "charset=utf-8\r\n");
}

void metrics_handle(const struct http_rq *rq)
{
	const struct http1_text *path = &rq->head->target;
	void (*fill)(struct call * c) = NULL;
	struct call *c;

	if (http1_is(path, "/debug/vars"))
		fill = debug_vars;
	else if (http1_is(path, "/metrics"))
		fill = prometheus;
	if (!http1_is(&rq->head->method, "GET") || !rq->no_body || !fill) {
		call_refuse(rq, fill ? 405 : 404, "");
		return;
	}
	c = call_http(rq);
	if (c)
		fill(c);
}
