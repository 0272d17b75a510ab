/*
 * reality_hello.h - A ClientHello as a REALITY server reads it, and who sent it
 *
 * Source: docs/wire/reality.md; RFC 8446, 4.1.2 and 4.2; XTLS/REALITY tls.go
 * (facts)
 */
#ifndef PROXY_WIRE_REALITY_HELLO_H
#define PROXY_WIRE_REALITY_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proxy/wire/reality.h"

#define REALITY_HELLO_MAX 16384 /* a message, header included */

/* What the client would like to speak: as far as targets answer differently */
enum reality_alpn { REALITY_ALPN_NONE, REALITY_ALPN_OTHER, REALITY_ALPN_H2 };

/**
 * struct reality_hello - A ClientHello; pointers go into the message
 * @session:	NULL: not of 32 bytes
 * @x25519:	Public key of the first share that has one, alone or behind ML-KEM
 * @alone:	There is a share of X25519 alone: TLS13_X25519 is possible
 * @mlkem:	Key of the first X25519MLKEM768 share; its X25519 key is behind it
 * @tls13:	It speaks TLS 1.3
 */
struct reality_hello {
	const uint8_t *random, *session, *name;
	size_t name_len;
	const uint8_t *x25519, *alone, *mlkem;
	bool tls13;
	enum reality_alpn alpn;
};

/*
 * The handshake message out of the records at @p, all bytes of the client so
 * far. Bytes of whole records used, with *@len of the message in @msg; 0 more are
 * needed; -EPROTO: it is no ClientHello, is longer than @room, or goes on
 */
ssize_t reality_hello_gather(const uint8_t *p, size_t n, uint8_t *msg,
			     size_t room, size_t *len);
/* @msg: a whole message. 0 or -EPROTO */
int reality_hello_decode(const uint8_t *msg, size_t n,
			 struct reality_hello *out);

/**
 * struct reality_rules - Whom a server knows
 * @min, @max:	Client versions, 24 bits; @max 0: any
 * @max_diff_ms:	Between the clocks; 0: any
 * @name:	Server names, one of which is asked for; "" none asked for
 */
struct reality_rules {
	uint8_t private_key[REALITY_KEY_BYTES];
	uint32_t min, max;
	uint64_t max_diff_ms;
	const uint8_t (*short_id)[REALITY_SHORT_ID_BYTES];
	size_t short_ids;
	const char *const *name;
	size_t names;
};

/**
 * struct reality_claim - What the session id said, valid or not
 * @name:	Of the rules: the one it asks for; @name_at: which
 * @opened:	Our key opens it; the rest is set
 */
struct reality_claim {
	const char *name;
	size_t name_at;
	bool opened;
	uint32_t version, time;
	uint8_t short_id[REALITY_SHORT_ID_BYTES];
	uint8_t auth_key[REALITY_KEY_BYTES];
};

/*
 * Is the sender of @msg (@h of it) known? @now_ms: since 1970. @msg is the same
 * afterwards. NULL: yes; else what does not fit, for people
 */
const char *reality_judge(const struct reality_rules *r, uint8_t *msg, size_t n,
			  const struct reality_hello *h, uint64_t now_ms,
			  struct reality_claim *out);

#endif
