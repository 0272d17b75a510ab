/* test_lw_loss.c - What the TCP stack sends again, and what a small window cuts */
#include <string.h>

#include "tests/unit/lw_fixture.h"

static void lost_bytes_are_sent_again(void **state)
{
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	uint8_t got[8];
	struct seg *s;
	bool fin;

	(void)state;
	stream_write(a->stream, "once", 4);
	peer_wait(&P, 10);
	s = last_seg();
	assert_non_null(s);
	assert_int_equal(s->len, 4);
	peer_wait(&P, 2000); /* the first one is lost */
	assert_int_equal(client_collect(&c, got, 8, &fin), 4);
}

/* The client lost two pieces of what was sent, and says so */
static void sack_holes_are_sent_again_exactly(void **state)
{
	static uint8_t data[60000];
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	uint32_t first = c.ack;
	uint8_t opt[20] = { 1, 1, 5, 18 };
	struct seg *s;

	(void)state;
	pattern(data, sizeof(data));
	c.wnd = 60000;
	client_send(&c, F_ACK, NULL, 0);
	stream_write(a->stream, data, sizeof(data));
	peer_wait(&P, 10);
	assert_int_equal(last_seg()->len, sizeof(data));
	/* has 0-1460, 2920-10000 and 13000-20000 */
	c.ack = first + 1460;
	put_be32(opt + 4, first + 2920);
	put_be32(opt + 8, first + 10000);
	put_be32(opt + 12, first + 13000);
	put_be32(opt + 16, first + 20000);
	client_send_opt(&c, F_ACK, opt, sizeof(opt), NULL, 0);
	s = peer_next(&P);
	assert_non_null(s);
	assert_int_equal(s->seq, first + 1460);
	assert_int_equal(s->len, 1460);
	assert_false(s->ip_df); /* as the first time */
	assert_memory_equal(s->data, data + 1460, 1460);
	s = peer_next(&P);
	assert_non_null(s);
	assert_int_equal(s->seq, first + 10000);
	assert_int_equal(s->len, 3000);
	assert_memory_equal(s->data, data + 10000, 3000);
	assert_int_equal(s->vnet.gso_size, P.v6 ? 1440 : 1460);
	assert_null(peer_next(&P));
	/* said again: nothing more, until the resend is overdue */
	client_send_opt(&c, F_ACK, opt, sizeof(opt), NULL, 0);
	assert_null(peer_next(&P));
	P.w.now_ms += 1000;
	client_send_opt(&c, F_ACK, opt, sizeof(opt), NULL, 0);
	s = peer_next(&P);
	assert_non_null(s);
	assert_int_equal(s->seq, first + 1460);
	assert_int_equal(stats().recoveries, 1);
	c.ack = first + sizeof(data);
	client_send(&c, F_ACK, NULL, 0);
	assert_null(flow_of(tcp_active_pcbs)->sack);
}

static void sack_blocks_of_nonsense_are_ignored(void **state)
{
	static uint8_t data[60000];
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	uint8_t opt[20] = { 1, 1, 5, 18 };

	(void)state;
	c.wnd = 60000;
	client_send(&c, F_ACK, NULL, 0);
	stream_write(a->stream, data, sizeof(data));
	peer_wait(&P, 10);
	last_seg();
	put_be32(opt + 4, c.ack + 9000); /* turned round */
	put_be32(opt + 8, c.ack + 100);
	put_be32(opt + 12, c.ack + 59000); /* beyond what was sent */
	put_be32(opt + 16, c.ack + 90000);
	client_send_opt(&c, F_ACK, opt, sizeof(opt), NULL, 0);
	assert_null(peer_next(&P));
	assert_int_equal(stats().recoveries, 0);
}

static void many_sack_ranges_do_not_overflow(void **state)
{
	static uint8_t data[60000];
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	uint8_t opt[12] = { 1, 1, 5, 10 }, got[70000 / 10];
	bool fin = false;

	(void)state;
	c.wnd = 60000;
	client_send(&c, F_ACK, NULL, 0);
	stream_write(a->stream, data, sizeof(data));
	peer_wait(&P, 10);
	for (uint32_t i = 0; i < 100; i++) {
		put_be32(opt + 4, c.ack + 59000 - i * 500);
		put_be32(opt + 8, c.ack + 59100 - i * 500);
		client_send_opt(&c, F_ACK, opt, sizeof(opt), NULL, 0);
	}
	assert_int_equal(stats().recoveries, 1);
	peer_forget(&P);
	peer_wait(&P, 3000); /* lwIP's timer starts over */
	client_collect(&c, got, sizeof(got), &fin);
	assert_int_equal(stats().asserts, 0);
}

