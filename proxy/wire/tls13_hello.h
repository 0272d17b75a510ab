/*
 * tls13_hello.h - A ClientHello in Chrome's shape, and the ServerHello to it
 *
 * Offered: TLS 1.3 (and 1.2, as browsers do), key shares of X25519MLKEM768 and X25519.
 * Sources: RFC 8446, 4.1 and 4.2; RFC 8701 (GREASE); docs/wire/reality.md
 */
#ifndef PROXY_WIRE_TLS13_HELLO_H
#define PROXY_WIRE_TLS13_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/mlkem.h"

#define TLS13_HELLO_MAX        2816 /* handshake message, header included */
#define TLS13_RANDOM_AT        6 /* in a ClientHello message */
#define TLS13_SESSION_ID_AT    39 /* offset of its 32 bytes */
#define TLS13_SESSION_ID_BYTES 32
#define TLS13_HYBRID_BYTES     (MLKEM768_KEY_BYTES + 32)

enum tls13_message {
	TLS13_CLIENT_HELLO = 1,
	TLS13_SERVER_HELLO = 2,
	TLS13_EXTENSIONS = 8,
	TLS13_CERTIFICATE = 11,
	TLS13_VERIFY = 15,
	TLS13_FINISHED = 20,
	TLS13_COMPRESSED = 25, /* certificate */
};

/**
 * struct tls13_offer - What goes into a ClientHello
 * @name:	server_name; NULL: none (an IP)
 * @alpn, @alpn_len:	Wire form; 0: no extension
 * @share:	X25519 public key; @hybrid: those of ML-KEM-768 and, another, of X25519
 * @random:	Hello random; @session: the session id
 * @dice:	Random bytes for GREASE, the order of extensions, padding
 */
struct tls13_offer {
	const char *name;
	const uint8_t *alpn;
	size_t alpn_len;
	uint8_t share[32], hybrid[TLS13_HYBRID_BYTES];
	uint8_t random[32], session[TLS13_SESSION_ID_BYTES];
	uint8_t dice[512];
};

enum { TLS13_X25519 = 29, TLS13_X25519_MLKEM768 = 0x11ec }; /* groups */

/**
 * struct tls13_answer - A ServerHello
 * @group, @share:	Its key exchange; points into the message
 * @retry:	It is a HelloRetryRequest: the other group is wanted
 */
struct tls13_answer {
	uint16_t suite, group;
	const uint8_t *share;
	size_t share_len;
	bool retry;
};

/* The handshake message (type, length, body). Bytes, or -ENOBUFS */
ssize_t tls13_hello_encode(const struct tls13_offer *o, uint8_t *out,
			   size_t room);
/* @p: a whole ServerHello without its header. 0 or -EPROTO */
int tls13_answer_decode(const uint8_t *p, size_t n,
			const uint8_t session[TLS13_SESSION_ID_BYTES],
			struct tls13_answer *out);

#endif
