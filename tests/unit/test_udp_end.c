/* test_udp_end.c - UDP from and to the TUN; the frames are looked at */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/dgram.h"
#include "gateway/core/session.h"
#include "gateway/core/udp.h"
#include "netstack/netstack.h"
#include "netstack/tun.h"
#include "netstack/udp_end.h"
#include "tests/unit/ip_build.h"

/* --- in place of the TUN and of the maps ------------------------------------ */

#define FRAMES_MAX 128

static struct sent_frame {
	struct vnet vnet;
	size_t len;
	uint8_t data[BUILD_MAX];
} frames[FRAMES_MAX];
static int frame_count;

int tun_send(struct netstack *ns, const struct vnet *vnet,
	     const struct iovec *iov, int cnt)
{
	struct sent_frame *f = &frames[frame_count++ % FRAMES_MAX];
	int i;

	(void)ns;
	f->vnet = *vnet;
	f->len = 0;
	for (i = 0; i < cnt; i++) {
		assert_true(f->len + iov[i].iov_len <= BUILD_MAX);
		if (iov[i].iov_len)
			memcpy(f->data + f->len, iov[i].iov_base,
			       iov[i].iov_len);
		f->len += iov[i].iov_len;
	}
	return 0;
}

struct udp_map {
	struct job job;
};

static struct udp_map map;
static struct dgram *din;
static struct addr map_client;
static int maps_new, maps_killed;
static bool map_refused;

struct udp_map *udp_map_new(struct worker *w, const struct inbound *ib,
			    const struct addr *client, struct dgram *d)
{
	(void)w;
	(void)ib;
	if (map_refused)
		return NULL;
	maps_new++;
	din = d;
	map_client = *client;
	d->job = &map.job;
	return &map;
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
	assert_ptr_equal(m, &map);
	assert_int_equal(why, -ENODEV);
	maps_killed++;
}

/* The worker is real, what it calls at the end of a turn is not needed */
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

/* --- set up -------------------------------------------------------------------- */

static struct worker w;
static struct netstack ns;
static struct frag_table *reassembly;
static uint8_t payload[65535], l4[65600], frame[BUILD_MAX];

static void map_job(struct job *j)
{
	(void)j;
}

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(worker_init(&w, 0, NULL), 0);
	ns = (struct netstack){ .worker = &w, .mtu = 1500, .local_echo = true };
	map = (struct udp_map){ .job = { .run = map_job, .worker = &w } };
	ns.udp = udp_table_new(&ns);
	reassembly = frag_table_new(&w);
	frame_count = 0;
	maps_new = 0;
	maps_killed = 0;
	map_refused = false;
	din = NULL;
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 13 + (i >> 8));
	return ns.udp && reassembly ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	udp_table_free(ns.udp);
	if (din)
		din->ops->close(din);
	frag_table_free(reassembly);
	job_forget(&map.job);
	worker_fini(&w);
	return 0;
}

static struct build pair(bool v6)
{
	struct build b = { .proto = IPPROTO_UDP };

	b.src = build_addr(v6 ? "fd00::1" : "10.0.0.1", 1000);
	b.dst = build_addr(v6 ? "2001:db8::1" : "192.0.2.1", 2000);
	return b;
}

static void input(const struct build *b, const void *data, size_t n,
		  uint16_t segment)
{
	struct packet p;

	n = build_udp(l4, &b->src, &b->dst, data, n);
	p = build_parse(frame, build_ip(frame, b, l4, n));
	if (segment) {
		p.vnet.gso = GSO_UDP;
		p.vnet.gso_size = segment;
	}
	udp_input(&ns, &p);
}

/* --- from the TUN ------------------------------------------------------------------ */

