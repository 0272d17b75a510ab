/* fuzz_vmess.c - Heads and bodies as a peer may send them */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "proxy/wire/uuid.h"
#include "proxy/wire/vmess.h"
#include "proxy/wire/vmess_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
static void body(uint8_t options, const uint8_t *p, size_t n)
{
	static uint8_t buf[8192];
	struct vmess_request rq = { .security = 3 + options % 3,
				    .command = 1 + (options >> 2 & 1),
				    .options = options >> 3 };
	struct vmess_body_key k;
	size_t at = 0, len;
	uint8_t *data;
	ssize_t used;

	if (vmess_body_set(&k, &rq, options & 0x80))
		return;
	memcpy(buf, p, n);
	while (at < n && (used = vmess_body_open(&k, buf + at, n - at, &data,
						 &len)) > 0) {
		at += (size_t)used;
		if (at > n || (len && data + len > buf + at))
			abort();
	}
	vmess_body_drop(&k);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const uint8_t id[16];
	static struct vmess_user_key u;
	struct vmess_request rq = { .verify = 1 };
	int64_t skew;
	char text[64];

	if (vmess_user_set(&u, id))
		abort();
	if (!n || n > 8192)
		return 0;
	body(p[0], p + 1, n - 1);
	if (n >= 16)
		vmess_auth_check(&u, p, 1700000000, &skew);
	vmess_request_decode(&u, p, n, &rq);
	vmess_response_decode(&rq, p, n);
	if (n < sizeof(text)) {
		memcpy(text, p, n);
		text[n] = 0;
		uuid_parse(text, rq.body_iv);
	}
	return 0;
}
