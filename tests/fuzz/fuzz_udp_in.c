/*
 * fuzz_udp_in.c - Datagrams to listening sockets, alone and coalesced by the
 * kernel; the far end sends all of them back
 *
 * First byte: which inbound. Then records: flags, length (2), segment (2, 0 none),
 * that many bytes. Flags: 0-1 the client, 2 of port 0, 3 its destination is told,
 * 4 it was cut, 5 the turn ends here. What the sockets are told to send must be
 * what a kernel takes.
 */
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker.h"

#define TURNS 400 /* of the worker, at most */
#define KEPT  64

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct worker w;
static struct config *cfg;
static struct listener *listeners[8];
/* Sends to their sockets: readiness comes from the kernel */
static int knock[8];
static const uint8_t *input;
static size_t left;

/* --- instead of the kernel ------------------------------------------------------ */

static void peer_of(struct msghdr *h, uint8_t flags)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(flags & 4 ? 0 : 1000),
				 .sin_addr = {
					 htonl(0x0a000001u + (flags & 3u)) } };

	memset(h->msg_name, 0, h->msg_namelen);
	memcpy(h->msg_name, &a, sizeof(a));
	h->msg_namelen = sizeof(a);
}

static void put_control(struct msghdr *h, size_t *used, int level, int type,
			const void *p, size_t n)
{
	struct cmsghdr c = { .cmsg_level = level,
			     .cmsg_type = type,
			     .cmsg_len = CMSG_LEN(n) };
	uint8_t *at = (uint8_t *)h->msg_control + *used;

	if (*used + CMSG_SPACE(n) > h->msg_controllen)
		return; /* the socket did not ask for it */
	memcpy(at, &c, sizeof(c));
	memcpy(at + CMSG_LEN(0), p, n);
	*used += CMSG_SPACE(n);
}

/* One record as one message. False: the turn is over */
static bool next_message(struct mmsghdr *m)
{
	struct msghdr *h = &m->msg_hdr;
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(53),
				  .sin_addr = { htonl(0xc0000201) } };
	size_t n, used = 0;
	uint8_t flags;
	int segment;

	if (left < 5)
		return false;
	flags = input[0];
	n = get_be16(input + 1);
	segment = get_be16(input + 3);
	input += 5;
	left -= 5;
	if (flags & 0x20)
		return false;
	n = n < left ? n : left;
	n = n < h->msg_iov->iov_len ? n : h->msg_iov->iov_len;
	n = n < DGRAM_MAX ? n : DGRAM_MAX;
	memcpy(h->msg_iov->iov_base, input, n);
	input += n;
	left -= n;
	m->msg_len = (unsigned int)n;
	h->msg_flags = flags & 0x10 ? MSG_TRUNC : 0;
	peer_of(h, flags);
	if (flags & 8)
		put_control(h, &used, IPPROTO_IP, IP_ORIGDSTADDR, &to,
			    sizeof(to));
	if (segment)
		put_control(h, &used, SOL_UDP, UDP_GRO, &segment,
			    sizeof(segment));
	h->msg_controllen = used;
	return true;
}

int recvmmsg(int fd, struct mmsghdr *v, unsigned int n, int flags,
	     struct timespec *t)
{
	char byte;
	unsigned int k = 0;

	(void)flags;
	(void)t;
	while (read(fd, &byte, 1) > 0)
		; /* what knocked */
	while (k < n && next_message(&v[k]))
		k++;
	if (!k)
		errno = EAGAIN;
	return k ? (int)k : -1;
}

/* Would a kernel take it? */
static void check_message(struct msghdr *h)
{
	size_t sum = 0, segment = 0;
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		uint16_t size;

		if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_SEGMENT)
			continue;
		memcpy(&size, CMSG_DATA(c), sizeof(size));
		segment = size;
		MUST(segment > 0);
	}
	MUST(segment ? h->msg_iovlen <= 64 : h->msg_iovlen == 1);
	for (size_t i = 0; i < h->msg_iovlen; i++) {
		size_t len = h->msg_iov[i].iov_len;

		/* the last one may be shorter, none may be empty */
		MUST(!segment || len == segment ||
		     (i + 1 == h->msg_iovlen && len && len < segment));
		for (size_t k = 0; k < len; k++)
			sum += ((uint8_t *)h->msg_iov[i].iov_base)[k] >= 0;
	}
	MUST(sum <= DGRAM_MAX);
	MUST(h->msg_namelen >= sizeof(struct sockaddr_in));
}

ssize_t sendmsg(int fd, const struct msghdr *h, int flags)
{
	struct msghdr copy = *h;

	(void)fd;
	(void)flags;
	check_message(&copy);
	return 1;
}

int sendmmsg(int fd, struct mmsghdr *v, unsigned int n, int flags)
{
	(void)fd;
	(void)flags;
	for (unsigned int i = 0; i < n; i++)
		check_message(&v[i].msg_hdr);
	return (int)n;
}

/* --- an outbound that sends back -------------------------------------------------- */

struct echo {
	struct dgram d;
	struct addr peer[KEPT];
	uint8_t *data[KEPT];
	size_t len[KEPT];
	int in, out;
};