/* 40 segments were sent; says it lacks the one behind @ack, and has the rest */
static void say_first_is_missing(struct client *c, uint32_t first)
{
	uint8_t opt[12] = { 1, 1, 5, 10 };
	uint32_t rmss = c->p->v6 ? 1440 : 1460;

	c->ack = first;
	put_be32(opt + 4, first + rmss);
	put_be32(opt + 8, first + 40 * rmss);
	client_send_opt(c, F_ACK, opt, sizeof(opt), NULL, 0);
}

static struct accepted *send_40_segments(struct client *c, uint8_t *data)
{
	struct accepted *a = client_open(c);

	pattern(data, 60000);
	c->wnd = 60000;
	client_send(c, F_ACK, NULL, 0);
	stream_write(a->stream, data, 60000);
	peer_wait(&P, 10);
	assert_int_equal(last_seg()->len, 60000);
	return a;
}

/* A resend is lost too, and no packet comes that could tell */
static void lost_resend_is_sent_again_before_the_timeout(void **state)
{
	static uint8_t data[60000];
	struct client c = client_make(&P, 40000);
	uint32_t first, rmss = P.v6 ? 1440 : 1460;
	struct seg *s;

	(void)state;
	send_40_segments(&c, data);
	first = c.ack;
	say_first_is_missing(&c, first);
	s = last_seg();
	assert_non_null(s);
	assert_int_equal(s->len, rmss);
	peer_wait(&P, 110); /* two ticks; the timeout takes three */
	s = peer_next(&P);
	assert_non_null(s);
	assert_int_equal(s->seq, first);
	assert_int_equal(s->len, rmss);
	assert_memory_equal(s->data, data, rmss);
	/* lwIP's own timer is not put off for ever by that, and backs off */
	peer_forget(&P);
	peer_wait(&P, 2000);
	assert_in_range(P.seg_count, 2, 8);
	for (s = peer_next(&P); s && s->len == rmss; s = peer_next(&P))
		;
	assert_non_null(s);
	peer_forget(&P);
	peer_wait(&P, 20000);
	assert_in_range(P.seg_count, 1, 20);
}

/* After a timeout lwIP repeats it all; of that the first is lost again */
static void losses_after_a_timeout_do_not_wait_for_another(void **state)
{
	static uint8_t data[60000];
	struct client c = client_make(&P, 40000);
	uint32_t first, rmss = P.v6 ? 1440 : 1460;
	struct seg *s;

	(void)state;
	send_40_segments(&c, data);
	first = c.ack;
	peer_wait(&P, 1000); /* of the first time all is lost */
	s = last_seg();
	assert_non_null(s);
	assert_int_equal(s->seq, first);
	say_first_is_missing(&c, first);
	s = peer_next(&P);
	assert_non_null(s);
	assert_int_equal(s->seq, first);
	assert_int_equal(s->len, rmss);
	c.ack = first + 60000;
	client_send(&c, F_ACK, NULL, 0);
	assert_null(flow_of(tcp_active_pcbs)->sack);
	assert_int_equal(tcp_active_pcbs->flags & TF_RTO, 0);
}

/* The segment size of the first flight to a new client port */
static uint16_t first_size(uint16_t port)
{
	static uint8_t data[60000];
	struct client c = client_make(&P, port);

	send_40_segments(&c, data);
	return P.segs[P.seg_count - 1].vnet.gso_size;
}

