/*
 * lw.c - One private lwIP: birth, packets in, flush, timers, end
 *
 * netstack/ has checked the packet. Here the flow's bucket is selected, a SYN is
 * admitted or answered without a flow (isn.c), known defects of lwIP are masked, and tcp_input() called
 * directly: lwIP's IP layer is not used for input. One listener serves every
 * address and port: its port is set from each SYN just before the call, and
 * lwIP copies the destination into the new pcb.
 *
 *   SYN -> on_syn: struct flow, half-open -> ACK -> on_accept: conf.accept
 *       -> session uses the stream (tcp_end.c) -> close -> pcb gone -> freed
 *
 * Source: RFC 9293; 6191 (TIME-WAIT reuse).
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/prot/tcp.h"
#include "netstack/lw/lw_in.h"

enum {
	COPY_MAX = 16384, /* a bigger packet is handed over, not copied */
	SPARE_SLABS = 16
};

struct lw *lw_self;

void lw_enter(struct lw *lw)
{
	if (lw == lw_self)
		return;
	if (lw_self)
		bucket_leave(lw_self);
	lw_self = lw;
	bucket_enter(lw);
	tcp_listen_pcbs.listen_pcbs = lw->listener;
	netif_default = &lw->netif;
}

/* What lwIP calls by name */
u32_t sys_now(void);
u32_t sys_now(void)
{
	return lw_now();
}

void tcp_timer_needed(void)
{
	/* timers are ours: next_timer() */
}

void lw_assert_failed(const char *what, const char *file, int line)
{
	struct lw *lw = lw_self;

	if (!lw)
		return;
	if (!lw->stats.asserts++)
		log_error("netstack: lwip %s:%d: %s; flow dropped", file, line,
			  what);
	lw->assert_hit = true;
}

static uint64_t hash_tuple(const struct lw *lw, const struct addr *client,
			   const struct addr *dest)
{
	uint64_t h = lw->key, a[2], b[2];

	if (client->kind == ADDR_V4) {
		h = hash_mix(h ^ ((uint64_t)get_be32(client->ip) << 32 |
				  get_be32(dest->ip)));
	} else {
		memcpy(a, client->ip, 16);
		memcpy(b, dest->ip, 16);
		h = hash_mix(h ^ a[0]);
		h = hash_mix(h ^ a[1]);
		h = hash_mix(h ^ b[0]);
		h = hash_mix(h ^ b[1]);
	}
	return hash_mix(h ^ ((uint32_t)client->port << 16 | dest->port));
}

static void ip_from_addr(ip_addr_t *out, const struct addr *a)
{
	*out = (ip_addr_t){ .type = a->kind == ADDR_V6 ? IPADDR_TYPE_V6 :
							 IPADDR_TYPE_V4 };
	memcpy(&out->u_addr, a->ip, addr_ip_len(a));
}

static struct tcp_pcb *find(struct tcp_pcb *list, const struct packet *p)
{
	ip_addr_t src, dst;

	ip_from_addr(&src, &p->src);
	ip_from_addr(&dst, &p->dst);
	for (; list; list = list->next) {
		if (list->remote_port == p->src.port &&
		    list->local_port == p->dst.port &&
		    ip_addr_eq(&list->remote_ip, &src) &&
		    ip_addr_eq(&list->local_ip, &dst))
			break;
	}
	return list;
}

/* --- handshakes ------------------------------------------------------------ */

static uint64_t tuple_of(const struct tcp_pcb *pcb)
{
	struct addr client = lw_addr(&pcb->remote_ip, pcb->remote_port);
	struct addr dest = lw_addr(&pcb->local_ip, pcb->local_port);

	return hash_tuple(lw_self, &client, &dest);
}

static void half_open_end(struct lw *lw, struct flow *f)
{
	f->half = false;
	list_del(&f->out);
	lw->stats.half_open--;
	lw->by_source[f->source]--;
}

static void on_pcb_gone(u8_t id, void *data)
{
	struct flow *f = data;

	LWIP_UNUSED_ARG(id);
	if (!f)
		return;
	if (f->half)
		half_open_end(lw_self, f);
	if (lw_self->conf.ended)
		lw_self->conf.ended(lw_self->conf.arg, tuple_of(f->pcb));
	flow_pcb_gone(f);
}

static uint16_t source_slot(const struct lw *lw, const struct addr *a)
{
	struct addr host = *a;

	host.port = 0;
	return (uint16_t)(addr_hash(&host, lw->key) % LW_SOURCES);
}

static const struct tcp_ext_arg_callbacks flow_hooks;

