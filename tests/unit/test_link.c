/* test_link.c - The relay over real sockets, layers and a memory end */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/core/fd_stream.h"
#include "gateway/core/link.h"
#include "gateway/core/worker.h"

#define TOTAL (3u << 20)
#define HEAD  7 /* bytes of the test layer's header */

/* What a pump needs: a worker, two ends, a job that runs it */
struct rig {
	struct worker w;
	struct job job;
	struct stream *in, *out;
	struct half half[2];
	int client, server; /* far ends of the socket pairs */
	int result, side;
	const char *bottom; /* what @in was, once both have ended */
	bool done;
};

static void rig_run(struct job *j)
{
	struct rig *r = container_of(j, struct rig, job);
	bool again;

	if (r->done)
		return;
	r->result = link_pump(&r->w, r->half, WORKER_BUDGET_BYTES, &again,
			      &r->side);
	if (r->result == 1) { /* the second end is told so */
		r->bottom = r->in->ops->name;
		stream_close(&r->in, 0);
		stream_close(&r->out, 0);
	}
	if (r->result != 0) {
		r->done = true;
		return;
	}
	link_want(r->half);
	if (again)
		job_ready(&r->job);
}

static struct stream *rig_end(struct rig *r, int *far)
{
	int sv[2];
	struct stream *s;

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	s = fd_stream_new(&r->w, sv[0], &r->job, false);
	assert_non_null(s);
	*far = sv[1];
	return s;
}

static void rig_up(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	assert_int_equal(worker_init(&r->w, 0, NULL), 0);
	r->job = (struct job){ .run = rig_run, .worker = &r->w };
	r->in = rig_end(r, &r->client);
	r->out = rig_end(r, &r->server);
	r->half[0] = (struct half){ .src = &r->in, .dst = &r->out };
	r->half[1] = (struct half){ .src = &r->out, .dst = &r->in };
	job_ready(&r->job);
}

static void rig_down(struct rig *r)
{
	link_free(&r->w, r->half);
	stream_close(&r->in, 0);
	stream_close(&r->out, 0);
	job_forget(&r->job);
	worker_fini(&r->w);
	close(r->client);
	close(r->server);
}

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 131 + (i >> 8) * 7 + (i >> 16));
}

/**
 * struct feed - One direction as the test drives it
 * @from:	Written by the test; @to: read and compared
 */
struct feed {
	int from, to;
	size_t sent, got, total;
	bool shut, ended;
};

static void feed_step(struct feed *f)
{
	static uint8_t b[40000];
	ssize_t n;

	if (f->sent < f->total) {
		size_t k = f->total - f->sent;

		k = k < sizeof(b) ? k : sizeof(b);
		for (size_t i = 0; i < k; i++)
			b[i] = pattern(f->sent + i);
		n = write(f->from, b, k);
		if (n > 0)
			f->sent += (size_t)n;
	} else if (!f->shut) {
		shutdown(f->from, SHUT_WR);
		f->shut = true;
	}
	n = read(f->to, b, sizeof(b));
	for (ssize_t i = 0; i < n; i++)
		assert_int_equal(b[i], pattern(f->got + (size_t)i));
	if (n > 0)
		f->got += (size_t)n;
	if (n == 0)
		f->ended = true;
}

static void rig_transfer(struct rig *r, size_t up, size_t down)
{
	struct feed f[2] = {
		{ .from = r->client, .to = r->server, .total = up },
		{ .from = r->server, .to = r->client, .total = down }
	};

	for (int i = 0; i < 20000 && !(f[0].ended && f[1].ended); i++) {
		feed_step(&f[0]);
		feed_step(&f[1]);
		worker_tick(&r->w, 0);
	}
	assert_int_equal(f[0].got, up);
	assert_int_equal(f[1].got, down);
	assert_true(f[0].ended && f[1].ended);
	worker_tick(&r->w, 0);
	assert_int_equal(r->result, 1);
	assert_int_equal(r->half[0].total, up);
	assert_int_equal(r->half[1].total, down);
}

