/* regexp.c - Regular expressions that cannot hang a worker: PCRE2 with limits */
#include "gateway/route/regexp.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <errno.h>
#include <pcre2.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"

/* One search at a time and thread: its memory is made once and kept */
struct searcher {
	pcre2_match_data *data;
	pcre2_match_context *limits;
};

struct regexp {
	pcre2_code *code;
	size_t len;
	char text[]; /* for the log */
};

static pthread_key_t searcher_key;
static pthread_once_t searcher_once = PTHREAD_ONCE_INIT;

static void searcher_free(void *p)
{
	struct searcher *s = p;

	pcre2_match_data_free(s->data);
	pcre2_match_context_free(s->limits);
	free(s);
}

static void searcher_start(void)
{
	if (pthread_key_create(&searcher_key, searcher_free))
		abort(); /* before any thread: no keys left at start */
}

static struct searcher *searcher_new(void)
{
	struct searcher *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->data = pcre2_match_data_create(1, NULL);
	s->limits = pcre2_match_context_create(NULL);
	if (!s->data || !s->limits || pthread_setspecific(searcher_key, s)) {
		searcher_free(s);
		return NULL;
	}
	pcre2_set_match_limit(s->limits, REGEXP_STEPS);
	pcre2_set_depth_limit(s->limits, REGEXP_STEPS);
	pcre2_set_heap_limit(s->limits, REGEXP_HEAP_KIB);
	return s;
}

static struct searcher *searcher_mine(void)
{
	struct searcher *s;

	pthread_once(&searcher_once, searcher_start);
	s = pthread_getspecific(searcher_key);
	return s ? s : searcher_new();
}

int regexp_new(const char *text, size_t len, struct regexp **out, char err[128])
{
	struct regexp *r;
	PCRE2_SIZE at = 0;
	char why[80] = "";
	int code = 0;

	if (!len || len > REGEXP_TEXT_MAX) {
		snprintf(err, 128, "a regexp has 1 to %d bytes",
			 REGEXP_TEXT_MAX);
		return -EINVAL;
	}
	r = malloc(sizeof(*r) + len + 1);
	if (!r)
		return -ENOMEM;
	memcpy(r->text, text, len);
	r->text[len] = '\0';
	r->len = len;
	r->code = pcre2_compile((PCRE2_SPTR)r->text, len,
				PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF |
					PCRE2_NEVER_BACKSLASH_C,
				&code, &at, NULL);
	if (r->code) {
		*out = r;
		return 0;
	}
	free(r);
	pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof(why));
	snprintf(err, 128, "bad regexp at byte %zu: %s", (size_t)at, why);
	return -EINVAL;
}

/* As pcre2_match(); what was found is in @me */
static int search(const struct regexp *r, struct searcher *me, const char *s,
		  size_t len)
{
	int rc;

	if (!me)
		return PCRE2_ERROR_NOMATCH;
	rc = pcre2_match(r->code, (PCRE2_SPTR)s, len, 0, 0, me->data,
			 me->limits);
	if (rc < PCRE2_ERROR_NOMATCH)
		log_warning("route: regexp %.100s gave up: too much to try",
			    r->text);
	return rc;
}

bool regexp_has(const struct regexp *r, const char *s, size_t len)
{
	return search(r, searcher_mine(), s, len) >= 0;
}

size_t regexp_find(const struct regexp *r, const char *s, size_t len,
		   size_t *at)
{
	struct searcher *me = searcher_mine();
	const size_t *v;

	if (search(r, me, s, len) < 0)
		return 0;
	v = pcre2_get_ovector_pointer(me->data);
	*at = v[0];
	return v[1] > v[0] ? v[1] - v[0] : 0; /* \K can turn them round */
}

size_t regexp_bytes(const struct regexp *r)
{
	size_t n = 0;

	pcre2_pattern_info(r->code, PCRE2_INFO_SIZE, &n);
	return sizeof(*r) + r->len + 1 + n;
}

void regexp_free(struct regexp *r)
{
	if (!r)
		return;
	pcre2_code_free(r->code);
	free(r);
}

/* The ']' of a "[:alpha:]" whose name starts at p[i] */
static size_t skip_posix(const char *p, size_t i, size_t n)
{
	while (i < n && p[i] != ']')
		i++;
	return i;
}

/* Behind the group or class that opens at p[i]; @n when it does not end */
static size_t skip_nest(const char *p, size_t i, size_t n)
{
	size_t depth = 0;
	bool class = false;

	for (; i < n; i++) {
		if (p[i] == '\\') {
			i++;
		} else if (class) {
			if (p[i] == '[' && i + 1 < n && p[i + 1] == ':')
				i = skip_posix(p, i + 2, n);
			else
				class = p[i] != ']';
		} else if (p[i] == '[') {
			class = true;
			if (i + 1 < n && p[i + 1] == '^')
				i++;
			if (i + 1 < n && p[i + 1] == ']')
				i++;
		} else if (p[i] == '(') {
			depth++;
		} else if (p[i] == ')') {
			depth--;
		}
		if (!class && !depth)
			return i + 1;
	}
	return n;
}

/**
 * next_char() - Read one element of a regexp at its top level
 * @i:		Where; moved behind the element
 *
 * Return: the byte it stands for, 0 something else, -1 cannot tell
 */
static int next_char(const char *p, size_t *i, size_t n)
{
	unsigned char c = (unsigned char)p[(*i)++];

	switch (c) {
	case '\\':
		if (*i == n)
			return -1;
		c = (unsigned char)p[(*i)++];
		if (strchr("bBAzZdDwWsS", c))
			return 0;
		return isalnum(c) ? -1 : c;
	case '(':
		if (*i < n && (p[*i] == '?' || p[*i] == '*') &&
		    !(*i + 1 < n && p[*i + 1] == ':'))
			return -1;
		/* fall through */
	case '[':
		*i = skip_nest(p, *i - 1, n);
		return 0;
	case '|':
	case ')':
	case '{':
		return -1;
	case '.':
	case '^':
	case '$':
	case '*':
	case '+':
	case '?':
		return 0;
	default:
		return c;
	}
}

/* Step over a quantifier. Returns 0 none, 1 at least once, -1 perhaps never */
static int next_quantifier(const char *p, size_t *i, size_t n)
{
	char c = *i < n ? p[*i] : '\0';

	if (c == '{') {
		while (*i < n && p[*i] != '}')
			++*i;
		++*i;
	} else if (c == '*' || c == '?' || c == '+') {
		++*i;
	} else {
		return 0;
	}
	if (*i < n && (p[*i] == '?' || p[*i] == '+'))
		++*i;
	return c == '+' ? 1 : -1;
}

/* Quotes, comments and verbs make parentheses mean something else */
static bool odd_syntax(const char *text, size_t len)
{
	return memmem(text, len, "\\Q", 2) || memmem(text, len, "(?#", 3) ||
	       memmem(text, len, "(*", 2);
}

size_t regexp_literal(const char *text, size_t len, char *out, size_t cap)
{
	size_t i = 0, n = 0, best = 0;
	char run[64];
	int c, q;

	if (odd_syntax(text, len))
		return 0;
	while (i < len) {
		c = next_char(text, &i, len);
		if (c < 0)
			return 0;
		q = next_quantifier(text, &i, len);
		if (c && q >= 0 && n < sizeof(run))
			run[n++] = (char)c;
		if (n > best && n <= cap) {
			memcpy(out, run, n);
			best = n;
		}
		if (!c || q)
			n = 0;
	}
	return best >= REGEXP_LITERAL_MIN ? best : 0;
}
