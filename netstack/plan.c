/*
 * plan.c - Routes and rules as a list (contract: plan.h)
 *
 *   base+0   our mark                        goto END   own sockets, replies
 *   base+1   came out of the TUN             goto END
 *   base+2   local resolver, port 53         goto END   it may ask for us
 *   base+5   TProxy's mark                   TUN's table: to this host
 *   base+10  FakeDNS pools, TUN's prefix     TUN
 *   base+20  port 53                         TUN
 *   base+30  private, link-local, multicast  goto END
 *   base+40  main, but its default routes    main       what is near
 *   base+50  own traffic without a source    TUN        (v6: by base+60)
 *            own traffic from TUN's address  TUN
 *   base+52  other own traffic               goto END   replies, old flows
 *            (fail closed: from a service's port only)
 *   base+60  the rest                        TUN
 *   base+90  END: as if culvert were not there
 *   32768    whatever comes here            main       `ip rule flush` took 32766
 *
 * "TUN" is a lookup in our own table. When the device is gone the table is
 * empty, so each of them falls through (fail open), or it still holds an
 * unreachable default (fail closed). Then each of them is also followed by the
 * same at its priority + 1 as "unreachable", for when somebody flushes the table.
 * Rules are added END first, what catches last: at no moment does anything
 * loop. They are taken back the other way round.
 */
#include "netstack/plan.h"

#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/core/config.h"

enum {
	TUN_METRIC = 1,
	AT_MARK = 0,
	AT_BACK = 1,
	AT_RESOLVER = 2,
	AT_TPROXY = 5,
	AT_POOLS = 10,
	AT_DNS = 20,
	AT_PRIVATE = 30,
	AT_NEAR = 40,
	AT_OWN = 50,
	AT_OWN_REST = 52,
	AT_REST = 60,
	AT_END = 90,
	DNS_PORT = 53
};

/* Of its own: while a reload goes from one way to the other both are there */
#define TPROXY_METRIC (TUN_METRIC + 1)
/* Behind every metric that anybody uses */
#define CLOSED_METRIC 4294967294u

static const char *const bypass[] = {
	"0.0.0.0/8",          "10.0.0.0/8",    "100.64.0.0/10",  "127.0.0.0/8",
	"169.254.0.0/16",     "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/4",
	"255.255.255.255/32", "::1/128",       "fe80::/10",      "fc00::/7",
	"ff00::/8",
};

static void add_route(struct plan *p, const struct nlk_route *r)
{
	size_t n = (p->route_count + 1) * sizeof(*r);
	struct nlk_route *v = realloc(p->routes, n);

	if (!v) {
		p->failed = true;
		return;
	}
	v[p->route_count++] = *r;
	p->routes = v;
}

static void add_rule(struct plan *p, const struct nlk_rule *r)
{
	size_t n = (p->rule_count + 1) * sizeof(*r);
	struct nlk_rule *v = realloc(p->rules, n);

	if (!v) {
		p->failed = true;
		return;
	}
	v[p->rule_count++] = *r;
	p->rules = v;
}

void plan_tun_routes(struct plan *p, const struct tun_conf *tc, int ifindex)
{
	for (unsigned int i = 0; i < tc->route_count; i++)
		add_route(p, &(struct nlk_route){
				     .dst = tc->routes[i],
				     .type = RTN_UNICAST,
				     .table = RT_TABLE_MAIN,
				     .metric = TUN_METRIC,
				     .ifindex = ifindex,
			     });
}

/* --- addresses --------------------------------------------------------------- */

static bool has_family(const struct intake *c, uint8_t kind)
{
	for (unsigned int i = 0; i < c->gateway_count; i++)
		if (c->gateway[i].addr.kind == kind)
			return true;
	return false;
}

void plan_addresses(struct intake *c, const struct tun_conf *tc)
{
	struct tun_prefix v4 = { .bits = 30 }, v6 = { .bits = 126 };

	memcpy(c->gateway, tc->gateway, sizeof(tc->gateway));
	c->gateway_count = tc->gateway_count;
	addr_parse_ip(&v4.addr, "172.30.255.1");
	addr_parse_ip(&v6.addr, "fd6c:7663::1");
	if (!has_family(c, ADDR_V4))
		c->gateway[c->gateway_count++] = v4;
	if (!has_family(c, ADDR_V6))
		c->gateway[c->gateway_count++] = v6;
}

/* First and last address of a prefix mean something else, also in IPv6 */
struct addr plan_beside(const struct tun_prefix *g)
{
	size_t n = addr_ip_len(&g->addr);
	struct addr a = g->addr;
	uint8_t *last = &a.ip[n - 1];
	uint8_t mask = 0xff;

