/* test_nft_judge.c - Who is caught, as rules: parts of the text that matter */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "netstack/nft.h"
#include "netstack/nft_judge.h"
#include "netstack/plan.h"

static struct host_conf conf(enum capture_way tcp, enum capture_way udp)
{
	return (struct host_conf){
		.mark = 0x20000000,
		.mark_mask = 0x20000000,
		.table = 7663,
		.rule_pref = 7600,
		.hijack_dns = true,
		.hijack_local = true,
		.how = { .tcp = (uint8_t)tcp,
			 .udp = (uint8_t)udp,
			 .tcp_port = tcp == BY_TUN ? 0 : 7663,
			 .udp_port = 7664,
			 .dns_port = udp == BY_TUN ? 0 : 7653 },
	};
}

static struct intake intake(const struct host_conf *h)
{
	struct intake in = { .host = h };

	cidr_parse(&in.pools[0], "198.18.0.0/15");
	cidr_parse(&in.pools[1], "fc00::/18");
	in.pool_count = 2;
	if (h->how.tcp == BY_TUN || h->how.udp == BY_TUN) {
		struct tun_conf tc = { .gateway_count = 0 };

		memcpy(in.tun, "culvert0", 9);
		plan_addresses(&in, &tc);
	}
	return in;
}

static char *text_of(const struct host_conf *h)
{
	struct intake in = intake(h);
	struct nft n = { .kind = NFT_NONE };
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	nft_print(&n, &in, true, f);
	nft_print_direct_all(&in, f);
	fclose(f);
	return text;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in:\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" in:\n%s", part, text);
}

/* @a stands before @b */
static void assert_order(const char *text, const char *a, const char *b)
{
	const char *p = strstr(text, a);

	if (!p || !strstr(p, b))
		fail_msg("\"%s\" not before \"%s\" in:\n%s", a, b, text);
}

static void redirect_takes_tcp_only(void **state)
{
	struct host_conf h = conf(BY_REDIRECT, BY_NONE);
	char *t = text_of(&h);

	(void)state;
	assert_has(t, "meta l4proto tcp redirect to :7663\n");
	assert_has(t, "type nat hook prerouting priority -105\n"
		      "\t\tmeta l4proto != tcp return\n");
	assert_has(t, "type nat hook output priority -105\n");
	assert_has(t, "ip daddr { 198.18.0.0/15 } meta l4proto udp reject\n");
	assert_has(t, "meta l4proto { tcp, udp } redirect to :7653\n");
	assert_has(t, "fib daddr type local tcp dport { 7663, 7653 } drop\n");
	assert_lacks(t, "tproxy");
	assert_lacks(t, "chain stray");
	assert_lacks(t, "culvert0");
	free(t);
}

static void tproxy_takes_both_and_loses_nothing(void **state)
{
	struct host_conf h = conf(BY_TPROXY, BY_TPROXY);
	char *t = text_of(&h);

	(void)state;
	assert_has(t, "meta l4proto tcp tproxy to :7663 meta mark set "
		      "meta mark | 0x10000000 accept\n");
	assert_has(t, "meta l4proto udp tproxy to :7664 ");
	assert_has(t, "oifname != \"lo\" meta mark & 0x10000000 == 0x10000000 "
		      "drop\n");
	assert_order(t,
		     "iifname \"lo\" meta mark & 0x10000000 == 0x10000000 "
		     "goto take_lan\n",
		     "iifname \"lo\" return\n");
	assert_order(t,
		     "fib daddr type { local, broadcast, anycast, "
		     "multicast } return\n",
		     "ip daddr { 198.18.0.0/15 } goto take_lan\n");
	assert_order(t, "ip6 daddr { fc00::/18 } goto take_lan\n",
		     "ip daddr @near4 return\n");
	assert_lacks(t, "redirect to :7663");
	assert_lacks(t, "meta l4proto tcp drop");
	free(t);
	h.fail_closed = true;
	t = text_of(&h);
	assert_order(t, "tproxy to :7663", "meta l4proto tcp drop\n");
	assert_order(t, "tproxy to :7664", "meta l4proto udp drop\n");
	free(t);
}

