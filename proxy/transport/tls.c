/*
 * tls.c - A TLS connection as a layer on a stream, through OpenSSL
 *
 * The handshake always; the records of TLS 1.3 only as long as tls_over.c says. So
 * what follows is the life of older versions.
 *
 *   readv   SSL_read <- records <- a buffer of the pool <- one read of below
 *   writev  payload -> SSL_write -> records in the worker's batch -> one write
 *
 * OpenSSL stands on a BIO of ours. What it writes is gathered in a batch that
 * the worker lends for a call, one to each level: below may be another TLS. What
 * below did not take is kept in @out and is back-pressure. What it reads, it reads
 * record by record: its own read-ahead moves all that waits to the front at each
 * record. The rest of a read waits in a buffer that goes back to the pool when it
 * is empty. An idle connection so has no buffer at all (SSL_MODE_RELEASE_BUFFERS
 * frees OpenSSL's).
 *
 * Records are sized by burst.h.
 *
 * The end: finish() sends close_notify, then FIN. An end of below without
 * close_notify is a cut (-ECONNRESET).
 * Source: RFC 8446; RFC 5246; SSL_read(3), SSL_get_error(3), BIO_meth_new(3)
 */
#include "proxy/transport/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "proxy/layer/cursor.h"
#include "proxy/layer/keep.h"
#include "proxy/layer/records.h"
#include "proxy/transport/transports.h"

#define RECORD_MAX   16384u /* payload of one record */
#define RECORD_EXTRA 320u /* head, explicit IV, tag, padding, at most */
#define BATCH_BYTES  (4 * (RECORD_MAX + RECORD_EXTRA))
#define READ_BYTES   (8 * 16416u) /* one read of below: eight whole records */
#define IN_KEEP      2 /* buffers kept for the next connection */
#define BATCH_KEEP   2 /* batches kept: of TLS, and of TLS below it */
#define OUT_MAX      (2 * BATCH_BYTES) /* with handshake messages on top */

/** struct tls_in - Records that were read and OpenSSL did not ask for yet */
struct tls_in {
	size_t off, len;
	uint8_t data[READ_BYTES];
};

/** struct tls_batch - Records of one call on their way down */
struct tls_batch {
	size_t used;
	uint8_t data[BATCH_BYTES];
};

/**
 * struct tls_room - Of one worker; worker->rooms[ROOM_TLS]
 * @in:		struct tls_in
 * @batch:	struct tls_batch
 * @plain:	Where small pieces of payload are put together
 * @fetches:	OCSP answers on their way
 */
struct tls_room {
	struct pool in, batch;
	struct tls_fetch *fetches;
	uint8_t plain[RECORD_MAX];
};

static struct tls *tls_of(struct stream *s)
{
	return container_of(s, struct tls, s);
}

struct tls *tls_of_ssl(const struct ssl_st *ssl)
{
	return SSL_get_app_data(ssl);
}

static void room_free(void *room)
{
	struct tls_room *r = room;

	tls_ocsp_stop(r->fetches);
	pool_trim(&r->in);
	pool_trim(&r->batch);
	free(r);
}

static struct tls_room *room_get(struct worker *w)
{
	struct tls_room *r = w->rooms[ROOM_TLS];

	if (!r) {
		r = malloc(sizeof(*r));
		if (r) {
			pool_init(&r->in, sizeof(struct tls_in), IN_KEEP);
			pool_init(&r->batch, sizeof(struct tls_batch),
				  BATCH_KEEP);
			r->fetches = NULL;
		}
		w->rooms[ROOM_TLS] = r;
		w->room_free[ROOM_TLS] = room_free;
	}
	return r;
}

struct tls_fetch **tls_fetches(struct worker *w)
{
	struct tls_room *r = room_get(w);

	return r ? &r->fetches : NULL;
}

/* --- OpenSSL's way down --- */

/* Up to @n of the bytes that wait. 0: none do */
static size_t in_take(struct tls *t, void *p, size_t n)
{
	struct tls_in *in = t->in;

	if (!in || !in->len)
		return 0;
	if (n > in->len)
		n = in->len;
	memcpy(p, in->data + in->off, n);
	in->off += n;
	in->len -= n;
	return n;
}

