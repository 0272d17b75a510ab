/*
 * nft_match.c - Is this packet to be caught? (contract: nft_match.h)
 *
 * The order in each chain: ours, answers, connections older than we are; exclude,
 * include; this host's addresses; FakeDNS and DNS are taken; what is near is
 * let go; the rest is taken.
 */
#include "netstack/nft_match.h"

#include <string.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "netstack/nft_judge.h"
#include "netstack/plan.h"

#define CGROUPS "/sys/fs/cgroup/"

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

static void braces_range(FILE *out, bool first, uint32_t lo, uint32_t hi)
{
	fprintf(out, "%s%u", first ? "{ " : ", ", lo);
	if (hi != lo)
		fprintf(out, "-%u", hi);
}

static void braces_ids(FILE *out, const struct id_range *v, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		braces_range(out, i == 0, v[i].lo, v[i].hi);
	fputs(" }", out);
}

static void braces_ports(FILE *out, const struct port_range *v, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		braces_range(out, i == 0, v[i].lo, v[i].hi);
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

/*
 * A socket that its program has closed belongs to nobody: what it still sends would
 * go into the TUN. So the connection remembers that it goes by. (TProxy and NAT
 * judge the first packet only.)
 */
static bool remembers(const struct judge *j)
{
	const struct capture_match *in = &j->how->include;
	const struct capture_match *ex = &j->how->exclude;

	return j->own && j->kind == JUDGE_FILTER && j->how->tcp == BY_TUN &&
	       (in->uid_count || in->gid_count || ex->uid_count ||
		ex->gid_count);
}

static void skip_owner(const struct judge *j)
{
	const struct host_conf *h = j->in->host;

	if (remembers(j))
		fprintf(j->out, " ct mark set ct mark & 0x%x | 0x%x",
			~h->mark_mask, h->mark);
	fprintf(j->out, " %s\n", j->skip);
}

static void judge_owner(const struct judge *j, const struct capture_match *m,
			bool inc)
{
	const char *not = inc ? "!= " : "";

	if (m->uid_count) {
		fprintf(j->out, "\t\tmeta skuid %s", not );
		braces_ids(j->out, m->uids, m->uid_count);
		skip_owner(j);
	}
	if (m->gid_count) {
		fprintf(j->out, "\t\tmeta skgid %s", not );
		braces_ids(j->out, m->gids, m->gid_count);
		skip_owner(j);
	}
	judge_cgroups(j, m, inc);
}

void judge_match(const struct judge *j, const struct capture_match *m, bool inc)
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

/*
 * A resolver on this host asks the real servers. When nothing may leak it does not,
 * but for what no chain of ours takes
 */
static void judge_resolver(const struct judge *j, uint32_t uid)
{
	const char *proto = "{ tcp, udp }";

	if (j->in->host->fail_closed && j->take) {
		if (j->kind != JUDGE_KEEP || j->how->udp != BY_NONE)
			return;
		proto = "udp";
	}
	fprintf(j->out,
		"\t\tmeta skuid %u meta l4proto %s th dport 53 return\n", uid,
		proto);
}

void judge_ours(const struct judge *j)
{
	const struct host_conf *h = j->in->host;

	fprintf(j->out, "\t\tmeta mark & 0x%x == 0x%x return\n", h->mark_mask,
		h->mark);
	if (j->kind != JUDGE_NAT)
		fputs("\t\tct direction reply return\n", j->out);
	if (!j->own) {
		fputs("\t\tiifname \"lo\" return\n", j->out);
		if (j->in->tun[0])
			fprintf(j->out, "\t\tiifname \"%s\" return\n",
				j->in->tun);
	}
	for (unsigned int i = 0; j->own && i < j->in->uid_count; i++)
		judge_resolver(j, j->in->uids[i]);
}

/* TCP connections that are under way and were not caught */
static void judge_old(const struct judge *j)
{
	const struct host_conf *h = j->in->host;
	uint32_t kept = nft_kept_bit(j->in);

	if (j->kind == JUDGE_NAT ||
	    (j->kind == JUDGE_KEEP && j->how->tcp == BY_REDIRECT))
		fputs("\t\ttcp flags & (fin | syn | rst | ack) != syn return\n",
		      j->out);
	else if (j->how->tcp == BY_TPROXY)
		fprintf(j->out,
			"\t\ttcp flags & (fin | syn | rst | ack) != syn "
			"ct mark & 0x%x != 0x%x return\n",
			kept, kept);
	else if (remembers(j))
		fprintf(j->out,
			"\t\ttcp flags & (fin | syn | rst | ack) != syn "
			"ct mark & 0x%x == 0x%x %s\n",
			h->mark_mask, h->mark, j->skip);
}

/* What is done with the addresses of FakeDNS */
static void judge_pool_end(const struct judge *j)
{
	if (j->kind == JUDGE_NAT || !nft_fake_lost(j->in))
		fprintf(j->out, " goto %s\n", j->take);
	else if (j->kind == JUDGE_KEEP)
		fputs(" drop\n", j->out);
	else
		fputs(" meta l4proto udp reject\n", j->out);
}

/* FakeDNS and port 53, wherever they go */
static void judge_taken(const struct judge *j)
{
	static const uint8_t kinds[] = { ADDR_V4, ADDR_V6 };
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
			judge_pool_end(j);
	if (!j->in->host->hijack_dns)
		return;
	if (!j->own) /* a name server of ours that is asked from outside */
		fprintf(j->out,
			"\t\tiifname @uplinks ip daddr @near4 %s\n"
			"\t\tiifname @uplinks ip6 daddr @near6 %s\n",
			j->skip, j->skip);
	fprintf(j->out, "\t\tmeta l4proto { tcp, udp } th dport 53 goto %s\n",
		j->take);
}

static void judge_near(const struct judge *j)
{
	fprintf(j->out,
		"\t\tip daddr @near4 %s\n"
		"\t\tip6 daddr @near6 %s\n",
		j->skip, j->skip);
}

void judge_all(const struct judge *j)
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

void judge_begin(const struct judge *j)
{
	if (j->own && j->how->include.cgroup_count)
		fprintf(j->out, "\tchain %s_in {\n\t}\n", j->name);
	fprintf(j->out, "\tchain %s {\n", j->name);
}
