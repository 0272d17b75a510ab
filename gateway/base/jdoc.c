/*
 * jdoc.c - JSON documents that remember where everything stands
 *
 *   text --strip--> clean text of the same length --jscan--> places in order
 *                                  |                             |
 *                                  +------cJSON----> tree -------+--> table
 *
 * The scan and the tree meet their values in the same order, so that places
 * and nodes are put together by walking both. The table is then sorted by
 * node address: a look-up is a binary search.
 */
#include "gateway/base/jdoc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "gateway/base/foreign.h"
#include "gateway/base/jscan.h"
#include "gateway/base/text.h"

/* --- looking up ---------------------------------------------------------- */

static int by_node(const void *a, const void *b)
{
	const struct jplace *x = a, *y = b;

	return ((uintptr_t)x->node > (uintptr_t)y->node) -
	       ((uintptr_t)x->node < (uintptr_t)y->node);
}

static const struct jplace *find_in(const struct jdoc *doc, const cJSON *node)
{
	struct jplace key = { .node = node };

	if (!doc->place_count)
		return NULL;
	return bsearch(&key, doc->places, doc->place_count, sizeof(key),
		       by_node);
}

const struct jplace *jdoc_find(const struct diag *d, const cJSON *node,
			       const struct jdoc **doc)
{
	const struct jplace *p;

	for (*doc = d->docs; *doc && node; *doc = (*doc)->next) {
		p = find_in(*doc, node);
		if (p)
			return p;
	}
	return NULL;
}

const cJSON *jdoc_member(const cJSON *node, const char *key)
{
	const cJSON *found = NULL, *m;

	if (!cJSON_IsObject(node))
		return NULL;
	for (m = node->child; m; m = m->next)
		if (!strcasecmp(m->string, key))
			found = m;
	return found;
}

/* Letters that need no quotes in a path */
static bool plain_key(const char *key)
{
	return *key && strspn(key, "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_-$@") == strlen(key);
}

static void path_key(char *out, size_t *n, const char *key)
{
	const char *form = !plain_key(key) ? "[\"" : *n ? "." : "";
	int len = snprintf(out + *n, JDOC_PATH_MAX - *n, "%s%.200s%s", form,
			   key, plain_key(key) ? "" : "\"]");

	*n += (size_t)len;
	if (*n >= JDOC_PATH_MAX)
		*n = JDOC_PATH_MAX - 1;
}

void jdoc_path(const struct jdoc *doc, const struct jplace *p, const char *key,
	       char out[JDOC_PATH_MAX])
{
	const struct jplace *up[JDOC_MAX_DEPTH + 1];
	size_t n = 0, depth = 0;

	out[0] = '\0';
	for (; p && p->parent && depth < ARRAY_SIZE(up); depth++) {
		up[depth] = p;
		p = find_in(doc, p->parent);
	}
	while (depth-- > 0) {
		if (up[depth]->key_off != JDOC_NO_PLACE)
			path_key(out, &n, up[depth]->node->string);
		else if (n < JDOC_PATH_MAX - 13)
			n += (size_t)snprintf(out + n, JDOC_PATH_MAX - n,
					      "[%u]", up[depth]->index);
	}
	if (key)
		path_key(out, &n, key);
}

/* --- deleting ------------------------------------------------------------- */

/* NOLINTNEXTLINE(misc-no-recursion): no deeper than JDOC_MAX_DEPTH */
static void wipe_tree(cJSON *node)
{
	for (; node; node = node->next) {
		if (node->valuestring)
			explicit_bzero(node->valuestring,
				       strlen(node->valuestring));
		wipe_tree(node->child);
	}
}

void j_delete(cJSON *root)
{
	wipe_tree(root);
	cJSON_Delete(root);
}

/* --- putting places and nodes together ----------------------------------- */

