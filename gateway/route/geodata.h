/*
 * geodata.h - geoip.dat and geosite.dat: readers over bytes
 *
 * A file is a list of entries; each has a code ("CN") and domains or prefixes.
 * Source: Xray-core common/geodata/geodat.proto; protobuf encoding guide.
 */
#ifndef GATEWAY_ROUTE_GEODATA_H
#define GATEWAY_ROUTE_GEODATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/addr.h"
#include "gateway/base/rd.h"

#define GEO_ENTRY_MAX (64u << 20) /* bytes of one entry */
#define GEO_CODE_MAX  64 /* bytes of a code or file name */
#define GEO_NEAR      3 /* codes named when one is missing */

/**
 * struct geo_src - Where the bytes of a file come from
 * @read:	As pread(2); -errno on failure
 * @mem:	For sources in memory; @fd for files
 */
struct geo_src {
	ssize_t (*read)(const struct geo_src *src, void *buf, size_t n,
			uint64_t off);
	uint64_t size;
	const uint8_t *mem;
	int fd;
};

/* Codes closest to the one that was not found; "" behind the last */
struct geo_near {
	char code[GEO_NEAR][GEO_CODE_MAX];
	unsigned int distance[GEO_NEAR];
};

/**
 * geo_find() - Find the entry of @code and read it
 * @code:	Compared without case
 * @near:	Filled with similar codes when there is no such entry
 * @buf:	malloc'ed, the caller frees
 *
 * Reads the heads of the entries before it, not their bodies.
 *
 * Return: 0 with *@buf and *@len, -ENOENT, -EPROTO, -ENOMEM, -errno of reading
 */
int geo_find(const struct geo_src *src, const char *code, size_t code_len,
	     struct geo_near *near, uint8_t **buf, size_t *len);
/*
 * Is it such a file, from the first to the last byte: of one entry or more, all of
 * domains or all of prefixes? 0, -EPROTO, -ENOMEM, -errno of reading
 */
int geo_check(const struct geo_src *src);
struct geo_src geo_mem(const uint8_t *p, size_t n);
struct geo_src geo_fd(int fd, uint64_t size);

enum geo_type { GEO_SUBSTRING, GEO_REGEX, GEO_DOMAIN, GEO_FULL };

/* One domain of a geosite entry; borrowed from the entry */
struct geo_domain {
	enum geo_type type;
	const char *value;
	size_t len;
	struct rd message; /* all its fields, for geo_has_attr() */
};

/* Domains one by one: 1 with *@d, 0 at the end, -EPROTO. @entry: rd_init() */
int geo_next_domain(struct rd *entry, struct geo_domain *d);
/* @key compared without case */
bool geo_has_attr(const struct geo_domain *d, const char *key, size_t len);
/* Prefixes one by one: 1, 0, -EPROTO. @reverse is set when the entry says so */
int geo_next_cidr(struct rd *entry, struct cidr *c, bool *reverse);

#endif
