/* vmess_body.h - VMess: chunks of a body */
#ifndef PROXY_WIRE_VMESS_BODY_H
#define PROXY_WIRE_VMESS_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/crypto.h"
#include "gateway/base/shake.h"
#include "proxy/wire/vmess.h"

#define VMESS_CHUNK_EXTRA (2 * AEAD_TAG_BYTES + 2 + 64)
/* Payload of a chunk we write: with everything it stays within 16 KiB */
#define VMESS_CHUNK_MAX (16384 - VMESS_CHUNK_EXTRA)
/* A packet is one chunk, and Xray keeps chunks of up to 8192 bytes in one piece */
#define VMESS_PACKET_MAX (8192 - VMESS_CHUNK_EXTRA)

/**
 * struct vmess_body_key - One direction of a body
 * @aead, @len_aead:	Unset with VMESS_NONE; @len_aead only with
 *			VMESS_OPT_AUTH_LEN
 * @iv, @len_iv:	Nonces start as these; their first 2 bytes count
 * @count:	Of the next chunk; wraps as in other programs
 * @mask:	Draws padding lengths and size masks
 * @raw:	No chunks at all: bytes go as they are
 * @masked, @padded:	Options in force
 * @have_len:	Opening: @want and @pad belong to the chunk in hand
 * @want, @pad:	Opening: bytes after the size; padding among them
 */
struct vmess_body_key {
	struct aead_key aead, len_aead;
	uint8_t iv[12], len_iv[12];
	uint16_t count;
	struct shake128 mask;
	bool raw, masked, padded, have_len;
	uint32_t want, pad;
};

/* @down: the response's body. 0, -EINVAL, -ENOMEM */
int vmess_body_set(struct vmess_body_key *k, const struct vmess_request *rq,
		   bool down);
size_t vmess_body_lead(const struct vmess_body_key *k);
void vmess_body_drop(struct vmess_body_key *k); /* all zero is allowed */
/**
 * vmess_body_seal() - One chunk; @n == 0 ends the body
 * @p, @n:	At most VMESS_CHUNK_MAX bytes; may lie at @out +
 *		vmess_body_lead(), but nowhere else inside @out
 * @rand:	For the padding
 *
 * Return: bytes written, at most @n + VMESS_CHUNK_EXTRA; -ENOBUFS, -EINVAL
 */
ssize_t vmess_body_seal(struct vmess_body_key *k, const uint8_t *p, size_t n,
			void (*rand)(void *p, size_t n), uint8_t *out,
			size_t room);
/**
 * vmess_body_open() - Read one chunk, or its size, in place
 * @data, @len:	Payload inside @p; @len is 0 when only the size was read
 *
 * Return: bytes consumed, 0 more are needed, -EPROTO, -EPIPE the end of the
 * body (after it nothing may be read)
 */
ssize_t vmess_body_open(struct vmess_body_key *k, uint8_t *p, size_t n,
			uint8_t **data, size_t *len);

#endif
