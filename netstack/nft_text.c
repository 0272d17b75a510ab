/*
 * nft_text.c - Our table as text, the same for the kernel and for people
 *
 *   restore     connections that went by without us keep doing so: replies to
 *   passed      what came from outside (DNAT, routed IPv6) must not enter the
 *               TUN. The mark kept in conntrack is the one of our own sockets
 *   kept        connections in the TUN stay there: while somebody's flush has
 *               taken our routes for a moment, their packets would reach the
 *               real server, which resets what it does not know
 *   dns_outside queries that came in by an uplink, and would not leave by it, ask a
 *               name server behind us: the policy rule for port 53 is not for them
 *   dns_own     queries to this host's own addresses: policy rules never see
 *   dns_lan     them, the local table comes first
 *   dns_source  ... and their loopback source, which may not leave as it is.
 *               IPv6 lets no packet of ::1 out at all, and forwards none that a
 *               link-local address has sent (RFC 4291, 2.5.6): a resolver there
 *               is left alone; what it asks for in turn is caught by policy rules
 */
#include "netstack/nft.h"

#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "netstack/nft_judge.h"
#include "netstack/plan.h"

bool nft_name_ok(const char *name)
{
	return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
					   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "0123456789._-@+")];
}

/* What others have named may hold more, but nothing that has a meaning in quotes */
static bool quotable(const char *name)
{
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p <= ' ' || strchr("\"\\*", *p))
			return false;
	return *name;
}

/* Connections that passed by, both ways */
static void print_passed(const struct intake *in, FILE *out)
{
	uint32_t mark = in->host->mark, mask = in->host->mark_mask;
	uint32_t kept = nft_kept_bit(in);

	fprintf(out,
		"\tchain restore {\n"
		"\t\ttype filter hook prerouting priority mangle\n"
		"\t\tiifname \"%s\" return\n"
		"\t\tct mark & 0x%x == 0x%x meta mark set meta mark & 0x%x | "
		"0x%x\n"
		"\t}\n",
		in->tun, mask, mark, ~mask, mark);
	fprintf(out, "\tchain passed {\n"
		     "\t\ttype filter hook forward priority mangle\n");
	/* nobody reads it any more: it shall not be taken for a way around us */
	if (in->tun_was[0])
		fprintf(out, "\t\toifname \"%s\" drop\n", in->tun_was);
	fprintf(out,
		"\t\tiifname \"%s\" return\n"
		"\t\toifname \"%s\" return\n",
		in->tun, in->tun);
	if (kept)
		fprintf(out, "\t\tct mark & 0x%x == 0x%x drop\n", kept, kept);
	fprintf(out,
		"\t\tct mark set ct mark & 0x%x | 0x%x\n"
		"\t}\n",
		~mask, mark);
}

/*
 * Connections in the TUN: what leaves elsewhere is lost, not leaked. And the
 * other way round: what has our mark must never get in.
 */
static void print_kept(const struct intake *in, FILE *out)
{
	uint32_t kept = nft_kept_bit(in);

	fprintf(out,
		"\tchain kept {\n"
		"\t\ttype filter hook postrouting priority mangle\n"
		"\t\toifname \"%s\" meta mark & 0x%x == 0x%x drop\n",
		in->tun, in->host->mark_mask, in->host->mark);
	if (kept)
		fprintf(out,
			"\t\tct direction reply return\n"
			"\t\toifname \"%s\" ct mark set ct mark | 0x%x\n"
			"\t\toifname != \"%s\" ct mark & 0x%x == 0x%x drop\n",
			in->tun, kept, in->tun, kept, kept);
	fputs("\t}\n", out);
}

