/* observe.h - Probing outbounds; made by app, run by one worker */
#ifndef GATEWAY_OBSERVE_OBSERVE_H
#define GATEWAY_OBSERVE_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/core/outbound.h"

struct config;
struct worker;

/**
 * struct observed - One outbound that is probed
 * @probe:	Dials through it: its @dialer, with the URL's transport
 * @tag:	For messages
 * @health:	Also in the outbound itself
 */
struct observed {
	struct outbound probe;
	const char *tag;
	struct health *health;
};

/**
 * struct observe - observatory or burstObservatory; in the configuration
 * @to:		Host and port of the URL
 * @request:	What is sent: @request_len bytes
 * @interval_ms:	Between two probes of an outbound
 * @spread:	Half of it more or less, by chance (burst)
 * @stagger_ms:	Between the outbounds' second probes; 0: together
 * @samples:	Kept for each; @age_ms: how long they count, 0 for ever
 * @on_demand:	Nothing is probed but by observe_now(), and balancers see nothing
 */
struct observe {
	struct addr to;
	const char *request;
	uint32_t request_len, interval_ms, timeout_ms, stagger_ms, age_ms;
	uint32_t samples;
	bool spread, on_demand;
	unsigned int count;
	struct observed *v;
};

/*
 * What is known of an outbound is known of the one with its tag in the next
 * generation, too, until it is probed there. @old, @next: NULL none
 */
void observe_inherit(const struct observe *old, const struct observe *next);
/* Begin (and go on) with @cfg's, if any; what ran before ends. @w: one only */
void observe_start(struct worker *w, struct config *cfg);
void observe_stop(struct worker *w);
/* Probe @of (of a configuration in force) now; its health tells when it is done */
void observe_now(const struct observed *of);

#endif
