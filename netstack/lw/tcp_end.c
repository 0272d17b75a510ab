/*
 * tcp_end.c - A flow as struct stream: lwIP's window is the back-pressure
 *
 * Up: received pbufs stay where they are and are lent; took() opens the window.
 * Down: room() shows a slab, filled() lets lwIP refer to it; lwIP's sent
 * callback gives it back when the client has acknowledged. A few bytes are
 * copied instead, so that a small answer does not pin a slab. An idle flow
 * holds neither.
 *
 *   rx:  head -> pbuf -> pbuf <- tail         (lent in order)
 *   tx:  [slab: freed | acked later | free]   counted by tx_written, tx_freed
 *
 * The client's RST is -ECONNRESET at the next call, its FIN reads as 0.
 * close(0) ends with FIN, close(-errno) with RST; either behind what was written.
 */
#include <stdlib.h>
#include <string.h>

#include "lwip/pbuf.h"
#include "netstack/lw/lw_in.h"

/**
 * struct slab - Bytes on their way to the client
 * @used:	Bytes filled; @end: tx_written behind the last of them
 */
struct slab {
	struct slab *next;
	uint32_t used, end;
	uint8_t data[];
};

enum {
	SLAB_BYTES = 65536 - 64 - (int)sizeof(struct slab),
	SLAB_REST = 16384, /* a tail with less free is not shown again */
	COPY_MAX = 2048, /* fewer bytes are copied by lwIP */
	TX_LOW = 16384, /* less send space than that is none */
	QUEUE_MAX = TCP_SND_QUEUELEN - 1024,
	ROOM_SLABS = 4, /* shown at once */
	RX_MERGE = 512, /* a smaller payload is copied behind the last */
	RX_BLOCK = 4096
};

/* --- slabs ----------------------------------------------------------------- */

/* The spare one in *@at, made when there is none */
static struct slab *slab_spare(struct lw *lw, struct slab **at)
{
	struct slab *s = *at;

	if (!s) {
		s = malloc(sizeof(*s) + SLAB_BYTES);
		if (!s)
			return NULL;
		s->next = NULL;
		*at = s;
		lw->spare_count++;
	}
	s->used = 0;
	return s;
}

static void slab_put(struct lw *lw, struct slab *s)
{
	s->next = lw->spare;
	lw->spare = s;
	lw->spare_count++;
}

void slab_trim(struct lw *lw, unsigned int keep)
{
	while (lw->spare_count > keep) {
		struct slab *s = lw->spare;

		lw->spare = s->next;
		lw->spare_count--;
		free(s);
	}
}

/* lwIP has freed everything up to tx_freed */
static void tx_release(struct flow *f, bool all)
{
	struct slab *s;

	while ((s = f->tx_head)) {
		if (!all && (int32_t)(f->tx_freed - s->end) < 0)
			break;
		f->tx_head = s->next;
		if (!f->tx_head)
			f->tx_tail = NULL;
		slab_put(lw_self, s);
	}
}

/* --- received bytes -------------------------------------------------------- */

void flow_rx_drop(struct flow *f)
{
	struct pbuf *p, *next;

	for (p = f->rx_head; p; p = next) {
		next = p->next;
		p->next = NULL;
		pbuf_free(p);
	}
	f->rx_head = NULL;
	f->rx_tail = NULL;
	f->rx_bytes = 0;
	f->rx_space = 0;
}

/* Each pbuf stands for itself: a chain's total length has 16 bits only */
static void rx_append(struct flow *f, struct pbuf *p)
{
	f->rx_space = 0;
	for (; p; p = p->next) {
		p->tot_len = p->len;
		if (f->rx_tail)
			f->rx_tail->next = p;
		else
			f->rx_head = p;
		f->rx_tail = p;
	}
}

/*
 * Bytes of a slow reader in tiny segments would cost twenty times their size:
 * they are copied together. False: @p is not taken
 */
static bool rx_merge(struct flow *f, struct pbuf *p)
{
	struct pbuf *t;

	if (p->tot_len > RX_MERGE || !f->rx_tail)
		return false;
	if (f->rx_space < p->tot_len) {
		t = pbuf_alloc(PBUF_RAW, RX_BLOCK, PBUF_RAM);
		if (!t)
			return false;
		t->len = 0;
		rx_append(f, t);
		f->rx_space = RX_BLOCK;
	}
	t = f->rx_tail;
	pbuf_copy_partial(p, (uint8_t *)t->payload + t->len, p->tot_len, 0);
	t->len = (u16_t)(t->len + p->tot_len);
	t->tot_len = t->len;
	f->rx_space = (u16_t)(f->rx_space - p->tot_len);
	pbuf_free(p);
	return true;
}

