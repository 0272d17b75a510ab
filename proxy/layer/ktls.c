/*
 * ktls.c - A stream in records of TLS 1.3 that the kernel makes and opens
 *
 * Each read says of which type its record was. What is no data ends, warns, or
 * brings a new key; there is none of it in the bytes that are spliced, for then
 * splice(2) says -EINVAL and the relay reads.
 *
 * An end without close_notify is a cut, as in records.c. Behind a KeyUpdate the
 * kernel must get the next key; one that takes no second key (before Linux 6.14)
 * cannot follow: that flow is cut, with nothing lost before it.
 */
#include "proxy/layer/ktls.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "proxy/layer/records.h"

#define LOOK_MS 1000u /* between two looks at how old our key is */

/**
 * struct ktls - The layer
 * @kernel:	Who does the records
 * @worker:	For the clock
 * @watch:	Of the socket below
 * @tx, @rx:	Secrets, for the next keys; the keys are the kernel's
 * @name, @alpn:	Of records.h, owned; NULL none
 * @post:	What came that is no data
 * @id:		Session, for messages
 * @looked_ms:	When the age of our key was asked for
 * @err:	Final -errno; 0. @tx_err: of writing, which reading tells when nothing
 *		more comes
 * @idle:	Records without data since the last with some
 * @update:	Our next key is to be taken, and said before anything else
 * @ended:	finish was asked for; @end_said: close_notify is written
 * @eof:	The other side said close_notify; @end_read: that was read
 */
struct ktls {
	struct stream s;
	const struct ktls_kernel *kernel;
	struct worker *worker;
	struct watch *watch;
	struct tls13_dir tx, rx;
	char *name, *alpn;
	struct tls13_post post;
	uint32_t id, looked_ms;
	int err, tx_err;
	uint8_t idle;
	bool update, ended, end_said, eof, end_read;
};

static atomic_bool refused_once;

static struct ktls *ktls_of(struct stream *s)
{
	return container_of(s, struct ktls, s);
}

static int ktls_fail(struct ktls *k, int err)
{
	if (err != -EAGAIN)
		k->err = err;
	return err;
}

/* --- writing ------------------------------------------------------------------ */

/* Nothing can be written any more; what was received can be read */
static int write_fail(struct ktls *k, int err)
{
	if (err != -EAGAIN)
		k->tx_err = err;
	return err;
}

static int write_err(const struct ktls *k)
{
	return k->err ? k->err : k->tx_err;
}

/* One record that is no data. 0, -EAGAIN, -errno */
static int say(struct ktls *k, enum tls_content type, const uint8_t *p,
	       size_t n)
{
	int rc;

	if (!(k->watch->ready & ST_WRITE))
		return -EAGAIN;
	rc = k->kernel->say(k->watch->fd, type, p, n);
	if (rc == -EAGAIN)
		watch_used_up(k->watch, ST_WRITE);
	return write_fail(k, rc);
}

/* What was written is TCP's. 0 or -EAGAIN */
static int drained(struct ktls *k)
{
	if (k->kernel->drained(k->watch->fd))
		return 0;
	watch_used_up(k->watch, ST_WRITE);
	return -EAGAIN;
}

/* The key is changed for its age, too, where the kernel takes another */
static void look_at_age(struct ktls *k)
{
	uint32_t now = k->worker->now_ms;

	if (k->update || now - k->looked_ms < LOOK_MS)
		return;
	k->looked_ms = now;
	k->update = k->kernel->rekeys() &&
		    k->kernel->sent(k->watch->fd, &k->tx) >= TLS13_KEY_RECORDS;
}

/* The next key of @d to the kernel. 0 or -errno */
static int next_key(struct ktls *k, unsigned int dir, struct tls13_dir *d)
{
	int rc = tls13_dir_next(d);

	aead_key_drop(&d->key);
	return rc ? rc : k->kernel->give(k->watch->fd, dir, d);
}

/* A KeyUpdate that is due. 0, -EAGAIN, -errno */
static int put_update(struct ktls *k)
{
	int rc;

	if (!k->update)
		return 0;
	rc = say(k, TLS_HANDSHAKE, tls13_update, sizeof(tls13_update));
	if (rc)
		return rc;
	k->update = false;
	return write_fail(k, next_key(k, ST_WRITE, &k->tx));
}

static ssize_t ktls_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct ktls *k = ktls_of(s);
	int rc = write_err(k);
	ssize_t n;

	if (!rc && k->ended)
		rc = -EPIPE;
	look_at_age(k);
	if (!rc)
		rc = put_update(k);
	if (!rc && !cnt)
		rc = drained(k);
	if (rc || !cnt)
		return rc;
	n = s->below->ops->writev(s->below, iov, cnt);
	return n < 0 ? write_fail(k, (int)n) : n;
}

/* close_notify, once, when nothing waits before it. 0, -EAGAIN, -errno */
static int put_end(struct ktls *k)
{
	static const uint8_t end[2] = { TLS13_WARNING, TLS13_CLOSE_NOTIFY };
	int rc;

	if (k->end_said)
		return 0;
	rc = drained(k);
	if (!rc)
		rc = say(k, TLS_ALERT, end, sizeof(end));
	k->end_said = !rc;
	return rc;
}