/* Fill the table from the marks, which are in the order of the tree's walk */
static int fill_places(struct jdoc *doc, const struct jscan *sc)
{
	struct jplace *v = calloc(sc->count, sizeof(*v)), *up;

	if (!v)
		return -ENOMEM;
	for (uint32_t i = 0; i < sc->count; i++) {
		const struct jmark *m = &sc->marks[i];

		v[i] = (struct jplace){ .off = m->off,
					.key_off = m->key_off,
					.index = m->index };
		up = i ? &v[m->parent] : NULL;
		if (!up) {
			v[i].node = doc->root;
		} else {
			v[i].node = m->index ? v[up->last].node->next :
					       up->node->child;
			v[i].parent = up->node;
			up->last = i;
		}
		if (!v[i].node) {
			free(v);
			return -EILSEQ; /* our scan and cJSON disagree */
		}
	}
	qsort(v, sc->count, sizeof(*v), by_node);
	doc->places = v;
	doc->place_count = sc->count;
	return 0;
}

/* --- duplicate keys ------------------------------------------------------ */

/* One member while an object's are sorted: same keys side by side */
struct member {
	const cJSON *node;
	uint32_t index;
};

static int by_key(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int c = strcasecmp(x->node->string, y->node->string);

	if (!c)
		c = strcmp(x->node->string, y->node->string);
	return c ? c : (x->index > y->index) - (x->index < y->index);
}

static unsigned int line_at(const struct jdoc *doc, uint32_t off)
{
	unsigned int line = 1;

	for (uint32_t i = 0; i < off; i++)
		line += doc->text[i] == '\n';
	return line;
}

/* @a and @b have the same key, perhaps in another case */
static void complain_twice(struct diag *d, const struct jdoc *doc,
			   const struct member *a, const struct member *b)
{
	bool exact = !strcmp(a->node->string, b->node->string);
	const struct member *first = a->index < b->index ? a : b;
	const struct member *last = first == a ? b : a;
	const struct jplace *p = find_in(doc, first->node);
	unsigned int line = 0;

	/* Counted from the start of the file: not for those nobody sees */
	if (p && (exact ? d->errors < DIAG_MAX_ERRORS :
			  d->warnings < DIAG_MAX_WARNINGS))
		line = line_at(doc, p->key_off);
	if (exact)
		diag_key_error(d, last->node, "this key is already in line %u",
			       line);
	else
		diag_key_warning(d, last->node,
				 "differs from \"%.64s\" in "
				 "line %u in case only: the last one counts",
				 first->node->string, line);
}

static int check_object(struct diag *d, const struct jdoc *doc,
			const cJSON *node)
{
	struct member *v;
	size_t n = 0;
	const cJSON *m;

	for (m = node->child; m; m = m->next)
		n++;
	if (n < 2)
		return 0;
	v = calloc(n, sizeof(*v));
	if (!v)
		return -ENOMEM;
	n = 0;
	for (m = node->child; m; m = m->next, n++)
		v[n] = (struct member){ m, (uint32_t)n };
	qsort(v, n, sizeof(*v), by_key);
	for (size_t i = 1; i < n; i++)
		if (!strcasecmp(v[i - 1].node->string, v[i].node->string))
			complain_twice(d, doc, &v[i - 1], &v[i]);
	free(v);
	return 0;
}

static int check_twice(struct diag *d, const struct jdoc *doc)
{
	int err = 0;

	for (size_t i = 0; i < doc->place_count && !err; i++)
		if (cJSON_IsObject(doc->places[i].node))
			err = check_object(d, doc, doc->places[i].node);
	return err;
}

/* --- parsing ------------------------------------------------------------- */

/* A copy of the text without comments, NUL behind; NULL: complained */
static char *clean_copy(struct diag *d, const struct jdoc *doc, size_t *open)
{
	char *s = malloc(doc->len + 1);

	if (!s) {
		diag_at(d, DIAG_ERROR, doc, JDOC_NO_PLACE, NULL,
			"out of memory");
		return NULL;
	}
	memcpy(s, doc->text, doc->len + 1);
	if (doc->len >= 3 && !memcmp(s, "\xef\xbb\xbf", 3))
		memset(s, ' ', 3);
	*open = jscan_strip(s, doc->len);
	return s;
}

