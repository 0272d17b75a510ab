/* conf.h - The compiled "dns" object, and who reads it */
#ifndef GATEWAY_DNS_CONF_H
#define GATEWAY_DNS_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/arena.h"
#include "gateway/core/dns.h"
#include "gateway/core/inbound.h"
#include "gateway/core/match.h"
#include "gateway/core/transport.h"
#include "gateway/dns/cache.h"
#include "gateway/dns/health.h"
#include "gateway/dns/sysconf.h"

#define DNS_SERVERS_MAX 32
#define DNS_HOSTS_TTL   10 /* seconds, as Xray */
#define DNS_FAKE_TTL    1
#define DNS_ALIAS_MAX   5 /* names after each other in hosts */

enum server_kind {
	SERVER_UDP,
	SERVER_TCP,
	SERVER_TLS, /* DNS over TLS */
	SERVER_HTTPS, /* DNS over HTTPS */
	SERVER_H2C, /* the same without TLS */
	SERVER_SYSTEM, /* "localhost": what /etc/resolv.conf says */
	SERVER_FAKE,
};

/**
 * struct dns_server - One entry of "servers"
 * @name:	As Xray logs it: "UDP:8.8.8.8:53"
 * @addr:	Where, as configured; ADDR_NONE for SERVER_SYSTEM, SERVER_FAKE
 * @at:		Where to dial: @addr, or what "hosts" says of its name
 * @straight:	Past routing, by sockets of our own
 * @index:	Place in dns->servers; key of the cache
 * @families:	DNS_V4 | DNS_V6 that this server is asked
 * @by_routes:	Of these, only those the host has a route for (UseSys)
 * @policy:	Equal for servers that may race (enableParallelQuery)
 * @prefer_expected, @avoid_unexpected:	"*" in the list: sort, do not refuse
 * @subnet:	Client subnet to send; kind ADDR_NONE: none
 * @inbound:	Its queries' pseudo inbound, with the tag
 * @path, @authority:	Of requests (SERVER_HTTPS, SERVER_H2C)
 * @top:	What is dialed by those that share connections (conn.h); NULL:
 *		the others. @tls, @bottom: its levels
 */
struct dns_server {
	uint8_t kind, index, families;
	bool straight;
	bool skip_fallback, final_query, cache_off, serve_stale;
	bool prefer_expected, avoid_unexpected, by_routes;
	uint64_t policy;
	uint32_t timeout_ms, stale_s; /* stale_s 0: without end */
	const char *name;
	struct addr addr, at;
	struct ipset *expected, *unexpected;
	struct cidr subnet;
	const struct inbound *inbound;
	const char *path, *authority;
	const struct transport *top;
	struct transport tls, bottom;
};

/**
 * struct dns - Compiled "dns" object; immutable but for @cache and @sys, which
 * have their own locks, and @health, which needs none
 * @domains:	Patterns of all servers, id = server index; NULL none
 * @hosts:	Patterns of "hosts", id = index of @entries; NULL none
 * @system:	The server behind DNS_SYSTEM; not in @servers
 */
struct dns {
	struct arena arena;
	struct dns_server servers[DNS_SERVERS_MAX];
	struct dns_server system;
	unsigned int count;
	struct dommap *domains, *hosts;
	struct host_entry *entries;
	unsigned int entry_count;
	uint8_t families;
	bool fallback_off, fallback_off_if_match, system_hosts;
	bool parallel, by_routes; /* enableParallelQuery; UseSys */
	const char *tag;
	struct dns_cache cache;
	struct sysconf sys;
	struct dns_health health[DNS_SERVERS_MAX + 1]; /* by server index */
};

/**
 * struct host_entry - What "hosts" says of a name
 * @rcode:	-1, or answer with this code and nothing else
 * @alias:	Another name to ask for instead; NULL
 */
struct host_entry {
	int rcode;
	const char *alias;
	struct dns_ip *ips;
	unsigned int count;
};

/**
 * struct dns_outcome - Result of one question
 * @rc:		0: a server answered (with @rcode, maybe without addresses),
 *		-ETIMEDOUT or other -errno
 * @fake:	The fakedns server comes first for this name: nothing is filled
 */
struct dns_outcome {
	int rc;
	uint8_t rcode, count;
	bool fake;
	uint32_t ttl;
	struct dns_ip ips[DNS_MAX_IPS];
};

enum hosts_found { HOSTS_NO, HOSTS_YES, HOSTS_ALIAS };

/*
 * HOSTS_YES fills @out; HOSTS_ALIAS: @name (256 bytes) was replaced, ask the
 * servers for that one
 */
enum hosts_found hosts_find(struct dns *dns, char name[256], uint8_t family,
			    struct dns_outcome *out);
/*
 * What an entry's "address" says of @s: kind, name, address. @node, @key: its
 * place. false after a diag_error()
 */
bool server_address(struct dns *dns, struct diag *d, const cJSON *node,
		    const char *key, const char *text, uint16_t port,
		    struct dns_server *s);
/*
 * The levels of those that share connections; @tls are its tlsSettings. Nothing for
 * the others. Errors go to the diag
 */
void server_levels(struct dns_server *s, struct diag *d, const cJSON *tls,
		   struct config *cfg);
void server_drop(struct dns_server *s);
static inline bool server_has_tls(const struct dns_server *s)
{
	return s->kind == SERVER_TLS || s->kind == SERVER_HTTPS;
}

/* Its own name must be found before it can be asked */
static inline bool server_named(const struct dns_server *s)
{
	return s->at.kind == ADDR_NAME && !s->straight;
}

/* Parse "hosts" */
void hosts_parse(struct dns *dns, struct diag *d, const cJSON *node);

/*
 * Servers to ask for @name, in order, into @order (DNS_SERVERS_MAX). @fake:
 * fakedns servers too. The name of a server itself goes only to those that need no
 * name, at last to the system's (index DNS_SERVERS_MAX). Returns how many
 */
unsigned int servers_order(const struct dns *dns, const char *name, bool fake,
			   uint8_t order[DNS_SERVERS_MAX]);

#endif
