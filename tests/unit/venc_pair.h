/* venc_pair.h - Settings of both ends of VLESS encryption, for tests */
#ifndef TESTS_UNIT_VENC_PAIR_H
#define TESTS_UNIT_VENC_PAIR_H

#include <stdio.h>
#include <string.h>

#include "gateway/base/base64.h"
#include "gateway/base/compat.h"
#include "gateway/base/rand.h"
#include "proxy/wire/venc_shake.h"

/**
 * struct venc_pair - Both ends, and how they are written
 */
struct venc_pair {
	struct venc_conf_key server, client;
	char decryption[4096], encryption[16384];
};

static inline void pair_add(char *text, const void *p, size_t n)
{
	size_t at = strlen(text);

	text[at++] = '.';
	(void)base64_encode(p, n, true, text + at, BASE64_LEN(n) + 1);
}

/*
 * @mode: "native" ...; @tickets: the server's "600s"; @rtt: the client's; @pad: ""
 * or ".100-40-50"; @relays: "x" X25519, "m" ML-KEM-768, in order. NULL: good
 */
static inline const char *pair_make(struct venc_pair *p, const char *mode,
				    const char *tickets, const char *rtt,
				    const char *pad, const char *relays)
{
	const char *wrong;

	snprintf(p->decryption, sizeof(p->decryption), VENC_PREFIX ".%s.%s%s",
		 mode, tickets, pad);
	snprintf(p->encryption, sizeof(p->encryption), VENC_PREFIX ".%s.%s%s",
		 mode, rtt, pad);
	for (; *relays; relays++) {
		struct mlkem768_secret_key k;
		uint8_t seed[MLKEM_SEED_BYTES], pub[X25519_BYTES];

		rand_bytes(seed, sizeof(seed));
		if (*relays == 'm') {
			mlkem768_key_set(&k, seed);
			pair_add(p->decryption, seed, sizeof(seed));
			pair_add(p->encryption, k.public_key,
				 sizeof(k.public_key));
		} else {
			(void)x25519_public(seed, pub);
			pair_add(p->decryption, seed, X25519_BYTES);
			pair_add(p->encryption, pub, sizeof(pub));
		}
	}
	wrong = venc_parse(p->decryption, true, &p->server);
	return wrong ? wrong : venc_parse(p->encryption, false, &p->client);
}

#endif
