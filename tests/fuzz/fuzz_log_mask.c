/*
 * fuzz_log_mask.c - Addresses in a line of the log: byte 0 says what stays, byte 1
 * how much room there is; the rest is the line, and, with a NUL, a mask as text
 */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/log_mask.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Four groups of digits at @s, as an eye sees them: 0 to 3 digits each, and dots */
static int is_v4(const char *s, size_t n)
{
	size_t at = 0;

	for (int group = 0; group < 4; group++) {
		size_t digits = 0;

		if (group && (at == n || s[at++] != '.'))
			return 0;
		while (digits < 3 && at < n && isdigit((unsigned char)s[at])) {
			digits++;
			at++;
		}
		if (!digits)
			return 0;
	}
	return 1;
}

/* @size bytes of room: nothing is written behind it, and no address is left whole */
static void mask(const struct log_mask *m, const char *line, size_t n,
		 size_t size)
{
	char *out = malloc(size ? size : 1);
	size_t got;

	if (!out)
		return;
	got = log_mask_copy(m, out, size, line, n);
	MUST(got <= size);
	for (size_t i = 0; m->v4 < 32 && i < got; i++)
		MUST(!is_v4(out + i, got - i));
	free(out);
}

static void parse(const char *line, size_t n)
{
	struct log_mask m = { 77, 77 };
	char *text = malloc(n + 1);
	int rc;

	if (!text)
		return;
	memcpy(text, line, n);
	text[n] = '\0';
	rc = log_mask_parse(&m, text);
	MUST(rc == 0 || rc == -EINVAL);
	MUST(rc ? m.v4 == 77 : m.v4 <= 32 && m.v4 % 8 == 0 && m.v6 <= 128);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct log_mask m, none = LOG_MASK_NONE;
	const char *line;
	size_t most;

	if (n < 2)
		return 0;
	m = (struct log_mask){ (uint8_t)(data[0] % 4 * 8),
			       (uint8_t)(data[0] / 4 * 2) };
	line = (const char *)data + 2;
	n -= 2;
	most = data[1] == 255 ? 16 * n : data[1];
	mask(&m, line, n, most);
	mask(&none, line, n, n);
	parse(line, n);
	return 0;
}
