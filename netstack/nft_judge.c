/*
 * nft_judge.c - Who is caught (contract: nft_judge.h)
 *
 *   lan, own          filter: TProxy takes; the TUN's policy rules take what
 *                     is not marked here; QUIC is refused
 *   lan_nat, own_nat  nat: REDIRECT takes TCP
 *   lan_dns, own_dns  nat: DNS, to the listener that answers it
 *   guard             nobody speaks to our listeners but by these ways
 *   stray             what TProxy has marked and no route leads to us (somebody
 *                     flushed it) must not reach the real server
 *
 * The order in each: ours, answers, connections older than we are; exclude,
 * include; this host's addresses; FakeDNS and DNS are taken; what is near is
 * let go; the rest is taken.
 * nat chains see the first packet of a connection only, the others all of them.
 */
#include "netstack/nft_judge.h"

#include <string.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "netstack/nft.h"
#include "netstack/plan.h"

#define CGROUPS "/sys/fs/cgroup/"

/**
 * struct judge - One base chain being written
 * @own:	This host's traffic, else forwarded
 * @nat:	A nat chain
 * @name:	Of the chain
 * @skip:	What lets a packet go
 * @take:	Chain that takes
 */
struct judge {
	const struct intake *in;
	const struct capture_conf *how;
	FILE *out;
	bool own, nat;
	const char *name;
	char skip[96];
	const char *take;
};

uint32_t nft_kept_bit(const struct intake *in)
{
	uint32_t mask = in->host->mark_mask;

	return (mask & (0u - mask)) >> 1;
}

static bool any(const struct capture_match *m)
{
	return m->interface_count || m->mac_count || m->cgroup_count ||
	       m->source_count || m->destination_count || m->uid_count ||
	       m->gid_count || m->port_count;
}

static bool by_tun(const struct intake *in)
{
	const struct capture_conf *how = &in->host->how;

	return how->tcp == BY_TUN || how->udp == BY_TUN;
}

static bool by_tproxy(const struct intake *in)
{
	const struct capture_conf *how = &in->host->how;

	return how->tcp == BY_TPROXY || how->udp == BY_TPROXY;
}

/* FakeDNS gives addresses that UDP cannot reach: say so, for a quick fallback */
static bool fake_lost(const struct intake *in)
{
	return in->host->how.udp == BY_NONE && in->pool_count;
}

/* Does the filter half have anything to do? */
static bool filters(const struct intake *in)
{
	const struct capture_conf *how = &in->host->how;

	return by_tproxy(in) || in->host->reject_quic || fake_lost(in) ||
	       (by_tun(in) && (any(&how->include) || any(&how->exclude)));
}

bool nft_judges(const struct intake *in)
{
	return filters(in) || in->host->how.tcp == BY_REDIRECT;
}

bool nft_uses_near(const struct intake *in)
{
	return nft_judges(in);
}

/* --- sets in braces -------------------------------------------------------------- */

static void braces_words(FILE *out, const char *const *v, unsigned int n,
			 bool quote)
{
	for (unsigned int i = 0; i < n; i++)
		fprintf(out, quote ? "%s\"%s\"" : "%s%s", i ? ", " : "{ ",
			v[i]);
	fputs(" }", out);
}

/* Prefixes of @kind. Returns how many; writes nothing for 0 */
static unsigned int braces_cidrs(FILE *out, const char *before,
				 const struct cidr *v, unsigned int n,
				 uint8_t kind)
{
	char text[ADDR_TEXT_MAX];
	unsigned int count = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (v[i].kind != kind)
			continue;
		fprintf(out, "%s%s", count ? ", " : before,
			cidr_format(&v[i], text, sizeof(text)));
		count++;
	}
	if (count)
		fputs(" }", out);
	return count;
}

static void braces_ids(FILE *out, const struct id_range *v, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		fprintf(out, "%s%u", i ? ", " : "{ ", v[i].lo);
		if (v[i].hi != v[i].lo)
			fprintf(out, "-%u", v[i].hi);
	}
	fputs(" }", out);
}

static void braces_ports(FILE *out, const struct port_range *v, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		fprintf(out, "%s%u", i ? ", " : "{ ", v[i].lo);
		if (v[i].hi != v[i].lo)
			fprintf(out, "-%u", v[i].hi);
	}
	fputs(" }", out);
}

/* --- include, exclude ---------------------------------------------------------------- */

