/*
 * test_lw_guard.c - What a hostile sender cannot do to the TCP stack: fill it with
 * handshakes, reset or feed flows without seeing them, or make it send on end
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/lw_fixture.h"

enum { HALF_OPEN = 1000, OF_A_SOURCE = 500 }; /* lw_peer.c */

/* A SYN from a source that does not exist */
static void forged_syn(unsigned int i)
{
	struct client c = client_make(&P, (uint16_t)(1000 + i));

	c.src.ip[1] = 99;
	c.src.ip[2] = (uint8_t)(i >> 8);
	c.src.ip[3] = (uint8_t)i;
	client_send(&c, F_SYN, NULL, 0);
}

static void flood(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		forged_syn(i);
	peer_forget(&P);
}

static void half_open_flows_are_capped(void **state)
{
	(void)state;
	flood(5000);
	assert_int_equal(stats().half_open, HALF_OPEN);
	assert_int_equal(stats().flows, HALF_OPEN);
	assert_int_equal(P.w.happened[EVENT_TCP_COOKIE_SENT], 4000);
	peer_wait(&P, 40000); /* lwIP gives them 20 s */
	assert_int_equal(stats().flows, 0);
}

static void one_source_cannot_take_all_half_open_flows(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 700; i++) {
		struct client c = client_make(&P, (uint16_t)(2000 + i));

		client_send(&c, F_SYN, NULL, 0);
	}
	assert_int_equal(stats().half_open, OF_A_SOURCE);
	peer_wait(&P, 30000);
	assert_int_equal(stats().half_open, 0);
	assert_int_equal(stats().flows, 0);
}

/* Handshakes that began before the flood are not its victims, nor are flows */
static void old_ones_live_through_a_flood(void **state)
{
	struct client c = client_make(&P, 40000), d = client_make(&P, 40001);
	struct accepted *a = client_open(&c);
	struct seg *s;
	uint8_t got[4];

	(void)state;
	client_send(&d, F_SYN, NULL, 0);
	s = last_seg();
	d.ack = s->seq + 1;
	flood(5000);
	client_send(&d, F_ACK, NULL, 0);
	assert_int_equal(P.acc_count, 2);
	client_send(&c, F_ACK, "abcd", 4);
	assert_int_equal(stream_read(a->stream, got, 4), 4);
}

/* All that the SYN said is known of a flow that was kept in a number */
static void client_connects_in_the_flood_as_always(void **state)
{
	static uint8_t data[200000];
	struct client c = client_make(&P, 40000);
	struct accepted *a;
	struct seg *s;
	uint8_t got[8];

	(void)state;
	flood(HALF_OPEN);
	a = client_open(&c);
	assert_non_null(a);
	assert_int_equal(P.w.happened[EVENT_TCP_COOKIE_SENT], 1);
	assert_int_equal(P.w.happened[EVENT_TCP_COOKIE_TAKEN], 1);
	assert_int_equal(stats().half_open, HALF_OPEN);
	assert_true(addr_eq(&a->client, &c.src));
	assert_true(addr_eq(&a->dest, &c.dst));
	assert_int_equal(tcp_active_pcbs->snd_scale, 7);
	assert_int_equal(tcp_active_pcbs->rcv_scale, TCP_RCV_SCALE);
	assert_true(tcp_active_pcbs->flags & TF_SACK);
	client_send(&c, F_ACK, "up", 2);
	assert_int_equal(stream_read(a->stream, got, 8), 2);
	assert_memory_equal(got, "up", 2);
	peer_forget(&P);
	pattern(data, sizeof(data));
	stream_write(a->stream, data, sizeof(data));
	peer_wait(&P, 10);
	s = peer_next(&P);
	assert_non_null(s);
	assert_int_equal(s->seq, c.ack);
	assert_int_equal(s->vnet.gso_size, P.v6 ? 1440 : 1460);
	assert_memory_equal(s->data, data, s->len);
}

