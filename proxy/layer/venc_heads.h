/* venc_heads.h - TLS records whose heads are masked as those of VLESS encryption were */
#ifndef PROXY_LAYER_VENC_HEADS_H
#define PROXY_LAYER_VENC_HEADS_H

#include "gateway/core/stream.h"
#include "gateway/core/worker.h"
#include "proxy/wire/venc.h"

/* Passes all through, at first. Owns @below on success. NULL: out of memory */
struct stream *venc_heads_new(struct worker *w, struct stream *below);
/* From now on heads in @dir, ST_READ or ST_WRITE, are masked. @mask is moved away */
void venc_heads_start(struct stream *s, unsigned int dir,
		      struct venc_mask_key *mask);
/* @n bytes that were read from below too early, in place. 0 or -errno */
int venc_heads_take(struct stream *s, uint8_t *p, size_t n);

#endif
