/*
 * test_lw_tcp.c - The TCP stack from raw packets, without a TUN
 *
 * The last group looks at lwIP's own lists: it fails when a new lwIP no longer
 * behaves as netstack/lw relies on.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/lw_fixture.h"

/* Read everything the stream has */
static size_t drain(struct stream *s, uint8_t *out, size_t max)
{
	size_t total = 0;
	ssize_t n;

	while (total < max &&
	       (n = stream_read(s, out + total, max - total)) > 0)
		total += (size_t)n;
	return total;
}

static void handshake_makes_a_session(void **state)
{
	struct client c = client_make(&P, 40000);
	struct accepted *a;

	(void)state;
	a = client_open(&c);
	assert_non_null(a);
	assert_true(addr_eq(&a->client, &c.src));
	assert_true(addr_eq(&a->dest, &c.dst));
	assert_true(a->stream->ops->up(a->stream));
	assert_int_equal(stats().flows, 1);
	assert_int_equal(stats().half_open, 0);
	assert_int_equal(stats().accepted, 1);
}

static void half_open_flow_has_no_session(void **state)
{
	struct client c = client_make(&P, 40000);
	struct seg *s;

	(void)state;
	client_send(&c, F_SYN, NULL, 0);
	s = peer_next(&P);
	assert_non_null(s);
	assert_int_equal(s->flags, F_SYN | F_ACK);
	assert_int_equal(stats().half_open, 1);
	assert_int_equal(P.acc_count, 0);
	c.ack = s->seq + 77; /* wrong acknowledgement */
	client_send(&c, F_ACK, NULL, 0);
	s = peer_next(&P);
	assert_non_null(s);
	assert_true(s->flags & F_RST);
	assert_int_equal(P.acc_count, 0);
}

static void syn_ack_says_mss_of_the_tun(void **state)
{
	struct client c = client_make(&P, 40000);
	struct seg *s;

	(void)state;
	client_send(&c, F_SYN, NULL, 0);
	s = peer_next(&P);
	assert_non_null(s);
	assert_int_equal(s->options[0], 2);
	assert_int_equal(s->options[2] << 8 | s->options[3],
			 1500 - (P.v6 ? 60 : 40));
}

static void data_flows_up(void **state)
{
	static uint8_t data[40000], got[80000];
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	struct iovec iov[8];
	int cnt = 8;

	(void)state;
	assert_non_null(a);
	pattern(data, sizeof(data));
	a->stream->ops->want(a->stream, ST_READ);
	client_send(&c, F_ACK | F_PSH, data, 1000);
	client_send(&c, F_ACK | F_PSH, data + 1000, 39000);
	assert_int_equal(P.bufs_out, 1); /* the big one was handed over */
	assert_true(a->job.queued);
	assert_int_equal(a->stream->ops->lend(a->stream, iov, &cnt), 40000);
	assert_int_equal(cnt, 2);
	assert_memory_equal(iov[1].iov_base, data + 1000, 39000);
	a->stream->ops->took(a->stream, 500);
	assert_int_equal(drain(a->stream, got, sizeof(got)), 39500);
	assert_memory_equal(got, data + 500, 39500);
	assert_int_equal(P.bufs_out, 0);
	assert_int_equal(stream_read(a->stream, got, 1), -EAGAIN);
}

static void small_segments_are_merged(void **state)
{
	static uint8_t data[9000], got[9000];
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	struct iovec iov[64];
	int cnt = 64;

	(void)state;
	pattern(data, sizeof(data));
	for (size_t i = 0; i < sizeof(data); i += 9)
		client_send(&c, F_ACK, data + i, 9);
	assert_int_equal(a->stream->ops->lend(a->stream, iov, &cnt), 9000);
	assert_in_range(cnt, 1, 4);
	assert_int_equal(drain(a->stream, got, sizeof(got)), 9000);
	assert_memory_equal(got, data, 9000);
}

