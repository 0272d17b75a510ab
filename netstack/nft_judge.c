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
 * nat chains see the first packet of a connection only, the others all of them.
 */
#include "netstack/nft_judge.h"

#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "netstack/nft.h"
#include "netstack/nft_match.h"
#include "netstack/plan.h"

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

bool nft_by_tproxy(const struct intake *in)
{
	const struct capture_conf *how = &in->host->how;

	return how->tcp == BY_TPROXY || how->udp == BY_TPROXY;
}

bool nft_fake_lost(const struct intake *in)
{
	return in->host->how.udp == BY_NONE && in->pool_count;
}

/* Does the filter half have anything to do? */
static bool filters(const struct intake *in)
{
	const struct capture_conf *how = &in->host->how;

	return nft_by_tproxy(in) || in->host->reject_quic ||
	       nft_fake_lost(in) ||
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
	if (in->host->how.udp == BY_TPROXY) /* to be forgotten, see forget.h */
		fprintf(out,
			"\t\tmeta l4proto udp ct mark & 0x%x == 0 "
			"ct mark set ct mark | 0x%x\n",
			kept, kept);
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
	if (nft_by_tproxy(in))
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
			  bool own, enum judge_kind kind)
{
	struct judge j = {
		.in = in,
		.how = &in->host->how,
		.out = out,
		.own = own,
		.kind = kind,
		.name = name,
		.skip = "return",
		.take = own ? "take_own" : "take_lan",
	};

	if (kind == JUDGE_FILTER && by_tun(in))
		snprintf(j.skip, sizeof(j.skip),
			 "meta mark set meta mark & 0x%x | 0x%x return",
			 ~in->host->mark_mask, in->host->mark);
	if (kind == JUDGE_NAT)
		j.take = "take_nat";
	return j;
}

void nft_print_stray(const struct intake *in, FILE *out)
{
	if (!nft_by_tproxy(in))
		return;
	fprintf(out,
		"\tchain stray {\n"
		"\t\ttype filter hook postrouting priority -151\n"
		"\t\toifname != \"lo\" meta mark & 0x%x == 0x%x drop\n"
		"\t}\n",
		nft_kept_bit(in), nft_kept_bit(in));
}

static void print_filters(const struct intake *in, FILE *out)
{
	struct judge lan = judge(in, out, "lan", false, JUDGE_FILTER);
	struct judge own = judge(in, out, "own", true, JUDGE_FILTER);

	if (!filters(in))
		return;
	print_takers(in, out);
	judge_begin(&lan);
	fputs("\t\ttype filter hook prerouting priority -149\n", out);
	if (nft_by_tproxy(in))
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
	nft_print_stray(in, out);
}

static void print_nat(const struct intake *in, FILE *out)
{
	struct judge lan = judge(in, out, "lan_nat", false, JUDGE_NAT);
	struct judge own = judge(in, out, "own_nat", true, JUDGE_NAT);

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
	struct judge j =
		judge(in, out, own ? "own_dns" : "lan_dns", own, JUDGE_NAT);
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
		fputs("\t\tiifname @uplinks fib daddr type local return\n"
		      "\t\tiifname @uplinks ip daddr @near4 return\n"
		      "\t\tiifname @uplinks ip6 daddr @near6 return\n",
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
