/* uuid.c - User ids of VLESS and VMess */
#include "proxy/wire/uuid.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* SHA-1 over a zero UUID and the text (RFC 4122, 4.3, with that name space) */
static int uuid_from_name(const char *text, size_t len, uint8_t out[16])
{
	uint8_t in[16 + 30] = { 0 }, sum[20];

	memcpy(in + 16, text, len);
	if (hash_once(HASH_SHA1, in, 16 + len, sum))
		return -EINVAL;
	memcpy(out, sum, 16);
	out[6] = (uint8_t)((out[6] & 0x0f) | 0x50);
	out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
	return 0;
}

int uuid_parse(const char *text, uint8_t out[16])
{
	static const uint8_t groups[] = { 4, 2, 2, 2, 6 };
	size_t len = strlen(text), at = 0;
	uint8_t id[16];

	if (len && len <= 30)
		return uuid_from_name(text, len, out);
	if (len < 32 || len > 36)
		return -EINVAL;
	for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
		if (*text == '-')
			text++;
		for (int i = 0; i < groups[g]; i++, text += 2) {
			int hi = nibble(text[0]);
			int lo = hi < 0 ? -1 : nibble(text[1]);

			if (lo < 0)
				return -EINVAL;
			id[at++] = (uint8_t)(hi << 4 | lo);
		}
	}
	if (*text)
		return -EINVAL;
	memcpy(out, id, sizeof(id));
	return 0;
}
