/*
 * netstack.c - One worker's netstack: bursts from its TUN queue, and who gets them
 *
 *   queue -> readv (virtio header, buffer) -> packet_parse -> fragment? frag.c
 *         -> TCP: lw/ (private lwIP)   UDP: udp_end.c   ICMP: icmp.c
 *
 * A burst ends at RX_BURST packets, so that jobs and timers get their turn; the
 * rest is read in the next one. Buffers are big enough for any super-packet:
 * lwIP takes over those that are well filled, the others are used again.
 */
#include "netstack/netstack.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/match.h"
#include "gateway/core/netstack_ops.h"
#include "gateway/core/session.h"
#include "gateway/core/tun_conf.h"
#include "netstack/lw.h"
#include "netstack/tun.h"

enum {
	RX_BURST = 256,
	BUF_BYTES = 65535 + 40 + 9, /* biggest v6 packet; whole words */
	BUFS_KEPT = 64, /* while flows are busy */
	BUFS_IDLE = 4,
	HALF_OPEN_MAX = 1024, /* about 1 KiB each; docs/decisions/015 */
	FLOWS_SPARE = 2048 /* flows beside sessions: handshakes, TIME-WAIT */
};

/* --- out ------------------------------------------------------------------- */

int tun_send(struct netstack *ns, const struct vnet *vnet,
	     const struct iovec *iov, int cnt)
{
	uint8_t head[TUN_VNET_BYTES];
	struct iovec v[TUN_IOV + 1];
	const uint8_t *ip = iov[0].iov_base;
	ssize_t n;

	if (cnt > TUN_IOV)
		return -EMSGSIZE;
	if (ns->sink)
		return ns->sink(ns->sink_arg, iov, cnt);
	if (ns->vnet_hdr) {
		vnet_encode(vnet, ip[0] >> 4 == 6, head);
		v[0] = (struct iovec){ head, sizeof(head) };
		memcpy(v + 1, iov, (size_t)cnt * sizeof(*iov));
		n = writev(ns->fd, v, cnt + 1);
	} else {
		n = writev(ns->fd, iov, cnt);
	}
	if (n < 0) {
		worker_drop(ns->worker, DROP_TUN_WRITE);
		return -errno;
	}
	ns->tx_packets++;
	ns->tx_bytes += (uint64_t)n;
	return 0;
}

static int lw_send(void *arg, const struct vnet *vnet, const struct iovec *iov,
		   int cnt)
{
	return tun_send(arg, vnet, iov, cnt);
}

/* --- buffers --------------------------------------------------------------- */

/* The link of a spare buffer lies where lwIP's part would */
static struct lw_buf **rxbuf_next(struct lw_buf *b)
{
	return (struct lw_buf **)(void *)b->head;
}

static struct lw_buf *rxbuf_get(struct netstack *ns)
{
	struct lw_buf *b = ns->spare;

	if (b) {
		ns->spare = *rxbuf_next(b);
		ns->spare_count--;
		return b;
	}
	b = malloc(sizeof(*b) + BUF_BYTES);
	if (b)
		ns->bufs++;
	return b;
}

static void rxbuf_put(void *arg, struct lw_buf *b)
{
	struct netstack *ns = arg;

	if (ns->spare_count >= BUFS_KEPT) {
		free(b);
		ns->bufs--;
		return;
	}
	*rxbuf_next(b) = ns->spare;
	ns->spare = b;
	ns->spare_count++;
}

static void rxbuf_trim(struct netstack *ns, uint32_t keep)
{
	while (ns->spare_count > keep) {
		struct lw_buf *b = ns->spare;

		ns->spare = *rxbuf_next(b);
		ns->spare_count--;
		ns->bufs--;
		free(b);
	}
}

/* At most a sixteenth of the memory in handed-over buffers, over all workers */
static uint32_t rxbuf_limit(void)
{
	uint64_t total = 64 << 20, n;
	struct sysinfo si;

	if (sysinfo(&si) == 0)
		total = (uint64_t)si.totalram * si.mem_unit;
	n = total / 16 / BUF_BYTES / (workers_count ? workers_count : 1);
	return n > 4096 ? 4096 : n < 16 ? 16 : (uint32_t)n;
}

/* --- in -------------------------------------------------------------------- */

/* @buf: where @p lies; true when it was handed over. NULL: cannot be */
static bool input(struct netstack *ns, struct packet *p, struct lw_buf *buf)
{
	switch (p->proto) {
	case IPPROTO_TCP:
		return ns->lw_ops->input(ns->lw, p, buf);
	case IPPROTO_UDP:
		if (ns->udp)
			udp_input(ns, p);
		return false;
	default: /* packet_parse() lets ICMP through besides */
		icmp_input(ns, p);
		return false;
	}
}

