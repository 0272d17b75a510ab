/*
 * worker.c - The only loop
 *
 *   wait -> clock -> events mark jobs -> timers -> jobs -> flush -> reap
 *
 * A job runs at most once a turn. One that is marked again after it ran waits
 * for the next turn, so that everybody gets a turn before anybody gets two.
 */
#include "gateway/core/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/core/config.h"
#include "gateway/core/fd_dgram.h"
#include "gateway/core/fd_linger.h"
#include "gateway/core/link_way.h"
#include "gateway/core/pace.h"
#include "gateway/core/session.h"
#include "gateway/core/udp.h"

#define WORKER_EVENTS 128
#define SESSIONS_KEPT 64 /* freed sessions kept for the next birth */
#define IDLE_OUTS     4 /* more is a habit */
#define TIDY_MS       3000

#define FDS_SLACK 16 /* such a part is for those who are in */
#define FDS_PIPES 4 /* pipes do not take the last one of so many */

#define EVENTS_BOTH   (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET)
#define TIDY_SESSIONS 600 /* more in TIDY_MS is a load, not quiet */

_Thread_local struct worker *worker_self;
struct worker *workers_all[WORKERS_MAX];
unsigned int workers_count;

void job_ready(struct job *j)
{
	struct worker *w = j->worker;
	struct job ***tail =
		j->tick == w->tick ? &w->later_tail : &w->ready_tail;

	if (j->queued)
		return;
	j->queued = true;
	j->next = NULL;
	j->pprev = *tail;
	**tail = j;
	*tail = &j->next;
}

void job_forget(struct job *j)
{
	struct worker *w = j->worker;

	if (!j->queued)
		return;
	*j->pprev = j->next;
	if (j->next)
		j->next->pprev = j->pprev;
	else if (w->ready_tail == &j->next)
		w->ready_tail = j->pprev;
	else
		w->later_tail = j->pprev;
	j->next = NULL;
	j->pprev = NULL;
	j->queued = false;
}

/* What was put off in the last turn comes first in this one */
static void worker_take_later(struct worker *w)
{
	if (!w->later_head)
		return;
	*w->later_tail = w->ready_head;
	if (w->ready_head)
		w->ready_head->pprev = w->later_tail;
	else
		w->ready_tail = w->later_tail;
	w->ready_head = w->later_head;
	w->ready_head->pprev = &w->ready_head;
	w->later_head = NULL;
	w->later_tail = &w->later_head;
}

static void worker_run_jobs(struct worker *w)
{
	unsigned int ran = 0;

	worker_take_later(w);
	while (w->ready_head) {
		struct job *j = w->ready_head;

		job_forget(j);
		j->tick = w->tick;
		j->run(j);
		ran++;
	}
	w->crowd = ran;
}

static void watch_event(struct watch *wt, uint32_t events)
{
	if (events == EPOLLOUT && wt->ready & ST_WRITE &&
	    ++wt->idle_outs > IDLE_OUTS)
		watch_out(wt, false);
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		wt->ready |= ST_READ;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		wt->ready |= ST_WRITE;
	if (events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		wt->odd = true;
	if (wt->ready & wt->want)
		job_ready(wt->job);
}

static int add_events(struct worker *w, struct watch *wt, int fd,
		      struct job *job, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = wt };

	*wt = (struct watch){ .fd = fd, .epfd = w->epfd, .job = job };
	if (epoll_ctl(w->epfd, EPOLL_CTL_ADD, fd, &ev) == 0) {
		worker_fds(w, 1);
		return 0;
	}
	wt->fd = -1;
	return -errno;
}

int watch_add(struct worker *w, struct watch *wt, int fd, struct job *job)
{
	return add_events(w, wt, fd, job, EVENTS_BOTH | EPOLLOUT);
}

int watch_add_open(struct worker *w, struct watch *wt, int fd, struct job *job)
{
	int err = add_events(w, wt, fd, job, EVENTS_BOTH);

	wt->ready = ST_WRITE;
	wt->no_out = true;
	return err;
}

int watch_add_level(struct worker *w, struct watch *wt, int fd, struct job *job)
{
	return add_events(w, wt, fd, job, EPOLLIN);
}

static int change_events(struct watch *wt, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = wt };

	return epoll_ctl(wt->epfd, EPOLL_CTL_MOD, wt->fd, &ev);
}

