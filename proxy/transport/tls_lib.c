/*
 * tls_lib.c - The part of OpenSSL's default provider that TLS clients need
 *
 * OpenSSL 3.0 and 3.1 look for a decoder each time they read a certificate's
 * key, among all key types and all forms of all keys they know: a quarter of a
 * handshake. Client contexts get a library context of their own, in which a
 * provider of ours shows the default one without what TLS has no use for. From
 * 3.2 on OpenSSL remembers what it found, and NULL says that nothing is needed.
 *
 * Nothing is computed here: the algorithms are the default provider's.
 * Source: provider-base(7), provider-decoder(7), OSSL_PROVIDER(3)
 */
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "proxy/transport/tls.h"

#define REMEMBERS 0x30200000UL /* OpenSSL 3.2 */
#define KINDS_MAX 32

static OSSL_PROVIDER *whole;
static OSSL_LIB_CTX *thin;
static OSSL_ALGORITHM decoders[KINDS_MAX + 1], key_kinds[KINDS_MAX + 1];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The first name of "EC:id-ecPublicKey:1.2.840.10045.2.1" is one of @list */
static bool is_one_of(const char *names, const char *const *list)
{
	size_t n = strcspn(names, ":");

	for (; *list; list++)
		if (strlen(*list) == n && !strncmp(names, *list, n))
			return true;
	return false;
}

/* Keys as they lie in certificates */
static bool decoder_needed(const OSSL_ALGORITHM *a)
{
	static const char *const list[] = { "RSA",     "RSA-PSS", "EC",
					    "ED25519", "ED448",   NULL };

	return is_one_of(a->algorithm_names, list) &&
	       strstr(a->property_definition, "structure=SubjectPublicKeyInfo");
}

static bool key_kind_needed(const OSSL_ALGORITHM *a)
{
	static const char *const not_in_tls[] = { "DSA",     "SM2",
						  "DHX",     "SCRYPT",
						  "SIPHASH", "POLY1305",
						  "CMAC",    NULL };

	return !is_one_of(a->algorithm_names, not_in_tls);
}

/* What @needed wants of the default provider's @op. False: more than fits */
static bool pick(int op, OSSL_ALGORITHM *to,
		 bool (*needed)(const OSSL_ALGORITHM *a))
{
	int no_cache = 0;
	const OSSL_ALGORITHM *a =
		OSSL_PROVIDER_query_operation(whole, op, &no_cache);
	size_t n = 0;

	for (; a && a->algorithm_names && n < KINDS_MAX; a++)
		if (needed(a))
			to[n++] = *a;
	return n && n < KINDS_MAX;
}

static const OSSL_ALGORITHM *on_query(void *ctx, int op, int *no_cache)
{
	(void)ctx;
	*no_cache = 0;
	if (op == OSSL_OP_DECODER)
		return decoders;
	if (op == OSSL_OP_KEYMGMT)
		return key_kinds;
	return OSSL_PROVIDER_query_operation(whole, op, no_cache);
}

static int on_capabilities(void *ctx, const char *name, OSSL_CALLBACK *cb,
			   void *arg)
{
	(void)ctx;
	return OSSL_PROVIDER_get_capabilities(whole, name, cb, arg);
}

/* The algorithms get the context they know: the default provider's */
static int provider_init(const OSSL_CORE_HANDLE *handle,
			 const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
			 void **ctx)
{
	static const OSSL_DISPATCH calls[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION,
		  (void (*)(void))on_query },
		{ OSSL_FUNC_PROVIDER_GET_CAPABILITIES,
		  (void (*)(void))on_capabilities },
		{ 0, NULL }
	};

	(void)handle;
	(void)in;
	*out = calls;
	*ctx = OSSL_PROVIDER_get0_provider_ctx(whole);
	return 1;
}

static void lib_init(void)
{
	OSSL_LIB_CTX *lib;

	if (OpenSSL_version_num() >= REMEMBERS)
		return;
	whole = OSSL_PROVIDER_load(NULL, "default");
	lib = whole ? OSSL_LIB_CTX_new() : NULL;
	if (lib && pick(OSSL_OP_DECODER, decoders, decoder_needed) &&
	    pick(OSSL_OP_KEYMGMT, key_kinds, key_kind_needed) &&
	    OSSL_PROVIDER_add_builtin(lib, "tls", provider_init) == 1 &&
	    OSSL_PROVIDER_load(lib, "tls"))
		thin = lib;
	else
		OSSL_LIB_CTX_free(lib);
	ERR_clear_error();
}

struct ossl_lib_ctx_st *tls_lib(void)
{
	pthread_once(&once, lib_init);
	return thin;
}
