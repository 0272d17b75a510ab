/* conf_text.h - A configuration from text, as `-c FILE` makes one, for tests */
#ifndef TESTS_UNIT_CONF_TEXT_H
#define TESTS_UNIT_CONF_TEXT_H

#include <string.h>

#include "gateway/app/app.h"
#include "tests/unit/diag_text.h"

/* One reference, or NULL with complaints in @d (initialised by the caller) */
__attribute__((noinline)) static struct config *
conf_text(struct diag *d, const char *text, const struct config *old)
{
	struct config *cfg = NULL;
	struct merged m;

	if (!jdoc_parse(d, "c.json", text, strlen(text)))
		return NULL;
	if (d->errors || merge_docs(d, d->docs, &m) < 0)
		return NULL;
	if (!d->errors)
		cfg = config_build(d, &m, old, NULL);
	merge_free(&m);
	return cfg;
}

#endif
