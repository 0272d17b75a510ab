/* keyword.h - "keyword:" patterns: all of them in one pass over the name */
#ifndef GATEWAY_ROUTE_KEYWORD_H
#define GATEWAY_ROUTE_KEYWORD_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/route/idlist.h"

#define KEYWORD_OUT       (1u << 31)
#define KEYWORD_STEPS_MAX (64u << 10) /* entries of @steps */

/* A keyword before the automaton is made; its text lies in @text */
struct keyword_pat {
	uint32_t off, len, id;
};

/**
 * struct keywords - An Aho-Corasick automaton
 *
 * Large ones take 13 bytes a state; small ones become a table of all steps,
 * which needs one load a byte of the name.
 *
 * @text, @pats:	The keywords; given back by keyword_seal()
 * @first:	First child of a state; children are neighbours, so the last
 *		one is first[state + 1] - 1
 * @fail:	State of the longest other suffix that is a prefix of a keyword
 * @out:	Value of all keywords that end here, or ID_NONE
 * @label:	Byte on the edge into a state
 * @root:	Children of state 0 by byte; 0: none
 * @steps:	All steps of a small automaton, @classes a state; then @first,
 *		@fail and @label are NULL. A step is the place of the next
 *		state's row; KEYWORD_OUT: keywords end there
 * @class:	Column in @steps of a byte; 0: in no keyword
 */
struct keywords {
	char *text;
	size_t text_len, text_cap;
	struct keyword_pat *pats;
	size_t pat_count, pat_cap;
	uint32_t states;
	uint32_t *first, *fail, *out;
	uint8_t *label;
	uint32_t root[256];
	uint32_t *steps;
	uint32_t classes;
	uint8_t class[256];
};

/* @text: 1 to 255 bytes. 0, -ENOMEM */
int keyword_add(struct keywords *k, const char *text, size_t len, uint32_t id);
int keyword_seal(struct keywords *k, struct idlists *ids);
/* One value for each place in @name where keywords end; at most @len */
size_t keyword_find(const struct keywords *k, const char *name, size_t len,
		    uint32_t *vals);
size_t keyword_bytes(const struct keywords *k);
void keyword_free(struct keywords *k);

#endif
