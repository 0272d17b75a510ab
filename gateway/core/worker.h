/*
 * worker.h - One thread: its loop, its clock, its watches, its memory
 *
 * worker_tick() is the whole program in order: wait, clock, events, timers,
 * jobs, flush, reap. Nothing else calls epoll_wait.
 */
#ifndef GATEWAY_CORE_WORKER_H
#define GATEWAY_CORE_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/base/pool.h"
#include "gateway/base/timer.h"
#include "gateway/core/job.h"
#include "gateway/core/stats.h"
#include "gateway/core/stream.h"

#define WORKER_SCRATCH_BYTES (128u << 10) /* at least */
#define SERVER_FIRST_SLOTS   256
#define WORKER_BUDGET_BYTES  (256u << 10) /* a direction and turn */
#define WORKER_MUTE_BYTES    (64u << 10) /* a turn, of who is not understood */

struct config;
struct listener;
struct pipe;

/**
 * struct watch - One descriptor in the worker's epoll, edge triggered
 * @fd:		-1 when not watched
 * @ready:	ST_READ | ST_WRITE seen from the kernel and not yet used up:
 *		whoever gets EAGAIN clears its bit with watch_used_up()
 * @want:	Which of them shall mark @job ready
 * @odd:	An end, an error or urgent data is near: less than asked for does not
 *		mean that nothing is left
 * @broken:	-errno that a write gave: what was received is read, then this. 0;
 *		-EPIPE says nothing of the other side's bytes
 * @no_out:	EPOLLOUT is not asked for: nothing was refused yet
 * @idle_outs:	Events since then that told of nothing else and nothing new
 * @epfd:	Of its worker
 * @job:	Marked ready; may be changed at any time
 *
 * Registered once for both directions, so a flow costs two epoll_ctl calls. A socket
 * that can be written to is told with every event of the other direction, and alone
 * when that was read meanwhile: a wakeup for nothing. So EPOLLOUT is asked for while
 * it says something.
 */
struct watch {
	int fd;
	uint8_t ready, want;
	bool odd : 1, no_out : 1;
	uint8_t idle_outs;
	int broken, epfd;
	struct job *job;
};

/**
 * struct flusher - Called once a tick after all jobs have run
 * Netstacks send their acknowledgements here; carriers their frames.
 */
struct flusher {
	struct list node;
	void (*flush)(struct flusher *f);
};

/* A message from another thread: @fn runs in the worker's tick */
struct message {
	struct message *next;
	/* frees @m if needed */
	void (*fn)(struct worker *w, struct message *m);
};

/* Per-worker state of the rooms; each room owns its slot */
enum room_slot {
	ROOM_DNS,
	ROOM_MUX,
	ROOM_AHEAD,
	ROOM_TPROXY,
	ROOM_API, /* these four before those whose streams they hold */
	ROOM_FEED,
	ROOM_ASSETS,
	ROOM_XHTTP,
	ROOM_H2,
	ROOM_H1,
	ROOM_TLS,
	ROOM_UDP,
	ROOM_DGRAM,
	ROOM_NETUDP,
	ROOM_NETTCP,
	ROOM_LAYER,
	ROOM_OBSERVE,
	ROOM_WG, /* behind those whose streams may lead into it */
	ROOM_REALITY,
	ROOM_WHOSE,
	ROOM_KCP,
	ROOM_SLOTS
};

struct worker {
	unsigned int index; /* 0 to WORKERS_MAX - 1 */
	pthread_t thread;
	uint32_t now_ms; /* read once a tick */
	uint64_t born_us;
	struct wheel wheel;
	struct config *cfg; /* generation for new sessions; one reference */
	int epfd;
	int wakefd; /* eventfd: messages wait */
	struct watch wake_watch;
	struct job wake_job;
	struct job *ready_head, **ready_tail; /* jobs for this turn */
	struct job *later_head, **later_tail; /* ran already: for the next */
	unsigned int tick; /* number of this turn */
	struct list sessions, dying; /* struct session */
	struct list maps, dead_maps; /* struct udp_map */
	struct list flushers; /* struct flusher */
	struct list listeners; /* struct listener */
	struct pool session_pool;
	uint32_t session_count, session_limit;
	uint32_t opening; /* TCP sessions that will need a descriptor yet */
	uint32_t fds, fd_limit; /* open ones of sessions; of the process */
	uint32_t next_id; /* session ids; step WORKERS_MAX */
	uint32_t server_first[SERVER_FIRST_SLOTS]; /* learned: see dispatch.c */
	uint8_t *scratch; /* @pace_most bytes, for one call only */
	size_t pace_most; /* WORKER_SCRATCH_BYTES to PACE_MOST */
	unsigned int crowd; /* jobs that ran in the last turn */
	struct list ends; /* struct fd_end */
	unsigned int end_count;
	struct pipe *pipes; /* idle ones */
	unsigned int pipe_count;
	struct timer tidy_timer;
	uint64_t tidy_sessions; /* accepted until it was set */
	pthread_mutex_t message_lock;
	struct message *messages, **message_tail;
	atomic_uint
		handed_udp; /* memory of datagrams on their way from other workers */
	atomic_uint handed_tcp; /* of TCP packets */
	uint64_t drops[DROP_COUNT];
	uint64_t happened[EVENT_COUNT];
	uint64_t accepted[2]; /* sessions born: tcp, udp */
	uint64_t moved[2]; /* payload of all sessions: up, down */
	void *rooms[ROOM_SLOTS];
	/* By worker_fini(), when all sessions and maps are gone; may be NULL */
	void (*room_free[ROOM_SLOTS])(void *room);
	bool nameless; /* the resolver has ended: nothing is asked any more */
	bool stop;
};

