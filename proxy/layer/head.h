/*
 * head.h - A layer that puts a head before the first bytes written, and takes
 * one off the first bytes read; then it is spent
 */
#ifndef PROXY_LAYER_HEAD_H
#define PROXY_LAYER_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/core/stream.h"

/**
 * struct head_ops - What the other side says first
 * @size:	Bytes of its head as far as known from the first @n; SIZE_MAX:
 *		only @take can tell (what was read beyond is kept)
 * @take:	Bytes consumed, 0 more are needed, -errno. NULL: it says nothing
 * @wait:	No payload before the answer, up() only after it
 * @lazy:	A server: the head goes with the first bytes, never by itself
 * @after:	A server: the head goes as soon as the other side's was taken
 * @fill:	Write the head, once @below is up, and before anything else goes.
 *		Bytes of at most HEAD_FILL_MAX. NULL: it is given to head_new()
 */
struct head_ops {
	const char *name;
	size_t (*size)(const uint8_t *p, size_t n);
	ssize_t (*take)(void *arg, uint32_t id, const uint8_t *p, size_t n);
	size_t (*fill)(void *arg, struct stream *below, uint8_t *out);
	bool wait, lazy, after;
};

#define HEAD_FILL_MAX 128

/*
 * @p, @n: the head, copied. @arg: for take, freed by free() with the layer
 * (also on failure). @id: session, for messages. Owns @below on success. NULL:
 * out of memory
 */
struct stream *head_new(const struct head_ops *ops, struct stream *below,
			const uint8_t *p, size_t n, void *arg, uint32_t id);

#endif
