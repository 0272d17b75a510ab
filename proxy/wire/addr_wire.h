/* addr_wire.h - The two ways proxy protocols write an address */
#ifndef PROXY_WIRE_ADDR_WIRE_H
#define PROXY_WIRE_ADDR_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/addr.h"

/*
 * They differ in order and in type numbers:
 *
 * ADDR_SOCKS  type u8 | address | port u16    1 v4, 3 name, 4 v6
 *             SOCKS5, Trojan, Shadowsocks 2022
 * ADDR_SS     the same; the type's high four bits are ignored on reading
 *             Shadowsocks AEAD
 * ADDR_PORT   port u16 | type u8 | address    1 v4, 2 name, 3 v6
 *             VLESS, VMess, Mux.cool, XUDP
 *
 * A name is: length u8 (1 to 255) | bytes.
 */
enum addr_style { ADDR_SOCKS, ADDR_SS, ADDR_PORT };

/**
 * struct wire_packet - A datagram and its address, inside a carrier
 * @peer:	Where to, or from whom
 * @data, @len:	Payload, borrowed
 * @name:	Decoding: keeps the name @peer points to, so that a copy of the
 *		struct needs its pointer set again
 */
struct wire_packet {
	struct addr peer;
	const uint8_t *data;
	size_t len;
	char name[256];
};

#define ADDR_WIRE_MAX 259 /* bytes of the longest form */

/**
 * addr_wire_decode() - Read one address
 * @p, @n:	Bytes received so far
 * @out:	Filled on success only
 * @name:	Where a name is kept, lower case; @out->name points to it. An IP
 *		literal written as a name becomes an IP and leaves @name alone
 *
 * Return: bytes consumed (7 or more), 0 more are needed, -EPROTO
 */
ssize_t addr_wire_decode(enum addr_style style, const uint8_t *p, size_t n,
			 struct addr *out, char name[256]);
/* Bytes written, -ENOBUFS (nothing is written then), -EINVAL for ADDR_NONE */
ssize_t addr_wire_encode(enum addr_style style, const struct addr *a,
			 uint8_t *out, size_t room);
/* What addr_wire_encode() would write; 0 for ADDR_NONE */
size_t addr_wire_len(const struct addr *a);

#endif
