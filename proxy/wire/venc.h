/*
 * venc.h - VLESS encryption: settings, keys of a direction, records
 *
 * The handshake is in venc_shake.h; layouts are in docs/wire/vless_encryption.md.
 * Source: Xray-core proxy/vless/encryption, infra/conf/vless.go (facts)
 */
#ifndef PROXY_WIRE_VENC_H
#define PROXY_WIRE_VENC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/crypto.h"
#include "gateway/base/crypto_pk.h"
#include "gateway/base/mlkem.h"

#define VENC_PREFIX      "mlkem768x25519plus"
#define VENC_RELAYS_MAX  8
#define VENC_PARTS_MAX   16 /* lengths, and gaps, of a padding */
#define VENC_PADDING_MAX (18 + 65535)
#define VENC_TEXT_MAX    (16u << 10)

#define VENC_HEAD_BYTES 5
#define VENC_PLAIN_PUT  8192 /* payload of our records, at most */
#define VENC_EXTRA      (VENC_HEAD_BYTES + AEAD_TAG_BYTES)
#define VENC_BODY_MAX   16640 /* of a record received, its tag included */

#define VENC_NFS_BYTES    32
#define VENC_PFS_BYTES    64
#define VENC_UNITED_BYTES (VENC_PFS_BYTES + VENC_NFS_BYTES)

/**
 * enum venc_mode - What an observer sees
 *
 * VENC_NATIVE  the relays' keys as they are, heads of TLS records
 * VENC_XORPUB  keys that look like noise
 * VENC_RANDOM  heads too
 */
enum venc_mode { VENC_NATIVE, VENC_XORPUB, VENC_RANDOM };

/**
 * struct venc_part - A length in bytes, or a gap in ms
 * @percent:	How often it is not 0
 */
struct venc_part {
	uint32_t percent, lo, hi;
};

/**
 * struct venc_padding - What hides how long a handshake is; no @lens: the default
 */
struct venc_padding {
	unsigned int lens, gaps;
	struct venc_part len[VENC_PARTS_MAX], gap[VENC_PARTS_MAX];
};

/**
 * struct venc_plan - One padding, thrown: lengths and gaps take turns
 * @bytes:	All lengths together
 */
struct venc_plan {
	uint32_t bytes;
	unsigned int lens, gaps;
	uint32_t len[VENC_PARTS_MAX], gap_ms[VENC_PARTS_MAX];
};

/**
 * struct venc_relay_key - The long-term key of one relay, the last is the server
 * @mlkem:	ML-KEM-768; otherwise X25519
 * @pub, @pub_len:	What the client has
 * @hash:	BLAKE3 of it: says who is next
 * @x25519, @dk:	What the server has of the one kind or the other
 */
struct venc_relay_key {
	bool mlkem;
	uint16_t pub_len;
	uint8_t pub[MLKEM768_KEY_BYTES];
	uint8_t hash[32];
	uint8_t x25519[X25519_BYTES];
	struct mlkem768_secret_key dk;
};

/**
 * struct venc_conf_key - A "decryption" or an "encryption"
 * @resume:	A client that uses tickets
 * @seconds_from, @seconds_to:	A server's tickets live that long; both 0: none.
 *		@seconds_to alone 0: half of @seconds_from up to all of it
 * @relays_len:	Bytes of all relays' shares
 */
struct venc_conf_key {
	enum venc_mode mode;
	bool resume;
	uint32_t seconds_from, seconds_to;
	struct venc_padding padding;
	unsigned int relays;
	size_t relays_len;
	struct venc_relay_key relay[VENC_RELAYS_MAX];
};

/*
 * @text to @out, which is zeroed first. NULL, or what is wrong with it (a
 * constant, to stand behind "must ..."). @server: "decryption"
 */
const char *venc_parse(const char *text, bool server,
		       struct venc_conf_key *out);
/* @below(n): 0 to n - 1, by chance */
void venc_plan(const struct venc_padding *p, uint32_t (*below)(uint32_t n),
	       struct venc_plan *out);

/**
 * struct venc_mask_key - AES-256-CTR: bytes that look like noise
 * @at:		Bytes of @stream used up; 16: none is left
 */
struct venc_mask_key {
	struct block_key block;
	uint8_t counter[16], stream[16];
	uint8_t at;
};

int venc_mask_set(struct venc_mask_key *m, const uint8_t *key, size_t n,
		  const uint8_t iv[16]);
int venc_mask_run(struct venc_mask_key *m, uint8_t *p, size_t n);
void venc_mask_drop(struct venc_mask_key *m);

/**
 * struct venc_heads_key - A stream of TLS records whose heads look like noise
 * @head, @head_len:	A head that is not whole, in clear
 * @body:	Bytes of the record that are still to come, as they are
 */
struct venc_heads_key {
	struct venc_mask_key mask;
	uint8_t head[VENC_HEAD_BYTES];
	uint8_t head_len;
	uint32_t body;
};

/*
 * The next @n bytes, in place: masked, or unmasked when they are. What is no head is
 * taken for one of an empty record: five bytes. 0 or -errno
 */
int venc_heads_run(struct venc_heads_key *h, bool masked, uint8_t *p, size_t n);

/**
 * struct venc_dir_key - One direction
 * @nonce:	Of the last that was sealed
 * @mask:	Of the records' heads, unset but for VENC_RANDOM
 * @head, @body:	Reading: a head was read, and @body bytes follow; 0 none
 */
struct venc_dir_key {
	struct aead_key aead;
	uint8_t nonce[12];
	struct venc_mask_key mask;
	uint8_t head[VENC_HEAD_BYTES];
	uint32_t body;
};

/* A key from @n bytes of @key material, bound to @ctx. 0 or -errno */
int venc_dir_set(struct venc_dir_key *d, enum aead_kind aead, const void *ctx,
		 size_t ctx_len, const uint8_t *key, size_t n);
void venc_dir_drop(struct venc_dir_key *d);
/* The next piece without a head: @n bytes and a tag. @p == @out is allowed */
int venc_seal_piece(struct venc_dir_key *d, const uint8_t *p, size_t n,
		    uint8_t *out);
/* In place, @n with the tag. 0 or -errno */
int venc_open_piece(struct venc_dir_key *d, uint8_t *p, size_t n);
/* The same with the nonce that no counter reaches */
int venc_seal_last(struct venc_dir_key *d, uint8_t *p, size_t n);
int venc_open_last(struct venc_dir_key *d, uint8_t *p, size_t n);
/* A record. Bytes written, or -errno */
ssize_t venc_seal(struct venc_dir_key *d, const uint8_t *p, size_t n,
		  uint8_t *out, size_t room);
/*
 * A head or a body, opened in place. Bytes consumed, 0 more are needed, -EPROTO;
 * -EBADMSG: a head that is none. *@len: payload at *@data, 0 behind a head
 */
ssize_t venc_open(struct venc_dir_key *d, uint8_t *p, size_t n, uint8_t **data,
		  size_t *len);

#endif