static void the_tun_is_judged_by_marks_when_asked(void **state)
{
	struct host_conf h = conf(BY_TUN, BY_TUN);
	struct id_range uid = { 1000, 1999 };
	char *t = text_of(&h);

	(void)state;
	assert_lacks(t, "chain lan {");
	assert_lacks(t, "near4");
	assert_lacks(t, "masquerade");
	free(t);
	h.how.exclude.uids = &uid;
	h.how.exclude.uid_count = 1;
	t = text_of(&h);
	/* what is sent when the program has closed has no uid */
	assert_order(t,
		     "tcp flags & (fin | syn | rst | ack) != syn "
		     "ct mark & 0x20000000 == 0x20000000 meta mark set "
		     "meta mark & 0xdfffffff | 0x20000000 return\n",
		     "meta skuid { 1000-1999 } ct mark set ct mark & "
		     "0xdfffffff | 0x20000000 meta mark set meta mark & "
		     "0xdfffffff | 0x20000000 return\n");
	assert_has(t, "ip saddr 172.30.255.1 masquerade\n");
	assert_has(t, "ip daddr 172.30.255.1/30 return\n");
	free(t);
}

static void each_key_is_a_rule(void **state)
{
	static const char *ifs[] = { "br-lan", "ppp*" };
	static const char *macs[] = { "00:11:22:33:44:55" };
	struct host_conf h = conf(BY_REDIRECT, BY_NONE);
	struct capture_match *m = &h.how.include;
	struct id_range ids[] = { { 0, 0 }, { 5, 9 } };
	struct port_range ports[] = { { 80, 80 }, { 1000, 2000 } };
	struct cidr v4;
	char *t;

	(void)state;
	cidr_parse(&v4, "192.0.2.0/24");
	*m = (struct capture_match){
		.interfaces = ifs,
		.interface_count = 2,
		.macs = macs,
		.mac_count = 1,
		.sources = &v4,
		.source_count = 1,
		.destinations = &v4,
		.destination_count = 1,
		.uids = ids,
		.uid_count = 2,
		.gids = ids,
		.gid_count = 1,
		.ports = ports,
		.port_count = 2,
	};
	t = text_of(&h);
	assert_has(t, "iifname != { \"br-lan\", \"ppp*\" } return\n");
	assert_has(t, "iiftype != ether return\n"
		      "\t\tether saddr != { 00:11:22:33:44:55 } return\n");
	assert_has(t, "ip saddr != { 192.0.2.0/24 } return\n"
		      "\t\tmeta nfproto ipv6 return\n");
	assert_has(t, "ip daddr != { 192.0.2.0/24 } return\n");
	assert_has(t, "meta skuid != { 0, 5-9 } return\n");
	assert_has(t, "meta skgid != { 0 } return\n");
	assert_has(t, "th dport != { 80, 1000-2000 } return\n");
	free(t);
	h.how.exclude = *m;
	*m = (struct capture_match){ .uid_count = 0 };
	t = text_of(&h);
	assert_has(t, "iifname { \"br-lan\", \"ppp*\" } return\n");
	assert_has(t, "ip saddr { 192.0.2.0/24 } return\n");
	assert_lacks(t, "meta nfproto ipv6 return");
	free(t);
}

static void large_sets_are_a_table_of_their_own(void **state)
{
	struct host_conf h = conf(BY_TPROXY, BY_TPROXY);
	struct cidr c;
	char *t;

	(void)state;
	cidr_parse(&c, "192.0.2.0/24");
	cidrs_add(&h.how.direct, &c);
	cidr_parse(&c, "2001:db8::/32");
	cidrs_add(&h.how.direct, &c);
	cidrs_seal(&h.how.direct);
	t = text_of(&h);
	assert_has(t, "table inet culvert_direct {\n");
	assert_order(t, "th dport 53 return\n",
		     "ip daddr @direct4 meta mark set meta mark & 0xdfffffff "
		     "| 0x20000000\n");
	assert_has(t, "add element inet culvert_direct direct4 "
		      "{ 192.0.2.0-192.0.2.255 }\n");
	assert_has(t, "direct6 { 2001:db8::-2001:db8:ffff:");
	free(t);
	cidrs_free(&h.how.direct);
}

static void quic_is_refused_before_it_is_taken(void **state)
{
	struct host_conf h = conf(BY_TPROXY, BY_TPROXY);
	char *t;

	(void)state;
	h.reject_quic = true;
	t = text_of(&h);
	assert_order(t, "udp dport 443 reject\n", "tproxy to");
	free(t);
}

