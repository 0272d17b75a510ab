/*
 * tls_certs.c - Certificates with their keys: read, chosen by name, reread
 *
 * A server's certificates are looked at again when a client comes, at most
 * each TLS_CHECK_MS. When a file changed, a thread of its own loads all of
 * them (a worker never reads files) and puts them in force with one store. Errors
 * leave the old ones in force.
 *
 *   in force -> older -> retired: nobody comes to it -> TLS_CHECK_MS later: freed
 *
 * A worker looks at them within a turn, so what it may still be looking at is there;
 * who does so for longer (an OCSP fetch) is counted.
 * Source: xray.md section M; SSL_CTX_set_cert_cb(3)
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "proxy/transport/tls.h"

#define CHAIN_MAX 16

static BIO *source_open(const char *file, const char *pem)
{
	return file ? BIO_new_file(file, "re") :
		      BIO_new_mem_buf(pem ? pem : "", -1);
}

static void why_last(const char *file, const char *what, char *why, size_t size)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(e);

	if (ERR_GET_LIB(e) == ERR_LIB_PEM)
		reason = "no such PEM block";
	else if (ERR_SYSTEM_ERROR(ERR_peek_error()))
		reason = strerror(ERR_GET_REASON(ERR_peek_error()));
	snprintf(why, size, "%s: %s: %s", file ? file : "inline", what,
		 reason ? reason : "cannot be read");
	ERR_clear_error();
}

/* No terminal: an encrypted key is an error */
/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL's callback */
static int no_password(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

struct stack_st_X509 *tls_certs_read(const char *file, const char *pem,
				     char *why, size_t size)
{
	BIO *b = source_open(file, pem);
	STACK_OF(X509) *certs = b ? sk_X509_new_null() : NULL;
	X509 *x = NULL;

	while (certs) {
		x = PEM_read_bio_X509(b, NULL, no_password, NULL);
		if (!x || !sk_X509_push(certs, x))
			break;
	}
	if (x)
		X509_free(x); /* not pushed */
	if (!certs || sk_X509_num(certs) == 0) {
		why_last(file, "certificate", why, size);
		sk_X509_free(certs);
		certs = NULL;
	}
	ERR_clear_error(); /* the end of the file is an error, too */
	BIO_free(b);
	return certs;
}

void tls_certs_free(struct stack_st_X509 *certs)
{
	sk_X509_pop_free(certs, X509_free);
}

struct evp_pkey_st *tls_key_read(const char *file, const char *pem, char *why,
				 size_t size)
{
	BIO *b = source_open(file, pem);
	EVP_PKEY *key =
		b ? PEM_read_bio_PrivateKey(b, NULL, no_password, NULL) : NULL;

	BIO_free(b);
	if (!key)
		why_last(file, "key", why, size);
	return key;
}

static int pair_load(struct tls_pair *p, const struct tls_key *k, char *why,
		     size_t size)
{
	STACK_OF(X509) *certs =
		tls_certs_read(k->cert_file, k->cert_pem, why, size);

	if (!certs)
		return -EINVAL;
	p->cert = sk_X509_shift(certs);
	p->chain = certs;
	if (k->key && EVP_PKEY_up_ref(k->key))
		p->key = k->key;
	else
		p->key = tls_key_read(k->key_file, NULL, why, size);
	if (!p->key)
		return -EINVAL;
	if (X509_check_private_key(p->cert, p->key) == 1)
		return 0;
	ERR_clear_error();
	snprintf(why, size, "%s: the key does not belong to the certificate",
		 k->key_file ? k->key_file : "inline");
	return -EINVAL;
}

void tls_keys_free(struct tls_key *keys, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		EVP_PKEY_free(keys[i].key);
}

void tls_pairs_free(struct tls_pairs *p)
{
	while (p) {
		struct tls_pairs *older = atomic_load(&p->older);

		for (unsigned int i = 0; i < p->count; i++) {
			tls_staples_free(&p->pair[i]);
			X509_free(p->pair[i].cert);
			EVP_PKEY_free(p->pair[i].key);
			tls_certs_free(p->pair[i].chain);
		}
		free(p);
		p = older;
	}
}

uint64_t tls_stamp(const struct tls_key *keys, unsigned int count)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < 2 * count; i++) {
		const char *path =
			i % 2 ? keys[i / 2].key_file : keys[i / 2].cert_file;
		struct stat st;
		uint64_t part[4] = { i };

		if (path && !stat(path, &st)) {
			part[1] = (uint64_t)st.st_mtim.tv_sec;
			part[2] = (uint64_t)st.st_mtim.tv_nsec;
			part[3] = (uint64_t)st.st_ino ^ (uint64_t)st.st_size
								<< 32;
		}
		sum = hash_bytes(sum, part, sizeof(part));
	}
	return sum;
}

