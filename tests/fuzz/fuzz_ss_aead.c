/* fuzz_ss_aead.c - Streams and packets: as sent by a peer, and sealed around any text */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/ss_aead.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
/* First byte: method and what to do; the rest is the input */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const names[] = { "aes-128-gcm", "aes-256-gcm",
					     "chacha20-ietf-poly1305",
					     "xchacha20-ietf-poly1305" };
	static const uint8_t key[SS_KEY_MAX], salt[SS_KEY_MAX];
	static uint8_t buf[65536 + 64], *data;
	const struct ss_method *m;
	struct wire_packet pk;
	struct ss_flow_key k;
	size_t len, at = 0;
	ssize_t used;

	if (n < 1 || n > 4096)
		return 0;
	m = ss_method_find(names[p[0] & 3]);
	if (ss_flow_set(&k, m, key, salt))
		return 0;
	memcpy(buf, p + 1, n - 1);
	if (p[0] & 4) {
		/* a packet with a right tag: the parser behind it */
		used = (ssize_t)n - 1;
		memmove(buf + m->key_len, buf, n - 1);
		memcpy(buf, salt, m->key_len);
		ss_udp_open(m, key, buf, m->key_len + n - 1, &pk);
	} else if (p[0] & 8) {
		static uint8_t out[8192];

		used = ss_seal(&k, buf, n - 1, out, sizeof(out));
		if (used != (ssize_t)(n - 1 + SS_CHUNK_EXTRA))
			abort();
	} else {
		while ((used = ss_open(&k, buf + at, n - 1 - at, &data, &len)) >
		       0) {
			at += (size_t)used;
			if (at > n - 1)
				abort();
		}
	}
	ss_flow_drop(&k);
	return 0;
}
