/* mKCP connections over a simulated way: loss, order, copies, ends; fake clock */
#include "proxy/transport/kcp_link.h"

#include <errno.h>

#include "tests/unit/alloc_fail.h"
#include "tests/unit/cm.h"

#define FLYING 8192
#define MIB    (1u << 20)

/* A datagram on its way: to @to at @at_ms */
struct flight {
	int to;
	uint32_t at_ms;
	size_t len;
	uint8_t p[1400];
};

/**
 * struct end - One side, and its program
 * @send, @sent: bytes to write, and written; byte i is pattern(i + side)
 * @finish: half close then; @got: bytes read; @rc: how reading ended
 * @lazy: reads nothing
 */
struct end {
	struct kcp_link l;
	struct kcp_pool pool;
	size_t send, sent, got, most_held;
	bool finish, lazy;
	int rc;
	unsigned int emitted, data, ticks;
};

static struct {
	struct end e[2];
	struct kcp_rules rules;
	struct flight *fly;
	unsigned int count;
	uint32_t now, delay, jitter, seed;
	unsigned int loss, copies; /* percent */
} sim;

static uint32_t dice(uint32_t n)
{
	sim.seed = sim.seed * 1664525u + 1013904223u;
	return (sim.seed >> 8) % n;
}

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8));
}

static void launch(int to, const uint8_t *p, size_t n)
{
	struct flight *f;

	if (dice(100) < sim.loss)
		return;
	assert_true(sim.count < FLYING);
	f = &sim.fly[sim.count++];
	f->to = to;
	f->at_ms = sim.now + sim.delay + (sim.jitter ? dice(sim.jitter) : 0);
	f->len = n;
	memcpy(f->p, p, n);
}

static void emit(struct kcp_link *l, const struct kcp_seg *s)
{
	int me = l == &sim.e[1].l;
	uint8_t p[1400];
	ssize_t n = kcp_encode(s, p, sizeof(p));

	assert_true(n > 0);
	sim.e[me].emitted++;
	if (s->cmd == KCP_DATA) {
		sim.e[me].data++;
		assert_true(s->time < 1u << 31); /* v2ray echoes no other */
	}
	if (s->cmd > KCP_DATA) /* v2ray takes less than none for all */
		assert_false(kcp_before(s->una, 0));
	launch(!me, p, (size_t)n);
	if (dice(100) < sim.copies)
		launch(!me, p, (size_t)n);
}

static int setup(void **state)
{
	struct flight *fly = sim.fly ? sim.fly : malloc(FLYING * sizeof(*fly));

	(void)state;
	memset(&sim, 0, sizeof(sim));
	sim.fly = fly;
	sim.now = UINT32_MAX - 3000; /* it wraps in each test */
	sim.delay = 20;
	sim.seed = 7;
	sim.rules = (struct kcp_rules){ .mss = 1300,
					.tti_ms = 20,
					.rate = 100,
					.window = 200,
					.queue = 400 };
	for (int i = 0; i < 2; i++) {
		struct end *e = &sim.e[i];

		e->pool.most = 64u << 20;
		e->rc = -EAGAIN;
		e->l.emit = emit;
		kcp_link_init(&e->l, &sim.rules, &e->pool, sim.now);
		e->l.conv = 77;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		kcp_link_drop(&sim.e[i].l);
		assert_int_equal(sim.e[i].pool.used, 0);
	}
	return 0;
}

static void deliver(void)
{
	for (unsigned int i = 0; i < sim.count;) {
		struct flight f = sim.fly[i];

		if (kcp_before(sim.now, f.at_ms)) {
			i++;
			continue;
		}
		sim.fly[i] = sim.fly[--sim.count];
		kcp_link_input(&sim.e[f.to].l, f.p, f.len, sim.now);
	}
}

static void program_reads(struct end *e, int side)
{
	uint8_t p[5000];
	struct iovec v = { p, sizeof(p) };
	ssize_t n = e->lazy ? -EAGAIN : kcp_link_read(&e->l, &v, 1);

	for (; n > 0; n = kcp_link_read(&e->l, &v, 1)) {
		for (ssize_t i = 0; i < n; i++, e->got++)
			assert_int_equal(p[i], pattern(e->got + !side));
	}
	if (!e->lazy && e->rc == -EAGAIN)
		e->rc = (int)n;
}

