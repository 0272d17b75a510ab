/* job.h - What a worker runs when it is ready, at most once a tick */
#ifndef GATEWAY_CORE_JOB_H
#define GATEWAY_CORE_JOB_H

#include <stdbool.h>

struct worker;

/**
 * struct job - Something a worker runs when it is ready, at most once per tick
 * @next, @pprev:	Links in the worker's ready queue (worker's)
 * @run:	Makes progress, then returns; never frees itself, never blocks
 * @worker:	The only thread that may touch this job
 * @tick:	The turn it ran last; a second run waits for the next turn
 * @queued:	Already in the ready queue
 *
 * Embedded in: session, udp map, mux carrier, dns query, listener. Whoever
 * owns a job frees it only when it is not queued: job_forget() first.
 */
struct job {
	struct job *next, **pprev;
	void (*run)(struct job *j);
	struct worker *worker;
	unsigned int tick;
	bool queued;
};

/* Run @j in this tick, or in the next one when it has run already */
void job_ready(struct job *j);
/* Take @j out of the ready queue; its owner is about to free it */
void job_forget(struct job *j);

#endif