static void data_flows_down(void **state)
{
	static uint8_t data[300000], got[300000];
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	size_t sent = 0, n = 0;
	bool fin = false;

	(void)state;
	c.wnd = 60000; /* scaled by 128 */
	pattern(data, sizeof(data));
	for (int turn = 0; turn < 200 && n < sizeof(data); turn++) {
		ssize_t w = stream_write(a->stream, data + sent,
					 sizeof(data) - sent);

		if (w > 0)
			sent += (size_t)w;
		peer_wait(&P, 10);
		n += client_collect(&c, got + n, sizeof(got) - n, &fin);
	}
	assert_int_equal(n, sizeof(data));
	assert_memory_equal(got, data, sizeof(data));
	assert_false(fin);
}

static void super_segments_say_how_to_cut(void **state)
{
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	static uint8_t data[60000];
	uint32_t mss = 1460;
	struct seg *s;

	(void)state;
	if (P.v6)
		mss = 1440;
	c.wnd = 60000;
	client_send(&c, F_ACK, NULL, 0); /* a big window */
	assert_int_equal(stream_write(a->stream, data, sizeof(data)), 60000);
	peer_wait(&P, 10);
	s = peer_next(&P);
	assert_non_null(s);
	assert_int_equal(s->len, 60000);
	assert_int_equal(s->vnet.gso_size, mss);
	assert_int_equal(s->vnet.gso, P.v6 ? GSO_TCP6 : GSO_TCP4);
	assert_true(s->vnet.csum_partial);
}

/* A smaller link behind the TUN may have to cut them: no two have one id */
static void packets_of_super_segments_have_ids_of_their_own(void **state)
{
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	static uint8_t data[150000];
	struct seg *s, *before = NULL;

	(void)state;
	for (int i = 0; i < 3; i++) {
		stream_write(a->stream, data, sizeof(data));
		peer_wait(&P, 10);
		while ((s = peer_next(&P))) {
			uint32_t gap;

			assert_false(s->ip_df);
			gap = before ? (uint16_t)(s->ip_id - before->ip_id) : 1;
			if (before && before->vnet.gso)
				assert_true(gap * before->vnet.gso_size >=
					    before->len);
			assert_in_range(gap, 1, 60);
			before = s;
			c.ack = s->seq + s->len;
		}
		client_send(&c, F_ACK, NULL, 0);
	}
	assert_non_null(before);
}

static void without_offload_segments_are_small_and_summed(void **state)
{
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	static uint8_t data[60001];
	struct seg *s;

	(void)state;
	pattern(data, sizeof(data));
	c.wnd = 60000;
	client_send(&c, F_ACK, NULL, 0);
	stream_write(a->stream, data, sizeof(data));
	peer_wait(&P, 10);
	s = peer_next(&P);
	assert_non_null(s);
	assert_int_equal(s->len, 1460); /* on_send() has checked the sum */
	assert_false(s->vnet.csum_partial);
}

static void room_is_filled_in_place(void **state)
{
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	struct stream *st = a->stream;
	struct iovec iov;
	uint8_t got[8000];
	bool fin = false;
	int cnt = 1;

	(void)state;
	assert_true(st->ops->room(st, &iov, &cnt) > 60000);
	pattern(iov.iov_base, 5000);
	assert_int_equal(st->ops->filled(st, 5000), 0);
	assert_true(st->ops->room(st, &iov, &cnt) > 16000);
	assert_int_equal(st->ops->filled(st, 0), 0);
	peer_wait(&P, 10);
	assert_int_equal(client_collect(&c, got, sizeof(got), &fin), 5000);
	assert_int_equal(got[4999], (uint8_t)(4999 * 7 + (4999 >> 8)));
}

static void stalled_reader_closes_the_window(void **state)
{
	static uint8_t data[60000], got[70000];
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	struct seg *s, *last = NULL;
	unsigned int sent = 0;

	(void)state;
	for (; sent < 17; sent++)
		client_send(&c, F_ACK, data, sizeof(data));
	peer_wait(&P, 50);
	while ((s = peer_next(&P)))
		last = s;
	assert_non_null(last);
	assert_true(last->wnd << 7 < 60000);
	while (drain(a->stream, got, sizeof(got)))
		;
	peer_wait(&P, 50);
	while ((s = peer_next(&P)))
		last = s;
	/* a quarter may be opened without a word */
	assert_true(last->wnd << 7 >= 1048576 * 3 / 4);
}

