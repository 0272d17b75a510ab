/*
 * parse.c - The "dns" object; what a server's address says: server.c
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/compat.h"
#include "gateway/base/hash.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/dns/conf.h"

#define DEFAULT_TAG     "culvert.dns"
#define DEFAULT_TIMEOUT 4000

#define FAMILIES (DNS_V4 | DNS_V6)
#define BY_ROUTES \
	0x80 /* UseSys: those of FAMILIES that the host has a route for */

static const struct jword strategies[] = {
	{ "UseIP", FAMILIES },
	{ "Use_IP", FAMILIES },
	{ "Use-IP", FAMILIES },
	{ "UseSys", FAMILIES | BY_ROUTES },
	{ "UseSystem", FAMILIES | BY_ROUTES },
	{ "Use_Sys", FAMILIES | BY_ROUTES },
	{ "Use_System", FAMILIES | BY_ROUTES },
	{ "Use-Sys", FAMILIES | BY_ROUTES },
	{ "Use-System", FAMILIES | BY_ROUTES },
	{ "UseIPv4", DNS_V4 },
	{ "UseIP4", DNS_V4 },
	{ "Use_IP4", DNS_V4 },
	{ "Use-IP4", DNS_V4 },
	{ "Use_IPv4", DNS_V4 },
	{ "Use-IPv4", DNS_V4 },
	{ "Use_IP_v4", DNS_V4 },
	{ "Use-IP-v4", DNS_V4 },
	{ "UseIP_v4", DNS_V4 },
	{ "UseIPv6", DNS_V6 },
	{ "UseIP6", DNS_V6 },
	{ "Use_IP6", DNS_V6 },
	{ "Use-IP6", DNS_V6 },
	{ "Use_IPv6", DNS_V6 },
	{ "Use-IPv6", DNS_V6 },
	{ "Use_IP_v6", DNS_V6 },
	{ "Use-IP-v6", DNS_V6 },
	{ "UseIP_v6", DNS_V6 },
};

/* What "localhost" owns besides its own domains */
static const char *const local_names[] = {
	"dotless:",         "domain:local",   "domain:localdomain",
	"domain:localhost", "domain:lan",     "domain:home.arpa",
	"domain:example",   "domain:invalid", "domain:test",
};

/* Queries of our own: no idle wait of minutes behind a lost answer */
static const struct policy own_policy = { .handshake_ms = 10000,
					  .idle_ms = 10000,
					  .uplink_only_ms = 1000,
					  .downlink_only_ms = 1000 };

static const struct inbound_ops own_inbound = { .name = "dns" };

/* What servers inherit */
struct defaults {
	struct config *cfg;
	const char *tag;
	struct cidr subnet;
	uint8_t families;
	bool cache_off, serve_stale;
	uint32_t stale_s;
};

static const struct inbound *own_inbound_new(struct dns *dns, const char *tag)
{
	struct inbound *ib = arena_alloc(&dns->arena, sizeof(*ib));

	if (!ib)
		return NULL;
	ib->ops = &own_inbound;
	ib->tag = arena_strdup(&dns->arena, tag);
	ib->policy = &own_policy;
	ib->sockopt = SOCKOPT_DEFAULT;
	return ib->tag ? ib : NULL;
}

/* An address set whose "*" means "prefer" */
static struct ipset *ips_parse(struct jobj *o, const char *key, bool *star)
{
	struct ipset *set = NULL;
	char err[128];
	struct jlist l;

	j_list(o, key, &l);
	while (j_list_next(o, &l)) {
		if (!strcmp(l.text, "*")) {
			*star = true;
			continue;
		}
		if (!set && !(set = ipset_new()))
			break;
		if (ipset_add(set, l.text, err) < 0)
			diag_error(o->d, l.node, NULL, "%s", err);
	}
	if (set && ipset_seal(set) < 0) {
		ipset_free(set);
		return NULL;
	}
	return set;
}

static bool subnet_parse(struct jobj *o, struct cidr *out)
{
	const char *text = j_str(o, "clientIp", NULL);
	struct cidr c;

	if (!text || !*text)
		return true;
	if (cidr_parse(&c, text) < 0 || strchr(text, '/')) {
		diag_error(o->d, o->node, "clientIp", "\"%s\" is no address",
			   text);
		return false;
	}
	c.bits = c.kind == ADDR_V4 ? 24 : 96;
	memset(c.ip + c.bits / 8, 0, sizeof(c.ip) - c.bits / 8u);
	*out = c;
	return true;
}

