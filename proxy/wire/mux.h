/* mux.h - Mux.cool: frames of many sessions on one stream */
#ifndef PROXY_WIRE_MUX_H
#define PROXY_WIRE_MUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/addr.h"

#define MUX_META_MAX    512 /* more is an error */
#define MUX_DATA_MAX    8192 /* of a frame we write */
#define MUX_HEAD_MAX    (2 + 4 + 1 + 259 + 2 * (1 + 19) + 2)
#define MUX_TARGET      "v1.mux.cool"
#define MUX_TARGET_PORT 9527

enum mux_status {
	MUX_NEW = 1, /* opens a session; has the target */
	MUX_KEEP = 2, /* data of an open one */
	MUX_END = 3,
	MUX_ALIVE = 4, /* keeps the carrier; data is thrown away */
};

enum { MUX_TCP = 1, MUX_UDP = 2 };

/**
 * struct mux_frame - One frame; its data follows on the stream
 * @session:	Id, chosen by the client
 * @network:	MUX_TCP or MUX_UDP; 0 when the frame has no address
 * @error:	With MUX_END: the session failed
 * @has_data:	A length and @len bytes follow
 * @len:	Bytes of data
 * @has_global:	MUX_NEW with MUX_UDP: @global is there (see xudp.h)
 * @from, @at:	MUX_NEW of a connection that carries sessions to the client: source,
 *		and where it was accepted; kind NONE: not told. IP addresses, a name
 *		is not kept
 * @to:		Target; with MUX_KEEP and MUX_UDP the packet's peer
 * @name:	Decoding: keeps the name @to points to
 */
struct mux_frame {
	uint16_t session;
	enum mux_status status;
	uint8_t network;
	bool error, has_data, has_global;
	uint16_t len;
	uint8_t global[8];
	struct addr to, from, at;
	char name[256];
};

/*
 * Read a frame's head with the length of its data. Bytes consumed (the data
 * follows), 0 more are needed, -EPROTO. Unknown bytes behind the known ones
 * are skipped
 */
ssize_t mux_frame_decode(const uint8_t *p, size_t n, struct mux_frame *out);
/* The same; @ends: MUX_NEW may have @from and @at, and no @global */
ssize_t mux_frame_decode_as(const uint8_t *p, size_t n, bool ends,
			    struct mux_frame *out);
/* Head with the length of the data: at most MUX_HEAD_MAX. -ENOBUFS, -EINVAL */
ssize_t mux_frame_encode(const struct mux_frame *f, uint8_t *out, size_t room);

#endif
