/* health.h - What probes know of an outbound; written by gateway/observe alone */
#ifndef GATEWAY_CORE_HEALTH_H
#define GATEWAY_CORE_HEALTH_H

#include <stdatomic.h>

enum health_state { HEALTH_UNKNOWN, HEALTH_ALIVE, HEALTH_DEAD };

/**
 * struct health - Read by all workers; each member by itself is true
 * @state:	enum health_state of the last probe
 * @delay_ms:	Of the last one that was answered
 * @average_ms, @deviation_ms, @min_ms, @max_ms:	Of the samples kept
 * @count, @fails:	Of these
 * @rounds:	Probes ever done
 * @tried_s, @seen_s:	Unix time of the last one, and of the last that was answered;
 *		0: none was
 * @error:	Why it is dead: errno; 0
 */
struct health {
	atomic_uint state, delay_ms, average_ms, deviation_ms, min_ms, max_ms,
		count, fails, rounds, tried_s, seen_s, error;
};

#endif