/* The second table of @h; NULL: there is none */
static char *keep_of(const struct host_conf *h, bool dns_local)
{
	struct intake in = intake(h);
	struct nft n = { .kind = NFT_NONE };
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	bool any;

	assert_non_null(f);
	in.dns_local = dns_local;
	in.uids[0] = 101;
	in.uid_count = 1;
	any = nft_print_keep(&n, &in, "culvert_keep1", f);
	fclose(f);
	if (any)
		return text;
	free(text);
	return NULL;
}

static void what_redirect_misses_is_dropped(void **state)
{
	struct host_conf h = conf(BY_REDIRECT, BY_NONE);
	char *t;

	(void)state;
	h.fail_closed = true;
	t = keep_of(&h, true);
	assert_has(t, "table inet culvert_keep1 {\n\tflags owner\n");
	assert_has(t, "type nat hook postrouting priority 101\n"
		      "\t\tct state new return\n");
	assert_has(t, "\t\tmeta l4proto tcp drop\n"
		      "\t\tudp dport 53 drop\n\t}\n");
	assert_order(t, "type filter hook forward priority 0\n",
		     "\t\tgoto shut\n");
	assert_order(t, "type filter hook output priority 0\n",
		     "\t\tgoto shut\n");
	assert_order(t, "type filter hook input priority 0\n",
		     "iifname @uplinks return\n");
	/* what another's rule has translated, and connections under way */
	assert_order(t, "ct status dnat return\n",
		     "ip daddr { 198.18.0.0/15 } drop\n");
	assert_has(t, "meta l4proto tcp ct state != new return\n");
	assert_has(t, "tcp flags & (fin | syn | rst | ack) != syn return\n");
	assert_order(t, "ip daddr { 198.18.0.0/15 } drop\n",
		     "ip daddr @near4 return\n");
	/* a resolver's questions go by when they are not caught */
	assert_has(t, "meta skuid 101 meta l4proto udp th dport 53 return\n");
	assert_lacks(t, "meta l4proto udp drop");
	assert_lacks(t, "reject");
	assert_lacks(t, "chain stray");
	free(t);
}

static void what_tproxy_misses_is_dropped(void **state)
{
	struct host_conf h = conf(BY_TPROXY, BY_TPROXY);
	char *t;

	(void)state;
	h.fail_closed = true;
	t = keep_of(&h, true);
	assert_has(t, "\t\tmeta l4proto tcp drop\n"
		      "\t\tmeta l4proto udp drop\n\t}\n");
	/* every packet is looked at: those of connections that are ours, too */
	assert_has(t, "tcp flags & (fin | syn | rst | ack) != syn "
		      "ct mark & 0x10000000 != 0x10000000 return\n");
	assert_lacks(t, "meta l4proto udp ct state");
	assert_lacks(t, "skuid 101 meta l4proto udp");
	/* ours is what it marked on the way out */
	assert_order(t, "type filter hook output priority 0\n",
		     "meta mark & 0x10000000 == 0x10000000 return\n");
	assert_has(t, "chain stray {\n");
	free(t);
	h.reject_quic = true;
	h.how.udp = BY_NONE;
	h.fail_closed = false;
	t = keep_of(&h, true);
	assert_has(t, "udp dport 443 drop\n");
	assert_has(t, "meta skuid 101 meta l4proto { tcp, udp } th dport 53 "
		      "return\n");
	free(t);
}

static void of_the_tun_only_local_dns_needs_a_second_table(void **state)
{
	struct host_conf h = conf(BY_TUN, BY_TUN);
	char *t;

	(void)state;
	assert_null(keep_of(&h, false));
	t = keep_of(&h, true);
	assert_order(t, "type filter hook input priority 0\n",
		     "iifname @uplinks return\n");
	assert_order(t, "type filter hook output priority 0\n",
		     "ip6 daddr ::1 return\n"
		     "\t\tip6 saddr fe80::/10 return\n\t\tdrop\n");
	assert_lacks(t, "hook forward");
	assert_lacks(t, "shut");
	assert_lacks(t, "near4");
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(redirect_takes_tcp_only),
		cmocka_unit_test(tproxy_takes_both_and_loses_nothing),
		cmocka_unit_test(the_tun_is_judged_by_marks_when_asked),
		cmocka_unit_test(each_key_is_a_rule),
		cmocka_unit_test(large_sets_are_a_table_of_their_own),
		cmocka_unit_test(quic_is_refused_before_it_is_taken),
		cmocka_unit_test(what_redirect_misses_is_dropped),
		cmocka_unit_test(what_tproxy_misses_is_dropped),
		cmocka_unit_test(
			of_the_tun_only_local_dns_needs_a_second_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
