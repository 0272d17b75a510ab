/* wg_int.h - Inside of a WireGuard tunnel; see wg.h */
#ifndef PROXY_LAYER_WG_INT_H
#define PROXY_LAYER_WG_INT_H

#include <pthread.h>

#include "gateway/base/htab.h"
#include "gateway/core/dgram.h"
#include "gateway/core/dns.h"
#include "gateway/core/worker.h"
#include "proxy/layer/wg.h"

struct arena;
struct wg_dev;

#define WG_QUEUE_PACKETS 128 /* of a peer, while there is no session */
#define WG_QUEUE_BYTES   (256u << 10)
#define WG_WAIT_BYTES    (8u << 20) /* of all peers together */
#define WG_OUT_BYTES     (160u << 10)
#define WG_MOVING_MAX    4096 /* packets on their way between workers */

/* Numbers of the paper, 6.1, in ms */
#define WG_REKEY_AFTER_MS   120000u
#define WG_REJECT_AFTER_MS  180000u
#define WG_REKEY_TIMEOUT_MS 5000u
#define WG_JITTER_MS        334u
#define WG_KEEPALIVE_MS     10000u
#define WG_ATTEMPTS_MAX     18 /* for 90 s */
#define WG_REKEY_MESSAGES   (1ull << 60)
#define WG_COOKIE_MS        120000u

#define WG_LENGTHS 129 /* of a prefix: 0 to 128 bits */

/**
 * struct wg_routes - Whose an address is
 * @v:		@count prefixes, each once; @table: by address and length
 * @bits:	Lengths in use of each family, @bits_count of them, longest first
 */
struct wg_routes {
	struct htab table;
	struct wg_route *v;
	size_t count;
	uint8_t bits[2][WG_LENGTHS];
	uint8_t bits_count[2];
};

/**
 * struct wg_slot - What an index of ours stands for
 * @pair:	A session; else the handshake that @peer began
 */
struct wg_slot {
	struct hnode node;
	uint32_t index;
	struct wg_peer *peer;
	bool pair;
};

/**
 * struct wg_pair_key - A session: one key each way
 * @slot:	Our index; first member
 * @remote:	Theirs
 * @counter:	Of the next packet
 */
struct wg_pair_key {
	struct wg_slot slot;
	struct aead_key send, recv;
	struct wg_window window;
	uint64_t counter;
	uint32_t remote, born_ms;
	bool initiator;
};

/* A packet that waits for a session; bytes follow */
struct wg_wait {
	struct wg_wait *next;
	size_t len;
	uint8_t data[];
};

/**
 * struct wg_peer - One peer
 * @endpoint:	Where it was last heard of; kind NONE: nowhere yet
 * @known:	Where the settings say that it is, as last looked up; or NONE
 * @slot:	Of the handshake under way; its node is linked while there is one
 * @mac1:	Of the last handshake message sent, ours or an answer, which a cookie may
 *		be for while @cookie_may; @cookie: got for it, at @cookie_ms
 * @stamp:	Of the newest initiation that came
 * @init_ms:	When ours was sent, if @attempts or @inited
 * @heard_ms:	When its last one came, if @heard
 * @cur, @prev, @next:	Sessions: in use, before that, not confirmed yet
 * @head, @tail:	Packets that wait
 * @retry:	Handshake again; @quiet: a keepalive, as we only received;
 *		@deaf: nothing came back; @zero: forget keys; @persist: keepAlive
 * @quiet_again:	Something more was received since @quiet was set
 * @rekey_asked:	This session's last-minute handshake was begun
 * @dns:	The endpoint's name, while @asking; @round: of the strategy
 * @told:	The log knows that it does not answer
 */
