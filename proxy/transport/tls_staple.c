/*
 * tls_staple.c - OCSP answers of a server's certificates
 *
 *   question -> the authority's responder (tls_ocsp.c) -> judged -> kept with
 *   the certificate -> sent along in handshakes that ask for it
 *
 * Kept is only what the issuer (or whom it named) signed, about this
 * certificate, and within its time; a "revoked" is kept, too: it is the truth.
 * An answer past its time is not sent: a client may then ask by itself.
 * Source: RFC 6960; RFC 6066 section 8; OCSP_basic_verify(3),
 * SSL_CTX_set_tlsext_status_cb(3)
 */
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/clock.h"
#include "proxy/transport/tls.h"

#define CLOCKS_APART_S 300 /* of the authority and of this host */
#define ALWAYS_S       86400 /* an answer without an end is used that long */

struct x509_st *tls_ocsp_issuer(const struct tls_pair *p)
{
	for (int i = 0; i < sk_X509_num(p->chain); i++) {
		X509 *x = sk_X509_value(p->chain, i);

		if (X509_check_issued(x, p->cert) == X509_V_OK)
			return x;
	}
	if (X509_check_issued(p->cert, p->cert) == X509_V_OK)
		return p->cert;
	return NULL;
}

int tls_ocsp_question(const struct tls_pair *p, const struct x509_st *issuer,
		      uint8_t **der)
{
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, p->cert, issuer);
	OCSP_REQUEST *rq = OCSP_REQUEST_new();
	uint8_t *out = NULL;
	int n = -1;

	if (id && rq && OCSP_request_add0_id(rq, id)) {
		id = NULL; /* the request's */
		n = i2d_OCSP_REQUEST(rq, &out);
	}
	OCSP_CERTID_free(id);
	OCSP_REQUEST_free(rq);
	if (n > 0) {
		*der = malloc((size_t)n);
		if (*der)
			memcpy(*der, out, (size_t)n);
		else
			n = -1;
	}
	OPENSSL_free(out);
	ERR_clear_error();
	return n > 0 ? n : -ENOMEM;
}

/* --- judging --- */

static bool signed_for(OCSP_BASICRESP *basic, const struct tls_pair *p,
		       const X509 *issuer)
{
	X509_STORE *store = X509_STORE_new();
	X509 *mine = X509_dup(issuer);
	bool yes = false;

	if (store && mine && X509_STORE_add_cert(store, mine) == 1) {
		X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
		yes = OCSP_basic_verify(basic, p->chain, store, 0) == 1;
	}
	X509_free(mine);
	X509_STORE_free(store);
	return yes;
}

/* Its end as seconds since 1970, or -1 when it is not of now */
static int64_t good_until(OCSP_BASICRESP *basic, const struct tls_pair *p,
			  const X509 *issuer)
{
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, p->cert, issuer);
	ASN1_GENERALIZEDTIME *from = NULL, *end = NULL;
	struct tm tm = { 0 };
	int64_t until = -1;
	int status;

	if (id &&
	    OCSP_resp_find_status(basic, id, &status, NULL, NULL, &from,
				  &end) == 1 &&
	    OCSP_check_validity(from, end, CLOCKS_APART_S, -1) == 1) {
		if (!end)
			until = clock_wall() + ALWAYS_S;
		else if (ASN1_TIME_to_tm(end, &tm) == 1)
			until = (int64_t)timegm(&tm);
	}
	OCSP_CERTID_free(id);
	return until;
}

/* Why @basic does not do; NULL: it does, up to *@until */
static const char *judge(OCSP_BASICRESP *basic, const struct tls_pair *p,
			 const X509 *issuer, int64_t *until)
{
	if (!basic)
		return "is of an unknown kind";
	if (!signed_for(basic, p, issuer))
		return "is not signed by the issuer";
	*until = good_until(basic, p, issuer);
	return *until < 0 ? "is not about this certificate, or not of now" :
			    NULL;
}

/* Puts it in force. The one before the one before goes. 0 or -ENOMEM */
static int staple(struct tls_pair *p, const uint8_t *der, size_t n,
		  int64_t until)
{
	struct tls_staple *old = atomic_load(&p->staple);
	struct tls_staple *s = malloc(sizeof(*s) + n);

	if (!s)
		return -ENOMEM;
	s->until = until;
	s->len = n;
	memcpy(s->der, der, n);
	s->older = old;
	if (old) {
		free(old->older);
		old->older = NULL;
	}
	atomic_store(&p->staple, s);
	return 0;
}

int tls_ocsp_accept(struct tls_pair *p, const struct x509_st *issuer,
		    const uint8_t *der, size_t n, char *why, size_t size)
{
	const uint8_t *at = der;
	OCSP_RESPONSE *rs = d2i_OCSP_RESPONSE(NULL, &at, (long)n);
	OCSP_BASICRESP *basic = NULL;
	const char *bad = "is not an OCSP answer";
	int64_t until = -1;
	int rc = -EINVAL;

	if (rs && OCSP_response_status(rs) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		bad = OCSP_response_status_str(OCSP_response_status(rs));
	else if (rs) {
		basic = OCSP_response_get1_basic(rs);
		bad = judge(basic, p, issuer, &until);
	}
	if (!bad)
		rc = staple(p, der, (size_t)(at - der), until);
	else
		snprintf(why, size, "the answer %s", bad);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(rs);
	ERR_clear_error();
	return rc;
}

void tls_staples_free(struct tls_pair *p)
{
	struct tls_staple *s = atomic_load(&p->staple);

	while (s) {
		struct tls_staple *older = s->older;

		free(s);
		s = older;
	}
	atomic_store(&p->staple, NULL);
}

/* --- serving --- */

static struct tls_pair *pair_of(struct tls_pairs *all, const X509 *cert)
{
	for (; all; all = atomic_load(&all->older))
		for (unsigned int i = 0; i < all->count; i++)
			if (all->pair[i].cert == cert)
				return &all->pair[i];
	return NULL;
}

/* The client asked; the certificate has been chosen */
static int on_status(SSL *ssl, void *arg)
{
	const struct tls_conf *c = arg;
	struct tls_pair *p =
		pair_of(atomic_load(&c->pairs), SSL_get_certificate(ssl));
	const struct tls_staple *s = p ? atomic_load(&p->staple) : NULL;
	uint8_t *copy;

	if (!s || s->until <= clock_wall())
		return SSL_TLSEXT_ERR_NOACK;
	copy = OPENSSL_memdup(s->der, s->len);
	if (!copy)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)s->len);
	return SSL_TLSEXT_ERR_OK;
}

void tls_ocsp_setup(struct tls_conf *c)
{
	SSL_CTX_set_tlsext_status_cb(c->ctx, on_status);
	SSL_CTX_set_tlsext_status_arg(c->ctx, c);
}
