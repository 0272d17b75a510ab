/*
 * health.h - Which servers answer
 *
 * A server that failed and said nothing else since the failed query was sent is
 * down until it answers again. A server that is down is not waited for: see
 * pick.h. Written by all workers, without a lock: a mark that comes a moment
 * late costs one wait.
 */
#ifndef GATEWAY_DNS_HEALTH_H
#define GATEWAY_DNS_HEALTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HEALTH_PROBES 4 /* queries under way at a server that is down */

/**
 * struct dns_health - Of one server
 * @heard_ms:	When it last answered; worker clock. Valid once @heard is set
 * @probes:	Queries under way that were sent while it was down
 */
struct dns_health {
	atomic_bool down, heard;
	atomic_uint heard_ms;
	atomic_uint probes;
};

/* It answered, whatever it said. True when it was down until now */
bool health_answer(struct dns_health *h, uint32_t now_ms);
/*
 * A query sent at @asked_ms ended with @err. True when the server is down from
 * now on. Errors of our own (memory, descriptors) say nothing about it
 */
bool health_fail(struct dns_health *h, uint32_t asked_ms, int err);
bool health_down(const struct dns_health *h);
/* May one more query go to a server that is down? Pair with health_probed() */
bool health_probe(struct dns_health *h);
void health_probed(struct dns_health *h);

#endif
