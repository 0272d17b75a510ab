/*
 * dns.c - The "dns" outbound: questions are answered here
 *
 *   UDP   a message a datagram
 *   TCP   len(2) message len(2) message ...; answers go back as they are ready
 *
 * dns_serve() answers, or says "forward": then the message goes to the address
 * the client had asked (or the rewritten one) by a marked socket of its own,
 * not through routing. Queries of the DNS module itself (their inbound tag says
 * so) are forwarded untouched: answering those would be a loop.
 *
 * A name as server is asked by TCP, for only the dialler resolves names.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/list.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/dns.h"
#include "gateway/core/session.h"
#include "gateway/core/udp.h"
#include "proxy/out/dns_fwd.h"
#include "proxy/out/out.h"
#include "proxy/wire/dns_msg.h"

#define PENDING_STREAM 64 /* questions under way of one connection */
#define PENDING_DGRAM  512 /* of one client address:port */

/**
 * struct dns_out_conf - Settings
 * @net:	NET_TCP or NET_UDP to forward by; 0 as it came
 * @host:	kind NONE: as asked; @port 0 likewise
 */
struct dns_out_conf {
	struct dns_rules *rules;
	uint8_t net;
	uint16_t port;
	struct addr host;
};

/**
 * struct question - One message under way, then its answer
 * @peer:	Whom the client asked; @name backs it when that is a name
 * @msg:	Copy of the question while it is forwarded
 */
struct question {
	struct list node;
	struct dns_serve serve;
	struct dns_fwd fwd;
	bool forwarded;
	struct addr peer;
	char *name;
	uint8_t *answer;
	size_t len;
	uint8_t prefix[2];
};

/**
 * struct dns_end - A connection's or a client's end
 * @d, @s:	One of them is in use
 * @pending, @ready:	Questions; @ready ones have their answer, @sent ones have
 *		handed it out (UDP) and are freed at the next call
 * @off:	Bytes of the first ready answer that are out (TCP)
 * @head, @rx, @rx_got:	The question that is coming in (TCP)
 * @pass:	Forward everything, change nothing
 */
struct dns_end {
	struct dgram d;
	struct stream s;
	struct dial dial;
	struct timer timer;
	struct list pending, ready, sent;
	unsigned int count, max;
	bool tcp, pass, eof;
	struct addr target;
	size_t off;
	uint8_t head[2];
	uint8_t *rx;
	size_t rx_got;
};

/* --- questions ------------------------------------------------------------- */

static void question_free(struct dns_end *e, struct question *q)
{
	list_del(&q->node);
	dns_serve_cancel(&q->serve);
	fwd_close(&q->fwd);
	free(q->serve.answer);
	free(q->answer);
	free(q->name);
	free(q);
	e->count--;
}

static void questions_free(struct dns_end *e, struct list *l)
{
	struct list *p, *next;

	list_for_each_safe (p, next, l)
		question_free(e, container_of(p, struct question, node));
}

static void question_answered(struct dns_end *e, struct question *q,
			      uint8_t *answer, size_t len)
{
	q->answer = answer;
	q->len = len;
	list_del(&q->node);
	list_add_tail(&e->ready, &q->node);
}

/* Nobody answers @msg: say so rather than let the client wait */
static void question_failed(struct dns_end *e, struct question *q,
			    const uint8_t *msg, size_t len)
{
	struct dns_reply r = { .rcode = DNS_SERVFAIL };
	uint8_t out[DNS_REPLY_MAX], *copy;
	struct dns_question ask;
	ssize_t n = -1;

	if (!dns_question_decode(msg, len, &ask))
		n = dns_reply_encode(&ask, msg, &r, out, sizeof(out),
				     sizeof(out));
	copy = n > 0 ? malloc((size_t)n) : NULL;
	if (!copy) {
		question_free(e, q);
		return;
	}
	memcpy(copy, out, (size_t)n);
	question_answered(e, q, copy, (size_t)n);
}

