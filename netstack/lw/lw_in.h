/*
 * lw_in.h - Inside of one stack copy: flows, buckets, and who calls whom
 *
 *   lw.c       new/free/input/flush, admission, the accept callback
 *   bucket.c   hash table of lwIP's pcb lists, growth, the slow timer's sweep
 *   isn.c      initial sequence numbers, handshakes without a flow
 *   guard.c    segments of blind senders
 *   tcp_end.c  a flow as struct stream
 *   output.c   lwIP's segments become TUN frames
 *   sack.c     loss recovery by the SACK blocks lwIP ignores
 *
 * lwIP keeps its pcbs on two global lists. Here each bucket has its own pair,
 * and the globals are loaded with the pair of the flow at work: so every lwIP
 * call that may add, move or free a pcb runs behind bucket_select().
 */
#ifndef NETSTACK_LW_LW_IN_H
#define NETSTACK_LW_LW_IN_H

#include "gateway/base/list.h"
#include "gateway/core/stream.h"
#include "gateway/core/worker.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "netstack/lw.h"

#define LW_ACK_MS      20 /* a lone small segment waits that long for company */
#define LW_SOURCES     1024
#define LW_LINGER_MS   60000 /* a closed flow's last bytes; then reset */
#define LW_CUT_MS      5000 /* the same of one that ends with RST anyway */
#define LW_MSS_MIN     64
#define LW_MSS_SURE    1220 /* every link of IPv6 takes a packet of that */
#define LW_SUPER_BYTES 64000 /* payload of a super-segment */

struct slab;
struct sack;

/**
 * struct flow - One connection, a client's or our own; born with the SYN
 * @lw:		Its stack; NULL once that is gone
 * @node:	In lw->flows
 * @out:	In lw->half_open, later in lw->touched or alone
 * @ack:	In lw->acks when a delayed acknowledgement waits
 * @pcb:	NULL once lwIP has freed it
 * @hash:	Of the tuple, low half; bucket = hash & mask
 * @rx_head, @rx_tail:	Received, unread pbufs, each with its own length
 * @rx_bytes:	Their sum
 * @rx_space:	Free bytes behind @rx_tail's data, when it is our own copy
 * @tx_head, @tx_tail:	Slabs with bytes lwIP refers to, oldest first
 * @tx_written, @tx_freed:	Running byte counts: given to lwIP, freed by it
 * @sack:	Loss recovery; NULL until the first loss
 * @err:	-errno of every further call
 * @closed_ms:	When the owner let go
 * @ack_ms:	When the acknowledgement in lw->acks is due
 * @challenge_ms:	The last answer to a doubtful segment, to a SYN; valid if its
 *		bit is in @challenged
 * @rmss:	The client's segment size; @source: slot in lw->by_source
 * @want:	ST_*; @owned: a session holds the stream
 * @connecting:	Our own, not answered yet
 * @half:	Counted as half-open; @rx_fin, @tx_fin: ends of the directions
 * @fin_read:	The owner has been told of the client's end
 * @ack_due:	Something was received since the last segment left
 * @narrow:	Its segments were made smaller, and nothing was heard since
 * @leaving:	Closed by its owner, with bytes on their way: it ends when the client
 *		has them; @cut: with RST
 */
struct flow {
	struct stream stream; /* must be first */
	struct lw *lw;
	struct list node, out, ack;
	struct tcp_pcb *pcb;
	struct pbuf *rx_head, *rx_tail;
	struct slab *tx_head, *tx_tail;
	struct sack *sack;
	uint32_t hash;
	uint32_t rx_bytes;
	uint32_t tx_written, tx_freed;
	uint32_t closed_ms, ack_ms, challenge_ms[2];
	int err;
	uint16_t rmss, source, rx_space;
	uint8_t want;
	uint8_t challenged;
	bool owned, half, connecting, rx_fin, tx_fin, fin_read, ack_due, narrow,
		leaving, cut;
};

/* A bucket's share of lwIP's lists */
struct bucket {
	struct tcp_pcb *active, *tw;
};

/**
 * struct lw - The stack
 * @cur:	Bucket whose lists are loaded in lwIP's globals
 * @ticks:	lwIP's slow ticks, while another stack is loaded
 * @hot:	Bit a bucket with something to time; @hot_count: set bits
 * @in_tuple:	Hash of the packet in tcp_input(); its low half is the flow's
 * @acks:	Flows with a delayed acknowledgement, the first due first
 * @tick_due_ms:	Valid while @hot_count
 * @spare:	Slabs kept; the first one is what room() shows
 * @spare_count:	Their number
 * @timer_calls:	Copy of lwIP's private timer counter
 * @flat:	Scratch for a segment of too many pieces
 * @bare:	The pbuf of a packet without payload
 * @ip_id:	Of the next IPv4 packet
 * @narrow:	Bit a slot of sources: behind a link of small packets, as was found
 *		at @narrow_ms
 * @reviving:	lwIP is given a SYN again, whose answer had @revived_isn
 * @cookies:	Such answers were sent, the last at @cookie_ms
 */