static void program_writes(struct end *e, int side)
{
	uint8_t p[3000];

	while (e->sent < e->send) {
		size_t n = e->send - e->sent;
		struct iovec v = { p, n < sizeof(p) ? n : sizeof(p) };
		ssize_t k;

		for (size_t i = 0; i < v.iov_len; i++)
			p[i] = pattern(e->sent + i + (size_t)side);
		k = kcp_link_write(&e->l, &v, 1);
		if (k == -EAGAIN)
			return;
		assert_true(k > 0);
		e->sent += (size_t)k;
	}
	if (e->finish && e->l.state == KCP_ACTIVE)
		assert_int_equal(kcp_link_finish(&e->l), 0);
}

static void run_ms(uint32_t ms)
{
	for (uint32_t end = sim.now + ms; sim.now != end; sim.now++) {
		deliver();
		for (int i = 0; i < 2; i++) {
			struct end *e = &sim.e[i];

			program_reads(e, i);
			program_writes(e, i);
			if (!kcp_link_wait(&e->l, sim.now) &&
			    e->l.state != KCP_OVER) {
				kcp_link_tick(&e->l, sim.now);
				e->ticks++;
			}
			if (e->pool.used > e->most_held)
				e->most_held = e->pool.used;
		}
	}
}

/* Until both have what the other sent, and its end if it finishes. ms */
static uint32_t run_whole(uint32_t most_ms)
{
	uint32_t t0 = sim.now;

	while (sim.e[0].got < sim.e[1].send || sim.e[1].got < sim.e[0].send ||
	       (sim.e[0].finish && sim.e[1].rc) ||
	       (sim.e[1].finish && sim.e[0].rc)) {
		run_ms(1);
		assert_true(sim.now - t0 < most_ms);
	}
	return sim.now - t0;
}

static void kcp_link_carries_both_ways_and_both_ends(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		sim.e[i].send = MIB + 17;
		sim.e[i].finish = true;
	}
	run_whole(3000);
	run_ms(500);
	/* nothing was lost: nothing was sent twice, but for acknowledgements */
	assert_true(sim.e[0].emitted < 2 * (MIB / 1300) + 200);
	for (int i = 0; i < 2; i++)
		kcp_link_close(&sim.e[i].l, 0, sim.now);
	run_ms(200);
	assert_int_equal(sim.e[0].l.state, KCP_OVER);
	assert_int_equal(sim.e[1].l.state, KCP_OVER);
}

static void kcp_link_survives_loss_copies_and_disorder(void **state)
{
	(void)state;
	sim.loss = 20;
	sim.copies = 10;
	sim.jitter = 60;
	for (int i = 0; i < 2; i++) {
		sim.e[i].send = MIB / 2;
		sim.e[i].finish = true;
	}
	run_whole(20000);
}

static void kcp_link_with_congestion_slows_down(void **state)
{
	(void)state;
	sim.rules.congestion = true;
	sim.e[0].l.control = sim.rules.rate;
	sim.loss = 40;
	sim.e[0].send = MIB / 4;
	run_whole(40000);
	assert_in_range(sim.e[0].l.control, 16, 60);
	sim.loss = 0;
	sim.e[0].send += MIB;
	run_whole(5000);
	assert_in_range(sim.e[0].l.control, 100, 200);
}

static void kcp_link_measures_the_round_trip(void **state)
{
	(void)state;
	sim.delay = 150;
	sim.e[0].send = 100000;
	run_whole(5000);
	sim.e[0].send += 300000;
	run_whole(5000);
	assert_in_range(sim.e[0].l.srtt, 290, 360);
	assert_true(sim.e[0].l.rto > 300);
	/* the other one had nothing to measure by: it was told */
	run_ms(6000);
	assert_true(sim.e[1].l.rto > 300);
}

/*
 * The first word of an idle connection is acknowledged at once, all others with the
 * next step: what is near is not sent twice for that
 */
static void kcp_link_sends_once_what_is_not_lost(void **state)
{
	for (uint32_t ms = 5; ms < 45; ms += 4) {
		teardown(state);
		setup(state);
		sim.delay = 1;
		sim.e[0].send = 100;
		run_ms(ms);
		assert_true(sim.e[0].l.proven);
		sim.e[0].send += MIB / 32;
		run_whole(5000);
		run_ms(200);
		assert_int_equal(sim.e[0].data, sim.e[0].l.next);
	}
}

