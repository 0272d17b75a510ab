/* tls_hello.h - The server name in a ClientHello, as far as it has arrived */
#ifndef PROXY_WIRE_TLS_HELLO_H
#define PROXY_WIRE_TLS_HELLO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TLS_HELLO_MAX_BYTES 65536 /* a longer announced hello is refused */

/**
 * tls_hello_name() - Find the server name of a ClientHello
 * @p, @n:	The handshake message so far, from its type byte; no record
 *		headers. May be cut anywhere and may be followed by other bytes
 * @name:	Set to the first byte of the name (inside @p) when the result
 *		is above 0; its bytes are not checked
 *
 * Return: length of the name (final as soon as its extension is complete),
 * -EAGAIN more bytes are needed, -ENOENT a complete hello without a name,
 * -EPROTO no ClientHello
 * Source: RFC 8446, 4.1.2; RFC 6066, 3
 */
ssize_t tls_hello_name(const uint8_t *p, size_t n, const uint8_t **name);

#endif
