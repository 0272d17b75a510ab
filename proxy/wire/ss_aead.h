/* ss_aead.h - Shadowsocks AEAD: keys, chunks of a stream, packets */
#ifndef PROXY_WIRE_SS_AEAD_H
#define PROXY_WIRE_SS_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/crypto.h"
#include "proxy/wire/addr_wire.h"

#define SS_KEY_MAX     32 /* also of a salt */
#define SS_CHUNK_MAX   0x3fff /* payload of one chunk */
#define SS22_CHUNK_MAX 0xffff
#define SS_CHUNK_EXTRA (2 + 2 * AEAD_TAG_BYTES)
#define SS_CHUNK_HEAD  (2 + AEAD_TAG_BYTES) /* before the payload */

/**
 * struct ss_method - A cipher by its name in the configuration
 * @aead:	enum aead_kind; AEAD_NONE for "none"
 * @key_len:	Bytes of key and salt
 * @v2022:	A method of ss2022.h
 */
struct ss_method {
	const char *name;
	uint8_t aead, key_len;
	bool v2022;
};
/* NULL: no such method. Any case, also the "aead_" forms */
const struct ss_method *ss_method_find(const char *name);
/* The key of a password (not for v2022 methods). 0 or -errno */
int ss_master_key(const struct ss_method *m, const char *password,
		  uint8_t key[SS_KEY_MAX]);

/**
 * struct ss_flow_key - One direction of a stream
 * @nonce:	Counter, little endian
 * @max:	Largest payload of a chunk
 * @want:	Opening: payload length of the chunk in hand
 * @have_len:	Opening: @want is known
 */
struct ss_flow_key {
	struct aead_key aead;
	uint8_t nonce[AEAD_NONCE_MAX];
	uint32_t max, want;
	bool have_len;
};
/* Subkey of @master and @salt. 0, -ENOMEM */
int ss_flow_set(struct ss_flow_key *k, const struct ss_method *m,
		const uint8_t *master, const uint8_t *salt);
void ss_flow_drop(struct ss_flow_key *k); /* all zero is allowed */

/**
 * ss_seal() - One chunk
 * @p, @n:	At most @k->max bytes; may lie at @out + SS_CHUNK_HEAD, but nowhere
 *		else inside @out
 *
 * Return: @n + SS_CHUNK_EXTRA, -ENOBUFS, -EINVAL
 */
ssize_t ss_seal(struct ss_flow_key *k, const uint8_t *p, size_t n, uint8_t *out,
		size_t room);
/**
 * ss_open() - Read one chunk, or its length, in place
 * @p, @n:	Bytes received; those consumed are overwritten
 * @data, @len:	Payload inside @p; @len is 0 when only the length was read
 *
 * Return: bytes consumed, 0 more are needed, -EPROTO (then @k is dead)
 */
ssize_t ss_open(struct ss_flow_key *k, uint8_t *p, size_t n, uint8_t **data,
		size_t *len);

/* One packet: salt, address, payload. Bytes written, -ENOBUFS, -EINVAL */
ssize_t ss_udp_seal(const struct ss_method *m, const uint8_t *master,
		    const uint8_t *salt, const struct wire_packet *pk,
		    uint8_t *out, size_t room);
/* 0 with a payload inside @p, which is overwritten; or -EPROTO */
int ss_udp_open(const struct ss_method *m, const uint8_t *master, uint8_t *p,
		size_t n, struct wire_packet *out);

#endif