/* The worker whose thread this is; NULL in other threads */
extern _Thread_local struct worker *worker_self;

/* 0 or -errno; @w is zeroed first */
int worker_init(struct worker *w, unsigned int index, struct config *cfg);
/* Everything must have been closed. Frees what init made */
void worker_fini(struct worker *w);
/* One turn of the loop; waits at most @max_wait_ms (-1: until something) */
void worker_tick(struct worker *w, int max_wait_ms);
/* worker_tick() until @w->stop */
void worker_run(struct worker *w);
/* Much was freed: once it is quiet, give it back to the system */
void worker_tidy_later(struct worker *w);
/* From any thread: run @m in @w's tick, in order */
void worker_post(struct worker *w, struct message *m);
/* All workers of the process; set once by app before they run */
extern struct worker *workers_all[WORKERS_MAX];
extern unsigned int workers_count;

/* Watch @fd (non-blocking). 0 or -errno; ready bits start empty */
int watch_add(struct worker *w, struct watch *wt, int fd, struct job *job);
/* The same for what can be written to now: ST_WRITE is ready */
int watch_add_open(struct worker *w, struct watch *wt, int fd, struct job *job);
/* The same for what is told again while it is there: a listening socket */
int watch_add_level(struct worker *w, struct watch *wt, int fd,
		    struct job *job);
/* Such a one is not told of (@mute), is told of again */
void watch_mute(struct watch *wt, bool mute);
/* The same for what is never waited for to write: no wakeups for that */
int watch_add_read(struct worker *w, struct watch *wt, int fd, struct job *job);
/* Must come before close(fd) */
void watch_del(struct worker *w, struct watch *wt);
/* As stream want: marks the job at once if a wanted bit is ready */
void watch_want(struct watch *wt, unsigned int events);
/*
 * A write gave @err: nothing more will come, so a read does not block, whatever
 * epoll has told. The kernel tells the reason once: reading shall know it, too
 */
void watch_broke(struct watch *wt, int err);
/* Ask for EPOLLOUT, or no more */
void watch_out(struct watch *wt, bool out);

/* EAGAIN was seen in direction @dir: forget its readiness */
static inline void watch_used_up(struct watch *wt, unsigned int dir)
{
	wt->ready &= (uint8_t)~dir;
	if (wt->no_out && dir & ST_WRITE)
		watch_out(wt, true);
}

static inline void worker_drops(struct worker *w, enum drop why, uint64_t n)
{
	count_add(&w->drops[why], n);
}

static inline void worker_drop(struct worker *w, enum drop why)
{
	worker_drops(w, why, 1);
}

static inline void worker_event(struct worker *w, enum event what)
{
	count_add(&w->happened[what], 1);
}

/* @by sessions more; the report reads it from another thread */
static inline void worker_sessions(struct worker *w, int by)
{
	__atomic_store_n(&w->session_count, w->session_count + (uint32_t)by,
			 __ATOMIC_RELAXED);
}

/* @by descriptors more; other workers read it */
static inline void worker_fds(struct worker *w, int by)
{
	__atomic_store_n(&w->fds, w->fds + (uint32_t)by, __ATOMIC_RELAXED);
}

/* The same of what those need yet that were let in */
static inline void worker_opening(struct worker *w, int by)
{
	__atomic_store_n(&w->opening, w->opening + (uint32_t)by,
			 __ATOMIC_RELAXED);
}

/*
 * Descriptors that may still be opened by any worker, without those that sessions
 * which were let in will need
 */
uint32_t worker_fds_left(const struct worker *w);
/* Too few for somebody new: those who are in may need more */
bool worker_fds_short(const struct worker *w);
/*
 * May somebody new come in, who @needs a descriptor or not? If not it is counted in
 * @w->drops why
 */
bool worker_admits(struct worker *w, bool needs);
/* So many that pipes may have some, which are a means of speed only */
bool worker_fds_spare(const struct worker *w);

#endif