struct tls_pairs *tls_pairs_load(const struct tls_key *keys, unsigned int count,
				 char *why, size_t size)
{
	struct tls_pairs *p =
		calloc(1, sizeof(*p) + count * sizeof(struct tls_pair));

	if (!p) {
		snprintf(why, size, "out of memory");
		return NULL;
	}
	p->stamp = tls_stamp(keys, count); /* before: a later change is seen */
	for (unsigned int i = 0; i < count; i++) {
		p->count = i + 1;
		p->pair[i].ocsp_s = keys[i].ocsp_s;
		if (pair_load(&p->pair[i], &keys[i], why, size) < 0) {
			tls_pairs_free(p);
			return NULL;
		}
	}
	return p;
}

/* --- changed files --- */

/* @p (NULL: nobody) is out of reach from now on; those that were so before go */
static void retire(struct tls_conf *c, struct tls_pairs *p)
{
	uint32_t now = atomic_load(&c->checked_ms);
	struct tls_pairs **at = &c->retired;

	while (*at) {
		struct tls_pairs *r = *at;

		if (now - r->retired_ms >= TLS_CHECK_MS &&
		    !atomic_load(&r->users)) {
			*at = r->next;
			tls_pairs_free(r);
		} else {
			at = &r->next;
		}
	}
	if (!p)
		return;
	p->retired_ms = now;
	p->next = c->retired;
	c->retired = p;
}

void tls_pairs_drop(struct tls_conf *c)
{
	tls_pairs_free(atomic_load(&c->pairs));
	while (c->retired) {
		struct tls_pairs *next = c->retired->next;

		tls_pairs_free(c->retired);
		c->retired = next;
	}
}

static void *load_main(void *arg)
{
	struct tls_conf *c = arg;
	struct tls_pairs *old = atomic_load(&c->pairs);
	struct tls_pairs *new =
		tls_pairs_load(c->keys, c->key_count, c->why, sizeof(c->why));

	if (new) {
		atomic_store(&new->older, old);
		atomic_store(&c->pairs, new);
		retire(c, atomic_exchange(&old->older, NULL));
		log_info("tls: certificates reloaded: %s",
			 c->keys[0].cert_file ? c->keys[0].cert_file : "");
	} else {
		old->stamp = tls_stamp(c->keys, c->key_count);
		log_warning("tls: the old certificate stays: %s", c->why);
	}
	atomic_store(&c->loading, false);
	return NULL;
}

void tls_certs_check(struct tls_conf *c, uint32_t now_ms)
{
	unsigned int last = atomic_load(&c->checked_ms);
	struct tls_pairs *p = atomic_load(&c->pairs);

	if (!p || now_ms - last < TLS_CHECK_MS ||
	    !atomic_compare_exchange_strong(&c->checked_ms, &last, now_ms) ||
	    atomic_exchange(&c->loading, true))
		return;
	if (tls_stamp(c->keys, c->key_count) == p->stamp) {
		atomic_store(&c->loading, false);
		return;
	}
	if (c->have_thread)
		pthread_join(c->thread,
			     NULL); /* it has ended: loading was false */
	c->have_thread = !thread_start(&c->thread, load_main, c);
	if (!c->have_thread)
		atomic_store(&c->loading, false);
}

/* --- the choice --- */

static const struct tls_pair *find(const struct tls_pairs *all,
				   const char *name)
{
	for (unsigned int i = 0; name && i < all->count; i++)
		if (X509_check_host(all->pair[i].cert, name, strlen(name), 0,
				    NULL) == 1)
			return &all->pair[i];
	return NULL;
}

/* Runs before the certificate is needed, with the client's name known */
static int on_cert(SSL *ssl, void *arg)
{
	const struct tls_conf *c = arg;
	const struct tls_pairs *all = atomic_load(&c->pairs);
	const struct tls_pair *p =
		find(all, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));

	if (!p && c->reject_unknown)
		return 0;
	if (!p)
		p = &all->pair[0];
	return SSL_use_cert_and_key(ssl, p->cert, p->key, p->chain, 1);
}

static int on_name(SSL *ssl, int *alert, void *arg)
{
	const struct tls_conf *c = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	if (!c->reject_unknown || find(atomic_load(&c->pairs), name))
		return SSL_TLSEXT_ERR_OK;
	*alert = SSL_AD_UNRECOGNIZED_NAME;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void tls_certs_setup(struct tls_conf *c)
{
	struct tls_pairs *all = atomic_load(&c->pairs);

	if (!all)
		return;
	if (!c->server) {
		SSL_CTX_use_cert_and_key(c->ctx, all->pair[0].cert,
					 all->pair[0].key, all->pair[0].chain,
					 1);
		return;
	}
	SSL_CTX_set_cert_cb(c->ctx, on_cert, c);
	SSL_CTX_set_tlsext_servername_callback(c->ctx, on_name);
	SSL_CTX_set_tlsext_servername_arg(c->ctx, c);
	if (c->ocsp)
		tls_ocsp_setup(c);
}
