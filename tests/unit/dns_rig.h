/*
 * dns_rig.h - A worker with a freedom outbound, and two DNS servers whose
 * answers depend on the name asked
 *
 *   nx... nodata... fail... dead... trunc... badid... noedns... v4only...
 *   bare... (REFUSED) and oldbare... (FORMERR to EDNS): a header, no question
 *   priv... (10.0.0.1)      anything else: 192.0.2.N, 2001:db8::N
 *
 * N is 1 for the first server, 2 for the second. Queries go the real way: an
 * internal client of a UDP map or session, routed to freedom, over loopback.
 */
#ifndef TESTS_UNIT_DNS_RIG_H
#define TESTS_UNIT_DNS_RIG_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/jget.h"
#include "gateway/core/dns.h"
#include "gateway/core/route.h"
#include "gateway/core/session.h"
#include "gateway/core/transport.h"
#include "gateway/core/udp.h"
#include "proxy/out/out.h"
#include "proxy/wire/dns_msg.h"
#include "tests/unit/loop.h"

/**
 * struct rig_server - One DNS server
 * @asked, @asked_tcp:	Queries over UDP and TCP; @asked4, @asked6 by type
 * @silent:	It answers nothing
 * @ports:	Source ports seen, @ids ids, of the first 64 UDP queries
 */
struct rig_server {
	int udp, tcp, conn;
	uint16_t port;
	uint8_t number;
	bool silent;
	unsigned int asked, asked_tcp, asked4, asked6;
	uint16_t ports[64], ids[64];
};

struct rig {
	struct loop l; /* must be first */
	struct outbound ob;
	struct outbound *obs[1];
	struct rig_server server[2];
};

static inline void rig_answer(struct rig_server *s,
			      const struct dns_question *q, const uint8_t *msg,
			      bool tcp, struct dns_reply *r, struct addr *a)
{
	(void)msg;
	*r = (struct dns_reply){ .ttl = 60, .ips = a, .count = 1 };
	*a = q->type == DNS_T_A ? addr_of("192.0.2.0", 0) :
				  addr_of("2001:db8::", 0);
	a->ip[q->type == DNS_T_A ? 3 : 15] = s->number;
	if (!strncmp(q->name, "nx", 2))
		*r = (struct dns_reply){ .rcode = DNS_NXDOMAIN };
	else if (!strncmp(q->name, "fail", 4))
		*r = (struct dns_reply){ .rcode = DNS_SERVFAIL };
	else if (!strncmp(q->name, "nodata", 6) ||
		 (!strncmp(q->name, "v4only", 6) && q->type != DNS_T_A))
		r->count = 0;
	else if (!strncmp(q->name, "noedns", 6) && q->edns)
		*r = (struct dns_reply){ .rcode = DNS_FORMERR };
	else if (!strncmp(q->name, "oldbare", 7) && q->edns)
		*r = (struct dns_reply){ .rcode = DNS_FORMERR };
	else if (!strncmp(q->name, "bare", 4) && s->number == 1)
		*r = (struct dns_reply){ .rcode = DNS_REFUSED };
	else if (!strncmp(q->name, "priv", 4) && s->number == 1)
		*a = addr_of("10.0.0.1", 0);
	else if (!strncmp(q->name, "short", 5))
		r->ttl = 1;
	(void)tcp;
}

/* The answer to @n bytes at @msg, or 0: none */
static inline size_t rig_reply(struct rig_server *s, const uint8_t *msg,
			       size_t n, bool tcp, uint8_t *out)
{
	struct dns_question q;
	struct dns_reply r;
	struct addr a;
	ssize_t len;

	assert_int_equal(dns_question_decode(msg, n, &q), 0);
	s->asked4 += q.type == DNS_T_A;
	s->asked6 += q.type == DNS_T_AAAA;
	if (s->silent || !strncmp(q.name, "dead", 4) ||
	    (!strncmp(q.name, "slow6", 5) && q.type == DNS_T_AAAA) ||
	    (!strncmp(q.name, "lost", 4) && s->asked == 1))
		return 0;
	rig_answer(s, &q, msg, tcp, &r, &a);
	len = dns_reply_encode(&q, msg, &r, out, DNS_REPLY_MAX, DNS_REPLY_MAX);
	assert_true(len > 0);
	if (strstr(q.name, "bare") && r.rcode) {
		memset(out + 4, 0, 8);
		len = DNS_HEAD_BYTES;
	}
	if (!strncmp(q.name, "trunc", 5) && !tcp) {
		out[2] |= DNS_F_TC >> 8;
		out[7] = 0;
		len = q.end;
		out[11] = 0;
	}
	return (size_t)len;
}

static inline void rig_pump_udp(struct rig_server *s)
{
	uint8_t b[2048], out[DNS_REPLY_MAX];
	struct sockaddr_storage ss;
	socklen_t sl = sizeof(ss);
	ssize_t n;
	size_t len;

	while ((n = recvfrom(s->udp, b, sizeof(b), MSG_DONTWAIT,
			     (struct sockaddr *)&ss, &sl)) > 0) {
		struct addr from = addr_from_sockaddr(&ss);

		if (s->asked < 64) {
			s->ports[s->asked] = from.port;
			s->ids[s->asked] = get_be16(b);
		}
		s->asked++;
		len = rig_reply(s, b, (size_t)n, false, out);
		if (!len)
			continue;
		if (memmem(b, (size_t)n, "badid", 5)) { /* forged one first */
			out[0] ^= 1;
			sendto(s->udp, out, len, 0, (struct sockaddr *)&ss, sl);
			out[0] ^= 1;
		}
		sendto(s->udp, out, len, 0, (struct sockaddr *)&ss, sl);
	}
}

