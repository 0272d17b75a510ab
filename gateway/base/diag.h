/*
 * diag.h - Configuration diagnostics: collected in one pass, printed at the end
 *
 *   FILE:LINE:COL: error: outbounds[2].settings.port: must be 1 to 65535, got 0
 *       the source line
 *           ^
 *   help: ...
 */
#ifndef GATEWAY_BASE_DIAG_H
#define GATEWAY_BASE_DIAG_H

#include <stdbool.h>
#include <stdio.h>

#include "gateway/base/compat.h"

struct cJSON;
struct jdoc;

#define DIAG_MAX_ERRORS   20 /* shown: the first ones of the file */
#define DIAG_KEPT_ERRORS  200 /* of the first that were found */
#define DIAG_MAX_WARNINGS 100

enum diag_kind { DIAG_WARNING, DIAG_ERROR };

/**
 * struct diag - All complaints about one configuration
 * @doc:	Where nodes are looked up for their place; first of a list
 * @errors, @warnings:	How many were added (may exceed what is kept)
 * @last:	The item added last; NULL when it was not kept
 * @around, @around_key:	Where a complaint without a node belongs: in the
 *		absent member @around_key of @around. NULL: nowhere
 */
struct diag {
	struct jdoc *docs;
	unsigned int errors, warnings;
	struct diag_item *items; /* in order of adding, owned */
	struct diag_item **tail, *last;
	const struct cJSON *around;
	const char *around_key;
};

void diag_init(struct diag *d);
void diag_free(struct diag *d);
/*
 * Complain about @node (place and JSON path are looked up; NULL: no place).
 * @key: a missing or wrong member of @node, appended to the path; or NULL.
 */
void diag_error(struct diag *d, const struct cJSON *node, const char *key,
		const char *fmt, ...) PRINTF(4, 5);
void diag_warning(struct diag *d, const struct cJSON *node, const char *key,
		  const char *fmt, ...) PRINTF(4, 5);
/* Append "help: ..." to the complaint added last */
void diag_help(struct diag *d, const char *fmt, ...) PRINTF(2, 3);
/*
 * The error added as number @i, of those that are kept: its path ("" none) and text.
 * false: there is none
 */
bool diag_nth_error(const struct diag *d, unsigned int i, const char **path,
		    const char **text);
/*
 * In order of place, and the summary. Text form as above, or one JSON array
 * when @json. Values of secret keys are starred in the source line.
 */
void diag_print(const struct diag *d, FILE *f, bool json);

#endif
