/* jout.c - Text into an answer (contract: jout.h) */
#include "gateway/api/jout.h"

#include <stdarg.h>
#include <stdio.h>

#include "gateway/base/text.h"

#define LINE_MAX_BYTES 256

void jo(struct pb_out *o, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0)
		pb_raw(o, line,
		       (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

/* A byte that may not stand as it is: an escape, or a question mark */
static void put_odd(struct pb_out *o, char b)
{
	if (b == '"' || b == '\\')
		jo(o, "\\%c", b);
	else if (b == '\n')
		jo(o, "\\n");
	else
		jo(o, "?");
}

void jo_quoted(struct pb_out *o, const char *p, size_t n)
{
	size_t from = 0, len;

	pb_raw(o, "\"", 1);
	for (size_t i = 0; i < n; i += len ? len : 1) {
		len = text_char(p + i, n - i);
		if (len && p[i] != '"' && p[i] != '\\')
			continue;
		pb_raw(o, p + from, i - from);
		put_odd(o, p[i]);
		from = i + 1;
	}
	pb_raw(o, p + from, n - from);
	pb_raw(o, "\"", 1);
}

void jo_pair(struct pb_out *o, const char *key, const char *text)
{
	if (o->len && o->p[o->len - 1] != '{')
		pb_raw(o, ",", 1);
	jo_text(o, key);
	pb_raw(o, ":", 1);
	jo_text(o, text);
}