/* Fewer bytes than the pipe has pages are all there were: not asked for again */
static void a_small_message_is_all_there_is(void **state)
{
	struct watch *in;
	char b[128];
	struct rig r;

	(void)state;
	rig_up(&r);
	worker_tick(&r.w, 0);
	in = r.in->ops->watch(r.in, ST_READ);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(write(r.client, "0123456789", 10), 10);
		for (int k = 0; k < 3; k++)
			worker_tick(&r.w, 0);
		assert_int_equal(read(r.server, b, sizeof(b)), 10);
		assert_int_equal(r.half[0].way, WAY_SPLICE);
		assert_false(in->ready & ST_READ);
	}
	/* its end may have come with it: that is looked for */
	assert_int_equal(write(r.client, "0123456789", 10), 10);
	shutdown(r.client, SHUT_WR);
	for (int k = 0; k < 3; k++)
		worker_tick(&r.w, 0);
	assert_true(r.half[0].finished);
	rig_down(&r);
}

static void sockets_are_spliced_both_ways(void **state)
{
	struct rig r;

	(void)state;
	rig_up(&r);
	rig_transfer(&r, TOTAL, TOTAL / 2);
	assert_int_equal(r.half[0].way, WAY_SPLICE);
	assert_int_equal(r.half[1].way, WAY_SPLICE);
	assert_null(r.half[0].pipe); /* borrowed only while it holds bytes */
	rig_down(&r);
}

/* No pipe to be had: the bytes are copied, and nothing is lost */
static void without_descriptors_it_copies(void **state)
{
	struct rlimit old, low;
	struct rig r;

	(void)state;
	rig_up(&r);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)r.server + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	rig_transfer(&r, TOTAL, TOTAL / 2);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(r.half[0].way, WAY_COPY);
	assert_int_equal(r.half[1].way, WAY_COPY);
	rig_down(&r);
}

/* A pipe is held while bytes are in it, and only then */
static void a_blocked_half_keeps_its_pipe_and_gives_it_back(void **state)
{
	static uint8_t b[65536];
	struct rig r;
	uint64_t left;

	(void)state;
	rig_up(&r);
	for (int i = 0; i < 100 && !r.half[0].piped; i++) {
		(void)!write(r.client, b, sizeof(b));
		worker_tick(&r.w, 0);
	}
	assert_non_null(r.half[0].pipe);
	assert_null(r.half[1].pipe);
	assert_true(r.half[0].dst_blocked);
	for (int i = 0; i < 1000 && (r.half[0].pipe || i < 10); i++) {
		while (read(r.server, b, sizeof(b)) > 0)
			;
		worker_tick(&r.w, 0);
	}
	assert_null(r.half[0].pipe);
	assert_int_equal(r.half[0].piped, 0);
	assert_in_range(r.w.pipe_count, 1, 2); /* one a direction */
	left = r.half[0].total;
	worker_tick(&r.w, 0);
	assert_int_equal(r.half[0].total, left); /* exact, and at rest */
	rig_down(&r);
}

static void an_empty_direction_still_ends(void **state)
{
	struct rig r;

	(void)state;
	rig_up(&r);
	rig_transfer(&r, 0, 1000);
	rig_down(&r);
}

/* --- a layer: eats a header on the way in, then is spent --- */

struct strip {
	struct stream s;
	size_t left; /* header bytes still to come */
	bool transform; /* never sheds; turns each byte over */
};

static ssize_t strip_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct strip *st = container_of(s, struct strip, s);
	ssize_t n;

	while (st->left) {
		uint8_t head[HEAD];

		n = stream_read(s->below, head, st->left);
		if (n <= 0)
			return n;
		st->left -= (size_t)n;
	}
	n = s->below->ops->readv(s->below, iov, cnt);
	for (ssize_t i = 0; st->transform && i < n; i++)
		((uint8_t *)iov[0].iov_base)[i] ^= 0xff;
	return n;
}

static ssize_t strip_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	return s->below->ops->writev(s->below, iov, cnt);
}