void watch_mute(struct watch *wt, bool mute)
{
	(void)change_events(wt, mute ? 0 : EPOLLIN);
}

/* What is there at that moment is told, so nothing is lost in between */
void watch_out(struct watch *wt, bool out)
{
	if (change_events(wt, EVENTS_BOTH | (out ? EPOLLOUT : 0u)) == 0)
		wt->no_out = !out;
	wt->idle_outs = 0;
}

int watch_add_read(struct worker *w, struct watch *wt, int fd, struct job *job)
{
	return add_events(w, wt, fd, job, EPOLLIN | EPOLLET);
}

void watch_del(struct worker *w, struct watch *wt)
{
	if (wt->fd >= 0 && epoll_ctl(w->epfd, EPOLL_CTL_DEL, wt->fd, NULL) == 0)
		worker_fds(w, -1);
	wt->fd = -1;
	wt->want = 0;
}

void watch_want(struct watch *wt, unsigned int events)
{
	wt->want = (uint8_t)events;
	if (wt->ready & wt->want)
		job_ready(wt->job);
}

void watch_broke(struct watch *wt, int err)
{
	if (!wt->broken)
		wt->broken = err;
	wt->ready |= ST_READ;
	wt->odd = true;
}

/* --- descriptors ----------------------------------------------------------- */

static uint32_t fds_of(const struct worker *w)
{
	return __atomic_load_n(&w->fds, __ATOMIC_RELAXED) +
	       __atomic_load_n(&w->opening, __ATOMIC_RELAXED);
}

uint32_t worker_fds_left(const struct worker *w)
{
	uint32_t used = workers_count ? 0 : fds_of(w);

	for (unsigned int i = 0; i < workers_count; i++)
		used += fds_of(workers_all[i]);
	return used < w->fd_limit ? w->fd_limit - used : 0;
}

bool worker_fds_short(const struct worker *w)
{
	return worker_fds_left(w) <= w->fd_limit / FDS_SLACK;
}

bool worker_admits(struct worker *w, bool needs)
{
	if (w->session_count >= w->session_limit) {
		worker_drop(w, DROP_SESSIONS);
		return false;
	}
	if (needs && worker_fds_short(w)) {
		worker_drop(w, DROP_DESCRIPTORS);
		return false;
	}
	return true;
}

bool worker_fds_spare(const struct worker *w)
{
	return worker_fds_left(w) > w->fd_limit / FDS_PIPES;
}

void worker_post(struct worker *w, struct message *m)
{
	uint64_t one = 1;
	bool first;

	m->next = NULL;
	pthread_mutex_lock(&w->message_lock);
	first = !w->messages;
	*w->message_tail = m;
	w->message_tail = &m->next;
	pthread_mutex_unlock(&w->message_lock);
	/* Who found none waiting wakes the worker for all that come until then.
	 * EAGAIN means the counter is full: the worker wakes anyway */
	if (first && write(w->wakefd, &one, sizeof(one)) < 0)
		return;
}

/* All that wait */
static void run_messages(struct worker *w)
{
	struct message *m, *next;

	pthread_mutex_lock(&w->message_lock);
	m = w->messages;
	w->messages = NULL;
	w->message_tail = &w->messages;
	pthread_mutex_unlock(&w->message_lock);
	for (; m; m = next) {
		next = m->next;
		m->fn(w, m);
	}
}

static void worker_read_messages(struct job *j)
{
	struct worker *w = j->worker;
	uint64_t count;

	/* it is 0 from now on, and the next write is an event again */
	(void)!read(w->wakefd, &count, sizeof(count));
	watch_used_up(&w->wake_watch, ST_READ);
	run_messages(w);
	watch_want(&w->wake_watch, ST_READ);
}

static int worker_timeout(const struct worker *w, int max_wait_ms)
{
	int next;

	if (w->ready_head || w->later_head || !list_empty(&w->dying))
		return 0;
	next = wheel_next(&w->wheel, clock_ms());
	if (next < 0 || (max_wait_ms >= 0 && max_wait_ms < next))
		return max_wait_ms;
	return next;
}

static void worker_flush(struct worker *w)
{
	struct list *p, *n;

	list_for_each_safe (p, n, &w->flushers) {
		struct flusher *f = container_of(p, struct flusher, node);

		f->flush(f);
	}
}

