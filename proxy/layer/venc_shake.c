/*
 * venc_shake.c - The handshake of VLESS encryption over a stream
 *
 *   client  DIAL: hello, padding in pieces -> ANSWER -> chunks
 *   server  FRONT -> ASK: answer, padding in pieces -> PADLEN -> PADDING -> chunks
 *		   -> TICKET -> chunks; unknown: noise, then MUTE
 *		   -> MUTE when anything is wrong
 *
 * No byte behind the handshake is read. What is said goes in pieces with pauses,
 * as the padding's settings want; what comes is understood meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "proxy/layer/venc_int.h"

#define NOISE_MIN  1279u /* what Xray answers to a ticket it does not know */
#define NOISE_MORE 1000u

#define ANSWER_BYTES (VENC_ANSWER_BYTES + VENC_TICKET_BYTES + VENC_LENGTH_BYTES)

static int shake_fail(struct venc *v, int err)
{
	v->c.err = err;
	return err;
}

/* --- saying ------------------------------------------------------------------- */

/* Pieces go down as far as they may. 0 nothing is left, -EAGAIN, -errno */
static int say(struct venc *v)
{
	while (v->say) {
		uint32_t *left = &v->plan.len[v->at];
		ssize_t n = 0;

		if (timer_armed(&v->gap))
			return -EAGAIN;
		if (*left)
			n = stream_write(v->c.s.below, buf_head(v->say), *left);
		if (n < 0)
			return (int)n;
		buf_drop(v->say, (size_t)n);
		*left -= (uint32_t)n;
		if (*left)
			continue;
		if (v->at < v->plan.gaps && v->plan.gap_ms[v->at])
			timer_set(&v->c.worker->wheel, &v->gap,
				  v->plan.gap_ms[v->at]);
		if (++v->at < v->plan.lens)
			continue;
		buf_free(v->say);
		v->say = NULL;
	}
	return timer_armed(&v->gap) ? -EAGAIN : 0;
}

/* @n bytes at the tail of @say, padding included, go as @plan says */
static void say_planned(struct venc *v, size_t n)
{
	v->say->len = (uint32_t)n;
	v->plan.len[0] += (uint32_t)n - v->plan.bytes;
	v->at = 0;
}

/* A client's hello. 0, -EAGAIN (no connection yet), -errno */
static int dial(struct venc *v)
{
	struct stream *b = v->c.s.below;
	ssize_t n;

	if (!b->ops->up(b)) {
		n = b->ops->writev(b, NULL, 0);
		if (n < 0)
			return (int)n;
		if (!b->ops->up(b))
			return -EAGAIN;
	}
	venc_plan(&v->conf->padding, rand_below, &v->plan);
	v->say = buf_new(venc_front_bytes(v->conf) + VENC_ASK_BYTES +
			 v->plan.bytes);
	if (!v->say)
		return -ENOMEM;
	n = venc_client_hello(v->k, v->conf, NULL, v->plan.bytes, v->say->data,
			      v->say->cap);
	if (n < 0)
		return (int)n;
	say_planned(v, (size_t)n);
	v->step = VENC_ANSWER;
	v->need = ANSWER_BYTES;
	return 0;
}

/* --- understanding ------------------------------------------------------------- */

static void shake_over(struct venc *v)
{
	v->step = VENC_DONE;
	v->need = 0;
	v->c.opened = v->c.lazy;
	v->c.started = v->c.head_out = !v->c.lazy;
}

/* Nothing is said to who does not have the keys, and all is swallowed */
static int mute(struct venc *v, const char *why)
{
	log_debug("s%x vless encryption: %s", v->c.id, why);
	venc_keys_drop(v);
	v->step = VENC_MUTE;
	v->need = 0;
	return 0;
}

static int client_answer(struct venc *v, uint8_t *p)
{
	struct venc_ticket_key t;
	int rc = venc_client_answer(v->k, p), seconds, skip;

	p += VENC_ANSWER_BYTES;
	seconds = rc ? rc : venc_client_ticket(v->k, p, &t);
	p += VENC_TICKET_BYTES;
	skip = seconds < 0 ? seconds : venc_open_length(&v->k->rx, p);
	if (skip < 0) {
		log_info("s%x vless: the server does not have the key",
			 v->c.id);
		return skip;
	}
	if (seconds > 0 && v->known)
		venc_known_put(v->known, &t, (uint32_t)seconds);
	wipe(&t, sizeof(t));
	if (skip && skip < AEAD_TAG_BYTES)
		return -EPROTO;
	v->skip = (uint32_t)skip;
	venc_take_keys(v);
	shake_over(v);
	return 0;
}

