/*
 * flows.c - The sessions of all workers
 *
 *   flows_ask -> a message to each worker, which writes down its own
 *             -> the last one sends a message back -> tell
 *
 * Nobody waits, and nobody looks at another worker's sessions.
 */
#include "gateway/api/flows.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "gateway/api/jout.h"
#include "gateway/core/config.h"
#include "gateway/core/dns.h"
#include "gateway/core/session.h"
#include "gateway/core/whose.h"

#define FLOWS_BYTES_MAX (4u << 20) /* of one worker's text */

/** struct part - What one worker says */
struct part {
	struct message m; /* must be first */
	struct flows *all;
	struct pb_out out;
};

/**
 * struct flows - A question to all workers
 * @back:	Sent by the last one that has answered
 * @pending:	Workers that have not
 * @forgotten:	Nobody waits for it: neither @tell nor @to is looked at any more
 */
struct flows {
	struct message back; /* must be first */
	struct worker *to;
	atomic_uint pending;
	atomic_bool forgotten;
	void (*tell)(const struct flows *f, void *arg);
	void *arg;
	unsigned int count;
	struct part part[];
};

/* --- one session --- */

static const char *kind_of(const struct session *s)
{
	static const char *const words[][2] = {
		{ "tun", "Tun" },       { "socks", "Socks5" },
		{ "http", "HTTP" },     { "shadowsocks", "ShadowSocks" },
		{ "vmess", "Vmess" },   { "vless", "Vless" },
		{ "trojan", "Trojan" },
	};
	const char *name = s->inbound->ops->name;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(words[i][0], name))
			return words[i][1];
	return s->inbound->sockopt.tproxy == 1 ? "TProxy" : "Redir";
}

static void put_place(struct pb_out *o, const char *ip, const char *port,
		      const struct addr *a)
{
	char host[ADDR_TEXT_MAX] = "", number[8];

	if (addr_is_ip(a))
		addr_format_host(a, host, sizeof(host));
	jo_pair(o, ip, host);
	snprintf(number, sizeof(number), "%u", a->port);
	jo_pair(o, port, number);
}

/* When it began: the wall clock's now less its age */
static void put_start(struct pb_out *o, const struct session *s)
{
	uint32_t age_ms = s->job.worker->now_ms - s->born_ms;
	time_t at = time(NULL) - (time_t)(age_ms / 1000);
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&at, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	jo_pair(o, "start", text);
}

/* Known when a rule has asked for it */
static void put_program(struct pb_out *o, const struct whose *q)
{
	const char *path = q && !q->rc && q->path ? q->path : "";
	const char *slash = strrchr(path, '/');

	jo_pair(o, "process", slash ? slash + 1 : path);
	jo_pair(o, "processPath", path);
}

static void put_session(struct pb_out *o, const struct session *s)
{
	const char *name = ses_route_name(s);
	bool fake =
		s->cfg->fakedns && fakedns_in_pool(s->cfg->fakedns, &s->orig);

	jo(o, "{\"id\":\"%x\",\"metadata\":{", s->id);
	jo_pair(o, "network", s->net == NET_UDP ? "udp" : "tcp");
	jo_pair(o, "type", kind_of(s));
	put_place(o, "sourceIP", "sourcePort", &s->source);
	put_place(o, "destinationIP", "destinationPort", &s->orig);
	jo_pair(o, "host", name ? name : "");
	jo_pair(o, "dnsMode", fake ? "fake-ip" : "normal");
	jo_pair(o, "inboundName", s->inbound_tag ? s->inbound_tag : "");
	jo_pair(o, "inboundUser", s->user ? s->user : "");
	put_program(o, s->whose);
	jo(o, "},\"upload\":%llu,\"download\":%llu,\"chains\":[",
	   (unsigned long long)s->half[UP].total,
	   (unsigned long long)s->half[DOWN].total);
	if (s->outbound)
		jo_text(o, s->outbound->tag);
	jo(o, "]");
	put_start(o, s);
	jo_pair(o, "rule", s->rule ? s->rule : "");
	jo_pair(o, "rulePayload", "");
	jo(o, "}");
}

/* --- all of them --- */

static void flows_free(struct flows *f)
{
	for (unsigned int i = 0; i < f->count; i++)
		pb_free(&f->part[i].out);
	free(f);
}