/* lwIP has made a pcb for a SYN */
static err_t on_syn(u8_t id, struct tcp_pcb_listen *listener,
		    struct tcp_pcb *pcb)
{
	struct lw *lw = lw_self;
	struct addr client = lw_addr(&pcb->remote_ip, 0);
	struct flow *f;

	LWIP_UNUSED_ARG(listener);
	f = flow_new(lw, pcb);
	if (!f) {
		worker_drop(lw->conf.worker, DROP_NO_MEMORY);
		return ERR_MEM;
	}
	if (lw->conf.claim && !lw->conf.claim(lw->conf.arg, lw->in_tuple)) {
		lw->stats.flows--;
		flow_free(f);
		return ERR_MEM; /* the client's next SYN finds its owner */
	}
	f->hash = (uint32_t)lw->in_tuple;
	f->half = true;
	f->source = source_slot(lw, &client);
	lw->by_source[f->source]++;
	lw->stats.half_open++;
	list_add_tail(&lw->half_open, &f->out);
	tcp_ext_arg_set_callbacks(pcb, id, &flow_hooks);
	tcp_ext_arg_set(pcb, id, f);
	tcp_arg(pcb, f);
	return ERR_OK;
}

static const struct tcp_ext_arg_callbacks flow_hooks = { on_pcb_gone, on_syn };

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct lw *lw = lw_self;
	struct flow *f = arg;
	struct addr client, dest;
	uint32_t segs;

	if (err != ERR_OK || !f)
		return ERR_VAL;
	half_open_end(lw, f);
	if (pcb->mss < LW_MSS_MIN)
		pcb->mss = LW_MSS_MIN;
	f->rmss = pcb->mss;
	if (lw->conf.super) {
		f->rmss = narrow_mss(f);
		/* here, because lwIP sets the congestion window right after */
		segs = LW_SUPER_BYTES / f->rmss;
		pcb->mss = (u16_t)(f->rmss * (segs ? segs : 1));
	}
	tcp_nagle_disable(pcb);
	flow_accepted(f);
	client = lw_addr(&pcb->remote_ip, pcb->remote_port);
	dest = lw_addr(&pcb->local_ip, pcb->local_port);
	f->owned = true;
	if (lw->conf.accept(lw->conf.arg, &f->stream, &client, &dest)) {
		f->owned = false;
		return ERR_VAL; /* lwIP resets the client and frees the pcb */
	}
	lw->stats.accepted++;
	return ERR_OK;
}

/* --- flows of our own ------------------------------------------------------- */

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct flow *f = arg;

	LWIP_UNUSED_ARG(err); /* lwIP: always ERR_OK */
	if (pcb->mss < LW_MSS_MIN)
		pcb->mss = LW_MSS_MIN;
	f->rmss = pcb->mss;
	tcp_nagle_disable(pcb);
	flow_connected(f);
	return ERR_OK;
}

/* lwIP has a pcb for it from now on; on failure it has freed it. 0 or -errno */
static int flow_start(struct flow *f, const struct addr *from,
		      const struct addr *to)
{
	struct tcp_pcb *pcb = f->pcb;
	ip_addr_t dest;

	ip_from_addr(&pcb->local_ip, from);
	pcb->local_port = from->port;
	ip_from_addr(&dest, to);
	if (tcp_connect(pcb, &dest, to->port, on_connected) == ERR_OK)
		return 0;
	f->owned = false; /* then it goes with its pcb */
	tcp_abort(pcb);
	return -ENOMEM;
}

static bool in_use(const struct addr *from, const struct addr *to)
{
	struct packet p = { .src = *to, .dst = *from };

	return find(tcp_active_pcbs, &p) || find(tcp_tw_pcbs, &p);
}

static int lw_connect(struct lw *lw, const struct addr *from,
		      const struct addr *to, struct stream **out)
{
	struct tcp_pcb *pcb;
	struct flow *f;
	int rc;

	lw_enter(lw);
	if (lw->stats.flows >= lw->conf.flow_max)
		return -ENOBUFS;
	bucket_grow(lw);
	lw->in_tuple = hash_tuple(lw, to, from);
	bucket_select(lw, (uint32_t)lw->in_tuple);
	if (in_use(from, to))
		return -EADDRINUSE;
	pcb = tcp_new_ip_type(from->kind == ADDR_V6 ? IPADDR_TYPE_V6 :
						      IPADDR_TYPE_V4);
	f = pcb ? flow_new(lw, pcb) : NULL;
	if (!f) {
		if (pcb)
			tcp_abort(pcb);
		return -ENOMEM;
	}
	f->hash = (uint32_t)lw->in_tuple;
	f->rmss = pcb->mss;
	f->owned = true;
	f->connecting = true;
	tcp_ext_arg_set_callbacks(pcb, 0, &flow_hooks);
	tcp_ext_arg_set(pcb, 0, f);
	tcp_arg(pcb, f);
	flow_accepted(f);
	rc = flow_start(f, from, to);
	bucket_mark(lw);
	if (!rc)
		*out = &f->stream;
	return rc;
}

