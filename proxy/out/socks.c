/*
 * socks.c - SOCKS5 client: a layer that is spent after its handshake
 *
 *   METHOD  greeting sent                      <- 05 method
 *   AUTH    password sent (method 02 only)     <- 01 00
 *   REPLY   request sent                       <- 05 rep 00 address
 *   DONE    spent: sheds to what is below
 *
 * The messages after the greeting are known beforehand, so they leave together
 * with it: one round trip instead of two or three. RFC 1928 does not promise
 * that a server bears this: dante does, microsocks 1.0.3 throws away what came
 * with the greeting. So it is learned for each server: as long as it is unknown, a
 * request that is not answered a second after the greeting was, or that ends
 * the connection, is made once more step by step over a new connection; what
 * answered decides. Client bytes wait for the reply: a server may throw away
 * those too, and nobody would notice.
 *
 * Reads take no byte behind the reply, so the layer never holds payload. The
 * handshake's deadline is the session's (absolute, until up()).
 * Source: RFC 1928, RFC 1929; xray.md sections K and 2.1
 */
#include "proxy/out/socks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "proxy/out/out.h"
#include "proxy/wire/socks5.h"

#define ANSWER_MS 1000u /* see above */
#define HELLO_MAX (3 + 513 + 3 + ADDR_WIRE_MAX)

enum socks_state { SOCKS_METHOD, SOCKS_AUTH, SOCKS_REPLY, SOCKS_DONE };

/**
 * struct socks - The layer; s.below is the connection to the server
 * @dial:	For a second connection; its job is s.job
 * @id:		Session, for messages
 * @pipelined:	All messages are in @out from the start
 * @unsure:	Pipelined while it is unknown whether the server bears it
 * @err:	Final -errno; 0 while it goes on
 * @out:	Messages not sent yet
 * @in, @in_len:	Bytes of the message being read
 */
struct socks {
	struct stream s;
	struct socks_conf *conf;
	struct dial dial;
	struct timer timer;
	const struct addr *target;
	struct buf *out;
	uint32_t id;
	uint8_t cmd;
	uint8_t state;
	bool pipelined, unsure, impatient;
	int err;
	size_t in_len;
	uint8_t in[SOCKS5_REPLY_MAX];
	struct socks5_reply reply;
};

static struct socks *socks_of(struct stream *s)
{
	return container_of(s, struct socks, s);
}

/* The message of the present state into @out. 0 or -errno */
static int put_message(struct socks *k, enum socks_state state)
{
	const struct socks_conf *c = k->conf;

	if (state == SOCKS_METHOD)
		return socks5_put_greeting(k->out, c->user ? SOCKS5_PASSWORD :
							     SOCKS5_NO_AUTH);
	if (state == SOCKS_AUTH)
		return socks5_put_auth(k->out, c->user, c->pass);
	return socks5_put_request(k->out, k->cmd, k->target);
}

/* Forget all progress and fill @out anew */
static int start_over(struct socks *k)
{
	int rc;

	buf_drop(k->out, k->out->len);
	k->state = SOCKS_METHOD;
	k->in_len = 0;
	rc = put_message(k, SOCKS_METHOD);
	if (!rc && k->pipelined && k->conf->user)
		rc = put_message(k, SOCKS_AUTH);
	if (!rc && k->pipelined)
		rc = put_message(k, SOCKS_REPLY);
	return rc;
}

static void learn(struct socks *k, enum socks_pipeline what)
{
	int old = atomic_exchange(&k->conf->pipeline, (int)what);

	if (old != (int)what && what != PIPELINE_UNKNOWN)
		log_info("s%x socks: server %s pipelined requests", k->id,
			 what == PIPELINE_YES ? "takes" : "does not take");
}

/* A new connection, step by step */
static int redial(struct socks *k)
{
	struct stream *below;
	int rc;

	timer_cancel(&k->timer);
	k->unsure = k->pipelined = k->impatient = false;
	k->dial.job = k->s.job;
	rc = transport_dial(k->dial.ob->transport, &k->dial,
			    &k->conf->server.server, &below);
	if (rc < 0)
		return rc;
	stream_close(&k->s.below, -ECANCELED);
	k->s.below = below;
	return start_over(k);
}

/* 0 all sent, -EAGAIN, -errno */
static int flush_out(struct socks *k)
{
	while (k->out->len) {
		ssize_t n =
			stream_write(k->s.below, buf_head(k->out), k->out->len);

		if (n < 0)
			return (int)n;
		buf_drop(k->out, (size_t)n);
	}
	return 0;
}