struct lw {
	struct lw_conf conf;
	struct netif netif;
	struct tcp_pcb_listen *listener;
	struct bucket *buckets;
	uint64_t *hot;
	uint32_t mask, cur, hot_count, ticks;
	uint64_t key, in_tuple;
	struct list flows, half_open, touched, acks;
	uint32_t tick_due_ms;
	struct slab *spare;
	unsigned int spare_count;
	uint8_t *flat;
	struct pbuf_custom bare;
	uint16_t ip_id;
	bool assert_hit, reviving, cookies;
	uint32_t revived_isn, cookie_ms, narrow_ms;
	struct lw_stats stats;
	uint16_t by_source[LW_SOURCES];
	uint8_t narrow[LW_SOURCES / 8];
};

extern struct lw *lw_self; /* the one that is loaded; lwIP is global too */

static inline uint32_t lw_now(void)
{
	return lw_self->conf.worker->now_ms;
}

static inline struct flow *flow_of(const struct tcp_pcb *pcb)
{
	return pcb->ext_args[0].data;
}

/* Whatever is done next is done in @lw */
void lw_enter(struct lw *lw);

/* The same for what is done to @f */
static inline void flow_enter(const struct flow *f)
{
	if (f->lw && f->lw != lw_self)
		lw_enter(f->lw);
}

/* Seen by a session waiting for @events */
static inline void flow_notify(struct flow *f, unsigned int events)
{
	if (f->stream.job && (f->want & events || f->err))
		job_ready(f->stream.job);
}

static inline struct addr lw_addr(const ip_addr_t *a, uint16_t port)
{
	if (IP_IS_V6_VAL(*a))
		return addr_v6(ip_2_ip6(a)->addr, port);
	return addr_v4(&ip_2_ip4(a)->addr, port);
}

/* bucket.c */
int bucket_init(struct lw *lw);
void bucket_fini(struct lw *lw);
void bucket_select(struct lw *lw, uint32_t hash);
void bucket_grow(struct lw *lw);
/* The loaded bucket needs the slow timer if one of its pcbs does */
void bucket_mark(struct lw *lw);
void bucket_sweep(struct lw *lw);
/* The loaded lists go back to their bucket; those of @lw->cur are loaded */
void bucket_leave(struct lw *lw);
void bucket_enter(struct lw *lw);

/* lw.c */
void lw_bare_free(struct pbuf *p);

/* isn.c */
/* Answer the SYN @p without keeping anything */
void isn_answer(struct lw *lw, const struct packet *p);
/*
 * @p, of no known flow, acknowledges such an answer: its flow was made, unless
 * memory or the limit of flows forbade it. ip_data is set, the bucket selected
 */
bool isn_revive(struct lw *lw, const struct packet *p);

/* guard.c */
/* @tcp is a header for @f: true when lwIP shall not see it */
bool guard_stops(struct flow *f, const uint8_t *tcp, uint32_t payload);

/* tcp_end.c */
struct flow *flow_new(struct lw *lw, struct tcp_pcb *pcb);
/* lwIP frees the pcb of @f */
/* A leaving one whose client has acknowledged all ends now. True: its pcb is gone */
bool flow_left(struct flow *f);
void flow_pcb_gone(struct flow *f);
void flow_free(struct flow *f);
void flow_accepted(struct flow *f);
/* Our own: its handshake is over */
void flow_connected(struct flow *f);
void flow_rx_drop(struct flow *f);
void slab_trim(struct lw *lw, unsigned int keep);

/* output.c */
err_t output_init(struct netif *nif);
/*
 * Send a TCP header of @len bytes, with options and without payload; room for the
 * IP header lies before it, at @head (20 or 40 bytes)
 */
void output_bare(struct lw *lw, uint8_t *head, const struct addr *from,
		 const struct addr *to, uint32_t len);
/* Send @len bytes of the sequence space from @seq again */
void output_again(struct flow *f, uint32_t seq, uint32_t len);

/* sack.c */
/* Before tcp_input(); @th in network order, options checked */
void sack_input(struct flow *f, const struct tcp_hdr *th);
void sack_free(struct flow *f);
/* At each slow tick, for a flow that has a board */
void sack_tick(struct flow *f);
/* At each slow tick: smaller segments when whole ones never arrive */
void flow_narrow(struct flow *f);
/* They did: flows of its client begin with such ones, for a while */
void narrow_arrived(struct flow *f);
/* What @f begins with: f->rmss or less */
uint16_t narrow_mss(const struct flow *f);

#endif
