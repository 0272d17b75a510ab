/*
 * diag.c - Configuration diagnostics
 *
 *   config.json:12:15: error: outbounds[2].settings.port: must be 1 to ...
 *           "port": 0,
 *                   ^
 *   help: ...
 *
 * Columns count characters from 1, a tab is one. Of a long line the part
 * around the place is shown. Values of secret keys are shown as stars.
 */
#include "gateway/base/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/jdoc.h"
#include "gateway/base/text.h"

#define SHOW_BEFORE 60 /* characters of the source line before the place */
#define SHOW_ALL    100 /* and in all */

/**
 * struct diag_item - One complaint
 * @doc:	Where it is; NULL: only @file is known, or nothing
 * @off:	First byte of the place; JDOC_NO_PLACE: none
 * @seq:	Order of adding, for equal places
 * @file, @path, @help:	Owned; may be NULL
 */
struct diag_item {
	struct diag_item *next;
	enum diag_kind kind;
	const struct jdoc *doc;
	uint32_t off;
	unsigned int seq;
	char *file, *path, *text, *help;
};

/**
 * struct spot - A place as people count
 * @line, @col:	From 1
 * @from, @end:	The line in the text, without its newline
 */
struct spot {
	unsigned int line, col;
	size_t from, end;
};

static const char *const secret_keys[] = {
	"id",        "uuid",        "password",     "pass",       "privateKey",
	"secretKey", "psk",         "preSharedKey", "auth",       "seed",
	"secret",    "mldsa65Seed", "key",          "decryption",
};

/* --- collecting ---------------------------------------------------------- */

void diag_init(struct diag *d)
{
	*d = (struct diag){ 0 };
	d->tail = &d->items;
}

static void item_free(struct diag_item *it)
{
	free(it->file);
	free(it->path);
	free(it->text);
	free(it->help);
	free(it);
}

void diag_free(struct diag *d)
{
	struct diag_item *it;
	struct jdoc *doc;

	while (d->items) {
		it = d->items;
		d->items = it->next;
		item_free(it);
	}
	while (d->docs) {
		doc = d->docs;
		d->docs = doc->next;
		j_delete(doc->root);
		free(doc->places);
		free(doc->name);
		/* It holds the keys of all servers */
		explicit_bzero(doc->text, doc->len);
		free(doc->text);
		free(doc);
	}
	diag_init(d);
}

/* Count, and keep unless there are enough; NULL: not kept */
static struct diag_item *add(struct diag *d, enum diag_kind kind)
{
	unsigned int max =
		kind == DIAG_ERROR ? DIAG_KEPT_ERRORS : DIAG_MAX_WARNINGS;
	unsigned int *count = kind == DIAG_ERROR ? &d->errors : &d->warnings;

	d->last = (*count)++ < max ? calloc(1, sizeof(*d->last)) : NULL;
	if (!d->last)
		return NULL;
	d->last->kind = kind;
	d->last->off = JDOC_NO_PLACE;
	d->last->seq = d->errors + d->warnings;
	*d->tail = d->last;
	d->tail = &d->last->next;
	return d->last;
}

static char *format(const char *fmt, va_list ap) PRINTF(1, 0);

/* malloc'ed; NULL when out of memory, which prints as an empty text */
static char *format(const char *fmt, va_list ap)
{
	char *s;

	return vasprintf(&s, fmt, ap) < 0 ? NULL : s;
}

void diag_at(struct diag *d, enum diag_kind kind, const struct jdoc *doc,
	     uint32_t off, const char *file, const char *fmt, ...)
{
	struct diag_item *it = add(d, kind);
	va_list ap;

	if (!it)
		return;
	it->doc = doc;
	it->off = off;
	it->file = file ? strdup(file) : NULL;
	va_start(ap, fmt);
	it->text = format(fmt, ap);
	va_end(ap);
}

/* A member that is missing in an object which is missing itself */
static void locate_around(const struct diag *d, struct diag_item *it,
			  const char *key)
{
	const struct jplace *p = jdoc_find(d, d->around, &it->doc);
	char path[JDOC_PATH_MAX];
	size_t n;

	if (!p)
		return;
	it->off = p->off;
	jdoc_path(it->doc, p, d->around_key, path);
	n = strlen(path);
	if (key)
		snprintf(path + n, sizeof(path) - n, ".%s", key);
	it->path = strdup(path);
}