/* Xray ignores what follows the first value; most often it is a brace too much */
static void check_rest(struct diag *d, const struct jdoc *doc, const char *s,
		       size_t pos)
{
	while (pos < doc->len && strchr(" \t\r\n", s[pos]))
		pos++;
	if (pos == doc->len)
		return;
	diag_at(d, DIAG_WARNING, doc, (uint32_t)pos, NULL,
		"text after the end of the configuration is ignored");
	diag_help(d, "is there a closing bracket too much before it?");
}

/* What the file @name is, if that is known */
static bool say_foreign(struct diag *d, const char *name,
			const struct foreign *f)
{
	if (!f)
		return false;
	diag_at(d, DIAG_ERROR, NULL, JDOC_NO_PLACE, name,
		"this is %s; only Xray's JSON is read", f->what);
	if (f->convert)
		diag_help(d, "convert it once: yq -o json %s > config.json",
			  name);
	else
		diag_help(d, "%s", f->help);
	return true;
}

bool jdoc_foreign(struct diag *d, const struct jdoc *doc)
{
	return say_foreign(d, doc->name, foreign_tree(doc->root));
}

/* Grammar, tree and places of the clean text @s */
static int build(struct diag *d, struct jdoc *doc, const char *s, size_t open,
		 struct jscan *sc)
{
	size_t from;
	int err = jscan_run(sc, s, doc->len, JDOC_MAX_DEPTH);

	if (err == -EPROTO && open < doc->len && sc->pos >= open) {
		diag_at(d, DIAG_ERROR, doc, (uint32_t)open, NULL,
			"the comment that begins here has no end");
		diag_help(d, "close it with */");
		return err;
	}
	if (err == -EPROTO &&
	    say_foreign(d, doc->name, foreign_text(doc->text, doc->len)))
		return err;
	if (err == -EPROTO) {
		diag_at(d, DIAG_ERROR, doc, (uint32_t)sc->err_off, NULL, "%s",
			sc->err);
		if (sc->help[0])
			diag_help(d, "%s", sc->help);
	}
	if (err)
		return err;
	from = sc->marks[0].off;
	doc->root = cJSON_ParseWithLengthOpts(s + from, sc->pos - from, NULL,
					      false);
	if (!doc->root)
		return -ENOMEM;
	err = fill_places(doc, sc);
	if (!err)
		err = check_twice(d, doc);
	if (!err)
		check_rest(d, doc, s, sc->pos);
	return err;
}

/* Sizes and bytes that nothing else would look at. false: complained */
static bool check_bytes(struct diag *d, const struct jdoc *doc)
{
	const char *nul = memchr(doc->text, '\0', doc->len);

	if (!nul)
		return true;
	diag_at(d, DIAG_ERROR, doc, (uint32_t)(nul - doc->text), NULL,
		"a zero byte: this is no text file");
	return false;
}

static struct jdoc *doc_new(struct diag *d, const char *name, const char *text,
			    size_t len)
{
	struct jdoc *doc = calloc(1, sizeof(*doc)), **end = &d->docs;

	if (!doc)
		return NULL;
	doc->name = strdup(name);
	doc->text = malloc(len + 1);
	if (!doc->name || !doc->text) {
		free(doc->name);
		free(doc->text);
		free(doc);
		return NULL;
	}
	if (len)
		memcpy(doc->text, text, len);
	doc->text[len] = '\0';
	doc->len = len;
	while (*end)
		end = &(*end)->next;
	*end = doc;
	return doc;
}

