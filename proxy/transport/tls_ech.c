/*
 * tls_ech.c - Encrypted ClientHello, where the OpenSSL that runs us has it
 *
 * OpenSSL 4.0 brought it. The functions are weak: a program linked with an older
 * library starts, finds them missing, and the configuration says so by name.
 * Source: OpenSSL 4.0, OSSL_ECHSTORE_new(3); RFC 9180; RFC 9849
 */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>

#include "gateway/base/base64.h"
#include "gateway/base/crypto.h"
#include "proxy/transport/tls.h"
#include "proxy/wire/ech.h"

#define LIST_MAX  16384 /* bytes of a list of ECHConfigs or of keys */
#define RETRY_YES 1 /* a client that used another config gets this one */

struct ossl_echstore_st;
#define WEAK __attribute__((weak))
WEAK struct ossl_echstore_st *OSSL_ECHSTORE_new(OSSL_LIB_CTX *lib,
						const char *query);
WEAK void OSSL_ECHSTORE_free(struct ossl_echstore_st *es);
WEAK int OSSL_ECHSTORE_read_echconfiglist(struct ossl_echstore_st *es, BIO *in);
WEAK int OSSL_ECHSTORE_set1_key_and_read_pem(struct ossl_echstore_st *es,
					     EVP_PKEY *key, BIO *in,
					     int for_retry);
WEAK int SSL_CTX_set1_echstore(SSL_CTX *ctx, struct ossl_echstore_st *es);
WEAK int SSL_ech_get1_status(SSL *ssl, char **inner, char **outer);

bool tls_ech_there(void)
{
	return OSSL_ECHSTORE_new && OSSL_ECHSTORE_free &&
	       OSSL_ECHSTORE_read_echconfiglist &&
	       OSSL_ECHSTORE_set1_key_and_read_pem && SSL_CTX_set1_echstore &&
	       SSL_ech_get1_status;
}

int tls_ech_client(struct ssl_ctx_st *ctx, const char *text)
{
	static uint8_t list[LIST_MAX];
	ssize_t n = base64_decode(text, strlen(text), list, sizeof(list));
	struct ossl_echstore_st *es =
		n > 0 ? OSSL_ECHSTORE_new(NULL, NULL) : NULL;
	BIO *in = es ? BIO_new_mem_buf(list, (int)n) : NULL;
	bool ok = in && OSSL_ECHSTORE_read_echconfiglist(es, in) == 1 &&
		  SSL_CTX_set1_echstore(ctx, es) == 1;

	BIO_free(in);
	if (es)
		OSSL_ECHSTORE_free(es);
	ERR_clear_error();
	return ok ? 0 : -EINVAL;
}

/* One ECHConfig as the PEM text of a list with nothing else in it */
static BIO *config_pem(const struct ech_pair *p)
{
	static const char name[] = "ECHCONFIG";
	uint8_t list[LIST_MAX + 2];
	BIO *b;

	if (p->config_len > LIST_MAX)
		return NULL;
	list[0] = (uint8_t)(p->config_len >> 8);
	list[1] = (uint8_t)p->config_len;
	memcpy(list + 2, p->config, p->config_len);
	b = BIO_new(BIO_s_mem());
	if (b && PEM_write_bio(b, name, "", list, (long)p->config_len + 2) > 0)
		return b;
	BIO_free(b);
	return NULL;
}

static bool add_key(struct ossl_echstore_st *es, const struct ech_pair *p)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL,
						     p->key, p->key_len);
	BIO *pem = key ? config_pem(p) : NULL;
	bool ok = pem && OSSL_ECHSTORE_set1_key_and_read_pem(es, key, pem,
							     RETRY_YES) == 1;

	BIO_free(pem);
	EVP_PKEY_free(key);
	return ok;
}

int tls_ech_server(struct ssl_ctx_st *ctx, const char *text)
{
	static uint8_t keys[LIST_MAX];
	ssize_t n = base64_decode(text, strlen(text), keys, sizeof(keys));
	struct ossl_echstore_st *es =
		n > 0 ? OSSL_ECHSTORE_new(NULL, NULL) : NULL;
	bool ok = es;
	struct ech_pair p;
	ssize_t used;

	for (ssize_t at = 0; ok && at < n; at += used) {
		used = ech_pair_decode(keys + at, (size_t)(n - at), &p);
		ok = used > 0 && add_key(es, &p);
	}
	ok = ok && SSL_CTX_set1_echstore(ctx, es) == 1;
	if (es)
		OSSL_ECHSTORE_free(es);
	wipe(keys, sizeof(keys));
	ERR_clear_error();
	return ok ? 0 : -EINVAL;
}

const char *tls_ech_word(struct ssl_st *ssl)
{
	char *inner = NULL, *outer = NULL;
	bool used = tls_ech_there() &&
		    SSL_ech_get1_status(ssl, &inner, &outer) == 1;

	OPENSSL_free(inner);
	OPENSSL_free(outer);
	return used ? ", encrypted hello" : "";
}