/* Behind others' DNAT; the way is looked up as for our own sockets */
static void print_outside(const struct intake *in, FILE *out)
{
	uint32_t mark = in->host->mark, mask = in->host->mark_mask;

	fprintf(out,
		"\tchain dns_outside {\n"
		"\t\ttype filter hook prerouting priority -95\n"
		"\t\tiifname != @uplinks return\n"
		"\t\tmeta l4proto != { tcp, udp } return\n"
		"\t\tth dport != 53 return\n"
		"\t\tct direction reply return\n"
		"\t\tmeta mark & 0x%x == 0x%x return\n"
		"\t\tmeta mark set meta mark & 0x%x | 0x%x\n"
		"\t\tfib daddr . mark . iif oif missing return\n"
		"\t\tmeta mark set meta mark & 0x%x\n"
		"\t}\n",
		mask, mark, ~mask, mark, ~mask);
}

/* One family's way to the TUN for questions to this host */
static void print_dnat(const struct intake *in, uint8_t kind, FILE *out)
{
	const char *v = kind == ADDR_V6 ? "6" : "";
	char text[ADDR_TEXT_MAX];
	struct addr to;

	for (unsigned int i = 0; i < in->gateway_count; i++) {
		if (in->gateway[i].addr.kind != kind)
			continue;
		to = plan_beside(&in->gateway[i]);
		if (!to.kind)
			continue;
		fprintf(out,
			"\t\tmeta nfproto ipv%s meta l4proto { tcp, udp } "
			"th dport 53 dnat ip%s to %s\n",
			kind == ADDR_V6 ? "6" : "4", v,
			addr_format_host(&to, text, sizeof(text)));
		return;
	}
}

/* 127.0.0.0/8 may not leave as a source */
static void print_snat(const struct intake *in, FILE *out)
{
	char text[ADDR_TEXT_MAX];

	for (unsigned int i = 0; i < in->gateway_count; i++) {
		if (in->gateway[i].addr.kind != ADDR_V4)
			continue;
		addr_format_host(&in->gateway[i].addr, text, sizeof(text));
		fprintf(out, "\t\tip saddr 127.0.0.0/8 snat ip to %s\n", text);
		return;
	}
}

static void print_dns(const struct intake *in, FILE *out)
{
	fprintf(out,
		"\tchain dns_own {\n"
		"\t\ttype nat hook output priority -105\n"
		"\t\tmeta mark & 0x%x == 0x%x return\n"
		"\t\tfib daddr type != local return\n"
		"\t\tip6 daddr ::1 return\n"
		"\t\tip6 saddr fe80::/10 return\n",
		in->host->mark_mask, in->host->mark);
	for (unsigned int i = 0; i < in->uid_count; i++)
		fprintf(out, "\t\tmeta skuid %u return\n", in->uids[i]);
	print_dnat(in, ADDR_V4, out);
	print_dnat(in, ADDR_V6, out);
	fprintf(out,
		"\t}\n"
		"\tchain dns_lan {\n"
		"\t\ttype nat hook prerouting priority -105\n"
		"\t\tiifname \"%s\" return\n"
		"\t\tiifname @uplinks return\n"
		"\t\tfib daddr type != local return\n"
		"\t\tip6 saddr fe80::/10 return\n",
		in->tun);
	print_dnat(in, ADDR_V4, out);
	print_dnat(in, ADDR_V6, out);
	fprintf(out,
		"\t}\n"
		"\tchain dns_source {\n"
		"\t\ttype nat hook postrouting priority 95\n"
		"\t\toifname != \"%s\" return\n",
		in->tun);
	print_snat(in, out);
	fputs("\t}\n", out);
}

static void print_uplinks(const struct nft *n, FILE *out)
{
	const char *sep = "elements = { ";

	fputs("\tset uplinks {\n\t\ttype ifname\n", out);
	for (unsigned int i = 0; i < n->uplink_count; i++) {
		if (!quotable(n->uplinks[i]))
			continue;
		fprintf(out, "%s%s\"%s\"", *sep == 'e' ? "\t\t" : "", sep,
			n->uplinks[i]);
		sep = ", ";
	}
	fprintf(out, "%s\t}\n", *sep == 'e' ? "" : " }\n");
}

