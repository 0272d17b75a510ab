/*
 * session.c - Birth, kill, reap, and what is said of a session at its end
 *
 * Nobody frees during a turn: ses_kill() marks, ses_reap() frees at the end of
 * the tick, when no session is on the call stack.
 */
#include "gateway/core/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/dns.h"
#include "gateway/core/trouble.h"
#include "gateway/core/udp.h"
#include "gateway/core/user.h"
#include "gateway/core/whose.h"

static void ses_link_halves(struct session *s)
{
	s->half[UP].src = &s->in;
	s->half[UP].dst = &s->out;
	s->half[DOWN].src = &s->out;
	s->half[DOWN].dst = &s->in;
}

struct session *ses_of(struct job *j)
{
	return j && j->run == ses_run ? container_of(j, struct session, job) :
					NULL;
}

/*
 * A client's TCP session needs one more descriptor, later: none is let in that could
 * not have it. What is our own (DNS, a bridge) serves them and is let in: its kind of
 * inbound has no listener
 */
static bool may_enter(struct worker *w, const struct inbound *ib, uint8_t net)
{
	return worker_admits(w, net == NET_TCP && ib->ops && ib->ops->start);
}

void ses_settled(struct session *s)
{
	if (s->opening)
		worker_opening(s->job.worker, -1);
	s->opening = false;
}

struct session *ses_new(struct worker *w, const struct inbound *ib, uint8_t net,
			struct stream *in)
{
	struct session *s;

	if (!may_enter(w, ib, net))
		return NULL;
	s = pool_get(&w->session_pool);
	if (!s) {
		worker_drop(w, DROP_NO_MEMORY);
		return NULL;
	}
	*s = (struct session){
		.job = { .run = ses_run, .worker = w },
		.net = net,
		.id = w->next_id,
		.cfg = config_ref(w->cfg),
		.inbound = ib,
		.inbound_tag = ib->tag,
		.in = in,
		.opening = net == NET_TCP,
		.born_ms = w->now_ms,
		.last_active = w->now_ms,
	};
	w->next_id += WORKERS_MAX;
	worker_sessions(w, 1);
	worker_opening(w, s->opening);
	count_add(&w->accepted[net == NET_UDP], 1);
	timer_init(&s->timer, NULL); /* ses_start() gives it its function */
	ses_link_halves(s);
	list_add_tail(&w->sessions, &s->node);
	if (in)
		stream_set_job(in, &s->job);
	return s;
}

void ses_kill(struct session *s, int why, int side)
{
	if (s->state == SES_DYING)
		return;
	trouble_end(s, why, side);
	s->state = SES_DYING;
	s->why = why;
	s->why_side = (uint8_t)side;
	list_del(&s->node);
	list_add_tail(&s->job.worker->dying, &s->node);
}

const char *ses_route_name(const struct session *s)
{
	if (s->route_name)
		return s->route_name;
	return s->target.kind == ADDR_NAME ? s->target.name : NULL;
}

const char *ses_why_text(const struct session *s, char buf[96])
{
	static const char *const sides[] = { "client", "server", "culvert" };

	if (s->why == 0)
		return "done";
	if (s->why == -EACCES)
		return "blocked";
	if (s->why == -EFORBIDDEN)
		return "blocked by final rule";
	if (s->why == -ETIMEDOUT && s->why_side == 2)
		return "timeout";
	snprintf(buf, 96, "%s: %s", sides[s->why_side < 3 ? s->why_side : 2],
		 strerror(-s->why));
	return buf;
}

/* The one line of the end; nothing is formatted when info is off */
static void ses_log_end(const struct session *s)
{
	char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX], why[96];
	uint32_t now = s->job.worker->now_ms;

	if (!log_on(LOG_INFO))
		return;
	log_info("s%x end: %s %s -> %s [%s -> %s]%s%s up %llu (%s) down %llu "
		 "(%s) first byte %u ms, %u ms: %s",
		 s->id, s->net == NET_UDP ? "udp" : "tcp",
		 addr_format(&s->source, from, sizeof(from)),
		 addr_format(&s->target, to, sizeof(to)), s->inbound_tag,
		 s->outbound ? s->outbound->tag : "none",
		 s->rule ? " rule " : "", s->rule ? s->rule : "",
		 (unsigned long long)s->half[UP].total,
		 way_name(s->half[UP].way),
		 (unsigned long long)s->half[DOWN].total,
		 way_name(s->half[DOWN].way),
		 s->first_byte_seen ? s->first_byte_ms - s->born_ms : 0,
		 now - s->born_ms, ses_why_text(s, why));
}

static void ses_close_streams(struct session *s)
{
	/* A side whose stream was delivered whole is closed in order */
	stream_close(&s->out, s->half[UP].finished ? 0 : s->why);
	stream_close(&s->in, s->half[DOWN].finished ? 0 : s->why);
}

void ses_keep_fake(const struct session *s)
{
	char name[256];

	if (s->domain && fakedns_in_pool(s->cfg->fakedns, &s->orig))
		(void)fakedns_name(s->cfg->fakedns, &s->orig, name);
}

static void ses_free_again(struct session *s)
{
	struct ses_again *a = s->again, *next;

	for (; a; a = next) {
		next = a->next;
		free(a);
	}
}

static void ses_free(struct session *s)
{
	struct worker *w = s->job.worker;

	ses_log_end(s);
	ses_keep_fake(s);
	ses_settled(s);
	user_left(s);
	timer_cancel(&s->timer);
	if (s->flow)
		udp_flow_close(s);
	ses_close_streams(s);
	job_forget(&s->job);
	link_free(w, s->half);
	if (s->dns) {
		dns_cancel(s->dns);
		free(s->dns);
	}
	whose_free(s->whose);
	free(s->domain);
	free(s->http_head);
	ses_free_again(s);
	free(s->greet_state);
	config_unref(s->cfg);
	list_del(&s->node);
	worker_sessions(w, -1);
	pool_put(&w->session_pool, s);
}

void ses_reap(struct worker *w)
{
	if (!list_empty(&w->dying))
		worker_tidy_later(w);
	while (!list_empty(&w->dying))
		ses_free(list_first(&w->dying, struct session, node));
}

int ses_sniff_again(struct session *s, const struct sniffing *sn)
{
	struct ses_again *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->sniffing = sn;
	a->next = s->again;
	s->again = a;
	s->proto = SNIFF_NONE;
	free(s->http_head);
	s->http_head = NULL;
	s->sniff_done = false;
	s->sniff_seen = 0;
	return 0;
}

/* As the inbound's, but what was a name already may get another one */
static void take_again(struct session *s, const struct sniffed *found)
{
	struct ses_again *a = s->again;

	if (!sniff_overrides(a->sniffing, found, &s->target, false))
		return;
	memcpy(a->name, found->domain, (size_t)found->len + 1);
	if (a->sniffing->route_only)
		s->route_name = a->name;
	else
		s->target = addr_name(a->name, found->len, s->target.port);
}

int ses_take_name(struct session *s, const struct sniffed *found)
{
	const struct sniffing *sn = &s->inbound->sniffing;
	char *copy;

	s->proto = found->proto;
	if (s->again) {
		take_again(s, found);
		return 0;
	}
	if (found->len == 0 || s->domain ||
	    !sniff_overrides(sn, found, &s->orig, false))
		return 0;
	copy = strdup(found->domain);
	if (!copy)
		return -ENOMEM;
	s->domain = copy;
	if (sn->route_only)
		s->route_name = copy;
	else
		s->target = addr_name(copy, found->len, s->target.port);
	return 0;
}
