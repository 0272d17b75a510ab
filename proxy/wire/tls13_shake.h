/*
 * tls13_shake.h - A TLS 1.3 handshake as client: bytes in, keys out
 *
 *   ours:    ClientHello                                    CCS {Finished}
 *   theirs:              ServerHello CCS {EncryptedExtensions
 *                        Certificate CertificateVerify Finished}
 *
 * Full handshakes with X25519 or X25519MLKEM768 only: no resumption, no early
 * data, no client certificate. Who the server is, the caller judges.
 *
 * Source: RFC 8446, 4 and 7.1
 */
#ifndef PROXY_WIRE_TLS13_SHAKE_H
#define PROXY_WIRE_TLS13_SHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proxy/wire/tls13_hello.h"
#include "proxy/wire/tls13_keys.h"

#define TLS13_FLIGHT_MAX (64u << 10) /* of a server, with its certificates */

/**
 * struct tls13_proof - What a server shows of itself; pointers for the call
 * @cert:	The leaf's DER; NULL: compressed, which is not looked into
 * @scheme, @sig:	Of its CertificateVerify
 * @covered:	What it signs (RFC 8446, 4.4.3)
 * @hellos:	ClientHello and ServerHello, both messages
 */
struct tls13_proof {
	const uint8_t *cert, *sig, *covered, *hellos;
	size_t cert_len, sig_len, covered_len, hellos_len;
	uint16_t scheme;
};

/**
 * struct tls13_own - The private keys of a hello's shares: random bytes
 * @alone:	Of X25519
 * @hybrid:	Of X25519 in X25519MLKEM768; @seed: of its ML-KEM key
 */
struct tls13_own {
	uint8_t alone[32], hybrid[32], seed[MLKEM_SEED_BYTES];
};

/**
 * struct tls13_shake - One handshake
 * @judge:	0: the server is the one meant; -errno ends the handshake
 * @log, @log_len, @log_cap:	All handshake messages so far (owned)
 * @parsed:	Bytes of @log that are whole messages, looked at
 * @seen:	Bytes of the server that were used
 * @cert_at, @cert_len:	Where in @log the leaf lies
 * @state:	Which message comes next
 * @tx, @rx:	Keys in use; at the end those of the application
 * @next_tx:	Of the application, until our Finished is made
 * @tell:	Set by the caller before it starts, but for the random; put NULL: no
 * @alpn:	What the server chose; "" nothing
 * @why:	What was wrong, for people; NULL
 */
struct tls13_shake {
	int (*judge)(void *arg, const struct tls13_proof *proof);
	void *arg;
	struct tls13_own own;
	uint8_t session[TLS13_SESSION_ID_BYTES];
	uint8_t *log;
	size_t log_len, log_cap, parsed, seen;
	size_t cert_at, cert_len;
	int state;
	bool compressed;
	struct tls13_keys keys;
	uint8_t next_tx[TLS13_SECRET_BYTES], next_rx[TLS13_SECRET_BYTES];
	struct tls13_dir tx, rx;
	struct tls13_tell tell;
	char alpn[16];
	const char *why;
};

/* Their public keys, for a hello. 0 or -ENOMEM */
int tls13_own_public(const struct tls13_own *own, struct tls13_offer *o);
/* @hello: the ClientHello message. 0 or -ENOMEM. Zeroed by the caller before */
int tls13_shake_start(struct tls13_shake *k, const uint8_t *hello, size_t n);
/* The hello as a record. Bytes, or -ENOBUFS */
ssize_t tls13_shake_hello(const struct tls13_shake *k, uint8_t *out,
			  size_t room);
/*
 * @p: all bytes of the server so far, from the first on. Bytes of the whole
 * handshake when it is done, 0 more are needed, -errno (k->why says it in words).
 */
ssize_t tls13_shake_feed(struct tls13_shake *k, const uint8_t *p, size_t n);
/*
 * After that, once: what we say last, and the application's keys are in
 * k->tx and k->rx (the caller may take them away by copy, and zero them here).
 * Bytes, or -errno
 */
ssize_t tls13_shake_finish(struct tls13_shake *k, uint8_t *out, size_t room);
/* Wipes and frees what @k owns */
void tls13_shake_drop(struct tls13_shake *k);

#endif
