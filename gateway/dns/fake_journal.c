/* fake_journal.c - File form of a FakeDNS pool (layout: fake_journal.h) */
#include "gateway/dns/fake_journal.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/compat.h"

#define RECORD_MARK 0xf5

static const char magic[8] = "CVFAKE1\n";

/* CRC-32 (IEEE 802.3), four bits a step: small table, files are small */
static uint32_t crc32_of(const uint8_t *p, size_t n)
{
	static const uint32_t step[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t c = UINT32_MAX;

	for (; n; n--, p++) {
		c = step[(c ^ *p) & 15] ^ (c >> 4);
		c = step[(c ^ (uint32_t)(*p >> 4)) & 15] ^ (c >> 4);
	}
	return ~c;
}

void fake_head_encode(uint8_t out[FAKE_HEAD_BYTES], const struct fake_pool *p)
{
	memset(out, 0, FAKE_HEAD_BYTES);
	memcpy(out, magic, sizeof(magic));
	out[8] = p->net.kind;
	out[9] = p->net.bits;
	memcpy(out + 12, p->net.ip, 16);
	put_be32(out + 28, p->size);
	put_be64(out + 32, p->start);
	put_be32(out + 40, crc32_of(out, 40));
}

size_t fake_record_encode(uint8_t *out, uint32_t slot, const char *name,
			  size_t len)
{
	out[0] = RECORD_MARK;
	out[1] = (uint8_t)len;
	put_be32(out + 2, slot);
	memcpy(out + 6, name, len);
	put_be32(out + 6 + len, crc32_of(out, 6 + len));
	return FAKE_RECORD_BYTES + len;
}

/* A good record at @p: its bytes; 0 when it is cut or wrong */
static size_t record_check(const uint8_t *p, size_t n)
{
	size_t len, i;

	if (n < FAKE_RECORD_BYTES || p[0] != RECORD_MARK)
		return 0;
	len = p[1];
	if (!len || n < FAKE_RECORD_BYTES + len ||
	    get_be32(p + 6 + len) != crc32_of(p, 6 + len))
		return 0;
	for (i = 0; i < len; i++)
		if (p[6 + i] <= ' ' || p[6 + i] >= 127)
			return 0;
	return FAKE_RECORD_BYTES + len;
}

/* The head's @start when it is for this very pool. 0 or -EPROTO */
static int head_check(const struct fake_pool *p, const uint8_t *data, size_t n,
		      uint64_t *start)
{
	uint8_t want[FAKE_HEAD_BYTES];

	if (n < FAKE_HEAD_BYTES)
		return -EPROTO;
	fake_head_encode(want, p);
	*start = get_be64(data + 32);
	if (memcmp(data, want, 32) || *start >= p->span ||
	    get_be32(data + 40) != crc32_of(data, 40))
		return -EPROTO;
	return 0;
}

long fake_replay(struct fake_pool *p, const uint8_t *data, size_t n)
{
	size_t off = FAKE_HEAD_BYTES, len;
	uint64_t start;

	if (n > FAKE_FILE_MAX || head_check(p, data, n, &start) < 0)
		return 0;
	p->start = start;
	while ((len = record_check(data + off, n - off))) {
		int rc = fake_pool_set(p, get_be32(data + off + 2),
				       (const char *)data + off + 6,
				       len - FAKE_RECORD_BYTES);

		if (rc == -EINVAL)
			break;
		if (rc < 0)
			return rc;
		off += len;
	}
	return (long)off;
}