/* Whole segments are lost behind the TUN, as by a link that takes less */
static void segments_that_never_arrive_get_smaller(void **state)
{
	static uint8_t data[60000], got[60000];
	struct client c = client_make(&P, 40000);
	uint32_t first, whole = 0;
	struct seg *s = NULL;
	bool fin = false;

	(void)state;
	send_40_segments(&c, data);
	first = c.ack;
	for (int i = 0; i < 100; i++) {
		peer_wait(&P, 50);
		s = peer_next(&P);
		if (s && s->vnet.gso_size <= 1220)
			break;
		whole += !!s;
	}
	assert_int_equal(whole, 1);
	assert_non_null(s);
	assert_int_equal(s->seq, first);
	assert_int_equal(s->vnet.gso_size, 1220);
	assert_memory_equal(s->data, data, s->len);
	P.seg_read--;
	assert_int_equal(client_collect(&c, got, sizeof(got), &fin), 60000);
	assert_memory_equal(got, data, sizeof(data));
	/* and stay so, in the client's next flows as well */
	stream_write(P.acc[0].stream, data, sizeof(data));
	peer_wait(&P, 10);
	assert_int_equal(last_seg()->vnet.gso_size, 1220);
	assert_int_equal(first_size(40001), 1220);
	P.w.now_ms += 601000;
	assert_int_equal(first_size(40002), 1440);
	assert_int_equal(stats().asserts, 0);
}

/* Routers cut packets of IPv4 */
static void segments_of_ipv4_stay_as_they_are(void **state)
{
	static uint8_t data[60000];
	struct client c = client_make(&P, 40000);

	(void)state;
	send_40_segments(&c, data);
	peer_wait(&P, 5000);
	assert_int_equal(last_seg()->vnet.gso_size, 1460);
}

/* A client that is away: whole segments had arrived before */
static void an_outage_is_no_narrow_link(void **state)
{
	static uint8_t data[60000];
	struct client c = client_make(&P, 40000);
	struct seg *s;

	(void)state;
	send_40_segments(&c, data);
	c.ack += 60000;
	client_send(&c, F_ACK, NULL, 0);
	stream_write(P.acc[0].stream, data, sizeof(data));
	peer_wait(&P, 5000);
	s = last_seg();
	assert_non_null(s);
	c.ack = s->seq + s->len;
	client_send(&c, F_ACK, NULL, 0);
	assert_int_equal(first_size(40001), P.v6 ? 1440 : 1460);
}

/* A client that is away for a while gets small ones as they were */
static void small_segments_that_are_lost_narrow_nothing(void **state)
{
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	static uint8_t data[60000];
	struct seg *s;

	(void)state;
	stream_write(a->stream, data, 1000);
	peer_wait(&P, 5000);
	s = last_seg();
	assert_non_null(s);
	c.ack = s->seq + s->len;
	c.wnd = 60000;
	client_send(&c, F_ACK, NULL, 0);
	stream_write(a->stream, data, sizeof(data));
	peer_wait(&P, 10);
	assert_int_equal(last_seg()->vnet.gso_size, P.v6 ? 1440 : 1460);
}

static void small_window_cuts_a_super_segment_at_once(void **state)
{
	static uint8_t data[60000];
	struct client c = client_make(&P, 40000);
	struct accepted *a = client_open(&c);
	struct seg *s;

	(void)state;
	c.wnd = 60000;
	client_send(&c, F_ACK, NULL, 0);
	client_send(&c, F_ACK | F_PSH, "x", 1); /* so that 0 is news */
	c.wnd = 0;
	client_send(&c, F_ACK, NULL, 0);
	stream_write(a->stream, data, sizeof(data));
	peer_wait(&P, 10);
	last_seg();
	c.wnd = 100; /* 12800 bytes */
	client_send(&c, F_ACK, NULL, 0);
	s = last_seg();
	assert_non_null(s);
	assert_int_equal(s->len, 12800 / s->vnet.gso_size * s->vnet.gso_size);
	assert_true(s->len > 11000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(lost_bytes_are_sent_again),
		BOTH(sack_holes_are_sent_again_exactly),
		BOTH(sack_blocks_of_nonsense_are_ignored),
		BOTH(many_sack_ranges_do_not_overflow),
		BOTH(lost_resend_is_sent_again_before_the_timeout),
		BOTH(losses_after_a_timeout_do_not_wait_for_another),
		WITH(segments_that_never_arrive_get_smaller, up6),
		WITH(segments_of_ipv4_stay_as_they_are, up4),
		BOTH(an_outage_is_no_narrow_link),
		BOTH(small_segments_that_are_lost_narrow_nothing),
		BOTH(small_window_cuts_a_super_segment_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
