/* sniffing.c - The "sniffing" object: when is looked, and what is done with a name */
#include <strings.h>

#include "gateway/base/compat.h"
#include "gateway/core/match.h"
#include "gateway/core/sniff.h"

static const struct jword override_words[] = {
	{ "http", OVERRIDE_HTTP },
	{ "tls", OVERRIDE_TLS },
	{ "https", OVERRIDE_TLS },
	{ "ssl", OVERRIDE_TLS },
	{ "quic", OVERRIDE_QUIC },
	{ "fakedns", OVERRIDE_FAKEDNS },
	{ "fakedns+others", OVERRIDE_FAKEDNS },
};

static void parse_override(struct jobj *o, struct sniffing *sn)
{
	struct jlist l;

	j_list(o, "destOverride", &l);
	while (j_list_next(o, &l)) {
		size_t i = 0;

		while (i < ARRAY_SIZE(override_words) &&
		       strcasecmp(override_words[i].word, l.text) != 0)
			i++;
		if (i < ARRAY_SIZE(override_words))
			sn->override |= (uint8_t)override_words[i].value;
		else
			diag_error(o->d, l.node, NULL,
				   "must be http, tls, quic, fakedns or "
				   "fakedns+others, got \"%s\"",
				   l.text);
	}
}

static void parse_excluded(struct jobj *o, struct sniffing *sn)
{
	struct dommap *m = dommap_new();
	unsigned int n = 0;

	if (m)
		n = dommap_parse(m, o, "domainsExcluded", DOM_PLAIN_SUBSTRING,
				 0);
	if (!m || (n && dommap_seal(m) < 0))
		diag_error(o->d, o->node, "domainsExcluded", "out of memory");
	if (n)
		sn->excluded = m;
	else
		dommap_free(m);
	sn->ips_excluded = ipset_parse(o, "ipsExcluded");
	sn->port_count =
		(uint8_t)j_ports(o, "portsExcluded", sn->ports, SNIFF_PORTS);
}

void sniffing_parse(struct diag *d, const cJSON *node, struct sniffing *sn)
{
	struct jobj o;

	if (!j_open(&o, d, node))
		return;
	sn->enabled = j_bool(&o, "enabled", false);
	sn->metadata_only = j_bool(&o, "metadataOnly", false);
	sn->route_only = j_bool(&o, "routeOnly", false);
	parse_override(&o, sn);
	parse_excluded(&o, sn);
	j_close(&o);
}

void sniffing_drop(struct sniffing *sn)
{
	dommap_free(sn->excluded);
	ipset_free(sn->ips_excluded);
	sn->excluded = NULL;
	sn->ips_excluded = NULL;
}
