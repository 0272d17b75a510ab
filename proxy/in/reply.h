/* reply.h - Transparent sockets to answer from remote addresses, a bounded cache */
#ifndef PROXY_IN_REPLY_H
#define PROXY_IN_REPLY_H

#include "gateway/base/addr.h"
#include "gateway/base/htab.h"
#include "gateway/base/list.h"
#include "gateway/core/sock.h"

#define REPLY_MAX     256 /* sockets a listener and worker */
#define REPLY_IDLE_MS 30000

/**
 * struct replies - The cache
 * @by_source:	struct reply by address and port
 * @lru:	Least recently used first
 */
struct replies {
	struct htab by_source;
	struct list lru;
	uint32_t count, max;
};

/* 0 or -ENOMEM */
int replies_init(struct replies *r);
/* Close all */
void replies_fini(struct replies *r);
/*
 * A socket bound to @source, an IP and a port of somebody else, for one use
 * now. @so: mark and interface. Descriptor (the cache's), -EADDRINUSE (an
 * address of this host: its programs' own; remembered), or -errno
 */
int replies_get(struct replies *r, const struct addr *source,
		const struct sockopt *so, uint32_t now_ms);
/* Close what was not used for REPLY_IDLE_MS; true: some are left */
bool replies_sweep(struct replies *r, uint32_t now_ms);

#endif
