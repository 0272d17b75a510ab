/*
 * tls13_keys.h - The key schedule of TLS 1.3, for both ends of a handshake
 *
 * A transcript is the hash of all handshake messages so far; hash_len() bytes.
 * All return 0, -ENOMEM or -EINVAL.
 * Source: RFC 8446, 4.4 and 7.1; draft-ietf-tls-keylogfile
 */
#ifndef PROXY_WIRE_TLS13_KEYS_H
#define PROXY_WIRE_TLS13_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "proxy/wire/tls13_record.h"

/* "CLIENT_HANDSHAKE_TRAFFIC_SECRET", the client's random, a secret, NUL */
#define TLS13_TOLD_MAX (32 + 2 * (32 + TLS13_SECRET_BYTES) + 2)

/**
 * struct tls13_tell - Who is told traffic secrets, for programs that read captures
 * @put:	Gets a line of the NSS key log, without its end
 * @random:	The client's
 */
struct tls13_tell {
	void (*put)(int fd, const char *line);
	int fd;
	uint8_t random[32];
};

/**
 * struct tls13_keys - Where the schedule stands
 * @secret:	Early, then handshake, then master secret
 * @tell:	Traffic secrets are told; NULL: to nobody
 */
struct tls13_keys {
	enum hash_kind hash;
	enum aead_kind aead;
	uint8_t secret[TLS13_SECRET_BYTES];
	const struct tls13_tell *tell;
};

/* What a CertificateVerify covers: spaces, a label with its zero, a transcript */
#define TLS13_COVERED_MAX (64 + 34 + HASH_MAX_BYTES)
size_t tls13_covered(enum hash_kind hash, const uint8_t *transcript,
		     uint8_t out[TLS13_COVERED_MAX]);

/* The early secret, without a PSK. @k->hash is set */
int tls13_keys_early(struct tls13_keys *k);
/* @k->secret = HKDF-Extract(Derive-Secret(@k->secret, "derived", ""), @input) */
int tls13_keys_step(struct tls13_keys *k, const uint8_t *input, size_t n);
/* The same without input: the master secret */
int tls13_keys_master(struct tls13_keys *k);
/* @out = Derive-Secret(@k->secret, @label, what @transcript is of) */
int tls13_keys_secret(const struct tls13_keys *k, const char *label,
		      const uint8_t *transcript, uint8_t *out);
/* Such a secret's keys in @d */
int tls13_keys_dir(const struct tls13_keys *k, const char *label,
		   const uint8_t *transcript, struct tls13_dir *d);
/* The verify_data of whoever writes with the traffic secret @secret */
int tls13_keys_finished(enum hash_kind hash, const uint8_t *secret,
			const uint8_t *transcript, uint8_t *out);

#endif
