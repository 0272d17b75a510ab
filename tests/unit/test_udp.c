/* test_udp.c - Maps, flows and legs between fake ends; real worker and dispatch */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/core/config.h"
#include "gateway/core/dns.h"
#include "gateway/core/route.h"
#include "gateway/core/session.h"
#include "gateway/core/udp_int.h"
#include "no_fakedns.h"

/* --- a fake dgram: what it was sent, what it shall give ------------------- */

#define FAKE_QUEUE 512

struct fake {
	struct dgram d;
	struct addr peer[FAKE_QUEUE];
	uint32_t tag[FAKE_QUEUE]; /* payload: 4 bytes */
	uint8_t store[DGRAM_BATCH][4];
	unsigned int in, out; /* queue of what recv gives */
	struct addr sent_peer[FAKE_QUEUE];
	uint32_t sent_tag[FAKE_QUEUE];
	unsigned int sent, rejected;
	size_t len; /* payload of all packets, if not 4 */
	int err; /* next calls give this */
	bool full, echo, closed;
};

static uint8_t big[DGRAM_MAX];
static struct fake *outs[512]; /* all legs opened, kept after close */
static unsigned int opens, live_outs;
static bool out_echo;

static struct fake *fk(struct dgram *d)
{
	return container_of(d, struct fake, d);
}

static void fake_push(struct fake *f, struct addr peer, uint32_t tag)
{
	f->peer[f->in % FAKE_QUEUE] = peer;
	f->tag[f->in++ % FAKE_QUEUE] = tag;
	if (f->d.job && !f->closed)
		job_ready(f->d.job);
}

static int fake_recv(struct dgram *d, struct pkt *v, int max)
{
	struct fake *f = fk(d);
	int n = 0;

	assert_false(f->closed);
	if (f->err)
		return f->err;
	for (; n < max && f->out != f->in; n++, f->out++) {
		put_be32(f->store[n], f->tag[f->out % FAKE_QUEUE]);
		v[n].peer = f->peer[f->out % FAKE_QUEUE];
		v[n].data = f->len ? big : f->store[n];
		v[n].len = f->len ? f->len : 4;
	}
	return n ? n : -EAGAIN;
}

static int fake_send(struct dgram *d, const struct pkt *v, int n)
{
	struct fake *f = fk(d);
	int i;

	assert_false(f->closed);
	if (f->err)
		return f->err;
	if (f->full)
		return -EAGAIN;
	for (i = 0; i < n; i++, f->sent++) {
		uint32_t tag = v[i].len == 4 ? get_be32(v[i].data) :
					       (uint32_t)v[i].len;

		f->sent_peer[f->sent % FAKE_QUEUE] = v[i].peer;
		f->sent_tag[f->sent % FAKE_QUEUE] = tag;
		if (f->echo)
			fake_push(f, v[i].peer, tag);
	}
	return n;
}

static void fake_want(struct dgram *d, unsigned int events)
{
	struct fake *f = fk(d);

	assert_false(f->closed);
	if ((events & ST_READ && f->in != f->out) ||
	    (events & ST_WRITE && !f->full))
		job_ready(d->job);
}

static void fake_close(struct dgram *d)
{
	assert_false(fk(d)->closed);
	fk(d)->closed = true;
}

static void fake_out_close(struct dgram *d)
{
	fake_close(d);
	live_outs--;
}

static void fake_reject(struct dgram *d, const struct addr *peer)
{
	(void)peer;
	fk(d)->rejected++;
}

static const struct dgram_ops fake_in_ops = {
	.name = "fake in",
	.recv = fake_recv,
	.send = fake_send,
	.want = fake_want,
	.close = fake_close,
	.reject = fake_reject,
};

static const struct dgram_ops fake_out_ops = {
	.name = "fake out",
	.recv = fake_recv,
	.send = fake_send,
	.want = fake_want,
	.close = fake_out_close,
};

static int fake_open_dgram(const struct outbound *ob, struct udp_map *m,
			   struct session *s, struct dgram **out)
{
	struct fake *f = calloc(1, sizeof(*f));

	(void)ob;
	(void)s;
	assert_non_null(f);
	f->d.ops = &fake_out_ops;
	f->d.job = udp_map_job(m);
	f->echo = out_echo;
	free(outs[opens % 512]);
	outs[opens++ % 512] = f;
	live_outs++;
	*out = &f->d;
	return 0;
}