/* "ip saddr { ... }" of both families; @inc: what matches none is skipped */
static void judge_cidrs(const struct judge *j, const char *field,
			const struct cidr *v, unsigned int n, bool inc)
{
	static const uint8_t kinds[] = { ADDR_V4, ADDR_V6 };
	char before[32];

	for (unsigned int i = 0; n && i < 2; i++) {
		const char *ip = kinds[i] == ADDR_V6 ? "ip6" : "ip";

		snprintf(before, sizeof(before), "\t\t%s %s %s{ ", ip, field,
			 inc ? "!= " : "");
		if (braces_cidrs(j->out, before, v, n, kinds[i]))
			fprintf(j->out, " %s\n", j->skip);
		else if (inc)
			fprintf(j->out, "\t\tmeta nfproto %s %s\n",
				kinds[i] == ADDR_V6 ? "ipv6" : "ipv4", j->skip);
	}
}

/*
 * cgroup v2 paths are looked up by nft(8) below /sys/fs/cgroup when the rule is
 * loaded: they must be there. Where version 1 is in use too, the tree of version
 * 2 lies in "unified". Returns the prefix for nft, or NULL
 */
static const char *cgroup_tree(const char *path)
{
	static const char *const trees[] = { "", "unified/" };
	char full[600];
	bool v2 = false;

	for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
		/* the root of version 2 has this file, version 1 has not */
		snprintf(full, sizeof(full), CGROUPS "%scgroup.controllers",
			 trees[i]);
		if (access(full, F_OK) < 0)
			continue;
		v2 = true;
		snprintf(full, sizeof(full), CGROUPS "%s%s", trees[i], path);
		if (access(full, F_OK) == 0)
			return trees[i];
	}
	if (v2)
		log_warning("host: there is no cgroup %s: its rule is left out",
			    path);
	else
		log_warning("host: cgroup %s: no cgroup version 2 is mounted "
			    "at " CGROUPS " or " CGROUPS
			    "unified: its rule is left out",
			    path);
	return NULL;
}