struct jdoc *jdoc_parse(struct diag *d, const char *name, const char *text,
			size_t len)
{
	struct jscan sc = { 0 };
	struct jdoc *doc;
	size_t open;
	char *clean;
	int err;

	if (len > JDOC_MAX_BYTES) {
		diag_at(d, DIAG_ERROR, NULL, JDOC_NO_PLACE, name,
			"larger than %u MiB", JDOC_MAX_BYTES >> 20);
		return NULL;
	}
	doc = doc_new(d, name, text, len);
	if (!doc) {
		diag_at(d, DIAG_ERROR, NULL, JDOC_NO_PLACE, name,
			"out of memory");
		return NULL;
	}
	if (!check_bytes(d, doc))
		return NULL;
	clean = clean_copy(d, doc, &open);
	if (!clean)
		return NULL;
	err = build(d, doc, clean, open, &sc);
	if (err && err != -EPROTO)
		diag_at(d, DIAG_ERROR, doc, JDOC_NO_PLACE, NULL,
			"cannot be read: %s", strerror(-err));
	free(sc.marks);
	explicit_bzero(clean, doc->len);
	free(clean);
	return err ? NULL : doc;
}

/* --- loading ------------------------------------------------------------- */

/* Keys stand in it */
static void free_text(char *text, size_t len)
{
	if (text)
		explicit_bzero(text, len);
	free(text);
}

/* @old of @n bytes with room for @cap. NULL: out of memory, and @old stays */
static char *grow(char *old, size_t n, size_t cap)
{
	char *more = malloc(cap);

	if (!more)
		return NULL;
	memcpy(more, old, n);
	free_text(old, n);
	return more;
}

/* All of @fd into *out (malloc'ed). Bytes, -EFBIG, or other -errno */
static ssize_t read_all(int fd, char **out)
{
	size_t n = 0, cap = 64u << 10;
	char *buf = malloc(cap), *more;
	ssize_t got = buf ? 1 : -ENOMEM;

	while (got > 0) {
		if (n == cap) {
			cap *= 2;
			more = grow(buf, n, cap);
			if (!more) {
				got = -ENOMEM;
				break;
			}
			buf = more;
		}
		got = read(fd, buf + n, cap - n);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got < 0)
			got = -errno;
		else
			n += (size_t)got;
		if (n > JDOC_MAX_BYTES)
			got = -EFBIG;
	}
	if (got < 0) {
		free_text(buf, n);
		return got;
	}
	*out = buf;
	return (ssize_t)n;
}

static bool has_suffix(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && !strcasecmp(s + n - m, end);
}

static bool is_other_format(const char *path)
{
	return has_suffix(path, ".yaml") || has_suffix(path, ".yml") ||
	       has_suffix(path, ".toml");
}

/* It has the name of a format that culvert does not read */
static void say_format(struct diag *d, const char *path, const char *text,
		       size_t n)
{
	static const struct foreign any = { .what = "YAML or TOML",
					    .convert = true };
	const struct foreign *f = foreign_text(text, n);

	say_foreign(d, path, f ? f : &any);
}

/* @path cannot be read; somebody may have given what is no file */
static void say_unread(struct diag *d, const char *path, int err)
{
	if (err == EFBIG)
		diag_at(d, DIAG_ERROR, NULL, JDOC_NO_PLACE, path,
			"larger than %u MiB", JDOC_MAX_BYTES >> 20);
	else if (strstr(path, "://"))
		diag_at(d, DIAG_ERROR, NULL, JDOC_NO_PLACE, NULL,
			"a link or an address is no file");
	else
		diag_at(d, DIAG_ERROR, NULL, JDOC_NO_PLACE, path,
			"cannot be read: %s", strerror(err));
	if (strstr(path, "://"))
		diag_help(d, "it goes without -c: culvert up LINK");
	else if (err == EISDIR)
		diag_help(d, "all files of a folder: -confdir %s", path);
}

struct jdoc *jdoc_load(struct diag *d, const char *path)
{
	bool std = !strcmp(path, "-") || !strcmp(path, "stdin:");
	struct jdoc *doc = NULL;
	char *text = NULL;
	ssize_t n;
	int fd;

	fd = std ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	n = fd < 0 ? -errno : read_all(fd, &text);
	if (text && !std && is_other_format(path))
		say_format(d, path, text, (size_t)n);
	else if (text)
		doc = jdoc_parse(d, std ? "stdin" : path, text, (size_t)n);
	else
		say_unread(d, path, (int)-n);
	free_text(text, n > 0 ? (size_t)n : 0);
	if (!std && fd >= 0)
		close(fd);
	return doc;
}
