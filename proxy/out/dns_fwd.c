/* dns_fwd.c - One DNS message to one server and its answer back */
#include "proxy/out/dns_fwd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "gateway/core/fd_dgram.h"
#include "gateway/core/send_through.h"
#include "gateway/core/worker.h"

static int open_udp(struct dns_fwd *f, const struct dial *dial)
{
	int family = f->to.kind == ADDR_V6 ? AF_INET6 : AF_INET;
	int fd = sock_open(&dial->ob->sockopt, family, SOCK_DGRAM), rc;
	struct addr src = send_through_pick(dial->ob, dial->s);

	if (fd < 0)
		return fd;
	rc = send_through_to(dial->ob, fd, &src, &f->to);
	if (!rc)
		rc = sock_connect(fd, family, &f->to);
	if (!rc)
		f->d = fd_dgram_new(dial->worker, fd, family, dial->job);
	if (!f->d) {
		close(fd);
		return rc ? rc : -ENOMEM;
	}
	return 0;
}

int fwd_open(struct dns_fwd *f, const struct dial *dial, const struct addr *to,
	     bool tcp, const uint8_t *msg, size_t n)
{
	int rc;

	memset(f, 0, sizeof(*f));
	f->worker = dial->worker;
	f->to = *to;
	f->until_ms = f->worker->now_ms + FWD_TIMEOUT_MS;
	f->msg = malloc(n + 2);
	if (!f->msg)
		return -ENOMEM;
	put_be16(f->msg, (uint16_t)n);
	memcpy(f->msg + 2, msg, n);
	f->len = n + 2;
	if (tcp || !addr_is_ip(to))
		rc = raw_dial(dial, to, &dial->ob->sockopt, DS_AS_IS, &f->s);
	else
		rc = open_udp(f, dial);
	if (rc)
		fwd_close(f);
	else
		job_ready(dial->job);
	return rc;
}

static int take(const uint8_t *p, size_t n, uint8_t **answer, size_t *len)
{
	*answer = malloc(n ? n : 1);
	if (!*answer)
		return -ENOMEM;
	memcpy(*answer, p, n);
	*len = n;
	return 0;
}

static int run_udp(struct dns_fwd *f, uint8_t **answer, size_t *len)
{
	struct pkt v[4], q = {
		.peer = f->to,
		.data = f->msg + 2,
		.len = f->len - 2,
	};
	int n, i;

	if (!f->sent) {
		n = f->d->ops->send(f->d, &q, 1);
		if (n < 0 && n != -EAGAIN)
			return n;
		f->sent = n > 0;
	}
	while ((n = f->d->ops->recv(f->d, v, 4)) > 0)
		for (i = 0; i < n; i++)
			if (v[i].len >= 12 && !memcmp(v[i].data, q.data, 2))
				return take(v[i].data, v[i].len, answer, len);
	if (n != -EAGAIN)
		return n ? n : -EIO;
	f->d->ops->want(f->d, ST_READ | (f->sent ? 0 : ST_WRITE));
	return -EAGAIN;
}

/* Read up to @n bytes of @p behind @f->got - @base. 1 all there, 0 not yet */
static ssize_t read_part(struct dns_fwd *f, uint8_t *p, size_t n, size_t base)
{
	while (f->got - base < n) {
		ssize_t k = stream_read(f->s, p + (f->got - base),
					n - (f->got - base));

		if (k <= 0)
			return k ? k : -ECONNRESET;
		f->got += (size_t)k;
	}
	return 0;
}

static int run_tcp(struct dns_fwd *f, uint8_t **answer, size_t *len)
{
	ssize_t n = 0;

	while (f->sent < f->len) {
		n = stream_write(f->s, f->msg + f->sent, f->len - f->sent);
		if (n <= 0)
			break;
		f->sent += (size_t)n;
	}
	if (n < 0 && n != -EAGAIN)
		return (int)n;
	n = f->got < 2 ? read_part(f, f->head, 2, 0) : 0;
	if (!n && !f->rx) {
		f->rx_len = get_be16(f->head);
		f->rx = malloc(f->rx_len ? f->rx_len : 1);
		if (!f->rx)
			return -ENOMEM;
	}
	if (!n)
		n = read_part(f, f->rx, f->rx_len, 2);
	if (!n) {
		*answer = f->rx;
		*len = f->rx_len;
		f->rx = NULL;
		return 0;
	}
	if (n == -EAGAIN)
		f->s->ops->want(f->s,
				ST_READ | (f->sent < f->len ? ST_WRITE : 0));
	return (int)n;
}

int fwd_run(struct dns_fwd *f, uint8_t **answer, size_t *len)
{
	int rc = f->s ? run_tcp(f, answer, len) : run_udp(f, answer, len);

	if (rc == -EAGAIN && !clock_before(f->worker->now_ms, f->until_ms))
		return -ETIMEDOUT;
	return rc;
}

void fwd_close(struct dns_fwd *f)
{
	if (f->d)
		f->d->ops->close(f->d);
	f->d = NULL;
	stream_close(&f->s, 0);
	free(f->msg);
	free(f->rx);
	f->msg = NULL;
	f->rx = NULL;
}