static const struct outbound_ops local_ops = {
	.name = "local",
	.local = true,
	.open_dgram = fake_open_dgram,
};
static const struct outbound_ops proxy_ops = {
	.name = "proxy",
	.open_dgram = fake_open_dgram,
};
static const struct outbound_ops block_ops = { .name = "block" };

static const struct outbound local_ob = { .ops = &local_ops, .tag = "local" };
static const struct outbound proxy_ob = { .ops = &proxy_ops, .tag = "proxy" };
static const struct outbound block_ob = { .ops = &block_ops, .tag = "block" };

/* --- routing and DNS as the tests want them -------------------------------- */

static const struct outbound *route_to;
static unsigned int routed;
static struct dns_req *asked;
static struct dns_ip dns_answer;
static int dns_rc;

/* 198.18.0.N is the name "N.example"; 203.0.113.9 goes to the local outbound */
int route_pick(const struct router *r, struct session *s,
	       const struct outbound **ob)
{
	static const char *const names[] = { "0.example", "1.example",
					     "2.example", "3.example" };
	uint8_t n = s->orig.ip[3] & 3;

	(void)r;
	routed++;
	if (s->orig.kind == ADDR_V4 && s->orig.ip[0] == 198)
		s->target = addr_name(names[n], 9, s->orig.port);
	*ob = route_to;
	if (s->orig.kind == ADDR_V4 && s->orig.ip[3] == 99)
		*ob = &local_ob;
	return 0;
}

bool router_wants_attrs(const struct router *r)
{
	(void)r;
	return false;
}

int dns_ask(struct worker *w, struct config *cfg, struct dns_req *r,
	    struct job *job, const char *name, unsigned int families,
	    unsigned int flags)
{
	(void)w;
	(void)cfg;
	assert_non_null(strstr(name, ".example"));
	assert_int_equal(flags, DNS_SYSTEM);
	*r = (struct dns_req){ .job = job,
			       .rc = dns_rc,
			       .pending = (uint8_t)families };
	asked = r;
	if (!dns_rc) {
		r->ips[r->count++] = dns_answer;
		r->pending = 0;
	}
	return r->rc;
}

void dns_cancel(struct dns_req *r)
{
	if (asked == r)
		asked = NULL;
}

/* --- set up ------------------------------------------------------------------ */

static struct worker w;
static struct policy policy;
static struct config cfg;
static struct inbound ib;

static void cfg_free(struct config *c)
{
	(void)c;
}

static int set_up(void **state)
{
	(void)state;
	policy = POLICY_DEFAULT;
	cfg = (struct config){ .refs = 1, .free = cfg_free };
	ib = (struct inbound){ .tag = "in", .policy = &policy };
	route_to = &proxy_ob;
	routed = 0;
	asked = NULL;
	dns_rc = 0;
	dns_answer = (struct dns_ip){ ADDR_V4, { 192, 0, 2, 1 } };
	opens = 0;
	out_echo = false;
	return worker_init(&w, 0, &cfg);
}

static int tear_down(void **state)
{
	(void)state;
	worker_fini(&w);
	assert_int_equal(live_outs, 0);
	assert_int_equal(cfg.refs, 1);
	assert_int_equal(w.session_count, 0);
	for (int i = 0; i < 512; i++) {
		free(outs[i]);
		outs[i] = NULL;
	}
	return 0;
}

static struct addr ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d,
		       uint16_t port)
{
	uint8_t ip[4] = { a, b, c, d };

	return addr_v4(ip, port);
}

static void ticks(int n)
{
	while (n-- > 0)
		worker_tick(&w, 0);
}

static struct udp_map *new_map(struct fake *in, uint16_t port)
{
	struct addr client = ip4(10, 0, 0, 1, port);
	struct udp_map *m;

	memset(in, 0, sizeof(*in));
	in->d.ops = &fake_in_ops;
	m = udp_map_new(&w, &ib, &client, &in->d);
	assert_non_null(m);
	return m;
}

static void assert_sent(const struct fake *f, unsigned int i, struct addr peer,
			uint32_t tag)
{
	assert_true(i < f->sent);
	assert_true(addr_eq(&f->sent_peer[i], &peer));
	assert_int_equal(f->sent_tag[i], tag);
}

/* --- attribution --------------------------------------------------------------- */

