/*
 * jscan.c - JSON grammar check that remembers where each value stands
 *
 *   value  = object | array | string | number | true | false | null
 *   object = { [ string : value { , string : value } ] }
 *   array  = [ [ value { , value } ] ]
 *
 * No recursion: @here is the innermost open container, its mark knows its
 * parent. Source: RFC 8259.
 */
#include "gateway/base/jscan.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"

#define NUMBER_MAX 60 /* bytes of a number: cJSON's own buffer holds 63 */

/* --- comments ------------------------------------------------------------ */

/* The end of the string whose first byte after the quote is @i */
static size_t skip_string(const char *s, size_t n, size_t i)
{
	for (; i < n && s[i] != '"' && s[i] != '\n'; i++)
		if (s[i] == '\\' && i + 1 < n && s[i + 1] != '\n')
			i++;
	return i < n ? i + 1 : n;
}

static size_t blank_line(char *s, size_t n, size_t i)
{
	while (i < n && s[i] != '\n')
		s[i++] = ' ';
	return i;
}

/* Returns the byte after the comment; 0 when it never ends */
static size_t blank_block(char *s, size_t n, size_t i)
{
	size_t end = i + 2;

	while (end + 1 < n && (s[end] != '*' || s[end + 1] != '/'))
		end++;
	end = end + 1 < n ? end + 2 : 0;
	for (; i < (end ? end : n); i++)
		if (s[i] != '\n')
			s[i] = ' ';
	return end;
}

size_t jscan_strip(char *s, size_t n)
{
	size_t i = 0, end;

	while (i < n) {
		if (s[i] == '"') {
			i = skip_string(s, n, i + 1);
		} else if (s[i] == '#' ||
			   (s[i] == '/' && i + 1 < n && s[i + 1] == '/')) {
			i = blank_line(s, n, i);
		} else if (s[i] == '/' && i + 1 < n && s[i + 1] == '*') {
			end = blank_block(s, n, i);
			if (!end)
				return i;
			i = end;
		} else {
			i++;
		}
	}
	return n;
}

/* --- messages ------------------------------------------------------------ */

static int fail(struct jscan *sc, size_t off, const char *help, const char *fmt,
		...) PRINTF(4, 5);

static int fail(struct jscan *sc, size_t off, const char *help, const char *fmt,
		...)
{
	va_list ap;

	sc->err_off = off;
	va_start(ap, fmt);
	vsnprintf(sc->err, sizeof(sc->err), fmt, ap);
	va_end(ap);
	snprintf(sc->help, sizeof(sc->help), "%s", help);
	return -EPROTO;
}

static bool word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$';
}

/* "'x'", "'word'", or "the end of the file": what stands at @pos */
static const char *found(const struct jscan *sc, char buf[48])
{
	const char *p = sc->s + sc->pos;
	size_t left = sc->n - sc->pos, len = 0;

	if (!left)
		return "the end of the file";
	while (len < left && len < 32 && word_char(p[len]))
		len++;
	if (!len)
		len = text_char(p, left);
	if (len)
		snprintf(buf, 48, "'%.*s'", (int)len, p);
	else
		snprintf(buf, 48, "byte 0x%02x", (unsigned char)*p);
	return buf;
}

static unsigned int line_of(const struct jscan *sc, size_t off)
{
	unsigned int line = 1;

	for (size_t i = 0; i < off; i++)
		line += sc->s[i] == '\n';
	return line;
}

/* The text ends inside the container @here */
static int fail_end(struct jscan *sc)
{
	const struct jmark *m = &sc->marks[sc->here];
	bool object = sc->s[m->off] == '{';
	size_t off = sc->n;

	while (off && isspace((unsigned char)sc->s[off - 1]))
		off--;
	return fail(sc, off, "",
		    "the file ends inside the %s that begins in "
		    "line %u: '%c' is missing",
		    object ? "object" : "array", line_of(sc, m->off),
		    object ? '}' : ']');
}

/* --- tokens -------------------------------------------------------------- */

static int peek(const struct jscan *sc)
{
	return sc->pos < sc->n ? (unsigned char)sc->s[sc->pos] : -1;
}

static int skip_space(struct jscan *sc)
{
	int c = peek(sc);

	while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
		sc->pos++;
		c = peek(sc);
	}
	return c;
}

/* Four hex digits at @pos + 2, of "\uXXXX"; -1: they are not there */
static int hex4(const struct jscan *sc)
{
	unsigned int v = 0;

	for (size_t i = sc->pos + 2; i < sc->pos + 6; i++) {
		unsigned char c = i < sc->n ? (unsigned char)sc->s[i] : 0;

		if (!isxdigit(c))
			return -1;
		v = v << 4 |
		    (unsigned int)(isdigit(c) ? c - '0' : (c | 32) - 'a' + 10);
	}
	return (int)v;
}

