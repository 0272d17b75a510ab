/* test_tube.c - Packets in a stream: every cut, too big, too many, garbage */
#include "loop.h"

#include "alloc_fail.h"
#include "fake_ends.h"
#include "mem_stream.h"
#include "proxy/layer/room.h"
#include "proxy/layer/tube.h"
#include "proxy/wire/trojan.h"

/**
 * struct pipe - A tube at each end of a stream in memory
 */
struct pipe {
	struct loop l;
	struct mem m;
	struct tube a, b;
};

static uint8_t big[DGRAM_MAX + 1];

static struct pipe *begin(const struct tube_ops *ops, size_t step, bool flaky)
{
	struct pipe *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	loop_init(&p->l);
	p->m.step = step;
	p->m.flaky = flaky;
	tube_init(&p->a, ops, &p->l.w, mem_new(&p->m, 0, &p->l.job));
	tube_init(&p->b, ops, &p->l.w, mem_new(&p->m, 1, &p->l.job));
	return p;
}

static void end(struct pipe *p)
{
	tube_close(&p->a, 0);
	tube_close(&p->b, 0);
	loop_fini(&p->l);
	free(p);
}

static struct pkt packet(struct addr to, const char *text)
{
	return (struct pkt){ .peer = to,
			     .data = memcpy(big, text, strlen(text)),
			     .len = strlen(text) };
}

/* One packet from @t; how often it said -EAGAIN is @t's matter */
static int take(struct pipe *p, struct tube *from, struct tube *t,
		struct pkt *out)
{
	int rc = -EAGAIN;

	(void)p;
	for (int i = 0; i < 4000 && rc == -EAGAIN; i++) {
		tube_flush(from);
		rc = tube_recv(t, out, 1);
	}
	return rc;
}

static void packets_keep_their_addresses_at_every_cut(void **state)
{
	const struct addr to[] = { addr_of("192.0.2.1", 53),
				   addr_of("2001:db8::1", 443),
				   addr_name("a.test", 6, 5353) };

	(void)state;
	for (size_t step = 1; step < 40; step++) {
		struct pipe *p = begin(&tube_trojan, step, step % 2);

		for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
			struct pkt v = packet(to[i], "question"), got;

			tube_send(&p->a, &v, 1);
			assert_int_equal(take(p, &p->a, &p->b, &got), 1);
			assert_true(addr_eq(&got.peer, &to[i]));
			assert_int_equal(got.len, 8);
			assert_memory_equal(got.data, "question", 8);
		}
		end(p);
	}
}

static void packets_without_an_address_are_from_the_peer(void **state)
{
	struct addr peer = addr_of("198.51.100.7", 4500);
	struct pipe *p = begin(&tube_vless, 3, true);
	struct pkt v = packet(addr_of("203.0.113.1", 1), "x"), got;

	(void)state;
	p->b.peer = peer;
	tube_send(&p->a, &v, 1);
	assert_int_equal(take(p, &p->a, &p->b, &got), 1);
	assert_true(addr_eq(&got.peer, &peer));
	end(p);
}

static void several_packets_come_in_one_call_and_the_rest_in_the_next(void **s)
{
	struct pipe *p = begin(&tube_trojan, MEM_BYTES, false);
	struct pkt v[5], got[5];

	(void)s;
	for (int i = 0; i < 5; i++)
		v[i] = packet(addr_of("192.0.2.1", (uint16_t)(i + 1)), "same");
	tube_send(&p->a, v, 5);
	assert_int_equal(tube_recv(&p->b, got, 3), 3);
	assert_int_equal(got[2].peer.port, 3);
	/* no byte comes any more: they wait in the tube */
	assert_int_equal(tube_recv(&p->b, got, 5), 2);
	assert_int_equal(got[1].peer.port, 5);
	assert_int_equal(tube_recv(&p->b, got, 5), -EAGAIN);
	end(p);
}

static void the_biggest_passes_and_one_more_byte_is_lost(void **state)
{
	struct pipe *p = begin(&tube_trojan, MEM_BYTES, false);
	struct addr to = addr_of("192.0.2.1", 1);
	struct pkt v[3] = { { to, big, TROJAN_PACKET_MAX + 1 },
			    { to, big, TROJAN_PACKET_MAX },
			    { to, NULL, 0 } };
	struct pkt got[3];

	(void)state;
	tube_send(&p->a, v, 3);
	assert_int_equal(p->l.w.drops[DROP_UDP_SEND], 1);
	assert_int_equal(tube_recv(&p->b, got, 3), 2);
	assert_int_equal(got[0].len, TROJAN_PACKET_MAX);
	assert_int_equal(got[1].len, 0); /* empty, but a datagram */
	end(p);
}

