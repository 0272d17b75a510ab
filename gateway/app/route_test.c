/* route_test.c - `culvert route-test`: where would this connection go? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/app/app.h"
#include "gateway/route/explain.h"

/* "tcp:example.org:443", "udp:[::1]:53"; the name lives in @name. 0 or -1 */
static int parse_target(const char *text, struct route_query *q, char name[256])
{
	const char *host = text + 4, *colon = strrchr(text, ':');
	unsigned long port;
	size_t len;
	char *end;

	if (!strncmp(text, "udp:", 4))
		q->net = NET_UDP;
	else if (!strncmp(text, "tcp:", 4))
		q->net = NET_TCP;
	else
		return -1;
	if (colon < host)
		return -1;
	port = strtoul(colon + 1, &end, 10);
	len = (size_t)(colon - host);
	if (*end || end == colon + 1 || port > 65535 || !len || len > 255)
		return -1;
	if (host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	}
	memcpy(name, host, len);
	name[len] = '\0';
	if (addr_parse_ip(&q->target, name) < 0) {
		int n = addr_clean_name(host, len, name);

		if (n <= 0)
			return -1;
		q->target = addr_name(name, (size_t)n, 0);
	}
	q->target.port = (uint16_t)port;
	return 0;
}

static void print_answer(const char *text, const struct route_answer *a)
{
	if (a->balancer)
		printf("%s -> balancer [%s]", text, a->balancer);
	else
		printf("%s -> [%s]", text,
		       a->outbound ? a->outbound->tag : "none");
	if (a->rule)
		printf(" by rule %s", a->rule);
	else
		printf(" by default");
	printf("%s\n", a->needs_dns ? " (its address may change this: "
				      "domainStrategy resolves it first)" :
				      "");
}

int route_test(const struct cli *cli, const struct config *cfg)
{
	for (const char *const *arg = cli->rest; *arg; arg++) {
		struct route_query q = { .inbound_tag = cli->inbound,
					 .program = cli->program };
		struct route_answer a = { .outbound = NULL };
		char name[256];

		if (parse_target(*arg, &q, name) < 0 ||
		    (cli->source &&
		     addr_parse_ip(&q.source, cli->source) < 0)) {
			fprintf(stderr,
				"culvert: \"%s\": want tcp:NAME:PORT or "
				"udp:ADDRESS:PORT\n",
				*arg);
			return EXIT_USAGE;
		}
		route_explain(cfg->router, &q, &a);
		print_answer(*arg, &a);
	}
	return EXIT_OK;
}