static void kcp_link_waits_for_its_reader(void **state)
{
	(void)state;
	sim.e[0].send = 2 * MIB;
	sim.e[1].lazy = true;
	run_ms(4000);
	assert_int_equal(sim.e[1].l.ready_count + sim.e[1].l.ahead_count, 200);
	assert_true(sim.e[0].l.out_count <= 400);
	assert_true(sim.e[0].sent < MIB);
	sim.e[1].lazy = false;
	run_whole(3000);
	assert_true(sim.e[1].most_held < 201 * 1400 + 4096);
}

static void kcp_link_half_closes(void **state)
{
	(void)state;
	sim.e[0].send = 1000;
	sim.e[0].finish = true;
	run_ms(200);
	assert_int_equal(sim.e[1].got, 1000);
	assert_int_equal(sim.e[1].rc, 0);
	sim.e[1].send = 5000;
	run_ms(200);
	assert_int_equal(sim.e[0].got, 5000);
	assert_int_equal(sim.e[0].rc, -EAGAIN);
	assert_int_equal(
		kcp_link_write(&sim.e[0].l, &(struct iovec){ &sim, 1 }, 1),
		-EPIPE);
}

/* Nothing else will happen: what makes the reader ready is there, or never */
static void kcp_link_end_behind_bytes_makes_ready_once(void **state)
{
	uint8_t p[100];
	struct iovec v = { p, sizeof(p) };
	struct kcp_link *l = &sim.e[1].l;

	(void)state;
	sim.e[1].lazy = true;
	sim.e[0].send = 10;
	sim.e[0].finish = true;
	run_ms(300);
	assert_true(kcp_link_readable(l));
	assert_int_equal(kcp_link_read(l, &v, 1), 10);
	assert_true(kcp_link_readable(l));
	assert_int_equal(kcp_link_read(l, &v, 1), 0);
	assert_false(kcp_link_readable(l));
	/* a side that goes on listening to an end is told of a cut */
	kcp_link_close(&sim.e[0].l, -ECONNRESET, sim.now);
	run_ms(100);
	assert_true(kcp_link_readable(l));
	assert_int_equal(kcp_link_read(l, &v, 1), -ECONNRESET);
}

static void kcp_link_terminate_behind_bytes_makes_ready_once(void **state)
{
	uint8_t p[100];
	struct iovec v = { p, sizeof(p) };
	struct kcp_link *l = &sim.e[1].l;

	(void)state;
	sim.e[1].lazy = true;
	sim.e[0].send = 10;
	run_ms(1);
	kcp_link_close(&sim.e[0].l, 0, sim.now);
	run_ms(300);
	assert_int_equal(l->state, KCP_PEER_ENDING);
	assert_true(kcp_link_readable(l));
	assert_int_equal(kcp_link_read(l, &v, 1), 10);
	assert_true(kcp_link_readable(l));
	assert_int_equal(kcp_link_read(l, &v, 1), 0);
	/* else who waits for an error of it would be called without an end */
	assert_false(kcp_link_readable(l));
	assert_true(kcp_link_writable(l));
}

/* The end of an empty answer, and the close right behind it */
static void kcp_link_finished_and_closed_ends_in_order(void **state)
{
	struct end *e = &sim.e[0];

	(void)state;
	e->send = 1000;
	e->finish = true;
	sim.e[1].finish = true;
	sim.e[1].lazy = true;
	run_ms(25);
	sim.e[1].lazy = false;
	run_ms(2);
	kcp_link_close(&sim.e[1].l, 0, sim.now);
	run_ms(200);
	assert_int_equal(sim.e[1].got, 1000);
	assert_int_equal(e->rc, 0);
	kcp_link_close(&e->l, 0, sim.now);
	run_ms(3000);
	assert_int_equal(e->l.state, KCP_OVER);
	assert_int_equal(sim.e[1].l.state, KCP_OVER);
}

/* All but the end is acknowledged: who is closed then need not wait for that */
static void kcp_link_closed_does_not_wait_for_its_end(void **state)
{
	(void)state;
	sim.e[0].send = 1000;
	run_ms(200);
	sim.loss = 100;
	sim.e[0].finish = true;
	run_ms(30);
	sim.loss = 0;
	kcp_link_close(&sim.e[0].l, 0, sim.now);
	run_ms(25);
	assert_int_equal(sim.e[1].rc, 0);
	assert_int_equal(sim.e[1].l.state, KCP_PEER_ENDING);
}