static void domains_add(struct dns *dns, struct dns_server *s, struct jobj *o)
{
	char err[128];
	size_t i;

	if (!dns->domains && !(dns->domains = dommap_new()))
		return;
	if (o)
		dommap_parse(dns->domains, o, "domains", DOM_PLAIN_SUBSTRING,
			     s->index);
	if (s->kind != SERVER_SYSTEM)
		return;
	for (i = 0; i < ARRAY_SIZE(local_names); i++)
		dommap_add(dns->domains, local_names[i], DOM_PLAIN_SUBSTRING,
			   s->index, err);
}

static uint64_t text_hash(const char *text)
{
	char lower[256];
	size_t n = strlen(text), i;

	for (i = 0; i < n && i < sizeof(lower); i++)
		lower[i] = (char)tolower((unsigned char)text[i]);
	return hash_bytes(rand_key(), lower, i);
}

/*
 * What tells servers apart that must not race: as Xray-core, infra/conf/dns.go.
 * An object without any of these keys has the policy of a plain string: 0
 */
static uint64_t policy_of(struct jobj *o)
{
	static const char *const lists[] = { "domains", "expectedIPs",
					     "expectIPs", "unexpectedIPs" };
	static const char *const words[] = { "clientIp", "queryStrategy",
					     "tag" };
	uint64_t sum = j_bool(o, "skipFallback", false);
	const char *text;
	struct jlist l;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		text = j_str(o, words[i], NULL);
		if (text && *text)
			sum += hash_mix(text_hash(text) + i);
	}
	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		j_list(o, lists[i], &l);
		while (j_list_next(o, &l))
			sum += hash_mix(text_hash(l.text) + 16 + i);
	}
	return sum;
}

/* Everything of a server object but its address */
static void options_parse(struct dns *dns, struct jobj *o, struct dns_server *s,
			  const struct defaults *def)
{
	bool star = false;
	int strategy;

	s->expected = ips_parse(o, "expectedIPs", &star);
	if (!s->expected && !star)
		s->expected = ips_parse(o, "expectIPs", &star);
	else
		j_ignore(o, "expectIPs", NULL);
	s->prefer_expected = star;
	star = false;
	s->unexpected = ips_parse(o, "unexpectedIPs", &star);
	s->avoid_unexpected = star;
	s->skip_fallback = j_bool(o, "skipFallback", false);
	s->final_query = j_bool(o, "finalQuery", false);
	strategy = j_word(o, "queryStrategy", strategies,
			  ARRAY_SIZE(strategies), FAMILIES);
	s->families = (uint8_t)(def->families & strategy & FAMILIES);
	s->by_routes = strategy & BY_ROUTES;
	if (!s->families)
		diag_error(o->d, o->node, "queryStrategy",
			   "leaves no family of the one of \"dns\"");
	s->timeout_ms =
		(uint32_t)j_int(o, "timeoutMs", DEFAULT_TIMEOUT, 0, 600000);
	if (!s->timeout_ms)
		s->timeout_ms = DEFAULT_TIMEOUT;
	s->cache_off = j_bool(o, "disableCache", def->cache_off);
	s->serve_stale = j_bool(o, "serveStale", def->serve_stale);
	s->stale_s = (uint32_t)j_int(o, "serveExpiredTTL", def->stale_s, 0,
				     UINT32_MAX);
	subnet_parse(o, &s->subnet);
	domains_add(dns, s, o);
	s->policy = policy_of(o);
}

static void server_defaults(struct dns_server *s, const struct defaults *def)
{
	s->families = def->families;
	s->cache_off = def->cache_off;
	s->serve_stale = def->serve_stale;
	s->stale_s = def->stale_s;
	s->subnet = def->subnet;
	s->timeout_ms = DEFAULT_TIMEOUT;
}

static void server_object(struct dns *dns, struct diag *d, const cJSON *node,
			  struct dns_server *s, const struct defaults *def)
{
	const char *text, *tag;
	struct jobj o;
	uint16_t port;
	bool known;