/* One read of below: @n bytes to @p, what is more waits. As readv */
static ssize_t in_read(struct tls *t, char *p, size_t n)
{
	struct stream *b = t->s.below;
	ssize_t got;

	if (!t->in) {
		t->in = pool_get(&t->room->in);
		if (!t->in)
			return -ENOMEM;
	}
	t->in->off = t->in->len = 0;
	got = b->ops->readv(
		b,
		(struct iovec[]){ { p, n },
				  { t->in->data, sizeof(t->in->data) } },
		2);
	if (got <= (ssize_t)n)
		return got;
	t->in->len = (size_t)got - n;
	return (ssize_t)n;
}

/* An empty buffer goes back, and one that nobody will read */
static void in_release(struct tls *t)
{
	if (!t->in || (t->in->len && !t->eof && !t->err))
		return;
	pool_put(&t->room->in, t->in);
	t->in = NULL;
}

static int bio_read(BIO *b, char *p, int n)
{
	struct tls *t = BIO_get_data(b);
	ssize_t got;

	BIO_clear_retry_flags(b);
	if (n <= 0)
		return 0;
	got = (ssize_t)in_take(t, p, (size_t)n);
	if (!got)
		got = t->below_err ? t->below_err :
		      t->below_eof ? 0 :
				     in_read(t, p, (size_t)n);
	if (got == -EAGAIN && t->tx_err)
		got = t->tx_err; /* nothing more will come */
	if (got == -EAGAIN) {
		BIO_set_retry_read(b);
		return -1;
	}
	if (got < 0) {
		t->below_err = (int)got;
		return -1;
	}
	t->below_eof = got == 0;
	tls_over_follow(t, (const uint8_t *)p, (size_t)got);
	return (int)got;
}

/* Bytes that fit into the batch yet */
static size_t batch_space(const struct tls *t)
{
	return BATCH_BYTES - (t->batch ? t->batch->used : 0);
}

/* Lent until it is flushed. False: out of memory */
static bool batch_get(struct tls *t)
{
	if (t->batch)
		return true;
	t->batch = pool_get(&t->room->batch);
	if (t->batch)
		t->batch->used = 0;
	return t->batch != NULL;
}

static void batch_put(struct tls *t)
{
	pool_put(&t->room->batch, t->batch);
	t->batch = NULL;
}

static int bio_write(BIO *b, const char *p, int n)
{
	struct tls *t = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	if (n <= 0)
		return 0;
	if (!batch_get(t)) {
		t->below_err = -ENOMEM;
		return -1;
	}
	if ((size_t)n > batch_space(t)) {
		BIO_set_retry_write(b);
		return -1;
	}
	memcpy(t->batch->data + t->batch->used, p, (size_t)n);
	t->batch->used += (size_t)n;
	return n;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	struct tls *t = BIO_get_data(b);

	(void)num;
	(void)ptr;
	if (cmd == BIO_CTRL_EOF)
		return t->below_eof;
	return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static void bio_init(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
				     "culvert stream");

	if (m && BIO_meth_set_read(m, bio_read) &&
	    BIO_meth_set_write(m, bio_write) && BIO_meth_set_ctrl(m, bio_ctrl))
		bio_method = m;
	else
		BIO_meth_free(m);
}

/* --- records on their way down --- */

/* Keep @n bytes that below did not take. 0 or -errno */
static int keep(struct tls *t, const uint8_t *p, size_t n)
{
	if (t->out && t->out->len + n > OUT_MAX)
		return -ENOBUFS;
	return keep_append(&t->out, p, n);
}

/* Bytes of @p that below took, or -errno (-EAGAIN: none) */
static ssize_t put_below(struct tls *t, const uint8_t *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t put = stream_write(t->s.below, p + done, n - done);

		if (put < 0 && !done)
			return put;
		if (put <= 0)
			break;
		done += (size_t)put;
	}
	return (ssize_t)done;
}

/* Nothing can be written any more: what waits is lost. What was received is not */
static int write_fail(struct tls *t, int err)
{
	t->tx_err = err;
	buf_free(t->out);
	t->out = NULL;
	return err;
}

static int write_err(const struct tls *t)
{
	return t->tx_err ? t->tx_err : t->below_err;
}

/* Empty the batch: down, else kept. 0 all is down, -EAGAIN, -errno */
static int flush(struct tls *t)
{
	const uint8_t *p = t->batch ? t->batch->data : NULL;
	size_t n = t->batch ? t->batch->used : 0;
	ssize_t put = 0;
	int rc = write_err(t) ? write_err(t) : keep_flush(&t->out, t->s.below);

	if (rc == 0 && n) {
		put = put_below(t, p, n);
		if (put < 0) {
			rc = (int)put;
			put = 0;
		} else if ((size_t)put < n) {
			rc = -EAGAIN;
		}
	}
	if (rc == -EAGAIN && n) {
		int err = keep(t, p + put, n - (size_t)put);

		rc = err < 0 ? err : rc;
	}
	batch_put(t);
	return rc < 0 && rc != -EAGAIN ? write_fail(t, rc) : rc;
}

