/* quic_enc.h - Builds Initials for tests; made from RFC 9000/9001, not from quic.c */
#ifndef TESTS_UNIT_QUIC_ENC_H
#define TESTS_UNIT_QUIC_ENC_H

#include <stddef.h>
#include <stdint.h>

/**
 * struct enc - Bytes being written
 */
struct enc {
	uint8_t b[4096];
	size_t n;
};
void enc_put(struct enc *e, const void *p, size_t n);
void enc_u8(struct enc *e, unsigned int v);
void enc_u16(struct enc *e, unsigned int v);
void enc_fill(struct enc *e, unsigned int v, size_t n);
/* QUIC varint in @bytes (1, 2, 4 or 8); 0 the shortest */
void enc_varint(struct enc *e, uint64_t v, int bytes);
/* CRYPTO frame with @p[offset, offset + len) */
void enc_crypto(struct enc *e, const uint8_t *p, size_t offset, size_t len);

/* A ClientHello handshake message; @name NULL: without SNI; @pad: bytes of an
 * unknown extension put before SNI */
void enc_hello(struct enc *e, const char *name, size_t pad);

/**
 * struct initial - How to seal a packet
 * @version:	1, 0x6b3343cf or 0xff00001d
 * @type:	Type bits; the version's Initial when negative
 * @cid:	Destination id; keys follow from @key_cid, or @cid when empty
 * @pn, @pn_len:	Packet number and its bytes (1 to 4)
 */
struct initial {
	uint32_t version;
	int type;
	const char *cid, *key_cid, *token;
	uint32_t pn;
	int pn_len;
};
/* Append the sealed packet with @frames to @out */
void enc_initial(struct enc *out, const struct initial *in,
		 const struct enc *frames);

#endif
