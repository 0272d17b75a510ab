/*
 * jget.h - JSON documents with places, and typed getters that complain
 *
 * A document is Xray's JSON: //, block and # comments; no trailing commas;
 * duplicate keys are an error; depth at most 64, size at most 8 MiB. Keys are
 * matched without case, as Xray does.
 *
 * A getter marks its key as known. j_close() then warns about each member
 * nobody asked for and names the nearest known key; j_close_strict() refuses it.
 */
#ifndef GATEWAY_BASE_JGET_H
#define GATEWAY_BASE_JGET_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/diag.h"

#define JDOC_MAX_BYTES (8u << 20)
#define JDOC_MAX_DEPTH 64
#define JOBJ_KEYS      64 /* getters on one object */

/**
 * struct jdoc - One parsed file; all docs of a config stay until diag is done
 * @name:	File name as the user gave it, for messages
 * @text:	The source, comments included (owned)
 * @root:	cJSON tree (owned)
 */
struct jdoc {
	struct jdoc *next;
	char *name;
	char *text;
	size_t len;
	cJSON *root;
	struct jplace *places; /* node -> offset, parent; private */
	size_t place_count;
};

/**
 * jdoc_parse() - Parse @text and add the document to @d
 *
 * A duplicate key is an error, but the document is returned, so that all else
 * is complained about in the same pass: look at @d->errors at the end.
 *
 * Return: the document (owned by @d), or NULL after a diag_error()
 */
struct jdoc *jdoc_parse(struct diag *d, const char *name, const char *text,
			size_t len);
/*
 * Read a whole file ("-" or "stdin:" is stdin), then jdoc_parse(). What is known as
 * another program's is named as that
 */
struct jdoc *jdoc_load(struct diag *d, const char *path);
/* Complains and is true when the JSON of @doc is another program's */
bool jdoc_foreign(struct diag *d, const struct jdoc *doc);

/* Delete a tree; none of its texts stays in memory */
void j_delete(cJSON *root);

/**
 * struct jobj - An object being read
 * @node:	NULL: the object is absent; every getter gives its default
 */
struct jobj {
	const cJSON *node;
	struct diag *d;
	const char *asked[JOBJ_KEYS];
	unsigned int asked_count;
	uint64_t seen[4]; /* bit a member that somebody asked for */
};

/*
 * Start reading @node as an object. NULL and JSON null are an absent object; another
 * type is an error. Returns true when there is an object.
 */
bool j_open(struct jobj *o, struct diag *d, const cJSON *node);
/*
 * Warn about unknown members. Keys starting with '_', '$' and "//", and remark(s),
 * comment(s) are comments
 */
void j_close(struct jobj *o);
/*
 * The same, but an unknown member is an error: for an object of conditions, which
 * would match more without the one that was meant
 */
void j_close_strict(struct jobj *o);

/* The member, or NULL when absent or JSON null */
const cJSON *j_get(struct jobj *o, const char *key);
bool j_bool(struct jobj *o, const char *key, bool def);
/* Numbers only (whole); out of [min, max] is an error and gives @def */
int64_t j_int(struct jobj *o, const char *key, int64_t def, int64_t min,
	      int64_t max);
double j_num(struct jobj *o, const char *key, double def, double min,
	     double max);
/* Borrowed from the document (copy to an arena to keep). @def may be NULL */
const char *j_str(struct jobj *o, const char *key, const char *def);
/* The same of an address: "env:NAME" is what that variable holds, until it changes */
const char *j_str_env(struct jobj *o, const char *key, const char *def);
/* As j_str(), but absent or empty is an error: returns "" then */
const char *j_need_str(struct jobj *o, const char *key);
/* Arrays only; an absent one gives NULL. Other types are an error */
const cJSON *j_array(struct jobj *o, const char *key);

/* One word of a table, matched without case */
struct jword {
	const char *word;
	int value;
};
int j_word(struct jobj *o, const char *key, const struct jword *words,
	   size_t count, int def);
/* The key exists in Xray and not here (yet): an error when it is present */
void j_not_yet(struct jobj *o, const char *key, const char *why);
/* The key is accepted and does nothing; a warning with @why unless NULL */
void j_ignore(struct jobj *o, const char *key, const char *why);
/* The same, of a number whose 0 says what is done anyway: no warning then */
void j_ignore_not0(struct jobj *o, const char *key, const char *why);

/**
 * struct jlist - Walks Xray's StringList: an array of strings, or "a,b"
 */
struct jlist {
	const cJSON *node; /* the element now looked at, for diag */
	const char *text; /* the string, borrowed until the next call */
	const cJSON *array;
	const char *rest;
	char tmp[512];
};
/* Absent gives an empty walk; other types are an error */
void j_list(struct jobj *o, const char *key, struct jlist *l);
bool j_list_next(struct jobj *o, struct jlist *l);

/* Port sets: 80, "80", "80,443,1000-2000", "env:NAME" */
struct port_range {
	uint16_t lo, hi;
};

static inline bool ports_have(const struct port_range *r, size_t n,
			      uint16_t port)
{
	for (size_t i = 0; i < n; i++)
		if (port >= r[i].lo && port <= r[i].hi)
			return true;
	return false;
}

/*
 * Fill up to @max ranges. Returns how many; 0 when absent or wrong (reported)
 */
unsigned int j_ports(struct jobj *o, const char *key, struct port_range *out,
		     unsigned int max);
/* An IP address or a name ("env:NAME" looked up). Name borrowed from the doc */
bool j_addr(struct jobj *o, const char *key, struct addr *out);
/* Xray's Int32Range: 5, "5", "5-10" (swapped when reversed) */
bool j_range(struct jobj *o, const char *key, int32_t *lo, int32_t *hi);
/* The same of an element of a list */
bool j_range_item(struct jobj *o, const cJSON *m, int32_t *lo, int32_t *hi);

#define J_DURATION_MAX_MS (24u * 3600u * 1000u)
/* Go's durations: "10s", "1m30s", "500ms", "1.5h". Milliseconds, or -EINVAL */
int64_t j_duration_ms(const char *text);

#endif
