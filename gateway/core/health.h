/* health.h - What probes know of an outbound; written by gateway/observe alone */
#ifndef GATEWAY_CORE_HEALTH_H
#define GATEWAY_CORE_HEALTH_H

#include <stdatomic.h>

enum health_state { HEALTH_UNKNOWN, HEALTH_ALIVE, HEALTH_DEAD };

/**
 * struct health - Read by all workers; each member by itself is true
 * @state:	enum health_state of the last probe
 * @delay_ms:	Of the last one that was answered
 * @average_ms, @deviation_ms:	Of the samples kept
 * @count, @fails:	Of these
 * @rounds:	Probes ever done
 */
struct health {
	atomic_uint state, delay_ms, average_ms, deviation_ms, count, fails,
		rounds;
};

#endif