static void strip_want(struct stream *s, unsigned int events)
{
	s->below->ops->want(s->below, events);
}

static bool strip_up(const struct stream *s)
{
	return s->below->ops->up(s->below);
}

static int strip_finish(struct stream *s)
{
	return s->below->ops->finish(s->below);
}

static void strip_close(struct stream *s, int why)
{
	stream_close(&s->below, why);
	free(container_of(s, struct strip, s));
}

static struct stream *strip_shed(struct stream *s)
{
	struct strip *st = container_of(s, struct strip, s);
	struct stream *below = s->below;

	if (st->left || st->transform)
		return NULL;
	free(st);
	return below;
}

static const struct stream_ops strip_ops = {
	.name = "strip",
	.readv = strip_readv,
	.writev = strip_writev,
	.want = strip_want,
	.up = strip_up,
	.finish = strip_finish,
	.close = strip_close,
	.shed = strip_shed,
};

static void rig_wrap(struct rig *r, bool transform)
{
	struct strip *st = calloc(1, sizeof(*st));

	assert_non_null(st);
	st->s = (struct stream){ .ops = &strip_ops,
				 .below = r->in,
				 .job = &r->job };
	st->left = HEAD;
	st->transform = transform;
	r->in = &st->s;
}

static void a_spent_layer_is_shed_and_spliced(void **state)
{
	struct rig r;

	(void)state;
	rig_up(&r);
	rig_wrap(&r, false);
	assert_int_equal(write(r.client, "header!", HEAD), HEAD);
	rig_transfer(&r, TOTAL, TOTAL);
	assert_string_equal(r.bottom, "fd");
	assert_int_equal(r.half[0].way, WAY_SPLICE);
	rig_down(&r);
}

static void a_transforming_layer_is_copied(void **state)
{
	uint8_t got[4];
	struct rig r;

	(void)state;
	rig_up(&r);
	rig_wrap(&r, true);
	assert_int_equal(write(r.client, "header!abcd", HEAD + 4), HEAD + 4);
	for (int i = 0; i < 5; i++)
		worker_tick(&r.w, 0);
	assert_int_equal(read(r.server, got, 4), 4);
	assert_int_equal(got[0], 'a' ^ 0xff);
	assert_int_equal(r.half[0].way, WAY_COPY);
	assert_string_equal(r.in->ops->name, "strip");
	rig_down(&r);
}

static void a_short_write_is_kept_and_delivered(void **state)
{
	int small = 4096;
	struct rig r;

	(void)state;
	rig_up(&r);
	rig_wrap(&r, true); /* the copying way, in a narrow socket */
	setsockopt(r.out->ops->watch(r.out, ST_WRITE)->fd, SOL_SOCKET,
		   SO_SNDBUF, &small, sizeof(small));
	assert_int_equal(write(r.client, "header!", HEAD), HEAD);
	{
		static uint8_t b[100000];
		size_t sent = 0, got = 0;

		for (int i = 0; i < 2000 && got < sizeof(b); i++) {
			ssize_t n = write(r.client, b, sizeof(b) - sent);

			sent += n > 0 ? (size_t)n : 0;
			worker_tick(&r.w, 0);
			worker_tick(&r.w, 0);
			n = read(r.server, b, 3000);
			got += n > 0 ? (size_t)n : 0;
		}
		assert_int_equal(got, sizeof(b));
	}
	rig_down(&r);
}

static void a_stalled_direction_holds_no_more_than_allowed(void **state)
{
	static uint8_t b[65536];
	struct rig r;

	(void)state;
	for (int wrapped = 0; wrapped < 2; wrapped++) {
		rig_up(&r);
		r.half[0].most = 5000;
		if (wrapped) { /* the copying way */
			rig_wrap(&r, true);
			assert_int_equal(write(r.client, "header!", HEAD),
					 HEAD);
		}
		for (int i = 0; i < 300; i++) {
			(void)!write(r.client, b, sizeof(b));
			worker_tick(&r.w, 0);
		}
		assert_true(r.half[0].dst_blocked);
		if (wrapped)
			assert_in_range(r.half[0].early->len, 1, 5000);
		else
			assert_in_range(r.half[0].piped, 1, 5000);
		rig_down(&r);
	}
}

