/* Which certificates are taken as verified, and for how long */
#include "cm.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "proxy/transport/tls.h"

/* A certificate that ends in @left_s seconds, numbered @serial */
static X509 *cert_new(EVP_PKEY *key, long serial, long left_s)
{
	X509 *x = X509_new();

	assert_non_null(x);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), serial), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), -60));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), left_s));
	assert_int_equal(X509_set_pubkey(x, key), 1);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	return x;
}

static void a_sum_is_of_one_certificate_and_one_name(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *a = cert_new(key, 1, 100), *b = cert_new(key, 2, 100);
	uint8_t s[4][TLS_PIN_BYTES];

	(void)state;
	assert_int_equal(tls_known_sum(a, "a.test", s[0]), 0);
	assert_int_equal(tls_known_sum(a, "a.test", s[1]), 0);
	assert_int_equal(tls_known_sum(a, "b.test", s[2]), 0);
	assert_int_equal(tls_known_sum(b, "a.test", s[3]), 0);
	assert_memory_equal(s[0], s[1], TLS_PIN_BYTES);
	assert_memory_not_equal(s[0], s[2], TLS_PIN_BYTES);
	assert_memory_not_equal(s[0], s[3], TLS_PIN_BYTES);
	X509_free(a);
	X509_free(b);
	EVP_PKEY_free(key);
}

static void what_was_kept_holds_for_its_time_only(void **state)
{
	struct tls_known k = { 0 };
	uint8_t sum[TLS_PIN_BYTES] = { 7 }, other[TLS_PIN_BYTES] = { 8 };

	(void)state;
	assert_false(tls_known_has(&k, sum, 1000));
	tls_known_add(&k, sum, 1000, 50);
	assert_true(tls_known_has(&k, sum, 1000));
	assert_true(tls_known_has(&k, sum, 1049));
	assert_false(tls_known_has(&k, other, 1000));
	assert_false(tls_known_has(&k, sum, 1050)); /* over */
	assert_false(tls_known_has(&k, sum, 999)); /* the clock was set back */
	tls_known_add(&k, other, 1000, 0);
	tls_known_add(&k, other, 1000, -5);
	assert_false(tls_known_has(&k, other, 1000));
}

static void an_empty_table_knows_no_certificate_of_zeros(void **state)
{
	struct tls_known k = { 0 };
	uint8_t sum[TLS_PIN_BYTES] = { 0 };

	(void)state;
	assert_false(tls_known_has(&k, sum, 0));
	assert_false(tls_known_has(&k, sum, 1000));
}

static void the_oldest_makes_room(void **state)
{
	struct tls_known k = { 0 };
	uint8_t sum[TLS_PIN_BYTES] = { 0 };

	(void)state;
	for (uint8_t i = 0; i <= TLS_KNOWN; i++) {
		sum[0] = i;
		tls_known_add(&k, sum, 1000, 50);
	}
	for (uint8_t i = 0; i <= TLS_KNOWN; i++) {
		sum[0] = i;
		assert_int_equal(tls_known_has(&k, sum, 1000), i > 0);
	}
}

static void a_chain_holds_until_its_first_end(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	STACK_OF(X509) *chain = sk_X509_new_null();
	int64_t left;

	(void)state;
	assert_int_equal(tls_chain_left(NULL), 0);
	assert_int_equal(tls_chain_left(chain), 0);
	assert_true(sk_X509_push(chain, cert_new(key, 1, 86400 * 30)) > 0);
	assert_int_equal(tls_chain_left(chain), 3600);
	assert_true(sk_X509_push(chain, cert_new(key, 2, 100)) > 0);
	left = tls_chain_left(chain);
	assert_true(left > 60 && left <= 100);
	assert_true(sk_X509_push(chain, cert_new(key, 3, -10)) > 0);
	assert_true(tls_chain_left(chain) <= 0);
	sk_X509_pop_free(chain, X509_free);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sum_is_of_one_certificate_and_one_name),
		cmocka_unit_test(what_was_kept_holds_for_its_time_only),
		cmocka_unit_test(an_empty_table_knows_no_certificate_of_zeros),
		cmocka_unit_test(the_oldest_makes_room),
		cmocka_unit_test(a_chain_holds_until_its_first_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