static void client_fin_reads_as_end(void **state)
{
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	uint8_t got[16];
	bool fin = false;

	(void)state;
	a->stream->ops->want(a->stream, ST_READ);
	client_send(&c, F_ACK | F_FIN, "bye", 3);
	assert_true(a->job.queued);
	assert_int_equal(stream_read(a->stream, got, sizeof(got)), 3);
	assert_int_equal(stream_read(a->stream, got, sizeof(got)), 0);
	/* half closed: the answer still goes out */
	assert_int_equal(stream_write(a->stream, "answer", 6), 6);
	assert_int_equal(a->stream->ops->finish(a->stream), 0);
	assert_int_equal(stream_write(a->stream, "x", 1), -EPIPE);
	peer_wait(&P, 50);
	c.seq += 0;
	assert_int_equal(client_collect(&c, got, sizeof(got), &fin), 6);
	assert_true(fin);
	assert_memory_equal(got, "answer", 6);
	stream_close(&a->stream, 0);
	peer_wait(&P, 3000);
	assert_int_equal(stats().flows, 0);
}

static void our_fin_first_keeps_receiving(void **state)
{
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	uint8_t got[16];
	bool fin = false;

	(void)state;
	assert_int_equal(a->stream->ops->finish(a->stream), 0);
	client_collect(&c, got, sizeof(got), &fin);
	assert_true(fin);
	client_send(&c, F_ACK, "late", 4);
	assert_int_equal(stream_read(a->stream, got, sizeof(got)), 4);
	peer_wait(&P, 30000); /* a half-closed flow is not timed out here */
	assert_int_equal(stream_read(a->stream, got, sizeof(got)), -EAGAIN);
	client_send(&c, F_ACK | F_FIN, NULL, 0);
	assert_int_equal(stream_read(a->stream, got, sizeof(got)), 0);
	stream_close(&a->stream, 0);
	peer_wait(&P, 3000);
	assert_int_equal(stats().flows, 0);
}

static void client_reset_is_an_error_at_once(void **state)
{
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	uint8_t got[16];

	(void)state;
	a->stream->ops->want(a->stream, ST_READ);
	client_send(&c, F_ACK, "abc", 3);
	client_send(&c, F_RST, NULL, 0);
	assert_true(a->job.queued);
	assert_int_equal(stream_read(a->stream, got, 16), -ECONNRESET);
	assert_int_equal(stream_write(a->stream, "x", 1), -ECONNRESET);
	assert_int_equal(stats().flows, 0);
	stream_close(&a->stream, -ECONNRESET);
}

static void close_with_error_resets_the_client(void **state)
{
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	struct seg *s;

	(void)state;
	stream_close(&a->stream, -ECONNRESET);
	s = last_seg();
	assert_non_null(s);
	assert_true(s->flags & F_RST);
	assert_int_equal(s->seq, c.ack);
	assert_int_equal(stats().flows, 0);
}

static void close_in_order_sends_fin_despite_unread_bytes(void **state)
{
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	struct seg *s;

	(void)state;
	client_send(&c, F_ACK, "unread", 6);
	stream_close(&a->stream, 0);
	s = last_seg();
	assert_non_null(s);
	assert_true(s->flags & F_FIN);
	assert_false(s->flags & F_RST);
	client_send(&c, F_ACK, "more", 4); /* nobody will read it */
	s = last_seg();
	assert_non_null(s);
	assert_true(s->flags & F_RST);
	assert_int_equal(stats().flows, 0);
}

/* Closed with @why; the client, which still sends, gets all that was written */
static void closed_while_it_sends(int why)
{
	static uint8_t data[100000], got[100000];
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	size_t sent = 0, n = 0;
	bool fin = false;

	c.wnd = 100; /* scaled by 128 */
	client_send(&c, F_ACK, NULL, 0);
	pattern(data, sizeof(data));
	while (sent < sizeof(data)) {
		ssize_t w = stream_write(a->stream, data + sent,
					 sizeof(data) - sent);
		assert_true(w > 0);
		sent += (size_t)w;
	}
	stream_close(&a->stream, why);
	for (int i = 0; i < 200 && n < sizeof(data); i++) {
		if (i < 20)
			client_send(&c, F_ACK, "more", 4);
		peer_wait(&P, 10);
		n += client_collect(&c, got + n, sizeof(got) - n, &fin);
	}
	assert_int_equal(n, sizeof(data));
	assert_memory_equal(got, data, n);
	assert_int_equal(fin, why == 0);
	if (why < 0) {
		peer_wait(&P, 600); /* the reset goes with a tick */
		assert_int_equal(stats().flows, 0);
	}
}