static int server_front(struct venc *v, uint8_t *p)
{
	int n = venc_server_front(v->k, v->conf, p);

	if (n == -ENOMEM)
		return n;
	if (n < 0)
		return mute(v, "a client without the key");
	v->step = n == VENC_TICKET_BYTES ? VENC_TICKET : VENC_ASK;
	v->need = (size_t)n;
	return 0;
}

/* Noise that is no record: the client knows by it that its ticket is over */
static int say_noise(struct venc *v)
{
	size_t n = NOISE_MIN + rand_below(NOISE_MORE);

	v->say = buf_new(n);
	if (!v->say)
		return -ENOMEM;
	rand_bytes(v->say->data, n);
	v->say->data[0] |= 0x80; /* a record begins with 23 */
	v->say->data[VENC_RANDOM_BYTES] |= 0x80;
	memset(&v->plan, 0, sizeof(v->plan));
	v->plan.lens = 1;
	say_planned(v, n);
	return mute(v, "a ticket that is over");
}

static const uint8_t *owner(const struct venc_conf_key *c)
{
	return c->relay[c->relays - 1].hash;
}

static int server_ticket(struct venc *v, uint8_t *p)
{
	struct venc_ticket_key t;
	enum venc_use use = VENC_USE_UNKNOWN;
	bool wanted = v->conf->seconds_from || v->conf->seconds_to;
	int rc = venc_server_ticket(v->k, p, t.id);

	if (rc < 0)
		return rc == -ENOMEM ? rc : mute(v, "a ticket cut short");
	if (wanted)
		use = venc_ticket_use(owner(v->conf), v->k->nfs, &t);
	if (use == VENC_USE_UNKNOWN)
		return say_noise(v);
	if (use == VENC_USE_AGAIN)
		rc = mute(v, "a hello that came before");
	else
		rc = venc_server_resume(v->k, t.pfs, v->first);
	wipe(&t, sizeof(t));
	if (rc < 0 || use == VENC_USE_AGAIN)
		return rc;
	v->first_len = VENC_RANDOM_BYTES;
	venc_take_keys(v);
	shake_over(v);
	return 0;
}

/* How long the ticket lives that is given out; 0: none is */
static uint32_t ticket_seconds(const struct venc_conf_key *c)
{
	if (!c->seconds_to)
		return c->seconds_from * (50 + rand_below(50)) / 100;
	return rand_between(c->seconds_from, c->seconds_to);
}

static int server_ask(struct venc *v, uint8_t *p)
{
	const struct venc_conf_key *c = v->conf;
	uint32_t seconds = ticket_seconds(c);
	struct venc_ticket_key t;
	ssize_t n;
	int rc = venc_server_ask(v->k, p, v->need);

	if (rc < 0)
		return rc == -ENOMEM ? rc : mute(v, "keys that are none");
	venc_plan(&c->padding, rand_below, &v->plan);
	v->say = buf_new(VENC_ANSWER_BYTES + VENC_TICKET_BYTES + v->plan.bytes);
	if (!v->say)
		return -ENOMEM;
	n = venc_server_answer(v->k, seconds, v->plan.bytes, &t, v->say->data,
			       v->say->cap);
	if (n > 0 && seconds)
		rc = venc_ticket_give(owner(c), &t,
				      c->seconds_to > c->seconds_from ?
					      c->seconds_to :
					      c->seconds_from);
	wipe(&t, sizeof(t));
	if (n < 0 || rc < 0)
		return n < 0 ? (int)n : rc;
	say_planned(v, (size_t)n);
	v->step = VENC_PADLEN;
	v->need = VENC_LENGTH_BYTES;
	return 0;
}

static int server_padlen(struct venc *v, uint8_t *p)
{
	int n = venc_open_length(&v->k->hello, p);

	if (n < AEAD_TAG_BYTES)
		return mute(v, "no length of a padding");
	v->step = VENC_PADDING;
	v->need = (size_t)n;
	return 0;
}

static int server_padding(struct venc *v, uint8_t *p)
{
	if (venc_open_piece(&v->k->hello, p, v->need) < 0)
		return mute(v, "a padding that does not open");
	venc_take_keys(v);
	shake_over(v);
	return 0;
}

