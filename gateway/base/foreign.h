/*
 * foreign.h - Is this a configuration of another program, or none at all?
 *
 * For messages only: whoever gives the wrong file is told what it is, and what to do
 * with it. Nothing is read by it.
 */
#ifndef GATEWAY_BASE_FOREIGN_H
#define GATEWAY_BASE_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>

struct cJSON;

/**
 * struct foreign - What it is
 * @what:	"a configuration of sing-box"
 * @help:	What to do; NULL: @convert
 * @convert:	The same in another form: to be made JSON
 * @servers:	`culvert import` reads it
 */
struct foreign {
	const char *what, *help;
	bool convert, servers;
};

/* Of a text that is no JSON; NULL: nothing that is known */
const struct foreign *foreign_text(const char *text, size_t n);
/* Of JSON; NULL: Xray's, or nothing that is known */
const struct foreign *foreign_tree(const struct cJSON *root);

#endif
