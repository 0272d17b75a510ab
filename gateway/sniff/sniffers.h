/* sniffers.h - One pure function for each protocol; only for this room */
#ifndef GATEWAY_SNIFF_SNIFFERS_H
#define GATEWAY_SNIFF_SNIFFERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "gateway/base/rd.h"
#include "gateway/core/sniff.h"

/*
 * All bytes of a stream so far. SNIFF_YES fills @out, also without a name
 * when the protocol was clear; SNIFF_NO and SNIFF_YES are final.
 */
enum verdict sniff_http(const uint8_t *p, size_t n, struct sniffed *out);
enum verdict sniff_tls(const uint8_t *p, size_t n, struct sniffed *out);
enum verdict sniff_bt_stream(const uint8_t *p, size_t n, struct sniffed *out);

/* All datagrams so far, in the order of arrival */
enum verdict sniff_quic(const struct iovec *v, int cnt, struct sniffed *out);
/* The first datagram: a uTP SYN */
enum verdict sniff_utp(const uint8_t *p, size_t n, struct sniffed *out);

/*
 * Set @out: @name is cleaned, an IP literal becomes no name. False, and @out
 * untouched, when the bytes cannot be a host name
 */
bool sniffed_set(struct sniffed *out, enum sniff_proto proto,
		 const uint8_t *name, size_t len);

/* A variable-length integer (RFC 9000, 16), below 2^62 */
uint64_t quic_varint(struct rd *r);

#define QUIC_CRYPTO_MAX_BYTES 16384 /* of a ClientHello kept in order */

/**
 * struct quic_hello - CRYPTO bytes put together, in any order
 * @high:	One past the highest byte received
 * @have:	One bit for each byte of @bytes
 */
struct quic_hello {
	uint32_t high;
	uint8_t have[QUIC_CRYPTO_MAX_BYTES / 8];
	uint8_t bytes[QUIC_CRYPTO_MAX_BYTES];
};

/* Zero the state; not the 16 KiB of bytes, which @have guards */
void quic_hello_init(struct quic_hello *h);
/*
 * Read the frames of one decrypted Initial into @h. 0, or -EPROTO: a frame
 * that no client's Initial may carry, or one that is cut
 */
int quic_frames(struct quic_hello *h, const uint8_t *p, size_t n);
/* Number of bytes without a gap from the first */
size_t quic_hello_len(const struct quic_hello *h);

#endif