static void what_was_written_comes_before_a_reset(void **state)
{
	(void)state;
	closed_while_it_sends(-EPIPE);
}

static void what_was_written_comes_whole_to_a_client_that_sends(void **state)
{
	(void)state;
	closed_while_it_sends(0);
}

/* Who takes nothing of it is reset nevertheless */
static void a_reset_waits_for_nobody_for_ever(void **state)
{
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);

	(void)state;
	assert_int_equal(stream_write(a->stream, "lost", 4), 4);
	stream_close(&a->stream, -ECONNRESET);
	assert_int_equal(stats().flows, 1);
	for (int i = 0; i < 20; i++)
		peer_wait(&P, 500);
	assert_int_equal(stats().flows, 0);
}

/* lwIP gives a closed flow two seconds; a slow client needs longer */
static void bytes_before_the_fin_survive_a_slow_client(void **state)
{
	static uint8_t data[200000], got[200000];
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	size_t sent = 0, n = 0;
	bool fin = false;

	(void)state;
	c.wnd = 400;
	client_send(&c, F_ACK | F_FIN, NULL, 0);
	pattern(data, sizeof(data));
	while (sent < sizeof(data)) {
		ssize_t w = stream_write(a->stream, data + sent,
					 sizeof(data) - sent);
		assert_true(w > 0);
		sent += (size_t)w;
	}
	stream_close(&a->stream, 0);
	for (int i = 0; i < 30 && !fin; i++) {
		peer_wait(&P, 5000);
		n += client_collect(&c, got + n, sizeof(got) - n, &fin);
	}
	assert_true(fin);
	assert_int_equal(n, sizeof(data));
	assert_memory_equal(got, data, n);
}

static void shed_session_is_reset(void **state)
{
	struct client c = client_make(&P, 40000);
	struct seg *s;

	(void)state;
	P.refuse = true;
	assert_null(client_open(&c));
	s = last_seg();
	assert_non_null(s);
	assert_true(s->flags & F_RST);
	assert_int_equal(stats().flows, 0);
}

static void stray_segment_is_answered_with_reset(void **state)
{
	struct client c = client_make(&P, 40000);
	struct seg *s;

	(void)state;
	c.ack = 5555;
	client_send(&c, F_ACK, "x", 1);
	s = last_seg();
	assert_non_null(s);
	assert_true(s->flags & F_RST);
	assert_int_equal(s->seq, 5555);
}

/* The other worker answers, or nobody: never a reset from here */
static void packet_of_another_workers_flow_is_handed_over(void **state)
{
	struct client c = client_make(&P, 40000);

	(void)state;
	P.theirs = true;
	c.ack = 5555;
	client_send(&c, F_ACK, "x", 1);
	client_send(&c, F_SYN, NULL, 0);
	assert_null(peer_next(&P));
	assert_int_equal(P.taken, 2);
	assert_int_equal(P.claims, 0);
	assert_int_equal(stats().flows, 0);
}

static void known_flows_ask_nobody(void **state)
{
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	uint64_t tuple = P.tuple;
	uint8_t got[4];
	bool fin = false;

	(void)state;
	assert_int_equal(P.claims, 1);
	P.theirs = true;
	client_send(&c, F_ACK, "abcd", 4);
	assert_int_equal(stream_read(a->stream, got, 4), 4);
	stream_close(&a->stream, 0);
	client_collect(&c, got, sizeof(got), &fin);
	assert_true(fin);
	client_send(&c, F_ACK | F_FIN, NULL, 0); /* now in TIME-WAIT */
	peer_forget(&P);
	c.seq--;
	client_send(&c, F_ACK | F_FIN, NULL, 0);
	assert_non_null(peer_next(&P));
	assert_int_equal(P.taken, 0);
	assert_int_equal(P.ends, 0);
	peer_wait(&P, 10000);
	assert_int_equal(P.ends, 1);
	assert_int_equal(P.tuple, tuple);
}

