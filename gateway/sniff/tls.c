/*
 * tls.c - SNI of a TLS stream, over any number of segments and records
 *
 *	record: 16 | 03 xx | length u16 (1..16384) | part of the handshake
 *
 * A hello in one record is read where it lies. One that continues in further
 * records is put together first, without their heads.
 *
 * No name: not "tls" either, as in Xray (xray.md, 1 D).
 *
 * Source: RFC 8446, 5.1; the message itself: proxy/wire/tls_hello.c
 */
#include <errno.h>
#include <string.h>

#include "gateway/base/rd.h"
#include "gateway/sniff/sniffers.h"
#include "proxy/wire/tls_hello.h"

#define RECORD_MAX_BYTES 16384

static enum verdict tls_judge(const uint8_t *p, size_t n, struct sniffed *out)
{
	const uint8_t *name = NULL;
	ssize_t len = tls_hello_name(p, n, &name);

	if (len == -EAGAIN)
		return SNIFF_MORE;
	if (len <= 0 || name[len - 1] == '.')
		return SNIFF_NO;
	return sniffed_set(out, SNIFF_TLS, name, (size_t)len) ? SNIFF_YES :
								SNIFF_NO;
}

/*
 * The next record's part of the handshake that is here, in @part. False: the
 * head is not complete, or (*no is set) this is no handshake record
 */
static bool next_record(struct rd *r, struct rd *part, bool *no)
{
	struct rd head = *r;
	uint8_t type = rd_u8(&head), major = rd_u8(&head);
	size_t len, here;

	/* Judge each byte as it comes */
	*no = (rd_left(r) >= 1 && type != 0x16) ||
	      (rd_left(r) >= 2 && major != 3);
	rd_u8(&head);
	len = rd_be16(&head);
	if (*no || !rd_ok(&head))
		return false;
	*no = !len || len > RECORD_MAX_BYTES;
	here = rd_left(&head) < len ? rd_left(&head) : len;
	*part = rd_sub(&head, here);
	*r = head;
	return !*no;
}

enum verdict sniff_tls(const uint8_t *p, size_t n, struct sniffed *out)
{
	uint8_t whole[SNIFF_MAX_BYTES];
	struct rd r, part;
	size_t len = 0;
	enum verdict v;
	bool no;

	if (n > SNIFF_MAX_BYTES)
		n = SNIFF_MAX_BYTES;
	r = rd_init(p, n);
	if (!next_record(&r, &part, &no))
		return no ? SNIFF_NO : SNIFF_MORE;
	v = tls_judge(part.p, rd_left(&part), out);
	if (v != SNIFF_MORE || !rd_left(&r))
		return v;

	/* More records: fewer bytes than @n in all, so @whole holds them */
	do {
		memcpy(whole + len, part.p, rd_left(&part));
		len += rd_left(&part);
	} while (next_record(&r, &part, &no));
	return no ? SNIFF_NO : tls_judge(whole, len, out);
}
