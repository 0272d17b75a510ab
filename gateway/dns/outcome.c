/* outcome.c - From a server's message to a result (contract: outcome.h) */
#include "gateway/dns/outcome.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/core/config.h"

/* Xray's line: SERVER got answer: name -> [ip, ip] 12ms */
void outcome_log(const struct config *cfg, const char *server, const char *what,
		 const char *name, const struct dns_outcome *o, int ms)
{
	char line[1536], ip[64];
	size_t n;
	int i;

	if (!cfg->log.dns_log || !log_access_on())
		return;
	n = (size_t)snprintf(line, sizeof(line), "%s %s %s -> [", server, what,
			     name);
	for (i = 0; i < o->count; i++) {
		struct addr a = dns_ip_addr(&o->ips[i], 0);

		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s",
				      i ? ", " : "",
				      addr_format_host(&a, ip, sizeof(ip)));
	}
	n += (size_t)snprintf(line + n, sizeof(line) - n, "]");
	if (ms >= 0)
		n += (size_t)snprintf(line + n, sizeof(line) - n, " %dms", ms);
	if (o->rc || !o->count)
		snprintf(line + n, sizeof(line) - n, " <%s>",
			 o->rc                    ? strerror(-o->rc) :
			 o->rcode == DNS_NXDOMAIN ? "no such name" :
			 o->rcode                 ? "server failure" :
						    "empty response");
	log_access(line);
}

/* Keep the addresses for which @set says @want; none left and @soft: keep all */
static void ips_filter(struct dns_outcome *o, const struct ipset *set,
		       bool want, bool soft)
{
	struct dns_ip kept[DNS_MAX_IPS];
	uint8_t n = 0, i;

	for (i = 0; set && i < o->count; i++) {
		struct addr a = dns_ip_addr(&o->ips[i], 0);

		if (ipset_has(set, &a) == want)
			kept[n++] = o->ips[i];
	}
	if (!set || (!n && soft))
		return;
	memcpy(o->ips, kept, n * sizeof(*kept));
	o->count = n;
}

bool outcome_of(const struct dns_server *s, const struct dns_found *f,
		struct dns_outcome *o)
{
	uint8_t i;

	*o = (struct dns_outcome){
		.rcode = f->rcode,
		.count = f->count,
		.ttl = f->ttl,
	};
	for (i = 0; i < f->count; i++) {
		o->ips[i].kind = f->ips[i].kind;
		memcpy(o->ips[i].ip, f->ips[i].ip, 16);
	}
	ips_filter(o, s->expected, true, s->prefer_expected);
	ips_filter(o, s->unexpected, false, s->avoid_unexpected);
	return f->count && !o->count;
}

bool outcome_final(const struct dns_outcome *o, uint8_t family, bool refused)
{
	if (o->rc)
		return false;
	if (o->fake || o->count)
		return true;
	return family == DNS_V6 && o->rcode == DNS_NOERROR && !refused;
}

void outcome_keep(struct dns_outcome *last, const struct dns_outcome *o)
{
	if (!last->rc && last->rcode == DNS_NOERROR)
		return; /* a server knows the name */
	if (o->rc && !last->rc)
		return;
	*last = *o;
}
