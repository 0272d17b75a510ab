/*
 * load.c - The client of the benchmarks; talks to target.c
 *
 *	load bulk ADDR PORT up|down FLOWS SECS full|lean
 *	load cps  ADDR PORT SECS PARALLEL	connect, 64 bytes there and back, close
 *	load lat  ADDR PORT SECS		one at a time
 *	load idle ADDR PORT FLOWS HOLD BUSY	open, then 64 bytes over random ones
 *	load udp  ADDR PORT SECS SIZE PER_SECOND	0: as fast as it goes
 *
 * lean: client and target do not copy the bytes, so that the path between them is
 * what limits.
 *
 * Prints one line of name=value pairs. cps and idle spread over the nine
 * addresses from ADDR on, so that a client has ports enough.
 */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>

#include "tests/bench/bench.h"

enum { REQUEST = 64, ADDRS = 9, SAMPLES = 1 << 20 };

/** struct flow - @start: of the request under way; @got: bytes of its answer */
struct flow {
	uint64_t start, bytes;
	int fd;
	unsigned int got;
	int open;
};

static uint32_t samples[SAMPLES];
static size_t sample_count;
static uint8_t buffer[BULK_BYTES];
static struct sockaddr_in to;

static double number(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || value < 0) {
		fprintf(stderr, "%s is no number\n", text);
		exit(2);
	}
	return value;
}

/* For the life of the program */
static struct flow *flows_new(unsigned int count)
{
	static struct flow *all;

	all = calloc(count ? count : 1, sizeof(*all));
	if (!all)
		die("calloc");
	return all;
}