static void two_names_of_one_port_get_two_legs(void **state)
{
	struct addr a = ip4(198, 18, 0, 1, 443), b = ip4(198, 18, 0, 2, 443);
	static struct fake in;

	(void)state;
	new_map(&in, 1000);
	fake_push(&in, a, 11);
	fake_push(&in, b, 22);
	ticks(3);
	assert_int_equal(opens, 2);
	assert_sent(outs[0], 0, addr_name("1.example", 9, 443), 11);
	assert_sent(outs[1], 0, addr_name("2.example", 9, 443), 22);
	/* the far end resolved the names: replies carry its addresses */
	fake_push(outs[1], ip4(192, 0, 2, 7, 443), 222);
	fake_push(outs[0], ip4(192, 0, 2, 7, 443), 111);
	ticks(2);
	assert_int_equal(in.sent, 2);
	assert_sent(&in, 0, a, 111);
	assert_sent(&in, 1, b, 222);
}

static void names_of_two_ports_share_a_leg(void **state)
{
	struct addr a = ip4(198, 18, 0, 1, 443), b = ip4(198, 18, 0, 2, 444);
	static struct fake in;

	(void)state;
	new_map(&in, 1000);
	fake_push(&in, a, 1);
	fake_push(&in, b, 2);
	ticks(3);
	assert_int_equal(opens, 1);
	fake_push(outs[0], ip4(192, 0, 2, 8, 444), 20);
	fake_push(outs[0], ip4(192, 0, 2, 7, 443), 10);
	fake_push(outs[0], addr_name("1.example", 9, 443), 12);
	ticks(2);
	assert_sent(&in, 0, b, 20);
	assert_sent(&in, 1, a, 10);
	assert_sent(&in, 2, a, 12);
}

static void two_names_of_one_address_stay_apart(void **state)
{
	struct addr a = ip4(198, 18, 0, 1, 53), b = ip4(198, 18, 0, 2, 53);
	struct addr real = ip4(192, 0, 2, 1, 53);
	static struct fake in;

	(void)state;
	route_to = &local_ob;
	new_map(&in, 1000);
	fake_push(&in, a, 1);
	fake_push(&in, b, 2);
	ticks(3);
	assert_int_equal(opens, 2);
	assert_sent(outs[0], 0, real, 1);
	assert_sent(outs[1], 0, real, 2);
	fake_push(outs[1], real, 20);
	ticks(1);
	fake_push(outs[0], real, 10);
	ticks(1);
	assert_sent(&in, 0, b, 20);
	assert_sent(&in, 1, a, 10);
}

static void unknown_remote_passes_with_its_own_address(void **state)
{
	struct addr known = ip4(203, 0, 113, 1, 3478);
	struct addr other = ip4(203, 0, 113, 2, 9999);
	static struct fake in;

	(void)state;
	route_to = &local_ob;
	new_map(&in, 1000);
	fake_push(&in, known, 1);
	ticks(3);
	fake_push(outs[0], other, 5);
	ticks(2);
	assert_sent(&in, 0, other, 5);
	/* and the answer to it leaves by the same leg: one outer port */
	fake_push(&in, other, 6);
	ticks(3);
	assert_int_equal(opens, 1);
	assert_sent(outs[0], 1, other, 6);
}

static void destinations_of_one_outbound_share_a_leg(void **state)
{
	static struct fake in;

	(void)state;
	new_map(&in, 1000);
	for (uint8_t i = 0; i < 50; i++)
		fake_push(&in, ip4(203, 0, 113, i, 443), i);
	fake_push(&in, ip4(203, 0, 113, 99, 443), 99); /* the local outbound */
	ticks(3);
	assert_int_equal(opens, 2);
	assert_int_equal(w.session_count, 51);
	assert_int_equal(outs[0]->sent + outs[1]->sent, 51);
}

/* --- waiting ----------------------------------------------------------------------- */