static void datagrams_come_out_with_their_destination(void **state)
{
	struct build b = pair(false);
	struct pkt v[DGRAM_BATCH];

	(void)state;
	input(&b, payload, 100, 0);
	assert_int_equal(maps_new, 1);
	assert_true(addr_eq(&map_client, &b.src));
	assert_true(map.job.queued);
	input(&b, payload, 0, 0);
	b.dst.port = 2001;
	input(&b, payload + 1, 65507, 0);
	assert_int_equal(maps_new, 1);
	assert_int_equal(din->ops->recv(din, v, DGRAM_BATCH), 3);
	assert_int_equal(v[0].len, 100);
	assert_memory_equal(v[0].data, payload, 100);
	assert_int_equal(v[0].peer.port, 2000);
	assert_int_equal(v[1].len, 0);
	assert_int_equal(v[2].len, 65507);
	assert_int_equal(v[2].peer.port, 2001);
	assert_memory_equal(v[2].data, payload + 1, 65507);
	assert_int_equal(din->ops->recv(din, v, DGRAM_BATCH), -EAGAIN);
}

static void super_packets_are_cut_into_datagrams(void **state)
{
	struct build b = pair(true);
	struct pkt v[DGRAM_BATCH];
	int i, n;

	(void)state;
	input(&b, payload, 1200 * 9 + 5, 1200);
	n = din->ops->recv(din, v, 4); /* a caller with little room */
	assert_int_equal(n, 4);
	for (i = 0; i < 4; i++)
		assert_memory_equal(v[i].data, payload + i * 1200, 1200);
	n = din->ops->recv(din, v, DGRAM_BATCH);
	assert_int_equal(n, 6);
	for (i = 0; i < 5; i++) {
		assert_int_equal(v[i].len, 1200);
		assert_memory_equal(v[i].data, payload + (i + 4) * 1200, 1200);
	}
	assert_int_equal(v[5].len, 5);
	assert_memory_equal(v[5].data, payload + 9 * 1200, 5);
}

static void full_queue_drops_the_oldest(void **state)
{
	struct build b = pair(false);
	struct pkt v[DGRAM_BATCH];
	uint8_t tag[4];

	(void)state;
	for (uint32_t i = 0; i < 1100; i++) {
		put_be32(tag, i);
		input(&b, tag, 4, 0);
	}
	assert_int_equal(w.drops[DROP_UDP_QUEUE], 1100 - 1024);
	assert_int_equal(din->ops->recv(din, v, 1), 1);
	assert_int_equal(get_be32(v[0].data), 1100 - 1024);
	/* bytes are bounded as well */
	for (int i = 0; i < 40; i++)
		input(&b, payload, 65000, 0);
	for (int n = 0, k; (k = din->ops->recv(din, v, DGRAM_BATCH)) > 0;) {
		for (; k--;)
			n += v[k].len == 65000;
		assert_true(n <= 16);
	}
}

static void what_is_shown_survives_being_the_oldest(void **state)
{
	struct build b = pair(false);
	struct pkt v[2];

	(void)state;
	input(&b, payload, 60000, 1000);
	assert_int_equal(din->ops->recv(din, v, 2), 2);
	for (int i = 0; i < 30; i++)
		input(&b, payload, 65000, 0);
	assert_memory_equal(v[1].data, payload + 1000, 1000);
}

static void no_map_means_no_end(void **state)
{
	struct build b = pair(false);

	(void)state;
	map_refused = true;
	input(&b, payload, 10, 0);
	assert_int_equal(w.drops[DROP_UDP_LIMIT], 1);
	assert_null(din);
}

static void length_fields_that_lie_are_dropped(void **state)
{
	struct build b = pair(false);
	struct packet p;

	(void)state;
	p = build_parse(frame,
			build_ip(frame, &b, l4,
				 build_udp(l4, &b.src, &b.dst, payload, 10)));
	put_be16(p.data + p.l4 + 4, 19);
	udp_input(&ns, &p);
	put_be16(p.data + p.l4 + 4, 7);
	udp_input(&ns, &p);
	p.len = p.l4 + 7u;
	udp_input(&ns, &p);
	assert_int_equal(w.drops[DROP_UDP_HEADER], 3);
	assert_null(din);
}