/* How long the message awaited is, as far as known */
static size_t message_size(const struct socks *k)
{
	return k->state == SOCKS_REPLY ? socks5_reply_size(k->in, k->in_len) :
					 2;
}

/* A message is complete: 0 go on, -errno */
static int next_state(struct socks *k, enum socks_state state)
{
	k->state = (uint8_t)state;
	k->in_len = 0;
	if (k->unsure && !timer_armed(&k->timer))
		timer_set(&k->dial.worker->wheel, &k->timer, ANSWER_MS);
	return k->pipelined ? 0 : put_message(k, state);
}

static int take_method(struct socks *k)
{
	uint8_t want = k->conf->user ? SOCKS5_PASSWORD : SOCKS5_NO_AUTH;
	uint8_t got = 0;

	if (socks5_get_method(k->in, k->in_len, &got) < 0) {
		log_info("s%x socks: version %u, want 5", k->id, k->in[0]);
		return -EPROTO;
	}
	if (got != want) {
		log_info("s%x socks: server wants method 0x%02x, not 0x%02x",
			 k->id, got, want);
		return got == SOCKS5_NO_METHOD ? -EPERM : -EPROTO;
	}
	return next_state(k, k->conf->user ? SOCKS_AUTH : SOCKS_REPLY);
}

static int take_auth(struct socks *k)
{
	bool ok = false;

	if (socks5_get_auth_reply(k->in, k->in_len, &ok) < 0 || !ok) {
		log_info("s%x socks: user or password refused", k->id);
		return -EPERM;
	}
	return next_state(k, SOCKS_REPLY);
}

static int take_reply(struct socks *k)
{
	ssize_t n = socks5_get_reply(k->in, k->in_len, &k->reply);
	int err;

	if (n < 0) {
		log_info("s%x socks: malformed reply", k->id);
		return -EPROTO;
	}
	if (k->pipelined)
		learn(k, PIPELINE_YES);
	else if (atomic_load(&k->conf->pipeline) == PIPELINE_UNKNOWN)
		learn(k, PIPELINE_NO);
	k->unsure = false;
	timer_cancel(&k->timer);
	err = socks5_rep_errno(k->reply.rep);
	if (err < 0) {
		log_info("s%x socks: server says %u", k->id, k->reply.rep);
		return err == -EACCES ? -EPERM : err;
	}
	k->state = SOCKS_DONE;
	buf_free(k->out);
	k->out = NULL;
	return 0;
}

static int take_message(struct socks *k)
{
	if (k->state == SOCKS_METHOD)
		return take_method(k);
	return k->state == SOCKS_AUTH ? take_auth(k) : take_reply(k);
}

/* Send, receive, go on, until something must be waited for */
static int advance(struct socks *k)
{
	stream_shed(&k->s.below);
	while (k->state != SOCKS_DONE) {
		size_t size = message_size(k);
		int rc = flush_out(k);
		ssize_t n;

		if (rc < 0 && rc != -EAGAIN)
			return rc;
		n = stream_read(k->s.below, k->in + k->in_len,
				size - k->in_len);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return -ECONNRESET;
		k->in_len += (size_t)n;
		/* The size may have grown with what was read */
		if (k->in_len < message_size(k))
			continue;
		rc = take_message(k);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Does failure @rc perhaps come from pipelining? */
static bool pipeline_suspect(const struct socks *k, int rc)
{
	if (!k->unsure || !k->s.below->ops->up(k->s.below))
		return false;
	return rc == -EAGAIN ? k->impatient : rc != -EPERM;
}

/* 0 done, -EAGAIN, or final -errno */
static int socks_step(struct socks *k)
{
	int rc;

	if (k->state == SOCKS_DONE)
		return 0;
	if (k->err)
		return k->err;
	rc = advance(k);
	if (rc < 0 && pipeline_suspect(k, rc)) {
		rc = redial(k);
		if (!rc)
			rc = advance(k);
	}
	if (rc < 0 && rc != -EAGAIN) {
		timer_cancel(&k->timer);
		k->err = rc;
	}
	return rc;
}

static void socks_due(struct timer *t)
{
	struct socks *k = container_of(t, struct socks, timer);

	k->impatient = true;
	job_ready(k->s.job);
}

static ssize_t socks_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	int rc = socks_step(socks_of(s));

	return rc < 0 ? rc : s->below->ops->readv(s->below, iov, cnt);
}

static ssize_t socks_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	int rc = socks_step(socks_of(s));

	return rc < 0 ? rc : s->below->ops->writev(s->below, iov, cnt);
}

