/* samples.h - The last results of probing one outbound */
#ifndef GATEWAY_OBSERVE_SAMPLES_H
#define GATEWAY_OBSERVE_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/core/health.h"

#define SAMPLES_MAX 64
#define SAMPLE_FAIL UINT32_MAX /* no answer */

/**
 * struct samples - A ring
 * @max:	How many are kept, 1 to SAMPLES_MAX
 * @ms:		Delays, or SAMPLE_FAIL; @at_ms: when
 */
struct samples {
	uint32_t max, count, next;
	uint32_t ms[SAMPLES_MAX], at_ms[SAMPLES_MAX];
};

/* One more, at @now_ms */
void samples_put(struct samples *s, uint32_t ms, uint32_t now_ms);
/*
 * What those not older than @age_ms say, to @out; 0: all count. A single answer
 * deviates by half of itself, so that it does not beat those better known.
 * Source: Xray app/observatory/burst/healthping_result.go (facts)
 */
void samples_tell(const struct samples *s, uint32_t now_ms, uint32_t age_ms,
		  struct health *out);
/*
 * What the newest one, which there must be, makes of an outbound that was @was. With
 * @slips one failure behind an answer makes nobody dead who was alive: of a burst some
 * may fail, and balancers say how many
 */
enum health_state samples_state(const struct samples *s, bool slips,
				enum health_state was);

#endif
