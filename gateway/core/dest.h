/*
 * dest.h - A place that connections go to past routing, as the configuration
 * writes it: 80, "80", "host:80", "/path", "@abstract", "@@padded"
 */
#ifndef GATEWAY_CORE_DEST_H
#define GATEWAY_CORE_DEST_H

#include "gateway/base/arena.h"
#include "gateway/base/jget.h"
#include "gateway/core/transport.h"

/**
 * struct dest - Where to; lives in the configuration
 * @unix_path:	Of a socket; NULL: @to. A port alone is one of 127.0.0.1
 */
struct dest {
	const char *unix_path;
	struct addr to;
};

/* Read @node (number or string). 0, -ENOMEM; -EINVAL: it is none (not told) */
int dest_parse(const cJSON *node, struct dest *out, struct arena *a);
/* A stream there, usable from birth. 0 or -errno */
int dest_dial(const struct dest *to, const struct dial *d, struct stream **out);
int dest_dial_unix(const char *path, const struct dial *d, struct stream **out);

#endif
