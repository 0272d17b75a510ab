/* wg_int.h - Between wg.c (messages) and wg_noise.c (handshake) */
#ifndef PROXY_WIRE_WG_INT_H
#define PROXY_WIRE_WG_INT_H

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

#endif
