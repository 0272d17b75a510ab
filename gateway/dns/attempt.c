/* attempt.c - One server asked for one question (contract: attempt.h) */
#include "gateway/dns/attempt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"

#define RESEND_PART     3 /* a query goes out again after timeout / 3 */
#define STRAIGHT_MIN_MS 1000 /* for one of several system servers */

static uint16_t type_of(uint8_t family)
{
	return family == DNS_V4 ? DNS_T_A : DNS_T_AAAA;
}

struct dns_health *attempt_health(struct dns *dns,
				  const struct dns_server *server)
{
	return &dns->health[server->index];
}

static bool found_put(struct upstream *u, const uint8_t *msg, size_t n)
{
	struct attempt *a = container_of(u, struct attempt, up);

	if (a->got || n < DNS_HEAD_BYTES || get_be16(msg) != a->id)
		return a->got;
	if (dns_found_decode(msg, n, a->q->name, type_of(a->q->family),
			     &a->found) < 0)
		return false;
	a->found.ttl -= a->found.ttl < u->age_s ? a->found.ttl : u->age_s;
	a->got = true;
	job_ready(&a->job);
	return true;
}

/* Where the server is. 0 or -errno */
static int server_addr(struct attempt *a, struct addr *to)
{
	struct addr list[SYSCONF_SERVERS];

	if (a->server->kind != SERVER_SYSTEM) {
		*to = a->server->at;
		return 0;
	}
	a->nameserver_count =
		sysconf_servers(&a->q->dns->sys, a->q->worker->now_ms, list);
	if (!a->tried)
		a->nameserver =
			sysconf_good(&a->q->dns->sys, a->q->worker->now_ms);
	*to = list[a->nameserver % a->nameserver_count];
	return 0;
}

static uint32_t timeout_of(const struct attempt *a)
{
	uint32_t ms = a->server->timeout_ms;

	if (a->server->kind == SERVER_SYSTEM && a->nameserver_count > 1) {
		ms /= a->nameserver_count;
		if (ms < STRAIGHT_MIN_MS)
			ms = STRAIGHT_MIN_MS;
	}
	return ms;
}

/* The message to @u->query. 0 or -errno */
static int query_make(struct attempt *a, struct upstream *u)
{
	const struct dns_server *s = a->server;
	uint8_t *msg = u->query + 2;
	ssize_t n;

	rand_bytes(&a->id, sizeof(a->id));
	n = dns_query_encode(msg, DNS_QUERY_MAX, a->id, a->q->name,
			     type_of(a->q->family), a->edns ? DNS_UDP_EDNS : 0,
			     s->subnet.kind && a->edns ? &s->subnet : NULL);
	if (n > 0 && server_has_tls(s))
		n = dns_query_pad(msg, (size_t)n, DNS_PADDED_MAX,
				  DNS_PAD_BLOCK);
	if (n < 0)
		return (int)n;
	u->query_len = (size_t)n + 2;
	return 0;
}

/* Ask, by TCP when @tcp. 0 or -errno */
static int attempt_ask(struct attempt *a, bool tcp)
{
	const struct dns_server *s = a->server;
	struct upstream *u = &a->up;
	uint32_t ms;
	int err;

	upstream_close(u);
	err = server_addr(a, &u->to);
	if (!err)
		err = query_make(a, u);
	if (err)
		return err;
	u->worker = a->q->worker;
	u->job = &a->job;
	u->answer = found_put;
	u->via = s->top ? s : NULL;
	u->cfg = a->q->cfg;
	u->conns = a->q->conns;
	u->tcp = tcp || s->kind == SERVER_TCP || s->top;
	a->got = false;
	ms = timeout_of(a);
	a->resend_ms = u->tcp && !u->via ? 0 : ms - ms / RESEND_PART;
	timer_set(&u->worker->wheel, &a->timer,
		  a->resend_ms ? ms / RESEND_PART : ms);
	return upstream_open(u, s->straight ? NULL : s->inbound);
}

