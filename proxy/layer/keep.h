/*
 * keep.h - A buffer that a layer has only while it holds bytes: for what below did
 * not take, or what was read too early
 */
#ifndef PROXY_LAYER_KEEP_H
#define PROXY_LAYER_KEEP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "gateway/base/buf.h"
#include "gateway/core/stream.h"

/* All of *@b (NULL: nothing) to @below, then it is freed. 0, -EAGAIN, -errno */
int keep_flush(struct buf **b, struct stream *below);
/* @n bytes to @below; what it does not take is kept in *@b, NULL before. 0 or -errno */
int keep_put(struct buf **b, struct stream *below, const uint8_t *p, size_t n);
/* A copy of @n bytes (0: none) in *@b, NULL before. 0 or -ENOMEM */
int keep_copy(struct buf **b, const uint8_t *p, size_t n);
/* @n bytes more behind what *@b (NULL: nothing) has. 0 or -ENOMEM, then as it was */
int keep_append(struct buf **b, const uint8_t *p, size_t n);
/* From *@b, not NULL, to the caller; freed when empty. Bytes */
size_t keep_take(struct buf **b, const struct iovec *iov, int cnt);

#endif