static void flow_claimed_by_another_meanwhile_is_not_born(void **state)
{
	struct client c = client_make(&P, 40000);

	(void)state;
	P.raced = true;
	client_send(&c, F_SYN, NULL, 0);
	assert_null(peer_next(&P));
	assert_int_equal(stats().flows, 0);
	assert_int_equal(stats().half_open, 0);
	assert_int_equal(P.ends, 0);
	P.raced = false;
	c.seq--;
	assert_non_null(client_open(&c));
}

static void port_reuse_ends_time_wait(void **state)
{
	struct client c = client_make(&P, 40000), again;
	struct accepted *a = client_open(&c);
	uint8_t got[4];
	bool fin = false;

	(void)state;
	stream_close(&a->stream, 0);
	client_collect(&c, got, sizeof(got), &fin);
	assert_true(fin);
	client_send(&c, F_ACK | F_FIN, NULL, 0);
	assert_int_equal(stats().flows, 1); /* in TIME-WAIT */
	peer_forget(&P);
	again = client_make(&P, 40000);
	again.seq = c.seq + 1000;
	assert_non_null(client_open(&again));
	assert_int_equal(stats().flows, 1);
}

static void buckets_grow_with_the_flows(void **state)
{
	static struct client c[3000];
	uint8_t got[8];

	(void)state;
	assert_int_equal(stats().buckets, 1024);
	for (unsigned int i = 0; i < 3000; i++) {
		c[i] = client_make(&P, (uint16_t)(10000 + i));
		assert_non_null(client_open(&c[i]));
		peer_forget(&P);
	}
	assert_int_equal(stats().flows, 3000);
	assert_true(stats().buckets >= 2048);
	/* every flow is still found */
	for (unsigned int i = 0; i < 3000; i++) {
		client_send(&c[i], F_ACK, &c[i].src.port, 2);
		peer_forget(&P);
	}
	for (unsigned int i = 0; i < 3000; i++) {
		assert_int_equal(stream_read(P.acc[i].stream, got, 8), 2);
		assert_memory_equal(got, &c[i].src.port, 2);
	}
}

static void idle_flows_need_no_timer(void **state)
{
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	uint8_t got[8];
	bool fin;

	(void)state;
	peer_wait(&P, 200);
	assert_int_equal(lw_ops.next_timer(P.lw), -1);
	assert_int_equal(stats().hot_buckets, 0);
	stream_write(a->stream, "x", 1);
	peer_wait(&P, 10);
	assert_true(lw_ops.next_timer(P.lw) >= 0);
	assert_int_equal(client_collect(&c, got, 8, &fin), 1);
	peer_wait(&P, 200);
	assert_int_equal(lw_ops.next_timer(P.lw), -1);
}

static void lone_small_segment_is_acknowledged_late(void **state)
{
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	struct seg *s;

	(void)state;
	assert_non_null(a);
	client_send(&c, F_ACK, "question", 8);
	lw_ops.flush(P.lw);
	assert_null(peer_next(&P));
	assert_int_equal(lw_ops.next_timer(P.lw), LW_ACK_MS);
	peer_wait(&P, 30);
	s = peer_next(&P);
	assert_non_null(s);
	assert_int_equal(s->ack, c.seq);
}

static void big_segment_is_acknowledged_by_the_flush(void **state)
{
	static uint8_t data[20000];
	struct client c = client_make(&P, 40000);
	struct seg *s;

	(void)state;
	assert_non_null(client_open(&c));
	client_send(&c, F_ACK, data, sizeof(data));
	assert_null(peer_next(&P));
	lw_ops.flush(P.lw);
	s = peer_next(&P);
	assert_non_null(s);
	assert_int_equal(s->ack, c.seq);
}

/* --- what netstack/lw relies on inside lwIP --------------------------------- */