static int question_forward(struct dns_end *e, struct question *q,
			    const uint8_t *msg, size_t n)
{
	const struct dns_out_conf *conf = e->dial.ob->settings;
	struct addr to = q->peer;
	bool tcp = e->tcp;
	int rc;

	if (!e->pass) {
		if (conf->host.kind != ADDR_NONE) {
			to = conf->host;
			to.port = q->peer.port;
		}
		if (conf->port)
			to.port = conf->port;
		if (conf->net)
			tcp = conf->net == NET_TCP;
	}
	rc = fwd_open(&q->fwd, &e->dial, &to, tcp, msg, n);
	if (rc) {
		log_info("dns: forwarding: %s", strerror(-rc));
		return rc;
	}
	q->forwarded = true;
	if (!timer_armed(&e->timer))
		timer_set(&e->dial.worker->wheel, &e->timer, FWD_TIMEOUT_MS);
	return 0;
}

static struct question *question_new(struct dns_end *e, const struct addr *peer)
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->peer = *peer;
	if (peer->kind == ADDR_NAME) {
		q->name = strndup(peer->name, peer->len);
		if (!q->name) {
			free(q);
			return NULL;
		}
		q->peer.name = q->name;
	}
	list_add_tail(&e->pending, &q->node);
	e->count++;
	return q;
}

/* A whole message came */
static void message_take(struct dns_end *e, const struct addr *peer,
			 const uint8_t *msg, size_t n)
{
	const struct dns_out_conf *conf = e->dial.ob->settings;
	struct question *q = question_new(e, peer);
	int rc = -ENOTSUP;

	if (!q)
		return;
	q->serve.tcp = e->tcp;
	if (!e->pass)
		rc = dns_serve(e->dial.worker, e->dial.cfg, conf->rules,
			       &q->serve, e->dial.job, msg, n);
	if (rc == -ENOTSUP) {
		if (question_forward(e, q, msg, n))
			question_failed(e, q, msg, n);
		return;
	}
	if (rc == -EAGAIN)
		return;
	if (rc) {
		question_free(e, q);
		return;
	}
	question_answered(e, q, q->serve.answer, q->serve.answer_len);
	q->serve.answer = NULL;
}

/* Look which questions have got their answer */
static void end_poll(struct dns_end *e)
{
	struct list *p, *next;

	list_for_each_safe (p, next, &e->pending) {
		struct question *q = container_of(p, struct question, node);
		uint8_t *answer;
		size_t len;
		int rc;

		if (q->forwarded) {
			rc = fwd_run(&q->fwd, &answer, &len);
			if (!rc)
				question_answered(e, q, answer, len);
			else if (rc != -EAGAIN)
				question_failed(e, q, q->fwd.msg + 2,
						q->fwd.len - 2);
		} else if (!q->serve.rc) {
			question_answered(e, q, q->serve.answer,
					  q->serve.answer_len);
			q->serve.answer = NULL;
		} else if (q->serve.rc != -EAGAIN) {
			question_free(e, q);
		}
	}
}

static void end_timer(struct timer *t)
{
	struct dns_end *e = container_of(t, struct dns_end, timer);
	struct list *p;

	list_for_each (p, &e->pending)
		if (container_of(p, struct question, node)->forwarded) {
			timer_set(&e->dial.worker->wheel, t, 1000);
			break;
		}
	job_ready(e->dial.job);
}

static struct dns_end *end_new(const struct outbound *ob, struct session *s,
			       struct job *job, struct config *cfg)
{
	struct dns_end *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->dial = (struct dial){
		.worker = s->job.worker,
		.job = job,
		.cfg = cfg,
		.ob = ob,
	};
	e->pass = dns_own_tag(cfg->dns, s->inbound_tag);
	list_init(&e->pending);
	list_init(&e->ready);
	list_init(&e->sent);
	timer_init(&e->timer, end_timer);
	return e;
}

static void end_free(struct dns_end *e)
{
	timer_cancel(&e->timer);
	questions_free(e, &e->sent);
	questions_free(e, &e->pending);
	questions_free(e, &e->ready);
	free(e->rx);
	free(e);
}

/* --- TCP ---------------------------------------------------------------------- */