static void packets_wait_in_order_until_the_name_is_resolved(void **state)
{
	struct addr a = ip4(198, 18, 0, 1, 443);
	static struct fake in;

	(void)state;
	route_to = &local_ob;
	dns_rc = -EAGAIN;
	new_map(&in, 1000);
	for (uint32_t i = 0; i < 5; i++)
		fake_push(&in, a, i);
	ticks(3);
	assert_int_equal(opens, 0);
	assert_non_null(asked);
	fake_push(&in, a, 5);
	ticks(2);
	/* the other family first: the better one is waited for */
	asked->rc = 0;
	asked->pending = DNS_V4;
	asked->ips[asked->count++] = (struct dns_ip){ ADDR_V6, { 0x20, 1 } };
	job_ready(asked->job);
	ticks(1);
	assert_int_equal(opens, 0);
	asked->pending = 0;
	asked->ips[asked->count++] = dns_answer;
	job_ready(asked->job);
	ticks(1);
	assert_int_equal(opens, 1);
	assert_null(asked);
	assert_int_equal(outs[0]->sent, 6);
	for (uint32_t i = 0; i < 6; i++)
		assert_sent(outs[0], i, ip4(192, 0, 2, 1, 443), i);
}

static void queue_keeps_the_first_for_the_sniffer_and_the_newest(void **state)
{
	struct addr a = ip4(198, 18, 0, 1, 443);
	struct iovec v[SNIFF_DGRAMS];
	struct session *s;
	static struct fake in;

	(void)state;
	route_to = &local_ob;
	dns_rc = -EAGAIN;
	new_map(&in, 1000);
	for (uint32_t i = 0; i < 200; i++)
		fake_push(&in, a, i);
	ticks(4);
	s = list_first(&w.sessions, struct session, node);
	assert_int_equal(udp_flow_pending(s, v, SNIFF_DGRAMS), SNIFF_DGRAMS);
	for (uint32_t i = 0; i < SNIFF_DGRAMS; i++)
		assert_int_equal(get_be32(v[i].iov_base), i);
	assert_int_equal(w.drops[DROP_UDP_QUEUE], 200 - UDP_WAIT_PKTS);
	asked->rc = 0;
	asked->pending = 0;
	asked->ips[asked->count++] = dns_answer;
	job_ready(asked->job);
	ticks(1);
	assert_int_equal(outs[0]->sent, UDP_WAIT_PKTS);
	assert_sent(outs[0], UDP_WAIT_PKTS - 1, ip4(192, 0, 2, 1, 443), 199);
}

/* Small ones take memory, too: their number is not free */
static void what_waits_counts_with_its_memory(void **state)
{
	static struct fake in;

	(void)state;
	route_to = &local_ob;
	dns_rc = -EAGAIN;
	new_map(&in, 1000);
	for (uint32_t i = 0; i < 50; i++)
		fake_push(&in, ip4(198, 18, 0, 1, 443), i);
	ticks(3);
	assert_int_equal(udp_room(&w)->wait_bytes,
			 50 * (sizeof(struct udp_wait) + 4));
	udp_room(&w)->wait_bytes += UDP_WAIT_ALL_BYTES;
	fake_push(&in, ip4(198, 18, 0, 1, 443), 50);
	ticks(1);
	assert_int_equal(udp_room(&w)->wait_bytes, UDP_WAIT_ALL_BYTES);
	udp_room(&w)->wait_bytes = 0;
}

static void full_leg_holds_packets_back_and_sends_them_later(void **state)
{
	struct addr a = ip4(203, 0, 113, 1, 9), b = ip4(203, 0, 113, 2, 9);
	static struct fake in;

	(void)state;
	new_map(&in, 1000);
	fake_push(&in, a, 0);
	fake_push(&in, b, 0);
	ticks(3);
	outs[0]->full = true;
	fake_push(&in, a, 1);
	fake_push(&in, b, 2);
	fake_push(&in, a, 3);
	ticks(2);
	assert_int_equal(outs[0]->sent, 2);
	outs[0]->full = false;
	job_ready(outs[0]->d.job);
	ticks(2);
	assert_int_equal(outs[0]->sent, 5);
	assert_int_equal(udp_room(&w)->wait_bytes, 0);
}

static void empty_and_biggest_datagrams_pass(void **state)
{
	struct addr a = ip4(203, 0, 113, 1, 9);
	struct session *s;
	static struct fake in;

	(void)state;
	out_echo = true;
	new_map(&in, 1000);
	in.len = DGRAM_MAX;
	fake_push(&in, a, 0);
	ticks(3);
	assert_sent(outs[0], 0, a, DGRAM_MAX);
	outs[0]->len = DGRAM_MAX;
	fake_push(outs[0], a, 0);
	ticks(2);
	assert_sent(&in, in.sent - 1, a, DGRAM_MAX);
	s = list_first(&w.sessions, struct session, node);
	assert_int_equal(s->half[UP].total, DGRAM_MAX);
	assert_true(s->half[DOWN].total >= DGRAM_MAX);
	assert_true(s->first_byte_seen);
}