static void a_datagram_of_64_kib_passes_a_stream_that_takes_less(void **state)
{
	struct pipe *p = begin(&tube_vless, 1000, true);
	struct pkt v = { addr_of("192.0.2.1", 1), big, DGRAM_MAX }, got;

	(void)state;
	for (size_t i = 0; i < DGRAM_MAX; i++)
		big[i] = (uint8_t)(i * 7);
	tube_send(&p->a, &v, 1);
	assert_int_equal(take(p, &p->a, &p->b, &got), 1);
	assert_int_equal(got.len, DGRAM_MAX);
	assert_memory_equal(got.data, big, DGRAM_MAX);
	end(p);
}

static void what_waits_is_bounded_and_the_oldest_go(void **state)
{
	struct pipe *p = begin(&tube_trojan, MEM_BYTES, false);
	struct pkt v = { addr_of("192.0.2.1", 1), big, 8000 }, got;
	unsigned int sent = 0, came = 0;

	(void)state;
	p->m.way[1].len = MEM_BYTES; /* nobody reads */
	for (; sent < 20; sent++) {
		v.peer.port = (uint16_t)(sent + 1);
		tube_send(&p->a, &v, 1);
		assert_true(p->a.wait_bytes <= TUBE_WAIT_BYTES);
	}
	assert_int_equal(p->a.wait_bytes, 64000);
	assert_int_equal(p->l.w.drops[DROP_UDP_QUEUE], 12);
	p->m.way[1].len = 0;
	while (take(p, &p->a, &p->b, &got) == 1)
		assert_int_equal(got.peer.port, 13 + came++);
	assert_int_equal(came, 8);
	assert_int_equal(p->a.wait_bytes, 0);
	end(p);
}

static void a_part_that_left_is_followed_by_the_rest(void **state)
{
	struct pipe *p = begin(&tube_trojan, MEM_BYTES, false);
	struct pkt v[2], got[2];

	(void)state;
	v[0] = v[1] = packet(addr_of("192.0.2.1", 1), "first and second");
	v[1].peer.port = 2;
	p->m.way[1].len = MEM_BYTES - 5;
	p->m.way[1].head = 0;
	tube_send(&p->a, v, 2);
	assert_non_null(p->a.tx);
	/* the reader catches up: what lay there was before us */
	p->m.way[1].head = MEM_BYTES - 5;
	p->m.way[1].len = 5;
	tube_flush(&p->a);
	assert_int_equal(tube_recv(&p->b, got, 2), 2);
	assert_int_equal(got[0].peer.port, 1);
	assert_int_equal(got[1].peer.port, 2);
	end(p);
}

static void garbage_ends_it_after_the_packets_before(void **state)
{
	struct pipe *p = begin(&tube_trojan, MEM_BYTES, false);
	struct pkt v = packet(addr_of("192.0.2.1", 1), "whole"), got[2];

	(void)state;
	tube_send(&p->a, &v, 1);
	assert_int_equal(stream_write(p->a.s, "\xff\xff\xff\xff", 4), 4);
	assert_int_equal(tube_recv(&p->b, got, 2), 1);
	assert_memory_equal(got[0].data, "whole", 5);
	assert_int_equal(tube_recv(&p->b, got, 2), -EPROTO);
	end(p);
}

static void an_end_amid_a_packet_is_an_end(void **state)
{
	static const uint8_t part[] = { 1, 192, 0, 2, 1, 0, 53, 0, 9, 13, 10 };
	struct pipe *p = begin(&tube_trojan, MEM_BYTES, false);
	struct pkt got;

	(void)state;
	assert_int_equal(stream_write(p->a.s, part, sizeof(part)),
			 sizeof(part));
	assert_int_equal(tube_recv(&p->b, &got, 1), -EAGAIN);
	assert_int_equal(p->a.s->ops->finish(p->a.s), 0);
	assert_int_equal(tube_recv(&p->b, &got, 1), 0);
	end(p);
}

static void a_broken_stream_is_told_to_both(void **state)
{
	struct pipe *p = begin(&tube_trojan, MEM_BYTES, false);
	struct pkt v = packet(addr_of("192.0.2.1", 1), "x"), got;

	(void)state;
	p->m.way[0].cut = p->m.way[1].cut = true;
	tube_send(&p->a, &v, 1);
	assert_int_equal(tube_recv(&p->a, &got, 1), -ECONNRESET);
	assert_int_equal(tube_recv(&p->b, &got, 1), -ECONNRESET);
	end(p);
}