/* The answer says the same whether the flow is kept or not */
static void answer_is_the_one_of_quiet_times(void **state)
{
	static const uint8_t opts[][12] = {
		{ 2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7, 0, 0 },
		{ 2, 4, 5, 0xb4, 1, 1, 4, 2 }, /* no scale */
		{ 2, 4, 2, 0x18, 1, 3, 3, 0 }, /* scale 0, no SACK */
		{ 0 },
	};
	static const size_t len[] = { 12, 8, 8, 0 };
	uint8_t quiet[40];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(len); i++) {
		struct client c = client_make(&P, (uint16_t)(40000 + i));
		struct client d = client_make(&P, (uint16_t)(50000 + i));
		struct seg *s;
		unsigned int n;
		uint32_t wnd;

		peer_forget(&P);
		client_send_opt(&c, F_SYN, opts[i], len[i], NULL, 0);
		s = peer_next(&P);
		n = s->option_len;
		wnd = s->wnd;
		memcpy(quiet, s->options, n);
		for (unsigned int k = 0; stats().half_open < HALF_OPEN; k++)
			forged_syn(k);
		peer_forget(&P);
		client_send_opt(&d, F_SYN, opts[i], len[i], NULL, 0);
		s = peer_next(&P);
		assert_int_equal(P.w.happened[EVENT_TCP_COOKIE_SENT], i + 1);
		assert_int_equal(s->flags, F_SYN | F_ACK);
		assert_int_equal(s->ack, d.seq);
		assert_int_equal(s->wnd, wnd);
		assert_memory_equal(s->options, quiet, 4); /* MSS */
		for (unsigned int kind = 3; kind <= 4; kind++)
			assert_int_equal(!!memchr(quiet + 4, (int)kind, n - 4),
					 !!memchr(s->options + 4, (int)kind,
						  s->option_len - 4u));
		peer_wait(&P, 40000);
	}
}

static void first_bytes_may_come_with_the_acknowledgement(void **state)
{
	struct client c = client_make(&P, 40000);
	uint8_t got[8];

	(void)state;
	flood(HALF_OPEN);
	client_send(&c, F_SYN, NULL, 0);
	c.ack = last_seg()->seq + 1;
	client_send(&c, F_ACK | F_PSH, "hello", 5);
	assert_int_equal(P.acc_count, 1);
	assert_int_equal(stream_read(P.acc[0].stream, got, 8), 5);
	assert_memory_equal(got, "hello", 5);
}

/* @c acknowledges what was never answered to it: reset, no flow */
static void assert_refused(struct client *c)
{
	unsigned int before = P.acc_count;
	struct seg *s;

	peer_forget(&P);
	client_send(c, F_ACK, NULL, 0);
	assert_int_equal(P.acc_count, before);
	s = peer_next(&P);
	assert_non_null(s);
	assert_true(s->flags & F_RST);
}

static void guessed_number_makes_no_flow(void **state)
{
	struct client c = client_make(&P, 40000), bad;

	(void)state;
	c.ack = 4711;
	assert_refused(&c); /* nothing was answered yet */
	flood(HALF_OPEN);
	client_send(&c, F_SYN, NULL, 0);
	c.ack = last_seg()->seq + 1;
	for (unsigned int bit = 0; bit < 32; bit++) {
		bad = c;
		bad.ack ^= 1u << bit;
		assert_refused(&bad);
	}
	bad = c;
	bad.seq++;
	assert_refused(&bad);
	bad = c;
	bad.src.port++;
	assert_refused(&bad);
	bad = c;
	bad.dst.ip[3]++;
	assert_refused(&bad);
	assert_int_equal(P.w.happened[EVENT_TCP_COOKIE_TAKEN], 0);
	client_send(&c, F_ACK, NULL, 0); /* while the right one does */
	assert_int_equal(P.acc_count, 1);
}