/* --- refusal, errors, limits ------------------------------------------------------- */

static void refused_destination_is_remembered_for_a_while(void **state)
{
	struct addr a = ip4(203, 0, 113, 1, 443);
	struct udp_flow *f;
	struct udp_map *m;
	static struct fake in;

	(void)state;
	route_to = &block_ob;
	m = new_map(&in, 1000);
	fake_push(&in, a, 0);
	ticks(3);
	assert_int_equal(in.rejected, 1);
	assert_int_equal(w.session_count, 0);
	for (uint32_t i = 0; i < 10; i++) {
		fake_push(&in, a, i);
		ticks(1);
	}
	assert_int_equal(routed, 1);
	assert_int_equal(in.rejected, 11);
	assert_false(in.closed);
	f = udp_flow_find(m, &a);
	assert_non_null(f);
	timer_cancel(&f->timer); /* as when its time is over */
	f->timer.fn(&f->timer);
	fake_push(&in, a, 0);
	ticks(3);
	assert_int_equal(routed, 2);
}

static void failing_leg_ends_its_own_sessions_only(void **state)
{
	struct addr a = ip4(203, 0, 113, 1, 9), b = ip4(203, 0, 113, 99, 9);
	static struct fake in;

	(void)state;
	new_map(&in, 1000);
	fake_push(&in, a, 0);
	fake_push(&in, b, 0);
	ticks(3);
	assert_int_equal(w.session_count, 2);
	outs[0]->err = -ECONNRESET;
	fake_push(&in, a, 1);
	fake_push(&in, b, 1);
	ticks(1);
	assert_true(outs[0]->closed);
	assert_int_equal(w.session_count, 1);
	assert_int_equal(outs[1]->sent, 2);
	fake_push(&in, a, 2);
	ticks(3);
	assert_int_equal(opens, 3);
	assert_sent(outs[2], 0, a, 2);
}

static void limits_evict_the_oldest_and_let_the_new_in(void **state)
{
	static struct fake in[3];
	struct udp_room *r = udp_room(&w);

	(void)state;
	r->flows_max = 4;
	new_map(&in[0], 1000);
	for (uint8_t i = 0; i < 10; i++) {
		fake_push(&in[0], ip4(203, 0, 113, i, 9), i);
		ticks(3);
		assert_sent(outs[0], i, ip4(203, 0, 113, i, 9), i);
	}
	assert_int_equal(w.session_count, 4);
	assert_int_equal(r->flow_count, 4);
	r->maps_max = 2;
	new_map(&in[1], 1001);
	new_map(&in[2], 1002);
	ticks(2);
	assert_true(in[0].closed);
	assert_false(in[2].closed);
	assert_int_equal(r->map_count, 2);
	assert_int_equal(w.drops[DROP_UDP_LIMIT], 7);
}

static void one_source_cannot_hold_all_maps(void **state)
{
	struct addr other = ip4(10, 0, 0, 2, 5);
	static struct fake in[4], guest;
	struct udp_room *r = udp_room(&w);

	(void)state;
	guest.d.ops = &fake_in_ops;
	r->maps_source_max = 1;
	assert_non_null(udp_map_new(&w, &ib, &other, &guest.d));
	for (uint16_t i = 0; i < 4; i++) {
		new_map(&in[i], (uint16_t)(1000 + i));
		ticks(1);
	}
	assert_true(in[0].closed && in[1].closed && in[2].closed);
	assert_false(in[3].closed || guest.closed);
	assert_int_equal(r->sources.count, 2);
}

static void idle_times_differ_by_kind(void **state)
{
	struct session *s;
	static struct fake in;

	(void)state;
	out_echo = true;
	new_map(&in, 1000);
	fake_push(&in, ip4(203, 0, 113, 1, 53), 1);
	ticks(3);
	s = list_last(&w.sessions, struct session, node);
	assert_int_equal(udp_flow_idle_ms(s), 10000);
	fake_push(&in, ip4(203, 0, 113, 1, 443), 1);
	ticks(3);
	s = list_last(&w.sessions, struct session, node);
	assert_int_equal(udp_flow_idle_ms(s), 120000);
	s->flow->answered = false;
	assert_int_equal(udp_flow_idle_ms(s), 30000);
	fake_push(&in, ip4(203, 0, 113, 1, 444), 1);
	ticks(3);
	s = list_last(&w.sessions, struct session, node);
	assert_int_equal(udp_flow_idle_ms(s), policy.idle_ms);
}

