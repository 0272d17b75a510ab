/* log_tail.c - A ring of lines (contract: log_tail.h) */
#include "gateway/base/log_tail.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct kept {
	enum log_level level;
	uint16_t n;
	char text[LOG_TAIL_BYTES];
};

/* @count: lines ever kept; the last LOG_TAIL_LINES of them are in @ring */
static struct kept *ring;
static uint32_t count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Lines are kept from the first call on. False: out of memory */
static bool begin(void)
{
	struct kept *r = __atomic_load_n(&ring, __ATOMIC_ACQUIRE);

	if (r)
		return true;
	pthread_mutex_lock(&lock);
	if (!ring) {
		r = calloc(LOG_TAIL_LINES, sizeof(*r));
		__atomic_store_n(&ring, r, __ATOMIC_RELEASE);
	}
	r = ring;
	pthread_mutex_unlock(&lock);
	return r != NULL;
}

void log_tail_keep(enum log_level level, const char *text, size_t n)
{
	struct kept *k;

	if (!__atomic_load_n(&ring, __ATOMIC_ACQUIRE))
		return;
	if (n > LOG_TAIL_BYTES) {
		n = LOG_TAIL_BYTES;
		while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--; /* not within a character */
	}
	pthread_mutex_lock(&lock);
	k = &ring[count++ % LOG_TAIL_LINES];
	k->level = level;
	k->n = (uint16_t)n;
	memcpy(k->text, text, n);
	pthread_mutex_unlock(&lock);
}

void log_tail_read(uint32_t *next,
		   void (*fn)(void *arg, enum log_level level, const char *text,
			      size_t n),
		   void *arg)
{
	if (!begin())
		return;
	pthread_mutex_lock(&lock);
	if (count - *next > LOG_TAIL_LINES)
		*next = count > LOG_TAIL_LINES ? count - LOG_TAIL_LINES : 0;
	for (; *next != count; (*next)++) {
		const struct kept *k = &ring[*next % LOG_TAIL_LINES];

		fn(arg, k->level, k->text, k->n);
	}
	pthread_mutex_unlock(&lock);
}