/* --- a layer whose socket may not be spliced into at times (kernel TLS) --- */

struct veil {
	struct stream s;
	bool drawn; /* bytes must come by writev */
};

static struct watch *veil_watch(struct stream *s, unsigned int dir)
{
	if (container_of(s, struct veil, s)->drawn)
		return NULL;
	return s->below->ops->watch(s->below, dir);
}

static ssize_t veil_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	return s->below->ops->readv(s->below, iov, cnt);
}

static void veil_close(struct stream *s, int why)
{
	stream_close(&s->below, why);
	free(container_of(s, struct veil, s));
}

static const struct stream_ops veil_ops = {
	.name = "veil",
	.readv = veil_readv,
	.writev = strip_writev,
	.want = strip_want,
	.up = strip_up,
	.finish = strip_finish,
	.close = veil_close,
	.watch = veil_watch,
};

static struct veil *rig_veil(struct rig *r)
{
	struct veil *v = calloc(1, sizeof(*v));

	assert_non_null(v);
	v->s = (struct stream){ .ops = &veil_ops,
				.below = r->out,
				.job = &r->job };
	r->out = &v->s;
	return v;
}

/* What is in the pipe goes before what is still to be read */
static void bytes_in_the_pipe_go_first_when_splicing_ends(void **state)
{
	struct rig r;
	struct veil *v;
	struct feed f;

	(void)state;
	for (int back = 0; back < 2; back++) {
		rig_up(&r);
		v = rig_veil(&r);
		f = (struct feed){ .from = r.client, .to = r.server };
		f.total = TOTAL;
		for (int i = 0; i < 100 && !r.half[0].piped; i++) {
			static uint8_t b[40000];
			ssize_t n;

			for (size_t k = 0; k < sizeof(b); k++)
				b[k] = pattern(f.sent + k);
			n = write(r.client, b, sizeof(b));
			f.sent += n > 0 ? (size_t)n : 0;
			worker_tick(&r.w, 0);
		}
		assert_in_range(r.half[0].piped, 1, TOTAL);
		v->drawn = true;
		for (int i = 0; i < 20000 && !f.ended; i++) {
			feed_step(&f);
			worker_tick(&r.w, 0);
			if (back && i == 2)
				v->drawn = false;
		}
		assert_int_equal(f.got, TOTAL);
		assert_null(r.half[0].pipe);
		assert_int_equal(r.half[0].total, TOTAL);
		assert_int_equal(r.half[0].way, back ? WAY_SPLICE : WAY_COPY);
		rig_down(&r);
	}
}

static void a_broken_server_is_reported_as_its_side(void **state)
{
	struct rig r;

	(void)state;
	rig_up(&r);
	worker_tick(&r.w, 0);
	close(r.server);
	r.server = -1;
	for (int i = 0; i < 10 && !r.done; i++) {
		(void)!write(r.client, "x", 1);
		worker_tick(&r.w, 0);
	}
	assert_true(r.done);
	assert_true(r.result < 0);
	assert_int_equal(r.side, 1);
	rig_down(&r);
}

/* --- a server that answers and is gone, while the client still sends --- */

/* The server's side by TCP: resets are TCP's */
static void rig_tcp(struct rig *r)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0), fd;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(l, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&a, &len), 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	close(r->server);
	r->server = accept(l, NULL, NULL);
	assert_true(r->server >= 0);
	close(l);
	stream_close(&r->out, 0);
	r->out = fd_stream_new(&r->w, fd, &r->job, false);
	assert_non_null(r->out);
	worker_tick(&r->w, 0);
}

static struct watch *rig_in_watch(struct rig *r)
{
	struct stream *b = r->in->below ? r->in->below : r->in;

	return b->ops->watch(b, ST_WRITE);
}