static inline void rig_pump_tcp(struct rig_server *s)
{
	uint8_t b[2048], out[DNS_REPLY_MAX + 2];
	ssize_t n;
	size_t len;

	if (s->conn < 0)
		s->conn = accept4(s->tcp, NULL, NULL,
				  SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (s->conn < 0)
		return;
	n = recv(s->conn, b, sizeof(b), 0); /* it comes in one piece here */
	if (n < 0)
		return;
	if (n > 2) {
		assert_int_equal(get_be16(b), n - 2);
		s->asked_tcp++;
		len = rig_reply(s, b + 2, (size_t)n - 2, true, out + 2);
		put_be16(out, (uint16_t)len);
		if (!len)
			return;
		assert_int_equal(send(s->conn, out, len + 2, 0), len + 2);
	}
	close(s->conn);
	s->conn = -1;
}

static inline void rig_pump(struct rig *r)
{
	for (int i = 0; i < 2; i++) {
		rig_pump_udp(&r->server[i]);
		rig_pump_tcp(&r->server[i]);
	}
}

static inline void rig_server_open(struct rig_server *s, uint8_t number)
{
	struct addr a;
	struct sockaddr_storage ss;
	socklen_t len;

	memset(s, 0, sizeof(*s));
	s->number = number;
	s->conn = -1;
	s->tcp = bound("127.0.0.1", &s->port, 16);
	assert_int_equal(fcntl(s->tcp, F_SETFL, O_NONBLOCK), 0);
	s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	a = addr_of("127.0.0.1", s->port);
	len = addr_to_sockaddr(&a, AF_INET, &ss);
	assert_int_equal(bind(s->udp, (struct sockaddr *)&ss, len), 0);
}

/* @text: the dns object, in which PORT1 and PORT2 stand for the servers' ports */
static inline void rig_init(struct rig *r, const char *text,
			    const char *fakedns)
{
	struct config *cfg = &r->l.cfg;
	char *with = strdup(text), *p, port[8];
	struct jobj none = { 0 };
	struct jdoc *doc;
	struct diag d;
	int i;

	memset(r, 0, sizeof(*r));
	for (i = 0; i < 2; i++)
		rig_server_open(&r->server[i], (uint8_t)(i + 1));
	while ((p = strstr(with, "PORT"))) {
		snprintf(port, sizeof(port), "%5u", r->server[p[4] - '1'].port);
		memcpy(p, port, 5);
	}
	loop_init(&r->l);
	diag_init(&d);
	r->ob = (struct outbound){ .ops = &out_freedom,
				   .tag = "direct",
				   .transport = &transport_raw,
				   .sockopt = SOCKOPT_DEFAULT };
	none.d = &d;
	assert_int_equal(out_freedom.parse(&r->ob, &none, cfg), 0);
	r->obs[0] = &r->ob;
	cfg->outbounds = r->obs;
	cfg->outbound_count = 1;
	doc = jdoc_parse(&d, "dns", with, strlen(with));
	cfg->dns = dns_parse(&d, doc ? doc->root : NULL, cfg);
	diag_print(&d, stderr, false);
	assert_non_null(cfg->dns);
	doc = fakedns ? jdoc_parse(&d, "fake", fakedns, strlen(fakedns)) : NULL;
	cfg->fakedns = fakedns_parse(&d, doc ? doc->root : NULL,
				     dns_wants_fake(cfg->dns), NULL);
	cfg->router = router_parse(&d, NULL, cfg);
	assert_int_equal(d.errors, 0);
	diag_free(&d);
	free(with);
	assert_int_equal(dns_worker_start(&r->l.w), 0);
}

static inline void rig_fini(struct rig *r)
{
	int i;

	dns_worker_stop(&r->l.w);
	udp_worker_stop(&r->l.w);
	assert_true(list_empty(&r->l.w.sessions));
	dns_free(r->l.cfg.dns);
	fakedns_unref(r->l.cfg.fakedns);
	router_free(r->l.cfg.router);
	loop_fini(&r->l);
	for (i = 0; i < 2; i++) {
		close(r->server[i].udp);
		close(r->server[i].tcp);
		if (r->server[i].conn >= 0)
			close(r->server[i].conn);
	}
}

/* Turn, with the servers, until @done or @ms have passed */
static inline bool rig_until(struct rig *r, bool (*done)(void *arg), void *arg,
			     unsigned int ms)
{
	uint32_t end = clock_ms() + ms;

	while (!done(arg)) {
		if (!clock_before(clock_ms(), end))
			return false;
		worker_tick(&r->l.w, 1);
		rig_pump(r);
	}
	return true;
}

static inline void rig_turns(struct rig *r, unsigned int ms)
{
	uint32_t end = clock_ms() + ms;

	while (clock_before(clock_ms(), end)) {
		worker_tick(&r->l.w, 1);
		rig_pump(r);
	}
}

static inline bool rig_req_done(void *arg)
{
	return ((struct dns_req *)arg)->rc != -EAGAIN;
}

static inline bool rig_req_all(void *arg)
{
	return !((struct dns_req *)arg)->pending;
}

/* Ask and wait for everything. r->rc */
static inline int rig_ask(struct rig *r, struct dns_req *q, const char *name,
			  unsigned int families)
{
	dns_ask(&r->l.w, &r->l.cfg, q, &r->l.job, name, families, 0);
	assert_true(rig_until(r, rig_req_all, q, 6000));
	return q->rc;
}

#endif
