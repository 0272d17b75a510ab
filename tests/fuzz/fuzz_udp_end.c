/*
 * fuzz_udp_end.c - Frames from the TUN through the parser into UDP, ICMP and
 * reassembly; what comes out goes back, and must parse
 *
 * Input: records: length (2), gso segment (2, 0 none), that many bytes.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/core/dgram.h"
#include "gateway/core/session.h"
#include "gateway/core/udp.h"
#include "netstack/netstack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ENDS 64

static struct worker w;
static struct netstack ns;
static struct dgram *ends[ENDS];
static unsigned int end_count;
static struct job map_job;

int tun_send(struct netstack *n, const struct vnet *vnet,
	     const struct iovec *iov, int cnt)
{
	static uint8_t frame[66000];
	struct packet p;
	enum drop why;
	size_t len = 0;

	(void)n;
	for (int i = 0; i < cnt; len += iov[i++].iov_len)
		memcpy(frame + len, iov[i].iov_base, iov[i].iov_len);
	if (packet_parse(frame, len, vnet, &p, &why))
		abort(); /* built by us, and bad */
	return 0;
}

struct udp_map *udp_map_new(struct worker *x, const struct inbound *ib,
			    const struct addr *client, struct dgram *d)
{
	(void)x;
	(void)ib;
	(void)client;
	if (end_count == ENDS)
		return NULL;
	ends[end_count++] = d;
	d->job = &map_job;
	return (struct udp_map *)&map_job;
}

void udp_map_set(struct udp_map *m, const char *user, bool skip_dns)
{
	(void)m, (void)user, (void)skip_dns;
}

void udp_map_set_policy(struct udp_map *m, const struct policy *p)
{
	(void)m, (void)p;
}

void udp_map_kill(struct udp_map *m, int why)
{
	(void)m;
	(void)why;
}

void udp_reap(struct worker *x)
{
	(void)x;
}

int udp_worker_start(struct worker *x)
{
	(void)x;
	return 0;
}

void udp_worker_stop(struct worker *x)
{
	(void)x;
}

void ses_reap(struct worker *x)
{
	(void)x;
}

/* Send back what came, twice, and refuse it */
static void echo(struct dgram *d)
{
	struct pkt v[DGRAM_BATCH];
	int n;

	while ((n = d->ops->recv(d, v, DGRAM_BATCH)) > 0) {
		d->ops->send(d, v, n);
		d->ops->reject(d, &v[0].peer);
	}
}

static void one(uint8_t *p, size_t n, uint16_t segment)
{
	struct vnet vnet = { .csum_ok = true };
	struct packet pk, whole;
	enum drop why;

	if (segment) {
		vnet.gso = GSO_UDP;
		vnet.gso_size = segment;
	}
	if (packet_parse(p, n, &vnet, &pk, &why))
		return;
	if (pk.frag) {
		if (!frag_input(ns.frag, &pk, &whole))
			return;
		pk = whole;
	}
	if (pk.proto == IPPROTO_UDP)
		udp_input(&ns, &pk);
	else if (pk.proto == IPPROTO_ICMP || pk.proto == IPPROTO_ICMPV6)
		icmp_input(&ns, &pk);
}

static void records(const uint8_t *data, size_t size)
{
	while (size >= 4) {
		size_t n = get_be16(data);
		uint16_t segment = get_be16(data + 2);
		uint8_t *copy;

		data += 4;
		size -= 4;
		n = n < size ? n : size;
		copy = malloc(n ? n :
				  1); /* exact, so that ASan sees overruns */
		if (!copy)
			return;
		memcpy(copy, data, n);
		one(copy, n, segment);
		free(copy);
		data += n;
		size -= n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	memset(&w, 0, sizeof(w));
	wheel_init(&w.wheel, 0);
	w.ready_tail = &w.ready_head;
	w.later_tail = &w.later_head;
	w.tick = 1;
	map_job = (struct job){ .worker = &w };
	ns = (struct netstack){ .worker = &w,
				.mtu = 1500,
				.local_echo = true,
				.vnet_hdr = size & 1,
				.uso = size & 1 };
	ns.udp = udp_table_new(&ns);
	ns.frag = frag_table_new(&w);
	end_count = 0;
	records(data, size);
	for (unsigned int i = 0; i < end_count; i++) {
		echo(ends[i]);
		ends[i]->ops->close(ends[i]);
	}
	udp_table_free(ns.udp);
	frag_table_free(ns.frag);
	return 0;
}
