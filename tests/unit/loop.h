/*
 * loop.h - A small worker, and kernel sockets, for tests of what needs them
 *
 * Inline: a helper in a .c of its own would pull the worker into every test.
 */
#ifndef TESTS_UNIT_LOOP_H
#define TESTS_UNIT_LOOP_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "gateway/core/stream.h"
#include "gateway/core/worker.h"

/**
 * struct loop - A worker, a configuration with nothing in it, and one job
 * @runs:	How often the job ran
 * @fds_before:	Open descriptors when the test began
 */
struct loop {
	struct worker w;
	struct config cfg;
	struct job job;
	unsigned int runs;
	int fds_before;
};

static inline void loop_job(struct job *j)
{
	struct loop *l = container_of(j, struct loop, job);

	l->runs++;
}

static inline void loop_keep(struct config *c)
{
	(void)c; /* lives in struct loop */
}

/* Open descriptors of this process */
static inline int fd_count(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static inline void loop_init(struct loop *l)
{
	memset(l, 0, sizeof(*l));
	l->fds_before = fd_count();
	atomic_init(&l->cfg.refs, 1);
	l->cfg.free = loop_keep;
	l->cfg.levels[0].policy = POLICY_DEFAULT;
	l->cfg.level_count = 1;
	assert_int_equal(worker_init(&l->w, 0, &l->cfg), 0);
	l->job = (struct job){ .run = loop_job, .worker = &l->w };
	worker_self = &l->w;
}

/* Fails the test when descriptors are left over */
static inline void loop_fini(struct loop *l)
{
	job_forget(&l->job);
	worker_fini(&l->w);
	arena_free(&l->cfg.arena);
	assert_int_equal(fd_count(), l->fds_before);
}

/* Turn until @done(@arg) or @ms have passed. Did it become true? */
static inline bool loop_until(struct loop *l, bool (*done)(void *arg),
			      void *arg, unsigned int ms)
{
	uint32_t end = clock_ms() + ms;

	while (!done(arg)) {
		if (!clock_before(clock_ms(), end))
			return false;
		worker_tick(&l->w, 5);
	}
	return true;
}

static inline struct addr addr_of(const char *ip, uint16_t port)
{
	struct addr a = { .port = port };

	assert_int_equal(addr_parse_ip(&a, ip), 0);
	return a;
}

static inline int bound(const char *ip, uint16_t *port, int backlog)
{
	struct addr a = addr_of(ip, *port);
	struct sockaddr_storage ss;
	int family = a.kind == ADDR_V6 ? AF_INET6 : AF_INET, one = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = addr_to_sockaddr(&a, family, &ss);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	len = sizeof(ss);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	*port = addr_from_sockaddr(&ss).port;
	return fd;
}

/* Listening socket on "127.0.0.1", "::1"; *@port 0 is chosen. Descriptor */
static inline int listen_on(const char *ip, uint16_t *port)
{
	return bound(ip, port, 64);
}

/* The same, but connections to it hang: its queue is full. @fill gets 4 more */
static inline int listen_dead(const char *ip, uint16_t *port, int fill[4])
{
	int fd = bound(ip, port, 0);
	struct addr a = addr_of(ip, *port);
	struct sockaddr_storage ss;
	int family = a.kind == ADDR_V6 ? AF_INET6 : AF_INET;
	socklen_t len = addr_to_sockaddr(&a, family, &ss);

	for (int i = 0; i < 4; i++) {
		fill[i] = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fill[i], (struct sockaddr *)&ss, len);
	}
	return fd;
}

/* A port where nobody listens */
static inline uint16_t port_unused(const char *ip)
{
	uint16_t port = 0;

	close(bound(ip, &port, -1));
	return port;
}

#endif
