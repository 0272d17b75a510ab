/*
 * reality_flight.h - The target's handshake as a mould, and ours out of it
 *
 *   target:  ServerHello  CCS  {EncryptedExtensions} {Certificate}
 *            {CertificateVerify} {Finished}  [{ticket}]
 *   ours:    the same ServerHello with our key share, and records of the same
 *            lengths under our keys
 *
 * A target that puts its encrypted messages into one record gets one from us,
 * too. What does not fit is no mould: such a client is shown the target itself.
 *
 * Source: docs/wire/reality.md; RFC 8446, 4 and 5.4; XTLS/REALITY tls.go and
 * handshake_server_tls13.go (facts)
 */
#ifndef PROXY_WIRE_REALITY_FLIGHT_H
#define PROXY_WIRE_REALITY_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/crypto_pk.h"
#include "gateway/base/mldsa.h"
#include "proxy/wire/reality_hello.h"
#include "proxy/wire/tls13_keys.h"

#define REALITY_FLIGHT_MAX 49152 /* of a target that is imitated */

/* Our encrypted messages, in order; a record each, or all in the first */
enum reality_part {
	PART_EXTENSIONS,
	PART_CERTIFICATE,
	PART_VERIFY,
	PART_FINISHED,
	REALITY_PARTS
};

/**
 * struct reality_mould - The form of a target's flight
 * @hello, @hello_len:	Its ServerHello message; points into the flight
 * @size:	Of the records of the encrypted messages, heads included
 * @joined:	All messages are in the first
 * @ticket:	Of a record behind them; 0: none was seen
 */
struct reality_mould {
	const uint8_t *hello;
	size_t hello_len;
	struct tls13_answer answer;
	size_t size[REALITY_PARTS], ticket;
	bool joined;
};

/*
 * @p: all bytes of the target so far; @session: the client's. 1: the mould is
 * whole; 0: more are needed; -EPROTO: it answers in another way
 */
int reality_mould_take(const uint8_t *p, size_t n,
		       const uint8_t session[TLS13_SESSION_ID_BYTES],
		       struct reality_mould *out);

/**
 * struct reality_dice - Fresh random bytes for one handshake; wiped by the caller
 * @share, @cert:	X25519 and Ed25519 private keys; @mlkem: of the secret sent
 */
struct reality_dice {
	uint8_t share[X25519_BYTES], cert[ED25519_BYTES], mlkem[32];
};

/**
 * struct reality_keys - Our end of a handshake; reality_keys_drop() wipes it
 * @tx, @rx:	In use: the application's, the handshake's; after the client's
 *		Finished both the application's
 * @finished:	What the client's must say; @next_rx: its secret behind it
 * @skipped:	change_cipher_spec records that were passed over
 */
struct reality_keys {
	struct tls13_dir tx, rx;
	enum hash_kind hash;
	uint8_t finished[HASH_MAX_BYTES], next_rx[TLS13_SECRET_BYTES];
	unsigned int skipped;
};

/**
 * struct reality_client - Whom we answer
 * @msg, @len:	Its hello, and @hello of it
 * @sign:	The certificate is signed by it, too; NULL: it is not
 * @tell:	Of the keys; NULL: nobody is told of secrets
 */
struct reality_client {
	const uint8_t *msg;
	size_t len;
	const struct reality_hello *hello;
	const uint8_t *auth_key;
	const struct mldsa65_secret_key *sign;
	const struct tls13_tell *tell;
};

/*
 * Our flight in the form of @m. Bytes at @out; -EPROTO: the mould is too small,
 * or the client has no such key; -ENOBUFS, -ENOMEM. On failure @k holds nothing
 */
ssize_t reality_answer(const struct reality_mould *m,
		       const struct reality_client *c,
		       const struct reality_dice *dice, uint8_t *out,
		       size_t room, struct reality_keys *k);
/*
 * One record of the client behind its hello, opened in place. Bytes consumed, 0
 * more are needed, -EPROTO. *@done: it was a Finished that fits, and k->rx has
 * the application's key
 */
ssize_t reality_finished_take(struct reality_keys *k, uint8_t *p, size_t n,
			      bool *done);
void reality_keys_drop(struct reality_keys *k);

/*
 * The sizes of the protected records at @p, @max of them at most, up to the first that
 * is not whole or is another. How many
 */
size_t reality_after_take(const uint8_t *p, size_t n, size_t *size, size_t max);

#endif
