/* fuzz_socks_srv.c - What a SOCKS client may send */
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/socks_srv.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check(ssize_t got, size_t n, const struct socks_request *r)
{
	if (got <= 0)
		return;
	if ((size_t)got > n || r->to.kind == ADDR_NONE)
		abort();
	if (r->to.kind == ADDR_NAME &&
	    (r->to.name != r->name || strlen(r->name) != r->to.len))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct socks_request r;
	char user[256], pass[256];
	bool offered;
	ssize_t got;

	got = socks_srv_greeting(p, n, 0, &offered);
	if (got > 0 && (size_t)got > n)
		abort();
	got = socks_srv_auth(p, n, user, pass);
	if (got > 0 && (size_t)got != 3 + strlen(user) + strlen(pass))
		abort();
	check(socks_srv_request(p, n, &r), n, &r);
	check(socks4_request(p, n, &r), n, &r);
	return 0;
}