/* Where and on which path; @at_key: the place is the key of @node */
static void locate(const struct diag *d, struct diag_item *it,
		   const cJSON *node, const char *key, bool at_key)
{
	const cJSON *member = key ? jdoc_member(node, key) : NULL;
	const struct jplace *p = jdoc_find(d, member ? member : node, &it->doc);
	char path[JDOC_PATH_MAX] = "";

	if (member)
		key = NULL;
	if (p) {
		it->off = at_key && p->key_off != JDOC_NO_PLACE ? p->key_off :
								  p->off;
		jdoc_path(it->doc, p, key, path);
	} else {
		it->doc = NULL;
		snprintf(path, sizeof(path), "%s",
			 key    ? key :
			 member ? member->string :
				  "");
	}
	it->path = *path ? strdup(path) : NULL;
}

static void complain(struct diag *d, enum diag_kind kind, const cJSON *node,
		     const char *key, const char *fmt, va_list ap) PRINTF(5, 0);

static void complain(struct diag *d, enum diag_kind kind, const cJSON *node,
		     const char *key, const char *fmt, va_list ap)
{
	struct diag_item *it = add(d, kind);

	if (!it)
		return;
	if (!node && d->around)
		locate_around(d, it, key);
	else
		locate(d, it, node, key, false);
	it->text = format(fmt, ap);
}

void diag_error(struct diag *d, const cJSON *node, const char *key,
		const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(d, DIAG_ERROR, node, key, fmt, ap);
	va_end(ap);
}

void diag_warning(struct diag *d, const cJSON *node, const char *key,
		  const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(d, DIAG_WARNING, node, key, fmt, ap);
	va_end(ap);
}

void diag_key_warning(struct diag *d, const cJSON *node, const char *fmt, ...)
{
	struct diag_item *it = add(d, DIAG_WARNING);
	va_list ap;

	if (!it)
		return;
	locate(d, it, node, NULL, true);
	va_start(ap, fmt);
	it->text = format(fmt, ap);
	va_end(ap);
}

void diag_key_error(struct diag *d, const cJSON *node, const char *fmt, ...)
{
	struct diag_item *it = add(d, DIAG_ERROR);
	va_list ap;

	if (!it)
		return;
	locate(d, it, node, NULL, true);
	va_start(ap, fmt);
	it->text = format(fmt, ap);
	va_end(ap);
}

void diag_help(struct diag *d, const char *fmt, ...)
{
	va_list ap;

	if (!d->last || d->last->help)
		return;
	va_start(ap, fmt);
	d->last->help = format(fmt, ap);
	va_end(ap);
}

bool diag_nth_error(const struct diag *d, unsigned int i, const char **path,
		    const char **text)
{
	const struct diag_item *it = d->items;

	while (it && (it->kind != DIAG_ERROR || i--))
		it = it->next;
	if (!it)
		return false;
	*path = it->path ? it->path : "";
	*text = it->text ? it->text : "";
	return true;
}

/* --- places -------------------------------------------------------------- */

/* Bytes of the character at @s; a byte that is none counts as one */
static size_t char_len(const char *s, size_t n)
{
	size_t len = text_char(s, n);

	return len ? len : 1;
}

static struct spot spot_of(const struct jdoc *doc, uint32_t off)
{
	struct spot sp = { .line = 1, .col = 1 };

	for (size_t i = 0; i < off && i < doc->len; i++) {
		if (doc->text[i] != '\n')
			continue;
		sp.line++;
		sp.from = i + 1;
	}
	for (size_t i = sp.from; i < off && i < doc->len; sp.col++)
		i += char_len(doc->text + i, doc->len - i);
	for (sp.end = sp.from; sp.end < doc->len; sp.end++)
		if (doc->text[sp.end] == '\n' || doc->text[sp.end] == '\r')
			break;
	return sp;
}

/* --- the source line ----------------------------------------------------- */

