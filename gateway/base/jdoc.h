/* jdoc.h - Places of documents, for diag.c only; others use jget.h */
#ifndef GATEWAY_BASE_JDOC_H
#define GATEWAY_BASE_JDOC_H

#include <stdarg.h>

#include "gateway/base/jget.h"

#define JDOC_NO_PLACE UINT32_MAX
#define JDOC_PATH_MAX 512

/**
 * struct jplace - Where one node stands; sorted by @node when a doc is ready
 * @node:	The key of the table
 * @parent:	Array or object around it; NULL: the root
 * @off:	First byte of the value
 * @key_off:	The quote before its key; JDOC_NO_PLACE in arrays
 * @index:	Which child of @parent it is
 * @last:	Index of the last child met while the table is being filled
 */
struct jplace {
	const cJSON *node, *parent;
	uint32_t off, key_off, index, last;
};

/* The place of @node; *doc gets its document. NULL: in no document */
const struct jplace *jdoc_find(const struct diag *d, const cJSON *node,
			       const struct jdoc **doc);
/* "outbounds[2].settings.port"; @key is appended, NULL: none */
void jdoc_path(const struct jdoc *doc, const struct jplace *p, const char *key,
	       char out[JDOC_PATH_MAX]);
/* Add a complaint with a place of its own; @doc NULL: @file names the file */
void diag_at(struct diag *d, enum diag_kind kind, const struct jdoc *doc,
	     uint32_t off, const char *file, const char *fmt, ...) PRINTF(6, 7);
/* Warn about the key of @node itself, not its value */
void diag_key_warning(struct diag *d, const cJSON *node, const char *fmt, ...)
	PRINTF(3, 4);
void diag_key_error(struct diag *d, const cJSON *node, const char *fmt, ...)
	PRINTF(3, 4);
/* The last member @key of object @node, without case; NULL: none */
const cJSON *jdoc_member(const cJSON *node, const char *key);

#endif