static void input_moves_the_flow_to_the_front(void **state)
{
	struct client c = client_make(&P, 40000), d;
	uint32_t i;

	(void)state;
	assert_non_null(client_open(&c));
	/* a second flow of the same bucket */
	for (i = 1; i < 60000; i++) {
		d = client_make(&P, (uint16_t)(1000 + i));
		peer_forget(&P);
		if (d.src.port != c.src.port && client_open(&d) &&
		    tcp_active_pcbs->next)
			break;
	}
	assert_non_null(tcp_active_pcbs->next);
	client_send(&c, F_ACK, "x", 1);
	assert_int_equal(tcp_active_pcbs->remote_port, c.src.port);
	client_send(&d, F_ACK, "x", 1);
	assert_int_equal(tcp_active_pcbs->remote_port, d.src.port);
}

static void pcb_carries_flow_and_original_destination(void **state)
{
	struct client c = client_make(&P, 40000);

	(void)state;
	assert_non_null(client_open(&c));
	assert_int_equal(tcp_active_pcbs->local_port, c.dst.port);
	assert_int_equal(tcp_active_pcbs->state, ESTABLISHED);
	assert_ptr_equal(flow_of(tcp_active_pcbs)->pcb, tcp_active_pcbs);
	assert_int_equal(flow_of(tcp_active_pcbs)->rmss, P.v6 ? 1440 : 1460);
	assert_null(tcp_active_pcbs->next);
	assert_null(tcp_tw_pcbs);
}

/* lwIP's call counter has 8 bits: 256 hot buckets would meet the same value */
static void every_sweep_times_every_hot_flow(void **state)
{
	struct client c = client_make(&P, 1);
	struct tcp_pcb *pcb = NULL;
	struct accepted *a;
	s16_t before;

	(void)state;
	while (stats().hot_buckets < 256) {
		c = client_make(&P, (uint16_t)(c.src.port + 1));
		a = client_open(&c);
		assert_non_null(a);
		stream_write(a->stream, "x", 1);
		lw_ops.flush(P.lw);
		pcb = tcp_active_pcbs;
	}
	for (int i = 0; i < 300; i++) {
		before = pcb->rtime;
		pcb->rto = 30000;
		P.w.now_ms += LW_TICK_MS;
		lw_ops.tick(P.lw);
		assert_int_equal(pcb->rtime, before + 1);
		peer_forget(&P);
	}
}

static void idle_flow_costs_less_than_a_kilobyte(void **state)
{
	(void)state;
	assert_true(sizeof(struct flow) + sizeof(struct tcp_pcb) < 640);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(handshake_makes_a_session),
		BOTH(half_open_flow_has_no_session),
		BOTH(syn_ack_says_mss_of_the_tun),
		BOTH(data_flows_up),
		BOTH(small_segments_are_merged),
		BOTH(data_flows_down),
		BOTH(super_segments_say_how_to_cut),
		WITH(packets_of_super_segments_have_ids_of_their_own, up4),
		WITH(without_offload_segments_are_small_and_summed, up_plain),
		WITH(data_flows_down, up_plain),
		BOTH(room_is_filled_in_place),
		BOTH(stalled_reader_closes_the_window),
		BOTH(client_fin_reads_as_end),
		BOTH(our_fin_first_keeps_receiving),
		BOTH(client_reset_is_an_error_at_once),
		BOTH(close_with_error_resets_the_client),
		BOTH(what_was_written_comes_before_a_reset),
		BOTH(what_was_written_comes_whole_to_a_client_that_sends),
		BOTH(a_reset_waits_for_nobody_for_ever),
		BOTH(close_in_order_sends_fin_despite_unread_bytes),
		BOTH(bytes_before_the_fin_survive_a_slow_client),
		BOTH(shed_session_is_reset),
		BOTH(stray_segment_is_answered_with_reset),
		BOTH(packet_of_another_workers_flow_is_handed_over),
		BOTH(known_flows_ask_nobody),
		BOTH(flow_claimed_by_another_meanwhile_is_not_born),
		BOTH(port_reuse_ends_time_wait),
		BOTH(buckets_grow_with_the_flows),
		BOTH(idle_flows_need_no_timer),
		BOTH(lone_small_segment_is_acknowledged_late),
		BOTH(big_segment_is_acknowledged_by_the_flush),
		WITH(input_moves_the_flow_to_the_front, up4),
		BOTH(pcb_carries_flow_and_original_destination),
		WITH(every_sweep_times_every_hot_flow, up4),
		WITH(idle_flow_costs_less_than_a_kilobyte, up4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
