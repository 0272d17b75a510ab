/* ws.h - WebSocket: frame heads, masking, the accept key */
#ifndef PROXY_WIRE_WS_H
#define PROXY_WIRE_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WS_HEAD_MAX    14
#define WS_KEY_TEXT    25 /* base64 of 16 bytes and a NUL */
#define WS_ACCEPT_TEXT 29 /* base64 of 20 bytes and a NUL */
#define WS_CONTROL_MAX 125 /* payload of close, ping, pong */

enum ws_opcode {
	WS_CONTINUE = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

/**
 * struct ws_head - Before each frame's payload
 * @fin:	Last frame of its message
 * @masked:	@mask is there; obligatory from a client, forbidden from a server
 * @len:	Payload, below 2^63
 */
struct ws_head {
	bool fin, masked;
	enum ws_opcode opcode;
	uint8_t mask[4];
	uint64_t len;
};

/**
 * ws_head_decode() - Read one frame head
 *
 * Return: bytes consumed (2 to 14), 0 more are needed, -EPROTO (reserved bits
 * or opcodes, long or split control frames, lengths not in shortest form)
 * Source: RFC 6455, 5.2 and 5.5
 */
ssize_t ws_head_decode(const uint8_t *p, size_t n, struct ws_head *out);
ssize_t ws_head_encode(const struct ws_head *h, uint8_t *out, size_t room);
/* XOR @n bytes on their way to @to (@p itself, before it, or elsewhere); @at:
 * their offset in the payload */
void ws_mask_copy(uint8_t *to, const uint8_t *p, size_t n,
		  const uint8_t mask[4], uint64_t at);
/* The same in place */
void ws_mask(uint8_t *p, size_t n, const uint8_t mask[4], uint64_t at);
/* Sec-WebSocket-Accept of a Sec-WebSocket-Key, NUL terminated. 0 or -errno */
int ws_accept(const char *key, char out[WS_ACCEPT_TEXT]);

#endif
