/*
 * fd_dgram.c - A kernel UDP socket as a datagram end
 *
 * Buffers belong to the worker, not to the socket: an idle socket holds none.
 *
 *   recv: recvmmsg -> messages -> UDP_GRO segments -> packets (in place)
 *   send: packets -> runs of equal peer and size -> UDP_SEGMENT -> sendmmsg
 *
 * What the caller's array cannot take of a coalesced message is copied aside
 * for the next call; from then on, as long as the socket gets coalesced
 * messages, only as many are read as surely fit.
 *
 * Source: udp(7), Linux Documentation/networking; UDP_MAX_SEGMENTS is 64
 */
#include "gateway/core/fd_dgram.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/core/stream.h"
#include "gateway/core/worker.h"

#define FD_MSGS       32 /* messages a recvmmsg */
#define FD_MSG_BYTES  65536
#define FD_SEGMENTS   64 /* of one message */
#define FD_SEND_BYTES 64000 /* of one message with segments */
#define FD_GSO_MIN    256 /* below this, segments are not worth it */
#define FD_ERRORS     16 /* ICMP errors skipped a call */
#define FD_CTRL_BYTES \
	(CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct in6_pktinfo)))

union control {
	char bytes[FD_CTRL_BYTES];
	struct cmsghdr align;
};

/**
 * struct fd_room - One worker's memory for all its UDP sockets; ROOM_DGRAM
 * @segs:	Sending: packets in each message
 * @own:	Received: where each packet came to, for who asked
 */
struct fd_room {
	struct mmsghdr msg[DGRAM_BATCH];
	struct iovec iov[DGRAM_BATCH];
	struct sockaddr_storage peer[DGRAM_BATCH];
	union control control[DGRAM_BATCH];
	int segs[DGRAM_BATCH];
	struct addr own[DGRAM_BATCH];
	uint8_t data[FD_MSGS][FD_MSG_BYTES];
};

struct spilled {
	struct pkt p;
	struct addr own;
};

/* Packets that did not fit into the caller's array; their bytes follow */
struct spill {
	int count, next;
	struct spilled v[];
};

/**
 * struct fd_dgram - One socket
 * @gro:	The last message had segments
 * @gso_max:	Biggest segment worth trying; 0: never
 * @own:	Somebody wants to know where packets came to
 */
struct fd_dgram {
	struct dgram d; /* must be first */
	struct watch watch;
	struct worker *worker;
	struct spill *spill;
	int family;
	bool gro, own;
	size_t gso_max;
};

/* Where splitting stands: message, byte in it */
struct cut {
	int msg, count;
	size_t off;
};

static struct fd_dgram *fdd(struct dgram *d)
{
	return container_of(d, struct fd_dgram, d);
}

static struct fd_room *fd_room(struct worker *w)
{
	if (!w->rooms[ROOM_DGRAM])
		w->rooms[ROOM_DGRAM] = malloc(sizeof(struct fd_room));
	return w->rooms[ROOM_DGRAM];
}

/* Segment size the kernel coalesced by; 0: one datagram */
static size_t msg_segment(struct msghdr *h)
{
	struct cmsghdr *c;
	int size = 0;

	for (c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
			memcpy(&size, CMSG_DATA(c), sizeof(size));
	}
	return size > 0 ? (size_t)size : 0;
}

/* This host's address that a message came to; kind NONE: not told */
static struct addr msg_own(struct msghdr *h)
{
	struct in_pktinfo v4;
	struct in6_pktinfo v6;
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_storage ss = { 0 };
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&v4, CMSG_DATA(c), sizeof(v4));
			return addr_v4((const uint8_t *)&v4.ipi_addr, 0);
		}
		if (c->cmsg_level != IPPROTO_IPV6 ||
		    c->cmsg_type != IPV6_PKTINFO)
			continue;
		memcpy(&v6, CMSG_DATA(c), sizeof(v6));
		in6.sin6_addr = v6.ipi6_addr;
		memcpy(&ss, &in6, sizeof(in6));
		return addr_from_sockaddr(&ss); /* v4-mapped becomes v4 */
	}
	return (struct addr){ .kind = ADDR_NONE };
}

/* Next packet of the messages read, or false. @own: NULL: nobody asks */
static bool cut_next(struct fd_dgram *f, struct fd_room *r, struct cut *c,
		     struct pkt *out, struct addr *own)
{
	struct mmsghdr *m;
	size_t len, seg;

