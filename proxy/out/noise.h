/* noise.h - freedom's "noises": junk before the first datagram to somebody */
#ifndef PROXY_OUT_NOISE_H
#define PROXY_OUT_NOISE_H

#include "gateway/base/arena.h"
#include "gateway/base/jget.h"
#include "gateway/core/dgram.h"

struct worker;

#define NOISES_MAX      64
#define NOISE_BYTES_MAX 1400

/**
 * struct noise - One datagram of junk
 * @data:	@len bytes; NULL: random ones, @len to @len_max
 * @delay:	ms before what comes next, @delay to @delay_max
 * @kind:	ADDR_V4, ADDR_V6: only to such; ADDR_NONE: to both
 */
struct noise {
	const uint8_t *data;
	uint32_t len, len_max, delay, delay_max;
	uint8_t kind;
};

struct noises {
	unsigned int count;
	struct noise v[NOISES_MAX];
};

/* o["noises"]. 0 (wrong ones reported) or -ENOMEM */
int noises_parse(struct jobj *o, struct noises *out, struct arena *a);
/* Owns @below, also on failure. @n lives as long. 0 or -ENOMEM */
int noise_dgram(struct worker *w, const struct noises *n, struct dgram *below,
		struct dgram **out);

#endif
