/* pick.c - What a lookup does next (contract: pick.h). Pure */
#include "gateway/dns/pick.h"

static int first_in(const struct cand *c, unsigned int n, enum cand_state state)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (c[i].state == state)
			return (int)i;
	return -1;
}

/* First place behind the group that starts at @i */
static unsigned int group_end(const struct cand *c, unsigned int n,
			      unsigned int i)
{
	unsigned int end = i;

	while (end < n && c[end].group == c[i].group)
		end++;
	return end;
}

/* A candidate under way that is, or is not, soft */
static bool asked_in(const struct cand *c, unsigned int n, bool soft)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (c[i].state == CAND_ASKED && c[i].soft == soft)
			return true;
	return false;
}

/* All have been looked at, none has the answer */
static struct pick pick_rest(const struct cand *c, unsigned int n, bool told,
			     bool hurry)
{
	int later = told ? -1 : first_in(c, n, CAND_LATER);

	if (later >= 0)
		return (struct pick){ PICK_ASK, (unsigned int)later };
	if (asked_in(c, n, true) && !(told && hurry))
		return (struct pick){ told ? PICK_HOLD : PICK_WAIT, 0 };
	return (struct pick){ PICK_NONE, 0 };
}

struct pick pick(const struct cand *c, unsigned int n, bool parallel, bool told,
		 bool hurry)
{
	unsigned int i, end;
	int at;

	for (i = 0; i < n; i = end) {
		end = group_end(c, n, i);
		at = first_in(c + i, parallel ? n - i : end - i, CAND_IDLE);
		if (at >= 0)
			return (struct pick){ PICK_ASK, i + (unsigned int)at };
		at = first_in(c + i, end - i, CAND_YES);
		if (at >= 0) {
			at += (int)i;
			if (c[at].soft && asked_in(c, i, true) && !hurry)
				return (struct pick){ PICK_HOLD, 0 };
			return (struct pick){ PICK_TAKE, (unsigned int)at };
		}
		if (asked_in(c + i, end - i, false))
			return (struct pick){ PICK_WAIT, 0 };
	}
	return pick_rest(c, n, told, hurry);
}
