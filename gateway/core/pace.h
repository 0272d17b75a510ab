/* pace.h - How much one read of a relay takes */
#ifndef GATEWAY_CORE_PACE_H
#define GATEWAY_CORE_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACE_LEAST (128u << 10) /* bytes of one read of any direction */
#define PACE_MOST  (512u << 10) /* of one that has earned it */

struct worker;

/**
 * struct pace - What one direction has shown of itself
 * @run:	Moves in a row that were large, and that the other side took whole
 *
 * Each read of a socket costs an acknowledgement, the other end's work for it and a
 * turn: large ones are up to a quarter cheaper a byte (docs/decisions/035-pace.md).
 * What the other side does not take has to be kept: so only a direction that has not
 * been blocked for a while reads more than PACE_LEAST.
 */
struct pace {
	uint8_t run;
};

/* A move of @n bytes was taken @whole, or not */
void pace_moved(struct pace *p, size_t n, bool whole);
/* Bytes of the next read, PACE_LEAST to w->pace_most; fewer in a crowd of jobs */
size_t pace_bytes(const struct worker *w, const struct pace *p);
/* Bytes no read of @w is larger than; at least PACE_LEAST */
size_t pace_most(const struct worker *w);
/* What suits this machine: half of its level 2 cache, PACE_LEAST if it is small */
size_t pace_machine(void);

#endif
