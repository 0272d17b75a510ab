/*
 * fuzz_link.c - Share links and lists of them; what is taken comes back as the
 * same link
 */
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void each(void *arg, unsigned int line, const struct link *l,
		 const char *why)
{
	const char *no = NULL;
	cJSON *ob;
	char *link;

	(void)arg, (void)line;
	if (why) {
		if (!l->name || l->host)
			abort();
		return;
	}
	ob = link_to_outbound(l, l->name, NULL, NULL);
	if (!ob)
		abort();
	link = link_from_outbound(ob, &no);
	if (!link && !no)
		abort();
	if (link) {
		struct arena a = { 0 };
		struct link again;

		/* a method and key of ss may hold what no link can say */
		if (l->kind != LINK_SS &&
		    link_parse(&again, &a, link, strlen(link), &no) < 0 &&
		    strlen(link) < LINK_MAX_BYTES / 4)
			abort();
		arena_free(&a);
	}
	free(link);
	cJSON_Delete(ob);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text = malloc(n + 1);

	if (!text)
		return 0;
	if (n)
		memcpy(text, p, n);
	text[n] = '\0';
	link_parse_all(text, n, each, NULL);
	free(text);
	return 0;
}