	if (!j_open(&o, d, node))
		return;
	text = j_need_str(&o, "address");
	port = (uint16_t)j_int(&o, "port", 0, 0, 65535);
	known = *text && server_address(dns, d, node, "address", text, port, s);
	if (known) {
		options_parse(dns, &o, s, def);
		if (!server_has_tls(s))
			j_ignore(&o, "tlsSettings",
				 "this server is not asked through TLS");
		server_levels(s, d,
			      server_has_tls(s) ? j_get(&o, "tlsSettings") :
						  NULL,
			      def->cfg);
	}
	tag = j_str(&o, "tag", NULL);
	if (tag && *tag)
		s->inbound = own_inbound_new(dns, tag);
	if (known) /* without its "domains" it would be asked for all names */
		j_close_strict(&o);
}

static void server_parse(struct dns *dns, struct diag *d, const cJSON *node,
			 const struct defaults *def)
{
	struct dns_server *s = &dns->servers[dns->count];

	if (dns->count == DNS_SERVERS_MAX) {
		diag_error(d, node, NULL, "at most %d servers",
			   DNS_SERVERS_MAX);
		return;
	}
	server_defaults(s, def);
	s->index = (uint8_t)dns->count++;
	if (!cJSON_IsString(node)) {
		server_object(dns, d, node, s, def);
		return;
	}
	if (!server_address(dns, d, node, NULL, node->valuestring, 0, s))
		return;
	server_levels(s, d, NULL, def->cfg);
	if (s->kind == SERVER_SYSTEM)
		domains_add(dns, s, NULL);
}

static void servers_parse(struct dns *dns, struct jobj *o,
			  const struct defaults *def)
{
	const cJSON *list = j_array(o, "servers"), *item;
	unsigned int i;

	cJSON_ArrayForEach(item, list) server_parse(dns, o->d, item, def);
	if (!dns->count) {
		dns->servers[0] = (struct dns_server){
			.kind = SERVER_SYSTEM,
			.straight = true,
			.name = "localhost",
		};
		server_defaults(&dns->servers[0], def);
		dns->count = 1;
	}
	dns->system.kind = SERVER_SYSTEM;
	dns->system.straight = true;
	dns->system.name = "localhost";
	server_defaults(&dns->system, def);
	dns->system.families = DNS_V4 | DNS_V6;
	dns->system.index = DNS_SERVERS_MAX;
	dns->system.inbound = own_inbound_new(dns, dns->tag);
	for (i = 0; i < dns->count; i++)
		if (!dns->servers[i].inbound)
			dns->servers[i].inbound = dns->system.inbound;
	if (dns->domains && dommap_seal(dns->domains) < 0)
		diag_error(o->d, o->node, "servers", "out of memory");
}

static void object_parse(struct dns *dns, struct jobj *o, struct config *cfg)
{
	struct defaults def = { .cfg = cfg };
	const char *tag = j_str(o, "tag", DEFAULT_TAG);
	int strategy;

	dns->tag = arena_strdup(&dns->arena, *tag ? tag : DEFAULT_TAG);
	if (!dns->tag)
		dns->tag = DEFAULT_TAG; /* reported by dns_parse() */
	def.tag = dns->tag;
	strategy = j_word(o, "queryStrategy", strategies,
			  ARRAY_SIZE(strategies), FAMILIES);
	def.families = strategy & FAMILIES;
	dns->families = def.families;
	dns->by_routes = strategy & BY_ROUTES;
	def.cache_off = j_bool(o, "disableCache", false);
	def.serve_stale = j_bool(o, "serveStale", false);
	def.stale_s = (uint32_t)j_int(o, "serveExpiredTTL", 0, 0, UINT32_MAX);
	subnet_parse(o, &def.subnet);
	dns->fallback_off = j_bool(o, "disableFallback", false);
	dns->fallback_off_if_match = j_bool(o, "disableFallbackIfMatch", false);
	dns->system_hosts = j_bool(o, "useSystemHosts", false);
	dns->parallel = j_bool(o, "enableParallelQuery", false);
	hosts_parse(dns, o->d, j_get(o, "hosts"));
	servers_parse(dns, o, &def);
}

struct dns *dns_parse(struct diag *d, const cJSON *node, struct config *cfg)
{
	unsigned int errors = d->errors;
	struct dns *dns = calloc(1, sizeof(*dns));
	struct jobj o;

