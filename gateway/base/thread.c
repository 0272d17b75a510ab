/* thread.c - Threads with a stack of one size */
#include "gateway/base/thread.h"

int thread_start(pthread_t *out, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t made;
	int err = pthread_attr_init(&attr);

	if (err)
		return -err;
	err = pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
	if (!err)
		err = pthread_create(&made, &attr, run, arg);
	pthread_attr_destroy(&attr);
	if (!err)
		*out = made;
	return -err;
}