/*
 * A SYN for no known flow: may it become one? lwIP refuses or resets a new
 * connection that reuses the ports of one in TIME-WAIT: end that one here. With
 * too many handshakes open it is answered without one.
 */
static bool admit(struct lw *lw, const struct packet *p, uint32_t seq)
{
	struct tcp_pcb *tw = find(tcp_tw_pcbs, p);

	if (!lw->conf.accept)
		return false;
	if (tw && !TCP_SEQ_GT(seq, tw->rcv_nxt))
		return true;
	if (tw)
		tcp_abort(tw);
	if (lw->stats.flows >= lw->conf.flow_max) {
		worker_drop(lw->conf.worker, DROP_TCP_LIMIT);
		return false;
	}
	if (lw->by_source[source_slot(lw, &p->src)] <
		    lw->conf.half_open_source_max &&
	    lw->stats.half_open < lw->conf.half_open_max)
		return true;
	isn_answer(lw, p);
	return false;
}

/* --- packets in ------------------------------------------------------------ */

void lw_bare_free(struct pbuf *p)
{
	LWIP_UNUSED_ARG(p); /* lies in the reader's buffer */
}

static void handed_free(struct pbuf *p)
{
	struct lw *lw = lw_self;
	struct lw_buf *b = container_of(p, struct lw_buf, head);

	lw->conf.buf_free(lw->conf.arg, b);
}

_Static_assert(sizeof(struct pbuf_custom) <= sizeof(((struct lw_buf *)0)->head),
	       "head too small");

/* The TCP part of @p as a pbuf: in place, handed over, or copied by size */
static struct pbuf *wrap(struct lw *lw, const struct packet *p, bool bare,
			 struct lw_buf *buf, bool *kept)
{
	u16_t len = (u16_t)(p->len - p->l4);
	uint8_t *tcp = p->data + p->l4;
	struct pbuf_custom *pc;
	struct pbuf *q;

	if (!bare && (len <= COPY_MAX || !buf)) {
		q = pbuf_alloc(PBUF_RAW, len, PBUF_RAM);
		if (q)
			memcpy(q->payload, tcp, len);
		return q;
	}
	if (bare) { /* lwIP never keeps a packet without payload and FIN */
		pc = &lw->bare;
		pc->custom_free_function = lw_bare_free;
	} else {
		pc = (struct pbuf_custom *)(void *)buf->head;
		pc->custom_free_function = handed_free;
		*kept = true;
	}
	return pbuf_alloced_custom(PBUF_RAW, len, PBUF_REF, pc, tcp, len);
}

static void set_ip_data(struct lw *lw, const struct packet *p)
{
	void *ip = p->data;

	ip_from_addr(&ip_data.current_iphdr_src, &p->src);
	ip_from_addr(&ip_data.current_iphdr_dest, &p->dst);
	ip_data.current_netif = &lw->netif;
	ip_data.current_input_netif = &lw->netif;
	ip_data.current_ip4_header = p->v6 ? NULL : ip;
	ip_data.current_ip6_header = p->v6 ? ip : NULL;
	ip_data.current_ip_header_tot_len = p->l4;
}

/* An assertion failed: whatever state the flow is in, it ends here */
static void drop_asserted(struct lw *lw, const struct packet *p)
{
	struct tcp_pcb *pcb = find(tcp_active_pcbs, p);

	lw->assert_hit = false;
	if (pcb)
		tcp_abort(pcb);
}

/*
 * A super-segment that does not fit the client's small window would wait for the
 * persist timer (three ticks) to be cut: cut it when whole segments fit
 */
static void fit_window(struct tcp_pcb *pcb, uint32_t rmss)
{
	uint32_t n = pcb->snd_wnd / rmss * rmss;

	if (!pcb->persist_backoff || pcb->unacked || !pcb->unsent || !n ||
	    n >= pcb->unsent->len)
		return;
	if (tcp_split_unsent_seg(pcb, (u16_t)n) == ERR_OK)
		tcp_output(pcb);
}

