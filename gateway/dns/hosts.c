/*
 * hosts.c - The "hosts" object and the system's hosts file
 *
 * A key is a domain pattern (plain: the whole name); its value an address, a
 * list of them, another name, or "#code". All matching keys are merged.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/dns/conf.h"

#define MATCHES_MAX 32 /* keys looked at for one name */
#define VALUES_MAX  64 /* addresses of one key */

/* One value of a key. false after a diag_error() */
static bool value_parse(struct dns *dns, struct diag *d, const cJSON *node,
			bool alone, struct host_entry *e)
{
	const char *text = cJSON_IsString(node) ? node->valuestring : "";
	struct addr a = { 0 };
	char clean[256];
	int len;

	if (!addr_parse_ip(&a, text)) {
		e->ips[e->count].kind = a.kind;
		memcpy(e->ips[e->count++].ip, a.ip, sizeof(a.ip));
		return true;
	}
	if (alone && *text == '#') {
		char *end;
		long code = strtol(text + 1, &end, 10);

		if (text[1] && !*end && code >= 0 && code <= 15) {
			e->rcode = (int)code;
			return true;
		}
	}
	len = addr_clean_name(text, strlen(text), clean);
	if (!alone || len <= 0) {
		diag_error(d, node, NULL,
			   alone ? "must be an address, a name or #0 to #15" :
				   "must be an address");
		return false;
	}
	e->alias = arena_strndup(&dns->arena, clean, (size_t)len);
	return e->alias;
}

static void entry_parse(struct dns *dns, struct diag *d, const cJSON *node,
			struct host_entry *e)
{
	int n = cJSON_IsArray(node) ? cJSON_GetArraySize(node) : 1;
	const cJSON *item;

	e->rcode = -1;
	if (n < 1 || n > VALUES_MAX) {
		diag_error(d, node, NULL, "must have 1 to %d addresses",
			   VALUES_MAX);
		return;
	}
	e->ips = arena_alloc(&dns->arena, (size_t)n * sizeof(*e->ips));
	if (!e->ips)
		return;
	if (!cJSON_IsArray(node)) {
		value_parse(dns, d, node, true, e);
		return;
	}
	cJSON_ArrayForEach(item, node) value_parse(dns, d, item, n == 1, e);
}

void hosts_parse(struct dns *dns, struct diag *d, const cJSON *node)
{
	const cJSON *item;
	char err[128];
	int n;

	if (!node)
		return;
	if (!cJSON_IsObject(node)) {
		diag_error(d, node, NULL, "must be an object");
		return;
	}
	n = cJSON_GetArraySize(node);
	dns->hosts = dommap_new();
	dns->entries = arena_alloc(&dns->arena,
				   ((size_t)n + 1) * sizeof(*dns->entries));
	if (!dns->hosts || !dns->entries) {
		diag_error(d, node, NULL, "out of memory");
		return;
	}
	cJSON_ArrayForEach(item, node)
	{
		if (dommap_add(dns->hosts, item->string, DOM_PLAIN_FULL,
			       dns->entry_count, err) < 0)
			diag_error(d, item, NULL, "%s", err);
		entry_parse(dns, d, item, &dns->entries[dns->entry_count++]);
	}
	if (dommap_seal(dns->hosts) < 0)
		diag_error(d, node, NULL, "out of memory");
}

static void ip_add(struct dns_outcome *out, const struct dns_ip *ip,
		   uint8_t kind)
{
	if (ip->kind == kind && out->count < DNS_MAX_IPS)
		out->ips[out->count++] = *ip;
}

/* A code goes before all else that other keys say of the name, as in Xray */
static enum hosts_found hosts_code(struct dns_outcome *out, int rcode)
{
	*out = (struct dns_outcome){ .rcode = (uint8_t)rcode,
				     .ttl = DNS_HOSTS_TTL };
	return HOSTS_YES;
}

/*
 * One level: all keys that match @name; addresses go before other names. @alias is
 * set for HOSTS_ALIAS
 */
static enum hosts_found hosts_level(const struct dns *dns, const char *name,
				    uint8_t kind, struct dns_outcome *out,
				    const char **alias)
{
	enum hosts_found found = HOSTS_NO;
	uint32_t ids[MATCHES_MAX];
	size_t n, i;
	unsigned int k;

	if (!dns->hosts)
		return HOSTS_NO;
	n = dommap_find(dns->hosts, name, strlen(name), ids, MATCHES_MAX);
	for (i = 0; i < n; i++) {
		const struct host_entry *e = &dns->entries[ids[i]];

		if (e->rcode >= 0)
			return hosts_code(out, e->rcode);
		for (k = 0; k < e->count; k++)
			ip_add(out, &e->ips[k], kind);
		if (e->count)
			found = HOSTS_YES;
		if (e->alias && found == HOSTS_NO) {
			*alias = e->alias;
			found = HOSTS_ALIAS;
		}
	}
	return found;
}

static enum hosts_found hosts_system(struct dns *dns, const char *name,
				     uint8_t kind, struct dns_outcome *out)
{
	struct addr a[DNS_MAX_IPS];
	struct dns_ip ip;
	int n, i;

	n = sysconf_hosts(&dns->sys, clock_ms(), name, kind, a, DNS_MAX_IPS);
	if (n < 0)
		return HOSTS_NO;
	for (i = 0; i < n; i++) {
		ip.kind = a[i].kind;
		memcpy(ip.ip, a[i].ip, sizeof(ip.ip));
		ip_add(out, &ip, kind);
	}
	return HOSTS_YES;
}

enum hosts_found hosts_find(struct dns *dns, char name[256], uint8_t family,
			    struct dns_outcome *out)
{
	uint8_t kind = family == DNS_V4 ? ADDR_V4 : ADDR_V6;
	enum hosts_found found, any = HOSTS_NO;
	const char *alias = NULL;
	int level;

	for (level = 0; level <= DNS_ALIAS_MAX; level++) {
		*out = (struct dns_outcome){ .ttl = DNS_HOSTS_TTL };
		found = hosts_level(dns, name, kind, out, &alias);
		if (found == HOSTS_NO && dns->system_hosts)
			found = hosts_system(dns, name, kind, out);
		if (found != HOSTS_ALIAS)
			return found == HOSTS_NO ? any : found;
		if (level == DNS_ALIAS_MAX)
			break;
		memcpy(name, alias, strlen(alias) + 1);
		any = HOSTS_ALIAS;
	}
	*out = (struct dns_outcome){ .rcode = 2 }; /* goes in circles */
	return HOSTS_YES;
}
