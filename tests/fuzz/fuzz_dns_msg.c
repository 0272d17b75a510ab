/* fuzz_dns_msg.c - Questions, responses and replies; dns_name is its core */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/dns_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct addr ips[2] = { addr_v4("\1\2\3\4", 0),
			       addr_v4("\5\6\7\10", 0) };
	struct dns_reply r = { .ttl = 1, .count = 2, .ips = ips, .ptr = "a.b" };
	uint8_t out[DNS_REPLY_MAX];
	struct dns_question q;
	struct dns_found f;
	size_t off = size ? data[0] : 0;
	char name[256];
	ssize_t n;
	int len;

	len = dns_name_decode(data, size, &off, name, NULL);
	check(len < 0 ||
	      (len <= 253 && strlen(name) == (size_t)len && off <= size));
	len = dns_question_decode(data, size, &q);
	if (len != -EBADMSG) {
		check(q.end <= size);
		n = dns_reply_encode(&q, data, &r, out, sizeof(out), 512);
		check(n < 0 || n <= 512);
		if (!len && n > 0 && q.klass == 1 &&
		    (q.type == DNS_T_A || q.type == DNS_T_AAAA))
			check(!dns_found_decode(out, (size_t)n, q.name, q.type,
						&f));
	}
	if (!dns_found_decode(data, size, "a.b", DNS_T_A, &f))
		check(f.count <= DNS_MSG_IPS);
	return 0;
}