struct wg_peer {
	struct job job; /* the name was answered; first member */
	struct wg_dev *dev;
	const struct wg_peer_conf *conf;
	struct hnode by_key;
	struct wg_peer_key key;
	struct addr endpoint, known;
	struct wg_slot slot;
	struct wg_shake_key shake;
	uint8_t mac1[WG_MAC_BYTES], cookie[WG_MAC_BYTES];
	uint8_t stamp[WG_STAMP_BYTES];
	uint32_t cookie_ms, init_ms, heard_ms;
	struct wg_pair_key *cur, *prev, *next;
	struct wg_wait *head, **tail;
	uint32_t waiting;
	size_t wait_bytes;
	struct timer retry, quiet, deaf, zero, persist;
	struct dns_req dns;
	uint8_t attempts, round;
	bool cookie_may, has_cookie, inited, heard, quiet_again, rekey_asked,
		asking, told;
};

/**
 * struct wg_dev - The tunnel at home
 * @deliver:	A packet of a peer, at @plain
 * @indices:	struct wg_slot by index; @keys: peers by public key
 * @sock:	NULL until there is one; @job reads it
 * @wait_bytes:	Of packets that wait for a session, of all peers
 * @out, @out_count:	What leaves at the end of the turn, in @out_bytes
 * @plain:	The packet at work, aligned
 * @secret:	Makes cookies, since @secret_ms
 * @shakes:	Initiations since @shake_ms
 */
struct wg_dev {
	struct job job; /* first member */
	struct worker *worker;
	const struct wg_conf *conf;
	void (*deliver)(struct wg_dev *d, uint8_t *p, size_t n);
	struct wg_self_key self;
	struct htab indices, keys;
	struct wg_routes routes;
	struct wg_peer *peers;
	size_t wait_bytes;
	struct dgram *sock;
	struct flusher flusher;
	struct pkt out[DGRAM_BATCH];
	int out_count;
	size_t out_used;
	uint8_t *out_bytes, *plain;
	uint8_t secret[WG_KEY_BYTES];
	uint32_t secret_ms, shakes, shake_ms;
	bool loaded;
};

/* wg_dev.c. At home only */
int wg_dev_start(struct wg_dev *d, struct worker *w,
		 const struct wg_conf *conf);
void wg_dev_stop(struct wg_dev *d);
/* A packet out of a stack goes to its peer */
void wg_dev_send(struct wg_dev *d, const struct iovec *iov, int cnt);
/* Room for a message of @n bytes to @to, sent at the end of the turn; or NULL */
uint8_t *wg_dev_room(struct wg_dev *d, const struct addr *to, size_t n);
/* What room() gave is not needed after all */
void wg_dev_undo(struct wg_dev *d);
uint32_t wg_dev_index(struct wg_dev *d);
/* wg_route.c */
/* The prefixes of @conf's peers, which are @peers. 0 or -ENOMEM */
int wg_routes_set(struct wg_routes *r, struct wg_peer *peers,
		  const struct wg_conf *conf);
/* All zero is allowed */
void wg_routes_drop(struct wg_routes *r);
/* Who gets, and may send, what is at @ip (of an address); NULL: nobody */
struct wg_peer *wg_routes_find(const struct wg_routes *r,
			       const struct addr *ip);

/* wg_peer.c */
void wg_peer_init(struct wg_peer *p, struct wg_dev *d,
		  const struct wg_peer_conf *conf);
void wg_peer_fini(struct wg_peer *p);
void wg_peer_send(struct wg_peer *p, const struct iovec *iov, int cnt,
		  size_t len);
/* What came from @from: an initiation that is the peer's, read into @s */
void wg_peer_initiation(struct wg_peer *p, struct wg_shake_key *s,
			const uint8_t *msg, const struct addr *from);
void wg_peer_response(struct wg_peer *p, const uint8_t *msg,
		      const struct wg_head *h, const struct addr *from);
void wg_peer_cookie(struct wg_peer *p, const uint8_t *msg);
/* @pair's; opened to dev->plain. Bytes of the packet, 0: keepalive, -EPROTO */
ssize_t wg_peer_data(struct wg_pair_key *pair, const struct pkt *msg,
		     const struct wg_head *h);

#endif