	for (; c->msg < c->count; c->msg++, c->off = 0) {
		m = &r->msg[c->msg];
		len = m->msg_len;
		if (m->msg_hdr.msg_flags & MSG_TRUNC ||
		    (c->off && c->off >= len))
			continue;
		seg = msg_segment(&m->msg_hdr);
		f->gro = seg && seg < len;
		if (!seg || seg > len - c->off)
			seg = len - c->off;
		out->peer = addr_from_sockaddr(&r->peer[c->msg]);
		out->data = r->data[c->msg] + c->off;
		out->len = seg;
		if (own && f->own)
			*own = msg_own(&m->msg_hdr);
		c->off += seg;
		if (!seg) { /* an empty datagram is one, too */
			c->msg++;
			c->off = 0;
		}
		return true;
	}
	return false;
}

/* Copy what is left of @c aside */
static void spill_rest(struct fd_dgram *f, struct fd_room *r, struct cut c)
{
	struct cut k = c;
	struct spilled one = { .own = { .kind = ADDR_NONE } };
	struct pkt p;
	size_t bytes = 0;
	int n = 0;
	uint8_t *to;

	for (; cut_next(f, r, &k, &p, NULL); n++)
		bytes += p.len;
	if (!n)
		return;
	f->spill = malloc(sizeof(*f->spill) + (size_t)n * sizeof(one) + bytes);
	if (!f->spill) {
		worker_drops(f->worker, DROP_NO_MEMORY, (uint64_t)n);
		return;
	}
	f->spill->count = n;
	f->spill->next = 0;
	to = (uint8_t *)&f->spill->v[n];
	for (n = 0; cut_next(f, r, &c, &one.p, &one.own); n++) {
		if (one.p.len)
			memcpy(to, one.p.data, one.p.len);
		one.p.data = to;
		f->spill->v[n] = one;
		to += one.p.len;
	}
}

/* Packets put aside earlier; 0: none */
static int spill_take(struct fd_dgram *f, struct fd_room *r, struct pkt *v,
		      int max)
{
	struct spill *s = f->spill;
	int n = 0;

	if (!s)
		return 0;
	for (; n < max && s->next < s->count; s->next++, n++) {
		v[n] = s->v[s->next].p;
		r->own[n] = s->v[s->next].own;
	}
	if (!n) { /* those of the call before may be forgotten now */
		free(s);
		f->spill = NULL;
	}
	return n;
}

/* Does this error end the socket? ICMP errors do not */
static bool fd_final(int err)
{
	return err == EBADF || err == ENOTSOCK || err == EFAULT ||
	       err == ENOTCONN || err == EDESTADDRREQ || err == ENODEV;
}

static int fd_read(struct fd_dgram *f, struct fd_room *r, int count)
{
	int i, n, tries;

	for (i = 0; i < count; i++) {
		r->iov[i].iov_base = r->data[i];
		r->iov[i].iov_len = FD_MSG_BYTES;
		r->msg[i].msg_hdr = (struct msghdr){
			.msg_name = &r->peer[i],
			.msg_namelen = sizeof(r->peer[i]),
			.msg_iov = &r->iov[i],
			.msg_iovlen = 1,
			.msg_control = &r->control[i],
			.msg_controllen = FD_CTRL_BYTES,
		};
	}
	for (tries = 0; tries < FD_ERRORS; tries++) {
		n = recvmmsg(f->watch.fd, r->msg, (unsigned int)count,
			     MSG_DONTWAIT, NULL);
		if (n > 0) {
			/* it met the end, or an error, which is an event */
			if (n < count && !f->watch.odd)
				watch_used_up(&f->watch, ST_READ);
			return n;
		}
		if (n == 0 || errno == EAGAIN) {
			watch_used_up(&f->watch, ST_READ);
			return -EAGAIN;
		}
		if (fd_final(errno))
			return -errno;
	}
	return -EAGAIN; /* still ready: want() marks the job again */
}

