/* fuzz_https_url.c - URLs and redirects: what comes out can be asked for */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/http_get.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* One line of a request each, and a place that can be read again */
static void check(const struct https_url *u)
{
	char text[HTTP_GET_REQUEST_MAX], host[300];
	struct https_url v;
	int len = http_get_request(u, "", text, sizeof(text));
	int name = https_url_authority(u, host, sizeof(host));

	if (len < 0 || name <= 0 || u->path[0] != '/' || !u->port)
		abort();
	if (strcspn(text, "\r") != strlen(u->path) + strlen("GET  HTTP/1.1"))
		abort();
	strcpy(text, "https://");
	strcat(text, host);
	strcat(text, u->path);
	if (https_url_parse(&v, text, strlen(text)) < 0 ||
	    strcmp(v.host, u->host) != 0 || strcmp(v.path, u->path) != 0 ||
	    v.port != u->port)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct https_url u = { .host = "a.test",
			       .port = 443,
			       .path = "/d/x?y" };
	const char *text = (const char *)p;

	if (https_url_follow(&u, text, n) == 0)
		check(&u);
	if (https_url_parse(&u, text, n) == 0)
		check(&u);
	return 0;
}
