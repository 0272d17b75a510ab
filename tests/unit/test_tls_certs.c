/* test_tls_certs.c - Certificates that change: what was in force before goes in time */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "gateway/base/compat.h"
#include "proxy/transport/tls.h"

static char path[] = "/tmp/culvert-certs.XXXXXX";

/* Another certificate, of its own second */
static void put_cert(long serial)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct timespec times[2] = { { .tv_sec = serial },
				     { .tv_sec = serial } };
	X509 *x = X509_new();
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_non_null(key);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	PEM_write_X509(f, x);
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(key);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static long serial_of(const struct tls_pairs *p)
{
	return ASN1_INTEGER_get(X509_get0_serialNumber(p->pair[0].cert));
}

/* A worker looks, 10 s later than the last time */
static void look(struct tls_conf *c, uint32_t *now)
{
	*now += 2 * TLS_CHECK_MS;
	tls_certs_check(c, *now);
	while (atomic_load(&c->loading))
		usleep(1000);
}

static unsigned int in_memory(struct tls_conf *c)
{
	unsigned int n = 0;
	struct tls_pairs *p;

	for (p = atomic_load(&c->pairs); p; p = atomic_load(&p->older))
		n++;
	for (p = c->retired; p; p = p->next)
		n++;
	return n;
}

static void what_was_replaced_goes(void **state)
{
	struct tls_key key = { .cert_file = path, .key_file = path };
	struct tls_conf *c = calloc(1, sizeof(*c));
	struct tls_pairs *held;
	uint32_t now = 0;
	int fd = mkstemp(path);

	(void)state;
	assert_non_null(c);
	assert_true(fd >= 0);
	close(fd);
	put_cert(1);
	c->server = true;
	c->keys = &key;
	c->key_count = 1;
	atomic_init(&c->pairs, tls_pairs_load(&key, 1, c->why, sizeof(c->why)));
	held = atomic_load(&c->pairs);
	assert_non_null(held);
	for (long i = 2; i < 12; i++) {
		put_cert(i);
		look(c, &now);
		assert_int_equal(serial_of(atomic_load(&c->pairs)), i);
		/* a handshake of now may have begun with the one before */
		assert_int_equal(
			serial_of(atomic_load(&atomic_load(&c->pairs)->older)),
			i - 1);
		assert_in_range(in_memory(c), 2, 3);
	}
	/* who looks at one for longer, keeps it: an OCSP answer is fetched */
	held = atomic_load(&c->pairs);
	atomic_fetch_add(&held->users, 1);
	for (long i = 12; i < 20; i++) {
		put_cert(i);
		look(c, &now);
	}
	assert_int_equal(serial_of(held), 11);
	assert_int_equal(in_memory(c), 4);
	atomic_fetch_sub(&held->users, 1);
	put_cert(20);
	look(c, &now);
	assert_int_equal(in_memory(c), 3);
	/* one that cannot be read changes nothing */
	assert_int_equal(truncate(path, 0), 0);
	look(c, &now);
	assert_int_equal(serial_of(atomic_load(&c->pairs)), 20);
	assert_int_equal(in_memory(c), 3);
	if (c->have_thread)
		pthread_join(c->thread, NULL);
	tls_pairs_drop(c);
	free(c);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_replaced_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
