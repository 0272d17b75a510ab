/*
 * get.c - One HTTPS GET, by a worker (contract: get.h)
 *
 *	dial -> request -> head [-> redirect: dial again] -> body -> the thread's socket
 *
 * Bytes are read as fast as the thread writes them away. It ends in time whatever
 * the server does: there is a deadline, and a pace that must be kept.
 */
#include "gateway/assets/get.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/fd_stream.h"
#include "gateway/core/pair.h"

#define PIECE_BYTES 16384u
#define TURN_BYTES  (128u << 10)

/**
 * struct get - One of them
 * @node:	In the worker's list
 * @order:	NULL: it is over, and freed by @timer: sessions point to @names
 * @s, @sink:	From the server, to the thread
 * @names:	Hosts, one for each redirect
 * @mark:	Of @received, at the last look at the pace
 * @in, @out:	What was read and not understood yet; what is to be handed on
 */
struct get {
	struct job job; /* must be first */
	struct list node;
	struct timer timer;
	struct get_order *order;
	const struct assets *conf;
	struct config *cfg;
	struct stream *s, *sink;
	struct https_url url;
	struct addr to;
	char names[GET_HOPS_MAX + 1][256];
	unsigned int hops;
	uint32_t begun_ms, sent, request_len;
	uint64_t max, received, mark;
	uint32_t in_at, in_len, out_at, out_len;
	struct http_get answer;
	char etag[HTTP_GET_ETAG_MAX], request[HTTP_GET_REQUEST_MAX];
	uint8_t in[PIECE_BYTES], out[PIECE_BYTES];
};

static void get_free(struct get *g)
{
	timer_cancel(&g->timer);
	job_forget(&g->job);
	list_del(&g->node);
	config_unref(g->cfg);
	free(g);
}

/* The thread goes on */
static void tell(struct get_order *o, int rc)
{
	pthread_mutex_lock(&o->lock);
	o->rc = rc;
	o->done = true;
	pthread_cond_signal(&o->cond);
	pthread_mutex_unlock(&o->lock);
}

static void get_over(struct get *g, int rc)
{
	struct get_order *o = g->order;

	stream_close(&g->s, rc);
	stream_close(&g->sink, 0);
	g->order = NULL;
	timer_set(&g->job.worker->wheel, &g->timer, 1); /* a turn later */
	o->status = g->answer.status;
	memcpy(o->now, g->answer.etag, sizeof(o->now));
	tell(o, rc);
}

/* --- the connection ---------------------------------------------------------- */

static void set_target(struct get *g)
{
	char *name = g->names[g->hops];

	if (addr_parse_ip(&g->to, g->url.host) < 0) {
		memcpy(name, g->url.host, sizeof(g->url.host));
		g->to = addr_name(name, strlen(name), 0);
	}
	g->to.port = g->url.port;
}

/* To where g->url is. 0 or -errno */
static int get_dial(struct get *g)
{
	struct dial d = { .worker = g->job.worker,
			  .job = &g->job,
			  .cfg = g->cfg };
	int n = http_get_request(&g->url, g->etag, g->request,
				 sizeof(g->request));

	if (n < 0)
		return n;
	g->request_len = (uint32_t)n;
	g->sent = g->in_len = 0;
	http_get_begin(&g->answer, g->max);
	set_target(g);
	return transport_dial(&g->conf->tls, &d, &g->to, &g->s);
}

static int follow(struct get *g)
{
	const char *to = g->answer.location;
	int rc;

	if (g->hops == GET_HOPS_MAX)
		return -ELOOP;
	rc = https_url_follow(&g->url, to, strlen(to));
	if (rc < 0)
		return rc;
	g->hops++;
	log_debug("geodata: redirected to %s", g->url.host);
	stream_close(&g->s, -ECANCELED);
	return get_dial(g);
}

static int bottom_dial(const struct transport *t, const struct dial *d,
		       const struct addr *to, struct stream **out)
{
	const struct assets *a = t->settings;

	return pair_open_by(d->worker, d->job, &a->inbound, to, a->outbound,
			    out);
}

