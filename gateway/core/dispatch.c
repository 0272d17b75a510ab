/*
 * dispatch.c - The only state machine of a session
 *
 *   GREET -> SNIFF -> ROUTE -> OPEN -> RELAY -> (ses_kill) DYING
 *
 * A loopback makes it ROUTE again, or SNIFF, when it has a sniffing of its own.
 *
 * ses_run() is called when something the session waits for has happened; each
 * step returns 0 (go on with the next state), -EAGAIN (wait), or kills.
 */
#include "gateway/core/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/dns.h"
#include "gateway/core/route.h"
#include "gateway/core/target.h"
#include "gateway/core/trouble.h"
#include "gateway/core/udp.h"
#include "gateway/core/user.h"
#include "gateway/core/whose.h"

#define REROUTE_MAX 4 /* passes through loopback outbounds */
#define DNS_PORT    53

static const struct policy *ses_policy(const struct session *s)
{
	return s->policy ? s->policy : s->inbound->policy;
}

/* That direction moves no more, in order or not */
static bool half_over(const struct half *h)
{
	return h->finished || h->err;
}

static uint32_t ses_idle_limit(const struct session *s)
{
	const struct policy *p = ses_policy(s);

	if (s->net == NET_UDP)
		return udp_flow_idle_ms(s);
	if (half_over(&s->half[UP]))
		return p->downlink_only_ms;
	if (half_over(&s->half[DOWN]))
		return p->uplink_only_ms;
	return p->idle_ms;
}

/* Lazy idle timer: dead, or re-armed for what is left */
static void ses_idle_check(struct session *s)
{
	uint32_t limit = ses_idle_limit(s);
	uint32_t idle = s->job.worker->now_ms - s->last_active;

	if (idle >= limit)
		ses_kill(s, s->net == NET_UDP ? 0 : -ETIMEDOUT, 2);
	else
		timer_set(&s->job.worker->wheel, &s->timer, limit - idle);
	ses_keep_fake(s);
}

static void ses_on_timer(struct timer *t)
{
	struct session *s = container_of(t, struct session, timer);

	switch (s->state) {
	case SES_SNIFF:
		s->sniff_done = true;
		s->waited = true;
		job_ready(&s->job);
		break;
	case SES_GREET:
	case SES_ROUTE:
	case SES_OPEN:
		ses_kill(s, -ETIMEDOUT, 2);
		break;
	case SES_RELAY:
		ses_idle_check(s);
		break;
	case SES_DYING:
		break;
	}
}

static void ses_enter(struct session *s, enum ses_state state)
{
	struct wheel *wheel = &s->job.worker->wheel;

	s->state = state;
	if (state == SES_RELAY)
		ses_settled(s);
	if (state == SES_SNIFF && !s->sniff_done)
		timer_set(wheel, &s->timer, SNIFF_WAIT_MS);
	else if (state == SES_RELAY)
		timer_set(wheel, &s->timer, ses_idle_limit(s));
	else if (state == SES_ROUTE || state == SES_GREET)
		timer_set(wheel, &s->timer, ses_policy(s)->handshake_ms);
}

/* --- server-first memory: ports where waiting for the client was in vain --- */

static uint32_t server_first_key(const struct session *s)
{
	uint32_t h = addr_hash(&s->orig, rand_key());

	return h ? h : 1;
}

static bool ses_server_first(const struct session *s)
{
	uint32_t h = server_first_key(s);

	return sniff_server_first(s->orig.port) ||
	       s->job.worker->server_first[h % SERVER_FIRST_SLOTS] == h;
}

static void ses_learn_server_first(const struct session *s)
{
	uint32_t h = server_first_key(s);

	s->job.worker->server_first[h % SERVER_FIRST_SLOTS] = h;
}

/* --- GREET --- */

static int ses_greet(struct session *s)
{
	int err = s->inbound->ops->greet(s);

	if (err == -EAGAIN)
		return err;
	if (err < 0) {
		ses_kill(s, err, 0);
		return err;
	}
	ses_enter(s, SES_SNIFF);
	return 0;
}

