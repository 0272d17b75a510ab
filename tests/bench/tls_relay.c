/*
 * tls_relay.c - The least a TLS client must do: the limit of the benchmarks
 *
 *	tls_relay PORT CA HOST HOSTPORT
 *
 * Accepts what nftables redirects to PORT, connects to HOST with OpenSSL on the
 * socket itself, and moves bytes both ways: SSL_write of 16 KiB records, SSL_read
 * with read-ahead. No protocol, no rules, no timeouts, no record sizing, no log.
 * One thread, epoll.
 */
#include "tests/bench/bench.h"

#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>

enum { RECORD = 16384, STEP = 4 * RECORD };

/**
 * struct way - One direction
 * @len, @off:	What was read into @data and is not written yet
 * @eof:	The source ended; @told: so does the other side know
 */
struct way {
	uint8_t data[STEP];
	size_t len, off;
	bool eof, told;
};

/**
 * struct flow - A client and its server
 * @next:	Among the dead, until the round is over
 */
struct flow {
	struct flow *next;
	SSL *ssl;
	int plain, tls;
	bool dead;
	struct way up, down;
};

static int ep;
static SSL_CTX *ctx;
static struct flow *corpses;

static void flow_end(struct flow *f)
{
	if (f->dead)
		return;
	f->dead = true;
	close(f->plain);
	close(f->tls);
	SSL_free(f->ssl);
	f->next = corpses;
	corpses = f;
}

/* What a call of OpenSSL said: 0 wait, -1 broken; an end is noted in @w */
static int ssl_said(SSL *ssl, struct way *w)
{
	int kind = SSL_get_error(ssl, 0);

	if (kind == SSL_ERROR_ZERO_RETURN)
		w->eof = true;
	return kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE ||
			       kind == SSL_ERROR_ZERO_RETURN ?
		       0 :
		       -1;
}

/* 1 something moved, 0 wait, -1 broken */
static int move_up(struct flow *f)
{
	struct way *w = &f->up;
	int moved = 0;

	if (!w->len && !w->eof) {
		ssize_t n = read(f->plain, w->data, sizeof(w->data));

		if (n < 0 && errno != EAGAIN)
			return -1;
		w->eof = n == 0;
		w->len = n > 0 ? (size_t)n : 0;
		w->off = 0;
	}
	while (w->len) {
		size_t n = w->len < RECORD ? w->len : RECORD, put = 0;

		if (SSL_write_ex(f->ssl, w->data + w->off, n, &put) != 1)
			return ssl_said(f->ssl, w) < 0 ? -1 : moved;
		w->off += put;
		w->len -= put;
		moved = 1;
	}
	if (w->eof && !w->told) {
		w->told = true;
		SSL_shutdown(f->ssl);
		shutdown(f->tls, SHUT_WR);
	}
	return moved;
}

static int move_down(struct flow *f)
{
	struct way *w = &f->down;
	ssize_t n;

	if (!w->len)
		w->off = 0;
	while (!w->eof && w->off + w->len < sizeof(w->data)) {
		size_t at = w->off + w->len, got = 0;

		if (SSL_read_ex(f->ssl, w->data + at, sizeof(w->data) - at,
				&got) != 1) {
			if (ssl_said(f->ssl, w) < 0)
				return -1;
			break;
		}
		w->len += got;
	}
	if (!w->len && w->eof && !w->told) {
		w->told = true;
		shutdown(f->plain, SHUT_WR);
	}
	if (!w->len)
		return 0;
	n = send(f->plain, w->data + w->off, w->len, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	w->len -= (size_t)n;
	w->off += (size_t)n;
	return 1;
}

static void pump(struct flow *f)
{
	int up, down;

	do {
		up = move_up(f);
		down = up < 0 ? -1 : move_down(f);
	} while (up >= 0 && down >= 0 && (up || down));
	if (up < 0 || down < 0 || (f->up.told && f->down.told))
		flow_end(f);
}

static int dial(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 &&
	    errno != EINPROGRESS)
		die("connect");
	return fd;
}

static void on_accept(int fd, const struct sockaddr_in *to)
{
	struct flow *f = calloc(1, sizeof(*f));

	if (!f)
		die("calloc");
	f->plain = fd;
	f->tls = dial(to);
	f->ssl = SSL_new(ctx);
	if (!f->ssl || SSL_set_fd(f->ssl, f->tls) != 1 ||
	    SSL_set_tlsext_host_name(f->ssl, "tls.test") != 1)
		die("SSL_new");
	SSL_set_connect_state(f->ssl);
	watch_fd(ep, f->plain, EPOLLIN | EPOLLOUT | EPOLLET, f, EPOLL_CTL_ADD);
	watch_fd(ep, f->tls, EPOLLIN | EPOLLOUT | EPOLLET, f, EPOLL_CTL_ADD);
}

static void ctx_make(const char *ca)
{
	ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx || SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") != 1)
		die("SSL_CTX");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, STEP + 1024);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

int main(int argc, char **argv)
{
	struct sockaddr_in here, to;
	int fd, one = 1, listener;

	if (argc != 5) {
		fprintf(stderr, "usage: tls_relay PORT CA HOST HOSTPORT\n");
		return 2;
	}
	fd_limit();
	signal(SIGPIPE, SIG_IGN);
	ctx_make(argv[2]);
	here = sock_name("0.0.0.0", argv[1]);
	to = sock_name(argv[3], argv[4]);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	ep = epoll_create1(0);
	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) < 0 ||
	    listen(listener, 1024) < 0)
		die("bind");
	watch_fd(ep, listener, EPOLLIN, NULL, EPOLL_CTL_ADD);
	for (;;) {
		struct epoll_event ev[64];
		int n = epoll_wait(ep, ev, 64, -1);

		for (int i = 0; i < n; i++) {
			struct flow *f = ev[i].data.ptr;

			if (f && !f->dead)
				pump(f);
			while (!f && (fd = accept4(listener, NULL, NULL,
						   SOCK_NONBLOCK)) >= 0)
				on_accept(fd, &to);
		}
		while (corpses) {
			struct flow *f = corpses;

			corpses = f->next;
			free(f);
		}
	}
}
