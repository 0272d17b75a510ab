/* thread.h - Threads with a stack of one size, whatever the C library's is */
#ifndef GATEWAY_BASE_THREAD_H
#define GATEWAY_BASE_THREAD_H

#include <pthread.h>

/* Address space; memory is what is touched. glibc has 8 MiB, musl 128 KiB */
#define THREAD_STACK_BYTES (1u << 20)

/**
 * thread_start() - pthread_create() with THREAD_STACK_BYTES of stack
 * @out:	The thread, to be joined; written on success only
 * @run:	What it runs, with @arg
 *
 * Return: 0 or -errno
 */
int thread_start(pthread_t *out, void *(*run)(void *), void *arg);

#endif