static void netstack_may_go_before_the_map(void **state)
{
	struct build b = pair(false);
	struct pkt v[1] = { { .peer = b.dst, .data = payload, .len = 9 } };

	(void)state;
	input(&b, payload, 10, 0);
	udp_table_free(ns.udp);
	ns.udp = NULL;
	assert_int_equal(maps_killed, 1);
	assert_int_equal(din->ops->recv(din, v, 1), -ENODEV);
	assert_int_equal(din->ops->send(din, v, 1), -ENODEV);
	din->ops->reject(din, &b.dst);
	assert_int_equal(frame_count, 0);
}

/* Both queues bring packets of the same clients: each client has one worker */
static void a_client_port_belongs_to_one_worker(void **state)
{
	struct tun_device device = { .queues = 2 };
	struct build b = pair(false);
	struct pkt v[DGRAM_BATCH];
	static struct worker w2;
	static struct netstack ns2;
	int here = 0, there = 0;

	(void)state;
	assert_int_equal(worker_init(&w2, 1, NULL), 0);
	ns2 = (struct netstack){ .worker = &w2,
				 .mtu = 1500,
				 .device = &device };
	ns2.udp = udp_table_new(&ns2);
	assert_non_null(ns2.udp);
	ns.device = &device;
	workers_all[0] = &w;
	workers_all[1] = &w2;
	workers_count = 2;
	for (uint16_t port = 1; port <= 40; port++) {
		int before = maps_new;

		job_forget(&map.job); /* before it changes its worker */
		b.src.port = port;
		b.dst.port = 2000;
		input(&b, payload, 100, 0);
		b.dst.port = 2001;
		input(&b, payload, 200, 50);
		if (maps_new == before) {
			there++;
			assert_true(atomic_load(&w2.handed_udp) >= 300);
			map.job.worker = &w2;
			worker_tick(&w2, 0);
			job_forget(&map.job);
			map.job.worker = &w;
		} else {
			here++;
		}
		assert_int_equal(maps_new, before + 1);
		assert_int_equal(din->ops->recv(din, v, DGRAM_BATCH), 5);
		assert_int_equal(v[0].peer.port, 2000);
		assert_int_equal(v[1].peer.port, 2001);
		assert_memory_equal(v[4].data, payload + 150, 50);
		din->ops->close(din);
		din = NULL;
	}
	assert_true(here > 0 && there > 0);
	assert_int_equal(atomic_load(&w2.handed_udp), 0);
	workers_count = 0;
	ns.device = NULL;
	udp_table_free(ns2.udp);
	worker_fini(&w2);
}

/* A second worker without a netstack: what is handed over goes nowhere */
static struct worker *second_worker(struct tun_device *device)
{
	static struct worker w2;

	assert_int_equal(worker_init(&w2, 1, NULL), 0);
	ns.device = device;
	workers_all[0] = &w;
	workers_all[1] = &w2;
	workers_count = 2;
	return &w2;
}

static void second_worker_end(struct worker *w2)
{
	worker_fini(w2);
	workers_count = 0;
	ns.device = NULL;
}

/* The worker of a client is not told by the bits that choose its slot there */
static void ends_of_one_worker_use_all_slots(void **state)
{
	struct tun_device device = { .queues = 2 };
	struct worker *w2 = second_worker(&device);
	struct udp_in in = { .src = pair(false).src };
	unsigned int slots[4] = { 0 };

	(void)state;
	for (uint16_t port = 1; port <= 400; port++) {
		in.src.port = port;
		in.hash = addr_hash(&in.src, rand_key());
		if (!udp_steer(&ns, &in))
			slots[in.hash % 4]++;
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(slots[i], 10, 100);
	second_worker_end(w2);
}

/* Memory is what counts: a datagram may have 64 KiB, or nothing */
static void datagrams_under_way_are_limited(void **state)
{
	static const size_t sizes[] = { 65507, 0 };
	struct tun_device device = { .queues = 2 };
	struct worker *w2 = second_worker(&device);
	struct udp_in in = { .src = pair(false).src, .data = payload };

	(void)state;
	in.hash = UINT32_MAX; /* not ours */
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t drops = w.drops[DROP_UDP_QUEUE];
		size_t n = 0;

		in.len = sizes[i];
		while (w.drops[DROP_UDP_QUEUE] == drops) {
			assert_true(udp_steer(&ns, &in));
			n++;
			assert_true(n < 100000);
		}
		assert_in_range((n - 1) * (in.len + 64), 1u << 20, 5u << 20);
		worker_tick(w2, 0);
		assert_int_equal(atomic_load(&w2->handed_udp), 0);
	}
	second_worker_end(w2);
}