static bool is_secret(const char *key, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(secret_keys); i++)
		if (n == strlen(secret_keys[i]) &&
		    !strncasecmp(key, secret_keys[i], n))
			return true;
	return false;
}

/* The byte after the string that begins at @i (its quote) */
static size_t string_end(const char *s, size_t n, size_t i)
{
	for (i++; i < n && s[i] != '"'; i++)
		if (s[i] == '\\' && i + 1 < n)
			i++;
	return i < n ? i + 1 : n;
}

static size_t skip_blanks(const char *s, size_t n, size_t i)
{
	while (i < n && (s[i] == ' ' || s[i] == '\t'))
		i++;
	return i;
}

/* Star the strings behind secret keys in a copy of one line */
static void hide_secrets(char *s, size_t n)
{
	size_t i = 0, key, end;

	while (i < n) {
		if (s[i] != '"') {
			i++;
			continue;
		}
		key = i;
		end = string_end(s, n, i);
		i = skip_blanks(s, n, end);
		if (i == n || s[i] != ':' || end - key < 2 ||
		    !is_secret(s + key + 1, end - key - 2))
			continue;
		i = skip_blanks(s, n, i + 1);
		if (i == n || s[i] != '"')
			continue;
		end = string_end(s, n, i);
		for (i++; i + 1 < end; i++)
			s[i] = '*';
		i = end;
	}
}

/* Print characters [@skip, @skip + SHOW_ALL) of the line, tabs as blanks */
static void print_part(FILE *f, const char *s, size_t n, unsigned int skip)
{
	unsigned int at = 0;
	size_t len;

	for (size_t i = 0; i < n && at < skip + SHOW_ALL; i += len, at++) {
		len = char_len(s + i, n - i);
		if (at < skip)
			continue;
		if (s[i] == '\t')
			fputc(' ', f);
		else if (text_char(s + i, n - i))
			fwrite(s + i, 1, len, f);
		else
			fputc('?', f);
	}
}

static void print_source(FILE *f, const struct jdoc *doc, const struct spot *sp)
{
	size_t n = sp->end - sp->from;
	unsigned int skip = 0;
	char *line = malloc(n + 1);

	if (!line)
		return;
	memcpy(line, doc->text + sp->from, n);
	hide_secrets(line, n);
	if (sp->col > SHOW_BEFORE + 1 && n > SHOW_ALL)
		skip = sp->col - 1 - SHOW_BEFORE;
	fputs("    ", f);
	print_part(f, line, n, skip);
	fprintf(f, "\n    %*s^\n", (int)(sp->col - 1 - skip), "");
	free(line);
}

/* --- printing ------------------------------------------------------------ */

static unsigned int doc_rank(const struct diag *d, const struct jdoc *doc)
{
	const struct jdoc *p = d->docs;
	unsigned int rank = 0;

	for (; p && p != doc; p = p->next)
		rank++;
	return rank;
}

/* File order, then place, then order of adding; what has no place comes last */
static bool before(const struct diag *d, const struct diag_item *a,
		   const struct diag_item *b)
{
	unsigned int x = doc_rank(d, a->doc), y = doc_rank(d, b->doc);

	if (x != y)
		return x < y;
	return a->off != b->off ? a->off < b->off : a->seq < b->seq;
}

/* Text of strangers: control characters become '?' */
static void print_clean(FILE *f, const char *s)
{
	size_t n = strlen(s), len;

	for (size_t i = 0; i < n; i += len ? len : 1) {
		len = text_char(s + i, n - i);
		if (len)
			fwrite(s + i, 1, len, f);
		else
			fputc('?', f);
	}
}

static void print_text(const struct diag_item *it, FILE *f)
{
	const char *file = it->doc ? it->doc->name : it->file;
	bool placed = it->doc && it->off != JDOC_NO_PLACE;
	struct spot sp = { 0 };

	if (file) {
		print_clean(f, file);
		fputs(":", f);
	}
	if (placed) {
		sp = spot_of(it->doc, it->off);
		fprintf(f, "%u:%u:", sp.line, sp.col);
	}
	fprintf(f, "%s%s: ", file ? " " : "",
		it->kind == DIAG_ERROR ? "error" : "warning");
	if (it->path) {
		print_clean(f, it->path);
		fputs(": ", f);
	}
	print_clean(f, it->text ? it->text : "");
	fputc('\n', f);
	if (placed)
		print_source(f, it->doc, &sp);
	if (it->help) {
		fputs("help: ", f);
		print_clean(f, it->help);
		fputc('\n', f);
	}
}