void netstack_input(struct netstack *ns, struct packet *p)
{
	(void)input(ns, p, NULL);
}

static void packet_input(struct netstack *ns, size_t len,
			 const struct vnet *vnet)
{
	struct packet p, whole;
	enum drop why;

	ns->rx_packets++;
	ns->rx_bytes += len;
	if (packet_parse(ns->buf->data, len, vnet, &p, &why)) {
		worker_drop(ns->worker, why);
		return;
	}
	if (p.frag) {
		if (frag_input(ns->frag, &p, &whole))
			input(ns, &whole, NULL);
		return;
	}
	if (input(ns, &p, ns->bufs <= ns->bufs_max ? ns->buf : NULL))
		ns->buf = NULL;
}

/* One packet. Its length, 0 nothing usable, or -errno */
static ssize_t packet_read(struct netstack *ns, struct vnet *vnet)
{
	uint8_t head[TUN_VNET_BYTES];
	struct iovec iov[2] = { { head, sizeof(head) },
				{ ns->buf->data, BUF_BYTES } };
	size_t skip = ns->vnet_hdr ? sizeof(head) : 0;
	ssize_t n = skip ? readv(ns->fd, iov, 2) :
			   read(ns->fd, ns->buf->data, BUF_BYTES);

	if (n < 0)
		return -errno;
	if ((size_t)n <= skip)
		return 0;
	*vnet = (struct vnet){ 0 };
	if (skip)
		vnet_decode(head, vnet);
	return n - (ssize_t)skip;
}

static void run(struct job *j)
{
	struct netstack *ns = container_of(j, struct netstack, job);
	struct vnet vnet;
	ssize_t n;

	for (int i = 0; i < RX_BURST; i++) {
		if (!ns->buf)
			ns->buf = rxbuf_get(ns);
		if (!ns->buf) { /* the kernel's queue holds them meanwhile */
			worker_drop(ns->worker, DROP_NO_MEMORY);
			break;
		}
		n = packet_read(ns, &vnet);
		if (n > 0)
			packet_input(ns, (size_t)n, &vnet);
		if (n >= 0 || n == -EINTR)
			continue;
		watch_used_up(&ns->watch, ST_READ);
		/* EIO: the device is down; the kernel tells when it is up */
		if (n != -EAGAIN && n != -EIO)
			log_error("tun: read: %s", strerror((int)-n));
		break;
	}
	watch_want(&ns->watch, ST_READ);
}

/* --- stack ----------------------------------------------------------------- */

static void arm_timer(struct netstack *ns)
{
	int after = ns->lw_ops->next_timer(ns->lw);

	if (after < 0)
		timer_cancel(&ns->timer);
	else
		timer_set(&ns->worker->wheel, &ns->timer, (uint32_t)after);
}

static void on_timer(struct timer *t)
{
	struct netstack *ns = container_of(t, struct netstack, timer);

	ns->lw_ops->tick(ns->lw);
	arm_timer(ns);
	if (timer_armed(&ns->timer))
		return;
	rxbuf_trim(ns, BUFS_IDLE); /* every flow is idle */
	worker_tidy_later(ns->worker);
}

static void on_wake(void *arg)
{
	struct netstack *ns = arg;

	if (ns->lw) /* not while it is being made */
		arm_timer(ns);
}

static void flush(struct flusher *f)
{
	struct netstack *ns = container_of(f, struct netstack, flusher);

	ns->lw_ops->flush(ns->lw);
}

static int on_accept(void *arg, struct stream *stream,
		     const struct addr *client, const struct addr *dest)
{
	struct netstack *ns = arg;
	struct session *s =
		ses_new(ns->worker, ns->listener.ib, NET_TCP, stream);

	if (!s)
		return -ENOBUFS;
	s->source = *client;
	s->local = *dest;
	s->orig = *dest;
	s->target = *dest;
	if (ns->user) {
		struct ipstack_user u = ns->user(ns->sink_arg, client);

		s->user = u.name;
		s->policy = u.policy;
	}
	ses_start(s);
	return 0;
}

static bool on_elsewhere(void *arg, uint64_t tuple, const struct packet *p)
{
	return tcp_steer(arg, tuple, p);
}

static bool on_claim(void *arg, uint64_t tuple)
{
	return tcp_steer_claim(arg, tuple);
}

static void on_ended(void *arg, uint64_t tuple)
{
	tcp_steer_ended(arg, tuple);
}

