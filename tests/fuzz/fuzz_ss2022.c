/* fuzz_ss2022.c - Sealed with the right keys around any text, so that it reaches the parsers */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/blake3.h"
#include "gateway/base/compat.h"
#include "proxy/wire/ss2022.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
#define NOW 1700000000u

/* @gap: bytes of an identity header, which a server of several users has read */
static void stream(const struct ss22_psk_key *k, const uint8_t *p, size_t n,
		   size_t gap)
{
	static uint8_t buf[8192];
	uint8_t *at = buf + 16 + gap;
	ssize_t used;
	uint8_t material[32] = { 0 }, key[16], nonce[12] = { 0 };
	struct ss22_request rq;
	struct ss_flow_key up;

	memcpy(material, k->psk[0], 16);
	blake3_derive("shadowsocks 2022 session subkey", material, 32, key, 16);
	memset(buf, 0, 16 + gap + 11);
	put_be64(at + 1, NOW);
	put_be16(at + 9, (uint16_t)n);
	aead_seal_once(AEAD_AES_128_GCM, key, nonce, NULL, at, 11);
	nonce[0] = 1;
	memcpy(at + 27, p, n);
	aead_seal_once(AEAD_AES_128_GCM, key, nonce, NULL, at + 27, n);
	n += (size_t)(at - buf) + 27 + 16;
	used = gap ? ss22_user_request_decode(k, buf, n, NOW, &rq, &up) :
		     ss22_request_decode(k, buf, n, NOW, &rq, &up);
	if (used > (ssize_t)n)
		abort();
	if (used > 0)
		ss_flow_drop(&up);
}

static void packet(const struct ss22_psk_key *k, const uint8_t *p, size_t n)
{
	static uint8_t buf[8192];
	struct ss22_udp_key u, peer[2] = { 0 };
	struct ss22_udp_head h = { .from_server = p[0] & 1 };
	struct iovec v = { buf, 16 + n + 16 };
	struct wire_packet pk;
	uint8_t head[16] = { 0 };

	if (ss22_udp_set(&u, k, head))
		return;
	memcpy(buf + 16, p, n);
	aead_seal(&u.body, head + 4, NULL, buf + 16, n, buf + 16);
	aes_block(k->psk[0], 16, true, head, buf);
	ss22_udp_decode(peer, k, &v, &h, &pk);
	ss22_udp_drop(&u);
	ss22_udp_drop(&peer[0]);
	ss22_udp_drop(&peer[1]);
}

/* What a server of several users reads first */
static void identity(const struct ss22_psk_key *k, const uint8_t *p, size_t n)
{
	static uint8_t buf[4096];
	struct ss22_udp_key peer[2] = { 0 };
	struct ss22_udp_head h = { .from_server = false };
	struct iovec v = { buf, n };
	uint8_t hash[SS22_HASH];
	struct wire_packet pk;

	memcpy(buf, p, n);
	ss22_request_identity(k, buf, n, hash);
	ss22_udp_identity(k, &v, hash);
	memcpy(buf, p, n);
	ss22_udp_user_decode(peer, k, k, &v, &h, &pk);
	ss22_udp_drop(&peer[0]);
	ss22_udp_drop(&peer[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct ss22_psk_key k;
	struct ss_flow_key down;
	uint8_t salt[SS_KEY_MAX] = { 0 };
	char text[256];

	if (!k.count &&
	    ss22_psk_parse(&k, ss_method_find("2022-blake3-aes-128-gcm"),
			   "AAECAwQFBgcICQoLDA0ODw=="))
		abort();
	if (!n || n > 4000)
		return 0;
	stream(&k, p, n, 0);
	stream(&k, p, n, 16);
	identity(&k, p, n);
	packet(&k, p, n);
	if (ss22_response_decode(&k, salt, NOW, p, n, &down) > 0)
		ss_flow_drop(&down);
	if (n < sizeof(text)) {
		struct ss22_psk_key other;

		memcpy(text, p, n);
		text[n] = 0;
		ss22_psk_parse(&other, k.method, text);
	}
	return 0;
}
