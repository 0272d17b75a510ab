/* cache.c - Answers of servers, bounded (contract: cache.h) */
#include "gateway/dns/cache.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/hash.h"
#include "gateway/base/rand.h"
#include "gateway/dns/conf.h"
#include "proxy/wire/dns_msg.h"

#define FIRST_BUCKETS 64

/**
 * struct dns_entry - One answer
 * @end_s:	Expires then (monotonic)
 * @ips:	@count addresses of 4 or 16 bytes, then the name and a NUL
 */
struct dns_entry {
	struct list lru;
	struct dns_entry *chain;
	uint64_t end_s;
	uint32_t hash;
	uint8_t server, family, rcode, count;
	uint8_t ips[];
};

void dns_cache_init(struct dns_cache *c, uint32_t max)
{
	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	list_init(&c->lru);
	c->max = max;
}

static size_t ip_len(const struct dns_entry *e)
{
	return e->family == DNS_V4 ? 4 : 16;
}

static const char *entry_name(const struct dns_entry *e)
{
	return (const char *)e->ips + e->count * ip_len(e);
}

static uint32_t key_hash(const struct dns_key *k)
{
	uint64_t salt = (uint64_t)k->server << 8 | k->family;

	return (uint32_t)hash_bytes(rand_key() ^ hash_mix(salt), k->name,
				    strlen(k->name));
}

static struct dns_entry **entry_at(struct dns_cache *c, const struct dns_key *k,
				   uint32_t hash)
{
	struct dns_entry **at = &c->buckets[hash & c->mask];

	for (; *at; at = &(*at)->chain)
		if ((*at)->hash == hash && (*at)->server == k->server &&
		    (*at)->family == k->family &&
		    !strcmp(entry_name(*at), k->name))
			break;
	return at;
}

static void entry_free(struct dns_cache *c, struct dns_entry **at)
{
	struct dns_entry *e = *at;

	*at = e->chain;
	list_del(&e->lru);
	free(e);
	c->count--;
}

static void oldest_free(struct dns_cache *c)
{
	struct dns_entry *e = list_last(&c->lru, struct dns_entry, lru);
	struct dns_entry **at = &c->buckets[e->hash & c->mask];

	while (*at != e)
		at = &(*at)->chain;
	entry_free(c, at);
}

void dns_cache_flush(struct dns_cache *c)
{
	pthread_mutex_lock(&c->lock);
	while (c->count)
		oldest_free(c);
	pthread_mutex_unlock(&c->lock);
}

void dns_cache_fini(struct dns_cache *c)
{
	dns_cache_flush(c);
	free(c->buckets);
	pthread_mutex_destroy(&c->lock);
}

/* More buckets when there are more entries than those; best effort */
static void buckets_grow(struct dns_cache *c)
{
	uint32_t n = c->buckets ? (c->mask + 1) * 2 : FIRST_BUCKETS, i;
	struct dns_entry **nb, *e;

	if (c->buckets && c->count <= c->mask)
		return;
	nb = calloc(n, sizeof(struct dns_entry *));
	if (!nb)
		return;
	for (i = 0; c->buckets && i <= c->mask; i++)
		while ((e = c->buckets[i])) {
			c->buckets[i] = e->chain;
			e->chain = nb[e->hash & (n - 1)];
			nb[e->hash & (n - 1)] = e;
		}
	free(c->buckets);
	c->buckets = nb;
	c->mask = n - 1;
}

static void entry_read(const struct dns_entry *e, uint32_t ttl,
		       struct dns_outcome *out)
{
	size_t len = ip_len(e);
	unsigned int i;

	*out = (struct dns_outcome){
		.rcode = e->rcode,
		.count = e->count,
		.ttl = ttl,
	};
	for (i = 0; i < e->count; i++) {
		out->ips[i].kind = e->family == DNS_V4 ? ADDR_V4 : ADDR_V6;
		memcpy(out->ips[i].ip, e->ips + i * len, len);
	}
}

enum cache_found dns_cache_get(struct dns_cache *c, const struct dns_key *k,
			       uint64_t now_s, bool stale, uint32_t stale_s,
			       struct dns_outcome *out)
{
	enum cache_found found = CACHE_MISS;
	struct dns_entry **at, *e;

	pthread_mutex_lock(&c->lock);
	at = c->buckets ? entry_at(c, k, key_hash(k)) : NULL;
	e = at ? *at : NULL;
	if (!e) {
		c->misses++;
	} else if (now_s < e->end_s) {
		found = CACHE_HIT;
		entry_read(e, (uint32_t)(e->end_s - now_s), out);
		c->hits++;
	} else if (stale && e->count &&
		   (!stale_s || now_s - e->end_s < stale_s)) {
		found = CACHE_STALE;
		entry_read(e, 1, out);
		c->stale_hits++;
	} else {
		c->misses++;
		if (!stale || !e->count || stale_s)
			entry_free(c, at);
		e = NULL;
	}
	if (e) {
		list_del(&e->lru);
		list_add(&c->lru, &e->lru);
	}
	pthread_mutex_unlock(&c->lock);
	return found;
}

/* How long an answer may be kept, seconds; 0: not at all */
static uint32_t keep_s(const struct dns_outcome *o)
{
	uint32_t ttl = o->ttl;

	if (o->count)
		return ttl < DNS_CACHE_TTL_MAX ? ttl : DNS_CACHE_TTL_MAX;
	if (o->rcode != DNS_NOERROR && o->rcode != DNS_NXDOMAIN)
		return DNS_CACHE_FAIL;
	if (!ttl)
		return DNS_CACHE_NEG_DEF;
	return ttl < DNS_CACHE_NEG_MAX ? ttl : DNS_CACHE_NEG_MAX;
}

static struct dns_entry *entry_make(const struct dns_key *k,
				    const struct dns_outcome *o)
{
	size_t len = k->family == DNS_V4 ? 4 : 16, name = strlen(k->name) + 1;
	struct dns_entry *e = malloc(sizeof(*e) + o->count * len + name);
	unsigned int i;

	if (!e)
		return NULL;
	e->server = k->server;
	e->family = k->family;
	e->rcode = o->rcode;
	e->count = o->count;
	for (i = 0; i < o->count; i++)
		memcpy(e->ips + i * len, o->ips[i].ip, len);
	memcpy(e->ips + i * len, k->name, name);
	return e;
}

void dns_cache_put(struct dns_cache *c, const struct dns_key *k, uint64_t now_s,
		   const struct dns_outcome *o)
{
	uint32_t keep = keep_s(o);
	struct dns_entry **at, *e;

	if (o->rc || o->fake || !keep || !c->max)
		return;
	e = entry_make(k, o);
	if (!e)
		return;
	e->hash = key_hash(k);
	e->end_s = now_s + keep;
	pthread_mutex_lock(&c->lock);
	buckets_grow(c);
	if (!c->buckets) {
		pthread_mutex_unlock(&c->lock);
		free(e);
		return;
	}
	at = entry_at(c, k, e->hash);
	if (*at)
		entry_free(c, at);
	if (c->count >= c->max)
		oldest_free(c);
	e->chain = c->buckets[e->hash & c->mask];
	c->buckets[e->hash & c->mask] = e;
	list_add(&c->lru, &e->lru);
	c->count++;
	pthread_mutex_unlock(&c->lock);
}
