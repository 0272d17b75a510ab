/*
 * router_bench.h - A router made from text, a session, and a DNS that answers
 * when the test says so; for test_router.c and test_rule_match.c (it defines dns_ask and whose_ask)
 */
#ifndef TESTS_UNIT_ROUTER_BENCH_H
#define TESTS_UNIT_ROUTER_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/core/config.h"
#include "gateway/core/dns.h"
#include "gateway/core/route.h"
#include "gateway/core/session.h"
#include "gateway/core/whose.h"

/* --- a DNS that does what the test says (stands for gateway/dns) -------- */

static struct {
	int rc; /* of the next question */
	const char *ip; /* answer when rc is 0 */
	unsigned int asked, cancelled, families;
	char name[64];
} dns;

static void dns_answer(struct dns_req *r, const char *text)
{
	struct addr a = { 0 };

	assert_int_equal(addr_parse_ip(&a, text), 0);
	r->ips[r->count].kind = a.kind;
	memcpy(r->ips[r->count].ip, a.ip, 16);
	r->count++;
	r->rc = 0;
}

int dns_ask(struct worker *w, struct config *cfg, struct dns_req *r,
	    struct job *job, const char *name, unsigned int families,
	    unsigned int flags)
{
	(void)w;
	(void)cfg;
	(void)flags;
	memset(r, 0, sizeof(*r));
	r->job = job;
	r->rc = dns.rc;
	r->pending = (uint8_t)(dns.rc == -EAGAIN ? families : 0);
	dns.asked++;
	dns.families = families;
	snprintf(dns.name, sizeof(dns.name), "%s", name);
	if (!dns.rc)
		dns_answer(r, dns.ip);
	return r->rc;
}

void dns_cancel(struct dns_req *r)
{
	(void)r;
	dns.cancelled++;
}

/* --- a search for programs, the same way (stands for whose.c) ------------ */

static struct {
	int rc;
	const char *path;
	unsigned int asked;
} program;

int whose_ask(struct session *s)
{
	program.asked++;
	s->whose = calloc(1, sizeof(*s->whose));
	assert_non_null(s->whose);
	s->whose->rc = program.rc;
	s->whose->path = program.path ? strdup(program.path) : NULL;
	return program.rc;
}

void whose_free(struct whose *q)
{
	if (q)
		free(q->path);
	free(q);
}

/* --- a configuration ----------------------------------------------------- */

static struct outbound outbounds[] = {
	{ .tag = "first" },
	{ .tag = "proxy-b" },
	{ .tag = "proxy-a" },
	{ .tag = "block" },
};

/* A router made from text, and a session to ask it about */
struct bench {
	struct diag d;
	struct config cfg;
	struct outbound *list[4];
	struct router *r;
	struct session s;
};

static void bench_open(struct bench *b, const char *json)
{
	struct jdoc *doc;
	size_t i;

	memset(b, 0, sizeof(*b));
	memset(&dns, 0, sizeof(dns));
	memset(&program, 0, sizeof(program));
	diag_init(&b->d);
	for (i = 0; i < 4; i++)
		b->list[i] = &outbounds[i];
	b->cfg.outbounds = b->list;
	b->cfg.outbound_count = 4;
	doc = jdoc_parse(&b->d, "test", json, strlen(json));
	assert_non_null(doc);
	b->r = router_parse(&b->d, doc->root, &b->cfg);
	assert_non_null(b->r);
	b->s.net = NET_TCP;
	b->s.inbound_tag = "in";
	b->s.cfg = &b->cfg;
	addr_parse_ip(&b->s.source, "192.168.1.5");
	b->s.source.port = 40000;
	addr_parse_ip(&b->s.local, "192.168.1.1");
	b->s.local.port = 1080;
}

/* One rule to "block" with these conditions */
static void bench_rule(struct bench *b, const char *conditions)
{
	char json[1024];

	snprintf(json, sizeof(json),
		 "{\"rules\":[{%s,\"outboundTag\":\"block\"}]}", conditions);
	bench_open(b, json);
	if (b->d.errors)
		diag_print(&b->d, stderr, false);
	assert_int_equal(b->d.errors, 0);
	assert_int_equal(b->d.warnings, 0);
}

static inline void to(struct bench *b, const char *target, uint16_t port)
{
	if (addr_parse_ip(&b->s.target, target) < 0)
		b->s.target = addr_name(target, strlen(target), port);
	b->s.target.port = port;
}

static inline const char *pick(struct bench *b)
{
	const struct outbound *ob = NULL;
	int rc = route_pick(b->r, &b->s, &ob);

	return rc == -EAGAIN ? "again" : rc < 0 ? "none" : ob->tag;
}

static inline const char *pick_to(struct bench *b, const char *target,
				  uint16_t port)
{
	to(b, target, port);
	return pick(b);
}

#define BLOCKED(b, target, port) \
	assert_string_equal(pick_to(b, target, port), "block")
#define PASSED(b, target, port) \
	assert_string_equal(pick_to(b, target, port), "first")

static void bench_close(struct bench *b)
{
	free(b->s.dns);
	whose_free(b->s.whose);
	router_free(b->r);
	arena_free(&b->cfg.arena);
	diag_free(&b->d);
}

#endif