static int ktls_finish(struct stream *s)
{
	struct ktls *k = ktls_of(s);
	int rc = write_err(k);

	k->ended = true;
	if (!rc)
		rc = put_update(k);
	if (!rc)
		rc = put_end(k);
	if (!rc)
		rc = drained(k); /* a FIN would go before what waits */
	return rc ? rc : s->below->ops->finish(s->below);
}

/* Of no use if it fails: the connection is cut all the same */
static void put_fault(struct ktls *k, uint8_t what)
{
	const uint8_t msg[2] = { TLS13_FATAL, what };

	if (!k->end_said && !k->tx_err)
		(void)say(k, TLS_ALERT, msg, sizeof(msg));
}

/* --- reading ------------------------------------------------------------------ */

/* @err is final, and the other side's fault: it is told. @err */
static int wrong(struct ktls *k, const char *why, uint8_t alert)
{
	log_info("s%x tls: %s", k->id, why);
	put_fault(k, alert);
	return ktls_fail(k, -EPROTO);
}

static int read_failed(struct ktls *k, ssize_t err)
{
	if (err == -EAGAIN) {
		watch_used_up(k->watch, ST_READ);
		return k->tx_err ? ktls_fail(k, k->tx_err) : -EAGAIN;
	}
	if (err == -EMSGSIZE)
		return wrong(k, "a record that is too long",
			     TLS13_RECORD_OVERFLOW);
	if (err == -EBADMSG || err == -EINVAL)
		return wrong(k, "a record that does not decrypt",
			     TLS13_BAD_RECORD_MAC);
	return ktls_fail(k, (int)err);
}

static int connection_ended(struct ktls *k)
{
	if (k->tx_err) /* it did not end, it broke */
		return ktls_fail(k, k->tx_err);
	log_info("s%x tls: the connection ended without close_notify", k->id);
	return ktls_fail(k, -ECONNRESET);
}

/* The other side's next key. 0 or -errno */
static int follow(struct ktls *k, bool both)
{
	int rc = next_key(k, ST_READ, &k->rx);

	if (rc < 0) {
		log_info("s%x tls: the other side took a new key, which this "
			 "kernel cannot follow (Linux 6.14 can): %s",
			 k->id, strerror(-rc));
		put_fault(k, TLS13_INTERNAL_ERROR);
		return ktls_fail(k, rc == -EBUSY ? -EPROTO : rc);
	}
	k->update |= both;
	(void)put_update(k);
	return 0;
}

/* A record that is no data, or a piece of it. 1 go on, 0 the end, -errno */
static int judge(struct ktls *k, int said, bool whole)
{
	if (said < 0 || (whole && ++k->idle > TLS13_IDLE_MAX))
		return wrong(k, "a record that has no place here",
			     TLS13_UNEXPECTED_MESSAGE);
	if (said == TLS13_SAID_END) {
		k->eof = true;
		return 0;
	}
	if (said == TLS13_SAID_ALERT) {
		log_info("s%x tls: the other side sent alert %u", k->id,
			 k->post.got[1]);
		return ktls_fail(k, -ECONNRESET);
	}
	if (said != TLS13_SAID_NOTHING)
		said = follow(k, said == TLS13_SAID_BOTH);
	return said < 0 ? said : 1;
}

/* @n bytes of it lie in the caller's pieces. As judge() */
static int other_record(struct ktls *k, const struct iovec *iov, size_t n,
			const struct ktls_got *got)
{
	int said = TLS13_SAID_NOTHING;
	size_t take;

	do {
		take = n < iov->iov_len ? n : iov->iov_len;
		n -= take;
		said = tls13_post_take(&k->post, got->type, iov->iov_base, take,
				       got->whole && !n);
		iov++;
	} while (n && said == TLS13_SAID_NOTHING);
	return judge(k, said, got->whole);
}

/* After the end only the connection's break is of interest */
static ssize_t past_end(struct ktls *k)
{
	uint8_t junk[256];
	struct iovec iov = { junk, sizeof(junk) };
	struct ktls_got got;
	ssize_t n;

	if (!k->end_read) {
		k->end_read = true;
		return 0;
	}
	if (!(k->watch->ready & ST_READ))
		return 0;
	do {
		n = k->kernel->recv(k->watch->fd, &iov, 1, &got);
	} while (n > 0);
	watch_used_up(k->watch, ST_READ);
	return n == -ECONNRESET || n == -ETIMEDOUT ? ktls_fail(k, (int)n) : 0;
}

static ssize_t ktls_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct ktls *k = ktls_of(s);
	struct ktls_got got;
	ssize_t n;
	int rc = 1;

	if (k->err)
		return k->err;
	while (rc > 0 && !k->eof) {
		if (!(k->watch->ready & ST_READ))
			return read_failed(k, -EAGAIN);
		n = k->kernel->recv(k->watch->fd, iov, cnt, &got);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return read_failed(k, n);
		if (got.type != TLS_APPLICATION_DATA) {
			got.whole |= n == 0;
			rc = other_record(k, iov, (size_t)n, &got);
			continue;
		}
		if (n == 0)
			return connection_ended(k);
		if (k->post.skip) /* within a message (RFC 8446, 5.1) */
			return judge(k, -EPROTO, true);
		k->idle = 0;
		return n;
	}
	return rc < 0 ? rc : past_end(k);
}

