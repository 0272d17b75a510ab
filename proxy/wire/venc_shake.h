/*
 * venc_shake.h - VLESS encryption: the handshake, memory in, memory out
 *
 *   client: iv 16 | relays | length 18 | keys 1232 | length 18 | padding
 *	     iv 16 | relays | length 18 | ticket 32			(0-RTT)
 *   server: keys 1136 | ticket 32 | length 18 | padding
 *	     random 16						(0-RTT)
 *
 * Source: docs/wire/vless_encryption.md
 */
#ifndef PROXY_WIRE_VENC_SHAKE_H
#define PROXY_WIRE_VENC_SHAKE_H

#include "proxy/wire/venc.h"

#define VENC_IV_BYTES     16
#define VENC_LENGTH_BYTES (2 + AEAD_TAG_BYTES)
#define VENC_ID_BYTES     16
#define VENC_TICKET_BYTES (VENC_ID_BYTES + AEAD_TAG_BYTES)
#define VENC_ASK_BYTES \
	(MLKEM768_KEY_BYTES + X25519_BYTES + \
	 AEAD_TAG_BYTES) /* a client's keys */
#define VENC_ANSWER_BYTES \
	(MLKEM768_SEALED_BYTES + X25519_BYTES + AEAD_TAG_BYTES)
#define VENC_RANDOM_BYTES 16
#define VENC_HELLO_MAX \
	(VENC_IV_BYTES + VENC_RELAYS_MAX * (MLKEM768_SEALED_BYTES + 32) + \
	 VENC_LENGTH_BYTES + VENC_ASK_BYTES + VENC_PADDING_MAX)

/**
 * struct venc_ticket_key - What makes a later handshake short
 * @id:		The server's name for it; its first two bytes are the seconds
 */
struct venc_ticket_key {
	uint8_t id[VENC_ID_BYTES], pfs[VENC_PFS_BYTES];
};

typedef void (*venc_random)(void *p, size_t n);

/**
 * struct venc_shake_key - One handshake of either side
 * @random:	Set by the maker; never NULL
 * @nfs:	Known to who has the last relay's key
 * @hello:	Direction of the client's hello, keyed by @nfs
 * @united:	The secret of both: pfs | nfs
 * @dk, @x25519:	The client's, for this handshake
 * @ask:	The client's keys, as they bind its direction
 * @answer:	A server: its keys, as they bind its direction
 * @encrypted_id:	A ticket as it was on the wire
 * @tx, @rx:	The result; whoever uses them takes them out
 */
struct venc_shake_key {
	venc_random random;
	enum aead_kind aead;
	enum venc_mode mode;
	uint8_t iv[VENC_IV_BYTES];
	uint8_t nfs[VENC_NFS_BYTES];
	struct venc_dir_key hello;
	uint8_t united[VENC_UNITED_BYTES];
	struct mlkem768_secret_key dk;
	uint8_t x25519[X25519_BYTES];
	uint8_t ask[MLKEM768_KEY_BYTES + X25519_BYTES];
	uint8_t answer[MLKEM768_SEALED_BYTES + X25519_BYTES];
	uint8_t encrypted_id[VENC_TICKET_BYTES];
	struct venc_dir_key tx, rx;
};

void venc_shake_drop(struct venc_shake_key *k);
/* Bytes before what the length speaks of: iv, relays, length */
static inline size_t venc_front_bytes(const struct venc_conf_key *c)
{
	return VENC_IV_BYTES + c->relays_len + VENC_LENGTH_BYTES;
}

/* --- the client --- */

/*
 * The hello at @out, with @k->aead and random set and all else zero. @t: 0-RTT, then k->tx is
 * ready; NULL: with @padding bytes (35 or more) at its end. Bytes or -errno
 */
ssize_t venc_client_hello(struct venc_shake_key *k,
			  const struct venc_conf_key *c,
			  const struct venc_ticket_key *t, size_t padding,
			  uint8_t *out, size_t room);
/* VENC_ANSWER_BYTES, opened in place; then k->tx and k->rx are. 0 or -errno */
int venc_client_answer(struct venc_shake_key *k, uint8_t *p);
/* VENC_TICKET_BYTES, opened in place. Seconds it lives, or -errno */
int venc_client_ticket(struct venc_shake_key *k, uint8_t *p,
		       struct venc_ticket_key *out);
/* 0-RTT: the server's VENC_RANDOM_BYTES make k->rx. 0 or -errno */
int venc_client_random(struct venc_shake_key *k, const uint8_t *p);
/* VENC_LENGTH_BYTES, opened in place: a length, or -errno */
int venc_open_length(struct venc_dir_key *d, uint8_t *p);

/* --- the server --- */

/*
 * venc_front_bytes() of a client, with @k zero but for random. The length of what follows:
 * VENC_TICKET_BYTES, or VENC_ASK_BYTES or more. -EPROTO: made without our keys
 */
int venc_server_front(struct venc_shake_key *k, const struct venc_conf_key *c,
		      uint8_t *p);
/* VENC_TICKET_BYTES. 0 with @id, or -errno */
int venc_server_ticket(struct venc_shake_key *k, const uint8_t *p,
		       uint8_t id[VENC_ID_BYTES]);
/* Of a ticket that is known: @out begins what we send. k->tx, k->rx are ready */
int venc_server_resume(struct venc_shake_key *k,
		       const uint8_t pfs[VENC_PFS_BYTES],
		       uint8_t out[VENC_RANDOM_BYTES]);
/* A client's keys, @n bytes with their tag, opened in place. 0 or -errno */
int venc_server_ask(struct venc_shake_key *k, uint8_t *p, size_t n);
/*
 * Our answer with a ticket for @seconds (0: none) and @padding bytes (35 or more);
 * k->tx and k->rx are ready. Bytes or -errno
 */
ssize_t venc_server_answer(struct venc_shake_key *k, uint32_t seconds,
			   size_t padding, struct venc_ticket_key *t,
			   uint8_t *out, size_t room);

#endif