void attempt_end(struct attempt *a)
{
	if (a->over)
		return;
	a->over = true;
	timer_cancel(&a->timer);
	upstream_close(&a->up);
	if (a->probe)
		health_probed(a->health);
}

static void attempt_over(struct attempt *a, int rc)
{
	uint32_t now = a->q->worker->now_ms;

	attempt_end(a);
	if (!rc && health_answer(a->health, now))
		log_warning("dns: %s answers again", a->server->name);
	a->felled = rc && health_fail(a->health, a->asked_ms, rc);
	if (a->felled)
		log_warning("dns: %s does not answer (%s): not waited for "
			    "until it does",
			    a->server->name, strerror(-rc));
	a->done(a, rc);
}

/* @err came: ask the next of the system's nameservers. 0, or the last error */
static int attempt_next(struct attempt *a, int err)
{
	while (err && a->server->kind == SERVER_SYSTEM &&
	       ++a->tried < a->nameserver_count) {
		a->nameserver++;
		err = attempt_ask(a, false);
	}
	return err;
}

static void attempt_fail(struct attempt *a, int err)
{
	a->up.timed_out = err == -ETIMEDOUT;
	upstream_close(&a->up);
	log_debug("dns: %s: %s: %s", a->server->name, a->q->name,
		  strerror(-err));
	err = attempt_next(a, err);
	if (err)
		attempt_over(a, err);
}

static void attempt_answer(struct attempt *a)
{
	int err;

	if (a->found.truncated && !a->up.tcp) {
		err = attempt_ask(a, true);
	} else if (a->edns && (a->found.rcode == DNS_FORMERR ||
			       a->found.rcode == DNS_NOTIMP)) {
		a->edns = false;
		err = attempt_ask(a, a->up.tcp);
	} else {
		if (a->tried)
			sysconf_set_good(&a->q->dns->sys,
					 a->nameserver % a->nameserver_count,
					 a->q->worker->now_ms);
		attempt_over(a, 0);
		return;
	}
	if (err)
		attempt_fail(a, err);
}

static void attempt_run(struct job *j)
{
	struct attempt *a = container_of(j, struct attempt, job);

	if (a->over)
		return;
	if (!a->got)
		upstream_run(&a->up);
	if (a->got)
		attempt_answer(a);
	else if (a->up.err)
		attempt_fail(a, a->up.err);
	else if (a->timed_out)
		attempt_fail(a, -ETIMEDOUT);
	a->timed_out = false;
}

static void attempt_timer(struct timer *t)
{
	struct attempt *a = container_of(t, struct attempt, timer);

	if (a->resend_ms) {
		timer_set(&a->q->worker->wheel, t, a->resend_ms);
		a->resend_ms = 0;
		upstream_again(&a->up);
		return;
	}
	a->timed_out = true;
	job_ready(&a->job);
}

struct attempt *attempt_new(struct question *q, const struct dns_server *server,
			    bool probe, void (*done)(struct attempt *a, int rc),
			    int *err)
{
	struct attempt *a = calloc(1, sizeof(*a));

	*err = a ? 0 : -ENOMEM;
	if (!a) {
		if (probe)
			health_probed(attempt_health(q->dns, server));
		return NULL;
	}
	list_init(&a->node);
	timer_init(&a->timer, attempt_timer);
	a->job.run = attempt_run;
	a->job.worker = q->worker;
	a->q = q;
	a->server = server;
	a->health = attempt_health(q->dns, server);
	a->done = done;
	a->probe = probe;
	a->edns = true;
	a->asked_ms = q->worker->now_ms;
	*err = attempt_next(a, attempt_ask(a, false));
	if (!*err)
		return a;
	if (health_fail(a->health, a->asked_ms, *err))
		log_warning("dns: %s cannot be asked (%s)", server->name,
			    strerror(-*err));
	attempt_end(a);
	attempt_free(a);
	return NULL;
}

void attempt_free(struct attempt *a)
{
	attempt_end(a);
	job_forget(&a->job);
	free(a);
}
