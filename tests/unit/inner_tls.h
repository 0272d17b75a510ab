/* inner_tls.h - Records that look like a TLS stream within another connection */
#ifndef TESTS_UNIT_INNER_TLS_H
#define TESTS_UNIT_INNER_TLS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/compat.h"

/* A TLS record of @n bytes: type, then zeros. Bytes in all */
static inline size_t rec(uint8_t *p, uint8_t type, size_t n)
{
	memset(p, 0, 5 + n);
	p[0] = type;
	p[1] = 3;
	p[2] = 3;
	put_be16(p + 3, (uint16_t)n);
	return 5 + n;
}

static inline size_t client_hello(uint8_t *p)
{
	size_t n = rec(p, 0x16, 300);

	p[5] = 1;
	return n;
}

/* @suite 0: TLS 1.2 */
static inline size_t server_hello(uint8_t *p, uint16_t suite)
{
	size_t n = rec(p, 0x16, 122);

	p[5] = 2;
	p[43] = 32;
	put_be16(p + 76, suite ? suite : 0xc02f);
	if (suite)
		memcpy(p + 90, "\x00\x2b\x00\x02\x03\x04", 6);
	return n;
}

#endif