/* A JSON string; what is no UTF-8 becomes U+FFFD */
static void print_string(FILE *f, const char *s)
{
	size_t n = strlen(s), len;

	fputc('"', f);
	for (size_t i = 0; i < n; i += len ? len : 1) {
		len = text_char(s + i, n - i);
		if (s[i] == '"' || s[i] == '\\')
			fprintf(f, "\\%c", s[i]);
		else if (len)
			fwrite(s + i, 1, len, f);
		else if ((unsigned char)s[i] < 0x80)
			fprintf(f, "\\u%04x", (unsigned char)s[i]);
		else
			fputs("\\ufffd", f);
	}
	fputc('"', f);
}

static void print_member(FILE *f, const char *key, const char *value)
{
	if (!value)
		return;
	fprintf(f, ",\"%s\":", key);
	print_string(f, value);
}

static void print_json(const struct diag_item *it, FILE *f)
{
	struct spot sp;

	fprintf(f, "{\"severity\":\"%s\"",
		it->kind == DIAG_ERROR ? "error" : "warning");
	print_member(f, "file", it->doc ? it->doc->name : it->file);
	if (it->doc && it->off != JDOC_NO_PLACE) {
		sp = spot_of(it->doc, it->off);
		fprintf(f, ",\"line\":%u,\"column\":%u", sp.line, sp.col);
	}
	print_member(f, "path", it->path);
	print_member(f, "message", it->text ? it->text : "");
	print_member(f, "help", it->help);
	fputc('}', f);
}

static void print_more(FILE *f, bool json, unsigned int n, const char *what,
		       bool first)
{
	if (json)
		fprintf(f, "%s{\"severity\":\"%s\",\"message\":\"%u more\"}",
			first ? "" : ",\n", what, n);
	else
		fprintf(f, "%u more %s%s not shown\n", n, what,
			n == 1 ? "" : "s");
}

static void print_rest(const struct diag *d, FILE *f, bool json, size_t shown)
{
	if (d->errors > DIAG_MAX_ERRORS)
		print_more(f, json, d->errors - DIAG_MAX_ERRORS, "error",
			   !shown);
	if (d->warnings > DIAG_MAX_WARNINGS)
		print_more(f, json, d->warnings - DIAG_MAX_WARNINGS, "warning",
			   !shown);
	if (!json && d->errors + d->warnings)
		fprintf(f, "%u error%s, %u warning%s\n", d->errors,
			d->errors == 1 ? "" : "s", d->warnings,
			d->warnings == 1 ? "" : "s");
}

/*
 * Items to show, in order of place; at most 300 are there, so insertion is good
 * enough
 */
static size_t sorted(const struct diag *d, const struct diag_item **v)
{
	size_t n = 0, shown = 0, i;
	unsigned int errors = 0;

	for (const struct diag_item *it = d->items; it; it = it->next) {
		for (i = n++; i > 0 && before(d, it, v[i - 1]); i--)
			v[i] = v[i - 1];
		v[i] = it;
	}
	for (i = 0; i < n; i++)
		if (v[i]->kind != DIAG_ERROR || errors++ < DIAG_MAX_ERRORS)
			v[shown++] = v[i];
	return shown;
}

void diag_print(const struct diag *d, FILE *f, bool json)
{
	const struct diag_item *v[DIAG_KEPT_ERRORS + DIAG_MAX_WARNINGS];
	size_t n = sorted(d, v);

	if (json)
		fputc('[', f);
	for (size_t i = 0; i < n; i++) {
		if (json) {
			fputs(i ? ",\n" : "", f);
			print_json(v[i], f);
		} else {
			print_text(v[i], f);
		}
	}
	print_rest(d, f, json, n);
	if (json)
		fputs("]\n", f);
}
