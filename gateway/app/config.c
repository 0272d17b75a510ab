/* config.c - Files in, one immutable generation out; or complaints */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/app/app.h"
#include "gateway/assets/assets.h"
#include "gateway/core/dns.h"
#include "gateway/core/host.h"
#include "gateway/core/match.h"
#include "gateway/core/route.h"
#include "gateway/core/transport.h"
#include "proxy/mux/mux.h"

static void config_free(struct config *cfg)
{
	for (unsigned int i = 0; i < cfg->inbound_count; i++) {
		struct inbound *ib = cfg->inbounds[i];

		if (ib->ops->drop)
			ib->ops->drop(ib);
		sniffing_drop(&ib->sniffing);
	}
	for (struct reverse *v = cfg->reverses; v; v = v->next)
		sniffing_drop(&v->ib.sniffing);
	for (unsigned int i = 0; i < cfg->outbound_count; i++)
		if (cfg->outbounds[i]->ops->drop)
			cfg->outbounds[i]->ops->drop(cfg->outbounds[i]);
	for (unsigned int i = 0; i < cfg->transport_count; i++)
		if (cfg->transports[i]->ops->drop)
			cfg->transports[i]->ops->drop(cfg->transports[i]);
	if (cfg->assets)
		assets_drop(cfg->assets);
	cidrs_free(&cfg->host.how.direct);
	router_free(cfg->router);
	dns_free(cfg->dns);
	fakedns_unref(cfg->fakedns);
	arena_free(&cfg->arena);
	free(cfg);
}

static void build_sections(struct diag *d, const struct merged *m,
			   const struct config *old, const struct cli *up,
			   struct config *cfg)
{
	parse_log(d, m->log, cfg);
	parse_policy(d, m->policy, cfg);
	parse_host(d, m->culvert, cfg);
	cfg->host.up = up != NULL;
	if (up && up->capture)
		cfg->host.capture =
			(enum capture)parse_capture_word(up->capture);
	cfg->stats_on = m->stats != NULL;
	cfg->dns = dns_parse(d, m->dns, cfg);
	cfg->fakedns = fakedns_parse(d, m->fakedns,
				     cfg->dns ? dns_wants_fake(cfg->dns) : 0,
				     old ? old->fakedns : NULL);
	parse_outbounds(d, m, cfg);
	parse_portals(d, m, cfg);
	parse_reverses(d, cfg);
	parse_observe(d, m, cfg);
	parse_api(d, m, cfg);
	parse_geodata(d, m->geodata, cfg);
	cfg->router = router_parse(d, m->routing, cfg);
	parse_inbounds(d, m, cfg);
	parse_api_listeners(cfg);
	if (up && d->errors == 0)
		listeners_add(d, cfg);
	if (up && d->errors == 0)
		host_own_dns(cfg);
}

/* Nodes die with the documents: nothing of the generation may point there */
static void forget_nodes(struct config *cfg)
{
	for (unsigned int i = 0; i < cfg->inbound_count; i++)
		cfg->inbounds[i]->node = NULL;
	for (unsigned int i = 0; i < cfg->outbound_count; i++)
		cfg->outbounds[i]->node = NULL;
}

struct config *config_build(struct diag *d, const struct merged *m,
			    const struct config *old, const struct cli *up)
{
	struct config *cfg = calloc(1, sizeof(*cfg));

	if (!cfg) {
		diag_error(d, NULL, NULL, "out of memory");
		return NULL;
	}
	atomic_init(&cfg->refs, 1);
	cfg->free = config_free;
	cfg->mux_server = &mux_server;
	cfg->generation = old ? old->generation + 1 : 1;
	build_sections(d, m, old, up, cfg);
	if (cfg->arena.failed)
		diag_error(d, NULL, NULL, "out of memory");
	forget_nodes(cfg);
	if (d->errors == 0)
		return cfg;
	config_unref(cfg);
	return NULL;
}

static void load_files(struct diag *d, const struct cli *cli, bool up)
{
	const char *text = cli->capture && strcmp(cli->capture, "tun") != 0 ?
				   builtin_listen :
				   builtin_config;

	for (unsigned int i = 0; i < cli->file_count; i++) {
		const struct jdoc *doc = jdoc_load(d, cli->files[i]);

		if (doc)
			jdoc_foreign(d, doc);
	}
	if (cli->text)
		jdoc_parse(d, "link", cli->text, strlen(cli->text));
	else if (cli->file_count == 0 && up)
		jdoc_parse(d, "built-in", text, strlen(text));
}

struct config *config_load(struct diag *d, const struct cli *cli,
			   const struct config *old, bool up)
{
	struct config *cfg;
	struct merged m;

	load_files(d, cli, up);
	if (d->errors > 0)
		return NULL;
	if (!d->docs) {
		diag_error(d, NULL, NULL, "no configuration: use -c FILE");
		return NULL;
	}
	if (merge_docs(d, d->docs, &m) < 0) {
		diag_error(d, NULL, NULL, "out of memory");
		return NULL;
	}
	if (up)
		complete_up(d, &m, cli);
	/* After an error too: all of them are told in one pass */
	cfg = config_build(d, &m, old, up ? cli : NULL);
	if (cfg && cli->dump) {
		char *text = merge_print(&m);

		puts(text ? text : "out of memory");
		free(text);
	}
	merge_free(&m);
	return cfg;
}
