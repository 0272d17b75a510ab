/* fuzz_url_path.c - A request's path: pieces lie in their memory, and are text */
#include <stdint.h>
#include <string.h>

#include "must.h"
#include "proxy/wire/url_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void look(const struct url_path *p)
{
	size_t left = 0;

	MUST(p->count <= URL_SEGS_MAX);
	for (unsigned int i = 0; i < p->count; i++) {
		MUST(p->seg[i] >= p->text &&
		     p->seg[i] < p->text + sizeof(p->text));
		left += strlen(p->seg[i]) + 1;
	}
	MUST(left <= sizeof(p->text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char value[32];
	struct url_path p;
	int got;

	if (url_path_decode((const char *)data, n, &p))
		return 0;
	look(&p);
	got = url_query_get(p.query, p.query_len, "a", value, sizeof(value));
	MUST(got < (int)sizeof(value));
	MUST(got < 0 || strlen(value) == (size_t)got);
	return 0;
}
