/*
 * fuzz_dommap.c - Patterns and a name from the input, one a line, the name
 * first; what dommap_find() says is compared with a slow matcher
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/core/match.h"

#define PATTERNS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct slow {
	const char *text;
	bool suffix;
};

static bool slow_match(const struct slow *s, const char *name)
{
	size_t n = strlen(name), k = strlen(s->text);

	if (!s->suffix)
		return strstr(name, s->text);
	return n >= k && !strcmp(name + n - k, s->text) &&
	       (n == k || name[n - k - 1] == '.');
}

/* Lower case in place, no final dot; as the matcher cleans its patterns */
static void clean(char *s)
{
	size_t n = strlen(s);

	if (n && s[n - 1] == '.')
		s[n - 1] = '\0';
	for (; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s |= 0x20;
}

/* Only kinds the slow matcher knows are compared; all are run */
static void compare(const struct dommap *m, struct slow *slow, uint32_t count,
		    const char *name, bool all_known)
{
	uint32_t ids[PATTERNS_MAX], i, k = 0;
	size_t n = dommap_find(m, name, strlen(name), ids, PATTERNS_MAX);

	if (dommap_has(m, name, strlen(name)) != (n != 0))
		abort();
	if (!all_known || !name[0] || strlen(name) > 255)
		return;
	for (i = 0; i < count; i++) {
		if (!slow[i].text || !slow_match(&slow[i], name))
			continue;
		if (k == n || ids[k++] != i)
			abort();
	}
	if (k != n)
		abort();
}

static bool takes_files(const char *line)
{
	return !strncmp(line, "geosite:", 8) || !strncmp(line, "ext", 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slow slow[PATTERNS_MAX] = { 0 };
	char *text = calloc(1, n + 1), *rest = text, *name, *line, err[128];
	struct dommap *m = dommap_new();
	bool known = true;
	uint32_t i = 0;

	memcpy(text, p, n);
	name = strsep(&rest, "\n");
	clean(name);
	while (i < PATTERNS_MAX && (line = strsep(&rest, "\n"))) {
		if (takes_files(line))
			continue;
		if (dommap_add(m, line, DOM_PLAIN_SUBSTRING, i, err) < 0)
			continue;
		slow[i].suffix = !strncmp(line, "domain:", 7);
		if (slow[i].suffix || !strncmp(line, "keyword:", 8))
			slow[i].text = strchr(line, ':') + 1;
		else if (!strchr(line, ':'))
			slow[i].text = line;
		known &= slow[i].text != NULL;
		if (slow[i].text)
			clean(line);
		i++;
	}
	if (dommap_seal(m) == 0)
		compare(m, slow, i, name, known);
	dommap_free(m);
	free(text);
	return 0;
}