static int stack_start(struct netstack *ns)
{
	uint32_t sessions = ns->worker->session_limit;
	struct lw_conf conf = {
		.worker = ns->worker,
		.mtu = ns->mtu,
		.super = ns->vnet_hdr,
		.send = lw_send,
		.accept = ns->listener.ib ? on_accept : NULL,
		.buf_free = rxbuf_put,
		.wake = on_wake,
		.arg = ns,
		.half_open_max = HALF_OPEN_MAX,
		.half_open_source_max = HALF_OPEN_MAX / 4,
	};

	if (ns->device)
		memcpy(conf.secret, ns->device->secret, sizeof(conf.secret));
	else
		rand_bytes(conf.secret, sizeof(conf.secret));
	if (ns->device && ns->device->queues > 1) {
		conf.elsewhere = on_elsewhere;
		conf.claim = on_claim;
		conf.ended = on_ended;
	}
	conf.flow_max = sessions < UINT32_MAX - FLOWS_SPARE ?
				sessions + FLOWS_SPARE :
				sessions;
	ns->lw_ops = lw_table[ns->worker->index];
	ns->lw = ns->lw_ops->new (&conf);
	if (ns->listener.ib)
		ns->udp = udp_table_new(ns);
	ns->frag = frag_table_new(ns->worker);
	if (!ns->lw || !ns->frag || (ns->listener.ib && !ns->udp))
		return -ENOMEM;
	list_add_tail(&ns->worker->flushers, &ns->flusher.node);
	return 0;
}

static void stack_stop(struct netstack *ns)
{
	list_del(&ns->flusher.node);
	if (ns->lw)
		ns->lw_ops->free(ns->lw);
	if (ns->udp)
		udp_table_free(ns->udp);
	if (ns->frag)
		frag_table_free(ns->frag);
	timer_cancel(&ns->timer);
	rxbuf_trim(ns, 0);
	free(ns->buf);
}

static void stack_prepare(struct netstack *ns)
{
	ns->flusher.flush = flush;
	list_init(&ns->flusher.node);
	timer_init(&ns->timer, on_timer);
}

int netstack_stack_start(struct netstack *ns)
{
	int rc;

	stack_prepare(ns);
	rc = stack_start(ns);
	if (rc < 0)
		stack_stop(ns);
	return rc;
}

void netstack_stack_stop(struct netstack *ns)
{
	stack_stop(ns);
}

static int queue_start(struct netstack *ns)
{
	const struct tun_device *d = ns->device;
	struct worker *w = ns->worker;
	int err;

	ns->fd = fcntl(d->fds[w->index], F_DUPFD_CLOEXEC, 0);
	if (ns->fd < 0)
		return -errno;
	ns->vnet_hdr = d->vnet_hdr;
	ns->tso = d->tso;
	ns->uso = d->uso;
	err = stack_start(ns);
	if (!err)
		err = watch_add_read(w, &ns->watch, ns->fd, &ns->job);
	if (err < 0) {
		stack_stop(ns);
		close(ns->fd);
		return err;
	}
	tcp_steer_add(ns);
	watch_want(&ns->watch, ST_READ);
	return 0;
}

static int netstack_start(const struct inbound *ib, struct worker *w,
			  struct listener **out)
{
	const struct tun_conf *tc = ib->settings;
	struct netstack *ns = calloc(1, sizeof(*ns));
	int err;

	if (!ns)
		return -ENOMEM;
	list_init(&ns->listener.node);
	ns->listener.ib = ib;
	ns->listener.worker = w;
	ns->worker = w;
	ns->fd = -1;
	ns->mtu = tc->mtu;
	ns->local_echo = tc->echo_local;
	ns->bufs_max = rxbuf_limit();
	ns->job = (struct job){ .run = run, .worker = w };
	stack_prepare(ns);
	err = tun_get(ib, !w->session_count, &ns->device);
	if (err)
		goto err_free;
	/* more workers than stack copies: this one has no queue */
	if (w->index < ns->device->queues)
		err = queue_start(ns);
	if (err)
		goto err_device;
	*out = &ns->listener;
	return 0;
err_device:
	tun_put(ns->device);
err_free:
	free(ns);
	return err;
}

static void netstack_stop(struct listener *l)
{
	struct netstack *ns = container_of(l, struct netstack, listener);

	if (ns->fd >= 0) {
		watch_del(ns->worker, &ns->watch);
		job_forget(&ns->job);
		tcp_steer_del(ns);
		stack_stop(ns);
		close(ns->fd);
	}
	tun_put(ns->device);
	free(ns);
}

const struct netstack_ops netstack_ops = {
	.start = netstack_start,
	.stop = netstack_stop,
};