	if (!n || n * 8 < g->bits + 2u)
		return (struct addr){ .kind = ADDR_NONE };
	if (n * 8 - g->bits < 8)
		mask = (uint8_t)((1u << (n * 8 - g->bits)) - 1);
	*last = (uint8_t)((*last & ~mask) | ((*last + 1) & mask));
	if ((*last & mask) == mask || !(*last & mask))
		*last = (uint8_t)((*last & ~mask) | 1);
	if (addr_eq_host(&a, &g->addr)) /* it was the first: take the second */
		*last = (uint8_t)(*last + 1);
	a.port = 0;
	return a;
}

/* --- rules ----------------------------------------------------------------------- */

/* A rule of @c for @kind at base + @at that looks in our table, or goes on */
static struct nlk_rule rule(const struct intake *c, uint8_t kind,
			    unsigned int at, enum nlk_action action)
{
	struct nlk_rule r = {
		.kind = kind,
		.action = (uint8_t)action,
		.pref = c->host->rule_pref + at,
		.uid = -1,
	};

	if (action == NLK_GOTO)
		r.target = c->host->rule_pref + AT_END;
	if (action == NLK_LOOKUP) {
		r.target = c->host->table;
		r.ipproto = c->proto;
	}
	return r;
}

static struct cidr host_cidr(const struct addr *a)
{
	struct cidr c = { .kind = a->kind,
			  .bits = (uint8_t)(addr_ip_len(a) * 8) };

	memcpy(c.ip, a->ip, addr_ip_len(a));
	return c;
}

static struct cidr prefix_cidr(const struct tun_prefix *g)
{
	struct cidr c = host_cidr(&g->addr);

	c.bits = g->bits;
	for (size_t i = 0; i < sizeof(c.ip); i++) {
		unsigned int keep =
			c.bits > i * 8 ? c.bits - (unsigned int)i * 8 : 0;

		if (keep < 8)
			c.ip[i] &= (uint8_t) ~(0xffu >> keep);
	}
	return c;
}

/* What is caught: into our table, and nowhere else when nothing may leak */
static void add_catch(struct plan *p, const struct intake *c,
		      const struct nlk_rule *r)
{
	struct nlk_rule shut = *r;

	shut.action = NLK_UNREACHABLE;
	shut.target = 0;
	shut.pref++;
	if (c->host->fail_closed)
		add_rule(p, &shut);
	add_rule(p, r);
}

/* What goes on: marked, out of the TUN, the local resolver's questions */
static void add_exempt(struct plan *p, const struct intake *c, uint8_t kind)
{
	static const uint8_t protos[] = { IPPROTO_UDP, IPPROTO_TCP };
	struct nlk_rule r = rule(c, kind, AT_RESOLVER, NLK_GOTO);

	r.dport = DNS_PORT;
	for (unsigned int i = 0; i < c->uid_count * 2; i++) {
		if (c->host->fail_closed || !c->host->hijack_dns)
			break; /* it would leak questions when we are dead */
		r.uid = c->uids[i / 2];
		r.ipproto = protos[i % 2];
		add_rule(p, &r);
	}
	r = rule(c, kind, AT_BACK, NLK_GOTO);
	memcpy(r.iif, c->tun, sizeof(r.iif));
	add_rule(p, &r);
	r = rule(c, kind, AT_MARK, NLK_GOTO);
	r.mark = c->host->mark;
	r.mask = c->host->mark_mask;
	add_rule(p, &r);
}

/* What is near: private ranges (here or behind the uplink), known networks */
static void add_near(struct plan *p, const struct intake *c, uint8_t kind)
{
	struct nlk_rule r = rule(c, kind, AT_NEAR, NLK_LOOKUP);

	r.target = RT_TABLE_MAIN;
	r.ipproto = 0;
	r.suppress = true;
	add_rule(p, &r);
	for (size_t i = 0; i < ARRAY_SIZE(bypass); i++) {
		r = rule(c, kind, AT_PRIVATE, NLK_GOTO);
		if (cidr_parse(&r.dst, bypass[i]) == 0 && r.dst.kind == kind)
			add_rule(p, &r);
	}
	for (unsigned int i = 0; i < c->host->bypass_count; i++) {
		r = rule(c, kind, AT_PRIVATE, NLK_GOTO);
		r.dst = c->host->bypass[i];
		if (r.dst.kind == kind)
			add_rule(p, &r);
	}
}

/*
 * Own traffic that has a source: what answers somebody, and flows older than
 * we are. When nothing may leak it must come from a service's port: without a
 * route Linux tries IPv6 once more with any source of this host.
 */