	if (!dns) {
		diag_error(d, node, NULL, "out of memory");
		return NULL;
	}
	dns_cache_init(&dns->cache, DNS_CACHE_MAX);
	sysconf_init(&dns->sys, "/etc/resolv.conf",
		     "/run/systemd/resolve/resolv.conf", "/etc/hosts");
	j_open(&o, d, node);
	object_parse(dns, &o, cfg);
	j_close(&o);
	if (dns->arena.failed)
		diag_error(d, node, NULL, "out of memory");
	if (d->errors == errors)
		return dns;
	dns_free(dns);
	return NULL;
}

void dns_free(struct dns *dns)
{
	unsigned int i;

	if (!dns)
		return;
	for (i = 0; i < dns->count; i++) {
		ipset_free(dns->servers[i].expected);
		ipset_free(dns->servers[i].unexpected);
		server_drop(&dns->servers[i]);
	}
	dommap_free(dns->domains);
	dommap_free(dns->hosts);
	dns_cache_fini(&dns->cache);
	sysconf_fini(&dns->sys);
	arena_free(&dns->arena);
	free(dns);
}

const char *dns_tag(const struct dns *dns)
{
	return dns->tag;
}

bool dns_own_tag(const struct dns *dns, const char *tag)
{
	unsigned int i;

	if (!tag || !*tag)
		return false;
	if (!strcmp(tag, dns->tag))
		return true;
	for (i = 0; i < dns->count; i++)
		if (!strcmp(tag, dns->servers[i].inbound->tag))
			return true;
	return false;
}

unsigned int dns_wants_fake(const struct dns *dns)
{
	unsigned int i, families = 0;

	for (i = 0; i < dns->count; i++)
		if (dns->servers[i].kind == SERVER_FAKE)
			families |= dns->servers[i].families;
	return families;
}

/* @name is that of a server: who asks it must not need the answer */
static bool is_server(const struct dns *dns, const char *name)
{
	unsigned int i;

	for (i = 0; i < dns->count; i++)
		if (server_named(&dns->servers[i]) &&
		    !strcmp(dns->servers[i].at.name, name))
			return true;
	return false;
}

/* Those of @order that need no name to be asked; else the system's. How many */
static unsigned int order_nameless(const struct dns *dns, uint8_t *order,
				   unsigned int n)
{
	unsigned int kept = 0, i;

	for (i = 0; i < n; i++)
		if (!server_named(&dns->servers[order[i]]))
			order[kept++] = order[i];
	if (!kept)
		order[kept++] = DNS_SERVERS_MAX;
	return kept;
}

/* Matching servers first, then those for everything (xray.md, F "Order") */
static unsigned int servers_all(const struct dns *dns, const char *name,
				bool fake, uint8_t order[DNS_SERVERS_MAX])
{
	uint32_t ids[DNS_SERVERS_MAX], used = 0;
	unsigned int n = 0, i;
	size_t found = 0;

	if (dns->domains)
		found = dommap_find(dns->domains, name, strlen(name), ids,
				    DNS_SERVERS_MAX);
	for (i = 0; i < found; i++) {
		const struct dns_server *s = &dns->servers[ids[i]];

		used |= 1u << s->index;
		if (s->kind == SERVER_FAKE && !fake)
			continue;
		order[n++] = s->index;
		if (s->final_query)
			return n;
	}
	if (dns->fallback_off || (found && dns->fallback_off_if_match))
		goto out;
	for (i = 0; i < dns->count; i++) {
		const struct dns_server *s = &dns->servers[i];

		if (used & 1u << i || s->skip_fallback ||
		    (s->kind == SERVER_FAKE && !fake))
			continue;
		order[n++] = s->index;
		if (s->final_query)
			return n;
	}
out:
	if (!n)
		for (i = 0; i < dns->count && !n; i++)
			if (dns->servers[i].kind != SERVER_FAKE || fake)
				order[n++] = (uint8_t)i;
	return n;
}

unsigned int servers_order(const struct dns *dns, const char *name, bool fake,
			   uint8_t order[DNS_SERVERS_MAX])
{
	unsigned int n = servers_all(dns, name, fake, order);

	return is_server(dns, name) ? order_nameless(dns, order, n) : n;
}