static void print_range6(const struct range6 *r, FILE *out)
{
	char lo[ADDR_TEXT_MAX], hi[ADDR_TEXT_MAX];
	struct addr a = { .kind = ADDR_V6 }, b = { .kind = ADDR_V6 };

	memcpy(a.ip, r->lo, 16);
	memcpy(b.ip, r->hi, 16);
	fprintf(out, "%s-%s", addr_format_host(&a, lo, sizeof(lo)),
		addr_format_host(&b, hi, sizeof(hi)));
}

static void print_range4(const struct range4 *r, FILE *out)
{
	fprintf(out, "%u.%u.%u.%u-%u.%u.%u.%u", r->lo >> 24, r->lo >> 16 & 255,
		r->lo >> 8 & 255, r->lo & 255, r->hi >> 24, r->hi >> 16 & 255,
		r->hi >> 8 & 255, r->hi & 255);
}

/* "{ a-b, ... }"; there must be one */
static void print_ranges(const struct cidrs *s, bool v6, FILE *out)
{
	size_t n = v6 ? s->count6 : s->count4;

	for (size_t i = 0; i < n; i++) {
		fputs(i ? ", " : "{ ", out);
		if (v6)
			print_range6(&s->v6[i], out);
		else
			print_range4(&s->v4[i], out);
	}
	fputs(" }", out);
}

static void print_near(const struct cidrs *s, bool v6, FILE *out)
{
	fprintf(out,
		"\tset near%c {\n"
		"\t\ttype ipv%c_addr\n"
		"\t\tflags interval\n",
		v6 ? '6' : '4', v6 ? '6' : '4');
	if (v6 ? s->count6 : s->count4) {
		fputs("\t\telements = ", out);
		print_ranges(s, v6, out);
		fputc('\n', out);
	}
	fputs("\t}\n", out);
}

void nft_print_near_change(const struct nft *n, const char *table, FILE *out)
{
	const struct cidrs *s = &n->near;

	for (int v6 = 0; v6 < 2; v6++) {
		fprintf(out, "%sflush set inet %s near%c", v6 ? "; " : "",
			table, v6 ? '6' : '4');
		if (!(v6 ? s->count6 : s->count4))
			continue;
		fprintf(out, "; add element inet %s near%c ", table,
			v6 ? '6' : '4');
		print_ranges(s, v6, out);
	}
	fputc('\n', out);
}

void nft_print_direct_all(const struct intake *in, FILE *out)
{
	const struct cidrs *s = &in->host->how.direct;

	nft_print_direct(in, out);
	for (int v6 = 0; v6 < 2; v6++) {
		if (!(v6 ? s->count6 : s->count4))
			continue;
		fprintf(out, "add element inet " NFT_DIRECT " direct%c ",
			v6 ? '6' : '4');
		print_ranges(s, v6, out);
		fputc('\n', out);
	}
}

void nft_print_uplinks_change(const struct nft *n, const char *table, FILE *out)
{
	const char *sep = "; add element inet ";

	fprintf(out, "flush set inet %s uplinks", table);
	for (unsigned int i = 0; i < n->uplink_count; i++) {
		if (!quotable(n->uplinks[i]))
			continue;
		if (*sep == ';')
			fprintf(out, "%s%s uplinks { ", sep, table);
		else
			fputs(sep, out);
		fprintf(out, "\"%s\"", n->uplinks[i]);
		sep = ", ";
	}
	fputs(*sep == ',' ? " }\n" : "\n", out);
}

void nft_print_sets(const struct nft *n, const struct intake *in, FILE *out)
{
	print_uplinks(n, out);
	if (!nft_uses_near(in))
		return;
	print_near(&n->near, false, out);
	print_near(&n->near, true, out);
}

void nft_print(const struct nft *n, const struct intake *in, bool owner,
	       FILE *out)
{
	fprintf(out, "table inet " NFT_TABLE " {\n%s",
		owner ? "\tflags owner\n" : "");
	nft_print_sets(n, in, out);
	if (in->tun[0]) {
		print_passed(in, out);
		print_kept(in, out);
	}
	if (in->tun[0] && in->host->hijack_dns)
		print_outside(in, out);
	if (in->tun[0] && in->dns_local)
		print_dns(in, out);
	nft_print_judges(in, out);
	fputs("}\n", out);
}
