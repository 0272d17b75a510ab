/* xudp.h - XUDP: packets with their peers in a Mux.cool stream of one session */
#ifndef PROXY_WIRE_XUDP_H
#define PROXY_WIRE_XUDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proxy/wire/addr_wire.h"

#define XUDP_PACKET_MAX (8192 - 666) /* Xray's sender drops larger ones */
#define XUDP_HEAD_MAX   (2 + 4 + 1 + ADDR_WIRE_MAX + 8 + 2)

/**
 * struct xudp_out - Sending side of one session
 * @begun:	The first packet, which opens the session, has been encoded
 * @global:	Sent with it; all zero: none
 */
struct xudp_out {
	bool begun;
	uint8_t global[8];
};

/*
 * Same stable id for the same client, not to be guessed: keyed BLAKE3 of
 * "udp:address:port". @key: 32 random bytes of this process
 */
void xudp_global_id(const uint8_t key[32], const struct addr *client,
		    uint8_t out[8]);
/* Bytes written, -ENOBUFS, -EINVAL (too large, or empty) */
ssize_t xudp_encode(struct xudp_out *x, const struct wire_packet *pk,
		    uint8_t *out, size_t room);
/**
 * xudp_decode() - Read one frame
 * @out:	Filled when *is_packet. Peer ADDR_NONE: the session's target
 *
 * Return: bytes consumed, 0 more are needed, -EPROTO, -EPIPE the peer ended
 * the session
 */
ssize_t xudp_decode(const uint8_t *p, size_t n, struct wire_packet *out,
		    bool *is_packet);

#endif
