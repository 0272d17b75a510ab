/* socks_srv.h - SOCKS4, 4a and 5: the server's side of the handshake */
#ifndef PROXY_WIRE_SOCKS_SRV_H
#define PROXY_WIRE_SOCKS_SRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/addr.h"
#include "gateway/base/buf.h"

#define SOCKS4_VERSION        4
#define SOCKS4_USER_MAX       255
#define SOCKS_TOR_RESOLVE     0xf0 /* and 0xf1: taken as connect, as Xray does */
#define SOCKS_TOR_RESOLVE_PTR 0xf1

/* All decoders: bytes consumed, 0 more are needed, -EPROTO */

/* Greeting. *@offered: is @method among those offered? */
ssize_t socks_srv_greeting(const uint8_t *p, size_t n, uint8_t method,
			   bool *offered);
/* Password message; both are NUL terminated. Embedded NUL is refused */
ssize_t socks_srv_auth(const uint8_t *p, size_t n, char user[256],
		       char pass[256]);

/**
 * struct socks_request - What a client asks for
 * @cmd:	SOCKS5_CONNECT ... as received
 * @to:		A name is kept in @name: a copy of the struct needs it set again
 */
struct socks_request {
	uint8_t cmd;
	struct addr to;
	char name[256];
};
/* SOCKS5. -EAFNOSUPPORT: an address type nobody knows */
ssize_t socks_srv_request(const uint8_t *p, size_t n,
			  struct socks_request *out);
/* SOCKS4 and 4a; the user id is not looked at */
ssize_t socks4_request(const uint8_t *p, size_t n, struct socks_request *out);

/* Replies. 0 or -ENOBUFS. @a NULL or a name: 0.0.0.0:0 */
int socks_srv_put_method(struct buf *b, uint8_t method);
int socks_srv_put_auth(struct buf *b, bool ok);
int socks_srv_put_reply(struct buf *b, uint8_t rep, const struct addr *a);
int socks4_put_reply(struct buf *b, bool granted, const struct addr *a);

#endif