static void number_is_good_for_half_a_minute(void **state)
{
	struct client c = client_make(&P, 40000), d;

	(void)state;
	flood(HALF_OPEN);
	client_send(&c, F_SYN, NULL, 0);
	c.ack = last_seg()->seq + 1;
	d = c;
	P.w.now_ms += 32000;
	client_send(&c, F_ACK, NULL, 0);
	assert_int_equal(P.acc_count, 1);
	client_send(&c, F_RST, NULL, 0);
	P.w.now_ms += 40000;
	assert_refused(&d);
}

/* The clock of 32 bits begins again after 49 days */
static void number_outlives_the_clocks_turn(void **state)
{
	struct client c = client_make(&P, 40000);

	(void)state;
	P.w.now_ms = UINT32_MAX - 5000;
	flood(HALF_OPEN);
	client_send(&c, F_SYN, NULL, 0);
	c.ack = last_seg()->seq + 1;
	P.w.now_ms += 10000;
	client_send(&c, F_ACK, NULL, 0);
	assert_int_equal(P.acc_count, 1);
}

static void flow_limit_holds_for_such_flows(void **state)
{
	struct client c = client_make(&P, 40000);

	(void)state;
	lw_self->conf.flow_max = HALF_OPEN + 1;
	flood(HALF_OPEN);
	client_send(&c, F_SYN, NULL, 0);
	c.ack = last_seg()->seq + 1;
	lw_self->conf.flow_max = HALF_OPEN;
	client_send(&c, F_ACK, NULL, 0);
	assert_int_equal(P.acc_count, 0);
	assert_int_equal(P.w.drops[DROP_TCP_LIMIT], 1);
	assert_int_equal(stats().flows, HALF_OPEN);
}

/* --- segments of blind senders ---------------------------------------------- */

/* RFC 9293, 3.10.7.4 */
static void ack_of_unsent_bytes_does_not_bring_data(void **state)
{
	struct client c = client_make(&P, 40000), bad;
	struct accepted *a = client_open(&c);
	uint8_t got[16];
	struct seg *s;

	(void)state;
	bad = c;
	bad.ack += 100000;
	client_send(&bad, F_ACK, "evil", 4);
	assert_int_equal(stream_read(a->stream, got, 16), -EAGAIN);
	s = last_seg();
	assert_non_null(s);
	assert_int_equal(s->flags, F_ACK);
	assert_int_equal(s->ack, c.seq);
	client_send(&c, F_ACK, "good", 4);
	assert_int_equal(stream_read(a->stream, got, 16), 4);
}

static void reset_beside_the_edge_is_challenged(void **state)
{
	struct client c = client_make(&P, 40000), bad;
	struct accepted *a = client_open(&c);
	struct seg *s;
	uint8_t got[4];

	(void)state;
	peer_forget(&P);
	bad = c;
	bad.seq += 50 << 20; /* outside: not even that */
	client_send(&bad, F_RST, NULL, 0);
	assert_null(peer_next(&P));
	bad = c;
	bad.seq += 10;
	client_send(&bad, F_RST, NULL, 0);
	s = last_seg();
	assert_non_null(s);
	assert_int_equal(s->flags, F_ACK);
	assert_int_equal(stream_read(a->stream, got, 4), -EAGAIN);
	client_send(&c, F_RST, NULL, 0); /* the client's answer to that */
	assert_int_equal(stream_read(a->stream, got, 4), -ECONNRESET);
}

static void syn_in_a_flow_is_challenged(void **state)
{
	struct client c = client_make(&P, 40000), bad;
	struct accepted *a = client_open(&c);
	struct seg *s;
	uint8_t got[4];

	(void)state;
	peer_forget(&P);
	bad = c;
	bad.seq += 1000;
	client_send(&bad, F_SYN, NULL, 0);
	s = last_seg();
	assert_non_null(s);
	assert_int_equal(s->flags, F_ACK);
	assert_int_equal(s->ack, c.seq);
	client_send(&c, F_ACK, "abcd", 4);
	assert_int_equal(stream_read(a->stream, got, 4), 4);
}

