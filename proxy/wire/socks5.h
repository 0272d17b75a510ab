/* socks5.h - SOCKS5 messages */
#ifndef PROXY_WIRE_SOCKS5_H
#define PROXY_WIRE_SOCKS5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/addr.h"
#include "gateway/base/buf.h"
#include "proxy/wire/addr_wire.h"

#define SOCKS5_VERSION 5

enum { SOCKS5_NO_AUTH = 0, SOCKS5_PASSWORD = 2, SOCKS5_NO_METHOD = 0xff };
enum { SOCKS5_CONNECT = 1, SOCKS5_BIND = 2, SOCKS5_UDP = 3 };
enum socks5_rep {
	SOCKS5_OK,
	SOCKS5_GENERAL,
	SOCKS5_NOT_ALLOWED,
	SOCKS5_NET_UNREACH,
	SOCKS5_HOST_UNREACH,
	SOCKS5_REFUSED,
	SOCKS5_TTL,
	SOCKS5_BAD_COMMAND,
	SOCKS5_BAD_ADDRESS,
};

#define SOCKS5_UDP_HEAD_MAX (3 + ADDR_WIRE_MAX)
#define SOCKS5_REPLY_MIN    7 /* no reply is shorter: an empty name */
#define SOCKS5_REPLY_MAX    (3 + ADDR_WIRE_MAX)

/* Client's messages. 0, -ENOBUFS, -EINVAL (too long, no address) */
int socks5_put_greeting(struct buf *b, uint8_t method);
int socks5_put_auth(struct buf *b, const char *user, const char *pass);
/* @a NULL: the unspecified IPv4 address, port 0 */
int socks5_put_request(struct buf *b, uint8_t cmd, const struct addr *a);

/* Server's messages: bytes consumed, 0 more needed, -EPROTO */
ssize_t socks5_get_method(const uint8_t *p, size_t n, uint8_t *method);
ssize_t socks5_get_auth_reply(const uint8_t *p, size_t n, bool *ok);

/**
 * struct socks5_reply - Answer to a request
 * @rep:	enum socks5_rep, or a code unknown to the RFC
 * @bound:	May be a name, kept in @name
 */
struct socks5_reply {
	uint8_t rep;
	struct addr bound;
	char name[256];
};
ssize_t socks5_get_reply(const uint8_t *p, size_t n, struct socks5_reply *out);
/* How long the reply at @p is, as far as @n bytes tell: at least that */
size_t socks5_reply_size(const uint8_t *p, size_t n);

/* Head of a datagram. Bytes written to @p (SOCKS5_UDP_HEAD_MAX), -EINVAL */
ssize_t socks5_set_udp(uint8_t *p, const struct addr *a);
/* Bytes of the head of datagram @p, or -EPROTO (cut, fragment, garbage) */
ssize_t socks5_get_udp(const uint8_t *p, size_t n, struct addr *a,
		       char name[256]);

/* Failure code of a reply as -errno; 0 for SOCKS5_OK */
int socks5_rep_errno(uint8_t rep);

#endif