/* --- lwIP's callbacks: note what happened, wake the owner ------------------- */

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct flow *f = arg;

	LWIP_UNUSED_ARG(err);
	if (!p) {
		f->rx_fin = true;
		/* lwIP would answer at once; our own FIN is often near */
		if (pcb->state == CLOSE_WAIT) {
			tcp_clear_flags(pcb, TF_ACK_NOW);
			tcp_set_flags(pcb, TF_ACK_DELAY);
		}
	} else if (!f->owned) { /* it waits for its end: the window closes */
		pbuf_free(p);
	} else {
		f->rx_bytes += p->tot_len;
		if (!rx_merge(f, p))
			rx_append(f, p);
	}
	flow_notify(f, ST_READ);
	return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
	struct flow *f = arg;

	f->tx_freed += len;
	tx_release(f, false);
	if (f->narrow)
		narrow_arrived(f);
	/* RST goes with the next tick: lwIP loses what came with this ACK otherwise */
	if (!f->cut)
		(void)flow_left(f);
	if (pcb->snd_buf >= TX_LOW)
		flow_notify(f, ST_WRITE);
	return ERR_OK;
}

/*
 * ERR_ABRT comes after the pcb and perhaps the flow were freed, and says nothing
 * that flow_pcb_gone() does not know: @arg must not be looked at
 */
static void on_err(void *arg, err_t err)
{
	struct flow *f = arg;

	if (err != ERR_RST || !f)
		return;
	f->err = f->connecting ? -ECONNREFUSED : -ECONNRESET;
	flow_rx_drop(f);
}

struct flow *flow_new(struct lw *lw, struct tcp_pcb *pcb)
{
	struct flow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->lw = lw;
	f->pcb = pcb;
	list_add_tail(&lw->flows, &f->node);
	list_init(&f->out);
	list_init(&f->ack);
	lw->stats.flows++;
	return f;
}

void flow_free(struct flow *f)
{
	flow_rx_drop(f);
	list_del(&f->node);
	list_del(&f->out);
	list_del(&f->ack);
	free(f);
}

void flow_pcb_gone(struct flow *f)
{
	lw_self->stats.flows--;
	f->pcb = NULL;
	list_del(&f->out);
	list_del(&f->ack);
	tx_release(f, true);
	sack_free(f);
	if (!f->owned) {
		flow_free(f);
		return;
	}
	/* both ends seen: nothing was lost */
	if (!f->err && !(f->rx_fin && f->tx_fin))
		f->err = -ETIMEDOUT;
	flow_notify(f, ST_READ | ST_WRITE);
}

/* --- struct stream --------------------------------------------------------- */

static struct flow *flow_in(struct stream *s)
{
	return container_of(s, struct flow, stream);
}

static void touch(struct flow *f)
{
	if (list_empty(&f->out))
		list_add_tail(&lw_self->touched, &f->out);
}

/* What a call says when there are no bytes */
static ssize_t rx_state(struct flow *f)
{
	if (f->err)
		return f->err;
	if (!f->rx_fin)
		return -EAGAIN;
	f->fin_read = true;
	return 0;
}

static ssize_t flow_lend(struct stream *s, struct iovec *iov, int *cnt)
{
	struct flow *f = flow_in(s);
	const struct pbuf *p;
	ssize_t total = 0;
	int n = 0;

	if (!f->rx_bytes || f->err)
		return rx_state(f);
	for (p = f->rx_head; p && n < *cnt; p = p->next) {
		if (!p->len)
			continue;
		iov[n].iov_base = p->payload;
		iov[n++].iov_len = p->len;
		total += p->len;
	}
	*cnt = n;
	return total;
}

static void open_window(struct flow *f, size_t n)
{
	bucket_select(lw_self, f->hash);
	while (n) {
		u16_t part = (u16_t)(n < 0xffff ? n : 0xffff);

		tcp_recved(f->pcb, part);
		n -= part;
	}
}

static void flow_took(struct stream *s, size_t n)
{
	struct flow *f = flow_in(s);
	struct pbuf *p;
	size_t left = n < f->rx_bytes ? n : f->rx_bytes;

	flow_enter(f);
	n = left;
	f->rx_bytes -= (uint32_t)n;
	while ((p = f->rx_head) && (left || !p->len)) {
		if (left < p->len) {
			pbuf_remove_header(p, left);
			break;
		}
		left -= p->len;
		f->rx_head = p->next;
		if (!f->rx_head) {
			f->rx_tail = NULL;
			f->rx_space = 0;
		}
		p->next = NULL;
		pbuf_free(p);
	}
	if (f->pcb && n)
		open_window(f, n);
}

