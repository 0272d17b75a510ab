/*
 * cache.h - Answers of servers, bounded, one locked table a configuration
 *
 * Keyed by server, name and family, so that the order of servers and their
 * filters hold for cached answers too.
 */
#ifndef GATEWAY_DNS_CACHE_H
#define GATEWAY_DNS_CACHE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/list.h"

#define DNS_CACHE_MAX     4096 /* entries; the least recently used goes */
#define DNS_CACHE_TTL_MAX 86400 /* seconds */
#define DNS_CACHE_NEG_MAX 900 /* NXDOMAIN, no data */
#define DNS_CACHE_NEG_DEF 10 /* the same without a SOA record */
#define DNS_CACHE_FAIL    5 /* SERVFAIL, REFUSED ...; at most 10 */

struct dns_outcome;

/** struct dns_cache - @lock guards all of it */
struct dns_cache {
	pthread_mutex_t lock;
	struct list lru; /* most recently used first */
	struct dns_entry **buckets; /* NULL until the first answer */
	uint32_t mask, count, max;
	uint64_t hits, stale_hits, misses;
};

/** struct dns_key - Whose answer to what */
struct dns_key {
	uint8_t server, family;
	const char *name;
};

enum cache_found { CACHE_MISS, CACHE_HIT, CACHE_STALE };

void dns_cache_init(struct dns_cache *c, uint32_t max);
void dns_cache_fini(struct dns_cache *c);
/**
 * dns_cache_get() - Look for an answer
 * @now_s:	Monotonic seconds
 * @stale:	An expired one is welcome (ttl 1), at most @stale_s seconds
 *		after its end (0: however old)
 */
enum cache_found dns_cache_get(struct dns_cache *c, const struct dns_key *k,
			       uint64_t now_s, bool stale, uint32_t stale_s,
			       struct dns_outcome *out);
/* Keep an answer (rc 0 only) for its ttl within the limits above */
void dns_cache_put(struct dns_cache *c, const struct dns_key *k, uint64_t now_s,
		   const struct dns_outcome *o);
void dns_cache_flush(struct dns_cache *c);

#endif
