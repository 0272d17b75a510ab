/* loop.h - A small worker, and kernel sockets, for tests of what needs them */
#ifndef TESTS_UNIT_LOOP_H
#define TESTS_UNIT_LOOP_H

#include "gateway/core/config.h"
#include "gateway/core/stream.h"
#include "gateway/core/worker.h"

/**
 * struct loop - A worker, a configuration with nothing in it, and one job
 * @runs:	How often the job ran
 */
struct loop {
	struct worker w;
	struct config cfg;
	struct job job;
	unsigned int runs;
};

void loop_init(struct loop *l);
/* Fails the test when descriptors are left over */
void loop_fini(struct loop *l);
/* Turn until @done(@arg) or @ms have passed. Did it become true? */
bool loop_until(struct loop *l, bool (*done)(void *arg), void *arg,
		unsigned int ms);
/* Open descriptors of this process */
int fd_count(void);

/* Listening socket on "127.0.0.1", "::1"; *@port 0 is chosen. Descriptor */
int listen_on(const char *ip, uint16_t *port);
/* The same, but connections to it hang: its queue is full. @fill gets 4 more */
int listen_dead(const char *ip, uint16_t *port, int fill[4]);
/* A port where nobody listens */
uint16_t port_unused(const char *ip);
struct addr addr_of(const char *ip, uint16_t port);

#endif