/* --- failures --- */

/* What a call of OpenSSL that gave @ret means: -EAGAIN, 0 the end, -errno */
static int result(struct tls *t, int ret)
{
	int kind = SSL_get_error(t->ssl, ret);

	if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	if (kind == SSL_ERROR_ZERO_RETURN) {
		t->eof = true;
		return 0;
	}
	tls_tell(t);
	t->err = t->verify_err ? -EKEYREJECTED :
		 t->below_err  ? t->below_err :
		 t->below_eof  ? -ECONNRESET :
				 -EPROTO;
	ERR_clear_error();
	return t->err;
}

/* --- the handshake --- */

/* From here on the records are not OpenSSL's, if that can be */
static void hand_over(struct tls *t)
{
	struct records *r = tls_over(t);
	struct tls_in *in = t->in;

	if (!r)
		return;
	if (in && chunk_unread(&r->c, in->data + in->off, in->len) < 0) {
		records_drop(&r->c);
		free(r);
		return;
	}
	pool_put(&t->room->in, in);
	t->in = NULL;
	r->c.out = t->out;
	r->c.tx_err = t->tx_err;
	t->out = NULL;
	chunk_init(&r->c, &records_ops, t->worker, t->s.below, t->id);
	t->s.below = &r->c.s;
	t->over = true;
}

/* A write that failed may have been answered before: an alert says more than it */
static int handshake(struct tls *t)
{
	int ret, rc = 0, put;

	do {
		ERR_clear_error();
		ret = SSL_do_handshake(t->ssl);
		rc = ret == 1 ? 0 : result(t, ret);
		in_release(t);
		put = flush(t);
	} while (rc == -EAGAIN &&
		 (put == 0 ? SSL_want_write(t->ssl) : put != -EAGAIN));
	if (rc == 0 && t->eof)
		return t->err = -ECONNRESET;
	if (rc == 0)
		worker_tidy_later(t->worker); /* what handshakes took */
	if (rc == 0)
		log_debug("s%x tls: %s %s, alpn %s%s%s", t->id,
			  SSL_get_version(t->ssl), SSL_get_cipher_name(t->ssl),
			  t->conf->alpn_len ? "offered" : "none",
			  SSL_session_reused(t->ssl) ? ", resumed" : "",
			  tls_ech_word(t->ssl));
	if (rc == 0)
		hand_over(t);
	return rc;
}

/* Before anything: 0 payload may be read, -EAGAIN, -errno */
static int step(struct tls *t)
{
	if (t->err || t->over) /* the owner sheds, not we: Vision may follow */
		return t->err;
	stream_shed(&t->s.below);
	(void)flush(t);
	return SSL_is_init_finished(t->ssl) ? 0 : handshake(t);
}

/* The same before writing */
static int step_write(struct tls *t)
{
	int rc = step(t);

	return rc || t->over ? rc : write_err(t);
}

/* --- the stream --- */

/* After the end only the connection's break is of interest */
static ssize_t read_past_end(struct tls *t)
{
	uint8_t junk[256];
	ssize_t n;

	do {
		n = stream_read(t->s.below, junk, sizeof(junk));
	} while (n > 0);
	return n == -EAGAIN ? 0 : n;
}

/* What OpenSSL says of a call must be of that call */
static void no_errors(void)
{
	if (ERR_peek_error()) /* to clear an empty queue costs more */
		ERR_clear_error();
}

/* Fill one piece. Bytes in *@got; 1 it is full, else as result() */
static int read_piece(struct tls *t, const struct iovec *v, size_t *got)
{
	uint8_t *p = v->iov_base;

	*got = 0;
	while (*got < v->iov_len) {
		size_t n = 0;

		no_errors();
		if (SSL_read_ex(t->ssl, p + *got, v->iov_len - *got, &n) != 1)
			return result(t, 0);
		*got += n;
	}
	return 1;
}