/* Copy bytes of the first ready answer, its length before it */
static size_t answer_copy(struct dns_end *e, uint8_t *p, size_t n)
{
	struct question *q = list_first(&e->ready, struct question, node);
	size_t did = 0, k;

	put_be16(q->prefix, (uint16_t)q->len);
	while (e->off < 2 && did < n)
		p[did++] = q->prefix[e->off++];
	if (e->off >= 2) {
		k = q->len - (e->off - 2);
		if (k > n - did)
			k = n - did;
		memcpy(p + did, q->answer + (e->off - 2), k);
		did += k;
		e->off += k;
		if (e->off == q->len + 2) {
			e->off = 0;
			question_free(e, q);
		}
	}
	return did;
}

static ssize_t dns_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct dns_end *e = container_of(s, struct dns_end, s);
	size_t n = 0;
	int i;

	end_poll(e);
	for (i = 0; i < cnt; i++) {
		uint8_t *p = iov[i].iov_base;
		size_t left = iov[i].iov_len, k;

		while (left && !list_empty(&e->ready)) {
			k = answer_copy(e, p, left);
			p += k;
			left -= k;
			n += k;
		}
	}
	if (n)
		return (ssize_t)n;
	return e->eof && list_empty(&e->pending) ? 0 : -EAGAIN;
}

/* Bytes of @p taken: fewer than @n when too many questions are under way */
static size_t stream_take(struct dns_end *e, const uint8_t *p, size_t n)
{
	size_t did = 0, want, k;

	while (did < n && e->count < e->max) {
		if (e->rx_got < 2) {
			e->head[e->rx_got++] = p[did++];
			continue;
		}
		want = get_be16(e->head);
		if (!e->rx && !(e->rx = malloc(want ? want : 1)))
			return did;
		k = want - (e->rx_got - 2);
		if (k > n - did)
			k = n - did;
		memcpy(e->rx + e->rx_got - 2, p + did, k);
		did += k;
		e->rx_got += k;
		if (e->rx_got - 2 < want)
			continue;
		message_take(e, &e->target, e->rx, want);
		free(e->rx);
		e->rx = NULL;
		e->rx_got = 0;
	}
	return did;
}

static ssize_t dns_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct dns_end *e = container_of(s, struct dns_end, s);
	size_t n = 0, k;
	int i;

	end_poll(e);
	for (i = 0; i < cnt; i++) {
		k = stream_take(e, iov[i].iov_base, iov[i].iov_len);
		n += k;
		if (k < iov[i].iov_len)
			break;
	}
	if (!list_empty(&e->ready))
		job_ready(s->job);
	return n || !cnt ? (ssize_t)n : -EAGAIN; /* of nothing: nothing waits */
}

static void dns_want(struct stream *s, unsigned int events)
{
	struct dns_end *e = container_of(s, struct dns_end, s);

	if ((events & ST_READ &&
	     (!list_empty(&e->ready) || (e->eof && list_empty(&e->pending)))) ||
	    (events & ST_WRITE && e->count < e->max))
		job_ready(s->job);
}

static bool dns_up(const struct stream *s)
{
	(void)s;
	return true;
}

static int dns_finish(struct stream *s)
{
	struct dns_end *e = container_of(s, struct dns_end, s);

	e->eof = true;
	return 0;
}

static void dns_close(struct stream *s, int why)
{
	(void)why;
	end_free(container_of(s, struct dns_end, s));
}

static const struct stream_ops dns_stream_ops = {
	.name = "dns",
	.readv = dns_readv,
	.writev = dns_writev,
	.want = dns_want,
	.up = dns_up,
	.finish = dns_finish,
	.close = dns_close,
};

static int dns_open(const struct outbound *ob, struct session *s,
		    struct stream **out)
{
	struct dns_end *e = end_new(ob, s, &s->job, s->cfg);

	if (!e)
		return -ENOMEM;
	e->s.ops = &dns_stream_ops;
	e->s.job = &s->job;
	e->dial.s = s;
	e->tcp = true;
	e->max = PENDING_STREAM;
	e->target = s->target;
	*out = &e->s;
	return 0;
}