/* --- SNIFF --- */

/*
 * A fake address always becomes its name; one without a mapping is refused,
 * whatever the sniffing settings say: it can lead nowhere.
 */
static int ses_unfake(struct session *s)
{
	struct fakedns *fake = s->cfg->fakedns;
	char name[256], text[ADDR_TEXT_MAX];
	int len;

	if (!fake || !addr_is_ip(&s->target) || s->domain ||
	    !fakedns_in_pool(fake, &s->target))
		return 0;
	len = fakedns_name(fake, &s->target, name);
	if (len < 0) {
		log_info("s%x fakedns: no name for %s", s->id,
			 addr_format_host(&s->target, text, sizeof(text)));
		worker_drop(s->job.worker, DROP_FAKE_UNKNOWN);
		return -EHOSTUNREACH;
	}
	s->domain = strdup(name);
	if (!s->domain)
		return -ENOMEM;
	log_debug("s%x fakedns: %s is %s", s->id,
		  addr_format_host(&s->target, text, sizeof(text)), name);
	s->target = addr_name(s->domain, (size_t)len, s->target.port);
	s->proto = SNIFF_FAKEDNS;
	return 0;
}

/*
 * A question to one of this host's addresses, which NAT has sent into the TUN: nobody
 * is there. Who is not answered here asks this host's resolver, as by a listener
 */
static void ses_own_dns(struct session *s)
{
	static const uint8_t loopback[4] = { 127, 0, 0, 1 };
	const struct addr *own = s->cfg->host.own_dns;

	if (s->target.port == DNS_PORT && addr_is_ip(&s->target) &&
	    addr_eq_host(&s->target, &own[s->target.kind == ADDR_V6]))
		s->target = addr_v4(loopback, DNS_PORT);
}

/* Lay the first bytes of @s->in side by side. Bytes, 0 end, -EAGAIN, -errno */
static ssize_t ses_peek_lend(struct session *s, const uint8_t **p)
{
	struct worker *w = s->job.worker;
	struct iovec iov[STREAM_IOV];
	int cnt = STREAM_IOV;
	ssize_t n = s->in->ops->lend(s->in, iov, &cnt);
	size_t len = 0;

	if (n <= 0)
		return n;
	*p = iov[0].iov_base;
	if (cnt == 1)
		return n;
	for (int i = 0; i < cnt && len < SNIFF_MAX_BYTES; i++) {
		size_t take = iov[i].iov_len;

		if (take > SNIFF_MAX_BYTES - len)
			take = SNIFF_MAX_BYTES - len;
		memcpy(w->scratch + len, iov[i].iov_base, take);
		len += take;
	}
	*p = w->scratch;
	return (ssize_t)len;
}

/* The same for a source that cannot lend: the bytes move into @early */
static ssize_t ses_peek_copy(struct session *s, const uint8_t **p)
{
	struct half *h = &s->half[UP];
	ssize_t n;

	if (!h->early) {
		h->early = buf_new(SNIFF_MAX_BYTES);
		if (!h->early)
			return -ENOMEM;
	}
	*p = buf_head(h->early);
	if (buf_space(h->early) == 0)
		return h->early->len;
	n = stream_read(s->in, buf_tail(h->early), buf_space(h->early));
	if (n > 0)
		h->early->len += (uint32_t)n;
	if (h->early->len > 0)
		return h->early->len;
	buf_free(h->early); /* waiting costs no buffer */
	h->early = NULL;
	return n;
}

/* Router attributes need the request head after it has left */
static void ses_keep_head(struct session *s, const uint8_t *p, size_t n)
{
	if (s->proto != SNIFF_HTTP1 || s->http_head ||
	    !router_wants_attrs(s->cfg->router))
		return;
	s->http_head = malloc(n + 1);
	if (!s->http_head)
		return;
	memcpy(s->http_head, p, n);
	s->http_head[n] = '\0';
}