static ssize_t tls_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct tls *t = tls_of(s);
	size_t total = 0;
	int rc = step(t);

	if (rc < 0)
		return rc;
	if (t->over)
		return s->below->ops->readv(s->below, iov, cnt);
	if (t->eof)
		return read_past_end(t);
	rc = 1;
	for (int i = 0; i < cnt && rc == 1; i++) {
		size_t got;

		rc = read_piece(t, &iov[i], &got);
		total += got;
	}
	t->more = rc == 1;
	in_release(t);
	if (t->batch) /* an alert, a key update */
		(void)flush(t);
	if (t->ticket)
		hand_over(t);
	return total ? (ssize_t)total : rc == 1 ? 0 : rc;
}

/* Payload into the batch until it is full. Bytes, or -errno */
static ssize_t seal(struct tls *t, const struct iovec *iov, int cnt)
{
	struct tls_room *r = t->room;
	struct cursor from = { .iov = iov, .cnt = cnt };
	size_t total = 0;

	while (batch_space(t) >= RECORD_MAX + RECORD_EXTRA) {
		size_t n = burst_size(&t->burst, t->worker->now_ms);
		size_t left = cursor_left(&from), put = 0;
		const uint8_t *p;

		if (!left)
			break;
		if (n > left)
			n = left;
		p = cursor_next(&from, r->plain, n);
		no_errors();
		if (SSL_write_ex(t->ssl, p, n, &put) != 1) {
			int rc = result(t, 0);

			return rc == -EAGAIN ? (t->err = -EIO) : rc;
		}
		total += put;
		burst_add(&t->burst, (uint32_t)put);
	}
	return (ssize_t)total;
}

static ssize_t tls_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct tls *t = tls_of(s);
	int rc = step_write(t);
	ssize_t n;

	if (rc < 0)
		return rc;
	if (t->over)
		return s->below->ops->writev(s->below, iov, cnt);
	if (t->out)
		return -EAGAIN;
	if (t->shut)
		return -EPIPE;
	n = seal(t, iov, cnt);
	rc = flush(t);
	return rc < 0 && rc != -EAGAIN ? rc : n;
}

static void tls_want(struct stream *s, unsigned int events)
{
	struct tls *t = tls_of(s);
	unsigned int down = events;

	if (t->over) {
		s->below->ops->want(s->below, events);
		return;
	}
	stream_shed(&t->s.below);
	if (t->out && flush(t) < 0)
		down |= ST_WRITE; /* or the error comes with the next call */
	if (!t->err && !t->below_err && !SSL_is_init_finished(t->ssl))
		down = ST_READ | (t->out ? ST_WRITE : 0u);
	else if (t->err || t->below_err ||
		 (events & ST_READ && (t->in || t->more) && !t->eof))
		job_ready(s->job);
	if (events && t->tx_err)
		job_ready(s->job);
	s->below->ops->want(s->below, down);
}

static bool tls_up(const struct stream *s)
{
	union {
		const struct stream *c;
		struct stream *s;
	} u = { .c = s };
	struct tls *t = tls_of(u.s);

	if (t->over)
		return s->below->ops->up(s->below);
	return !t->err && !t->tx_err && SSL_is_init_finished(t->ssl);
}

/* Say close_notify, once */
static void say_end(struct tls *t)
{
	ERR_clear_error();
	if (!t->shut && SSL_shutdown(t->ssl) < 0)
		ERR_clear_error();
	t->shut = true;
}

static int tls_finish(struct stream *s)
{
	struct tls *t = tls_of(s);
	int rc = step_write(t);

	if (rc < 0)
		return rc;
	if (t->over)
		return s->below->ops->finish(s->below);
	say_end(t);
	rc = flush(t);
	if (rc < 0)
		return rc;
	return s->below->ops->finish(s->below);
}

