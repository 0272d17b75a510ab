/* trojan.h - Trojan: request head, packets over the stream */
#ifndef PROXY_WIRE_TROJAN_H
#define PROXY_WIRE_TROJAN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proxy/wire/addr_wire.h"

#define TROJAN_KEY_BYTES 56 /* hex digits of the password's SHA-224 */
#define TROJAN_PACKET_MAX \
	8192 /* payload; readers of other programs refuse more */
#define TROJAN_HEAD_MAX (TROJAN_KEY_BYTES + 2 + 1 + ADDR_WIRE_MAX + 2)

enum trojan_command { TROJAN_TCP = 1, TROJAN_UDP = 3 };

/**
 * struct trojan_request - What a client asks
 * @key:	TROJAN_KEY_BYTES hex digits, borrowed
 * @name:	Decoding: keeps the name @to points to
 */
struct trojan_request {
	const uint8_t *key;
	enum trojan_command command;
	struct addr to;
	char name[256];
};

/* Lower-case hex of SHA-224(password), not terminated. 0 or -errno */
int trojan_key(const char *password, uint8_t out[TROJAN_KEY_BYTES]);
ssize_t trojan_request_encode(const struct trojan_request *rq, uint8_t *out,
			      size_t room);
/*
 * Bytes consumed (the payload follows), 0 more are needed, -EPROTO as soon as
 * a byte cannot belong to a request. The key is not compared here
 */
ssize_t trojan_request_decode(const uint8_t *p, size_t n,
			      struct trojan_request *out);
/* Head and payload of one packet. -EINVAL above TROJAN_PACKET_MAX */
ssize_t trojan_packet_encode(const struct wire_packet *pk, uint8_t *out,
			     size_t room);
/* Bytes consumed with the payload, 0 more are needed, -EPROTO */
ssize_t trojan_packet_decode(const uint8_t *p, size_t n,
			     struct wire_packet *out);

#endif
