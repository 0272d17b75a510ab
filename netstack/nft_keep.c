/*
 * nft_keep.c - The table that holds while the other one is gone (contract: nft.h)
 *
 *   nat          a nat chain, so that what is translated goes on being so
 *   lan, own     what our table should have taken and did not: dropped. Behind
 *   lan_dns,     it in the packet's way: what it took never comes here, as it
 *   own_dns      goes to this host, or carries its mark
 *   stray        as in our table
 *
 * It belongs to another child than our table (fail: open), or our table belongs
 * to nobody (fail: closed) and is removed by others' flushes, which leave this one.
 * Chains by NAT decide about the first packet of a connection, so these here
 * look at first packets only, where our table takes by NAT.
 */
#include "netstack/nft.h"

#include "gateway/core/config.h"
#include "netstack/nft_judge.h"
#include "netstack/nft_match.h"
#include "netstack/plan.h"

/* Is anything caught by nftables, and not by the TUN's policy rules? */
static bool takes(const struct intake *in)
{
	return in->host->how.tcp == BY_REDIRECT || nft_by_tproxy(in);
}

/* Are questions to this host's own addresses sent into the TUN by NAT? */
static bool dns_to_tun(const struct intake *in)
{
	return in->tun[0] && in->dns_local;
}

static bool takes_local_dns(const struct intake *in)
{
	return dns_to_tun(in) ||
	       (in->host->how.dns_port && in->host->hijack_local);
}

bool nft_keeps_shut(const struct intake *in)
{
	return takes(in) || takes_local_dns(in);
}

/* While no table has a nat chain the kernel translates nothing */
static bool keeps_nat(const struct intake *in)
{
	const struct capture_conf *how = &in->host->how;

	return how->tcp == BY_REDIRECT || how->dns_port || in->dns_local;
}

/* The protocols that are taken; all others go by */
static void print_shut(const struct intake *in, FILE *out)
{
	const struct capture_conf *how = &in->host->how;

	fputs("\tchain shut {\n", out);
	if (how->tcp == BY_REDIRECT || how->tcp == BY_TPROXY)
		fputs("\t\tmeta l4proto tcp drop\n", out);
	if (how->udp == BY_TPROXY)
		fputs("\t\tmeta l4proto udp drop\n", out);
	if (how->udp == BY_NONE && in->host->reject_quic)
		fputs("\t\tudp dport 443 drop\n", out);
	if (how->udp == BY_NONE && how->dns_port)
		fputs("\t\tudp dport 53 drop\n", out);
	fputs("\t}\n", out);
}

static struct judge judge(const struct intake *in, FILE *out, const char *name,
			  bool own)
{
	return (struct judge){
		.in = in,
		.how = &in->host->how,
		.out = out,
		.kind = JUDGE_KEEP,
		.own = own,
		.name = name,
		.skip = "return",
		.take = "shut",
	};
}

/* Decided by NAT, by its first packet: one that comes later is let go */
static void print_first(const struct intake *in, FILE *out)
{
	const struct capture_conf *how = &in->host->how;

	if (how->tcp == BY_REDIRECT)
		fputs("\t\tmeta l4proto tcp ct state != new return\n", out);
	if (how->udp == BY_NONE)
		fputs("\t\tmeta l4proto udp ct state != new return\n", out);
}

static void print_chain(const struct intake *in, bool own, FILE *out)
{
	struct judge j = judge(in, out, own ? "own" : "lan", own);

	judge_begin(&j);
	fprintf(out,
		"\t\ttype filter hook %s priority 0\n"
		"\t\tmeta l4proto != { tcp, udp } return\n"
		"\t\tct status dnat return\n",
		own ? "output" : "forward");
	print_first(in, out);
	if (own && nft_by_tproxy(in))
		fprintf(out, "\t\tmeta mark & 0x%x == 0x%x return\n",
			nft_kept_bit(in), nft_kept_bit(in));
	judge_all(&j);
}

/* Questions to this host's own addresses, whose resolver would ask further */
static void print_dns(const struct intake *in, bool own, FILE *out)
{
	struct judge j = judge(in, out, own ? "own_dns" : "lan_dns", own);

	j.take = NULL;
	judge_begin(&j);
	fprintf(out,
		"\t\ttype filter hook %s priority 0\n"
		"\t\tmeta l4proto != { tcp, udp } return\n"
		"\t\tth dport != 53 return\n"
		"\t\tct status dnat return\n"
		"\t\tct state != new return\n",
		own ? "output" : "input");
	judge_ours(&j);
	if (!own)
		fputs("\t\tiifname @uplinks return\n", out);
	fputs("\t\tfib daddr type != local return\n", out);
	if (dns_to_tun(in)) {
		fputs("\t\tip6 daddr ::1 return\n"
		      "\t\tip6 saddr fe80::/10 return\n",
		      out);
	} else {
		judge_match(&j, &j.how->exclude, false);
		judge_match(&j, &j.how->include, true);
	}
	fputs("\t\tdrop\n\t}\n", out);
}

bool nft_print_keep(const struct nft *n, const struct intake *in,
		    const char *name, FILE *out)
{
	bool shut = nft_keeps_shut(in);

	if (!shut && !keeps_nat(in))
		return false;
	fprintf(out, "table inet %s {\n\tflags owner\n", name);
	/* A chain alone does not keep conntrack going, a rule that asks it does */
	if (keeps_nat(in))
		fputs("\tchain nat {\n"
		      "\t\ttype nat hook postrouting priority 101\n"
		      "\t\tct state new return\n"
		      "\t}\n",
		      out);
	if (shut)
		nft_print_sets(n, in, out);
	if (takes(in))
		print_shut(in, out);
	for (int own = 0; own < 2; own++) {
		if (takes(in))
			print_chain(in, own, out);
		if (takes_local_dns(in))
			print_dns(in, own, out);
	}
	nft_print_stray(in, out);
	fputs("}\n", out);
	return true;
}
