/*
 * whose.c - Which program a session comes from (contract: gateway/core/whose.h)
 *
 *	source is ours? -> the socket with these two ends -> its number and user
 *	  -> known from a moment ago: the answer
 *	  -> else /proc is walked, one walk a worker, some descriptors a turn
 *
 * Two netlink questions are 10 us and are answered in the call. A walk looks first
 * into those processes that were found last: mostly it is one of them.
 */
#include "gateway/core/whose.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/core/session.h"
#include "gateway/core/udp.h"
#include "gateway/core/worker.h"
#include "gateway/route/holders.h"
#include "gateway/route/sockdiag.h"

#define SEEN_SLOTS  64
#define SEEN_MS     60000 /* a socket's number is not given out again so soon */
#define SEEN_FIRST  8 /* processes that a walk begins with */
#define WALK_BUDGET 100 /* a turn: 0.1 to 0.3 ms */

/* A socket and its program; @path NULL: empty */
struct seen {
	uint32_t inode, when_ms;
	int pid;
	char *path;
};

/**
 * struct whose_room - Of a worker: worker->rooms[ROOM_WHOSE]
 * @asked:	struct whose under way
 * @walk:	Under way while its proc is >= 0
 * @seen, @next:	A ring, @next is overwritten next
 */
struct whose_room {
	struct job job;
	struct list asked;
	struct holders walk;
	struct seen seen[SEEN_SLOTS];
	unsigned int next;
};

static void room_free(void *room)
{
	struct whose_room *r = room;

	job_forget(&r->job);
	holders_close(&r->walk);
	for (unsigned int i = 0; i < SEEN_SLOTS; i++)
		free(r->seen[i].path);
	free(r);
}

/* --- what was found a moment ago ------------------------------------------ */

static void remember(struct whose_room *r, const struct whose *q)
{
	struct seen *e = &r->seen[r->next];
	char *path = strdup(q->path);

	if (!path)
		return;
	free(e->path);
	*e = (struct seen){ .inode = q->inode,
			    .when_ms = r->job.worker->now_ms,
			    .pid = q->pid,
			    .path = path };
	r->next = (r->next + 1) % SEEN_SLOTS;
}

static bool recall(const struct whose_room *r, struct whose *q)
{
	uint32_t now = r->job.worker->now_ms;

	for (unsigned int i = 0; i < SEEN_SLOTS; i++) {
		const struct seen *e = &r->seen[i];

		if (!e->path || e->inode != q->inode ||
		    now - e->when_ms > SEEN_MS)
			continue;
		q->path = strdup(e->path);
		q->pid = e->pid;
		return q->path != NULL;
	}
	return false;
}

static bool among(const int *pids, unsigned int n, int pid)
{
	while (n)
		if (pids[--n] == pid)
			return true;
	return false;
}

/* The newest of @r->seen last: the walk takes from the end */
static void begin_with_seen(struct whose_room *r)
{
	int pids[SEEN_FIRST];
	unsigned int n = 0;

	for (unsigned int i = 1; i <= SEEN_SLOTS && n < SEEN_FIRST; i++) {
		const struct seen *e =
			&r->seen[(r->next + SEEN_SLOTS - i) % SEEN_SLOTS];

		if (e->path && !among(pids, n, e->pid))
			pids[n++] = e->pid;
	}
	while (n)
		holders_first(&r->walk, pids[--n]);
}

/* --- the walk -------------------------------------------------------------- */

static void answer(struct whose *q, int rc)
{
	q->rc = rc;
	list_del(&q->node);
	job_ready(q->job);
}

/*
 * Who opened a socket may have become somebody else since, whose folder in /proc is
 * root's then
 */
static bool walk_look(void *ctx, uint32_t uid)
{
	struct whose_room *r = ctx;
	struct list *p;

	for (p = r->asked.next; p != &r->asked; p = p->next)
		if (uid == 0 || container_of(p, struct whose, node)->uid == uid)
			return true;
	return false;
}

static bool walk_wanted(struct whose_room *r)
{
	struct list *p;

	for (p = r->asked.next; p != &r->asked; p = p->next)
		if (container_of(p, struct whose, node)->wanted)
			return true;
	return false;
}

static void walk_holds(void *ctx, int pid, uint32_t inode)
{
	struct whose_room *r = ctx;
	struct list *p, *n;

	list_for_each_safe (p, n, &r->asked) {
		struct whose *q = container_of(p, struct whose, node);

		if (q->inode != inode)
			continue;
		q->path = holders_program(&r->walk, pid);
		q->pid = pid;
		if (q->path)
			remember(r, q);
		answer(q, q->path ? 0 : -ENOENT);
		r->walk.enough = !walk_wanted(r);
	}
}

/* For all that are there now; others may be found by the way */
static void walk_begin(struct whose_room *r)
{
	struct list *p;

	holders_open(&r->walk, "/proc");
	begin_with_seen(r);
	list_for_each (p, &r->asked)
		container_of(p, struct whose, node)->wanted = true;
}

static void walk_end(struct whose_room *r)
{
	struct list *p, *n;

	holders_close(&r->walk);
	list_for_each_safe (p, n, &r->asked) {
		struct whose *q = container_of(p, struct whose, node);

		if (q->wanted)
			answer(q, -ENOENT);
	}
}

static void walk_run(struct job *j)
{
	struct whose_room *r = container_of(j, struct whose_room, job);

	if (r->walk.proc < 0)
		walk_begin(r);
	if (r->walk.proc < 0 || !holders_step(&r->walk, WALK_BUDGET) ||
	    !walk_wanted(r)) /* their sessions are gone */
		walk_end(r);
	if (!list_empty(&r->asked))
		job_ready(j);
}

/* --- questions ------------------------------------------------------------- */

static struct whose_room *room_of(struct worker *w)
{
	struct whose_room *r = w->rooms[ROOM_WHOSE];

	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->job = (struct job){ .run = walk_run, .worker = w };
	r->walk.look = walk_look;
	r->walk.holds = walk_holds;
	r->walk.ctx = r;
	r->walk.proc = r->walk.list.fd = r->walk.fds.fd = -1;
	list_init(&r->asked);
	w->rooms[ROOM_WHOSE] = r;
	w->room_free[ROOM_WHOSE] = room_free;
	return r;
}

/* The client's end: of a captured flow, or of one to a listener of ours */
static bool find_socket(const struct session *s, struct whose *q)
{
	const struct addr *at = s->map ? udp_map_relay(s->map) : &s->local;
	struct sockdiag found;

	if (!sockdiag_is_local(&s->source) ||
	    (sockdiag_find(s->net, &s->source, &s->orig, &found) < 0 &&
	     sockdiag_find(s->net, &s->source, at, &found) < 0))
		return false;
	q->inode = found.inode;
	q->uid = found.uid;
	return true;
}

int whose_ask(struct session *s)
{
	struct whose_room *r = room_of(s->job.worker);
	struct whose *q = r ? calloc(1, sizeof(*q)) : NULL;

	s->whose = q;
	if (!q)
		return -ENOENT;
	q->rc = -ENOENT;
	q->job = &s->job;
	if (!find_socket(s, q))
		return q->rc;
	if (recall(r, q)) {
		q->rc = 0;
		return 0;
	}
	q->rc = -EAGAIN;
	list_add_tail(&r->asked, &q->node);
	job_ready(&r->job);
	return q->rc;
}

void whose_free(struct whose *q)
{
	if (!q)
		return;
	if (q->rc == -EAGAIN)
		list_del(&q->node);
	free(q->path);
	free(q);
}
