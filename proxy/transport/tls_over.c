/*
 * tls_over.c - After OpenSSL's handshake of TLS 1.3: the records are ours
 *
 * OpenSSL tells each traffic secret when it begins to use it (the key log), and each
 * record it reads or writes (the message callback): so key and sequence number of
 * both directions are known at any time between two records. records.c goes on
 * from there, in place and without OpenSSL's three copies; the connection's SSL,
 * some 20 KiB, is freed.
 *
 * OpenSSL keeps what is older than 1.3, suites of other kinds, and a client that
 * wants tickets (enableSessionResumption) until one has come.
 *
 * Source: SSL_CTX_set_keylog_callback(3), SSL_CTX_set_msg_callback(3); RFC 8446, 7;
 * docs/decisions/018-own-records.md
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/text.h"
#include "proxy/layer/ktls.h"
#include "proxy/layer/records.h"
#include "proxy/transport/tls.h"

#define HEAD_BYTES   5
#define RANDOM_CHARS 64

/* "LABEL RANDOM SECRET", in hexadecimal */
void tls_over_key(struct tls *t, const char *line)
{
	static const char *const labels[2] = { "CLIENT_TRAFFIC_SECRET_0 ",
					       "SERVER_TRAFFIC_SECRET_0 " };
	struct tls_secret *s;
	ssize_t n;

	for (int server = 0; server < 2; server++) {
		size_t skip = strlen(labels[server]) + RANDOM_CHARS + 1;

		if (strncmp(line, labels[server], strlen(labels[server])) ||
		    strlen(line) < skip)
			continue;
		s = t->conf->server == server ? &t->tx : &t->rx;
		n = hex_decode(line + skip, strlen(line + skip), s->secret,
			       sizeof(s->secret));
		s->len = n < 0 ? 0 : (uint8_t)n;
		s->seq = 0;
	}
}

/* NOLINTNEXTLINE(readability-function-size): OpenSSL's callback */
static void on_message(int write_p, int version, int type, const void *buf,
		       size_t len, SSL *ssl, void *arg)
{
	struct tls *t = tls_of_ssl(ssl);
	const uint8_t *p = buf;

	(void)version;
	(void)arg;
	if (!len)
		return;
	if (type == SSL3_RT_HEADER && p[0] == SSL3_RT_APPLICATION_DATA)
		(write_p ? &t->tx : &t->rx)->seq++;
	else if (type == SSL3_RT_HANDSHAKE && p[0] == SSL3_MT_KEY_UPDATE)
		t->rekeyed = true;
}

void tls_over_setup(struct ssl_ctx_st *ctx)
{
	SSL_CTX_set_msg_callback(ctx, on_message);
}

void tls_over_follow(struct tls *t, const uint8_t *p, size_t n)
{
	size_t k;

	while (n) {
		if (t->record_left) {
			k = t->record_left < n ? t->record_left : n;
			t->record_left -= (uint32_t)k;
		} else {
			k = HEAD_BYTES - t->head_len;
			k = k < n ? k : n;
			memcpy(t->head + t->head_len, p, k);
			t->head_len = (uint8_t)(t->head_len + k);
			if (t->head_len == HEAD_BYTES) {
				t->record_left = get_be16(t->head + 3);
				t->head_len = 0;
			}
		}
		p += k;
		n -= k;
	}
}

/* A moment between two records, and nothing OpenSSL alone can do is to come */
static bool may_go(const struct tls *t)
{
	if (SSL_version(t->ssl) != TLS1_3_VERSION || t->rekeyed || t->err ||
	    t->below_err || t->below_eof || t->eof || t->shut)
		return false;
	if (t->record_left || t->head_len || SSL_has_pending(t->ssl))
		return false;
	return t->conf->server || !t->conf->resume || t->ticket || t->bare;
}

static int set_keys(struct records *r, const struct tls *t)
{
	const SSL_CIPHER *c = SSL_get_current_cipher(t->ssl);
	enum hash_kind hash;
	enum aead_kind aead;
	int rc = c ? tls13_suite(SSL_CIPHER_get_protocol_id(c), &hash, &aead) :
		     -EPROTO;

	if (rc < 0 || t->tx.len != hash_len(hash) || t->rx.len != t->tx.len)
		return -EPROTO;
	rc = tls13_dir_set(&r->tx, hash, aead, t->tx.secret);
	if (!rc)
		rc = tls13_dir_set(&r->rx, hash, aead, t->rx.secret);
	r->tx.seq = t->tx.seq;
	r->rx.seq = t->rx.seq;
	return rc;
}

struct records *tls_over(struct tls *t)
{
	struct records *r = may_go(t) ? calloc(1, sizeof(*r)) : NULL;
	struct stream_hello hello = { .name = "" };
	int rc;

	if (!r)
		return NULL;
	records_setup(r);
	r->c.id = t->id;
	r->c.started = true;
	r->c.single = t->bare;
	r->c.asked = t->bare;
	r->kernel = t->conf->kernel ? &ktls_linux : NULL;
	rc = set_keys(r, t);
	if (!rc) { /* a client knows whom it asked for */
		t->s.ops->hello(&t->s, &hello);
		if (!t->conf->server)
			hello.name[0] = '\0';
		rc = records_hello_set(r, &hello);
	}
	if (!rc)
		return r;
	records_drop(&r->c);
	free(r);
	return NULL;
}

int tls_bare(struct stream *s, unsigned int dir)
{
	struct tls *t = container_of(s, struct tls, s);

	if (t->over)
		return s->below->ops->bare(s->below, dir);
	if (t->err)
		return t->err;
	if (SSL_is_init_finished(t->ssl)) /* OpenSSL gives nothing back */
		return -EPROTONOSUPPORT;
	if (SSL_set_min_proto_version(t->ssl, TLS1_3_VERSION) != 1)
		return -EPROTONOSUPPORT;
	t->bare = true;
	return dir ? -EAGAIN : 0;
}