static void add_answers(struct plan *p, const struct intake *c, uint8_t kind,
			const char *from)
{
	static const uint8_t protos[] = { IPPROTO_UDP, IPPROTO_TCP };
	struct nlk_rule r = rule(c, kind, AT_OWN_REST, NLK_GOTO);

	memcpy(r.iif, "lo", 3);
	if (from)
		cidr_parse(&r.src, from);
	if (!c->host->fail_closed) {
		add_rule(p, &r);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		r.ipproto = protos[i];
		r.sport_max = c->service_max;
		add_rule(p, &r);
	}
}

/* Own traffic: caught without a source, or with the TUN's */
static void add_own(struct plan *p, const struct intake *c, uint8_t kind)
{
	struct nlk_rule r = rule(c, kind, AT_OWN, NLK_LOOKUP);

	if (kind == ADDR_V4) {
		add_answers(p, c, kind, NULL);
	} else { /* "from" never matches a lookup without a source */
		add_answers(p, c, kind, "::/1");
		add_answers(p, c, kind, "8000::/1");
	}
	memcpy(r.iif, "lo", 3);
	for (unsigned int i = 0; i < c->gateway_count; i++) {
		r.src = host_cidr(&c->gateway[i].addr);
		if (r.src.kind == kind)
			add_catch(p, c, &r);
	}
	cidr_parse(&r.src, "0.0.0.0/32");
	if (kind == ADDR_V4)
		add_catch(p, c, &r);
}

/* What is caught wherever it goes: DNS, FakeDNS, the TUN's own prefix */
static void add_caught(struct plan *p, const struct intake *c, uint8_t kind)
{
	struct nlk_rule r = rule(c, kind, AT_POOLS, NLK_LOOKUP);

	for (unsigned int i = 0; i < c->gateway_count; i++) {
		r.dst = prefix_cidr(&c->gateway[i]);
		if (r.dst.kind == kind)
			add_catch(p, c, &r);
	}
	for (unsigned int i = 0; i < c->pool_count; i++) {
		r.dst = c->pools[i];
		if (r.dst.kind == kind)
			add_catch(p, c, &r);
	}
	r = rule(c, kind, AT_DNS, NLK_LOOKUP);
	r.dport = DNS_PORT;
	r.ipproto = IPPROTO_UDP;
	if (c->host->hijack_dns)
		add_catch(p, c, &r);
	r.ipproto = IPPROTO_TCP;
	if (c->host->hijack_dns && !c->proto)
		add_catch(p, c, &r);
}

static void add_table(struct plan *p, const struct intake *c, uint8_t kind)
{
	struct nlk_route r = {
		.dst.kind = kind,
		.type = RTN_UNICAST,
		.table = c->host->table,
		.metric = TUN_METRIC,
		.ifindex = c->ifindex,
	};

	/* No preferred source: the kernel takes the TUN's first address */
	add_route(p, &r);
	r.type = RTN_UNREACHABLE;
	r.ifindex = 0;
	r.metric = CLOSED_METRIC;
	if (c->host->fail_closed)
		add_route(p, &r);
}

void plan_last_resort(struct plan *p)
{
	struct nlk_rule r = {
		.kind = ADDR_V4,
		.action = NLK_LOOKUP,
		.pref = PLAN_LAST_RESORT,
		.target = RT_TABLE_MAIN,
		.uid = -1,
	};

	add_rule(p, &r);
	r.kind = ADDR_V6;
	add_rule(p, &r);
}

void plan_tproxy(struct plan *p, const struct intake *c, uint32_t mark, int lo)
{
	static const uint8_t kinds[] = { ADDR_V4, ADDR_V6 };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct nlk_rule r = rule(c, kinds[i], AT_TPROXY, NLK_LOOKUP);

		add_route(p, &(struct nlk_route){
				     .dst.kind = kinds[i],
				     .type = RTN_LOCAL,
				     .table = c->host->table,
				     .metric = TPROXY_METRIC,
				     .ifindex = lo,
			     });
		r.mark = r.mask = mark;
		r.ipproto = 0;
		add_rule(p, &r);
	}
}

void plan_private(struct cidrs *out)
{
	struct cidr c;

	for (size_t i = 0; i < ARRAY_SIZE(bypass); i++)
		if (cidr_parse(&c, bypass[i]) == 0)
			cidrs_add(out, &c);
}

void plan_capture(struct plan *p, const struct intake *c)
{
	static const uint8_t kinds[] = { ADDR_V4, ADDR_V6 };
	struct nlk_rule r;

	plan_last_resort(p);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		add_table(p, c, kinds[i]);
		r = rule(c, kinds[i], AT_END, NLK_NOP);
		add_rule(p, &r);
		add_exempt(p, c, kinds[i]);
		add_near(p, c, kinds[i]);
		add_own(p, c, kinds[i]);
		add_caught(p, c, kinds[i]);
		r = rule(c, kinds[i], AT_REST, NLK_LOOKUP);
		add_catch(p, c, &r);
	}
}

