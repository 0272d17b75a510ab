/*
 * kcp.h - mKCP: segments, and what a datagram of them is wrapped in
 *
 * Layout and source: docs/wire/kcp.md
 */
#ifndef PROXY_WIRE_KCP_H
#define PROXY_WIRE_KCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/crypto.h"

enum kcp_cmd {
	KCP_ACK, /* what came */
	KCP_DATA,
	KCP_TERMINATE, /* the connection is over */
	KCP_PING, /* and whatever else a later version may send */
};

/*
 * Options. Both v2ray and Xray look at CLOSE only; the others are ours.
 *   CLOSE	the sender was closed: it reads no more
 *   END	of an empty data segment: nothing comes after it, but its sender
 *		still reads (a half close)
 *   CUT	of a terminate: what came is not all
 */
enum { KCP_CLOSE = 0x01, KCP_END = 0x40, KCP_CUT = 0x80 };

#define KCP_DATA_HEAD 18
#define KCP_ACK_HEAD  17
#define KCP_CMD_BYTES 16
#define KCP_ACKS_MAX  128 /* numbers of an acknowledgement that peers send */

/**
 * struct kcp_seg - One segment; which members count depends on @cmd
 * @time:	Data: its sender's clock, ms; ack: that of the newest acknowledged
 * @number:	Data: its own
 * @una:	Data, commands: first number its sender has no acknowledgement of
 * @next:	Acks, commands: all numbers before it have come
 * @window:	Acks: numbers from here on are not taken
 * @rto:	Commands: its sender's timeout, ms
 * @data, @len:	Data: payload, bytes. Acks: numbers of 4 bytes as on the wire,
 *		how many
 */
struct kcp_seg {
	uint16_t conv;
	uint8_t cmd, opt;
	uint32_t time, number, una, next, window, rto;
	const uint8_t *data;
	uint16_t len;
};

/* Bytes of one segment, or -EPROTO: not even one is whole */
ssize_t kcp_decode(const uint8_t *p, size_t n, struct kcp_seg *out);
/* Bytes written, or -ENOBUFS */
ssize_t kcp_encode(const struct kcp_seg *s, uint8_t *out, size_t room);

enum kcp_mask_kind {
	KCP_MASK_SIMPLE, /* FNV-1a and XOR: proves nothing, hides little */
	KCP_MASK_AES, /* AES-128-GCM by SHA-256 of a seed */
	KCP_MASK_SRTP,
	KCP_MASK_UTP,
	KCP_MASK_WECHAT,
	KCP_MASK_DTLS,
	KCP_MASK_WIREGUARD,
	KCP_MASK_DNS, /* a question for a name; needs one */
};

#define KCP_MASKS    4
#define KCP_HEAD_MAX 272 /* of a made-up DNS question */

/**
 * struct kcp_mask_key - One layer around a datagram, as configured
 * @kind:	enum kcp_mask_kind
 * @head_len, @tail_len:	Bytes it puts before and behind
 * @key:	Of KCP_MASK_AES
 * @head:	Of KCP_MASK_DNS
 */
struct kcp_mask_key {
	uint8_t kind, tail_len;
	uint16_t head_len;
	uint8_t key[16];
	uint8_t head[KCP_HEAD_MAX];
};

/**
 * kcp_mask_set() - Prepare one layer
 * @text:	KCP_MASK_AES: the seed; KCP_MASK_DNS: the name. Else unused
 *
 * Return: 0, -EINVAL (no name), -ENOMEM
 */
int kcp_mask_set(struct kcp_mask_key *k, enum kcp_mask_kind kind,
		 const char *text);

/**
 * struct kcp_masks_key - All layers of one socket, the innermost first
 * @conf:	Borrowed, @count of them
 * @aead:	Of KCP_MASK_AES
 * @number, @id, @len:	Counters that made-up headers show
 * @head_len, @tail_len:	Of all
 * @rand:	Gives random bytes
 */
struct kcp_masks_key {
	const struct kcp_mask_key *conf;
	unsigned int count;
	struct aead_key aead[KCP_MASKS];
	uint32_t number[KCP_MASKS];
	uint16_t id[KCP_MASKS], len[KCP_MASKS];
	size_t head_len, tail_len;
	void (*rand)(void *p, size_t n);
};

/* @count up to KCP_MASKS. 0 or -ENOMEM; kcp_masks_drop() in both cases */
int kcp_masks_init(struct kcp_masks_key *m, const struct kcp_mask_key *conf,
		   unsigned int count, void (*rand)(void *p, size_t n));
/* Wipes; a zeroed one is allowed */
void kcp_masks_drop(struct kcp_masks_key *m);
/*
 * @n bytes lie at @p + m->head_len, with room for m->tail_len behind them: wrap
 * them in place. Bytes from @p on, or -EPROTO (AES fails)
 */
ssize_t kcp_seal(struct kcp_masks_key *m, uint8_t *p, size_t n);
/* Unwrap in place: *@off and *@len of what is inside. 0 or -EPROTO */
int kcp_open(struct kcp_masks_key *m, uint8_t *p, size_t n, size_t *off,
	     size_t *len);

#endif