const struct transport_ops assets_bottom_ops = {
	.name = "geodata",
	.dial = bottom_dial,
};

/* --- its turn ---------------------------------------------------------------- */

/* 0 sent, -EAGAIN, -errno */
static int put_request(struct get *g)
{
	while (g->sent < g->request_len) {
		ssize_t n = stream_write(g->s, g->request + g->sent,
					 g->request_len - g->sent);

		if (n <= 0)
			return n ? (int)n : -EAGAIN;
		g->sent += (uint32_t)n;
	}
	return 0;
}

/* What was understood goes to the thread. 0, -EAGAIN, -errno */
static int put_body(struct get *g)
{
	while (g->out_len) {
		ssize_t n =
			stream_write(g->sink, g->out + g->out_at, g->out_len);

		if (n <= 0)
			return n ? (int)n : -EAGAIN;
		g->out_at += (uint32_t)n;
		g->out_len -= (uint32_t)n;
	}
	return 0;
}

/* What was read is understood. 0 or -errno */
static int take(struct get *g)
{
	size_t got;
	ssize_t used = http_get_take(&g->answer, g->in + g->in_at, g->in_len,
				     g->out, sizeof(g->out), &got);

	if (used < 0)
		return (int)used;
	g->in_at += (uint32_t)used;
	g->in_len -= (uint32_t)used;
	g->out_at = 0;
	g->out_len = (uint32_t)got;
	return 0;
}

/* 0, -EAGAIN, -errno */
static int get_more(struct get *g)
{
	ssize_t n = stream_read(g->s, g->in, sizeof(g->in));

	if (n < 0)
		return (int)n;
	if (n == 0)
		return http_get_end(&g->answer);
	g->received += (uint64_t)n;
	g->in_at = 0;
	g->in_len = (uint32_t)n;
	return 0;
}

/* The answer is there. 0: all of it went on; 1: another one is awaited; -errno */
static int answered(struct get *g)
{
	int rc;

	if (http_get_redirects(&g->answer)) {
		rc = follow(g);
		return rc < 0 ? rc : 1;
	}
	if (g->answer.status == 304 && g->etag[0])
		return 0;
	if (g->answer.status != 200)
		return -EBADMSG;
	return g->answer.size ? 0 : -ENODATA;
}

/* As far as it goes. 0: over; -EAGAIN, -errno */
static int go_on(struct get *g)
{
	uint64_t until = g->received + TURN_BYTES;
	int rc;

	while (g->received < until) {
		stream_shed(&g->s);
		rc = put_request(g);
		if (!rc)
			rc = put_body(g);
		if (!rc && g->answer.done) {
			rc = answered(g);
			if (rc <= 0)
				return rc;
			continue;
		}
		if (!rc)
			rc = g->in_len ? take(g) : get_more(g);
		if (rc)
			return rc;
	}
	job_ready(&g->job);
	return -EAGAIN;
}

static void get_want(struct get *g)
{
	unsigned int from = ST_READ;

	if (g->out_len)
		from = 0;
	else if (g->sent < g->request_len)
		from |= ST_WRITE;
	g->sink->ops->want(g->sink, g->out_len ? ST_WRITE : 0u);
	g->s->ops->want(g->s, from);
}

static void get_run(struct job *j)
{
	struct get *g = container_of(j, struct get, job);
	int rc;

	if (!g->order)
		return;
	rc = go_on(g);
	if (rc == -EAGAIN)
		get_want(g);
	else
		get_over(g, rc);
}

static void get_timer(struct timer *t)
{
	struct get *g = container_of(t, struct get, timer);
	struct worker *w = g->job.worker;
	uint32_t spent = w->now_ms - g->begun_ms, left;

	if (!g->order) {
		get_free(g);
		return;
	}
	if (spent >= g->conf->deadline_ms ||
	    g->received - g->mark < g->conf->pace_bytes) {
		get_over(g, -ETIMEDOUT);
		return;
	}
	g->mark = g->received;
	left = g->conf->deadline_ms - spent;
	timer_set(&w->wheel, t,
		  left < g->conf->pace_ms ? left : g->conf->pace_ms);
}