static void tls_free(struct tls *t)
{
	pool_put(&t->room->in, t->in);
	batch_put(t);
	if (t->over) /* else SSL_free() spoils the session's ticket */
		SSL_set_shutdown(t->ssl,
				 SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(t->ssl);
	ERR_clear_error();
	buf_free(t->out);
	free(t->name);
	free(t->verify_why);
	wipe(t, sizeof(*t));
	free(t);
}

static void tls_close(struct stream *s, int why)
{
	struct tls *t = tls_of(s);

	/* What finds no room shows as an end without close_notify: see chunk.c */
	if (why == 0 && !t->over && tls_up(s)) {
		if (flush(t) == 0) {
			say_end(t);
			(void)flush(t);
		}
	}
	stream_close(&s->below, why);
	tls_free(t);
}

static struct stream *tls_shed(struct stream *s)
{
	struct tls *t = tls_of(s);
	struct stream *below = s->below;

	if (!t->over)
		return NULL;
	tls_free(t);
	return below;
}

static void tls_hello(struct stream *s, struct stream_hello *out)
{
	const struct tls *t = tls_of(s);
	const unsigned char *alpn;
	unsigned int n;
	const char *name;

	if (t->over) {
		stream_hello(s->below, out);
		return;
	}
	name = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
	if (name && addr_clean_name(name, strlen(name), out->name) < 0)
		out->name[0] = '\0';
	SSL_get0_alpn_selected(t->ssl, &alpn, &n);
	if (n && n < sizeof(out->alpn))
		memcpy(out->alpn, alpn, n);
	out->alpn[n < sizeof(out->alpn) ? n : 0] = '\0';
}

static const struct stream_ops tls_ops = {
	.name = "tls",
	.readv = tls_readv,
	.writev = tls_writev,
	.want = tls_want,
	.up = tls_up,
	.finish = tls_finish,
	.close = tls_close,
	.shed = tls_shed,
	.hello = tls_hello,
	.bare = tls_bare,
};

/* --- birth --- */

static struct tls *tls_new(struct tls_conf *c, struct worker *w)
{
	struct tls *t = calloc(1, sizeof(*t));
	BIO *b;

	pthread_once(&bio_once, bio_init);
	if (!t || !bio_method)
		goto err_free;
	t->conf = c;
	t->worker = w;
	t->room = room_get(w);
	t->ssl = t->room ? SSL_new(c->ctx) : NULL;
	if (!t->ssl)
		goto err_free;
	b = BIO_new(bio_method);
	if (!b)
		goto err_ssl;
	BIO_set_data(b, t);
	BIO_set_init(b, 1);
	SSL_set_bio(t->ssl, b, b);
	SSL_set_app_data(t->ssl, t);
	t->s.ops = &tls_ops;
	return t;
err_ssl:
	SSL_free(t->ssl);
err_free:
	ERR_clear_error();
	free(t);
	return NULL;
}

/* Whom we expect: SNI, and what the certificate must say. 0 or -ENOMEM */
static int expect(struct tls *t, const struct addr *to)
{
	char text[ADDR_TEXT_MAX];
	const char *name = t->conf->server_name;

	if (!name)
		name = addr_format_host(to, text, sizeof(text));
	t->name = strdup(name);
	if (!t->name)
		return -ENOMEM;
	if (addr_parse_ip(&t->ip, name) < 0) {
		t->ip.kind = ADDR_NONE;
		if (SSL_set_tlsext_host_name(t->ssl, name) != 1)
			return -EINVAL;
	}
	return 0;
}

static int tls_dial(const struct transport *t, const struct dial *d,
		    const struct addr *to, struct stream **out)
{
	struct tls *c = tls_new(t->settings, d->worker);
	int rc = c ? expect(c, to) : -ENOMEM;

	if (rc == 0)
		rc = transport_dial(t->below, d, to, &c->s.below);
	if (rc < 0) {
		if (c) {
			SSL_free(c->ssl);
			free(c->name);
		}
		free(c);
		return rc;
	}
	c->s.job = d->job;
	c->id = d->s ? d->s->id : 0;
	SSL_set_connect_state(c->ssl);
	tls_tickets_offer(c);
	*out = &c->s;
	return 0;
}

static int tls_accept(const struct transport *t, struct worker *w,
		      struct stream *below, struct stream **out)
{
	struct tls_conf *conf = t->settings;
	struct tls *c;

	tls_certs_check(conf, w->now_ms);
	if (conf->ocsp)
		tls_ocsp_check(conf, w);
	c = tls_new(conf, w);
	if (!c)
		return -ENOMEM;
	c->s.below = below;
	c->s.job = below->job;
	SSL_set_accept_state(c->ssl);
	*out = &c->s;
	return 0;
}

/* The name a level below says it speaks with; NULL: none */
const char *tls_server_name(const struct transport *t)
{
	const struct tls_conf *c;

	if (!t || t->ops != &transport_tls_ops)
		return NULL;
	c = t->settings;
	return c->server_name;
}

const struct transport_ops transport_tls_ops = {
	.name = "tls",
	.key = "tlsSettings",
	.secure = true,
	.parse = tls_parse,
	.dial = tls_dial,
	.accept = tls_accept,
	.drop = tls_drop,
};