/* What v2ray does: no half close, and CLOSE with what is left */
static void kcp_link_closed_delivers_what_was_written(void **state)
{
	(void)state;
	sim.loss = 10;
	sim.e[0].send = 200000;
	while (sim.e[0].sent < sim.e[0].send)
		run_ms(1);
	assert_true(sim.e[1].got < 200000);
	kcp_link_close(&sim.e[0].l, 0, sim.now);
	run_ms(4000);
	assert_int_equal(sim.e[1].got, 200000);
	assert_int_equal(sim.e[1].rc, 0);
	assert_int_equal(sim.e[1].l.state, KCP_PEER_ENDING);
	kcp_link_close(&sim.e[1].l, 0, sim.now);
	assert_int_equal(sim.e[1].l.state, KCP_OVER);
	run_ms(2500); /* or its last word is lost: quiet is enough */
	assert_int_equal(sim.e[0].l.state, KCP_OVER);
}

static void kcp_link_cut_is_no_end(void **state)
{
	(void)state;
	sim.e[0].send = 5000;
	run_ms(100);
	kcp_link_close(&sim.e[0].l, -ECONNRESET, sim.now);
	run_ms(100);
	assert_int_equal(sim.e[1].got, 5000);
	assert_int_equal(sim.e[1].rc, -ECONNRESET);
}

/* An answer in the middle of an upload, and then a reset: the answer arrives */
static void kcp_link_cut_comes_behind_what_was_written(void **state)
{
	(void)state;
	sim.e[0].send = 20000;
	run_ms(1);
	kcp_link_close(&sim.e[0].l, -ECONNRESET, sim.now);
	run_ms(200);
	assert_int_equal(sim.e[1].got, 20000);
	assert_int_equal(sim.e[1].rc, -ECONNRESET);
	/* not for ever; and who has no time says so at once */
	for (int i = 0; i < 2; i++) {
		teardown(state);
		setup(state);
		sim.loss = 100;
		sim.e[0].send = 20000;
		run_ms(1);
		kcp_link_close(&sim.e[0].l, -ECONNRESET, sim.now);
		assert_int_equal(sim.e[0].l.state, KCP_CLOSING);
		if (i)
			kcp_link_abort(&sim.e[0].l, sim.now);
		else
			run_ms(5100);
		assert_int_equal(sim.e[0].l.state, KCP_ENDING);
		assert_true(sim.e[0].l.cut);
	}
}

static void kcp_link_ends_in_silence(void **state)
{
	(void)state;
	sim.e[0].send = 1000;
	run_ms(200);
	sim.loss = 100;
	run_ms(29700);
	assert_int_equal(sim.e[1].rc, -EAGAIN);
	run_ms(5400);
	assert_int_equal(sim.e[1].rc, -ETIMEDOUT);
	assert_int_equal(sim.e[0].rc, -ETIMEDOUT);
}

static void kcp_link_does_not_wait_long_for_nobody(void **state)
{
	(void)state;
	sim.loss = 100;
	run_ms(40000); /* nothing is asked: nothing is missing */
	assert_int_equal(sim.e[0].rc, -EAGAIN);
	assert_int_equal(sim.e[0].emitted, 0);
	sim.e[0].send = 10;
	run_ms(15900);
	assert_int_equal(sim.e[0].rc, -EAGAIN);
	run_ms(200);
	assert_int_equal(sim.e[0].rc, -ETIMEDOUT);
}

static void kcp_link_idle_costs_nothing(void **state)
{
	unsigned int ticks, emitted;

	(void)state;
	sim.loss = 30;
	sim.e[0].send = sim.e[1].send = 50000;
	run_whole(10000);
	sim.loss = 0;
	run_ms(6000);
	ticks = sim.e[0].ticks + sim.e[1].ticks;
	emitted = sim.e[0].emitted + sim.e[1].emitted;
	run_ms(60000);
	assert_in_range(sim.e[0].ticks + sim.e[1].ticks - ticks, 20, 30);
	assert_in_range(sim.e[0].emitted + sim.e[1].emitted - emitted, 20, 30);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sim.e[i].pool.used, 0);
		assert_null(sim.e[i].l.ahead);
	}
	assert_int_equal(sim.e[0].rc, -EAGAIN);
}

static void kcp_link_goes_on_when_the_pool_is_full(void **state)
{
	(void)state;
	sim.loss = 5;
	sim.e[0].pool.most = sim.e[1].pool.most = 0;
	sim.e[0].send = 200000;
	run_whole(60000);
	assert_true(sim.e[0].most_held < 33 * 1400);
	assert_true(sim.e[1].most_held < 65 * 1400);
}

