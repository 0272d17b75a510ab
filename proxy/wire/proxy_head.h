/* proxy_head.h - The PROXY protocol's header, versions 1 and 2 */
#ifndef PROXY_WIRE_PROXY_HEAD_H
#define PROXY_WIRE_PROXY_HEAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/addr.h"

#define PROXY_HEAD_OUT_MAX 108 /* written: version 1's longest line */
#define PROXY_HEAD_IN_MAX  4096 /* read: version 2 with its TLVs */

/**
 * proxy_head_decode() - Read one header
 * @ends:	Client and the address it connected to, on success; kind NONE,
 *		both: not told (LOCAL, UNKNOWN, unix sockets)
 *
 * A wrong byte is found at once, before the header is whole.
 *
 * Return: bytes consumed, 0 more are needed, -EPROTO
 */
ssize_t proxy_head_decode(const uint8_t *p, size_t n, struct addr ends[2]);
/**
 * proxy_head_encode() - Write one header
 * @version:	1 or 2
 * @from, @to:	If one is no IP, the header says that it does not know. When
 *		only one is IPv6 the other is written as v4-mapped
 *
 * Return: bytes written to @out (PROXY_HEAD_OUT_MAX)
 */
size_t proxy_head_encode(unsigned int version, const struct addr *from,
			 const struct addr *to, uint8_t *out);

#endif