static void map_ends_after_its_last_flow_unless_held(void **state)
{
	struct udp_map *m;
	static struct fake in;

	(void)state;
	m = new_map(&in, 1000);
	udp_map_hold(m, true);
	m->timer.fn(&m->timer);
	ticks(1);
	assert_false(in.closed);
	udp_map_hold(m, false);
	m->timer.fn(&m->timer);
	ticks(1);
	assert_true(in.closed);
	assert_int_equal(udp_room(&w)->map_count, 0);
	assert_int_equal(udp_room(&w)->sources.count, 0);
}

/* --- everything ends while packets arrive ------------------------------------------ */

static uint32_t seed = 7;

static uint32_t dice(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static struct session *any_session(void)
{
	struct list *p;
	uint32_t n = w.session_count ? dice(w.session_count) : 0;

	list_for_each (p, &w.sessions) {
		if (!n--)
			return container_of(p, struct session, node);
	}
	return NULL;
}

static void end_something(struct udp_map *m)
{
	struct session *s = any_session();
	struct fake *f = opens ? outs[dice(opens < 512 ? opens : 512)] : NULL;

	switch (dice(6)) {
	case 0:
		if (s) /* as the idle timer or the remote end does */
			ses_kill(s, 0, 2);
		break;
	case 1:
		if (f && !f->closed)
			f->err = -ECONNRESET;
		break;
	case 2:
		if (!m->dead)
			udp_map_kill(m, -ENODEV);
		break;
	case 3:
		route_to = dice(2) ? &block_ob : &proxy_ob;
		break;
	case 4:
		if (f && !f->closed)
			f->full = dice(2);
		break;
	default:
		if (s && s->state == SES_RELAY)
			s->timer.fn(&s->timer);
		break;
	}
}

static void everything_may_end_while_packets_arrive(void **state)
{
	static struct fake in[8];
	struct udp_map *m[8];
	int i, k;

	(void)state;
	out_echo = true;
	policy.idle_ms = 1;
	udp_room(&w)->flows_max = 40;
	for (i = 0; i < 8; i++)
		m[i] = new_map(&in[i], (uint16_t)i);
	for (i = 0; i < 100000; i++) {
		k = (int)dice(8);
		if (in[k].closed)
			m[k] = new_map(&in[k], (uint16_t)k);
		fake_push(
			&in[k],
			ip4(dice(2) ? 198 : 203, 18, 0, (uint8_t)dice(100), 9),
			1);
		if (dice(3) == 0)
			end_something(m[k]);
		if (dice(3) == 0)
			ticks(1);
		/* kill and packet in one tick, in both orders */
		if (dice(4) == 0)
			fake_push(&in[k], ip4(203, 18, 0, 1, 9), 2);
	}
	for (i = 0; i < 8; i++)
		if (!in[i].closed)
			udp_map_kill(m[i], 0);
	ticks(3);
	assert_int_equal(w.session_count, 0);
	assert_int_equal(udp_room(&w)->flow_count, 0);
	assert_int_equal(udp_room(&w)->peers.count, 0);
	assert_int_equal(udp_room(&w)->wait_bytes, 0);
	assert_true(opens > 1000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(two_names_of_one_port_get_two_legs),
		T(names_of_two_ports_share_a_leg),
		T(two_names_of_one_address_stay_apart),
		T(unknown_remote_passes_with_its_own_address),
		T(destinations_of_one_outbound_share_a_leg),
		T(packets_wait_in_order_until_the_name_is_resolved),
		T(queue_keeps_the_first_for_the_sniffer_and_the_newest),
		T(what_waits_counts_with_its_memory),
		T(full_leg_holds_packets_back_and_sends_them_later),
		T(empty_and_biggest_datagrams_pass),
		T(refused_destination_is_remembered_for_a_while),
		T(failing_leg_ends_its_own_sessions_only),
		T(limits_evict_the_oldest_and_let_the_new_in),
		T(one_source_cannot_hold_all_maps),
		T(idle_times_differ_by_kind),
		T(map_ends_after_its_last_flow_unless_held),
		T(everything_may_end_while_packets_arrive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