static int ses_found(struct session *s, const struct sniffed *found)
{
	if (found->proto != SNIFF_NONE)
		log_debug("s%x sniff: %s %s", s->id, sniff_name(found->proto),
			  found->len ? found->domain : "(no name)");
	return ses_take_name(s, found);
}

/*
 * The sniffers need more than the @n bytes they saw. The same bytes would mark
 * us ready at once, for ever: only what is new renews the want.
 */
static int ses_sniff_more(struct session *s, size_t n)
{
	if (n != s->sniff_seen)
		s->in->ops->want(s->in, ST_READ);
	s->sniff_seen = (uint32_t)n;
	return -EAGAIN;
}

static int ses_sniff_stream(struct session *s)
{
	struct sniffed found = { .proto = SNIFF_NONE };
	const uint8_t *p = NULL;
	enum verdict v;
	ssize_t n =
		s->in->ops->lend ? ses_peek_lend(s, &p) : ses_peek_copy(s, &p);

	if (n == -EAGAIN) {
		if (s->sniff_done || ses_server_first(s)) {
			s->waited = true;
			return 0;
		}
		s->in->ops->want(s->in, ST_READ);
		return -EAGAIN;
	}
	if (n <= 0)
		return (int)n;
	v = sniff_stream(p, (size_t)n, &found);
	if (v == SNIFF_MORE && n < SNIFF_MAX_BYTES && !s->sniff_done)
		return ses_sniff_more(s, (size_t)n);
	if (v != SNIFF_YES)
		return 0;
	if (ses_found(s, &found) < 0)
		return -ENOMEM;
	ses_keep_head(s, p, (size_t)n);
	return 0;
}

static int ses_sniff_dgrams(struct session *s)
{
	struct sniffed found = { .proto = SNIFF_NONE };
	struct iovec v[SNIFF_DGRAMS];
	int n = udp_flow_pending(s, v, SNIFF_DGRAMS);
	enum verdict verdict;

	if (n == 0)
		return s->sniff_done ? 0 : -EAGAIN;
	verdict = sniff_dgrams(v, n, &found);
	if (verdict == SNIFF_MORE && n < SNIFF_DGRAMS && !s->sniff_done)
		return -EAGAIN;
	return verdict == SNIFF_YES ? ses_found(s, &found) : 0;
}

/* A client's mux connection: its sessions are routed, not itself */
static bool ses_is_mux(const struct session *s)
{
	return s->net == NET_TCP && s->cfg->mux_server && ses_to_mux(&s->orig);
}

static bool ses_carries(const struct session *s)
{
	return s->reverse || ses_is_mux(s);
}

/* Of where it goes now, which behind a loopback may be elsewhere */
static uint16_t sniffed_port(const struct session *s)
{
	return s->again ? s->target.port : s->orig.port;
}

static int ses_sniff(struct session *s)
{
	const struct sniffing *sn = ses_sniffing(s);
	int err = ses_unfake(s);

	ses_own_dns(s);
	if (err == 0 && !ses_carries(s) && sniff_reads(sn, sniffed_port(s)))
		err = s->net == NET_UDP ? ses_sniff_dgrams(s) :
					  ses_sniff_stream(s);
	if (err == -EAGAIN)
		return err;
	if (err < 0) {
		if (s->net == NET_UDP)
			udp_flow_reject(s);
		ses_kill(s, err, err == -ECONNRESET ? 0 : 2);
		return err;
	}
	s->sniff_done = true;
	ses_enter(s, SES_ROUTE);
	return 0;
}

/* --- ROUTE --- */

/* The program it comes from, if a rule asked for it; "" */
static const char *ses_program(const struct session *s)
{
	return s->whose && s->whose->path ? s->whose->path : "";
}

