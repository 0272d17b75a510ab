/* fuzz_reality_in.c - A client's hello and Finished, a target's flight */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/reality_flight.h"

static const uint8_t short_id[1][8];
static const char *const name[] = { "tls.test" };
static const struct reality_rules rules = { .private_key = { 1 },
					    .short_id = short_id,
					    .short_ids = 1,
					    .name = name,
					    .names = 1 };
static uint8_t msg[REALITY_HELLO_MAX], out[2 * REALITY_FLIGHT_MAX];

/* A flight for the client whose hello lies in msg, in the form of @p */
static void answer(const struct reality_hello *h, size_t len, const uint8_t *p,
		   size_t n)
{
	static const uint8_t none[32];
	struct reality_client c = { msg, len, h, none, NULL };
	struct reality_dice dice = { { 1 }, { 2 }, { 3 } };
	struct reality_mould m;
	struct reality_keys k;

	for (size_t cut = n / 2; cut < n; cut += n / 4 + 1)
		(void)reality_mould_take(p, cut, h->session, &m);
	if (reality_mould_take(p, n, h->session, &m) != 1)
		return;
	if (m.hello < p || m.hello + m.hello_len > p + n)
		abort();
	if (reality_answer(&m, &c, &dice, out, sizeof(out), &k) > 0)
		reality_keys_drop(&k);
}

static void finished(const uint8_t *p, size_t n)
{
	struct reality_keys k = { .hash = HASH_SHA256 };
	uint8_t *copy = malloc(n + 1), secret[48] = { 0 };
	bool done;

	if (!copy)
		return;
	memcpy(copy, p, n);
	tls13_dir_set(&k.rx, HASH_SHA256, AEAD_AES_128_GCM, secret);
	if (reality_finished_take(&k, copy, n, &done) > (ssize_t)n)
		abort();
	reality_keys_drop(&k);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct reality_claim claim;
	struct reality_hello h;
	size_t len = 0, size[8];
	ssize_t used = reality_hello_gather(p, n, msg, sizeof(msg), &len);

	if (used > (ssize_t)n || len > sizeof(msg))
		abort();
	if (used > 0 && !reality_hello_decode(msg, len, &h)) {
		(void)reality_judge(&rules, msg, len, &h, 0, &claim);
		if (h.session && h.x25519)
			answer(&h, len, p + used, n - (size_t)used);
	}
	if (!reality_hello_decode(p, n, &h) && h.session &&
	    (h.session < p || h.session + 32 > p + n))
		abort();
	finished(p, n);
	if (reality_after_take(p, n, size, 8) > 8)
		abort();
	return 0;
}
