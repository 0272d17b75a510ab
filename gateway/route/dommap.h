/* dommap.h - The domain matcher inside this room; see gateway/core/match.h */
#ifndef GATEWAY_ROUTE_DOMMAP_H
#define GATEWAY_ROUTE_DOMMAP_H

#include "gateway/core/match.h"
#include "gateway/route/geodata.h"
#include "gateway/route/keyword.h"
#include "gateway/route/regexp.h"
#include "gateway/route/suffix.h"

#define DOM_IDS (1u << 24) /* ids are below; larger ones mean a regexp */

/* A regexp pattern and the id it stands for */
struct dom_regexp {
	struct regexp *re;
	uint32_t id;
};

/* dotless: names without a dot that contain @text ("" is all of them) */
struct dom_dotless {
	char *text;
	uint32_t id;
};

/**
 * struct dommap - Domain patterns of all kinds
 * @lists:	Ids behind the values of @names and @words
 * @names:	full:, domain:
 * @words:	keyword:, and literals of regexps as id DOM_IDS + index
 * @regexps:	All regexps
 * @plain:	Indices of regexps without a literal: tried on every name
 */
struct dommap {
	struct idlists lists;
	struct suffixes names;
	struct keywords words;
	struct dom_regexp *regexps;
	uint32_t *plain;
	struct dom_dotless *dotless;
	uint32_t regexp_count, plain_count, dotless_count;
	size_t count;
	bool sealed;
};

/* Add @text as what a dat file says. 0, -EINVAL, -ENOMEM */
int dommap_add_type(struct dommap *m, enum geo_type type, const char *text,
		    size_t len, uint32_t id, char err[128]);
/* Names without a dot that contain @text; empty: all of them */
int dommap_add_dotless(struct dommap *m, const char *text, size_t len,
		       uint32_t id, char err[128]);
/* Set the bit of each matching id below @nbits */
void dommap_mark(const struct dommap *m, const char *name, size_t len,
		 uint64_t *bits, size_t nbits);

#endif