/* Xray's access line; tools parse it. A program is behind what Xray writes */
static void ses_log_access(const struct session *s)
{
	static const char *const arrows[] = { "->", ">>", "==" };
	char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX], line[1536];
	const char *program = ses_program(s);

	if (!log_access_on())
		return;
	snprintf(line, sizeof(line),
		 "from %s accepted %s:%s [%s %s%s %s]%s%s%s%s",
		 addr_format(&s->source, from, sizeof(from)),
		 s->net == NET_UDP ? "udp" : "tcp",
		 addr_format(&s->target, to, sizeof(to)), s->inbound_tag,
		 arrows[s->route_how], s->route_how == HOW_FORCED ? ">" : "",
		 s->outbound->tag, s->user ? " email: " : "",
		 s->user ? s->user : "", *program ? " process: " : "", program);
	log_access(line);
}

static int ses_reroute(struct session *s)
{
	int err = -ELOOP;

	if (++s->reroutes <= REROUTE_MAX)
		err = s->outbound->ops->reroute(s->outbound, s);
	if (err == -ELOOP)
		log_warning("s%x route: loop through [%s]", s->id,
			    s->outbound->tag);
	if (err < 0) {
		ses_kill(s, err, 2);
		return err;
	}
	s->outbound = NULL;
	s->forced_tag = NULL;
	if (!s->sniff_done)
		ses_enter(s, SES_SNIFF);
	return 0; /* else still in ROUTE: picked again */
}

static int ses_mux(struct session *s, const struct outbound **ob)
{
	*ob = s->cfg->mux_server;
	s->route_how = HOW_FORCED;
	return 0;
}

static int ses_route(struct session *s)
{
	const struct outbound *ob = NULL;
	char to[ADDR_TEXT_MAX];
	int err = ses_is_mux(s) ? ses_mux(s, &ob) :
				  route_pick(s->cfg->router, s, &ob);

	if (err == -EAGAIN)
		return err;
	if (!err && !ob)
		err = -ENOENT;
	if (err < 0) {
		worker_drop(s->job.worker, DROP_ROUTE);
		ses_kill(s, err, 2);
		return err;
	}
	s->outbound = ob;
	log_debug("s%x route: %s by %s%s -> [%s]", s->id,
		  addr_format(&s->target, to, sizeof(to)),
		  s->route_how == HOW_DEFAULT ? "default" :
		  s->route_how == HOW_FORCED  ? "forced tag" :
						"rule ",
		  s->rule ? s->rule : "", ob->tag);
	if (ob->ops->reroute)
		return ses_reroute(s);
	if (s->dns) { /* what routing asked is not what opening asks */
		dns_cancel(s->dns);
		free(s->dns);
		s->dns = NULL;
	}
	ses_log_access(s);
	if (!ses_carries(s)) /* what it carries is counted */
		user_meter(s);
	s->state = SES_OPEN; /* the handshake timer of ROUTE goes on */
	return 0;
}

/* --- OPEN and RELAY --- */

static void ses_blocked(struct session *s)
{
	worker_drop(s->job.worker, DROP_BLOCKED);
	if (s->net == NET_UDP)
		udp_flow_reject(s);
}

static int ses_open_stream(struct session *s)
{
	int rc = s->out ? 0 : target_resolve(s);

	return rc || s->out ? rc : outbound_open(s->outbound, s, &s->out);
}

static int ses_open_outbound(struct session *s)
{
	bool blocked;
	int err;

	assert(s->outbound); /* ROUTE does not end without one */
	if (s->net == NET_UDP)
		err = udp_flow_open(s);
	else
		err = ses_open_stream(s);
	if (err == -EAGAIN || err == 0)
		return err;
	blocked = err == -EACCES || err == -EFORBIDDEN;
	if (blocked)
		ses_blocked(s);
	ses_kill(s, err, blocked ? 2 : 1);
	return err;
}

static void ses_count_in(const struct session *s, unsigned int i, uint64_t up,
			 uint64_t down)
{
	count_add(&s->job.worker->moved[UP], up);
	count_add(&s->job.worker->moved[DOWN], down);
	stat_add(s->inbound->stat_up, i, up);
	stat_add(s->inbound->stat_down, i, down);
	stat_add(s->outbound->stat_up, i, up);
	stat_add(s->outbound->stat_down, i, down);
	stat_add(s->stat_user[UP], i, up);
	stat_add(s->stat_user[DOWN], i, down);
}