static void kcp_link_tells_again_what_was_lost(void **state)
{
	(void)state;
	sim.e[0].send = 30000;
	run_ms(22); /* arrives now; all that comes back is lost */
	sim.loss = 100;
	run_ms(30);
	sim.loss = 0;
	run_ms(600);
	assert_int_equal(sim.e[0].l.out_count, 0);
	assert_int_equal(sim.e[1].got, 30000);
}

/* --- a hostile peer ---------------------------------------------------------------- */

static void say(const struct kcp_seg *s)
{
	uint8_t p[1400];
	ssize_t n = kcp_encode(s, p, sizeof(p));

	kcp_link_input(&sim.e[0].l, p, (size_t)n, sim.now);
}

static void kcp_link_holds_no_more_than_its_window(void **state)
{
	static const uint8_t data[1000];
	struct kcp_link *l = &sim.e[0].l;

	(void)state;
	for (uint32_t i = 0; i < 20000; i++)
		say(&(struct kcp_seg){ .conv = 77,
				       .cmd = KCP_DATA,
				       .number = dice(4) ? i % 250 :
							   dice(UINT32_MAX),
				       .una = dice(UINT32_MAX),
				       .data = data,
				       .len = sizeof(data) });
	assert_int_equal(l->ready_count + l->ahead_count, 200);
	assert_true(sim.e[0].pool.used < 201 * 1100);
	/* not known: less of what comes too early */
	kcp_recv_drop(l);
	l->read = l->got = 0;
	l->tight = true;
	for (uint32_t i = 1; i < 200; i++)
		say(&(struct kcp_seg){ .conv = 77,
				       .cmd = KCP_DATA,
				       .number = i,
				       .data = data,
				       .len = 9 });
	assert_int_equal(l->ahead_count, KCP_FIRST);
}

static void kcp_link_is_not_fooled_by_acknowledgements(void **state)
{
	struct end *e = &sim.e[0];
	uint8_t numbers[4 * KCP_ACKS_MAX];

	(void)state;
	e->send = 100000;
	run_ms(1); /* nothing has come back yet */
	for (uint32_t i = 0; i < sizeof(numbers); i++)
		numbers[i] = (uint8_t)(i % 4 ? 0xff : 0x00);
	say(&(struct kcp_seg){ .conv = 77,
			       .cmd = KCP_ACK,
			       .next = 60000,
			       .window = 70000,
			       .data = numbers,
			       .len = KCP_ACKS_MAX });
	assert_int_equal(e->l.una, 0);
	say(&(struct kcp_seg){ .conv = 77,
			       .cmd = KCP_PING,
			       .next = 1u << 31,
			       .una = 1u << 30,
			       .rto = 0 });
	say(&(struct kcp_seg){ .conv = 78, .cmd = KCP_TERMINATE });
	assert_int_equal(e->l.una, 0);
	assert_int_equal(e->l.state, KCP_ACTIVE);
	/* a lie about all that is sent: what was not sent stays */
	say(&(struct kcp_seg){ .conv = 77, .cmd = KCP_ACK, .next = e->l.next });
	assert_int_equal(e->l.una, KCP_UNPROVEN);
	assert_true(e->l.out_count > 0);
}

static void kcp_link_emits_little_for_little(void **state)
{
	unsigned int emitted;

	(void)state;
	sim.e[0].lazy = true;
	say(&(struct kcp_seg){ .conv = 77,
			       .cmd = KCP_DATA,
			       .number = 0,
			       .data = (const uint8_t *)"x",
			       .len = 1 });
	run_ms(100);
	emitted = sim.e[0].emitted;
	for (int i = 0; i < 2000; i++)
		say(&(struct kcp_seg){ .conv = 77,
				       .cmd = KCP_DATA,
				       .data = (const uint8_t *)"x",
				       .len = 1 });
	run_ms(20);
	assert_true(sim.e[0].emitted - emitted <= 2);
}

/* An answer to a source that somebody made up: few segments, less and less often */
static void kcp_link_sends_little_to_who_may_be_nobody(void **state)
{
	struct end *e = &sim.e[0];

	(void)state;
	sim.loss = 100;
	e->lazy = true;
	e->send = 100000;
	say(&(struct kcp_seg){ .conv = 77,
			       .cmd = KCP_DATA,
			       .data = (const uint8_t *)"x",
			       .len = 1 });
	run_ms(1);
	assert_int_equal(e->data, KCP_UNPROVEN);
	run_ms(36000);
	assert_int_equal(e->l.err, -ETIMEDOUT);
	assert_in_range(e->data, KCP_UNPROVEN + 5, KCP_UNPROVEN + 10);
}