/* --- UDP ---------------------------------------------------------------------- */

static int dns_recv(struct dgram *d, struct pkt *v, int max)
{
	struct dns_end *e = container_of(d, struct dns_end, d);
	struct question *q;
	int n = 0;

	questions_free(e, &e->sent);
	end_poll(e);
	for (; n < max && !list_empty(&e->ready); n++) {
		q = list_first(&e->ready, struct question, node);
		list_del(&q->node);
		list_add_tail(&e->sent, &q->node);
		v[n].peer = q->peer;
		v[n].data = q->answer;
		v[n].len = q->len;
	}
	return n ? n : -EAGAIN;
}

static int dns_send(struct dgram *d, const struct pkt *v, int n)
{
	struct dns_end *e = container_of(d, struct dns_end, d);
	int i;

	for (i = 0; i < n; i++) {
		if (e->count >= e->max) {
			worker_drop(e->dial.worker, DROP_UDP_QUEUE);
			continue;
		}
		message_take(e, &v[i].peer, v[i].data, v[i].len);
	}
	if (!list_empty(&e->ready))
		job_ready(d->job);
	return n;
}

static void dns_dwant(struct dgram *d, unsigned int events)
{
	struct dns_end *e = container_of(d, struct dns_end, d);

	if (events & ST_READ && !list_empty(&e->ready))
		job_ready(d->job);
}

static void dns_dclose(struct dgram *d)
{
	end_free(container_of(d, struct dns_end, d));
}

static const struct dgram_ops dns_dgram_ops = {
	.name = "dns",
	.recv = dns_recv,
	.send = dns_send,
	.want = dns_dwant,
	.close = dns_dclose,
};

static int dns_open_dgram(const struct outbound *ob, struct udp_map *m,
			  struct session *s, struct dgram **out)
{
	/* the leg holds it; the map's may be an older one */
	struct dns_end *e = end_new(ob, s, udp_map_job(m), s->cfg);

	if (!e)
		return -ENOMEM;
	e->d.ops = &dns_dgram_ops;
	e->d.job = udp_map_job(m);
	e->max = PENDING_DGRAM;
	*out = &e->d;
	return 0;
}

/* --- settings ------------------------------------------------------------------ */

/* The newer of two names of one key, when it is there */
static const char *key_of(struct jobj *o, const char *newer, const char *older)
{
	if (!j_get(o, newer))
		return older;
	j_ignore(o, older, NULL);
	return newer;
}

static int dns_out_parse(struct outbound *ob, struct jobj *settings,
			 struct config *cfg)
{
	static const struct jword nets[] = {
		{ "", 0 },
		{ "tcp", NET_TCP },
		{ "udp", NET_UDP },
	};
	struct dns_out_conf *conf = arena_alloc(&cfg->arena, sizeof(*conf));
	const char *key;
	struct addr a = { 0 };

	if (!conf)
		return -ENOMEM;
	ob->settings = conf;
	conf->rules = dns_rules_parse(settings);
	key = key_of(settings, "rewriteNetwork", "network");
	conf->net = (uint8_t)j_word(settings, key, nets, ARRAY_SIZE(nets), 0);
	key = key_of(settings, "rewritePort", "port");
	conf->port = (uint16_t)j_int(settings, key, 0, 0, 65535);
	key = key_of(settings, "rewriteAddress", "address");
	if (j_get(settings, key) && j_addr(settings, key, &a)) {
		if (a.kind == ADDR_NAME) {
			a.name = arena_strndup(&cfg->arena, a.name, a.len);
			if (!a.name)
				return -ENOMEM;
		}
		conf->host = a;
	}
	(void)j_int(settings, "userLevel", 0, 0, UINT32_MAX);
	return 0;
}

static void dns_out_drop(struct outbound *ob)
{
	struct dns_out_conf *conf = ob->settings;

	if (conf)
		dns_rules_free(conf->rules);
}

const struct outbound_ops out_dns = {
	.name = "dns",
	.answers = true,
	.parse = dns_out_parse,
	.open = dns_open,
	.open_dgram = dns_open_dgram,
	.drop = dns_out_drop,
};