static ssize_t flow_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct flow *f = flow_in(s);
	size_t total = 0, off = 0;
	const struct pbuf *p;
	int i = 0;

	if (!f->rx_bytes || f->err)
		return rx_state(f);
	for (p = f->rx_head; p; p = p->next) {
		size_t done = 0;

		while (done < p->len && i < cnt) {
			size_t n = iov[i].iov_len - off;

			n = n < p->len - done ? n : p->len - done;
			memcpy((uint8_t *)iov[i].iov_base + off,
			       (const uint8_t *)p->payload + done, n);
			done += n;
			off += n;
			if (off == iov[i].iov_len) {
				off = 0;
				i++;
			}
		}
		total += done;
		if (i == cnt)
			break;
	}
	flow_took(s, total);
	return (ssize_t)total;
}

/* 0, or why nothing can be sent now */
static int tx_state(const struct flow *f, uint32_t low)
{
	if (f->err)
		return f->err;
	if (!f->pcb || f->tx_fin)
		return -EPIPE;
	if (f->connecting || f->pcb->snd_buf < low ||
	    f->pcb->snd_queuelen > QUEUE_MAX)
		return -EAGAIN;
	return 0;
}

static bool tail_has_room(const struct flow *f)
{
	return f->tx_tail && SLAB_BYTES - f->tx_tail->used >= SLAB_REST;
}

/* The free part of @s, at most @left bytes */
static struct iovec slab_rest(struct slab *s, size_t left)
{
	size_t n = SLAB_BYTES - s->used;

	return (struct iovec){ s->data + s->used, n < left ? n : left };
}

/* Behind this flow's last bytes, then the worker's spare slabs in their order */
static ssize_t flow_room(struct stream *s, struct iovec *iov, int *cnt)
{
	struct flow *f = flow_in(s);
	int err = tx_state(f, TX_LOW), n = 0;
	struct slab **at;
	size_t left, total = 0;

	if (err)
		return err;
	flow_enter(f);
	at = &lw_self->spare;
	left = f->pcb->snd_buf; /* tcp_sndbuf() tells 65535 at most */
	if (tail_has_room(f)) {
		iov[n] = slab_rest(f->tx_tail, left);
		total = iov[n++].iov_len;
	}
	while (n < *cnt && n < ROOM_SLABS && total < left) {
		if (!slab_spare(lw_self, at))
			break;
		iov[n] = slab_rest(*at, left - total);
		total += iov[n++].iov_len;
		at = &(*at)->next;
	}
	if (!n)
		return -ENOMEM;
	*cnt = n;
	return (ssize_t)total;
}

static void tx_attach(struct flow *f, struct slab *s)
{
	lw_self->spare = s->next;
	lw_self->spare_count--;
	s->next = NULL;
	if (f->tx_tail)
		f->tx_tail->next = s;
	else
		f->tx_head = s;
	f->tx_tail = s;
}

/* Bytes that lie where flow_room() has shown: what fits the first of its slabs */
static ssize_t tx_take(struct flow *f, size_t n)
{
	bool tail = tail_has_room(f);
	struct slab *s =
		tail ? f->tx_tail : slab_spare(lw_self, &lw_self->spare);
	bool copy = !tail && n < COPY_MAX;

	if (!s)
		return -ENOMEM;
	if (n > SLAB_BYTES - s->used)
		n = SLAB_BYTES - s->used;
	if (tcp_write(f->pcb, s->data + s->used, (u16_t)n,
		      copy ? TCP_WRITE_FLAG_COPY : 0) != ERR_OK)
		return -ENOMEM;
	f->tx_written += (uint32_t)n;
	if (copy)
		return (ssize_t)n;
	if (!tail)
		tx_attach(f, s);
	s->used += (uint32_t)n;
	s->end = f->tx_written;
	return (ssize_t)n;
}

static int flow_filled(struct stream *s, size_t n)
{
	struct flow *f = flow_in(s);
	int err = n ? tx_state(f, 0) : 0;

	if (err || !n)
		return err;
	flow_enter(f);
	bucket_select(lw_self, f->hash);
	while (n) {
		ssize_t took = tx_take(f, n);

		if (took < 0)
			return (int)took;
		n -= (size_t)took;
	}
	touch(f);
	return 0;
}

