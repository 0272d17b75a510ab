/* test_tcp_steer.c - Packets of another worker's flow, with stacks that only note */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "gateway/core/worker.h"
#include "netstack/lw.h"
#include "netstack/netstack.h"
#include "netstack/owners.h"
#include "netstack/tun.h"
#include "tests/unit/alloc_fail.h"

/* What came to a worker's stack */
static struct {
	struct lw *to;
	struct packet p;
	uint8_t bytes[64];
	unsigned int count;
} seen;

static bool note(struct lw *lw, const struct packet *p, struct lw_buf *buf)
{
	assert_null(buf);
	seen.to = lw;
	seen.p = *p;
	memcpy(seen.bytes, p->data, p->len < 64 ? p->len : 64);
	seen.count++;
	return false;
}

static const struct lw_ops ops = { .input = note };

static struct worker w[2];
static struct netstack ns[2];
static struct tun_device device;
static char stack[2]; /* their addresses stand for two struct lw */
static _Alignas(16) uint8_t bytes[60000];
static struct packet pkt;

static int set_up(void **state)
{
	(void)state;
	device = (struct tun_device){ .queues = 2, .owners = owners_new() };
	workers_count = 2;
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(worker_init(&w[i], i, NULL), 0);
		workers_all[i] = &w[i];
		ns[i] = (struct netstack){ .worker = &w[i],
					   .device = &device,
					   .lw_ops = &ops,
					   .lw = (void *)&stack[i] };
		tcp_steer_add(&ns[i]);
	}
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 3);
	pkt = (struct packet){ .data = bytes, .len = 52, .l4 = 20 };
	memset(&seen, 0, sizeof(seen));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		tcp_steer_del(&ns[i]);
		worker_tick(&w[i], 0); /* what is still under way is freed */
		w[i].rooms[ROOM_NETTCP] = NULL;
		worker_fini(&w[i]);
	}
	owners_free(device.owners);
	workers_count = 0;
	return 0;
}

static void packet_goes_to_the_worker_of_its_flow(void **state)
{
	(void)state;
	assert_true(tcp_steer_claim(&ns[0], 99));
	assert_false(tcp_steer_claim(&ns[1], 99));
	assert_false(tcp_steer(&ns[0], 99, &pkt)); /* its own */
	assert_true(tcp_steer(&ns[1], 99, &pkt));
	assert_int_equal(seen.count, 0); /* not in this thread */
	memset(bytes, 0xee, 60); /* the reader's buffer is used again */
	worker_tick(&w[0], 0);
	assert_int_equal(seen.count, 1);
	assert_ptr_equal(seen.to, &stack[0]);
	assert_int_equal(seen.p.len, 52);
	assert_int_equal(seen.p.l4, 20);
	assert_true(seen.p.handed);
	assert_int_equal((uintptr_t)seen.p.data % 4, 0);
	for (unsigned int i = 0; i < 52; i++)
		assert_int_equal(seen.bytes[i], (uint8_t)(i * 3));
	assert_int_equal(w[1].happened[EVENT_TCP_MOVED], 1);
	assert_int_equal(atomic_load(&w[0].handed_tcp), 0);
}

static void unknown_and_ended_flows_are_answered_here(void **state)
{
	(void)state;
	assert_false(tcp_steer(&ns[1], 5, &pkt));
	assert_true(tcp_steer_claim(&ns[0], 5));
	tcp_steer_ended(&ns[1], 5); /* not its own */
	assert_true(tcp_steer(&ns[1], 5, &pkt));
	tcp_steer_ended(&ns[0], 5);
	assert_false(tcp_steer(&ns[1], 5, &pkt));
}

static void packet_is_handed_over_once(void **state)
{
	(void)state;
	assert_true(tcp_steer_claim(&ns[0], 5));
	pkt.handed = true;
	assert_true(tcp_steer(&ns[1], 5, &pkt));
	worker_tick(&w[0], 0);
	assert_int_equal(seen.count, 0);
	assert_int_equal(w[1].drops[DROP_TCP_STEER], 1);
}

static void bytes_under_way_are_limited(void **state)
{
	unsigned int sent = 0;

	(void)state;
	assert_true(tcp_steer_claim(&ns[0], 5));
	pkt.len = sizeof(bytes);
	while (!w[1].drops[DROP_TCP_STEER]) {
		assert_true(tcp_steer(&ns[1], 5, &pkt));
		assert_true(++sent < 1000);
	}
	assert_in_range((sent - 1) * sizeof(bytes), 1u << 20, 4u << 20);
	worker_tick(&w[0], 0);
	assert_int_equal(seen.count, sent - 1);
	assert_true(tcp_steer(&ns[1], 5, &pkt)); /* there is room again */
	worker_tick(&w[0], 0);
	assert_int_equal(seen.count, sent);
}

/* A small packet takes as much again, and more */
static void small_packets_under_way_are_limited(void **state)
{
	unsigned int sent = 0;

	(void)state;
	assert_true(tcp_steer_claim(&ns[0], 5));
	pkt.len = 40;
	while (!w[1].drops[DROP_TCP_STEER]) {
		assert_true(tcp_steer(&ns[1], 5, &pkt));
		assert_true(++sent < 60000);
	}
	worker_tick(&w[0], 0);
	assert_int_equal(seen.count, sent - 1);
	assert_int_equal(atomic_load(&w[0].handed_tcp), 0);
}

static void no_memory_is_a_lost_packet(void **state)
{
	(void)state;
	assert_true(tcp_steer_claim(&ns[0], 5));
	alloc_fail_at(1);
	assert_true(tcp_steer(&ns[1], 5, &pkt));
	assert_true(alloc_fail_hit());
	assert_int_equal(w[1].drops[DROP_NO_MEMORY], 1);
	worker_tick(&w[0], 0);
	assert_int_equal(seen.count, 0);
}

static void stack_that_is_gone_loses_the_packet(void **state)
{
	struct tun_device other = { .queues = 2, .owners = device.owners };

	(void)state;
	assert_true(tcp_steer_claim(&ns[0], 5));
	assert_true(tcp_steer(&ns[1], 5, &pkt));
	tcp_steer_del(&ns[0]);
	worker_tick(&w[0], 0);
	ns[0].device = &other; /* another device's, then */
	tcp_steer_add(&ns[0]);
	assert_true(tcp_steer(&ns[1], 5, &pkt));
	worker_tick(&w[0], 0);
	assert_int_equal(seen.count, 0);
	ns[0].device = &device;
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(packet_goes_to_the_worker_of_its_flow),
		T(unknown_and_ended_flows_are_answered_here),
		T(packet_is_handed_over_once),
		T(bytes_under_way_are_limited),
		T(small_packets_under_way_are_limited),
		T(no_memory_is_a_lost_packet),
		T(stack_that_is_gone_loses_the_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
