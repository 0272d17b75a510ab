/*
 * listen_early.c - A header before everything else (contract: listen_early.h)
 *
 *   accepted -> look at what came (MSG_PEEK) -> whole: read just the header,
 *   then the connection goes on as if it had been accepted now
 *
 * Nothing behind the header is read, so the rest is spliced as ever.
 */
#include "gateway/core/listen_early.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/core/config.h"

/**
 * struct early - One connection that waits
 * @watch:	Its descriptor is owned
 * @node:	In the listener's, the oldest first
 */
struct early {
	struct job job; /* must be first */
	struct watch watch;
	struct timer timer;
	struct list node;
	struct acceptor *a;
	struct ends ends;
	bool late;
};

/* Its memory goes; the descriptor is the caller's again */
static int early_free(struct early *e)
{
	int fd = e->watch.fd;

	job_forget(&e->job);
	timer_cancel(&e->timer);
	watch_del(e->job.worker, &e->watch);
	list_del(&e->node);
	e->a->owner->early_count--;
	free(e);
	return fd;
}

static void early_refuse(struct early *e, const char *why)
{
	struct tcp_listener *tl = e->a->owner;
	char text[ADDR_TEXT_MAX];

	worker_drop(e->job.worker, DROP_EARLY);
	log_info("inbound [%s]: %s: PROXY header: %s", tl->l.ib->tag,
		 addr_format(&e->ends.source, text, sizeof(text)), why);
	listen_shed(early_free(e));
}

/* Header of @n bytes: take it off the socket and go on */
static void early_done(struct early *e, size_t n, const struct addr told[2])
{
	struct acceptor *a = e->a;
	struct ends ends = e->ends;

	if (recv(e->watch.fd, e->job.worker->scratch, n, 0) != (ssize_t)n) {
		early_refuse(e, "cut");
		return;
	}
	if (told[0].kind != ADDR_NONE) {
		ends.source = told[0];
		ends.local = told[1];
	}
	a->owner->ready(a, early_free(e), &ends);
}

static void early_run(struct job *j)
{
	struct early *e = container_of(j, struct early, job);
	struct worker *w = j->worker;
	struct addr told[2];
	ssize_t n = recv(e->watch.fd, w->scratch, WORKER_SCRATCH_BYTES,
			 MSG_PEEK | MSG_DONTWAIT);

	if (n > 0) {
		ssize_t head =
			e->a->owner->l.ib->head(w->scratch, (size_t)n, told);

		if (head > 0) {
			early_done(e, (size_t)head, told);
			return;
		}
		if (head < 0) {
			early_refuse(e, "not one");
			return;
		}
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		early_refuse(e, n ? strerror(errno) : "ended before it");
	} else if (e->late) {
		early_refuse(e, "none in time");
	} else {
		/* what is there stays: only what is new is an event */
		watch_used_up(&e->watch, ST_READ);
		watch_want(&e->watch, ST_READ);
	}
}

static void early_due(struct timer *t)
{
	struct early *e = container_of(t, struct early, timer);

	e->late = true;
	job_ready(&e->job);
}

void early_begin(struct acceptor *a, int fd, const struct ends *ends)
{
	struct tcp_listener *tl = a->owner;
	struct worker *w = a->job.worker;
	struct early *e = calloc(1, sizeof(*e));

	if (!e || watch_add_read(w, &e->watch, fd, &e->job) < 0) {
		worker_drop(w, DROP_NO_MEMORY);
		listen_shed(fd);
		free(e);
		return;
	}
	e->job = (struct job){ .run = early_run, .worker = w };
	e->a = a;
	e->ends = *ends;
	timer_init(&e->timer, early_due);
	timer_set(&w->wheel, &e->timer, tl->l.ib->policy->handshake_ms);
	if (!tl->early.next)
		list_init(&tl->early);
	list_add_tail(&tl->early, &e->node);
	if (++tl->early_count > EARLY_MAX)
		early_refuse(list_first(&tl->early, struct early, node),
			     "too many wait for theirs");
	job_ready(&e->job);
}

void early_stop(struct tcp_listener *tl)
{
	while (tl->early_count)
		listen_shed(
			early_free(list_first(&tl->early, struct early, node)));
}