/* "\uXXXX", or a pair of them for characters beyond U+FFFF */
static int scan_unicode(struct jscan *sc)
{
	size_t at = sc->pos;
	int v = hex4(sc), low;

	if (v < 0)
		return fail(sc, at, "", "\\u takes four hex digits");
	if (!v)
		return fail(sc, at, "", "\\u0000 is not allowed in a string");
	sc->pos += 6;
	if (v < 0xd800 || v > 0xdfff)
		return 0;
	low = v < 0xdc00 && sc->pos + 1 < sc->n && sc->s[sc->pos] == '\\' &&
			      sc->s[sc->pos + 1] == 'u' ?
		      hex4(sc) :
		      -1;
	if (low < 0xdc00 || low > 0xdfff)
		return fail(sc, at, "", "half of a surrogate pair");
	sc->pos += 6;
	return 0;
}

static int scan_escape(struct jscan *sc)
{
	char c = sc->pos + 1 < sc->n ? sc->s[sc->pos + 1] : '\0';

	if (c == 'u')
		return scan_unicode(sc);
	if (c == '\0' || c == '\n' || !strchr("\"\\/bfnrt", c))
		return fail(sc, sc->pos,
			    "a backslash itself is written as \\\\",
			    "a backslash in a string must be followed by one "
			    "of \" \\ / b f n r t u");
	sc->pos += 2;
	return 0;
}

/* @pos is at the opening quote */
static int scan_string(struct jscan *sc)
{
	size_t open = sc->pos++;
	int c, err;

	for (;;) {
		c = peek(sc);
		if (c == '"') {
			sc->pos++;
			return 0;
		}
		if (c == -1 || c == '\n' || c == '\r')
			return fail(sc, open, "",
				    "no closing '\"' on this "
				    "line for the string that begins here");
		if (c < 0x20)
			return fail(sc, sc->pos,
				    c == '\t' ? "a tab is written as \\t" : "",
				    "control character 0x%02x in a string", c);
		if (c != '\\') {
			sc->pos++;
			continue;
		}
		err = scan_escape(sc);
		if (err)
			return err;
	}
}

static size_t digits(struct jscan *sc)
{
	size_t from = sc->pos;

	while (peek(sc) >= '0' && peek(sc) <= '9')
		sc->pos++;
	return sc->pos - from;
}

/* The parts of a number in order; false where a digit is missing */
static bool number_parts(struct jscan *sc)
{
	size_t from;

	if (peek(sc) == '-')
		sc->pos++;
	from = sc->pos;
	if (!digits(sc))
		return false;
	if (sc->s[from] == '0' && sc->pos - from > 1) {
		sc->pos = from;
		return false;
	}
	if (peek(sc) == '.') {
		sc->pos++;
		if (!digits(sc))
			return false;
	}
	if (peek(sc) == 'e' || peek(sc) == 'E') {
		sc->pos++;
		if (peek(sc) == '+' || peek(sc) == '-')
			sc->pos++;
		if (!digits(sc))
			return false;
	}
	return true;
}

static int scan_number(struct jscan *sc)
{
	size_t from = sc->pos;

	if (!number_parts(sc) ||
	    (sc->pos < sc->n &&
	     (word_char(sc->s[sc->pos]) || sc->s[sc->pos] == '.')))
		return fail(
			sc, from,
			"text, addresses and ranges take double quotes",
			"not a number as JSON writes it (like 80, -1, 0.5)");
	if (sc->pos - from > NUMBER_MAX)
		return fail(sc, from, "", "a number of more than %d digits",
			    NUMBER_MAX);
	return 0;
}

static int fail_value(struct jscan *sc)
{
	static const char *const literal[] = { "true", "false", "null" };
	const char *p = sc->s + sc->pos;
	char buf[48], help[64];
	size_t len = 0;

	if (sc->pos == sc->n)
		return sc->here == JSCAN_NONE ?
			       fail(sc, sc->pos, "",
				    "there is no JSON value in it") :
			       fail_end(sc);
	if (*p == '\'')
		return fail(sc, sc->pos, "write \"text\"",
			    "a string takes double quotes, not single ones");
	while (sc->pos + len < sc->n && word_char(p[len]))
		len++;
	for (size_t i = 0; i < ARRAY_SIZE(literal); i++) {
		if (len != strlen(literal[i]) ||
		    strncasecmp(p, literal[i], len))
			continue;
		snprintf(help, sizeof(help), "write %s in lower case",
			 literal[i]);
		return fail(sc, sc->pos, help, "expected a value, got %s",
			    found(sc, buf));
	}
	return fail(sc, sc->pos, len ? "text takes double quotes" : "",
		    "expected a value, got %s", found(sc, buf));
}

static int scan_literal(struct jscan *sc)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t left = sc->n - sc->pos, len;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		len = strlen(words[i]);
		if (left < len || memcmp(sc->s + sc->pos, words[i], len) ||
		    (left > len && word_char(sc->s[sc->pos + len])))
			continue;
		sc->pos += len;
		return 0;
	}
	return fail_value(sc);
}

