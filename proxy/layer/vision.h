/* vision.h - A layer that speaks Vision over a connection with TLS of its own */
#ifndef PROXY_LAYER_VISION_H
#define PROXY_LAYER_VISION_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/core/stream.h"
#include "gateway/core/worker.h"
#include "proxy/wire/vision.h"

/*
 * @id: the user's. @server: says nothing before it has something to say. Owns
 * @below on success. NULL: out of memory
 */
struct stream *vision_new(struct worker *w, struct stream *below,
			  const uint8_t id[16], uint32_t session, bool server);
/* Other lengths of padding, before anything is written */
void vision_pad(struct stream *s, const struct vision_seed *seed);
/* @n bytes that were read from below already come first. 0 or -ENOMEM */
int vision_unread(struct stream *s, const uint8_t *p, size_t n);

#endif