/* Nothing can be sent any more, but packets had come: these first */
static void what_came_is_told_before_a_failed_send(void **state)
{
	struct pipe *p = begin(&tube_trojan, MEM_BYTES, false);
	struct pkt v = packet(addr_of("192.0.2.1", 1), "x"), got;

	(void)state;
	tube_send(&p->b, &v, 1);
	tube_send(&p->b, &v, 1);
	p->m.way[1].fin = true; /* a writes there */
	tube_send(&p->a, &v, 1);
	tube_send(&p->a, &v, 1);
	assert_int_equal(tube_recv(&p->a, &got, 1), 1);
	assert_int_equal(tube_recv(&p->a, &got, 1), 1);
	assert_int_equal(tube_recv(&p->a, &got, 1), -EPIPE);
	assert_int_equal(p->l.w.drops[DROP_UDP_SEND], 2);
	end(p);
}

/* --- chunks ------------------------------------------------------------------ */

static void each_chunk_is_a_packet(void **state)
{
	struct fake f = { .s = { .ops = &fake_lend_ops }, .up = true };
	struct addr peer = addr_of("192.0.2.5", 53);
	struct pkt v[4];
	struct tube t;
	struct loop l;

	(void)state;
	loop_init(&l);
	tube_init(&t, &tube_vmess, &l.w, &f.s);
	t.peer = peer;
	fake_say(&f, "onetwo", 6);
	assert_int_equal(tube_recv(&t, v, 4), 2);
	assert_memory_equal(v[0].data, "one", 3);
	assert_memory_equal(v[1].data, "two", 3);
	assert_true(addr_eq(&v[1].peer, &peer));
	/* the next call gives back what the last one showed */
	assert_int_equal(tube_recv(&t, v, 4), -EAGAIN);
	assert_int_equal(f.rx_len, 0);
	fake_end(&f);
	assert_int_equal(tube_recv(&t, v, 4), 0);
	tube_close(&t, -EPROTO);
	assert_int_equal(f.why, -EPROTO);
	loop_fini(&l);
}

static void chunks_carry_neither_nothing_nor_too_much(void **state)
{
	struct fake f = { .s = { .ops = &fake_lend_ops }, .up = true };
	struct addr peer = addr_of("192.0.2.5", 53);
	struct pkt v[3] = { { peer, NULL, 0 },
			    { peer, big, tube_vmess.max + 1 },
			    { peer, big, 3 } };
	struct tube t;
	struct loop l;

	(void)state;
	loop_init(&l);
	tube_init(&t, &tube_vmess, &l.w, &f.s);
	tube_send(&t, v, 3);
	assert_int_equal(f.tx_len, 3);
	assert_int_equal(l.w.drops[DROP_UDP_SEND], 2);
	f.tx_full = true;
	tube_send(&t, &v[2], 1);
	assert_int_equal(t.wait_bytes, 3);
	tube_want(&t, &l.job);
	assert_int_equal(f.want, ST_READ | ST_WRITE);
	f.tx_full = false;
	tube_flush(&t);
	assert_int_equal(f.tx_len, 6);
	tube_want(&t, &l.job);
	assert_int_equal(f.want, ST_READ);
	tube_close(&t, 0);
	loop_fini(&l);
}

/* --- out of memory ------------------------------------------------------------ */

static void without_memory_packets_are_lost_and_counted(void **state)
{
	struct pipe *p = begin(&tube_trojan, MEM_BYTES, false);
	struct pkt v = packet(addr_name("a.test", 6, 1), "x"), got;

	(void)state;
	alloc_fail_at(1); /* the worker's memory */
	assert_int_equal(tube_recv(&p->b, &got, 1), -ENOMEM);
	assert_true(alloc_fail_hit());
	assert_non_null(layer_room(&p->l.w));
	p->m.way[1].len = MEM_BYTES;
	alloc_fail_at(1);
	tube_send(&p->a, &v, 1);
	assert_true(alloc_fail_hit());
	assert_int_equal(p->l.w.drops[DROP_NO_MEMORY], 1);
	assert_int_equal(p->a.wait_bytes, 0);
	end(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_keep_their_addresses_at_every_cut),
		cmocka_unit_test(packets_without_an_address_are_from_the_peer),
		cmocka_unit_test(
			several_packets_come_in_one_call_and_the_rest_in_the_next),
		cmocka_unit_test(the_biggest_passes_and_one_more_byte_is_lost),
		cmocka_unit_test(
			a_datagram_of_64_kib_passes_a_stream_that_takes_less),
		cmocka_unit_test(what_waits_is_bounded_and_the_oldest_go),
		cmocka_unit_test(a_part_that_left_is_followed_by_the_rest),
		cmocka_unit_test(garbage_ends_it_after_the_packets_before),
		cmocka_unit_test(an_end_amid_a_packet_is_an_end),
		cmocka_unit_test(a_broken_stream_is_told_to_both),
		cmocka_unit_test(what_came_is_told_before_a_failed_send),
		cmocka_unit_test(each_chunk_is_a_packet),
		cmocka_unit_test(chunks_carry_neither_nothing_nor_too_much),
		cmocka_unit_test(without_memory_packets_are_lost_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