static void echo_forget(struct echo *e)
{
	for (int i = 0; i < e->in; i++)
		free(e->data[i]);
	e->in = e->out = 0;
}

static int echo_recv(struct dgram *d, struct pkt *v, int max)
{
	struct echo *e = container_of(d, struct echo, d);
	int n = 0;

	if (e->out == e->in)
		echo_forget(e);
	for (; n < max && e->out < e->in; e->out++)
		v[n++] = (struct pkt){ e->peer[e->out], e->data[e->out],
				       e->len[e->out] };
	return n ? n : -EAGAIN;
}

static int echo_send(struct dgram *d, const struct pkt *v, int n)
{
	struct echo *e = container_of(d, struct echo, d);

	for (int i = 0; i < n && e->in < KEPT; i++) {
		if (!addr_is_ip(&v[i].peer))
			continue;
		e->peer[e->in] = v[i].peer;
		e->len[e->in] = v[i].len;
		e->data[e->in] = malloc(v[i].len + 1);
		MUST(e->data[e->in]);
		if (v[i].len)
			memcpy(e->data[e->in], v[i].data, v[i].len);
		e->in++;
	}
	if (d->job)
		job_ready(d->job);
	return n;
}

static void echo_want(struct dgram *d, unsigned int events)
{
	struct echo *e = container_of(d, struct echo, d);

	if (events & ST_READ && e->in > e->out)
		job_ready(d->job);
}

static void echo_close(struct dgram *d)
{
	struct echo *e = container_of(d, struct echo, d);

	echo_forget(e);
	free(e);
}

static const struct dgram_ops echo_ops = { .name = "echo",
					   .recv = echo_recv,
					   .send = echo_send,
					   .want = echo_want,
					   .close = echo_close };

static int echo_open(const struct outbound *ob, struct udp_map *m,
		     struct session *s, struct dgram **out)
{
	struct echo *e = calloc(1, sizeof(*e));

	(void)ob;
	(void)s;
	MUST(e);
	e->d = (struct dgram){ .ops = &echo_ops, .job = udp_map_job(m) };
	*out = &e->d;
	return 0;
}

static const struct outbound_ops echo_outbound = { .name = "echo",
						   .open_dgram = echo_open };

/* --- the inbounds ----------------------------------------------------------------- */

/* Passwords are "p" and zeros. Ports are filled in */
static const char form[] =
	"{\"outbounds\":[{\"protocol\":\"blackhole\"}],\"inbounds\":["
	"{\"protocol\":\"dokodemo-door\",\"listen\":\"127.0.0.1\",\"port\":%u,"
	"\"settings\":{\"address\":\"192.0.2.1\",\"port\":53,"
	"\"network\":\"udp\"},\"sniffing\":{\"enabled\":true,"
	"\"destOverride\":[\"quic\"]}},"
	"{\"protocol\":\"shadowsocks\",\"listen\":\"127.0.0.1\",\"port\":%u,"
	"\"settings\":{\"method\":\"none\",\"network\":\"udp\"}},"
	"{\"protocol\":\"shadowsocks\",\"listen\":\"127.0.0.1\",\"port\":%u,"
	"\"settings\":{\"network\":\"udp\",\"clients\":[{\"method\":"
	"\"aes-128-gcm\",\"password\":\"p\"},{\"method\":\"aes-128-gcm\","
	"\"password\":\"q\"}]}},"
	"{\"protocol\":\"shadowsocks\",\"listen\":\"127.0.0.1\",\"port\":%u,"
	"\"settings\":{\"network\":\"udp\",\"method\":"
	"\"2022-blake3-aes-128-gcm\",\"password\":"
	"\"AAAAAAAAAAAAAAAAAAAAAA==\"}}]}";

/* A socket to a port of ours that nobody has */
static int knocker(unsigned int *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);
	int probe = socket(AF_INET, SOCK_DGRAM, 0), fd;

	MUST(probe >= 0 && !bind(probe, (struct sockaddr *)&a, len));
	MUST(!getsockname(probe, (struct sockaddr *)&a, &len));
	close(probe);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	MUST(fd >= 0 && !connect(fd, (struct sockaddr *)&a, len));
	*port = ntohs(a.sin_port);
	return fd;
}

static void start(void)
{
	static char conf[sizeof(form) + 64];
	unsigned int port[4];
	int n;

	for (int i = 0; i < 4; i++)
		knock[i] = knocker(&port[i]);
	n = snprintf(conf, sizeof(conf), form, port[0], port[1], port[2],
		     port[3]);
	cfg = cfg_of(conf, (size_t)n);
	cfg->outbounds[0]->ops = &echo_outbound;
	worker_up(&w, cfg);
	for (unsigned int i = 0; i < cfg->inbound_count; i++)
		MUST(cfg->inbounds[i]->ops->start(cfg->inbounds[i], &w,
						  &listeners[i]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	int which;

	if (n < 1)
		return 0;
	if (!cfg)
		start();
	which = p[0] % 4;
	input = p + 1;
	left = n - 1;
	for (int i = 0; i < TURNS && left >= 5; i++) {
		MUST(send(knock[which], "x", 1, 0) == 1);
		worker_tick(&w, 0);
	}
	worker_sweep(&w);
	return 0;
}
