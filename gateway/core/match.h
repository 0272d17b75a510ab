/*
 * match.h - Domain and address sets; built in gateway/route, used by routing,
 * sniffing exclusions and the DNS module
 */
#ifndef GATEWAY_CORE_MATCH_H
#define GATEWAY_CORE_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/jget.h"

struct dommap; /* domain patterns -> ids */
struct ipset;

/* What a pattern without a prefix means */
enum dom_plain { DOM_PLAIN_SUBSTRING, DOM_PLAIN_FULL };

/**
 * dommap_add() - Add one pattern in Xray's syntax (xray.md, 1 E)
 * @id:		What dommap_find() gives back, below 2^24
 * @err:	A sentence of what is wrong, on failure
 *
 * Return: 0, -EINVAL (see @err), -ENOMEM
 */
struct dommap *dommap_new(void);
int dommap_add(struct dommap *m, const char *pattern, enum dom_plain plain,
	       uint32_t id, char err[128]);
/* No dommap_add() after it. 0 or -ENOMEM */
int dommap_seal(struct dommap *m);
/*
 * Ids of all patterns that match @name (lower case, no trailing dot), each
 * once, ascending; at most @max. Returns how many. Thread-safe after seal
 */
size_t dommap_find(const struct dommap *m, const char *name, size_t len,
		   uint32_t *ids, size_t max);
/* Any pattern matches */
bool dommap_has(const struct dommap *m, const char *name, size_t len);
size_t dommap_count(const struct dommap *m);
size_t dommap_bytes(const struct dommap *m); /* memory, for the bench */
void dommap_free(struct dommap *m); /* NULL is allowed */

/* All patterns of o[key] under @id. Returns how many; errors go to o->d */
unsigned int dommap_parse(struct dommap *m, struct jobj *o, const char *key,
			  enum dom_plain plain, uint32_t id);

/* Add "1.2.3.0/24", "::1", "!10.0.0.0/8", geoip:... 0, -EINVAL + @err, -ENOMEM */
struct ipset *ipset_new(void);
int ipset_add(struct ipset *s, const char *item, char err[128]);
int ipset_seal(struct ipset *s);
bool ipset_has(const struct ipset *s, const struct addr *a);
bool ipset_empty(const struct ipset *s);
/* Its ranges, the sealed set's; an -errno of @fn ends it and is returned */
int ipset_each(const struct ipset *s,
	       int (*fn)(void *arg, const struct addr *lo,
			 const struct addr *hi),
	       void *arg);
void ipset_free(struct ipset *s); /* NULL is allowed */
/* A sealed set of o[key], or NULL when absent or wrong (reported) */
struct ipset *ipset_parse(struct jobj *o, const char *key);

#endif
