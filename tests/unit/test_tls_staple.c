/*
 * test_tls_staple.c - OCSP answers: asked for, and believed only when they are
 * signed by the issuer, about this certificate, and of now
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include "gateway/base/compat.h"
#include "proxy/transport/tls.h"

/**
 * struct ca - An authority with one certificate it gave out
 */
struct ca {
	EVP_PKEY *key;
	X509 *cert;
	struct tls_pair pair;
};

static X509 *make_cert(EVP_PKEY *key, const char *name, long serial,
		       EVP_PKEY *by, const char *issuer)
{
	X509 *x = X509_new();
	X509_NAME *n = X509_NAME_new();
	const unsigned char *text = (const unsigned char *)name;

	assert_non_null(x);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, text, -1, -1, 0);
	X509_set_subject_name(x, n);
	X509_NAME_free(n);
	n = X509_NAME_new();
	text = (const unsigned char *)issuer;
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, text, -1, -1, 0);
	X509_set_issuer_name(x, n);
	X509_NAME_free(n);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, by, EVP_sha256()) > 0);
	return x;
}

static void ca_init(struct ca *c, long serial)
{
	*c = (struct ca){ .key = EVP_EC_gen("P-256") };
	assert_non_null(c->key);
	c->cert = make_cert(c->key, "ca", 1, c->key, "ca");
	c->pair.cert = make_cert(c->key, "leaf", serial, c->key, "ca");
	c->pair.chain = sk_X509_new_null();
	sk_X509_push(c->pair.chain, c->cert);
}

static void ca_free(struct ca *c)
{
	tls_staples_free(&c->pair);
	X509_free(c->pair.cert);
	sk_X509_free(c->pair.chain);
	X509_free(c->cert);
	EVP_PKEY_free(c->key);
}

/* What @by says about @of, from @from to @until seconds from now */
static int answer(const struct ca *by, const struct ca *of, int status,
		  long from, long until, uint8_t **der)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, of->pair.cert, of->cert);
	ASN1_TIME *a = X509_gmtime_adj(NULL, from);
	ASN1_TIME *b = X509_gmtime_adj(NULL, until);
	OCSP_RESPONSE *rs;
	int n;

	assert_non_null(OCSP_basic_add1_status(
		basic, id, status, OCSP_REVOKED_STATUS_KEYCOMPROMISE, a, a, b));
	assert_int_equal(OCSP_basic_sign(basic, by->cert, by->key, EVP_sha256(),
					 NULL, 0),
			 1);
	rs = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	*der = NULL;
	n = i2d_OCSP_RESPONSE(rs, der);
	assert_true(n > 0);
	ASN1_TIME_free(a);
	ASN1_TIME_free(b);
	OCSP_CERTID_free(id);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(rs);
	return n;
}

/* The answer is offered to @mine; 0 or -errno with *@why */
static int offer(struct ca *mine, const struct ca *by, const struct ca *of,
		 long from, long until, char why[160])
{
	uint8_t *der;
	int n = answer(by, of, V_OCSP_CERTSTATUS_GOOD, from, until, &der);
	int rc = tls_ocsp_accept(&mine->pair, mine->cert, der, (size_t)n, why,
				 160);

	OPENSSL_free(der);
	return rc;
}

static void the_question_names_the_certificate(void **state)
{
	uint8_t *der = NULL;
	const uint8_t *at;
	OCSP_REQUEST *rq;
	OCSP_CERTID *id;
	struct ca c;
	int n;

	(void)state;
	ca_init(&c, 77);
	assert_ptr_equal(tls_ocsp_issuer(&c.pair), c.cert);
	n = tls_ocsp_question(&c.pair, c.cert, &der);
	assert_true(n > 0);
	at = der;
	rq = d2i_OCSP_REQUEST(NULL, &at, n);
	assert_non_null(rq);
	assert_int_equal(OCSP_request_onereq_count(rq), 1);
	id = OCSP_cert_to_id(NULL, c.pair.cert, c.cert);
	assert_int_equal(OCSP_id_cmp(OCSP_onereq_get0_id(
					     OCSP_request_onereq_get0(rq, 0)),
				     id),
			 0);
	OCSP_CERTID_free(id);
	OCSP_REQUEST_free(rq);
	free(der);
	ca_free(&c);
}

static void a_good_answer_is_kept_until_its_end(void **state)
{
	const struct tls_staple *s;
	char why[160] = "";
	struct ca c;

	(void)state;
	ca_init(&c, 77);
	assert_int_equal(offer(&c, &c, &c, -60, 1000, why), 0);
	s = atomic_load(&c.pair.staple);
	assert_non_null(s);
	assert_in_range(s->until, time(NULL) + 990, time(NULL) + 1000);
	/* later ones: two are kept, no more */
	for (int i = 0; i < 3; i++)
		assert_int_equal(offer(&c, &c, &c, -60, 2000, why), 0);
	s = atomic_load(&c.pair.staple);
	assert_non_null(s->older);
	assert_null(s->older->older);
	assert_in_range(s->until, time(NULL) + 1990, time(NULL) + 2000);
	ca_free(&c);
}

static void an_answer_of_another_signer_is_refused(void **state)
{
	struct ca mine, other;
	char why[160] = "";

	(void)state;
	ca_init(&mine, 77);
	ca_init(&other, 77);
	assert_int_equal(offer(&mine, &other, &mine, -60, 1000, why), -EINVAL);
	assert_string_equal(why, "the answer is not signed by the issuer");
	assert_null(atomic_load(&mine.pair.staple));
	ca_free(&mine);
	ca_free(&other);
}

static void an_answer_about_another_or_out_of_time_is_refused(void **state)
{
	struct ca mine, other;
	char why[160] = "";

	(void)state;
	ca_init(&mine, 77);
	ca_init(&other, 78);
	assert_int_equal(offer(&mine, &mine, &other, -60, 1000, why), -EINVAL);
	assert_int_equal(offer(&mine, &mine, &mine, -2000, -1000, why),
			 -EINVAL);
	assert_int_equal(offer(&mine, &mine, &mine, 1000, 2000, why), -EINVAL);
	assert_string_equal(why, "the answer is not about this certificate, or "
				 "not of now");
	assert_null(atomic_load(&mine.pair.staple));
	ca_free(&mine);
	ca_free(&other);
}

static void every_cut_of_an_answer_is_refused(void **state)
{
	uint8_t *der;
	char why[160];
	struct ca c;
	int n;

	(void)state;
	ca_init(&c, 77);
	n = answer(&c, &c, V_OCSP_CERTSTATUS_GOOD, -60, 1000, &der);
	for (int i = 0; i < n; i++) {
		uint8_t *cut = malloc((size_t)i + 1);

		memcpy(cut, der, (size_t)i);
		assert_int_equal(tls_ocsp_accept(&c.pair, c.cert, cut,
						 (size_t)i, why, sizeof(why)),
				 -EINVAL);
		free(cut);
	}
	assert_null(atomic_load(&c.pair.staple));
	OPENSSL_free(der);
	ca_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_question_names_the_certificate),
		cmocka_unit_test(a_good_answer_is_kept_until_its_end),
		cmocka_unit_test(an_answer_of_another_signer_is_refused),
		cmocka_unit_test(
			an_answer_about_another_or_out_of_time_is_refused),
		cmocka_unit_test(every_cut_of_an_answer_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
