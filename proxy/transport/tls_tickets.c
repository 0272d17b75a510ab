/*
 * tls_tickets.c - Session resumption
 *
 * Client: each worker keeps the last few tickets a level got, under the name
 * they were got for, and uses each once (RFC 8446 appendix C.4). Only verified
 * handshakes give tickets. Server: stateless tickets, keys made by OpenSSL for
 * this context.
 * Source: SSL_CTX_sess_set_new_cb(3)
 */
#include <openssl/ssl.h>
#include <string.h>

#include "proxy/transport/tls.h"

static bool for_name(const SSL_SESSION *s, const struct tls *t)
{
	const char *name = SSL_SESSION_get0_hostname(s);

	if (!name)
		return t->ip.kind != ADDR_NONE && t->conf->server_name;
	return !strcmp(name, t->name);
}

/* 1: the reference is ours */
static int on_new(SSL *ssl, SSL_SESSION *s)
{
	struct tls *t = tls_of_ssl(ssl);
	SSL_SESSION **row = t->conf->tickets[t->worker->index];

	t->ticket = true;
	if (!SSL_SESSION_is_resumable(s) || !for_name(s, t))
		return 0;
	SSL_SESSION_free(row[TLS_TICKETS - 1]);
	memmove(row + 1, row, (TLS_TICKETS - 1) * sizeof(*row));
	row[0] = s;
	return 1;
}

void tls_tickets_setup(struct tls_conf *c)
{
	static const unsigned char id[] = "culvert";

	if (c->server) {
		SSL_CTX_set_session_id_context(c->ctx, id, sizeof(id) - 1);
		return;
	}
	SSL_CTX_set_session_cache_mode(
		c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c->ctx, on_new);
}

void tls_tickets_offer(struct tls *t)
{
	SSL_SESSION **row = t->conf->tickets[t->worker->index];

	if (!t->conf->resume)
		return;
	for (int i = 0; i < TLS_TICKETS; i++) {
		SSL_SESSION *s = row[i];

		if (!s || !for_name(s, t))
			continue;
		memmove(row + i, row + i + 1,
			(size_t)(TLS_TICKETS - 1 - i) * sizeof(*row));
		row[TLS_TICKETS - 1] = NULL;
		SSL_set_session(t->ssl, s);
		SSL_SESSION_free(s);
		return;
	}
}

void tls_tickets_free(struct tls_conf *c)
{
	for (int w = 0; w < WORKERS_MAX; w++)
		for (int i = 0; i < TLS_TICKETS; i++)
			SSL_SESSION_free(c->tickets[w][i]);
}
