/* jout.c - Text into an answer (contract: jout.h) */
#include "gateway/api/jout.h"

#include <stdarg.h>
#include <stdio.h>

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

void jo_quoted(struct pb_out *o, const char *p, size_t n)
{
	size_t from = 0;

	pb_raw(o, "\"", 1);
	for (size_t i = 0; i < n; i++) {
		unsigned char b = (unsigned char)p[i];

		if (b >= ' ' && b != '"' && b != '\\')
			continue;
		pb_raw(o, p + from, i - from);
		from = i + 1;
		if (b >= ' ')
			jo(o, "\\%c", b);
		else
			pb_raw(o, b == '\n' ? "\\n" : "?", b == '\n' ? 2 : 1);
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