static void socks_want(struct stream *s, unsigned int events)
{
	struct socks *k = socks_of(s);

	if (k->state != SOCKS_DONE)
		events = ST_READ | (k->out->len ? ST_WRITE : 0);
	s->below->ops->want(s->below, events);
}

static bool socks_up(const struct stream *s)
{
	const struct socks *k = (const struct socks *)(const void *)s;

	return k->state == SOCKS_DONE && s->below->ops->up(s->below);
}

static int socks_finish(struct stream *s)
{
	int rc = socks_step(socks_of(s));

	return rc < 0 ? rc : s->below->ops->finish(s->below);
}

static void socks_free(struct socks *k)
{
	timer_cancel(&k->timer);
	buf_free(k->out);
	free(k);
}

static void socks_close(struct stream *s, int why)
{
	struct socks *k = socks_of(s);

	/* Given up while a pipelined request hangs: is it another server now? */
	if (k->pipelined && !k->unsure && !k->err &&
	    (k->state == SOCKS_AUTH || k->state == SOCKS_REPLY))
		learn(k, PIPELINE_UNKNOWN);
	stream_close(&k->s.below, why);
	socks_free(k);
}

static struct stream *socks_shed(struct stream *s)
{
	struct socks *k = socks_of(s);
	struct stream *below;

	if (k->cmd != SOCKS5_CONNECT || socks_step(k) < 0)
		return NULL;
	below = s->below;
	socks_free(k);
	return below;
}

static const struct stream_ops socks_ops = {
	.name = "socks",
	.readv = socks_readv,
	.writev = socks_writev,
	.want = socks_want,
	.up = socks_up,
	.finish = socks_finish,
	.close = socks_close,
	.shed = socks_shed,
};

int socks_dial(struct socks_conf *conf, const struct dial *d, uint8_t cmd,
	       const struct addr *target, struct stream **out)
{
	struct socks *k = calloc(1, sizeof(*k));
	int learned = atomic_load(&conf->pipeline);
	int rc = -ENOMEM;

	if (!k)
		return rc;
	k->s = (struct stream){ .ops = &socks_ops, .job = d->job };
	k->conf = conf;
	k->dial = *d;
	k->cmd = cmd;
	k->target = target;
	k->id = d->s ? d->s->id : 0;
	k->pipelined = learned != PIPELINE_NO;
	k->unsure = learned == PIPELINE_UNKNOWN;
	timer_init(&k->timer, socks_due);
	k->out = buf_new(HELLO_MAX);
	if (k->out)
		rc = start_over(k);
	if (!rc)
		rc = transport_dial(d->ob->transport, d, &conf->server.server,
				    &k->s.below);
	if (rc < 0) {
		socks_free(k);
		return rc;
	}
	*out = &k->s;
	return 0;
}

int socks_relay(struct stream *s, struct addr *relay)
{
	struct socks *k = socks_of(s);
	int rc = socks_step(k);

	if (rc < 0)
		return rc;
	*relay = k->reply.bound;
	return 0;
}

static int socks_open(const struct outbound *ob, struct session *s,
		      struct stream **out)
{
	struct dial d = server_dial(ob, s);

	return socks_dial(ob->settings, &d, SOCKS5_CONNECT, &s->target, out);
}

/* --- settings --- */

static int keep_text(struct jobj *o, const char *key, struct arena *a,
		     const char **out)
{
	const char *s = j_str(o, key, NULL);

	if (!s)
		return 0;
	if (strlen(s) > 255) {
		diag_error(o->d, o->node, key, "at most 255 bytes");
		return 0;
	}
	*out = arena_strdup(a, s);
	return *out ? 0 : -ENOMEM;
}

static int socks_user(struct jobj *u, struct server_conf *server,
		      struct arena *a)
{
	struct socks_conf *conf =
		container_of(server, struct socks_conf, server);
	int rc = keep_text(u, "user", a, &conf->user);

	if (!rc)
		rc = keep_text(u, "pass", a, &conf->pass);
	if (!rc && conf->user && !conf->pass)
		conf->pass = "";
	return rc;
}

static int socks_parse(struct outbound *ob, struct jobj *settings,
		       struct config *cfg)
{
	static const struct server_form form = {
		.list = "servers",
		.answers = true,
		.user = socks_user,
		.conf_bytes = sizeof(struct socks_conf),
	};

	return server_parse(ob, settings, cfg, &form);
}

const struct outbound_ops out_socks = {
	.name = "socks",
	.parse = socks_parse,
	.open = socks_open,
	.open_dgram = socks_open_dgram,
};
