/*
 * fuzz_jdoc.c - JSON with comments: scan and cJSON agree, places are inside,
 * getters take anything, and diagnostics are printable in both forms
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/jdoc.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Ask everything of one object */
static void get_all(struct diag *d, const cJSON *node)
{
	static const struct jword words[] = { { "tcp", 1 }, { "udp", 2 } };
	struct port_range r[4];
	struct jlist l;
	struct addr a;
	struct jobj o;
	int32_t lo, hi;

	if (!j_open(&o, d, node))
		return;
	j_bool(&o, "a", false);
	j_int(&o, "a", 1, INT64_MIN, INT64_MAX);
	j_num(&o, "a", 1, 0, 1);
	j_need_str(&o, "a");
	j_word(&o, "a", words, 2, 0);
	j_array(&o, "a");
	for (j_list(&o, "a", &l); j_list_next(&o, &l);)
		MUST(l.text && l.node);
	j_ports(&o, "a", r, 4);
	j_range(&o, "a", &lo, &hi);
	if (j_addr(&o, "a", &a))
		MUST(a.kind != ADDR_NAME || a.name[a.len] == '\0');
	j_close(&o);
}

static void check_places(struct diag *d, const struct jdoc *doc)
{
	const struct jplace *p;
	const struct jdoc *where;
	char path[JDOC_PATH_MAX];

	for (size_t i = 0; i < doc->place_count; i++) {
		p = &doc->places[i];
		MUST(p->off < doc->len && p->node);
		MUST(p->key_off == JDOC_NO_PLACE || p->key_off < p->off);
		MUST(!cJSON_IsObject(p->node) || doc->text[p->off] == '{');
		MUST(!cJSON_IsArray(p->node) || doc->text[p->off] == '[');
		MUST(!cJSON_IsString(p->node) || doc->text[p->off] == '"');
		MUST(jdoc_find(d, p->node, &where) == p && where == doc);
		jdoc_path(doc, p, "x", path);
		MUST(path[0] && strlen(path) < sizeof(path));
	}
}

static char *print(const struct diag *d, bool json)
{
	char *s = NULL;
	size_t n;
	FILE *f = open_memstream(&s, &n);

	MUST(f);
	diag_print(d, f, json);
	fclose(f);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *s = malloc(n ? n : 1);
	struct jdoc *doc;
	struct diag d;
	cJSON *json;

	MUST(s);
	if (n)
		memcpy(s, data, n);
	diag_init(&d);
	doc = jdoc_parse(&d, "fuzz", s, n);
	free(s);
	MUST(doc || d.errors);
	if (doc) {
		check_places(&d, doc);
		get_all(&d, doc->root);
		for (const cJSON *c = doc->root->child; c; c = c->next)
			get_all(&d, c);
	}
	s = print(&d, false);
	/* without a place: scan and cJSON disagree, or no memory; or it is the file
	   of another program, as a whole */
	MUST(strncmp(s, "fuzz: error:", 12) != 0 ||
	     strncmp(s, "fuzz: error: this is ", 21) == 0);
	free(s);
	s = print(&d, true);
	json = cJSON_Parse(s);
	MUST(json);
	cJSON_Delete(json);
	free(s);
	diag_free(&d);
	return 0;
}