/* Good enough to choose a flow (xorshift) */
static unsigned int dice(void)
{
	static uint32_t x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

static void sample(uint64_t us)
{
	if (sample_count < SAMPLES)
		samples[sample_count++] = (uint32_t)us;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

/* p50, p99 and the worst of the samples, which are used up */
static void print_samples(const char *name)
{
	size_t n = sample_count;

	qsort(samples, n, sizeof(*samples), by_size);
	printf(" %s_p50_us=%u %s_p99_us=%u %s_max_us=%u", name,
	       n ? samples[n / 2] : 0, name, n ? samples[n - 1 - n / 100] : 0,
	       name, n ? samples[n - 1] : 0);
	sample_count = 0;
}

static int open_tcp(unsigned int i, int flags)
{
	struct sockaddr_in a = to;
	int fd = socket(AF_INET, SOCK_STREAM | flags, 0), one = 1;

	if (fd < 0)
		return -1;
	a.sin_addr.s_addr = htonl(ntohl(a.sin_addr.s_addr) + i % ADDRS);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ||
	    errno == EINPROGRESS)
		return fd;
	close(fd);
	return -1;
}

/* --- bulk -------------------------------------------------------------------- */

/* A count of the target: of datagrams (C), of bytes thrown away (B) */
static uint64_t ask_count(const char *kind)
{
	uint64_t n = 0;
	int fd = open_tcp(0, 0);

	if (fd < 0 || write(fd, kind, 1) != 1 ||
	    read(fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
		die("count");
	close(fd);
	return n;
}

/* Wait until @sent bytes have come since @before, or no more come */
static uint64_t bulk_arrived(uint64_t before, uint64_t sent)
{
	uint64_t got = 0, last;
	int still = 0;

	while (got < sent && still < 100) {
		last = got;
		got = ask_count("B") - before;
		still = got == last ? still + 1 : 0;
		usleep(2000);
	}
	return got;
}

static uint64_t bulk_turn(struct flow *f, char kind)
{
	ssize_t n;

	switch (kind) {
	case 'T':
		n = send_file(f->fd);
		break;
	case 'S':
		n = throw_away(f->fd);
		break;
	case 'U':
		n = send(f->fd, buffer, sizeof(buffer), MSG_NOSIGNAL);
		break;
	default:
		n = read(f->fd, buffer, sizeof(buffer));
	}
	if (n == 0 || (n < 0 && errno != EAGAIN))
		die("bulk");
	return n > 0 ? (uint64_t)n : 0;
}

static int bulk(char **v)
{
	int up = !strcmp(v[0], "up"), count = (int)number(v[1]),
	    ep = epoll_create1(0);
	struct flow *f = flows_new((unsigned int)count);
	uint64_t before = ask_count("B"), start, bytes = 0, end;
	int lean = !strcmp(v[3], "lean");
	const char *kind = up ? (lean ? "T" : "U") : (lean ? "S" : "D");

	for (int i = 0; i < count; i++) {
		f[i].fd = open_tcp((unsigned int)i, 0);
		if (f[i].fd < 0 || write(f[i].fd, kind, 1) != 1)
			die("connect");
		fcntl(f[i].fd, F_SETFL, O_NONBLOCK);
		watch_fd(ep, f[i].fd, up ? EPOLLOUT : EPOLLIN, &f[i],
			 EPOLL_CTL_ADD);
	}
	start = now_us();
	end = start + (uint64_t)(number(v[2]) * 1e6);
	while (now_us() < end) {
		struct epoll_event ev[64];
		int n = epoll_wait(ep, ev, 64, 100);

		for (int i = 0; i < n; i++)
			bytes += bulk_turn(ev[i].data.ptr, *kind);
	}
	if (up) /* the bytes that say what for are counted, too */
		bytes = bulk_arrived(before, bytes + (uint64_t)count);
	end = now_us() - start;
	printf("bytes=%llu gbps=%.2f\n", (unsigned long long)bytes,
	       (double)bytes * 8e-3 / (double)end);
	return bytes == 0;
}

/* --- connections per second ---------------------------------------------------- */

static int cps_open(int ep, struct flow *f, unsigned int i)
{
	f->fd = open_tcp(i, SOCK_NONBLOCK);
	f->got = 0;
	f->open = 0;
	f->start = now_us();
	if (f->fd < 0)
		return -1;
	watch_fd(ep, f->fd, EPOLLIN | EPOLLOUT | EPOLLET, f, EPOLL_CTL_ADD);
	return 0;
}

/* 1 done, 0 under way, -1 failed */
static int cps_turn(struct flow *f, uint32_t events)
{
	uint8_t answer[REQUEST];
	ssize_t n;

	if (!f->open && events & EPOLLOUT) {
		f->open = 1;
		if (send(f->fd, buffer, REQUEST, MSG_NOSIGNAL) != REQUEST)
			return -1;
	}
	if (!f->open || !(events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		return events & (EPOLLERR | EPOLLHUP) ? -1 : 0;
	n = read(f->fd, answer, sizeof(answer));
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return -1;
	f->got += (unsigned int)n;
	return f->got >= REQUEST;
}

static int cps(char **v)
{
	uint64_t start = now_us(), end = start + (uint64_t)(number(v[0]) * 1e6);
	int ep = epoll_create1(0), parallel = (int)number(v[1]);
	struct flow *f = flows_new((unsigned int)parallel);
	unsigned int started = 0, ok = 0, failed = 0;
	double secs;

	buffer[0] = 'E';
	for (int i = 0; i < parallel; i++)
		if (cps_open(ep, &f[i], started++) < 0)
			die("connect");
	while (now_us() < end) {
		struct epoll_event ev[64];
		int n = epoll_wait(ep, ev, 64, 100);

		for (int i = 0; i < n; i++) {
			struct flow *one = ev[i].data.ptr;
			int r = cps_turn(one, ev[i].events);

			if (!r)
				continue;
			if (r > 0)
				sample(now_us() - one->start);
			ok += r > 0;
			failed += r < 0;
			close(one->fd);
			if (cps_open(ep, one, started++) < 0)
				die("connect");
		}
	}
	secs = (double)(now_us() - start) / 1e6;
	printf("conns=%u failed=%u cps=%.0f", ok, failed, ok / secs);
	print_samples("conn");
	printf("\n");
	return ok == 0;
}

/* --- latency ------------------------------------------------------------------- */

static void exchange(int fd)
{
	size_t got = 0;
	ssize_t n;

	if (send(fd, buffer, REQUEST, MSG_NOSIGNAL) != REQUEST)
		die("send");
	while (got < REQUEST) {
		n = read(fd, buffer, REQUEST - got);
		if (n <= 0)
			die("answer");
		got += (size_t)n;
	}
	buffer[0] = 'E';
}

static int lat(char **v)
{
	uint64_t half = (uint64_t)(number(v[0]) * 5e5), end, start;
	int fd = open_tcp(0, 0);

	if (fd < 0)
		die("connect");
	buffer[0] = 'E';
	for (end = now_us() + half; (start = now_us()) < end;) {
		exchange(fd);
		sample(now_us() - start);
	}
	printf("n=%zu", sample_count);
	print_samples("pingpong");
	close(fd);
	for (end = now_us() + half; (start = now_us()) < end;) {
		fd = open_tcp(0, 0);
		if (fd < 0)
			die("connect");
		exchange(fd);
		sample(now_us() - start);
		close(fd);
	}
	print_samples("connect");
	printf("\n");
	return 0;
}

/* --- idle flows ---------------------------------------------------------------- */

/* Random flows of @f are asked, 64 at a time, for @secs; answers per second */
static double busy(struct flow *f, unsigned int count, double secs)
{
	uint64_t start = now_us(), end = start + (uint64_t)(secs * 1e6);
	unsigned int done = 0, under_way = 0;
	int ep = epoll_create1(0);

	for (unsigned int i = 0; i < count; i++)
		watch_fd(ep, f[i].fd, EPOLLIN, &f[i], EPOLL_CTL_ADD);
	while (now_us() < end || under_way) {
		struct epoll_event ev[64];
		int n;

		while (under_way < 64 && now_us() < end) {
			struct flow *one = &f[dice() % count];

			if (one->start)
				continue;
			one->start = now_us();
			under_way++;
			if (send(one->fd, buffer, REQUEST, MSG_NOSIGNAL) < 0)
				die("send");
		}
		n = epoll_wait(ep, ev, 64, 2000);
		if (n <= 0)
			break;
		for (int i = 0; i < n; i++) {
			struct flow *one = ev[i].data.ptr;

			if (read(one->fd, buffer, REQUEST) <= 0)
				die("answer");
			sample(now_us() - one->start);
			one->start = 0;
			under_way--;
			done++;
		}
		buffer[0] = 'E';
	}
	return done / ((double)(now_us() - start) / 1e6);
}

static int idle(char **v)
{
	unsigned int count = (unsigned int)number(v[0]), open = 0;
	struct flow *f = flows_new(count);
	double secs = number(v[2]), rate;

	buffer[0] = 'E';
	for (; open < count; open++) {
		struct timeval limit = { .tv_sec = 3 };
		uint8_t byte = 'E';

		f[open].fd = open_tcp(open, 0);
		if (f[open].fd < 0)
			break;
		setsockopt(f[open].fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
			   sizeof(limit));
		if (write(f[open].fd, &byte, 1) != 1 ||
		    read(f[open].fd, &byte, 1) != 1)
			break;
	}
	printf("open=%u\n", open);
	fflush(stdout);
	usleep((useconds_t)(number(v[1]) * 1e6));
	if (open && secs > 0) {
		rate = busy(f, open, secs);
		printf("busy=%zu trans=%.0f", sample_count, rate);
		print_samples("trans");
		printf("\n");
	}
	return open < count;
}

/* --- udp ----------------------------------------------------------------------- */

static int udp(char **v)
{
	double secs = number(v[0]), rate = number(v[2]), took;
	size_t size = (size_t)number(v[1]);
	uint64_t before = ask_count("C"), start, now, sent = 0, got;
	int fd[4];

	for (int i = 0; i < 4; i++) {
		fd[i] = socket(AF_INET, SOCK_DGRAM, 0);
		if (connect(fd[i], (struct sockaddr *)&to, sizeof(to)) < 0)
			die("connect");
	}
	buffer[0] = 'x';
	start = now_us();
	while ((now = now_us()) < start + (uint64_t)(secs * 1e6)) {
		uint64_t due = sent + 64;

		if (rate > 0)
			due = (uint64_t)((double)(now - start) * rate / 1e6);
		if (sent == due)
			usleep(200);
		for (; sent < due; sent++)
			if (send(fd[sent & 3], buffer, size, 0) < 0 &&
			    errno != ENOBUFS && errno != EAGAIN)
				die("send");
	}
	took = (double)(now_us() - start) / 1e6;
	usleep(300000);
	got = ask_count("C") - before;
	printf("sent=%llu got=%llu pps=%.0f loss_pct=%.2f\n",
	       (unsigned long long)sent, (unsigned long long)got,
	       (double)got / took,
	       sent ? 100 * (1 - (double)got / (double)sent) : 0);
	return got == 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(char **v);
		int args;
	} tests[] = { { "bulk", bulk, 8 },
		      { "cps", cps, 6 },
		      { "lat", lat, 5 },
		      { "idle", idle, 7 },
		      { "udp", udp, 7 } };

	signal(SIGPIPE, SIG_IGN); /* sendfile has no MSG_NOSIGNAL */
	fd_limit();
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		if (argc != tests[i].args ||
		    strcmp(argv[1], tests[i].name) != 0)
			continue;
		to = sock_name(argv[2], argv[3]);
		return tests[i].run(argv + 4);
	}
	fprintf(stderr, "usage: see the head of tests/bench/load.c\n");
	return 2;
}
