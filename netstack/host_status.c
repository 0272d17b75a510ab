/*
 * host_status.c - Is this host set up, and by whom (`culvert status`)
 *
 * What is asked is the kernel: who holds our name, which rules and tables there are.
 * A running culvert is not bothered.
 */
#include "gateway/core/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "netstack/instance.h"
#include "netstack/nft.h"
#include "netstack/nl.h"

/* Seconds it runs for; the 22nd field of stat, behind the name in brackets. -1 */
static long long age_s(pid_t pid)
{
	char buf[1024], *p;
	struct timespec now;
	long long ticks;

	if (!instance_proc(pid, "stat", buf, sizeof(buf)))
		return -1;
	p = strrchr(buf, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (!p || clock_gettime(CLOCK_BOOTTIME, &now) < 0)
		return -1;
	ticks = strtoll(p, NULL, 10);
	return now.tv_sec - ticks / sysconf(_SC_CLK_TCK);
}

static void say_age(pid_t pid, FILE *out)
{
	long long s = age_s(pid);

	if (s >= 0)
		fprintf(out, ", for %lld:%02lld:%02lld", s / 3600, s / 60 % 60,
			s % 60);
}

/* How it was started. A link or the address of a subscription is a password */
static void say_command(pid_t pid, FILE *out)
{
	char buf[4096];
	size_t n = instance_proc(pid, "cmdline", buf, sizeof(buf));

	for (size_t i = 0; i < n; i += strlen(buf + i) + 1)
		fprintf(out, "%s%s", i ? " " : "\n  ",
			strstr(buf + i, "://") ? "LINK" : buf + i);
}

static void count_rule(struct nlmsghdr *h, void *arg)
{
	unsigned int *n = arg;
	struct nlk_rule rule;

	*n += h->nlmsg_type == RTM_NEWRULE && nlk_rule_read(h, &rule);
}

static unsigned int count_rules(void)
{
	unsigned int n = 0;
	struct nlk nl;

	if (nlk_open(&nl, NETLINK_ROUTE) < 0)
		return 0;
	nlk_dump(&nl, RTM_GETRULE, AF_INET, count_rule, &n);
	nlk_dump(&nl, RTM_GETRULE, AF_INET6, count_rule, &n);
	nlk_close(&nl);
	return n;
}

int host_status(FILE *out)
{
	pid_t pid = instance_holder();
	unsigned int rules = count_rules();
	int flags = nft_table_flags();
	bool table = flags >= 0 || nft_guards_there();

	if (!pid && instance_unseen()) {
		fprintf(out, "culvert is up, in a container\n");
		return 0;
	}
	if (pid) {
		fprintf(out, "culvert is up: pid %d", (int)pid);
		say_age(pid, out);
		say_command(pid, out);
		fprintf(out, "\n  policy rules: %u; nftables table: %s\n",
			rules,
			flags >= 0       ? "inet " NFT_TABLE :
			flags == -ENOENT ? "none" :
					   strerror(-flags));
		return 0;
	}
	fprintf(out, "culvert is not up here\n");
	if (rules || table)
		fprintf(out,
			"  but %u policy rules%s of one that was killed "
			"are left: `culvert down` removes them\n",
			rules, table ? " and a table" : "");
	return -ESRCH;
}