/* --- to the TUN ------------------------------------------------------------------- */

/* The frame must be a datagram from @src to @dst with payload @data */
static void assert_frame(struct sent_frame *f, const struct addr *src,
			 const struct addr *dst, const uint8_t *data, size_t n)
{
	struct packet p;
	enum drop why;

	assert_int_equal(packet_parse(f->data, f->len, &f->vnet, &p, &why), 0);
	assert_false(p.frag);
	assert_true(addr_eq(&p.src, src));
	assert_true(addr_eq(&p.dst, dst));
	assert_int_equal(p.len - p.l4, n + 8);
	assert_memory_equal(p.data + p.l4 + 8, data, n);
}

static void open_end(const struct build *b)
{
	struct pkt v[1];

	input(b, payload, 1, 0);
	assert_int_equal(din->ops->recv(din, v, 1), 1);
}

static void replies_carry_their_exact_source(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct build b = pair(v6);
		struct addr from =
			build_addr(v6 ? "2001:db8::77" : "203.0.113.77", 7777);
		struct pkt v[3] = { { from, payload, 100 },
				    { b.dst, payload + 5, 0 },
				    { from, payload + 9, 1 } };

		frame_count = 0;
		open_end(&b);
		assert_int_equal(din->ops->send(din, v, 3), 3);
		assert_int_equal(frame_count, 3);
		assert_frame(&frames[0], &from, &b.src, payload, 100);
		assert_frame(&frames[1], &b.dst, &b.src, payload, 0);
		assert_frame(&frames[2], &from, &b.src, payload + 9, 1);
		din->ops->close(din);
		din = NULL;
	}
}

static void big_replies_leave_in_fragments(void **state)
{
	static const size_t sizes[] = { 1472, 1473, 5000, 30000, 65487, 65507 };
	struct packet p, whole;
	enum drop why;

	(void)state;
	for (size_t k = 0; k < 2 * ARRAY_SIZE(sizes); k++) {
		bool v6 = k & 1, done = false;
		struct build b = pair(v6);
		size_t n = sizes[k / 2];
		struct pkt v = { b.dst, payload, n };

		frame_count = 0;
		open_end(&b);
		din->ops->send(din, &v, 1);
		assert_true(frame_count > 0);
		for (int i = 0; i < frame_count; i++) {
			struct sent_frame *f = &frames[i];

			assert_true(f->len <= ns.mtu);
			assert_int_equal(packet_parse(f->data, f->len, &f->vnet,
						      &p, &why),
					 0);
			if (!p.frag)
				whole = p;
			done = !p.frag || frag_input(reassembly, &p, &whole);
			assert_int_equal(done, i == frame_count - 1);
		}
		assert_int_equal(frame_count > 1, n > (v6 ? 1452u : 1472u));
		assert_int_equal(whole.len - whole.l4, n + 8);
		assert_true(addr_eq(&whole.src, &b.dst));
		assert_true(addr_eq(&whole.dst, &b.src));
		assert_memory_equal(whole.data + whole.l4 + 8, payload, n);
		din->ops->close(din);
		din = NULL;
	}
}

