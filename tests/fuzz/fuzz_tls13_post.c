/*
 * fuzz_tls13_post.c - Records that are no data, whole and in pieces
 *
 * First byte: the size of the pieces. Then records: type, length, that much. What a
 * record says does not depend on the pieces it comes in.
 */
#include <errno.h>
#include <string.h>

#include "must.h"
#include "proxy/wire/tls13_post.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int in_pieces(struct tls13_post *t, enum tls_content type,
		     const uint8_t *p, size_t n, size_t step)
{
	size_t k;
	int said;

	do {
		k = n < step ? n : step;
		said = tls13_post_take(t, type, p, k, k == n);
		MUST(k == n || said == TLS13_SAID_NOTHING || said == -EPROTO);
		p += k;
		n -= k;
	} while (n && !said);
	return said;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct tls13_post whole = { 0 }, pieces = { 0 };
	size_t step = n ? p[0] % 32u + 1 : 1;
	size_t at = 1;

	while (at + 2 <= n) {
		enum tls_content type = (enum tls_content)p[at];
		size_t len = p[at + 1];
		int said;

		at += 2;
		if (len > n - at)
			len = n - at;
		said = tls13_post_take(&whole, type, p + at, len, true);
		MUST(in_pieces(&pieces, type, p + at, len, step) == said);
		if (said < 0)
			return 0;
		MUST(whole.skip == pieces.skip && whole.have == pieces.have &&
		     whole.begun == pieces.begun && whole.said == pieces.said);
		MUST(said <= TLS13_SAID_BOTH && !whole.begun);
		at += len;
	}
	return 0;
}