/* RFC 5961, 7: each of them is answered, but twice a second at most */
static void answers_to_blind_segments_are_limited(void **state)
{
	struct client c = client_make(&P, 40000), bad, other;
	struct accepted *a = client_open(&c);
	uint8_t got[4];

	(void)state;
	other = client_make(&P, 40001);
	assert_non_null(client_open(&other));
	peer_forget(&P);
	for (unsigned int i = 0; i < 1000; i++) {
		bad = c;
		bad.seq += 10;
		client_send(&bad, F_RST, NULL, 0);
		bad = c;
		client_send(&bad, F_SYN, NULL, 0);
		bad = c;
		bad.ack += 5000;
		client_send(&bad, F_ACK, "x", 1);
		bad = c;
		bad.seq -= 100;
		client_send(&bad, F_ACK, NULL, 0);
		P.w.now_ms += 1;
	}
	assert_in_range(P.seg_count, 4, 6); /* SYNs count apart */
	assert_true(P.w.drops[DROP_TCP_CHALLENGE] > 3900);
	/* another flow has answers of its own */
	peer_forget(&P);
	bad = other;
	bad.seq += 10;
	client_send(&bad, F_RST, NULL, 0);
	assert_int_equal(P.seg_count, 1);
	/* and what is right is never in the way of it */
	client_send(&c, F_ACK, "abcd", 4);
	assert_int_equal(stream_read(a->stream, got, 4), 4);
}

/* A keep-alive probe lies below the window and wants an answer */
static void keepalive_is_answered(void **state)
{
	struct client c = client_make(&P, 40000), probe;

	(void)state;
	assert_non_null(client_open(&c));
	for (unsigned int i = 0; i < 5; i++) {
		peer_forget(&P);
		P.w.now_ms += 1000;
		probe = c;
		probe.seq--;
		client_send(&probe, F_ACK, NULL, 0);
		assert_int_equal(P.seg_count, 1);
		assert_int_equal(P.segs[0].ack, c.seq);
	}
}

/* Its acknowledgements come from the right edge of a window that is closed */
static void client_of_a_full_window_still_acknowledges(void **state)
{
	static uint8_t data[60000];
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	struct seg *s;

	(void)state;
	while (tcp_active_pcbs->rcv_wnd >= sizeof(data))
		client_send(&c, F_ACK, data, sizeof(data));
	client_send(&c, F_ACK, data, tcp_active_pcbs->rcv_wnd);
	assert_int_equal(tcp_active_pcbs->rcv_wnd, 0);
	peer_wait(&P, 100);
	for (unsigned int i = 0; i < 20; i++) {
		peer_forget(&P);
		assert_int_equal(stream_write(a->stream, "abcd", 4), 4);
		peer_wait(&P, 1);
		s = peer_next(&P);
		assert_non_null(s);
		assert_int_equal(s->len, 4);
		c.ack += 4;
		client_send(&c, F_ACK, NULL, 0);
		assert_null(tcp_active_pcbs->unacked);
	}
	assert_int_equal(P.w.drops[DROP_TCP_CHALLENGE], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(half_open_flows_are_capped, up4),
		BOTH(one_source_cannot_take_all_half_open_flows),
		BOTH(old_ones_live_through_a_flood),
		BOTH(client_connects_in_the_flood_as_always),
		BOTH(answer_is_the_one_of_quiet_times),
		BOTH(first_bytes_may_come_with_the_acknowledgement),
		BOTH(guessed_number_makes_no_flow),
		BOTH(number_is_good_for_half_a_minute),
		BOTH(number_outlives_the_clocks_turn),
		BOTH(flow_limit_holds_for_such_flows),
		BOTH(ack_of_unsent_bytes_does_not_bring_data),
		BOTH(reset_beside_the_edge_is_challenged),
		BOTH(syn_in_a_flow_is_challenged),
		BOTH(answers_to_blind_segments_are_limited),
		BOTH(keepalive_is_answered),
		BOTH(client_of_a_full_window_still_acknowledges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
