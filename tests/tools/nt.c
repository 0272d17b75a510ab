/* SPDX-License-Identifier: MIT */
/*
 * nt - Clients and servers of the namespace tests
 *
 * Every end makes its bytes from their offset and reports how many bytes went
 * each way, their SHA-256, and how the connection ended (FIN, ECONNRESET,
 * ECONNREFUSED ...), on one line that the tests compare. A server runs one
 * thread a connection; a client is one poll loop. Not part of the product:
 * blocking, plain and exact. The commands are described in README.md here.
 */
/* The plain functions: libcrypto's others find their providers first, at each start */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tests/tools/nt.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/sha.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 65536, STACK_BYTES = 262144 };

/** struct way - One direction: how many bytes and their hash */
struct way {
	unsigned long long n;
	SHA256_CTX md;
};

struct opts o = { .cut = -1, .timeout_s = 30, .par = 1 };

void die(const char *what)
{
	fprintf(stderr, "nt: %s: %s\n", what, strerror(errno));
	exit(2);
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void sleep_ms(long long ms)
{
	struct timespec t = { (time_t)(ms / 1000),
			      (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

const char *err_name(int e)
{
	/* strerrorname_np() is glibc's alone */
#define NAME(e) \
	{ \
		e, #e \
	}
	static const struct {
		int e;
		const char *name;
	} names[] = { NAME(EPERM),        NAME(EAGAIN),       NAME(EPIPE),
		      NAME(EACCES),       NAME(EADDRINUSE),   NAME(ENETUNREACH),
		      NAME(EHOSTUNREACH), NAME(ECONNREFUSED), NAME(ECONNRESET),
		      NAME(ETIMEDOUT),    NAME(EINPROGRESS),  { 0, "0" } };
#undef NAME

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].e == e)
			return names[i].name;
	}
	return "unknown";
}

/* The test bytes: a function of the offset alone */
void fill(uint8_t *p, size_t n, unsigned long long off)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(((off + i) * 2654435761ull) >> 13);
}

static void way_init(struct way *w)
{
	w->n = 0;
	SHA256_Init(&w->md);
}

static void way_add(struct way *w, const uint8_t *p, size_t n)
{
	w->n += n;
	SHA256_Update(&w->md, p, n);
}

/* Writes the first 16 hex digits of the hash */
static void way_end(struct way *w, char hex[17])
{
	uint8_t md[SHA256_DIGEST_LENGTH] = { 0 };

	SHA256_Final(md, &w->md);
	for (int i = 0; i < 8; i++)
		snprintf(hex + 2 * i, 3, "%02x", md[i]);
}

static void report(const char *who, struct way *tx, struct way *rx,
		   const char *end, long long t0)
{
	char h1[17], h2[17];
	unsigned long long ntx = tx->n, nrx = rx->n;

	way_end(tx, h1);
	way_end(rx, h2);
	fprintf(o.print ? stderr : stdout,
		"%s tx=%llu:%s rx=%llu:%s end=%s ms=%lld\n", who, ntx, h1, nrx,
		h2, end, now_ms() - t0);
	fflush(o.print ? stderr : stdout);
}

static void linger0(int fd)
{
	struct linger l = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

static void nonblock(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

struct addrinfo *resolve(const char *addr, const char *port, int type,
			 int flags)
{
	struct addrinfo hints = { .ai_socktype = type, .ai_flags = flags };
	struct addrinfo *ai;
	int rc = getaddrinfo(addr, port, &hints, &ai);

	if (rc) {
		fprintf(stderr, "nt: %s: %s\n", addr, gai_strerror(rc));
		exit(2);
	}
	return ai;
}

/* A socket for the target, bound by -b and -p when given */
int client_socket(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, ai->ai_socktype, 0), one = 1;
	struct addrinfo *b;

	if (fd < 0)
		die("socket");
	if (!o.bind && !o.bindport)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	b = resolve(o.bind ? o.bind :
			     (ai->ai_family == AF_INET ? "0.0.0.0" : "::"),
		    o.bindport ? o.bindport : "0", ai->ai_socktype,
		    AI_PASSIVE | AI_NUMERICHOST);
	if (bind(fd, b->ai_addr, b->ai_addrlen))
		die("bind");
	freeaddrinfo(b);
	return fd;
}

int listen_socket(int type)
{
	struct addrinfo *ai =
		resolve(o.addr, o.port, type, AI_PASSIVE | AI_NUMERICHOST);
	int fd = socket(ai->ai_family, type, 0), one = 1, off = 0;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen))
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 4096))
		die("listen");
	freeaddrinfo(ai);
	return fd;
}

