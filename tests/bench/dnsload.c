/*
 * dnsload.c - As many DNS questions as a server answers
 *
 *	dnsload ADDR PORT SECS WINDOW NAMES	NAMES 0: each name is a new one
 *
 * Questions from SOCKETS ports, WINDOW of them open at a time, sent and
 * received in bursts. A question without an answer for a second is given up and
 * counted as lost. Prints name=value pairs; an answer that is not NOERROR with
 * one record counts as bad, not as an answer.
 */
#include <poll.h>
#include <stdbool.h>

#include "tests/bench/bench.h"

enum { SOCKETS = 4, BURST = 64, WINDOW_MAX = 4096, MSG_BYTES = 512 };
enum { SAMPLES = 1 << 20, LOST_US = 1000000 };

/** struct open_q - A question under way; its id is its place here */
struct open_q {
	uint64_t start;
	bool busy;
};

static struct open_q open_qs[WINDOW_MAX];
static uint16_t free_ids[WINDOW_MAX];
static unsigned int free_count, window;
static uint32_t samples[SAMPLES];
static size_t sample_count;
static uint64_t asked, answered, bad, lost;
static unsigned int names;
static int fds[SOCKETS];

static size_t question(uint8_t *p, uint16_t id)
{
	uint64_t n = names ? asked % names : asked;
	uint8_t head[12] = { (uint8_t)(id >> 8), (uint8_t)id, 1, 0, 0, 1 };
	size_t len = sizeof(head);
	char label[16];
	int k = snprintf(label, sizeof(label), "h%llx", (unsigned long long)n);

	memcpy(p, head, sizeof(head));
	p[len++] = (uint8_t)k;
	memcpy(p + len, label, (size_t)k);
	len += (size_t)k;
	memcpy(p + len, "\5bench\4test\0\0\1\0\1", 16);
	return len + 16;
}

static void burst_send(int fd)
{
	static uint8_t out[BURST][MSG_BYTES];
	struct mmsghdr m[BURST] = { 0 };
	struct iovec v[BURST];
	int n, sent;

	for (n = 0; n < BURST && free_count; n++) {
		uint16_t id = free_ids[--free_count];

		open_qs[id].busy = true;
		open_qs[id].start = now_us();
		v[n].iov_base = out[n];
		v[n].iov_len = question(out[n], id);
		m[n].msg_hdr.msg_iov = &v[n];
		m[n].msg_hdr.msg_iovlen = 1;
		asked++;
	}
	sent = n ? sendmmsg(fd, m, (unsigned int)n, 0) : 0;
	for (; n > 0 && sent < n; n--) { /* the rest were not sent */
		uint16_t id = (uint16_t)(out[n - 1][0] << 8 | out[n - 1][1]);

		open_qs[id].busy = false;
		free_ids[free_count++] = id;
		asked--;
	}
}

static void answer(const uint8_t *p, size_t n)
{
	uint16_t id = (uint16_t)(p[0] << 8 | p[1]);

	if (n < 12 || id >= window || !open_qs[id].busy)
		return;
	open_qs[id].busy = false;
	free_ids[free_count++] = id;
	if ((p[3] & 15) || p[7] != 1) {
		bad++;
		return;
	}
	answered++;
	if (sample_count < SAMPLES)
		samples[sample_count++] =
			(uint32_t)(now_us() - open_qs[id].start);
}

static void burst_recv(int fd)
{
	static uint8_t in[BURST][MSG_BYTES];
	struct mmsghdr m[BURST] = { 0 };
	struct iovec v[BURST];
	int n, i;

	for (i = 0; i < BURST; i++) {
		v[i].iov_base = in[i];
		v[i].iov_len = MSG_BYTES;
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(fd, m, BURST, MSG_DONTWAIT, NULL);
	for (i = 0; i < n; i++)
		answer(in[i], m[i].msg_len);
}

static void give_up(uint64_t now)
{
	unsigned int i;

	for (i = 0; i < window; i++)
		if (open_qs[i].busy && now - open_qs[i].start > LOST_US) {
			open_qs[i].busy = false;
			free_ids[free_count++] = (uint16_t)i;
			lost++;
		}
}

static int by_size(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

static uint32_t part(unsigned int per_mille)
{
	return sample_count ? samples[(sample_count - 1) * per_mille / 1000] :
			      0;
}

static void run(double secs)
{
	uint64_t start = now_us(), now = start, checked = start;
	struct pollfd p[SOCKETS];
	double took;
	int i;

	while ((now = now_us()) - start < (uint64_t)(secs * 1e6)) {
		for (i = 0; i < SOCKETS; i++) {
			burst_send(fds[i]);
			p[i] = (struct pollfd){ fds[i], POLLIN, 0 };
		}
		poll(p, SOCKETS, 50);
		for (i = 0; i < SOCKETS; i++)
			if (p[i].revents)
				burst_recv(fds[i]);
		if (now - checked > LOST_US / 4) {
			give_up(now_us());
			checked = now;
		}
	}
	took = (double)(now - start) / 1e6;
	qsort(samples, sample_count, sizeof(*samples), by_size);
	printf("answers=%llu rate=%.0f asked=%llu lost=%llu bad=%llu "
	       "p50_us=%u p99_us=%u\n",
	       (unsigned long long)answered, (double)answered / took,
	       (unsigned long long)asked, (unsigned long long)lost,
	       (unsigned long long)bad, part(500), part(990));
}

int main(int argc, char **argv)
{
	struct sockaddr_in to;
	int room = 4 << 20; /* a burst is not lost here */
	unsigned int i;

	if (argc != 6)
		die("dnsload ADDR PORT SECS WINDOW NAMES");
	to = sock_name(argv[1], argv[2]);
	window = (unsigned int)strtoul(argv[4], NULL, 10);
	names = (unsigned int)strtoul(argv[5], NULL, 10);
	if (!window || window > WINDOW_MAX)
		die("WINDOW");
	for (i = 0; i < window; i++)
		free_ids[free_count++] = (uint16_t)i;
	for (i = 0; i < SOCKETS; i++) {
		fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fds[i] < 0 ||
		    setsockopt(fds[i], SOL_SOCKET, SO_RCVBUFFORCE, &room,
			       sizeof(room)) < 0 ||
		    connect(fds[i], (struct sockaddr *)&to, sizeof(to)))
			die("socket");
	}
	run(strtod(argv[3], NULL));
	return 0;
}
