/* ech.c - Xray's echServerKeys */
#include "proxy/wire/ech.h"

#include <errno.h>

#include "gateway/base/rd.h"

ssize_t ech_pair_decode(const uint8_t *p, size_t n, struct ech_pair *out)
{
	struct rd r = rd_init(p, n);
	struct ech_pair pair;

	pair.key_len = rd_be16(&r);
	pair.key = rd_bytes(&r, pair.key_len);
	pair.config_len = rd_be16(&r);
	pair.config = rd_bytes(&r, pair.config_len);
	if (!rd_ok(&r) || !pair.key_len || !pair.config_len)
		return -EPROTO;
	*out = pair;
	return (ssize_t)(n - rd_left(&r));
}
