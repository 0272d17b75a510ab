/* intake.c - What decides how traffic is caught (contract: intake.h) */
#include "netstack/intake.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/dns.h"

static unsigned int uid_add(uint32_t uid, uint32_t uids[PLAN_UIDS],
			    unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (uids[i] == uid)
			return n;
	if (n == PLAN_UIDS)
		return n;
	uids[n] = uid;
	return n + 1;
}

/* Starts of the first @max fields of a line; moves *@p to its end */
static size_t fields(const char **p, const char **out, size_t max)
{
	const char *s = *p;
	size_t n = 0;

	while (*s && *s != '\n') {
		s += strspn(s, " ");
		if (n < max && *s && *s != '\n')
			out[n++] = s;
		s += strcspn(s, " \n");
	}
	*p = s;
	return n;
}

unsigned int resolver_uids(const char *text, uint32_t uids[PLAN_UIDS],
			   unsigned int n, bool *root)
{
	static const char local[] = ":0035"; /* 53, as /proc writes it */
	unsigned long uid;

	for (; *text; text += *text == '\n') {
		const char *f[8];
		size_t n_f = fields(&text, f, ARRAY_SIZE(f));
		const char *port = n_f == 8 ? strchr(f[1], ':') : NULL;

		if (!port || strncmp(port, local, sizeof(local) - 1) != 0 ||
		    port[sizeof(local) - 1] != ' ' ||
		    !isdigit((unsigned char)*f[7]))
			continue;
		uid = strtoul(f[7], NULL, 10);
		if (uid && uid < UINT32_MAX)
			n = uid_add((uint32_t)uid, uids, n);
		else
			*root = true;
	}
	return n;
}

/* Whoever answers port 53 here asks the real servers, as culvert itself does */
static void find_resolvers(struct intake *in)
{
	static const char *const files[] = { "/proc/net/udp",
					     "/proc/net/udp6" };
	static char text[65536]; /* main thread only */
	bool root = false;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		FILE *f = fopen(files[i], "re");

		if (!f)
			continue;
		n = fread(text, 1, sizeof(text) - 1, f);
		text[n] = '\0';
		fclose(f);
		in->uid_count =
			resolver_uids(text, in->uids, in->uid_count, &root);
	}
	if (root && in->host->hijack_dns)
		log_info("host: the resolver on port 53 runs as root: its own "
			 "queries are caught too");
}

/* Outgoing connections get ports from here on */
static uint16_t first_ephemeral(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	char line[32] = "";
	unsigned long first;

	if (f && !fgets(line, sizeof(line), f))
		line[0] = '\0';
	if (f)
		fclose(f);
	first = strtoul(line, NULL, 10);
	return first > 1 && first < 65536 ? (uint16_t)first : 32768;
}

static bool answers_dns(const struct config *cfg)
{
	for (unsigned int i = 0; i < cfg->outbound_count; i++)
		if (!strcmp(cfg->outbounds[i]->ops->name, "dns"))
			return true;
	return false;
}

void intake_fill(struct intake *in, const struct config *cfg,
		 const struct tun_conf *tc, const char *tun, int ifindex,
		 bool print)
{
	*in = (struct intake){ .host = &cfg->host, .ifindex = ifindex };
	if (cfg->host.how.tcp != BY_TUN)
		in->proto = IPPROTO_UDP;
	if (tc) {
		memcpy(in->tun, tun, strnlen(tun, sizeof(in->tun) - 1));
		plan_addresses(in, tc);
	}
	in->pool_count = fakedns_pools(cfg->fakedns, in->pools, PLAN_POOLS);
	in->dns_local = cfg->host.hijack_dns && cfg->host.hijack_local &&
			answers_dns(cfg);
	in->service_max = (uint16_t)(first_ephemeral() - 1);
	if (!print)
		find_resolvers(in);
}