/*
 * lwIP acknowledges every second segment; here its flag is taken away, and a
 * burst is acknowledged once, by the flush. A lone small segment waits for an
 * answer to ride on; a big one does not, as the client's kernel counts segments.
 */
static void ack_later(struct lw *lw, struct flow *f, uint32_t payload)
{
	bool more = f->ack_due;

	tcp_clear_flags(f->pcb, TF_ACK_DELAY);
	f->ack_due = true;
	if (more || payload > f->rmss) {
		if (list_empty(&f->out))
			list_add_tail(&lw->touched, &f->out);
		return;
	}
	if (!list_empty(&f->ack))
		return;
	f->ack_ms = lw_now() + LW_ACK_MS;
	list_add_tail(&lw->acks, &f->ack);
	if (lw->acks.next == &f->ack)
		lw->conf.wake(lw->conf.arg);
}

static void after_input(struct lw *lw, uint32_t payload)
{
	struct tcp_pcb *pcb = tcp_active_pcbs; /* lwIP moved it to the front */
	struct flow *f = pcb ? flow_of(pcb) : NULL;

	if (f && !f->half) {
		fit_window(pcb, f->rmss);
		if (pcb->flags & TF_ACK_DELAY)
			ack_later(lw, f, payload);
	}
	bucket_mark(lw);
}

/*
 * The kernel picks the queue; it may be another worker's than that of the flow
 * (netstack/tcp_steer.c). Only packets of unknown flows ask.
 */
static bool is_elsewhere(struct lw *lw, const struct packet *p)
{
	return lw->conf.elsewhere && !find(tcp_tw_pcbs, p) &&
	       lw->conf.elsewhere(lw->conf.arg, lw->in_tuple, p);
}

/* The flow of a handshake that was answered without keeping it */
static struct tcp_pcb *revive(struct lw *lw, const struct packet *p)
{
	if (find(tcp_tw_pcbs, p) || !isn_revive(lw, p))
		return NULL;
	return find(tcp_active_pcbs, p);
}

static bool lw_input(struct lw *lw, const struct packet *p, struct lw_buf *buf)
{
	uint8_t *tcp = p->data + p->l4, flags = tcp[13];
	uint32_t payload = p->len - p->l4 - (uint32_t)(tcp[12] >> 4) * 4;
	bool syn = (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN, kept = false;
	struct tcp_pcb *pcb;
	struct pbuf *q;

	lw_enter(lw);
	bucket_grow(lw);
	lw->in_tuple = hash_tuple(lw, &p->src, &p->dst);
	bucket_select(lw, (uint32_t)lw->in_tuple);
	pcb = find(tcp_active_pcbs, p);
	if (!pcb && is_elsewhere(lw, p))
		return false;
	if (!pcb && syn && !admit(lw, p, get_be32(tcp + 4)))
		return false;
	set_ip_data(lw, p);
	if (!pcb && !syn)
		pcb = revive(lw, p);
	if (pcb && guard_stops(flow_of(pcb), tcp, payload))
		return false;
	q = wrap(lw, p, !payload && !(flags & TCP_FIN), buf, &kept);
	if (!q) {
		worker_drop(lw->conf.worker, DROP_NO_MEMORY);
		return false;
	}
	if (pcb && flags & TCP_ACK)
		sack_input(flow_of(pcb), q->payload);
	if (syn)
		lw->listener->local_port = p->dst.port;
	tcp_input(q, &lw->netif);
	if (lw->assert_hit)
		drop_asserted(lw, p);
	after_input(lw, payload);
	return kept;
}

/* --- flush and timers ------------------------------------------------------ */

static void flow_output(struct lw *lw, struct flow *f)
{
	struct tcp_pcb *pcb = f->pcb;

	if (!pcb)
		return;
	bucket_select(lw, f->hash);
	if (f->ack_due)
		tcp_ack_now(pcb);
	tcp_output(pcb);
	bucket_mark(lw);
}

static void lw_flush(struct lw *lw)
{
	struct flow *f;

	if (list_empty(&lw->touched))
		return;
	lw_enter(lw);
	while (!list_empty(&lw->touched)) {
		f = list_first(&lw->touched, struct flow, out);
		list_del(&f->out);
		flow_output(lw, f);
	}
}

/* Those whose answer has not taken it along in time */
static void flush_acks(struct lw *lw, uint32_t now)
{
	struct flow *f;

	while (!list_empty(&lw->acks)) {
		f = list_first(&lw->acks, struct flow, ack);
		if (clock_before(now, f->ack_ms))
			break;
		list_del(&f->ack);
		if (f->ack_due)
			flow_output(lw, f);
	}
}

static void lw_tick(struct lw *lw)
{
	uint32_t now = lw->conf.worker->now_ms;

	lw_enter(lw);
	flush_acks(lw, now);
	if (lw->hot_count && !clock_before(now, lw->tick_due_ms))
		bucket_sweep(lw);
	lw->assert_hit = false;
	slab_trim(lw, lw->hot_count ? SPARE_SLABS : 1);
}

static int until(const struct lw *lw, uint32_t due)
{
	uint32_t now = lw->conf.worker->now_ms;

	return clock_before(now, due) ? (int)(due - now) : 0;
}

static int lw_next_timer(const struct lw *lw)
{
	int ack =
		list_empty(&lw->acks) ?
			-1 :
			until(lw,
			      list_first(&lw->acks, struct flow, ack)->ack_ms);
	int tick = lw->hot_count ? until(lw, lw->tick_due_ms) : -1;

	if (ack < 0 || tick < 0)
		return ack < 0 ? tick : ack;
	return ack < tick ? ack : tick;
}

static void lw_stats(const struct lw *lw, struct lw_stats *out)
{
	*out = lw->stats;
	out->buckets = lw->mask + 1;
	out->hot_buckets = lw->hot_count;
}

/* --- birth and end --------------------------------------------------------- */

static int make_listener(struct lw *lw)
{
	struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);
	struct tcp_pcb *listener;

	if (!pcb)
		return -ENOMEM;
	if (tcp_bind(pcb, IP_ANY_TYPE, 1) != ERR_OK)
		goto err_pcb;
	tcp_ext_arg_set_callbacks(pcb, 0, &flow_hooks);
	listener = tcp_listen(pcb);
	if (!listener)
		goto err_pcb;
	tcp_accept(listener, on_accept);
	lw->listener = (struct tcp_pcb_listen *)(void *)listener;
	return 0;
err_pcb:
	tcp_close(pcb);
	return -ENOMEM;
}