void worker_tick(struct worker *w, int max_wait_ms)
{
	struct epoll_event ev[WORKER_EVENTS];
	int n;

	worker_self = w;
	n = epoll_wait(w->epfd, ev, WORKER_EVENTS,
		       worker_timeout(w, max_wait_ms));
	w->now_ms = clock_ms();
	w->tick++;
	for (int i = 0; i < n; i++)
		watch_event(ev[i].data.ptr, ev[i].events);
	wheel_run(&w->wheel, w->now_ms);
	worker_run_jobs(w);
	worker_flush(w);
	ses_reap(w);
	udp_reap(w);
}

void worker_run(struct worker *w)
{
	while (!w->stop)
		worker_tick(w, -1);
}

/* --- memory that a load leaves behind ------------------------------------- */

static uint64_t worker_accepted(const struct worker *w)
{
	return w->accepted[0] + w->accepted[1];
}

/* While many sessions come, what was freed is used again */
static void worker_tidy(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, tidy_timer);
	bool busy = worker_accepted(w) - w->tidy_sessions > TIDY_SESSIONS;

	if (busy) {
		worker_tidy_later(w);
		return;
	}
	pool_trim(&w->session_pool);
	compat_trim();
}

void worker_tidy_later(struct worker *w)
{
	if (timer_armed(&w->tidy_timer))
		return;
	w->tidy_sessions = worker_accepted(w);
	timer_set(&w->wheel, &w->tidy_timer, TIDY_MS);
}

static void worker_init_lists(struct worker *w)
{
	w->ready_tail = &w->ready_head;
	w->later_tail = &w->later_head;
	w->message_tail = &w->messages;
	list_init(&w->sessions);
	list_init(&w->dying);
	list_init(&w->maps);
	list_init(&w->dead_maps);
	list_init(&w->flushers);
	list_init(&w->listeners);
	list_init(&w->ends);
}

int worker_init(struct worker *w, unsigned int index, struct config *cfg)
{
	int err;

	*w = (struct worker){ .index = index, .epfd = -1, .wakefd = -1 };
	w->wake_watch.fd = -1;
	worker_init_lists(w);
	w->now_ms = clock_ms();
	w->born_us = clock_us();
	w->tick = 1; /* a zeroed job has not run in turn 1 */
	w->next_id = index + 1;
	w->session_limit = w->fd_limit = UINT32_MAX;
	wheel_init(&w->wheel, w->now_ms);
	timer_init(&w->tidy_timer, worker_tidy);
	pool_init(&w->session_pool, sizeof(struct session), SESSIONS_KEPT);
	pthread_mutex_init(&w->message_lock, NULL);
	w->wake_job = (struct job){ .run = worker_read_messages, .worker = w };
	w->epfd = epoll_create1(EPOLL_CLOEXEC);
	w->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->pace_most = pace_machine();
	w->scratch = malloc(w->pace_most);
	err = udp_worker_start(w);
	if (!err && !w->scratch)
		err = -ENOMEM;
	if (!err && (w->epfd < 0 || w->wakefd < 0))
		err = -EMFILE;
	if (!err)
		err = watch_add(w, &w->wake_watch, w->wakefd, &w->wake_job);
	if (err < 0) {
		worker_fini(w);
		return err;
	}
	watch_want(&w->wake_watch, ST_READ);
	if (cfg)
		w->cfg = config_ref(cfg);
	return 0;
}

void worker_fini(struct worker *w)
{
	timer_cancel(&w->tidy_timer);
	/* posted after the last turn: there is nothing left for them to meet */
	run_messages(w);
	udp_worker_stop(w);
	for (int i = 0; i < ROOM_SLOTS; i++)
		if (w->rooms[i] && w->room_free[i])
			w->room_free[i](w->rooms[i]);
	fd_dgram_worker_stop(w); /* rooms may have last words */
	fd_linger_drop(w);
	pipe_drop_all(w);
	if (w->wakefd >= 0) {
		watch_del(w, &w->wake_watch);
		close(w->wakefd);
	}
	if (w->epfd >= 0)
		close(w->epfd);
	free(w->scratch);
	pool_trim(&w->session_pool);
	pthread_mutex_destroy(&w->message_lock);
	config_unref(w->cfg);
	w->cfg = NULL;
}