/* All @need bytes are there. 0 or -errno */
static int understand(struct venc *v, uint8_t *p)
{
	switch (v->step) {
	case VENC_FRONT:
		return server_front(v, p);
	case VENC_TICKET:
		return server_ticket(v, p);
	case VENC_ASK:
		return server_ask(v, p);
	case VENC_PADLEN:
		return server_padlen(v, p);
	case VENC_PADDING:
		return server_padding(v, p);
	case VENC_ANSWER:
		return client_answer(v, p);
	case VENC_DIAL:
	case VENC_MUTE:
	case VENC_DONE:
		break;
	}
	return -EPROTO;
}

/* --- the stream ---------------------------------------------------------------- */

/* Bytes of a stranger. -EAGAIN, -errno; never more */
static int swallow(struct venc *v)
{
	uint8_t junk[1024];
	size_t used = 0;
	ssize_t n;

	do {
		n = stream_read(v->c.s.below, junk, sizeof(junk));
		used += n > 0 ? (size_t)n : 0;
	} while (n > 0 && used < WORKER_MUTE_BYTES);
	if (n > 0)
		job_ready(v->c.s.job);
	return n > 0 ? -EAGAIN : n ? (int)n : -ECONNRESET;
}

/* One read. 0 something came, -EAGAIN, -errno */
static int hear(struct venc *v)
{
	ssize_t n;
	int rc = 0;

	if (!v->in)
		v->in = buf_new(v->need);
	if (!v->in)
		return -ENOMEM;
	n = stream_read(v->c.s.below, buf_tail(v->in), v->need - v->in->len);
	if (n == 0)
		log_info("s%x vless encryption: the connection ended within "
			 "the handshake",
			 v->c.id);
	if (n == 0)
		return -ECONNRESET;
	if (n > 0)
		v->in->len += (uint32_t)n;
	if (n > 0 && v->in->len == v->need) {
		struct buf *b = v->in;

		v->in = NULL;
		rc = understand(v, buf_head(b));
		wipe(b->data, b->cap);
		buf_free(b);
	} else if (n < 0 && !v->in->len) { /* waiting costs no buffer */
		buf_free(v->in);
		v->in = NULL;
	}
	return n < 0 ? (int)n : rc;
}

/* As far as it goes. 0: the handshake is over, -EAGAIN, -errno */
static int shake(struct venc *v)
{
	int said, rc = v->c.err;

	stream_shed(&v->c.s.below);
	while (!rc && v->step != VENC_DONE) {
		if (v->step == VENC_DIAL)
			rc = dial(v);
		said = rc ? rc : say(v);
		if (said < 0 && said != -EAGAIN)
			rc = said;
		if (!rc)
			rc = v->step == VENC_MUTE ? swallow(v) : hear(v);
	}
	said = rc && rc != -EAGAIN ? rc : say(v);
	if (said < 0 && (rc == 0 || said != -EAGAIN))
		rc = said;
	if (rc < 0)
		return rc == -EAGAIN ? rc : shake_fail(v, rc);
	v->c.s.ops = v->chunk_ops;
	return 0;
}

static struct venc *shaking(struct stream *s)
{
	return venc_of(container_of(s, struct chunk, s));
}

static ssize_t shake_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	int rc = shake(shaking(s));

	return rc < 0 ? rc : s->ops->readv(s, iov, cnt);
}

static ssize_t shake_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	int rc = shake(shaking(s));

	return rc < 0 ? rc : s->ops->writev(s, iov, cnt);
}

static int shake_finish(struct stream *s)
{
	int rc = shake(shaking(s));

	return rc < 0 ? rc : s->ops->finish(s);
}

static void shake_want(struct stream *s, unsigned int events)
{
	struct venc *v = shaking(s);
	struct stream *b = s->below;

	(void)events;
	events = v->step == VENC_DONE ? 0 : ST_READ;
	if ((v->say && !timer_armed(&v->gap)) || !b->ops->up(b))
		events |= ST_WRITE;
	b->ops->want(b, events);
}

static bool shake_up(const struct stream *s)
{
	(void)s;
	return false;
}

/* Reading ahead can be forbidden already; nothing else ends before it began */
static int shake_bare(struct stream *s, unsigned int dir)
{
	return dir & (ST_READ | ST_WRITE) ? -EAGAIN :
					    shaking(s)->chunk_ops->bare(s, dir);
}

static void shake_close(struct stream *s, int why)
{
	/* what was said may not be whole: no end in order */
	shaking(s)->chunk_ops->close(s, why);
}

const struct stream_ops venc_shake_ops = {
	.name = "vless encryption",
	.readv = shake_readv,
	.writev = shake_writev,
	.want = shake_want,
	.up = shake_up,
	.finish = shake_finish,
	.close = shake_close,
	.bare = shake_bare,
};