static int fdd_recv(struct dgram *d, struct pkt *v, int max)
{
	struct fd_dgram *f = fdd(d);
	struct fd_room *r = fd_room(f->worker);
	struct cut c = { 0 };
	int n, count;

	if (!r)
		return -ENOMEM;
	n = spill_take(f, r, v, max);
	if (n)
		return n;
	while (f->watch.ready & ST_READ) {
		count = f->gro ? max / FD_SEGMENTS : max;
		count = count < 1 ? 1 : count > FD_MSGS ? FD_MSGS : count;
		count = fd_read(f, r, count);
		if (count < 0)
			return count;
		c = (struct cut){ .count = count };
		while (n < max && cut_next(f, r, &c, &v[n], &r->own[n]))
			n++;
		if (n == max)
			spill_rest(f, r, c);
		if (n)
			return n;
	}
	return -EAGAIN;
}

/* How many packets of @v go into one message with segments */
static int gso_run(const struct fd_dgram *f, const struct pkt *v, int n)
{
	size_t len = v->len, bytes = len;
	int k = 1;

	if (len < FD_GSO_MIN || len > f->gso_max)
		return 1;
	while (k < n && k < FD_SEGMENTS && v[k].len && v[k].len <= len &&
	       bytes + v[k].len <= FD_SEND_BYTES &&
	       addr_eq(&v[k].peer, &v->peer)) {
		bytes += v[k].len;
		if (v[k++].len < len)
			break; /* a shorter one may only be the last */
	}
	return k;
}

/* One control message of @n bytes more */
static void msg_put(struct msghdr *h, union control *u,
		    const struct cmsghdr *of, const void *p, size_t n)
{
	struct cmsghdr *c;

	if (!h->msg_control)
		memset(u, 0, sizeof(*u));
	h->msg_control = u;
	c = (struct cmsghdr *)(void *)(u->bytes + h->msg_controllen);
	*c = *of;
	c->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(c), p, n);
	h->msg_controllen += CMSG_SPACE(n);
}

static void msg_set_segment(struct msghdr *h, union control *u, size_t size)
{
	static const struct cmsghdr of = { .cmsg_level = SOL_UDP,
					   .cmsg_type = UDP_SEGMENT };
	uint16_t s = (uint16_t)size;

	msg_put(h, u, &of, &s, sizeof(s));
}

/* It leaves from @own; kind NONE: from where the kernel likes */
static void msg_set_own(struct msghdr *h, union control *u,
			const struct addr *own)
{
	static const struct cmsghdr of4 = { .cmsg_level = IPPROTO_IP,
					    .cmsg_type = IP_PKTINFO },
				    of6 = { .cmsg_level = IPPROTO_IPV6,
					    .cmsg_type = IPV6_PKTINFO };
	struct in_pktinfo v4 = { 0 };
	struct in6_pktinfo v6 = { 0 };

	memcpy(&v4.ipi_spec_dst, own->ip, sizeof(v4.ipi_spec_dst));
	memcpy(&v6.ipi6_addr, own->ip, sizeof(v6.ipi6_addr));
	if (own->kind == ADDR_V4)
		msg_put(h, u, &of4, &v4, sizeof(v4));
	else if (own->kind == ADDR_V6)
		msg_put(h, u, &of6, &v6, sizeof(v6));
}

/*
 * Lay @v out as messages. Stops before a packet that cannot be addressed.
 * Return: messages; 0 when the first packet is such a one
 */
static int fd_build(struct fd_dgram *f, struct fd_room *r,
		    const struct addr *own, const struct pkt *v, int n)
{
	int i, k, m = 0, used = 0;
	socklen_t len;

	while (used < n) {
		struct msghdr *h = &r->msg[m].msg_hdr;

		len = addr_to_sockaddr(&v[used].peer, f->family, &r->peer[m]);
		if (!len)
			break;
		k = gso_run(f, v + used, n - used);
		*h = (struct msghdr){
			.msg_name = &r->peer[m],
			.msg_namelen = len,
			.msg_iov = &r->iov[used],
			.msg_iovlen = (size_t)k,
		};
		for (i = 0; i < k; i++) {
			r->iov[used + i].iov_base = v[used + i].data;
			r->iov[used + i].iov_len = v[used + i].len;
		}
		msg_set_own(h, &r->control[m], own);
		if (k > 1)
			msg_set_segment(h, &r->control[m], v[used].len);
		r->segs[m++] = k;
		used += k;
	}
	return m;
}