/* To the client goes little at a time */
static void rig_narrow(struct rig *r)
{
	int small = 4096;

	r->half[1].most = 2000;
	setsockopt(rig_in_watch(r)->fd, SOL_SOCKET, SO_SNDBUF, &small,
		   sizeof(small));
}

/* @n bytes of answer, which arrive; then the server's end, with a byte unread */
static void answer_and_reset(struct rig *r, size_t n, bool fin)
{
	static uint8_t b[65536];
	int left = 1;

	assert_int_equal(write(r->client, "x", 1), 1);
	worker_tick(&r->w, 0);
	for (size_t i = 0; i < n; i++)
		b[i] = pattern(i);
	assert_int_equal(write(r->server, b, n), (ssize_t)n);
	if (fin)
		shutdown(r->server, SHUT_WR);
	for (int i = 0; i < 1000 && left; i++) {
		assert_int_equal(ioctl(r->server, SIOCOUTQ, &left), 0);
		usleep(left ? 1000 : 0);
	}
	assert_int_equal(left, 0);
	close(r->server); /* what is unread makes it a reset */
	r->server = -1;
}

/* The client gets @n bytes, @step at a time */
static size_t client_hears(struct rig *r, size_t n, size_t step)
{
	static uint8_t b[65536];
	size_t got = 0;

	for (int i = 0; i < 100000 && got < n; i++) {
		ssize_t k;

		worker_tick(&r->w, 0);
		k = read(r->client, b, step);
		for (ssize_t j = 0; j < k; j++)
			assert_int_equal(b[j], pattern(got + (size_t)j));
		got += k > 0 ? (size_t)k : 0;
	}
	return got;
}

/*
 * The client's bytes are written before epoll is asked again: only the write tells
 * of the reset. Spliced, copied; a client that reads at once, or slowly
 */
static void what_a_broken_server_said_is_delivered_first(void **state)
{
	for (int i = 0; i < 8; i++) {
		bool copied = i & 1, slow = i & 2, fin = i & 4;
		struct rig r;

		(void)state;
		rig_up(&r);
		rig_tcp(&r);
		if (copied) {
			rig_wrap(&r, true);
			assert_int_equal(write(r.client, "header!", HEAD),
					 HEAD);
			worker_tick(&r.w, 0);
		}
		if (slow)
			rig_narrow(&r);
		answer_and_reset(&r, 60000, fin);
		assert_int_equal(write(r.client, "y", 1), 1);
		/* epoll told of the client just before the reset came */
		rig_in_watch(&r)->ready |= ST_READ;
		rig_run(&r.job);
		assert_int_equal(client_hears(&r, 60000, slow ? 500 : 65536),
				 60000);
		for (int k = 0; k < 5 && !r.done; k++)
			worker_tick(&r.w, 0);
		assert_true(r.done);
		assert_int_equal(r.result, fin ? -EPIPE : -ECONNRESET);
		assert_int_equal(r.side, 1);
		/* an answer that was not told to be whole is none */
		assert_int_equal(r.half[1].finished, fin);
		rig_down(&r);
	}
}

/* Waiting for a client that does not read costs nothing */
static void delivering_to_a_stalled_client_costs_no_turns(void **state)
{
	struct rig r;

	(void)state;
	rig_up(&r);
	rig_tcp(&r);
	rig_narrow(&r);
	answer_and_reset(&r, 60000, false);
	assert_int_equal(write(r.client, "y", 1), 1);
	for (int i = 0; i < 20; i++)
		worker_tick(&r.w, 0);
	assert_false(r.done);
	assert_false(r.job.queued);
	assert_int_equal(client_hears(&r, 60000, 65536), 60000);
	for (int k = 0; k < 5 && !r.done; k++)
		worker_tick(&r.w, 0);
	assert_true(r.done);
	rig_down(&r);
}

/* --- the end of a socket ---------------------------------------------------------- */

