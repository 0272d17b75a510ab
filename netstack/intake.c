/* intake.c - What decides how traffic is caught (contract: intake.h) */
#include "netstack/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/dns.h"
#include "gateway/core/host.h"
#include "netstack/resolvers.h"

/* Whoever answers port 53 here asks the real servers, as culvert itself does */
static void take_resolvers(struct intake *in)
{
	struct resolvers r = { .uid_count = 0 };

	resolvers_find(&r);
	in->uid_count = r.uid_count;
	memcpy(in->uids, r.uids, sizeof(in->uids));
	if (r.root && in->host->hijack_dns)
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

static bool takes_own_dns(const struct config *cfg)
{
	return cfg->host.hijack_dns && cfg->host.hijack_local &&
	       answers_dns(cfg);
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
	in->dns_local = takes_own_dns(cfg);
	in->service_max = (uint16_t)(first_ephemeral() - 1);
	if (!print)
		take_resolvers(in);
}

const struct tun_conf *intake_first_tun(const struct config *cfg)
{
	for (unsigned int i = 0; i < cfg->inbound_count; i++)
		if (!strcmp(cfg->inbounds[i]->ops->name, "tun"))
			return cfg->inbounds[i]->settings;
	return NULL;
}

/* As intake_fill() for the device that catches, and nft_text.c */
void host_own_dns(struct config *cfg)
{
	struct intake in = { .host = &cfg->host };
	const struct tun_conf *tc = intake_first_tun(cfg);

	if (!tc || !takes_own_dns(cfg) ||
	    (cfg->host.how.tcp != BY_TUN && cfg->host.how.udp != BY_TUN))
		return;
	plan_addresses(&in, tc);
	for (unsigned int i = 0; i < in.gateway_count; i++) {
		struct addr a = plan_beside(&in.gateway[i]);
		struct addr *at = &cfg->host.own_dns[a.kind == ADDR_V6];

		if (a.kind != ADDR_NONE && at->kind == ADDR_NONE)
			*at = a;
	}
}