void peer_text(const struct sockaddr_storage *ss, socklen_t len, char *out,
	       size_t n)
{
	char host[64] = "?", port[8] = "?";

	getnameinfo((const struct sockaddr *)ss, len, host, sizeof(host), port,
		    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	if (!strncmp(host, "::ffff:", 7))
		memmove(host, host + 7, strlen(host + 7) + 1);
	snprintf(out, n, "%s,%s", host, port);
}

/* --- a transfer, both directions at once ---------------------------------- */

/**
 * struct xfer - One connection being driven
 * @fd:		Non-blocking socket
 * @left:	Bytes of the pattern still to send
 * @data, @len:	Sent instead of the pattern when @data is not NULL
 * @sent_eof:	Half-closed by us; @got_eof: by the peer
 * @echo:	Send back what comes in
 * @tx, @rx:	Accounts
 */
struct xfer {
	int fd;
	unsigned long long left;
	const uint8_t *data;
	size_t len;
	bool sent_eof, got_eof, echo;
	struct way tx, rx;
	long long read_at;
};

/* 0 or an errno */
static int xfer_send(struct xfer *x)
{
	uint8_t buf[CHUNK];
	size_t n = x->left < CHUNK ? (size_t)x->left : CHUNK;
	const uint8_t *p = buf;
	ssize_t k;

	if (o.cut >= 0 && x->tx.n < (unsigned long long)o.cut &&
	    n > (size_t)o.cut - x->tx.n)
		n = (size_t)(o.cut - (long long)x->tx.n);
	else if (o.cut >= 0 && x->tx.n == (unsigned long long)o.cut)
		sleep_ms(o.delay_ms);
	if (x->data)
		p = x->data + x->tx.n;
	else
		fill(buf, n, x->tx.n);
	k = send(x->fd, p, n, MSG_NOSIGNAL);
	if (k < 0)
		return errno == EAGAIN ? 0 : errno;
	way_add(&x->tx, p, (size_t)k);
	x->left -= (size_t)k;
	return 0;
}

static int write_all(struct xfer *x, const uint8_t *p, size_t n)
{
	struct pollfd pf = { x->fd, POLLOUT, 0 };

	while (n > 0) {
		ssize_t k = send(x->fd, p, n, MSG_NOSIGNAL);

		if (k < 0 && errno == EAGAIN) {
			poll(&pf, 1, 1000);
			continue;
		}
		if (k < 0)
			return errno;
		way_add(&x->tx, p, (size_t)k);
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

/* 0, an errno, or -1 at end of stream */
static int xfer_recv(struct xfer *x)
{
	uint8_t buf[CHUNK];
	size_t want = sizeof(buf);
	ssize_t k;

	if (o.rate && want > (size_t)o.rate / 20 + 1)
		want = (size_t)o.rate / 20 + 1;
	k = recv(x->fd, buf, want, 0);
	if (k < 0)
		return errno == EAGAIN ? 0 : errno;
	if (k == 0)
		return -1;
	way_add(&x->rx, buf, (size_t)k);
	if (o.print && write(1, buf, (size_t)k) != k)
		die("stdout");
	if (o.rate)
		x->read_at = now_ms() + k * 1000 / o.rate;
	return x->echo ? write_all(x, buf, (size_t)k) : 0;
}

/* The name of the end: FIN, TIMEOUT or an errno's */
static const char *xfer_run(struct xfer *x, long long until)
{
	struct pollfd pf = { x->fd, 0, 0 };
	int rc;

	for (;;) {
		long long t = now_ms();

		if (t >= until)
			return "TIMEOUT";
		if (!x->left && !x->sent_eof && !x->echo && !o.open && !o.rst &&
		    x->rx.n >= (unsigned long long)o.wait) {
			shutdown(x->fd, SHUT_WR);
			x->sent_eof = true;
		}
		if (!x->left && o.rst)
			return "RESET-BY-US";
		if (!x->left && x->got_eof)
			return "FIN";
		pf.events = (short)((x->left ? POLLOUT : 0) |
				    (t >= x->read_at ? POLLIN : 0));
		rc = poll(&pf, 1, t >= x->read_at ? 1000 : 20);
		if (rc < 0)
			die("poll");
		if (pf.revents & (POLLOUT | POLLERR) && x->left) {
			rc = xfer_send(x);
			if (rc)
				return err_name(rc);
		}
		if (pf.revents & (POLLIN | POLLERR | POLLHUP) &&
		    now_ms() >= x->read_at) {
			rc = xfer_recv(x);
			if (rc == -1 && !x->left)
				return "FIN";
			if (rc == -1) {
				x->got_eof = true;
				x->read_at = until; /* only send now */
			}
			if (rc > 0)
				return err_name(rc);
		}
	}
}

static void xfer_start(struct xfer *x, int fd)
{
	*x = (struct xfer){ .fd = fd };
	way_init(&x->tx);
	way_init(&x->rx);
	nonblock(fd);
}

/* --- tcp-serve ------------------------------------------------------------ */

/* How it ended; the account is sent only after an end in order */
static const char *serve_sink(struct xfer *x, long long until)
{
	struct pollfd pf = { x->fd, POLLIN, 0 };
	char line[64], hex[17];
	struct way copy;
	int rc = 0;

	while (rc == 0 && now_ms() < until) {
		if (now_ms() < x->read_at) {
			sleep_ms(10);
			continue;
		}
		poll(&pf, 1, 1000);
		rc = xfer_recv(x);
	}
	if (rc != -1)
		return rc ? err_name(rc) : "TIMEOUT";
	copy = x->rx;
	way_end(&copy, hex);
	rc = snprintf(line, sizeof(line), "%llu:%s\n", x->rx.n, hex);
	write_all(x, (const uint8_t *)line, (size_t)rc);
	return "FIN";
}

static const char *serve_rst(struct xfer *x, long long until)
{
	struct pollfd pf = { x->fd, POLLIN, 0 };

	while (x->rx.n < (unsigned long long)o.bytes && now_ms() < until) {
		poll(&pf, 1, 1000);
		if (xfer_recv(x))
			break;
	}
	sleep_ms(o.delay_ms);
	linger0(x->fd);
	return "RESET-BY-US";
}

/* One connection, by the server's mode; the socket is closed by the caller */
static const char *serve_mode(struct xfer *x, long long until)
{
	static const char banner[] = "220 nt ready\r\n";

	if (!strcmp(o.mode, "sink")) {
		sleep_ms(o.delay_ms);
		return serve_sink(x, until);
	}
	if (!strcmp(o.mode, "rst"))
		return serve_rst(x, until);
	if (!strcmp(o.mode, "hold")) {
		while (now_ms() < until)
			sleep_ms(100);
		return "TIMEOUT";
	}
	if (!strcmp(o.mode, "greet"))
		write_all(x, (const uint8_t *)banner, sizeof(banner) - 1);
	x->echo = !strcmp(o.mode, "echo") || !strcmp(o.mode, "greet");
	if (!strcmp(o.mode, "source"))
		x->left = (unsigned long long)o.bytes;
	x->read_at = now_ms() + o.delay_ms;
	return xfer_run(x, until);
}

static void *serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char who[96], peer[80] = "?";
	long long t0 = now_ms();
	const char *end;
	struct xfer x;

	if (!getpeername(fd, (struct sockaddr *)&ss, &len))
		peer_text(&ss, len, peer, sizeof(peer));
	xfer_start(&x, fd);
	end = serve_mode(&x, t0 + o.timeout_s * 1000LL);
	close(fd);
	snprintf(who, sizeof(who), "from=%s", peer);
	report(who, &x.tx, &x.rx, end, t0);
	return NULL;
}

static int cmd_tcp_serve(void)
{
	int lfd = listen_socket(SOCK_STREAM);
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (;;) {
		int fd = accept(lfd, NULL, NULL);

		if (fd < 0) {
			sleep_ms(10);
			continue;
		}
		if (pthread_create(&t, &attr, serve_one, (void *)(intptr_t)fd))
			close(fd);
	}
	return 0;
}

/* --- tcp clients ---------------------------------------------------------- */

/* A connected socket, or -1 with errno */
static int tcp_connect(const struct addrinfo *ai)
{
	int fd = client_socket(ai), e = 0;
	struct pollfd pf = { fd, POLLOUT, 0 };
	socklen_t len = sizeof(e);

	nonblock(fd);
	if (!connect(fd, ai->ai_addr, ai->ai_addrlen))
		return fd;
	e = errno;
	if (e == EINPROGRESS) {
		e = ETIMEDOUT;
		if (poll(&pf, 1, o.timeout_s * 1000) == 1)
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len);
	}
	if (!e)
		return fd;
	close(fd);
	errno = e;
	return -1;
}

static uint8_t *load(size_t *n)
{
	static uint8_t buf[1 << 20];
	FILE *f;

	if (o.text) {
		*n = strlen(o.text);
		memcpy(buf, o.text, *n);
		if (o.bytes > (long long)*n && o.bytes <= (1 << 20)) {
			fill(buf + *n, (size_t)o.bytes - *n, 0);
			*n = (size_t)o.bytes;
		}
		return buf;
	}
	f = fopen(o.file, "rb");
	if (!f)
		die(o.file);
	*n = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	return buf;
}

static int cmd_tcp(void)
{
	struct addrinfo *ai = resolve(o.addr, o.port, SOCK_STREAM, 0);
	long long t0 = now_ms();
	const char *end;
	struct xfer x;
	int fd = tcp_connect(ai), one = 1;

	if (fd < 0) {
		fprintf(o.print ? stderr : stdout,
			"tx=0:- rx=0:- end=%s ms=%lld\n", err_name(errno),
			now_ms() - t0);
		return 1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	xfer_start(&x, fd);
	x.left = (unsigned long long)o.bytes;
	if (o.file || o.text) {
		x.data = load(&x.len);
		x.left = x.len;
	}
	if (o.cut < 0)
		x.read_at = t0 + o.delay_ms;
	end = xfer_run(&x, t0 + o.timeout_s * 1000LL);
	if (o.rst)
		linger0(fd);
	close(fd);
	report("", &x.tx, &x.rx, end, t0);
	freeaddrinfo(ai);
	return strcmp(end, "FIN") && strcmp(end, "RESET-BY-US");
}

/* One small echo round trip; true when the bytes came back */
static bool echo_once(int fd, unsigned int salt)
{
	uint8_t a[64], b[64];
	size_t got = 0;
	struct pollfd pf = { fd, POLLIN, 0 };

	fill(a, sizeof(a), salt);
	if (send(fd, a, sizeof(a), MSG_NOSIGNAL) != sizeof(a))
		return false;
	while (got < sizeof(b)) {
		ssize_t k;

		if (poll(&pf, 1, o.timeout_s * 1000) != 1)
			return false;
		k = recv(fd, b + got, sizeof(b) - got, 0);
		if (k <= 0)
			return false;
		got += (size_t)k;
	}
	return !memcmp(a, b, sizeof(a));
}

static int count_alive(const int *fd, long long n, unsigned int salt)
{
	int alive = 0;

	for (long long i = 0; i < n; i++)
		alive += fd[i] >= 0 && echo_once(fd[i], salt + (unsigned int)i);
	return alive;
}

/* Open -n connections to an echo server; "open", wait, "alive" */
static int cmd_tcp_hold(void)
{
	struct addrinfo *ai = resolve(o.addr, o.port, SOCK_STREAM, 0);
	int *fd = calloc((size_t)o.bytes + 1, sizeof(*fd));
	char c;
	int n;

	if (!fd)
		die("calloc");
	for (long long i = 0; i < o.bytes; i++)
		fd[i] = tcp_connect(ai);
	n = count_alive(fd, o.bytes, 1);
	printf("open=%d\n", n);
	fflush(stdout);
	if (o.delay_ms)
		sleep_ms(o.delay_ms);
	else
		while (read(0, &c, 1) > 0)
			;
	n = count_alive(fd, o.bytes, 77);
	printf("alive=%d\n", n);
	freeaddrinfo(ai);
	free(fd);
	return n != o.bytes;
}

/** struct shorts - Shared by the threads of tcp-short */
struct shorts {
	pthread_mutex_t lock;
	const struct addrinfo *ai;
	long long left, ok, failed;
};

static void *short_thread(void *arg)
{
	struct shorts *s = arg;

	for (;;) {
		bool ok = false;
		char c;
		int fd;

		pthread_mutex_lock(&s->lock);
		if (s->left-- <= 0) {
			pthread_mutex_unlock(&s->lock);
			return NULL;
		}
		pthread_mutex_unlock(&s->lock);
		fd = tcp_connect(s->ai);
		if (fd >= 0) {
			struct pollfd pf = { fd, POLLIN, 0 };

			ok = echo_once(fd, 5);
			shutdown(fd, SHUT_WR);
			ok = ok && poll(&pf, 1, o.timeout_s * 1000) == 1 &&
			     recv(fd, &c, 1, 0) == 0;
			if (o.rst)
				linger0(fd);
			close(fd);
		}
		pthread_mutex_lock(&s->lock);
		*(ok ? &s->ok : &s->failed) += 1;
		pthread_mutex_unlock(&s->lock);
	}
}

static int cmd_tcp_short(void)
{
	struct shorts s = { .lock = PTHREAD_MUTEX_INITIALIZER,
			    .left = o.bytes };
	struct addrinfo *ai = resolve(o.addr, o.port, SOCK_STREAM, 0);
	pthread_t t[64];
	long long t0 = now_ms();

	s.ai = ai;
	if (o.par > 64)
		o.par = 64;
	for (int i = 0; i < o.par; i++)
		if (pthread_create(&t[i], NULL, short_thread, &s))
			die("thread");
	for (int i = 0; i < o.par; i++)
		pthread_join(t[i], NULL);
	printf("ok=%lld failed=%lld ms=%lld\n", s.ok, s.failed, now_ms() - t0);
	freeaddrinfo(ai);
	return s.failed != 0;
}

/* --- command line --------------------------------------------------------- */

static int usage(void)
{
	fputs("usage: nt tcp-serve [-l ADDR] PORT [echo|sink|source|rst|hold|"
	      "greet] [-n BYTES] [-r RATE] [-d MS] [-t S]\n"
	      "       nt tcp ADDR PORT [-n BYTES] [-m TEXT|-f FILE] [-C CUT] "
	      "[-d MS] [-r RATE] [-O] [-w BYTES] [-R] [-P] [-t S] [-b ADDR] "
	      "[-p PORT]\n"
	      "       nt tcp-hold ADDR PORT -n COUNT [-d MS]\n"
	      "       nt tcp-short ADDR PORT -n COUNT [-j PARALLEL] [-R]\n"
	      "       nt udp-serve [-l ADDR] PORT [echo|cone|sink]\n"
	      "       nt udp ADDR PORT [-n SIZE,SIZE,...] [-c] [-d MS] [-t S] "
	      "[-b ADDR] [-p PORT]\n"
	      "       nt ask ADDR NAME -m A|AAAA [-c]\n"
	      "       nt sha BYTES\n",
	      stderr);
	return 2;
}

static int cmd_sha(void)
{
	struct way w;
	uint8_t buf[CHUNK];
	char hex[17];

	way_init(&w);
	for (long long left = o.bytes; left > 0;) {
		size_t n = left < CHUNK ? (size_t)left : CHUNK;

		fill(buf, n, w.n);
		way_add(&w, buf, n);
		left -= (long long)n;
	}
	way_end(&w, hex);
	printf("%lld:%s\n", o.bytes, hex);
	return 0;
}

static bool parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "n:r:d:t:j:f:m:C:b:p:l:w:ROPc")) != -1) {
		switch (c) {
		case 'n':
			o.bytes = atoll(optarg);
			o.sizes = optarg;
			break;
		case 'r':
			o.rate = atoll(optarg);
			break;
		case 'd':
			o.delay_ms = atoi(optarg);
			break;
		case 't':
			o.timeout_s = atoi(optarg);
			break;
		case 'j':
			o.par = atoi(optarg);
			break;
		case 'f':
			o.file = optarg;
			break;
		case 'm':
			o.text = optarg;
			break;
		case 'C':
			o.cut = atoll(optarg);
			break;
		case 'b':
			o.bind = optarg;
			break;
		case 'p':
			o.bindport = optarg;
			break;
		case 'l':
			o.addr = optarg;
			break;
		case 'R':
			o.rst = true;
			break;
		case 'w':
			o.wait = atoll(optarg);
			break;
		case 'O':
			o.open = true;
			break;
		case 'P':
			o.print = true;
			break;
		case 'c':
			o.connected = true;
			break;
		default:
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	struct rlimit rl = { 65536, 65536 };
	const char *ns = getenv("NT_NS");
	char **a;
	int n;

	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_NOFILE, &rl);
	if (ns && setns(open(ns, O_RDONLY | O_CLOEXEC), CLONE_NEWNET))
		die(ns);
	if (argc < 2 || !parse_options(argc - 1, argv + 1))
		return usage();
	o.cmd = argv[1];
	a = argv + 1 + optind;
	n = argc - 1 - optind;
	if (!strcmp(o.cmd, "sha") && n == 1) {
		o.bytes = atoll(a[0]);
		return cmd_sha();
	}
	if (strstr(o.cmd, "-serve") && n >= 1) {
		o.addr = o.addr ? o.addr : "::";
		o.port = a[0];
		o.mode = n > 1 ? a[1] : "echo";
		return o.cmd[0] == 't' ? cmd_tcp_serve() : cmd_udp_serve();
	}
	if (n != 2)
		return usage();
	o.addr = a[0];
	o.port = a[1];
	if (!strcmp(o.cmd, "tcp"))
		return cmd_tcp();
	if (!strcmp(o.cmd, "tcp-hold"))
		return cmd_tcp_hold();
	if (!strcmp(o.cmd, "tcp-short"))
		return cmd_tcp_short();
	if (!strcmp(o.cmd, "udp"))
		return cmd_udp();
	return !strcmp(o.cmd, "ask") && o.text ? cmd_ask() : usage();
}
