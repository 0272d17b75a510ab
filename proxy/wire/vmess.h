/* vmess.h - VMess AEAD: request and response heads */
#ifndef PROXY_WIRE_VMESS_H
#define PROXY_WIRE_VMESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/addr.h"

#define VMESS_CLOCK_S        120 /* clocks may differ by so much */
#define VMESS_HEADER_MAX     1024 /* plain; a longer one is refused */
#define VMESS_REQUEST_MAX    (16 + 18 + 8 + 41 + 259 + 15 + 4 + 16)
#define VMESS_RESPONSE_BYTES 38 /* of a response without a command */

enum vmess_command { VMESS_TCP = 1, VMESS_UDP = 2, VMESS_MUX = 3 };

enum vmess_security {
	VMESS_AES_128_GCM = 3,
	VMESS_CHACHA20_POLY1305 = 4,
	VMESS_NONE = 5,
};

enum {
	VMESS_OPT_CHUNK = 0x01, /* body in chunks */
	VMESS_OPT_MASK = 0x04, /* sizes masked by SHAKE128 */
	VMESS_OPT_PADDING = 0x08, /* chunks end with random bytes */
	VMESS_OPT_AUTH_LEN = 0x10, /* sizes sealed */
};

/**
 * struct vmess_request - What a client asks, and the keys of the bodies
 * @body_iv, @body_key:	Of the request's body; the response's follow from them
 * @verify:	Comes back in the response
 * @options, @security, @command:	As above
 * @to:		ADDR_NONE for VMESS_MUX
 * @name:	Decoding: keeps the name @to points to
 */
struct vmess_request {
	uint8_t body_iv[16], body_key[16];
	uint8_t verify, options, security, command;
	struct addr to;
	char name[256];
};

/**
 * struct vmess_user_key - A user's keys, derived once
 * @command:	For headers
 * @auth:	AES key of the auth ids
 */
struct vmess_user_key {
	uint8_t command[16], auth[16];
};
int vmess_user_set(struct vmess_user_key *u, const uint8_t id[16]);

/*
 * Is this the auth id of @u? 0, -ENOENT (another user, or no VMess), -ESTALE
 * (right user, but the clocks differ by *@skew_s seconds). The caller keeps
 * ids of the last VMESS_CLOCK_S seconds against replay
 */
int vmess_auth_check(const struct vmess_user_key *u, const uint8_t auth_id[16],
		     uint64_t now_s, int64_t *skew_s);
/*
 * Encode; @rand gives @n random bytes. Bytes written, -ENOBUFS, -EINVAL
 */
ssize_t vmess_request_encode(const struct vmess_user_key *u,
			     const struct vmess_request *rq, uint64_t now_s,
			     void (*rand)(void *p, size_t n), uint8_t *out,
			     size_t room);
/*
 * The whole head with its auth id, once vmess_auth_check() has found the
 * user. Bytes consumed, 0 more are needed, -EPROTO
 */
ssize_t vmess_request_decode(const struct vmess_user_key *u, const uint8_t *p,
			     size_t n, struct vmess_request *out);
/* VMESS_RESPONSE_BYTES written, -ENOBUFS */
ssize_t vmess_response_encode(const struct vmess_request *rq, uint8_t *out,
			      size_t room);
/* Bytes consumed, 0 more are needed, -EPROTO */
ssize_t vmess_response_decode(const struct vmess_request *rq, const uint8_t *p,
			      size_t n);

/*
 * The key derivation: HMAC-SHA256 keyed with "VMess AEAD KDF", inside HMACs
 * keyed with each of the @count paths (1 or 3). 32 bytes to @out
 */
struct iovec;
int vmess_kdf(const uint8_t *key, size_t key_len, const struct iovec *path,
	      int count, uint8_t out[32]);

#endif