static ssize_t flow_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	size_t off = 0, total = 0;
	struct iovec to = { 0 };
	int i = 0;

	while (i < cnt) {
		int one = 1, err;
		ssize_t room = flow_room(s, &to, &one);
		size_t put = 0;

		if (room < 0)
			return total ? (ssize_t)total : room;
		while (i < cnt && put < to.iov_len) {
			size_t n = iov[i].iov_len - off;

			n = n < to.iov_len - put ? n : to.iov_len - put;
			memcpy((uint8_t *)to.iov_base + put,
			       (const uint8_t *)iov[i].iov_base + off, n);
			put += n;
			off += n;
			if (off == iov[i].iov_len) {
				off = 0;
				i++;
			}
		}
		err = flow_filled(s, put);
		if (err)
			return total ? (ssize_t)total : err;
		total += put;
	}
	return (ssize_t)total;
}

static void flow_want(struct stream *s, unsigned int events)
{
	struct flow *f = flow_in(s);

	f->want = (uint8_t)events;
	/* Once the end was read, only a reset is worth a turn */
	if ((events & ST_READ &&
	     (f->rx_bytes || f->err || (f->rx_fin && !f->fin_read))) ||
	    (events & ST_WRITE && tx_state(f, TX_LOW) != -EAGAIN))
		job_ready(s->job);
}

static bool flow_up(const struct stream *s)
{
	const struct flow *f = (const void *)s; /* the first member */

	return !f->connecting;
}

static int flow_finish(struct stream *s)
{
	struct flow *f = flow_in(s);

	if (f->tx_fin)
		return 0;
	if (f->err)
		return f->err;
	if (!f->pcb)
		return -EPIPE;
	if (f->connecting)
		return -EAGAIN;
	flow_enter(f);
	bucket_select(lw_self, f->hash);
	/* out of memory: lwIP remembers, bucket_sweep() tries again */
	if (tcp_shutdown(f->pcb, 0, 1) != ERR_OK)
		return -ENOMEM;
	f->tx_fin = true;
	bucket_mark(lw_self);
	return 0;
}

/* The client still sends: lwIP would answer the next byte by RST */
static bool has_more(const struct flow *f)
{
	return !f->rx_fin && (f->pcb->unsent || f->pcb->unacked);
}

/* FIN. Unread bytes count as taken, or lwIP would send RST */
static void close_in_order(struct flow *f)
{
	if (f->rx_bytes)
		open_window(f, f->rx_bytes);
	flow_rx_drop(f);
	f->pcb->rcv_wnd = TCP_WND_MAX(f->pcb);
	tcp_close(f->pcb);
	bucket_mark(lw_self);
}

bool flow_left(struct flow *f)
{
	struct tcp_pcb *pcb = f->pcb;
	bool cut = f->cut;

	if (!f->leaving || pcb->unsent || pcb->unacked)
		return false;
	f->leaving = false;
	if (cut)
		tcp_abort(pcb); /* frees @f through flow_pcb_gone() */
	else
		close_in_order(f);
	return cut;
}

static void flow_close(struct stream *s, int why)
{
	struct flow *f = flow_in(s);
	struct tcp_pcb *pcb = f->pcb;

	s->job = NULL;
	f->want = 0;
	f->owned = false;
	flow_enter(f);
	if (!pcb) {
		flow_free(f);
		return;
	}
	f->closed_ms = lw_now();
	list_del(&f->ack);
	bucket_select(lw_self, f->hash);
	if (f->connecting) { /* nothing was said, nothing has to arrive */
		tcp_abort(pcb);
		return;
	}
	if (pcb->state == TIME_WAIT ||
	    (why == 0 && (!has_more(f) || flow_finish(s) < 0))) {
		close_in_order(f);
		return;
	}
	flow_rx_drop(f);
	f->leaving = true;
	f->cut = why < 0;
	if (!flow_left(f))
		bucket_mark(lw_self);
}

static const struct stream_ops flow_ops = {
	.name = "netstack",
	.readv = flow_readv,
	.writev = flow_writev,
	.lend = flow_lend,
	.took = flow_took,
	.room = flow_room,
	.filled = flow_filled,
	.want = flow_want,
	.up = flow_up,
	.finish = flow_finish,
	.close = flow_close,
};

void flow_connected(struct flow *f)
{
	f->connecting = false;
	flow_notify(f, ST_READ | ST_WRITE);
}

void flow_accepted(struct flow *f)
{
	f->stream.ops = &flow_ops;
	tcp_recv(f->pcb, on_recv);
	tcp_sent(f->pcb, on_sent);
	tcp_err(f->pcb, on_err);
}
