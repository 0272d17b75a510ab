/* grpc.h - gRPC messages that hold bytes: Hunk and MultiHunk of Xray */
#ifndef PROXY_WIRE_GRPC_H
#define PROXY_WIRE_GRPC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define GRPC_HEAD_MAX 11 /* message head, tag, length */

/**
 * struct grpc_rd - Where in the messages a reader is; zero: at the start
 * @message:	Bytes of the message still to come
 * @field:	Bytes of the field still to come; @skip: not ours
 * @value, @shift:	A varint under way
 */
struct grpc_rd {
	uint8_t state, head_len, shift;
	uint8_t head[5];
	uint8_t skip;
	uint32_t message, field;
	uint64_t value;
};

/* What goes before @n bytes as one Hunk. Length, at most GRPC_HEAD_MAX */
size_t grpc_head(uint32_t n, uint8_t out[GRPC_HEAD_MAX]);
/*
 * Take the data out of @n bytes at @p, any cut: to @out (at least @n bytes; may
 * be @p). Data bytes, or -EPROTO (compressed, not protobuf, lengths that do
 * not fit each other)
 */
ssize_t grpc_read(struct grpc_rd *r, const uint8_t *p, size_t n, uint8_t *out);

#endif
