/*
 * tls_verify.c - Is it the server we mean? Certificates, names, pins
 *
 *   pins set:  leaf pinned                     -> accepted outright
 *              another one of the chain pinned -> chain to it, and the name
 *              neither                         -> refused
 *   else:      chain to a known CA, and the name
 *
 * The name is the dialed one or serverName; verifyPeerCertByName replaces it by
 * a list of which one must fit. The system's CAs are read once for all levels.
 *
 * A chain that was found good is not computed again for the same certificate and
 * name, until one of its certificates ends, an hour at most. The server proves in
 * each handshake that it has the key: that is not ours to skip.
 * Source: RFC 5280, RFC 6125; xray.md section M; X509_verify_cert(3)
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "proxy/transport/tls.h"

static const char *const ca_files[] = {
	"/etc/ssl/certs/ca-certificates.crt", /* Debian, OpenWrt ca-bundle */
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
};

/*
 * The system's CAs (1.5 MB when read), kept between configurations; main thread
 * only, workers see it through contexts that hold references.
 */
static struct {
	X509_STORE *store;
	struct stat seen;
} system_cas;

static const char *ca_file(struct stat *st)
{
	const char *env = getenv("SSL_CERT_FILE");

	if (env && !stat(env, st))
		return env;
	for (size_t i = 0; i < ARRAY_SIZE(ca_files); i++)
		if (!stat(ca_files[i], st))
			return ca_files[i];
	return NULL;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void tls_store_forget(void)
{
	X509_STORE_free(system_cas.store);
	system_cas.store = NULL;
}

/* Borrowed; NULL: no file */
static X509_STORE *system_store(void)
{
	struct stat st = { 0 };
	const char *path = ca_file(&st);

	if (!path)
		return NULL;
	if (system_cas.store && same_file(&st, &system_cas.seen))
		return system_cas.store;
	tls_store_forget();
	system_cas.store = X509_STORE_new();
	if (system_cas.store &&
	    X509_STORE_load_file(system_cas.store, path) != 1)
		tls_store_forget();
	system_cas.seen = st;
	ERR_clear_error();
	return system_cas.store;
}

static int add_all(X509_STORE *to, STACK_OF(X509) * certs)
{
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (X509_STORE_add_cert(to, sk_X509_value(certs, i)) != 1)
			return -ENOMEM;
	return 0;
}

struct x509_store_st *tls_store_new(bool system, struct stack_st_X509 *own)
{
	X509_STORE *sys = system ? system_store() : NULL, *both;
	STACK_OF(X509) * certs;
	int rc = 0;

	if (system && !sys && !own)
		return NULL;
	if (sys && !own)
		return X509_STORE_up_ref(sys) == 1 ? sys : NULL;
	both = X509_STORE_new();
	if (!both)
		return NULL;
	certs = sys ? X509_STORE_get1_all_certs(sys) : NULL;
	if (certs)
		rc = add_all(both, certs);
	sk_X509_pop_free(certs, X509_free);
	if (own && rc == 0)
		rc = add_all(both, own);
	if (rc < 0) {
		X509_STORE_free(both);
		return NULL;
	}
	return both;
}

/* --- the check --- */

static bool is_pinned(const struct tls_conf *c, const X509 *cert)
{
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (X509_digest(cert, EVP_sha256(), sum, &n) != 1 || n != TLS_PIN_BYTES)
		return false;
	for (unsigned int i = 0; i < c->pin_count; i++)
		if (!memcmp(c->pins[i], sum, TLS_PIN_BYTES))
			return true;
	return false;
}

static bool names_fit(X509 *cert, const char *name, const struct addr *ip)
{
	size_t n = addr_ip_len(ip);

	if (n)
		return X509_check_ip(cert, ip->ip, n, 0) == 1;
	return X509_check_host(cert, name, strlen(name),
			       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

static bool name_fits(const struct tls *t, X509 *cert)
{
	const struct tls_conf *c = t->conf;

	for (unsigned int i = 0; i < c->name_count; i++) {
		struct addr ip = { 0 };

		if (addr_parse_ip(&ip, c->names[i]) < 0)
			ip.kind = ADDR_NONE;
		if (names_fit(cert, c->names[i], &ip))
			return true;
	}
	return !c->name_count && names_fit(cert, t->name, &t->ip);
}

/* The pinned ones of the chain as only trust. NULL: none is */
static STACK_OF(X509) *
	pinned_of(const struct tls_conf *c, STACK_OF(X509) * chain)
{
	STACK_OF(X509) *trust = NULL;

	for (int i = 1; i < sk_X509_num(chain); i++) {
		X509 *cert = sk_X509_value(chain, i);

		if (!is_pinned(c, cert))
			continue;
		if (!trust)
			trust = sk_X509_new_null();
		if (!trust || !sk_X509_push(trust, cert))
			break;
	}
	return trust;
}

static int check_chain(X509_STORE_CTX *x, const struct tls *t)
{
	STACK_OF(X509) *trust = NULL;
	int ok;

	if (t->conf->pin_count) {
		trust = pinned_of(t->conf, X509_STORE_CTX_get0_untrusted(x));
		if (!trust) {
			X509_STORE_CTX_set_error(
				x, X509_V_ERR_APPLICATION_VERIFICATION);
			return 0;
		}
		X509_STORE_CTX_set0_trusted_stack(x, trust);
		X509_STORE_CTX_set_flags(x, X509_V_FLAG_PARTIAL_CHAIN);
	}
	ok = X509_verify_cert(x);
	sk_X509_free(trust);
	return ok;
}

/* --- in words --- */

static void time_text(const ASN1_TIME *at, char *text, size_t size)
{
	struct tm tm = { 0 };

	if (!at || ASN1_TIME_to_tm(at, &tm) != 1 ||
	    !strftime(text, size, "%Y-%m-%d %H:%M", &tm))
		snprintf(text, size, "?");
}

/* The names a certificate is for, as many as fit */
static void names_text(const X509 *cert, char *text, size_t size)
{
	GENERAL_NAMES *all =
		X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	size_t used = 0;

	snprintf(text, size, "no name");
	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
		int n;

		if (g->type != GEN_DNS)
			continue;
		n = snprintf(text + used, size - used, "%s%.*s",
			     used ? ", " : "", ASN1_STRING_length(g->d.dNSName),
			     (const char *)ASN1_STRING_get0_data(g->d.dNSName));
		if (n < 0 || (size_t)n >= size - used)
			break;
		used += (size_t)n;
	}
	GENERAL_NAMES_free(all);
	/* What a stranger wrote goes into a log line */
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			*p = '?';
}

static void time_words(const X509 *cert, bool expired, char *text, size_t size)
{
	char at[32], now[32];
	ASN1_TIME *clock = X509_gmtime_adj(NULL, 0);

	time_text(expired ? X509_get0_notAfter(cert) :
			    X509_get0_notBefore(cert),
		  at, sizeof(at));
	time_text(clock, now, sizeof(now));
	ASN1_TIME_free(clock);
	snprintf(text, size, "certificate %s %s; this host's clock says %s",
		 expired ? "expired on" : "is not valid before", at, now);
}

static void pin_text(const X509 *cert, char text[2 * TLS_PIN_BYTES + 1])
{
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	text[0] = '\0';
	if (X509_digest(cert, EVP_sha256(), sum, &n) != 1)
		return;
	for (unsigned int i = 0; i < n && i < TLS_PIN_BYTES; i++)
		snprintf(text + 2 * (size_t)i, 3, "%02x", sum[i]);
}

static void words(const struct tls *t, const X509 *leaf, char *text,
		  size_t size)
{
	char part[160];

	switch (leaf ? t->verify_err : X509_V_ERR_UNSPECIFIED) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		time_words(leaf, t->verify_err == X509_V_ERR_CERT_HAS_EXPIRED,
			   text, size);
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		names_text(leaf, part, sizeof(part));
		snprintf(text, size, "certificate is for %s", part);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		pin_text(leaf, part);
		snprintf(text, size,
			 "certificate of an unknown CA (its "
			 "pinnedPeerCertSha256 would be %s)",
			 part);
		break;
	case X509_V_ERR_APPLICATION_VERIFICATION:
		pin_text(leaf, part);
		snprintf(text, size, "certificate is not the pinned one but %s",
			 part);
		break;
	default:
		snprintf(text, size, "certificate refused: %s",
			 X509_verify_cert_error_string(t->verify_err));
	}
}

/* Said later, when the certificate is gone */
static void keep_words(struct tls *t, const X509 *leaf)
{
	char text[256];

	words(t, leaf, text, sizeof(text));
	free(t->verify_why);
	t->verify_why = strdup(text);
}

static int on_verify(X509_STORE_CTX *x, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
		x, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *t = tls_of_ssl(ssl);
	X509 *leaf = X509_STORE_CTX_get0_cert(x);
	struct tls_known *known = &t->conf->known[t->worker->index];
	uint8_t sum[TLS_PIN_BYTES];
	bool summed;
	int ok;

	(void)arg;
	if (leaf && t->conf->pin_count && is_pinned(t->conf, leaf)) {
		X509_STORE_CTX_set_error(x, X509_V_OK);
		return 1;
	}
	summed = leaf && tls_known_sum(leaf, t->name, sum) == 0;
	if (summed && tls_known_has(known, sum, clock_wall())) {
		X509_STORE_CTX_set_error(x, X509_V_OK);
		return 1;
	}
	ok = check_chain(x, t) == 1;
	if (ok && !name_fits(t, leaf)) {
		X509_STORE_CTX_set_error(x, X509_V_ERR_HOSTNAME_MISMATCH);
		ok = 0;
	}
	t->verify_err = ok ? 0 : X509_STORE_CTX_get_error(x);
	if (!ok && !t->verify_err)
		t->verify_err = X509_V_ERR_UNSPECIFIED;
	if (!ok)
		keep_words(t, leaf);
	else if (summed)
		tls_known_add(known, sum, clock_wall(),
			      tls_chain_left(X509_STORE_CTX_get0_chain(x)));
	return ok;
}

void tls_verify_setup(struct tls_conf *c)
{
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(c->ctx, on_verify, NULL);
}

/* OpenSSL judges: a chain to @store, for the purpose of a client */
void tls_verify_clients(struct tls_conf *c, struct x509_store_st *store)
{
	static const unsigned char id[] = "culvert";

	SSL_CTX_set_cert_store(c->ctx, store);
	SSL_CTX_set_verify(c->ctx,
			   SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
			   NULL);
	SSL_CTX_set_session_id_context(c->ctx, id, sizeof(id) - 1);
}
