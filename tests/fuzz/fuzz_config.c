/*
 * fuzz_config.c - A whole configuration: merged, built into a generation,
 * freed. Refused or taken, and then its pieces are sound; nothing leaks.
 * A form feed in the input ends a file: what follows is merged as another.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/app/app.h"
#include "gateway/core/route.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const struct config *cfg)
{
	MUST(cfg->outbound_count > 0 && cfg->router);
	for (unsigned int i = 0; i < cfg->outbound_count; i++) {
		const struct outbound *ob = cfg->outbounds[i];

		MUST(ob->ops && ob->tag && ob->transport && !ob->node);
		MUST(!ob->tag[0] || config_outbound(cfg, ob->tag) == ob);
	}
	for (unsigned int i = 0; i < cfg->inbound_count; i++) {
		const struct inbound *ib = cfg->inbounds[i];

		MUST(ib->ops && ib->tag && ib->policy && !ib->node);
		MUST(!ib->ops->same || ib->ops->same(ib, ib));
	}
}

/* Each part is a file; the second of two is a "tail" file */
static void load(struct diag *d, const uint8_t *data, size_t n)
{
	const uint8_t *end = data + n;
	bool tail = false;

	while (data <= end) {
		const uint8_t *cut = memchr(data, '\f', (size_t)(end - data));
		size_t len = (size_t)((cut ? cut : end) - data);
		char *copy = malloc(len + 1); /* so that over-reads are seen */

		MUST(copy);
		memcpy(copy, data, len);
		jdoc_parse(d, tail ? "tail" : "one", copy, len);
		free(copy);
		tail = !tail;
		data += len + 1;
	}
}

static void print(const struct diag *d, bool json)
{
	char *s = NULL;
	size_t n;
	FILE *f = open_memstream(&s, &n);

	MUST(f);
	diag_print(d, f, json);
	fclose(f);
	free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct config *cfg = NULL;
	struct merged m;
	struct diag d;
	char *text;

	if (memmem(data, n, "env:", 4) || memmem(data, n, "geo", 3) ||
	    memmem(data, n, "ext:", 4))
		return 0; /* files of this host are not the input */
	diag_init(&d);
	load(&d, data, n);
	if (d.docs) {
		MUST(merge_docs(&d, d.docs, &m) == 0);
		if (!d.errors)
			cfg = config_build(&d, &m, NULL, NULL);
		MUST(cfg || d.errors);
		text = merge_print(&m);
		free(text);
		merge_free(&m);
	}
	print(&d, false);
	print(&d, true);
	diag_free(&d);
	if (cfg)
		check(cfg);
	config_unref(cfg);
	return 0;
}