/* --- the rest ----------------------------------------------------------------- */

static void ktls_want(struct stream *s, unsigned int events)
{
	struct ktls *k = ktls_of(s);
	int rc = write_err(k) ? 0 : put_update(k);

	if (rc == -EAGAIN)
		events |= ST_WRITE;
	else if (rc < 0) /* the next call tells */
		job_ready(s->job);
	if (events & ST_WRITE && !(k->watch->ready & ST_WRITE))
		k->kernel->push(k->watch->fd);
	s->below->ops->want(s->below, events);
}

static bool ktls_up(const struct stream *s)
{
	const struct ktls *k = (const struct ktls *)(const void *)s;

	return !write_err(k);
}

static struct watch *ktls_watch(struct stream *s, unsigned int dir)
{
	struct ktls *k = ktls_of(s);

	if (dir == ST_WRITE)
		look_at_age(k);
	if (k->err || (dir == ST_READ ? k->eof : k->update || k->ended) ||
	    k->tx_err)
		return NULL;
	return k->watch;
}

static void ktls_hello(struct stream *s, struct stream_hello *out)
{
	const struct ktls *k = ktls_of(s);

	if (k->name)
		memcpy(out->name, k->name, strlen(k->name) + 1);
	if (k->alpn)
		memcpy(out->alpn, k->alpn, strlen(k->alpn) + 1);
}

static void ktls_free(struct ktls *k)
{
	tls13_dir_drop(&k->tx);
	tls13_dir_drop(&k->rx);
	free(k->name);
	free(k->alpn);
	free(k);
}

static void ktls_close(struct stream *s, int why)
{
	struct ktls *k = ktls_of(s);

	/* as chunk.c: who closes in order need not have half-closed before */
	if (why == 0 && !write_err(k) && put_update(k) == 0)
		(void)put_end(k);
	stream_close(&s->below, why);
	ktls_free(k);
}

static const struct stream_ops ktls_ops = {
	.name = "ktls",
	.readv = ktls_readv,
	.writev = ktls_writev,
	.want = ktls_want,
	.up = ktls_up,
	.finish = ktls_finish,
	.close = ktls_close,
	.watch = ktls_watch,
	.hello = ktls_hello,
};

/* --- birth -------------------------------------------------------------------- */

/* The socket below, if there is nothing but one; NULL */
static struct watch *bare_socket(struct stream *b)
{
	struct watch *in;

	if (b->below || !b->ops->watch)
		return NULL;
	in = b->ops->watch(b, ST_READ);
	return in && in == b->ops->watch(b, ST_WRITE) ? in : NULL;
}

/* Both keys. 0; -errno; @r->c.err is set when one only was taken */
static int give_both(const struct ktls_kernel *kernel, struct records *r,
		     int fd)
{
	int rc = kernel->attach(fd);

	if (!rc)
		rc = kernel->give(fd, ST_WRITE, &r->tx);
	if (rc)
		return rc;
	rc = kernel->give(fd, ST_READ, &r->rx);
	if (rc)
		r->c.err = rc;
	return rc;
}

static void tell_refusal(const struct records *r, int err)
{
	if (err == -ENOTCONN) /* half an end came already */
		return;
	if (!atomic_exchange(&refused_once, true))
		log_info("s%x tls: kernelTls: the kernel does not do it (%s): "
			 "records are made here, as without it",
			 r->c.id, strerror(-err));
}

/* What @r knows; @r is freed */
static void take_over(struct ktls *k, struct records *r)
{
	k->s = (struct stream){ .ops = &ktls_ops,
				.below = r->c.s.below,
				.job = r->c.s.job };
	k->worker = r->c.worker;
	k->looked_ms = k->worker->now_ms;
	k->id = r->c.id;
	k->idle = r->idle;
	k->name = r->name;
	k->alpn = r->alpn;
	r->name = r->alpn = NULL;
	aead_key_drop(&r->tx.key);
	aead_key_drop(&r->rx.key);
	k->tx = r->tx;
	k->rx = r->rx;
	records_drop(&r->c);
	free(r);
}

struct stream *ktls_over(struct records *r)
{
	struct watch *watch = bare_socket(r->c.s.below);
	struct ktls *k;
	int rc;

	if (!watch) {
		r->kernel = NULL;
		return NULL;
	}
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	k->kernel = r->kernel;
	k->watch = watch;
	rc = give_both(r->kernel, r, watch->fd);
	if (rc < 0) {
		tell_refusal(r, rc);
		r->kernel = NULL;
		free(k);
		return NULL;
	}
	log_debug("s%x tls: the kernel does the records", r->c.id);
	/* what came before may be a whole record, and no event tells of it */
	watch->ready |= ST_READ;
	take_over(k, r);
	return &k->s;
}