/* --- life -------------------------------------------------------------------- */

/* worker->rooms[ROOM_ASSETS] */
struct gets {
	struct list all;
};

/* The worker ends: no session is left */
static void gets_free(void *room)
{
	struct gets *all = room;

	while (all && !list_empty(&all->all)) {
		struct get *g = list_first(&all->all, struct get, node);

		if (g->order)
			get_over(g, -ECANCELED);
		get_free(g);
	}
	free(all);
}

static struct gets *gets_of(struct worker *w)
{
	struct gets *all = w->rooms[ROOM_ASSETS];

	if (all)
		return all;
	all = calloc(1, sizeof(*all));
	if (!all)
		return NULL;
	list_init(&all->all);
	w->rooms[ROOM_ASSETS] = all;
	w->room_free[ROOM_ASSETS] = gets_free;
	return all;
}

static struct get *get_new(struct worker *w, struct get_order *o)
{
	struct gets *all = gets_of(w);
	struct get *g = all ? calloc(1, sizeof(*g)) : NULL;

	if (!g)
		return NULL;
	g->job = (struct job){ .run = get_run, .worker = w };
	g->sink = fd_stream_new(w, o->fd, &g->job, false);
	if (!g->sink) {
		free(g);
		return NULL;
	}
	g->order = o;
	g->conf = o->conf;
	g->cfg = config_ref(o->cfg);
	g->url = *o->url;
	g->max = o->max;
	snprintf(g->etag, sizeof(g->etag), "%s", o->etag);
	timer_init(&g->timer, get_timer);
	list_add_tail(&all->all, &g->node);
	return g;
}

static void get_begin(struct worker *w, struct message *m)
{
	struct get_order *o = container_of(m, struct get_order, m);
	struct get *g = get_new(w, o);
	int rc;

	if (!g) {
		close(o->fd);
		tell(o, -ENOMEM);
		return;
	}
	g->begun_ms = w->now_ms;
	timer_set(&w->wheel, &g->timer, g->conf->pace_ms);
	rc = get_dial(g);
	if (rc < 0)
		get_over(g, rc);
	else
		job_ready(&g->job);
}

static void cancel_all(struct worker *w, struct message *m)
{
	struct gets *all = w->rooms[ROOM_ASSETS];
	struct list *at;

	free(m);
	if (!all)
		return;
	list_for_each (at, &all->all) {
		struct get *g = container_of(at, struct get, node);

		if (g->order)
			get_over(g, -ECANCELED);
	}
}

/* --- the thread's side ------------------------------------------------------- */

void get_start(struct worker *w, struct get_order *o)
{
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->cond, NULL);
	o->done = false;
	o->status = 0;
	o->now[0] = '\0';
	o->m.fn = get_begin;
	worker_post(w, &o->m);
}

void get_cancel(struct worker *w)
{
	struct message *m = calloc(1, sizeof(*m));

	if (!m)
		return; /* it has its deadline */
	m->fn = cancel_all;
	worker_post(w, m);
}

void get_wait(struct get_order *o)
{
	pthread_mutex_lock(&o->lock);
	while (!o->done)
		pthread_cond_wait(&o->cond, &o->lock);
	pthread_mutex_unlock(&o->lock);
	pthread_cond_destroy(&o->cond);
	pthread_mutex_destroy(&o->lock);
}

const char *get_why(const struct get_order *o, char buf[96])
{
	switch (-o->rc) {
	case EBADMSG:
		snprintf(buf, 96, "HTTP status %u", o->status);
		return buf;
	case EMSGSIZE:
		snprintf(buf, 96, "larger than %llu KiB",
			 (unsigned long long)o->max >> 10);
		return buf;
	case ELOOP:
		return "redirected too often";
	case EPROTONOSUPPORT:
		return "redirected to what is not https";
	case EPROTO:
		return "the answer is no HTTP that is understood";
	case ENODATA:
		return "the answer is empty";
	case ETIMEDOUT:
		return "too slow";
	default:
		return strerror(-o->rc);
	}
}