static void make_netif(struct lw *lw)
{
	ip4_addr_t addr, mask, gw;

	/* any address will do: documentation prefix (RFC 5737) */
	IP4_ADDR(&addr, 192, 0, 2, 1);
	IP4_ADDR(&mask, 255, 255, 255, 255);
	IP4_ADDR(&gw, 0, 0, 0, 0);
	netif_add(&lw->netif, &addr, &mask, &gw, lw, output_init, ip_input);
	netif_set_default(&lw->netif);
	netif_set_up(&lw->netif);
	netif_set_link_up(&lw->netif);
}

static struct lw *lw_new(const struct lw_conf *conf)
{
	static bool ready;
	struct lw *lw;

	lw = calloc(1, sizeof(*lw));
	if (!lw)
		return NULL;
	lw->conf = *conf;
	lw->key = rand_key();
	lw->ip_id = (uint16_t)rand_u32();
	list_init(&lw->flows);
	list_init(&lw->half_open);
	list_init(&lw->touched);
	list_init(&lw->acks);
	if (bucket_init(lw))
		goto err_buckets;
	if (!ready) {
		lwip_init();
		tcp_ext_arg_alloc_id(); /* id 0: the flow */
		ready = true;
	}
	lw_enter(lw);
	netif_default = NULL; /* lwIP takes one netif only */
	make_netif(lw);
	if (make_listener(lw))
		goto err_netif;
	return lw;
err_netif:
	netif_remove(&lw->netif);
err_buckets:
	bucket_fini(lw);
	if (lw == lw_self)
		lw_self = NULL;
	free(lw);
	return NULL;
}

static void lw_free(struct lw *lw)
{
	struct list *n, *next;

	lw_enter(lw);
	list_for_each_safe (n, next, &lw->flows) {
		struct flow *f = container_of(n, struct flow, node);

		/* nothing of a held stream may point into here any longer */
		if (f->owned && !f->err)
			f->err = -ENETDOWN;
		flow_rx_drop(f);
		list_del(&f->node);
		f->lw = NULL;
		if (!f->pcb)
			continue;
		bucket_select(lw, f->hash);
		tcp_abort(f->pcb);
	}
	tcp_close((struct tcp_pcb *)(void *)lw->listener);
	netif_remove(&lw->netif);
	bucket_fini(lw);
	slab_trim(lw, 0);
	free(lw->flat);
	lw_self = NULL;
	free(lw);
}

const struct lw_ops lw_ops = {
	.new = lw_new,
	.free = lw_free,
	.connect = lw_connect,
	.input = lw_input,
	.flush = lw_flush,
	.tick = lw_tick,
	.next_timer = lw_next_timer,
	.stats = lw_stats,
};