static void equal_sizes_leave_as_one_super_packet(void **state)
{
	struct build b = pair(true);
	struct addr other = b.dst;
	struct pkt v[DGRAM_BATCH];
	struct sent_frame *f = &frames[0];

	(void)state;
	ns.vnet_hdr = true;
	ns.uso = true;
	other.port++;
	for (int i = 0; i < 10; i++)
		v[i] = (struct pkt){ b.dst, payload + i * 1200, 1200 };
	v[10] = (struct pkt){ b.dst, payload + 12000, 50 };
	v[11] = (struct pkt){ b.dst, payload + 12050, 1200 };
	v[12] = (struct pkt){ other, payload, 1200 };
	open_end(&b);
	assert_int_equal(din->ops->send(din, v, 13), 13);
	assert_int_equal(frame_count, 3);
	assert_int_equal(f->vnet.gso, GSO_UDP);
	assert_int_equal(f->vnet.gso_size, 1200);
	assert_int_equal(f->vnet.csum_start, 40);
	assert_int_equal(f->vnet.csum_offset, 6);
	assert_int_equal(f->vnet.hdr_len, 48);
	assert_true(f->vnet.csum_partial);
	assert_frame(f, &b.dst, &b.src, payload, 12050);
	assert_int_equal(frames[1].vnet.gso, GSO_NONE);
	assert_true(frames[1].vnet.csum_partial);
	assert_frame(&frames[2], &other, &b.src, payload, 1200);
}

static void device_makes_a_right_checksum_of_ours(void **state)
{
	struct build b = pair(false);
	struct pkt v = { b.dst, payload, 333 };
	struct sent_frame *f = &frames[0];
	struct packet p;
	uint16_t sum;

	(void)state;
	ns.vnet_hdr = true;
	open_end(&b);
	din->ops->send(din, &v, 1);
	/* what the kernel does with csum_start and csum_offset */
	assert_int_equal(f->vnet.csum_start, 20);
	sum = csum_fold(csum_add(0, f->data + 20, f->len - 20));
	put_be16(f->data + 20 + f->vnet.csum_offset, sum);
	p = build_parse(f->data, f->len);
	assert_int_equal(p.len, 20 + 8 + 333);
}

static void other_family_and_names_are_not_sent(void **state)
{
	struct build b = pair(false);
	struct pkt v[3] = { { build_addr("2001:db8::1", 5), payload, 10 },
			    { addr_name("a.example", 9, 5), payload, 10 },
			    { b.dst, payload, 10 } };

	(void)state;
	open_end(&b);
	assert_int_equal(din->ops->send(din, v, 3), 3);
	assert_int_equal(frame_count, 1);
	assert_int_equal(w.drops[DROP_UDP_SEND], 2);
}

static void refusal_becomes_an_icmp_error(void **state)
{
	struct build b = pair(false);
	struct packet p;

	(void)state;
	w.now_ms += 5000;
	open_end(&b);
	din->ops->reject(din, &b.dst);
	assert_int_equal(frame_count, 1);
	p = build_parse(frames[0].data, frames[0].len);
	assert_int_equal(p.proto, IPPROTO_ICMP);
	assert_int_equal(get_be16(p.data + p.l4), 3 << 8 | 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(datagrams_come_out_with_their_destination),
		T(super_packets_are_cut_into_datagrams),
		T(full_queue_drops_the_oldest),
		T(what_is_shown_survives_being_the_oldest),
		T(no_map_means_no_end),
		T(a_client_port_belongs_to_one_worker),
		T(ends_of_one_worker_use_all_slots),
		T(datagrams_under_way_are_limited),
		T(length_fields_that_lie_are_dropped),
		T(netstack_may_go_before_the_map),
		T(replies_carry_their_exact_source),
		T(big_replies_leave_in_fragments),
		T(equal_sizes_leave_as_one_super_packet),
		T(device_makes_a_right_checksum_of_ours),
		T(other_family_and_names_are_not_sent),
		T(refusal_becomes_an_icmp_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