static void ses_count(struct session *s, const uint64_t before[2])
{
	unsigned int i = s->job.worker->index;
	uint64_t up = s->half[UP].total - before[UP];
	uint64_t down = s->half[DOWN].total - before[DOWN];

	if (!(up | down))
		return;
	ses_active(s);
	if (!ses_carries(s)) { /* what it carries is counted */
		ses_count_in(s, i, up, down);
	} else { /* and by whom, when that is an outbound: bridge.c */
		stat_add(s->stat_user[UP], i, up);
		stat_add(s->stat_user[DOWN], i, down);
	}
	if (down && !s->first_byte_seen) {
		s->first_byte_seen = true;
		trouble_over(s->outbound);
		s->first_byte_ms = s->job.worker->now_ms;
		if (s->waited && before[UP] + up == 0)
			ses_learn_server_first(s);
	}
}

static int ses_relay(struct session *s)
{
	uint64_t before[2] = { s->half[UP].total, s->half[DOWN].total };
	bool ended = half_over(&s->half[UP]) || half_over(&s->half[DOWN]);
	bool again;
	int side = 2;
	int r = link_pump(s->job.worker, s->half, WORKER_BUDGET_BYTES, &again,
			  &side);

	ses_count(s, before);
	if (r != 0) {
		ses_kill(s, r < 0 ? r : 0, side);
		return r;
	}
	if (s->state == SES_OPEN && s->out->ops->up(s->out)) {
		log_debug("s%x up: [%s] after %u ms", s->id, s->outbound->tag,
			  s->job.worker->now_ms - s->born_ms);
		ses_enter(s, SES_RELAY);
	} else if (s->state == SES_RELAY && !ended &&
		   (half_over(&s->half[UP]) || half_over(&s->half[DOWN]))) {
		timer_set(&s->job.worker->wheel, &s->timer, ses_idle_limit(s));
	}
	link_want(s->half);
	if (again)
		job_ready(&s->job);
	return -EAGAIN;
}

static int ses_open_step(struct session *s)
{
	uint32_t most = ses_policy(s)->buffer_bytes;
	int err = ses_open_outbound(s);

	if (err < 0)
		return err;
	s->half[UP].most = s->half[DOWN].most = most;
	if (s->net == NET_TCP)
		return ses_relay(s);
	ses_enter(s, SES_RELAY);
	return -EAGAIN; /* the map moves the datagrams */
}

static int ses_step(struct session *s)
{
	switch (s->state) {
	case SES_GREET:
		return ses_greet(s);
	case SES_SNIFF:
		return ses_sniff(s);
	case SES_ROUTE:
		return ses_route(s);
	case SES_OPEN:
		return ses_open_step(s);
	case SES_RELAY:
		return s->net == NET_TCP ? ses_relay(s) : -EAGAIN;
	case SES_DYING:
		break;
	}
	return -EAGAIN;
}

void ses_run(struct job *j)
{
	struct session *s = container_of(j, struct session, job);

	while (ses_step(s) == 0)
		;
}

void ses_start(struct session *s)
{
	char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];
	bool greets;

	timer_init(&s->timer, ses_on_timer);
	log_debug("s%x accept: %s [%s] %s -> %s", s->id,
		  s->net == NET_UDP ? "udp" : "tcp", s->inbound_tag,
		  addr_format(&s->source, from, sizeof(from)),
		  addr_format(&s->orig, to, sizeof(to)));
	/* The DNS module's own sessions have no kind of inbound behind them */
	greets = s->inbound->ops && s->inbound->ops->greet && !s->greeted;
	ses_enter(s, greets && s->net == NET_TCP ? SES_GREET : SES_SNIFF);
	job_ready(&s->job);
}