static void all_said(struct worker *w, struct message *m)
{
	struct flows *f = container_of(m, struct flows, back);

	(void)w;
	if (!atomic_load(&f->forgotten))
		f->tell(f, f->arg);
	flows_free(f);
}

/* In the turn of the worker that is asked */
static void write_down(struct worker *w, struct message *m)
{
	struct part *p = container_of(m, struct part, m);
	struct flows *f = p->all;
	unsigned int n = 0;
	struct list *at;

	for (at = w->sessions.prev; at != &w->sessions; at = at->prev) {
		if (n == FLOWS_LISTED_MAX)
			break;
		if (n++)
			jo(&p->out, ",");
		put_session(&p->out, container_of(at, struct session, node));
	}
	if (atomic_fetch_sub(&f->pending, 1) != 1)
		return;
	/*
	 * At the end of the process @to's rooms may be gone, and so may be @to: who
	 * waited has forgotten it then. Until then it is still pointed to
	 */
	if (atomic_load(&f->forgotten))
		flows_free(f);
	else
		worker_post(f->to, &f->back);
}

struct flows *flows_ask(struct worker *w,
			void (*tell)(const struct flows *f, void *arg),
			void *arg)
{
	struct flows *f =
		calloc(1, sizeof(*f) + workers_count * sizeof(f->part[0]));

	if (!f)
		return NULL;
	f->back.fn = all_said;
	f->to = w;
	f->tell = tell;
	f->arg = arg;
	f->count = workers_count;
	atomic_init(&f->pending, workers_count);
	for (unsigned int i = 0; i < f->count; i++) {
		f->part[i] =
			(struct part){ .m = { .fn = write_down },
				       .all = f,
				       .out = { .most = FLOWS_BYTES_MAX } };
	}
	for (unsigned int i = 0; i < f->count; i++)
		worker_post(workers_all[i], &f->part[i].m);
	return f;
}

void flows_forget(struct flows *f)
{
	atomic_store(&f->forgotten, true);
}

void flows_moved(uint64_t moved[2])
{
	moved[UP] = moved[DOWN] = 0;
	for (unsigned int i = 0; i < workers_count; i++) {
		moved[UP] += count_read(&workers_all[i]->moved[UP]);
		moved[DOWN] += count_read(&workers_all[i]->moved[DOWN]);
	}
}

uint64_t flows_memory(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	char text[64] = "", *second;
	unsigned long pages = 0;

	if (f && fgets(text, sizeof(text), f)) {
		second = strchr(text, ' '); /* size resident ... */
		pages = second ? strtoul(second, NULL, 10) : 0;
	}
	if (f)
		fclose(f);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void flows_put(const struct flows *f, struct pb_out *o)
{
	uint64_t moved[2];
	bool first = true;

	flows_moved(moved);
	jo(o, "{\"downloadTotal\":%llu,\"uploadTotal\":%llu,\"connections\":[",
	   (unsigned long long)moved[DOWN], (unsigned long long)moved[UP]);
	for (unsigned int i = 0; i < f->count; i++) {
		const struct pb_out *one = &f->part[i].out;

		if (!one->len || one->bad)
			continue;
		if (!first)
			jo(o, ",");
		pb_raw(o, one->p, one->len);
		first = false;
	}
	jo(o, "],\"memory\":%llu}", (unsigned long long)flows_memory());
}

/* --- ending --- */

/** struct ending - To one worker; @all, or the session @id */
struct ending {
	struct message m; /* must be first */
	uint32_t id;
	bool all;
};

static void end_there(struct worker *w, struct message *m)
{
	struct ending *e = container_of(m, struct ending, m);
	struct list *at, *next;

	list_for_each_safe (at, next, &w->sessions) {
		struct session *s = container_of(at, struct session, node);

		if (e->all || s->id == e->id)
			ses_kill(s, -ECANCELED, 2);
	}
	free(e);
}

bool flows_end(const char *id)
{
	char *end = NULL;
	unsigned long value = id ? strtoul(id, &end, 16) : 0;

	if (id && (!*id || *end || value > UINT32_MAX))
		return false;
	for (unsigned int i = 0; i < workers_count; i++) {
		struct ending *e = calloc(1, sizeof(*e));

		if (!e)
			return false;
		e->m.fn = end_there;
		e->id = (uint32_t)value;
		e->all = !id;
		worker_post(workers_all[i], &e->m);
	}
	return true;
}
