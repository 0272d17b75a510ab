/*
 * api_call.c - A unary gRPC call over HTTP/2 in clear, as a client that waits
 *
 * Source: grpc, PROTOCOL-HTTP2.md; proxy/wire/h2_ask.h does the frames
 */
#include "gateway/app/api_call.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "proxy/wire/h2_ask.h"

#define HEAD       5u
#define ANSWER_MAX (16u << 20)

/** struct waiting - The call under way; @over: its answer is in @out or @why */
struct waiting {
	struct pb_out *out;
	char *why;
	bool over;
	int rc;
};

/* Percent-decoded, as the value of grpc-message is written */
static void copy_words(char *out, const char *text)
{
	size_t at = 0;

	for (; *text && at < API_WHY_MAX - 1; text++) {
		int hi = *text == '%' ? hex_digit(text[1]) : -1;
		int lo = hi >= 0 ? hex_digit(text[2]) : -1;

		out[at] = *text;
		if (lo >= 0) {
			out[at] = (char)(16 * hi + lo);
			text += 2;
		}
		at++;
	}
	out[at] = '\0';
}

static void on_done(void *arg, void *user, const struct h2_ask_answer *a)
{
	struct waiting *w = user;

	(void)arg;
	w->over = true;
	if (a->grpc_status > 0) {
		copy_words(w->why, a->grpc_message);
		w->rc = -EREMOTEIO;
	} else if (a->rc < 0) {
		snprintf(w->why, API_WHY_MAX, "HTTP status %u: %s", a->status,
			 strerror(-a->rc));
		w->rc = -EPROTO;
	} else if (a->len < HEAD || a->body[0] ||
		   get_be32(a->body + 1) != a->len - HEAD) {
		snprintf(w->why, API_WHY_MAX, "the answer is no message");
		w->rc = -EPROTO;
	} else {
		pb_raw(w->out, a->body + HEAD, a->len - HEAD);
		w->rc = w->out->bad ? -ENOMEM : 0;
	}
}

static int wait_fd(int fd, short events, uint32_t until)
{
	struct pollfd p = { .fd = fd, .events = events };
	int32_t left = (int32_t)(until - clock_ms());

	return left > 0 && poll(&p, 1, left) > 0 ? 0 : -ETIMEDOUT;
}

/* A connected, non-blocking socket, or -errno */
static int connect_one(const struct sockaddr *to, socklen_t len, uint32_t until)
{
	int fd = socket(to->sa_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof(int);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, to, len) < 0)
		rc = -errno;
	if (rc == -EINPROGRESS)
		rc = wait_fd(fd, POLLOUT, until);
	if (!rc && (getsockopt(fd, SOL_SOCKET, SO_ERROR, &rc, &size) < 0 || rc))
		rc = rc ? -rc : -errno;
	if (rc < 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

static int connect_unix(const char *path, uint32_t until)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = strlen(path);

	if (n >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	memcpy(a.sun_path, path, n);
	if (*path == '@')
		a.sun_path[0] = '\0';
	return connect_one(
		(struct sockaddr *)&a,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + n), until);
}

/* "host:port" or a path. The socket, or -errno */
static int connect_to(const char *place, uint32_t until)
{
	struct addrinfo hint = { .ai_socktype = SOCK_STREAM }, *all, *a;
	const char *colon = strrchr(place, ':');
	char host[256];
	int fd = -EINVAL;

	if (*place == '/' || *place == '@')
		return connect_unix(place, until);
	if (!colon || (size_t)(colon - place) >= sizeof(host))
		return -EINVAL;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - place), place);
	if (host[0] == '[' && host[strlen(host) - 1] == ']') {
		memmove(host, host + 1, strlen(host));
		host[strlen(host) - 1] = '\0';
	}
	if (getaddrinfo(host[0] ? host : NULL, colon + 1, &hint, &all) != 0)
		return -EHOSTUNREACH;
	for (a = all; a && fd < 0; a = a->ai_next)
		fd = connect_one(a->ai_addr, a->ai_addrlen, until);
	freeaddrinfo(all);
	return fd;
}

/* All that @h has to say. 0 or -errno */
static int give(struct h2_ask *h, int fd, uint32_t until)
{
	const uint8_t *p;
	ssize_t n;

	while ((n = h2_ask_give(h, &p)) > 0) {
		for (ssize_t at = 0; at < n;) {
			ssize_t k = send(fd, p + at, (size_t)(n - at),
					 MSG_NOSIGNAL);

			if (k > 0)
				at += k;
			else if (errno != EAGAIN)
				return -errno;
			else if (wait_fd(fd, POLLOUT, until) < 0)
				return -ETIMEDOUT;
		}
	}
	return (int)n;
}

/* Say and hear until the answer is there. 0 or -errno */
static int converse(struct h2_ask *h, int fd, const struct waiting *w,
		    uint32_t until)
{
	uint8_t b[16384];
	const char *why;
	int rc = 0;

	while (!rc && !w->over) {
		ssize_t n;

		rc = give(h, fd, until);
		if (!rc)
			rc = wait_fd(fd, POLLIN, until);
		if (rc)
			break;
		n = recv(fd, b, sizeof(b), 0);
		if (n > 0)
			rc = h2_ask_take(h, b, (size_t)n, &why);
		else if (n == 0 || errno != EAGAIN)
			rc = n ? -errno : -ECONNRESET;
	}
	return rc;
}

int api_call(const struct api_server *to, const char *path,
	     const struct pb_out *message, struct pb_out *answer,
	     char why[API_WHY_MAX])
{
	uint32_t until = clock_ms() + to->timeout_s * 1000;
	struct waiting w = { .out = answer, .why = why };
	uint8_t *body = malloc(HEAD + message->len);
	struct h2_ask_request rq = { "http",    to->place,
				     path,      "application/grpc",
				     body,      HEAD + message->len,
				     ANSWER_MAX };
	struct h2_ask *h = h2_ask_new(on_done, NULL);
	int fd = -ENOMEM, rc;

	answer->most = ANSWER_MAX;
	if (h && body) {
		body[0] = 0;
		put_be32(body + 1, (uint32_t)message->len);
		if (message->len)
			memcpy(body + HEAD, message->p, message->len);
		fd = connect_to(to->place, until);
	}
	rc = fd < 0 ? fd : h2_ask_put(h, &rq, &w) < 0 ? -ENOMEM : 0;
	if (!rc)
		rc = converse(h, fd, &w, until);
	if (rc)
		snprintf(why, API_WHY_MAX, "%s: %s", to->place, strerror(-rc));
	h2_ask_free(h);
	free(body);
	if (fd >= 0)
		close(fd);
	return rc ? rc : w.rc;
}
