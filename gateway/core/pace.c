/* pace.c - How much one read of a relay takes */
#include "gateway/core/pace.h"

#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/core/worker.h"

#define PACE_RUN      8 /* large moves that earn larger ones */
#define CROWD_BYTES   (1u << 20) /* what all jobs of a turn move, about */
#define UNKNOWN_CACHE (512l << 10)
#define SMALL_MEMORY  (512l << 20) /* a machine with less has none to keep */

void pace_moved(struct pace *p, size_t n, bool whole)
{
	if (!whole)
		p->run = 0;
	else if (n >= PACE_LEAST / 2 && p->run < PACE_RUN)
		p->run++;
}

size_t pace_most(const struct worker *w)
{
	return w->pace_most > PACE_LEAST ? w->pace_most : PACE_LEAST;
}

size_t pace_bytes(const struct worker *w, const struct pace *p)
{
	size_t share;

	if (p->run < PACE_RUN)
		return PACE_LEAST;
	share = CROWD_BYTES / (w->crowd ? w->crowd : 1);
	if (share > pace_most(w))
		share = pace_most(w);
	return share > PACE_LEAST ? share : PACE_LEAST;
}

size_t pace_machine(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	long cache = compat_level2_cache();
	long half = (cache ? cache : UNKNOWN_CACHE) / 2;

	if (sizeof(void *) < 8 || pages < SMALL_MEMORY / page ||
	    half < (long)PACE_LEAST)
		return PACE_LEAST;
	return half < (long)PACE_MOST ? (size_t)half : PACE_MOST;
}
