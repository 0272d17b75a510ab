/* fuzz_tls13.c - A server's handshake, its records, certificates */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/reality.h"

static int judge(void *arg, const struct tls13_proof *proof)
{
	return reality_server_is(proof, arg);
}

static void shake(const uint8_t *p, size_t n)
{
	uint8_t hello[100] = { 1 }, auth[32] = { 0 };
	struct tls13_shake k = { .judge = judge, .arg = auth };

	if (tls13_shake_start(&k, hello, sizeof(hello)) < 0)
		abort();
	for (size_t i = n / 3; i < n; i += n / 3 + 1)
		if (tls13_shake_feed(&k, p, i) > (ssize_t)i)
			abort();
	(void)tls13_shake_feed(&k, p, n);
	tls13_shake_drop(&k);
}

static void records(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n + 1), secret[48] = { 0 }, *data;
	struct tls13_dir rx = { 0 };
	enum tls_content type;
	size_t len;
	ssize_t used;

	if (!copy)
		return;
	memcpy(copy, p, n);
	tls13_dir_set(&rx, HASH_SHA256, AEAD_AES_128_GCM, secret);
	used = tls13_open(&rx, copy, n, &type, &data, &len);
	if (used > 0 && ((size_t)used > n || len > (size_t)used))
		abort();
	tls13_dir_drop(&rx);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const uint8_t *key, *sig;
	struct tls13_answer a;
	uint8_t session[32] = { 0 };
	size_t len;

	shake(p, n);
	records(p, n);
	tls13_answer_decode(p, n, session, &a);
	if (!reality_cert_parse(p, n, &key, &sig, &len) &&
	    (key < p || key + 32 > p + n || sig < p || sig + len > p + n))
		abort();
	return 0;
}
