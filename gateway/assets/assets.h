/*
 * assets.h - Files that renew themselves: rule lists, from the web
 *
 *	main thread: cron says when -> round_start()
 *	round's thread: each asset: a new file beside the old one, what comes is
 *			checked -> the main thread is told
 *	worker 0: the connection of each, through an outbound (get.h)
 *	main thread: loads the configuration with the new files; renames them
 */
#ifndef GATEWAY_ASSETS_ASSETS_H
#define GATEWAY_ASSETS_ASSETS_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/cron.h"
#include "gateway/core/inbound.h"
#include "gateway/core/transport.h"
#include "proxy/wire/https_url.h"

#define ASSETS_MAX 64

struct config;

/**
 * struct asset - One file
 * @file:	As configured, for messages and rules
 * @path:	Where it is, or shall be
 * @sum_url:	Where its digest is told; NULL: it is not. @sum_kind: enum hash_kind
 */
struct asset {
	const char *file, *path;
	const struct https_url *url, *sum_url;
	int sum_kind;
};

/**
 * struct assets - The "geodata" object; in the configuration
 * @scheduled:	@cron holds; else nothing happens by itself
 * @outbound:	Tag; NULL: by rules
 * @inbound:	What the connections' sessions come from
 * @tls:	What is dialed: TLS on @bottom on a session
 * @check:	Is the file of @fd what it should be? 0, or -errno and why
 * @max_bytes:	Of a file; @deadline_ms: of a download
 * @pace_ms, @pace_bytes:	It must get so much, again and again
 */
struct assets {
	struct cron cron;
	bool scheduled;
	const char *outbound;
	struct inbound inbound;
	struct transport bottom, tls;
	struct asset *v;
	unsigned int count;
	int (*check)(int fd, char err[128]);
	uint64_t max_bytes;
	uint32_t deadline_ms, pace_ms, pace_bytes;
};

/* Fills inbound, bottom and tls. 0, or -ENOMEM after diag; then assets_drop() */
int assets_levels(struct assets *a, struct diag *d, struct config *cfg);
void assets_drop(struct assets *a);

#endif
