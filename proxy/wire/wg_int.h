/* wg_int.h - Between wg.c (messages) and wg_noise.c (handshake) */
#ifndef PROXY_WIRE_WG_INT_H
#define PROXY_WIRE_WG_INT_H

#include <stdint.h>
#include <sys/uio.h>

/* Bytes to be read only */
static inline struct iovec wg_piece(const void *p, size_t n)
{
	union {
		const void *in;
		void *out;
	} u = { .in = p };

	return (struct iovec){ u.out, n };
}

static inline uint32_t wg_le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

static inline void wg_put_le32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (i * 8));
}

#endif
