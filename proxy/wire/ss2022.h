/* ss2022.h - Shadowsocks 2022: stream heads, packets, replay window */
#ifndef PROXY_WIRE_SS2022_H
#define PROXY_WIRE_SS2022_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proxy/wire/addr_wire.h"
#include "proxy/wire/ss_aead.h"

#define SS22_PSKS        4 /* identity keys and the user's */
#define SS22_PADDING_MAX 900 /* we send; readers take any */
#define SS22_CLOCK_S     30 /* clocks may differ by so much */
#define SS22_WINDOW      1024 /* packets */

/**
 * struct ss22_psk_key - The keys of a password "iPSK:iPSK:uPSK"
 * @count:	1 to SS22_PSKS; the last one is the user's
 */
struct ss22_psk_key {
	const struct ss_method *method;
	int count;
	uint8_t psk[SS22_PSKS][SS_KEY_MAX];
};
/* 0, or -EINVAL: not base64 of the right size, too many, or not AES */
int ss22_psk_parse(struct ss22_psk_key *k, const struct ss_method *m,
		   const char *password);

/**
 * struct ss22_request - What a client's first bytes say
 * @salt:	key_len bytes; encoding: random ones, decoding: for the replay
 *		filter, and for the response
 * @to:		Target
 * @pad_len:	Encoding: zeros put in; must be above 0 when @len is 0
 * @data, @len:	First payload, borrowed
 * @name:	Decoding: keeps the name @to points to
 */
struct ss22_request {
	uint8_t salt[SS_KEY_MAX];
	struct addr to;
	size_t pad_len;
	const uint8_t *data;
	size_t len;
	char name[256];
};
/* Upper bound of the head without @data */
#define SS22_HEAD_MAX \
	(SS_KEY_MAX + 16 * SS22_PSKS + 27 + ADDR_WIRE_MAX + 2 + \
	 SS22_PADDING_MAX + 16)

/*
 * Encode, and set @up for the chunks that follow. Bytes written, -ENOBUFS,
 * -EINVAL. @up is untouched on failure
 */
ssize_t ss22_request_encode(const struct ss22_psk_key *k,
			    const struct ss22_request *rq, uint64_t now_s,
			    struct ss_flow_key *up, uint8_t *out, size_t room);
/*
 * A server with one key. Bytes consumed, 0 more are needed, -EPROTO, -ESTALE
 * (the clocks differ). Only a complete head is overwritten, in place
 */
ssize_t ss22_request_decode(const struct ss22_psk_key *k, uint8_t *p, size_t n,
			    uint64_t now_s, struct ss22_request *out,
			    struct ss_flow_key *up);

/* What an identity header says: the first bytes of BLAKE3 of the user's key */
#define SS22_HASH 16
void ss22_user_hash(const struct ss22_psk_key *user, uint8_t hash[SS22_HASH]);
/*
 * A server of several users, with the identity key @k: whose request is this?
 * 1 with @hash (of anybody: nothing is proved yet), 0 more are needed, -ENOMEM
 */
int ss22_request_identity(const struct ss22_psk_key *k, const uint8_t *p,
			  size_t n, uint8_t hash[SS22_HASH]);
/* As ss22_request_decode(), with that user's key @k, over the identity header */
ssize_t ss22_user_request_decode(const struct ss22_psk_key *k, uint8_t *p,
				 size_t n, uint64_t now_s,
				 struct ss22_request *out,
				 struct ss_flow_key *up);

/**
 * struct ss22_answer - What ties a response to its request
 * @salt:	The server's own, random
 * @request_salt:	Of the request
 */
struct ss22_answer {
	uint8_t salt[SS_KEY_MAX];
	const uint8_t *request_salt;
	uint64_t now_s;
};
/*
 * Head of the response with @n bytes (1 to 0xffff) as first payload; sets
 * @down. Bytes written, -ENOBUFS, -EINVAL
 */
ssize_t ss22_response_encode(const struct ss22_psk_key *k,
			     const struct ss22_answer *a,
			     struct ss_flow_key *down, const struct iovec *data,
			     uint8_t *out, size_t room);
/*
 * Read salt and fixed head; set @down so that ss_open() gives the first
 * payload next. Bytes consumed, 0, -EPROTO, -ESTALE
 */
ssize_t ss22_response_decode(const struct ss22_psk_key *k,
			     const uint8_t *request_salt, uint64_t now_s,
			     const uint8_t *p, size_t n,
			     struct ss_flow_key *down);

/**
 * struct ss22_udp_key - One session of packets in one direction
 * @body:	Key of the packets' bodies
 * @session:	Random id of the sender
 * @packet:	Sending: the next id. Receiving: highest seen + 1
 * @seen:	Receiving: one bit for each of the last SS22_WINDOW ids
 * @live:	Set up
 */
struct ss22_udp_key {
	struct aead_key body;
	uint8_t session[8];
	uint64_t packet;
	uint64_t seen[SS22_WINDOW / 64];
	bool live;
};
int ss22_udp_set(struct ss22_udp_key *u, const struct ss22_psk_key *k,
		 const uint8_t session[8]);
void ss22_udp_drop(struct ss22_udp_key *u); /* all zero is allowed */

/**
 * struct ss22_udp_head - Members around the address of a packet
 * @from_server:	Type 1, with @client, the session id of the client
 * @time_s:	Unix seconds
 * @now_s:	Receiving: the clock, which must agree; 0: any time is taken
 * @own:	Receiving from a server: what @client must be; NULL: anything
 * @random:	Sending with chacha20: the 24 bytes of the nonce
 */
struct ss22_udp_head {
	bool from_server;
	uint8_t client[8];
	uint64_t time_s, now_s;
	const uint8_t *own;
	uint8_t random[24];
	uint16_t pad_len;
};
#define SS22_PACKET_EXTRA (24 + 16 * SS22_PSKS + 16 + 19 + ADDR_WIRE_MAX + 16)

ssize_t ss22_udp_encode(struct ss22_udp_key *u, const struct ss22_psk_key *k,
			const struct ss22_udp_head *h,
			const struct wire_packet *pk, uint8_t *out,
			size_t room);
/**
 * ss22_udp_decode() - Open a packet in place
 * @peer:	The current session and the one before; a packet of a new
 *		session moves the current one down, once it is all right
 * @h:		@from_server, @now_s, @own: what is expected; the rest is filled
 *
 * Return: 0, -EPROTO, -EALREADY (seen before, or too old), -ESTALE (the clocks
 * differ by more than SS22_CLOCK_S)
 */
int ss22_udp_decode(struct ss22_udp_key peer[2], const struct ss22_psk_key *k,
		    const struct iovec *pkt, struct ss22_udp_head *h,
		    struct wire_packet *out);
/* A server of several users: whose packet? 0 with @hash, or -EPROTO */
int ss22_udp_identity(const struct ss22_psk_key *server,
		      const struct iovec *pkt, uint8_t hash[SS22_HASH]);
/* As ss22_udp_decode(), of the user @k of @server */
int ss22_udp_user_decode(struct ss22_udp_key peer[2],
			 const struct ss22_psk_key *server,
			 const struct ss22_psk_key *k, const struct iovec *pkt,
			 struct ss22_udp_head *h, struct wire_packet *out);
/* Do the clocks agree within SS22_CLOCK_S? */
bool ss22_time_ok(uint64_t a_s, uint64_t b_s);

#endif
