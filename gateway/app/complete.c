/*
 * complete.c - What `culvert up` adds to a configuration that catches nothing
 *
 * Files for Xray as a client have socks and http inbounds, no TUN. Unless `capture`
 * says how traffic is caught, they get what the built-in configuration has: a TUN;
 * without an outbound that answers DNS one with a rule for what comes out of the TUN,
 * as all of port 53 does; without a "dns" section FakeDNS.
 */
#include <string.h>
#include <strings.h>

#include "gateway/app/app.h"
#include "gateway/base/jdoc.h"

#define TAG "culvert-tun"

static const char parts[] =
	"{ \"inbounds\": [ { \"tag\": \"" TAG "\", \"protocol\": \"tun\","
	" \"settings\": { \"name\": \"culvert0\", \"mtu\": 1500 },"
	" \"sniffing\": { \"enabled\": true, \"routeOnly\": true,"
	" \"destOverride\": [ \"fakedns\", \"http\", \"tls\", \"quic\" ] } } ],"
	" \"outbounds\": [ { \"tag\": \"culvert-dns\", \"protocol\": \"dns\" } "
	"],"
	" \"routing\": { \"rules\": [ { \"ruleTag\": \"culvert-dns\","
	" \"inboundTag\": [ \"" TAG "\" ], \"port\": 53,"
	" \"outboundTag\": \"culvert-dns\" } ] },"
	" \"dns\": " BUILTIN_DNS " }";

static bool any_of(const cJSON **list, unsigned int count, const char *protocol)
{
	for (unsigned int i = 0; i < count; i++) {
		const cJSON *p = jdoc_member(list[i], "protocol");

		if (cJSON_IsString(p) && !strcasecmp(p->valuestring, protocol))
			return true;
	}
	return false;
}

/* The member @key of an object, to be changed; NULL: none */
static cJSON *member(cJSON *o, const char *key)
{
	cJSON *found = NULL;

	for (cJSON *m = o ? o->child : NULL; m; m = m->next)
		if (m->string && !strcasecmp(m->string, key))
			found = m;
	return found;
}

/* "routing" of the file that has the last word on it; NULL: there is none */
static cJSON *routing_of(const struct diag *d, const struct merged *m)
{
	for (struct jdoc *doc = d->docs; doc; doc = doc->next)
		for (cJSON *r = doc->root ? doc->root->child : NULL; r;
		     r = r->next)
			if (r == m->routing)
				return r;
	return NULL;
}

/* The rule goes before all others */
static void add_rule(const struct diag *d, struct merged *m, cJSON *ours)
{
	cJSON *theirs = routing_of(d, m), *rules = member(theirs, "rules");
	cJSON *rule;

	if (!theirs) {
		m->routing = ours;
		return;
	}
	rule = cJSON_DetachItemFromArray(member(ours, "rules"), 0);
	if (cJSON_IsArray(rules))
		cJSON_InsertItemInArray(rules, 0, rule);
	else if (!rules && cJSON_IsObject(theirs))
		cJSON_AddItemToArray(cJSON_AddArrayToObject(theirs, "rules"),
				     rule);
	else
		cJSON_Delete(rule); /* what is wrong there is told later */
}

static bool is_wanted(const struct cli *up, const struct merged *m)
{
	if (up->capture ? strcmp(up->capture, "tun") != 0 :
			  jdoc_member(m->culvert, "capture") != NULL)
		return false;
	return !any_of(m->inbounds, m->inbound_count, "tun") &&
	       m->inbound_count < MERGE_MAX && m->outbound_count < MERGE_MAX;
}

/* The only entry of such a list of ours */
static const cJSON *only(cJSON *root, const char *key)
{
	const cJSON *list = member(root, key);

	return list ? list->child : NULL;
}

void complete_up(struct diag *d, struct merged *m, const struct cli *up)
{
	bool dns = any_of(m->outbounds, m->outbound_count, "dns");
	struct jdoc *doc;

	if (!is_wanted(up, m))
		return;
	doc = jdoc_parse(d, "built-in", parts, strlen(parts));
	if (!doc)
		return;
	m->inbounds[m->inbound_count++] = only(doc->root, "inbounds");
	if (!m->dns)
		m->dns = member(doc->root, "dns");
	if (dns || !m->outbound_count)
		return;
	m->outbounds[m->outbound_count++] = only(doc->root, "outbounds");
	add_rule(d, m, member(doc->root, "routing"));
}