/* --- structure ----------------------------------------------------------- */

static int add_mark(struct jscan *sc, uint32_t key_off)
{
	struct jmark *m;

	if (sc->count == sc->cap) {
		uint32_t cap = sc->cap ? sc->cap * 2 : 64;

		m = realloc(sc->marks, cap * sizeof(*m));
		if (!m)
			return -ENOMEM;
		sc->marks = m;
		sc->cap = cap;
	}
	if (sc->count == JSCAN_MAX_VALUES)
		return fail(sc, sc->pos, "", "more than %u values",
			    JSCAN_MAX_VALUES);
	m = &sc->marks[sc->count++];
	*m = (struct jmark){ .off = (uint32_t)sc->pos,
			     .key_off = key_off,
			     .parent = sc->here };
	if (sc->here != JSCAN_NONE)
		m->index = sc->marks[sc->here].count++;
	return 0;
}

/* A key and its colon; *key_off gets its quote, or NONE inside an array */
static int scan_key(struct jscan *sc, uint32_t *key_off)
{
	size_t at;
	char buf[48];
	int err, c = skip_space(sc);

	*key_off = JSCAN_NONE;
	if (sc->here == JSCAN_NONE || sc->s[sc->marks[sc->here].off] == '[')
		return 0;
	if (c == -1)
		return fail_end(sc);
	if (c != '"')
		return fail(sc, sc->pos,
			    word_char((char)c) || c == '\'' ?
				    "keys take double quotes: \"key\": value" :
				    "",
			    "expected a key in double quotes, got %s",
			    found(sc, buf));
	at = sc->pos;
	*key_off = (uint32_t)at;
	err = scan_string(sc);
	if (err)
		return err;
	c = skip_space(sc);
	if (c != ':')
		return fail(sc, c == -1 ? at : sc->pos, "",
			    "expected ':' after the key, got %s",
			    found(sc, buf));
	sc->pos++;
	return 0;
}

/* Enter the container at @pos; *empty: it ended at once */
static int scan_open(struct jscan *sc, bool *empty)
{
	char close = sc->s[sc->pos] == '{' ? '}' : ']';

	if (sc->depth == sc->max_depth)
		return fail(sc, sc->pos, "", "nested deeper than %u levels",
			    sc->max_depth);
	sc->pos++;
	*empty = skip_space(sc) == close;
	if (*empty) {
		sc->pos++;
		return 0;
	}
	sc->depth++;
	sc->here = sc->count - 1;
	return 0;
}

/* One value, or the head of a non-empty container; then *open is set */
static int scan_value(struct jscan *sc, bool *open)
{
	uint32_t key_off;
	bool empty = false;
	int c, err = scan_key(sc, &key_off);

	*open = false;
	if (err)
		return err;
	c = skip_space(sc);
	if (c == -1)
		return fail_value(sc);
	err = add_mark(sc, key_off);
	if (err)
		return err;
	if (c == '{' || c == '[') {
		err = scan_open(sc, &empty);
		*open = !err && !empty;
		return err;
	}
	if (c == '"')
		return scan_string(sc);
	if (c == '-' || isdigit(c))
		return scan_number(sc);
	return scan_literal(sc);
}

/* A comma was read at @at: another child must follow */
static int check_comma(struct jscan *sc, size_t at)
{
	int c = skip_space(sc);

	if (c != ']' && c != '}')
		return 0;
	return fail(sc, at, "remove this comma",
		    "a comma after the last element, before '%c'", c);
}

/* After a value: leave the containers that end. *more: a comma was read */
static int scan_after(struct jscan *sc, bool *more)
{
	size_t end;
	char close, buf[48];
	int c;

	*more = false;
	while (sc->here != JSCAN_NONE) {
		end = sc->pos;
		close = sc->s[sc->marks[sc->here].off] == '{' ? '}' : ']';
		c = skip_space(sc);
		if (c == -1)
			return fail_end(sc);
		if (c == ',') {
			*more = true;
			end = sc->pos++;
			return check_comma(sc, end);
		}
		if (c == '"' || c == '{' || c == '[' || isalnum(c) || c == '-')
			return fail(sc, end, "",
				    "a comma is missing here: "
				    "%s follows",
				    found(sc, buf));
		if (c != close)
			return fail(sc, sc->pos, "",
				    "expected ',' or '%c', got %s", close,
				    found(sc, buf));
		sc->pos++;
		sc->depth--;
		sc->here = sc->marks[sc->here].parent;
	}
	return 0;
}

int jscan_run(struct jscan *sc, const char *s, size_t n, unsigned int max_depth)
{
	bool more = true;
	int err = 0;

	*sc = (struct jscan){
		.s = s, .n = n, .max_depth = max_depth, .here = JSCAN_NONE
	};
	while (!err && more) {
		err = scan_value(sc, &more);
		if (!err && !more)
			err = scan_after(sc, &more);
	}
	return err;
}