/* Closed with more written than the other end takes at once, and bytes unread */
static void a_socket_ends_behind_what_was_written(void **state)
{
	static uint8_t b[65536];
	struct timespec ms = { 0, 1000000 };

	(void)state;
	for (int cut = 0; cut < 2; cut++) {
		size_t sent = 0, got = 0;
		ssize_t n = -1;
		struct rig r;

		rig_up(&r);
		rig_tcp(&r);
		fcntl(r.server, F_SETFL, O_NONBLOCK);
		assert_int_equal(write(r.server, "unread", 6), 6);
		while ((n = stream_write(r.out, b, sizeof(b))) > 0)
			sent += (size_t)n;
		assert_true(sent > sizeof(b));
		stream_close(&r.out, cut ? -EPIPE : 0);
		assert_int_equal(r.w.end_count, 1);
		r.done = true; /* the relay is not of interest */
		for (int i = 0; i < 5000 && got < sent; i++) {
			n = read(r.server, b, sizeof(b));
			got += n > 0 ? (size_t)n : 0;
			if (n < 0 && errno == EAGAIN)
				nanosleep(&ms, NULL);
			worker_tick(&r.w, 0);
		}
		assert_int_equal(got, sent);
		for (int i = 0; i < 1000 && r.w.end_count; i++) {
			nanosleep(&ms, NULL);
			worker_tick(&r.w, 0);
		}
		assert_int_equal(r.w.end_count, 0);
		n = read(r.server, b, 1);
		assert_true(cut ? n < 0 && errno == ECONNRESET : n == 0);
		rig_down(&r);
	}
}

/* Descriptors are for sessions: of such ends there are an eighth as many at most */
static void ends_take_no_more_than_their_share(void **state)
{
	static uint8_t b[65536];

	(void)state;
	for (uint32_t share = 0; share < 2; share++) {
		struct rig r;

		rig_up(&r);
		rig_tcp(&r);
		r.w.session_limit = share ? 8 : 7;
		assert_int_equal(write(r.server, "unread", 6), 6);
		while (stream_write(r.out, b, sizeof(b)) > 0)
			;
		stream_close(&r.out, 0);
		assert_int_equal(r.w.end_count, share);
		r.done = true;
		rig_down(&r);
	}
}

static void a_blocked_relay_costs_no_turns(void **state)
{
	struct rig r;

	(void)state;
	rig_up(&r);
	for (int i = 0; i < 5; i++)
		worker_tick(&r.w, 0);
	/* Nothing to do: the job must not be queued, or the loop would spin */
	assert_false(r.job.queued);
	/* A full sink: the source's bytes stay where they are */
	for (int i = 0; i < 200; i++) {
		static uint8_t b[65536];

		(void)!write(r.client, b, sizeof(b));
		worker_tick(&r.w, 0);
	}
	worker_tick(&r.w, 0);
	worker_tick(&r.w, 0);
	assert_false(r.job.queued);
	assert_true(r.half[0].dst_blocked);
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_message_is_all_there_is),
		cmocka_unit_test(sockets_are_spliced_both_ways),
		cmocka_unit_test(without_descriptors_it_copies),
		cmocka_unit_test(
			a_blocked_half_keeps_its_pipe_and_gives_it_back),
		cmocka_unit_test(
			a_stalled_direction_holds_no_more_than_allowed),
		cmocka_unit_test(an_empty_direction_still_ends),
		cmocka_unit_test(a_spent_layer_is_shed_and_spliced),
		cmocka_unit_test(bytes_in_the_pipe_go_first_when_splicing_ends),
		cmocka_unit_test(a_transforming_layer_is_copied),
		cmocka_unit_test(a_short_write_is_kept_and_delivered),
		cmocka_unit_test(a_broken_server_is_reported_as_its_side),
		cmocka_unit_test(what_a_broken_server_said_is_delivered_first),
		cmocka_unit_test(delivering_to_a_stalled_client_costs_no_turns),
		cmocka_unit_test(a_socket_ends_behind_what_was_written),
		cmocka_unit_test(ends_take_no_more_than_their_share),
		cmocka_unit_test(a_blocked_relay_costs_no_turns),
	};

	signal(SIGPIPE, SIG_IGN); /* as the program does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
