/* gRPC messages, read whole and byte by byte: the same bytes, the same verdict */
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint8_t *a = malloc(n + 1), *b = malloc(n + 1);
	struct grpc_rd one = { 0 }, two = { 0 };
	ssize_t got = a ? grpc_read(&one, p, n, a) : 0, sum = 0;

	for (size_t i = 0; b && i < n && sum >= 0; i++) {
		ssize_t rc = grpc_read(&two, p + i, 1, b + sum);

		sum = rc < 0 ? rc : sum + rc;
	}
	if (a && b && (got != sum || (got > 0 && memcmp(a, b, (size_t)got))))
		abort();
	free(a);
	free(b);
	return 0;
}
