/*
 * fd_linger.c - The end of a socket that has bytes on their way
 *
 *   RST	takes along what was not sent yet, or not acknowledged
 *   FIN	goes behind it, but the kernel makes a RST of it when the other side
 *		still sends: at once if something is unread, else when it comes
 *
 * So a socket whose last bytes are not acknowledged lives on alone, with nobody who
 * reads it, until they are. The kernel has no event for that: it is asked.
 *
 * Source: tcp(7) (SIOCOUTQ); Linux tcp_close()
 */
#include "gateway/core/fd_linger.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/core/worker.h"

#define ASK_FIRST_MS 2u
#define ASK_MOST_MS  50u

/**
 * struct fd_end - One of them
 * @node:	In worker->ends
 * @since_ms:	When it was closed; @gap_ms: between two questions
 * @cut:	It ends with RST
 */
struct fd_end {
	struct list node;
	struct worker *worker;
	struct timer timer;
	uint32_t since_ms, gap_ms;
	int fd;
	bool cut;
};

static void close_now(int fd, bool cut)
{
	struct linger rst = { .l_onoff = 1, .l_linger = 0 };

	if (cut) /* if refused, FIN is all we can do */
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &rst, sizeof(rst));
	close(fd);
}

/* Is there something that the other side may still acknowledge? */
static bool is_under_way(int fd)
{
	struct tcp_info info = { .tcpi_state = TCP_CLOSE };
	socklen_t len = sizeof(info);
	int left = 0;

	if (ioctl(fd, SIOCOUTQ, &left) < 0 || !left)
		return false;
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       info.tcpi_state != TCP_CLOSE && info.tcpi_state != TCP_SYN_SENT;
}

static void end_free(struct fd_end *e)
{
	timer_cancel(&e->timer);
	list_del(&e->node);
	e->worker->end_count--;
	worker_fds(e->worker, -1);
	close_now(e->fd, e->cut);
	free(e);
}

static void on_timer(struct timer *t)
{
	struct fd_end *e = container_of(t, struct fd_end, timer);

	if (!is_under_way(e->fd) ||
	    e->worker->now_ms - e->since_ms >= FD_LINGER_MS) {
		end_free(e);
		return;
	}
	if (e->gap_ms < ASK_MOST_MS)
		e->gap_ms *= 2;
	timer_set(&e->worker->wheel, t, e->gap_ms);
}

/* Descriptors that sessions may need are few on a small host: an eighth of them */
static bool has_place(const struct worker *w)
{
	uint32_t share = w->session_limit / 8;

	return w->end_count < (share < FD_LINGER_MAX ? share : FD_LINGER_MAX);
}

void fd_linger(struct worker *w, int fd, bool cut)
{
	struct fd_end *e = NULL;

	if (has_place(w) && is_under_way(fd))
		e = calloc(1, sizeof(*e));
	if (!e) {
		close_now(fd, cut);
		return;
	}
	e->worker = w;
	e->fd = fd;
	e->cut = cut;
	e->since_ms = w->now_ms;
	e->gap_ms = ASK_FIRST_MS;
	timer_init(&e->timer, on_timer);
	timer_set(&w->wheel, &e->timer, e->gap_ms);
	list_add_tail(&w->ends, &e->node);
	w->end_count++;
	worker_fds(w, 1);
	if (!cut)
		(void)shutdown(fd, SHUT_WR);
}

void fd_linger_drop(struct worker *w)
{
	while (!list_empty(&w->ends))
		end_free(list_first(&w->ends, struct fd_end, node));
}
