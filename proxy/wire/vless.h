/* vless.h - VLESS: request and response head, packets of the UDP command */
#ifndef PROXY_WIRE_VLESS_H
#define PROXY_WIRE_VLESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/addr.h"

#define VLESS_VISION   "xtls-rprx-vision" /* the one flow there is */
#define VLESS_FLOW_MAX 32
#define VLESS_HEAD_MAX (1 + 16 + 1 + 255 + 1 + 259)

enum vless_command {
	VLESS_TCP = 1,
	VLESS_UDP = 2,
	VLESS_MUX = 3, /* no address */
	VLESS_REVERSE = 4, /* no address */
};

/**
 * struct vless_request - What a client asks
 * @to:		ADDR_NONE for VLESS_MUX and VLESS_REVERSE
 * @flow:	"" or the flow's name from the addons
 * @name:	Decoding: keeps the name @to points to
 */
struct vless_request {
	uint8_t id[16];
	enum vless_command command;
	struct addr to;
	char flow[VLESS_FLOW_MAX];
	char name[256];
};

ssize_t vless_request_encode(const struct vless_request *rq, uint8_t *out,
			     size_t room);
/* Bytes consumed, 0 more are needed, -EPROTO. The id is not checked here */
ssize_t vless_request_decode(const uint8_t *p, size_t n,
			     struct vless_request *out);
/* The server's head: version 0 and addons, which are skipped */
ssize_t vless_response_decode(const uint8_t *p, size_t n);
ssize_t vless_response_encode(uint8_t *out, size_t room); /* 2 bytes */
/* length u16 | data. Bytes consumed, 0 more are needed */
ssize_t vless_packet_decode(const uint8_t *p, size_t n, const uint8_t **data,
			    size_t *len);
ssize_t vless_packet_encode(const uint8_t *p, size_t n, uint8_t *out,
			    size_t room);

#endif