static unsigned int cgroup_level(const char *path)
{
	unsigned int n = 1;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

static void judge_cgroups(const struct judge *j, const struct capture_match *m,
			  bool inc)
{
	for (unsigned int i = 0; i < m->cgroup_count; i++) {
		const char *tree = cgroup_tree(m->cgroups[i]);

		if (!tree)
			continue;
		fprintf(j->out, "\t\tsocket cgroupv2 level %u \"%s%s\" ",
			cgroup_level(m->cgroups[i]), tree, m->cgroups[i]);
		if (inc)
			fprintf(j->out, "goto %s_in\n", j->name);
		else
			fprintf(j->out, "%s\n", j->skip);
	}
	if (!inc || !m->cgroup_count)
		return;
	/* "!=" would not match a cgroup of a lower level: it has none there */
	fprintf(j->out,
		"\t\t%s\n"
		"\t}\n"
		"\tchain %s_in {\n",
		j->skip, j->name);
}

static void judge_sender(const struct judge *j, const struct capture_match *m,
			 bool inc)
{
	const char *not = inc ? "!= " : "";

	if (m->interface_count) {
		fprintf(j->out, "\t\tiifname %s", not );
		braces_words(j->out, m->interfaces, m->interface_count, true);
		fprintf(j->out, " %s\n", j->skip);
	}
	judge_cidrs(j, "saddr", m->sources, m->source_count, inc);
	if (m->mac_count) {
		if (inc)
			fprintf(j->out, "\t\tiiftype != ether %s\n", j->skip);
		fprintf(j->out, "\t\tether saddr %s", not );
		braces_words(j->out, m->macs, m->mac_count, false);
		fprintf(j->out, " %s\n", j->skip);
	}
}

static void judge_owner(const struct judge *j, const struct capture_match *m,
			bool inc)
{
	const char *not = inc ? "!= " : "";

	if (m->uid_count) {
		fprintf(j->out, "\t\tmeta skuid %s", not );
		braces_ids(j->out, m->uids, m->uid_count);
		fprintf(j->out, " %s\n", j->skip);
	}
	if (m->gid_count) {
		fprintf(j->out, "\t\tmeta skgid %s", not );
		braces_ids(j->out, m->gids, m->gid_count);
		fprintf(j->out, " %s\n", j->skip);
	}
	judge_cgroups(j, m, inc);
}

static void judge_match(const struct judge *j, const struct capture_match *m,
			bool inc)
{
	if (j->own)
		judge_owner(j, m, inc);
	else
		judge_sender(j, m, inc);
}

static void judge_place(const struct judge *j, const struct capture_match *m,
			bool inc)
{
	judge_cidrs(j, "daddr", m->destinations, m->destination_count, inc);
	if (m->port_count) {
		fprintf(j->out, "\t\tmeta l4proto { tcp, udp } th dport %s",
			inc ? "!= " : "");
		braces_ports(j->out, m->ports, m->port_count);
		fprintf(j->out, " %s\n", j->skip);
	}
}

/* --- the order of things ------------------------------------------------------------- */

/* Ours, answers, and who asks the real name servers */
static void judge_ours(const struct judge *j)
{
	const struct host_conf *h = j->in->host;

	fprintf(j->out, "\t\tmeta mark & 0x%x == 0x%x return\n", h->mark_mask,
		h->mark);
	if (!j->nat)
		fputs("\t\tct direction reply return\n", j->out);
	if (!j->own) {
		fputs("\t\tiifname \"lo\" return\n", j->out);
		if (j->in->tun[0])
			fprintf(j->out, "\t\tiifname \"%s\" return\n",
				j->in->tun);
	}
	for (unsigned int i = 0; j->own && i < j->in->uid_count; i++)
		if (!h->fail_closed || j->take == NULL)
			fprintf(j->out,
				"\t\tmeta skuid %u meta l4proto { tcp, udp } "
				"th dport 53 return\n",
				j->in->uids[i]);
}

/* TCP connections that are under way and were not caught */
static void judge_old(const struct judge *j)
{
	uint32_t kept = nft_kept_bit(j->in);

	if (j->nat)
		fputs("\t\ttcp flags & (fin | syn | rst | ack) != syn return\n",
		      j->out);
	else if (j->how->tcp == BY_TPROXY)
		fprintf(j->out,
			"\t\ttcp flags & (fin | syn | rst | ack) != syn "
			"ct mark & 0x%x != 0x%x return\n",
			kept, kept);
}

/* FakeDNS and port 53, wherever they go */
static void judge_taken(const struct judge *j)
{
	static const uint8_t kinds[] = { ADDR_V4, ADDR_V6 };
	bool lost = !j->nat && fake_lost(j->in);
	char text[ADDR_TEXT_MAX];

	for (unsigned int i = 0; j->in->tun[0] && i < j->in->gateway_count; i++)
		fprintf(j->out, "\t\t%s daddr %s/%u return\n",
			j->in->gateway[i].addr.kind == ADDR_V6 ? "ip6" : "ip",
			addr_format_host(&j->in->gateway[i].addr, text,
					 sizeof(text)),
			j->in->gateway[i].bits);
	for (unsigned int i = 0; i < 2; i++)
		if (braces_cidrs(j->out,
				 kinds[i] == ADDR_V6 ? "\t\tip6 daddr { " :
						       "\t\tip daddr { ",
				 j->in->pools, j->in->pool_count, kinds[i]))
			fprintf(j->out, " %s%s\n", lost ? "" : "goto ",
				lost ? "meta l4proto udp reject" : j->take);
	if (j->in->host->hijack_dns)
		fprintf(j->out,
			"\t\tmeta l4proto { tcp, udp } th dport 53 goto %s\n",
			j->take);
}

static void judge_near(const struct judge *j)
{
	fprintf(j->out,
		"\t\tip daddr @near4 %s\n"
		"\t\tip6 daddr @near6 %s\n",
		j->skip, j->skip);
}

static void judge_all(const struct judge *j)
{
	judge_ours(j);
	judge_old(j);
	judge_match(j, &j->how->exclude, false);
	judge_match(j, &j->how->include, true);
	fprintf(j->out,
		"\t\tfib daddr type { local, broadcast, anycast, multicast } "
		"return\n");
	judge_taken(j);
	judge_place(j, &j->how->exclude, false);
	judge_place(j, &j->how->include, true);
	judge_near(j);
	fprintf(j->out, "\t\tgoto %s\n\t}\n", j->take);
}

/* The base chain's first line; before it the chain that may follow it, by name */
static void judge_begin(const struct judge *j)
{
	if (j->own && j->how->include.cgroup_count)
		fprintf(j->out, "\tchain %s_in {\n\t}\n", j->name);
	fprintf(j->out, "\tchain %s {\n", j->name);
}

/* --- what takes --------------------------------------------------------------------------- */

static const char *protocols(const struct intake *in)
{
	const struct capture_conf *how = &in->host->how;

	if (how->tcp == BY_TPROXY)
		return how->udp == BY_TPROXY ? "{ tcp, udp }" : "tcp";
	return "udp";
}

static void print_quic(const struct intake *in, FILE *out)
{
	if (in->host->reject_quic)
		fputs("\t\tudp dport 443 reject\n", out);
}

static void print_begun(const struct intake *in, FILE *out)
{
	uint32_t kept = nft_kept_bit(in);

	if (in->host->how.tcp == BY_TPROXY)
		fprintf(out,
			"\t\ttcp flags & (fin | syn | rst | ack) == syn "
			"ct mark set ct mark | 0x%x\n",
			kept);
}

static void print_tproxy_to(const struct intake *in, const char *proto,
			    uint16_t port, FILE *out)
{
	uint32_t kept = nft_kept_bit(in);

	fprintf(out,
		"\t\tmeta l4proto %s tproxy to :%u meta mark set meta mark "
		"| 0x%x accept\n",
		proto, port, kept);
	if (in->host->fail_closed)
		fprintf(out, "\t\tmeta l4proto %s drop\n", proto);
}

/* Chains are named before they are used: nft wants it so */
static void print_takers(const struct intake *in, FILE *out)
{
	const struct capture_conf *how = &in->host->how;

	fputs("\tchain take_lan {\n", out);
	print_quic(in, out);
	print_begun(in, out);
	if (how->tcp == BY_TPROXY)
		print_tproxy_to(in, "tcp", how->tcp_port, out);
	if (how->udp == BY_TPROXY)
		print_tproxy_to(in, "udp", how->udp_port, out);
	fputs("\t}\n\tchain take_own {\n", out);
	print_quic(in, out);
	print_begun(in, out);
	if (by_tproxy(in))
		fprintf(out,
			"\t\tmeta l4proto %s meta mark set meta mark | 0x%x\n",
			protocols(in), nft_kept_bit(in));
	fputs("\t}\n", out);
}

/* What came back to us from our own output; connections that we have */
static void print_again(const struct intake *in, FILE *out)
{
	uint32_t kept = nft_kept_bit(in);

	fprintf(out,
		"\t\tiifname \"lo\" meta mark & 0x%x == 0x%x goto take_lan\n",
		kept, kept);
	if (in->host->how.tcp == BY_TPROXY)
		fprintf(out,
			"\t\tmeta l4proto tcp socket transparent 1 "
			"meta mark set meta mark | 0x%x accept\n",
			kept);
}

static struct judge judge(const struct intake *in, FILE *out, const char *name,
			  bool own, bool nat)
{
	struct judge j = {
		.in = in,
		.how = &in->host->how,
		.out = out,
		.own = own,
		.nat = nat,
		.name = name,
		.skip = "return",
		.take = own ? "take_own" : "take_lan",
	};

	if (!nat && by_tun(in))
		snprintf(j.skip, sizeof(j.skip),
			 "meta mark set meta mark & 0x%x | 0x%x return",
			 ~in->host->mark_mask, in->host->mark);
	if (nat)
		j.take = "take_nat";
	return j;
}

static void print_filters(const struct intake *in, FILE *out)
{
	struct judge lan = judge(in, out, "lan", false, false);
	struct judge own = judge(in, out, "own", true, false);

	if (!filters(in))
		return;
	print_takers(in, out);
	judge_begin(&lan);
	fputs("\t\ttype filter hook prerouting priority -149\n", out);
	if (by_tproxy(in))
		print_again(in, out);
	judge_all(&lan);
	judge_begin(&own);
	fputs("\t\ttype route hook output priority -149\n", out);
	if (in->host->how.tcp == BY_TPROXY)
		fprintf(out,
			"\t\tmeta l4proto tcp ct direction original "
			"ct mark & 0x%x == 0x%x goto take_own\n",
			nft_kept_bit(in), nft_kept_bit(in));
	judge_all(&own);
	if (!by_tproxy(in))
		return;
	fprintf(out,
		"\tchain stray {\n"
		"\t\ttype filter hook postrouting priority -151\n"
		"\t\toifname != \"lo\" meta mark & 0x%x == 0x%x drop\n"
		"\t}\n",
		nft_kept_bit(in), nft_kept_bit(in));
}

static void print_nat(const struct intake *in, FILE *out)
{
	struct judge lan = judge(in, out, "lan_nat", false, true);
	struct judge own = judge(in, out, "own_nat", true, true);

	if (in->host->how.tcp != BY_REDIRECT)
		return;
	fprintf(out,
		"\tchain take_nat {\n"
		"\t\tmeta l4proto tcp redirect to :%u\n"
		"\t}\n",
		in->host->how.tcp_port);
	judge_begin(&lan);
	fputs("\t\ttype nat hook prerouting priority -105\n"
	      "\t\tmeta l4proto != tcp return\n",
	      out);
	judge_all(&lan);
	judge_begin(&own);
	fputs("\t\ttype nat hook output priority -105\n"
	      "\t\tmeta l4proto != tcp return\n",
	      out);
	judge_all(&own);
}

/* --- DNS and the guard ---------------------------------------------------------------------- */

static void print_dns_chain(const struct intake *in, FILE *out, bool own)
{
	const struct capture_conf *how = &in->host->how;
	struct judge j = judge(in, out, own ? "own_dns" : "lan_dns", own, true);
	bool foreign = how->udp == BY_NONE;

	j.take = NULL; /* a resolver's questions are let go in any case */
	judge_begin(&j);
	fprintf(out,
		"\t\ttype nat hook %s priority -106\n"
		"\t\tmeta l4proto != { tcp, udp } return\n"
		"\t\tth dport != 53 return\n",
		own ? "output" : "prerouting");
	judge_ours(&j);
	if (!own)
		fputs("\t\tiifname @uplinks fib daddr type local return\n",
		      out);
	if (!foreign)
		fputs("\t\tfib daddr type != local return\n", out);
	if (!in->host->hijack_local)
		fputs("\t\tfib daddr type local return\n", out);
	judge_match(&j, &how->exclude, false);
	judge_match(&j, &how->include, true);
	fprintf(out, "\t\tmeta l4proto { tcp, udp } redirect to :%u\n\t}\n",
		how->dns_port);
}

static void print_guard(const struct intake *in, FILE *out)
{
	const struct capture_conf *how = &in->host->how;

	fprintf(out,
		"\tchain guard {\n"
		"\t\ttype filter hook input priority -10\n"
		"\t\tct status dnat return\n"
		"\t\tfib daddr type local tcp dport { %u",
		how->tcp_port);
	if (how->dns_port)
		fprintf(out, ", %u", how->dns_port);
	fputs(" } drop\n", out);
	if (how->udp == BY_TPROXY)
		fprintf(out, "\t\tfib daddr type local udp dport %u drop\n",
			how->udp_port);
	if (how->dns_port)
		fprintf(out, "\t\tfib daddr type local udp dport %u drop\n",
			how->dns_port);
	fputs("\t}\n", out);
}

/* Own traffic that goes by left the TUN's address in it: it is replaced */
static void print_source(const struct intake *in, FILE *out)
{
	char text[ADDR_TEXT_MAX];

	fprintf(out,
		"\tchain source {\n"
		"\t\ttype nat hook postrouting priority 95\n"
		"\t\toifname { \"lo\", \"%s\" } return\n",
		in->tun);
	for (unsigned int i = 0; i < in->gateway_count; i++)
		fprintf(out, "\t\t%s saddr %s masquerade\n",
			in->gateway[i].addr.kind == ADDR_V6 ? "ip6" : "ip",
			addr_format_host(&in->gateway[i].addr, text,
					 sizeof(text)));
	fputs("\t}\n", out);
}

void nft_print_judges(const struct intake *in, FILE *out)
{
	const struct capture_conf *how = &in->host->how;

	print_filters(in, out);
	print_nat(in, out);
	if (how->dns_port) {
		print_dns_chain(in, out, false);
		print_dns_chain(in, out, true);
	}
	if (how->tcp_port)
		print_guard(in, out);
	if (by_tun(in) &&
	    (filters(in) || how->direct.count4 || how->direct.count6))
		print_source(in, out);
}

void nft_print_direct(const struct intake *in, FILE *out)
{
	const struct capture_conf *how = &in->host->how;
	static const char *const hooks[] = { "filter hook prerouting",
					     "route hook output" };

	if (!how->direct.count4 && !how->direct.count6)
		return;
	fputs("table inet " NFT_DIRECT " {\n"
	      "\tset direct4 {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t}\n"
	      "\tset direct6 {\n\t\ttype ipv6_addr\n\t\tflags interval\n\t}\n",
	      out);
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		fprintf(out,
			"\tchain %s {\n"
			"\t\ttype %s priority -151\n"
			"%s"
			"\t\tip daddr @direct4 meta mark set meta mark & 0x%x "
			"| 0x%x\n"
			"\t\tip6 daddr @direct6 meta mark set meta mark & 0x%x "
			"| 0x%x\n"
			"\t}\n",
			i ? "own" : "lan", hooks[i],
			in->host->hijack_dns ?
				"\t\tmeta l4proto { tcp, udp } th dport 53 "
				"return\n" :
				"",
			~in->host->mark_mask, in->host->mark,
			~in->host->mark_mask, in->host->mark);
	fputs("}\n", out);
}