/* A message with segments of @len was refused: smaller ones only, or none */
static bool gso_lower(struct fd_dgram *f, int err, size_t len)
{
	if (err != EINVAL && err != EMSGSIZE && err != EIO && err != EOPNOTSUPP)
		return false;
	f->gso_max = err == EIO || err == EOPNOTSUPP ? 0 : len - 1;
	return true;
}

/*
 * The first message of @segs packets was refused by @err.
 * Return: packets to skip (0: try again), or -errno
 */
static int fd_refused(struct fd_dgram *f, const struct pkt *v, int segs,
		      int err, int *tries)
{
	if (err == EAGAIN) {
		watch_used_up(&f->watch, ST_WRITE);
		return -EAGAIN;
	}
	if (fd_final(err))
		return -err;
	if (err == EINTR || (segs > 1 && gso_lower(f, err, v->len)))
		return 0;
	/* an ICMP error of an earlier packet is told once, here */
	if (err == ECONNREFUSED && (*tries)++ < FD_ERRORS)
		return 0;
	worker_drops(f->worker, DROP_UDP_SEND, (uint64_t)segs);
	return segs;
}

int fd_dgram_send_from(struct dgram *d, const struct addr *own,
		       const struct pkt *v, int n)
{
	struct fd_dgram *f = fdd(d);
	struct fd_room *r = fd_room(f->worker);
	int i = 0, k, m, sent, tries = 0;

	if (!r)
		return -ENOMEM;
	if (n > DGRAM_BATCH)
		n = DGRAM_BATCH;
	while (i < n) {
		m = fd_build(f, r, own, v + i, n - i);
		if (!m) {
			worker_drop(f->worker, DROP_UDP_SEND);
			i++;
			continue;
		}
		sent = sendmmsg(f->watch.fd, r->msg, (unsigned int)m,
				MSG_DONTWAIT | MSG_NOSIGNAL);
		for (k = 0; k < sent; k++)
			i += r->segs[k];
		if (sent > 0)
			continue;
		k = fd_refused(f, v + i, r->segs[0], errno, &tries);
		if (k < 0)
			return i ? i : k;
		i += k;
	}
	return i;
}

static int fdd_send(struct dgram *d, const struct pkt *v, int n)
{
	static const struct addr none;

	return fd_dgram_send_from(d, &none, v, n);
}

int fd_dgram_want_own(struct dgram *d)
{
	struct fd_dgram *f = fdd(d);
	bool v6 = f->family == AF_INET6;
	int on = 1;

	if (setsockopt(f->watch.fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		       v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &on, sizeof(on)))
		return -errno;
	f->own = true;
	return 0;
}

struct addr fd_dgram_own(struct dgram *d, int i)
{
	struct fd_dgram *f = fdd(d);
	struct fd_room *r = fd_room(f->worker);

	return f->own && r ? r->own[i] : (struct addr){ .kind = ADDR_NONE };
}

static void fdd_want(struct dgram *d, unsigned int events)
{
	struct fd_dgram *f = fdd(d);

	f->watch.job = d->job; /* the owner may have changed */
	watch_want(&f->watch, events);
	if (f->spill && events & ST_READ)
		job_ready(f->watch.job);
}

static void fdd_close(struct dgram *d)
{
	struct fd_dgram *f = fdd(d);
	int fd = f->watch.fd;

	watch_del(f->worker, &f->watch);
	close(fd);
	free(f->spill);
	free(f);
}

static const struct dgram_ops fdd_ops = {
	.name = "fd",
	.recv = fdd_recv,
	.send = fdd_send,
	.want = fdd_want,
	.close = fdd_close,
};

struct dgram *fd_dgram_new(struct worker *w, int fd, int family,
			   struct job *job)
{
	struct fd_dgram *f = calloc(1, sizeof(*f));
	int on = 1;

	if (!f)
		return NULL;
	f->d.ops = &fdd_ops;
	f->d.job = job;
	f->worker = w;
	f->family = family;
	f->gso_max = FD_SEND_BYTES / 2;
	if (watch_add_open(w, &f->watch, fd, job)) {
		free(f);
		return NULL;
	}
	/* where the kernel does not know it, messages come one by one */
	setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
	return &f->d;
}

void fd_dgram_worker_stop(struct worker *w)
{
	free(w->rooms[ROOM_DGRAM]);
	w->rooms[ROOM_DGRAM] = NULL;
}