/* He acknowledges what he cannot have seen: the time is a guess */
static void kcp_link_is_not_proven_by_a_guess(void **state)
{
	struct end *e = &sim.e[0];
	uint8_t number[4] = { 0 };

	(void)state;
	sim.loss = 100;
	e->send = 100000;
	run_ms(1);
	for (uint32_t i = 1; i < 5; i++) {
		number[3] = (uint8_t)i;
		say(&(struct kcp_seg){ .conv = 77,
				       .cmd = KCP_ACK,
				       .next = i,
				       .window = 1000,
				       .time = i << 30,
				       .data = number,
				       .len = 1 });
		run_ms(30);
		assert_true(e->l.flying <= KCP_UNPROVEN);
	}
	assert_false(e->l.proven);
}

/* Nor does it cost who is there: one round trip more, also when the first are lost */
static void kcp_link_is_proven_by_an_acknowledgement(void **state)
{
	(void)state;
	sim.e[0].send = MIB / 4;
	run_ms(45);
	assert_true(sim.e[0].l.proven);
	assert_true(sim.e[0].data > KCP_UNPROVEN + 20);
	run_whole(1000);
	teardown(NULL);
	setup(NULL);
	sim.loss = 100;
	sim.e[0].send = MIB / 4;
	run_ms(20);
	sim.loss = 0;
	run_whole(1000);
}

static void kcp_link_survives_want_of_memory(void **state)
{
	(void)state;
	sim.e[0].send = 60000;
	sim.e[0].finish = false;
	for (unsigned int n = 1; n < 400; n++) {
		uint8_t p[3000];
		struct iovec v = { p, sizeof(p) };
		ssize_t k;

		alloc_fail_at(1 + dice(3));
		for (size_t i = 0; i < sizeof(p); i++)
			p[i] = pattern(sim.e[0].sent + i);
		if (sim.e[0].sent < 60000) {
			k = kcp_link_write(&sim.e[0].l, &v, 1);
			if (k > 0)
				sim.e[0].sent += (size_t)k;
		}
		deliver();
		program_reads(&sim.e[1], 1);
		kcp_link_tick(&sim.e[0].l, sim.now);
		kcp_link_tick(&sim.e[1].l, sim.now);
		sim.now += 7;
		alloc_fail_hit();
	}
	sim.e[0].send = sim.e[0].sent;
	run_whole(5000);
}

#define LINK_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(kcp_link_carries_both_ways_and_both_ends),
		LINK_TEST(kcp_link_survives_loss_copies_and_disorder),
		LINK_TEST(kcp_link_with_congestion_slows_down),
		LINK_TEST(kcp_link_measures_the_round_trip),
		LINK_TEST(kcp_link_sends_once_what_is_not_lost),
		LINK_TEST(kcp_link_waits_for_its_reader),
		LINK_TEST(kcp_link_half_closes),
		LINK_TEST(kcp_link_closed_does_not_wait_for_its_end),
		LINK_TEST(kcp_link_closed_delivers_what_was_written),
		LINK_TEST(kcp_link_end_behind_bytes_makes_ready_once),
		LINK_TEST(kcp_link_terminate_behind_bytes_makes_ready_once),
		LINK_TEST(kcp_link_finished_and_closed_ends_in_order),
		LINK_TEST(kcp_link_cut_is_no_end),
		LINK_TEST(kcp_link_cut_comes_behind_what_was_written),
		LINK_TEST(kcp_link_ends_in_silence),
		LINK_TEST(kcp_link_does_not_wait_long_for_nobody),
		LINK_TEST(kcp_link_idle_costs_nothing),
		LINK_TEST(kcp_link_goes_on_when_the_pool_is_full),
		LINK_TEST(kcp_link_tells_again_what_was_lost),
		LINK_TEST(kcp_link_holds_no_more_than_its_window),
		LINK_TEST(kcp_link_is_not_fooled_by_acknowledgements),
		LINK_TEST(kcp_link_emits_little_for_little),
		LINK_TEST(kcp_link_sends_little_to_who_may_be_nobody),
		LINK_TEST(kcp_link_is_not_proven_by_a_guess),
		LINK_TEST(kcp_link_is_proven_by_an_acknowledgement),
		LINK_TEST(kcp_link_survives_want_of_memory),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	free(sim.fly);
	return rc;
}
