/*
 * errand.c - What workers ask the main thread to do: it may wait for files
 *
 *   worker: errand_give -> eventfd -> main: run -> a message back
 */
#include "gateway/app/errand.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "gateway/core/worker.h"

/** struct errand - One of them */
struct errand {
	struct errand *next;
	void (*run)(const struct config *cfg);
	struct worker *worker;
	struct message *back;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct errand *first, **last = &first; /* under the lock */
static int wakefd = -1;

int errands_start(void)
{
	wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return wakefd < 0 ? -errno : wakefd;
}

int errand_give(void (*run)(const struct config *cfg), struct worker *w,
		struct message *back)
{
	struct errand *e = malloc(sizeof(*e));
	uint64_t one = 1;

	if (!e)
		return -ENOMEM;
	*e = (struct errand){ .run = run, .worker = w, .back = back };
	pthread_mutex_lock(&lock);
	*last = e;
	last = &e->next;
	pthread_mutex_unlock(&lock);
	/* it fails when the counter is full, and then it wakes anyway */
	(void)!write(wakefd, &one, sizeof(one));
	return 0;
}

void errands_run(const struct config *cfg)
{
	struct errand *e, *next;
	uint64_t count;

	if (read(wakefd, &count, sizeof(count)) < 0)
		count = 0; /* nothing new; what there is goes all the same */
	pthread_mutex_lock(&lock);
	e = first;
	first = NULL;
	last = &first;
	pthread_mutex_unlock(&lock);
	for (; e; e = next) {
		next = e->next;
		if (cfg)
			e->run(cfg);
		worker_post(e->worker, e->back);
		free(e);
	}
}
