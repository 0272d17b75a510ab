/* ip_build.c - Packets for the netstack's tests */
#include "tests/unit/ip_build.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"

size_t build_ip(uint8_t *out, const struct build *b, const void *l4, size_t n)
{
	bool frag = b->offset || b->more;
	size_t head = 20;

	memset(out, 0, 48);
	if (b->src.kind == ADDR_V6) {
		head = frag ? 48 : 40;
		out[0] = 0x60;
		put_be16(out + 4, (uint16_t)(head - 40 + n));
		out[6] = frag ? IPPROTO_FRAGMENT : b->proto;
		out[7] = 64;
		memcpy(out + 8, b->src.ip, 16);
		memcpy(out + 24, b->dst.ip, 16);
		if (frag) {
			out[40] = b->proto;
			put_be16(out + 42, (uint16_t)(b->offset | b->more));
			put_be32(out + 44, b->ip_id);
		}
	} else {
		out[0] = 0x45;
		put_be16(out + 2, (uint16_t)(head + n));
		put_be16(out + 4, (uint16_t)b->ip_id);
		put_be16(out + 6,
			 (uint16_t)(b->offset / 8 | (b->more ? 0x2000u : 0)));
		out[8] = 64;
		out[9] = b->proto;
		memcpy(out + 12, b->src.ip, 4);
		memcpy(out + 16, b->dst.ip, 4);
		put_be16(out + 10, csum_fold(csum_add(0, out, head)));
	}
	if (n)
		memcpy(out + head, l4, n);
	return head + n;
}

size_t build_udp(uint8_t *out, const struct addr *src, const struct addr *dst,
		 const void *data, size_t n)
{
	uint32_t sum = csum_pseudo(src, dst, IPPROTO_UDP, (uint32_t)(n + 8));

	put_be16(out, src->port);
	put_be16(out + 2, dst->port);
	put_be16(out + 4, (uint16_t)(n + 8));
	put_be16(out + 6, 0);
	if (n)
		memcpy(out + 8, data, n);
	put_be16(out + 6, csum_fold(csum_add(sum, out, n + 8)));
	return n + 8;
}

struct packet build_parse(uint8_t *p, size_t n)
{
	struct vnet none = { 0 };
	struct packet out;
	enum drop why;

	assert_int_equal(packet_parse(p, n, &none, &out, &why), 0);
	return out;
}

struct addr build_addr(const char *ip, uint16_t port)
{
	struct addr a = { .port = port };

	assert_int_equal(addr_parse_ip(&a, ip), 0);
	return a;
}