/* --- the list ------------------------------------------------------------------------ */

static bool same_cidr(const struct cidr *a, const struct cidr *b)
{
	return a->kind == b->kind && a->bits == b->bits &&
	       !memcmp(a->ip, b->ip, sizeof(a->ip));
}

static bool same_rule(const struct nlk_rule *a, const struct nlk_rule *b)
{
	return a->kind == b->kind && a->action == b->action &&
	       a->suppress == b->suppress && a->ipproto == b->ipproto &&
	       a->dport == b->dport && a->sport_max == b->sport_max &&
	       a->pref == b->pref && a->target == b->target &&
	       a->mark == b->mark && a->mask == b->mask && a->uid == b->uid &&
	       same_cidr(&a->src, &b->src) && same_cidr(&a->dst, &b->dst) &&
	       !strcmp(a->iif, b->iif);
}

bool plan_has_rule(const struct plan *p, const struct nlk_rule *r)
{
	for (unsigned int i = 0; i < p->rule_count; i++)
		if (same_rule(&p->rules[i], r))
			return true;
	return false;
}

bool plan_has_route(const struct plan *p, const struct nlk_route *r)
{
	for (unsigned int i = 0; i < p->route_count; i++) {
		const struct nlk_route *o = &p->routes[i];

		if (same_cidr(&o->dst, &r->dst) && o->type == r->type &&
		    o->table == r->table && o->metric == r->metric &&
		    o->ifindex == r->ifindex)
			return true;
	}
	return false;
}

void plan_free(struct plan *p)
{
	free(p->rules);
	free(p->routes);
	*p = (struct plan){ .failed = false };
}

/* --- as text ---------------------------------------------------------------------------- */

static const char *ip_of(uint8_t kind)
{
	return kind == ADDR_V6 ? "ip -6" : "ip";
}

static void print_cidr(const char *word, const struct cidr *c, FILE *out)
{
	char text[ADDR_TEXT_MAX];

	if (c->kind)
		fprintf(out, " %s %s", word,
			cidr_format(c, text, sizeof(text)));
}

static void print_table(uint32_t table, FILE *out)
{
	if (table == RT_TABLE_MAIN)
		fputs(" lookup main", out);
	else
		fprintf(out, " lookup %u", table);
}

static void print_rule(const struct nlk_rule *r, FILE *out)
{
	fprintf(out, "%s rule add pref %u", ip_of(r->kind), r->pref);
	print_cidr("from", &r->src, out);
	print_cidr("to", &r->dst, out);
	if (r->mask)
		fprintf(out, " fwmark 0x%x/0x%x", r->mark, r->mask);
	if (r->iif[0])
		fprintf(out, " iif %s", r->iif);
	if (r->uid >= 0)
		fprintf(out, " uidrange %u-%u", (uint32_t)r->uid,
			(uint32_t)r->uid);
	if (r->ipproto)
		fprintf(out, " ipproto %s",
			r->ipproto == IPPROTO_TCP ? "tcp" : "udp");
	if (r->dport)
		fprintf(out, " dport %u", r->dport);
	if (r->sport_max)
		fprintf(out, " sport 1-%u", r->sport_max);
	if (r->action == NLK_GOTO)
		fprintf(out, " goto %u", r->target);
	else if (r->action == NLK_NOP)
		fputs(" nop", out);
	else if (r->action == NLK_UNREACHABLE)
		fputs(" unreachable", out);
	else
		print_table(r->target, out);
	if (r->suppress)
		fprintf(out, " suppress_prefixlength %d", NLK_DEFAULT_BITS);
	fprintf(out, " protocol %d\n", NLK_PROTOCOL);
}

void plan_print(const struct plan *p, const char *tun, const char *prefix,
		FILE *out)
{
	char text[ADDR_TEXT_MAX];

	for (unsigned int i = 0; i < p->route_count; i++) {
		const struct nlk_route *r = &p->routes[i];

		fprintf(out, "%s%s route add %s%s", prefix, ip_of(r->dst.kind),
			r->type == RTN_UNREACHABLE ? "unreachable " :
			r->type == RTN_LOCAL       ? "local " :
						     "",
			cidr_format(&r->dst, text, sizeof(text)));
		if (r->type == RTN_UNICAST)
			fprintf(out, " dev %s", tun);
		if (r->type == RTN_LOCAL)
			fputs(" dev lo", out);
		fprintf(out, " table %u metric %u protocol %d\n", r->table,
			r->metric, NLK_PROTOCOL);
	}
	for (unsigned int i = 0; i < p->rule_count; i++) {
		fputs(prefix, out);
		print_rule(&p->rules[i], out);
	}
}
