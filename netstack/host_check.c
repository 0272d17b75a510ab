/*
 * host_check.c - What this host lacks, in words (`culvert check`)
 *
 * Each problem: what is missing, what it means, what to do. Nothing is changed.
 * "note:" lines are no problems.
 */
#include "gateway/core/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <netlink/attr.h>
#include <netlink/msg.h>

#include "gateway/base/compat.h"
#include "netstack/instance.h"
#include "netstack/nft.h"
#include "netstack/nl.h"
#include "netstack/uplink.h"

/**
 * struct report - Where it goes, and how many problems so far
 */
struct report {
	FILE *out;
	int problems;
};

static void problem(struct report *r, const char *what, const char *means,
		    const char *todo)
{
	fprintf(r->out, "problem: %s\n    means: %s\n    do: %s\n", what, means,
		todo);
	r->problems++;
}

static void note(struct report *r, const char *what, const char *means)
{
	fprintf(r->out, "note: %s\n    means: %s\n", what, means);
}

/* First number in a file of /proc; -1: it cannot be read */
static long proc_number(const char *path)
{
	char buf[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	return n > 0 ? strtol(buf, NULL, 10) : -1;
}

static void check_rights(struct report *r)
{
	int fd;

	if (!instance_may_admin("self"))
		problem(r, "no right to change the network (CAP_NET_ADMIN)",
			"neither TUN nor routes nor marks can be set",
			"run as root, or with "
			"AmbientCapabilities=CAP_NET_ADMIN");
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		return;
	}
	if (errno == EACCES || errno == EPERM)
		problem(r, "/dev/net/tun may not be opened",
			"a tun inbound cannot start",
			"run as root, or chmod 0666 /dev/net/tun");
	else
		problem(r, "there is no /dev/net/tun",
			"a tun inbound cannot start",
			"modprobe tun (OpenWrt: kmod-tun); in a container, "
			"pass the device in");
}

static void check_forwarding(struct report *r)
{
	if (proc_number("/proc/sys/net/ipv4/ip_forward") != 1)
		problem(r, "this host does not forward IPv4",
			"LAN clients that use it as their gateway get nothing; "
			"its own traffic works",
			"sysctl -w net.ipv4.ip_forward=1 (and in /etc/sysctl.d "
			"to keep it)");
	if (proc_number("/proc/sys/net/ipv6/conf/all/disable_ipv6") != 0) {
		note(r, "IPv6 is switched off here",
		     "only IPv4 is caught; there is no IPv6 to leak");
		return;
	}
	if (proc_number("/proc/sys/net/ipv6/conf/all/forwarding") != 1)
		problem(r, "this host does not forward IPv6",
			"LAN clients' IPv6 does not pass it",
			"sysctl -w net.ipv6.conf.all.forwarding=1 (with "
			"accept_ra=2 on an uplink that learns its route by "
			"RA)");
}

/* Strict reverse path checks: all=1, or the uplink's own */
static void check_rp_filter(struct report *r, const char *uplink)
{
	char path[96];
	long all = proc_number("/proc/sys/net/ipv4/conf/all/rp_filter");
	long def = proc_number("/proc/sys/net/ipv4/conf/default/rp_filter");
	long up = -1;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter",
		 uplink);
	if (uplink[0])
		up = proc_number(path);
	if (all == 2 || (all != 1 && up != 1 && def != 1))
		return;
	problem(r, "rp_filter is strict (1)",
		"packets of connections from outside to hosts behind this one "
		"(port forwarding) are dropped, as their way back looks like "
		"the TUN; so are some answers to DNS queries",
		"sysctl -w net.ipv4.conf.all.rp_filter=2 (loose; the highest "
		"of all and the interface's counts)");
}

static bool in_path(const char *program)
{
	const char *path = getenv("PATH");
	char full[512];

	for (const char *p = path ? path : ""; *p; p += *p == ':') {
		size_t n = strcspn(p, ":");

		snprintf(full, sizeof(full), "%.*s/%s", (int)n, p, program);
		if (access(full, X_OK) == 0)
			return true;
		p += n;
	}
	return false;
}

/* What asking for a table gives: without nfnetlink, and with it but for others */
static bool kernel_lacks_nft(int err)
{
	return err == -EPROTONOSUPPORT || err == -EINVAL || err == -EOPNOTSUPP;
}

static void check_nft(struct report *r)
{
	struct utsname u;
	char *end;
	long major, minor;

	if (kernel_lacks_nft(nft_table_flags())) {
		problem(r, "the kernel has no nftables",
			"replies to forwarded connections from outside enter "
			"the TUN; DNS to this host's own addresses is not "
			"caught",
			"modprobe nf_tables (OpenWrt: kmod-nft-core, "
			"kmod-nft-nat, kmod-nft-fib)");
		return;
	}
	if (!in_path("nft"))
		problem(r, "nft is not installed",
			"replies to forwarded connections from outside enter "
			"the TUN; DNS to this host's own addresses is not "
			"caught",
			"apt install nftables (OpenWrt: nftables)");
	if (uname(&u) < 0)
		return;
	major = strtol(u.release, &end, 10);
	minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
	if (major < 5 || (major == 5 && minor < 12))
		note(r, "nftables tables have no owner before Linux 5.12",
		     "another program's `nft flush ruleset` removes ours for a "
		     "moment; it is loaded again");
}

static void check_limits(struct report *r)
{
	struct rlimit rl;
	char text[96];

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0 || rl.rlim_max >= 16384)
		return;
	snprintf(text, sizeof(text), "at most %llu descriptors are allowed",
		 (unsigned long long)rl.rlim_max);
	problem(r, text,
		"each connection takes one or two; more are refused then",
		"ulimit -Hn 65536, or LimitNOFILE=65536 in the service");
}

/* --- others on this host ------------------------------------------------------------- */

/**
 * struct others - Rules of other gateways seen
 */
struct others {
	struct report *r;
	bool sing, mwan, early;
};

static void look_rule(struct nlmsghdr *h, void *arg)
{
	struct others *o = arg;
	struct nlattr *tb[FRA_MAX + 1] = { NULL };
	const struct fib_rule_hdr *f = NLMSG_DATA(h);
	uint32_t pref, table;

	if (h->nlmsg_type != RTM_NEWRULE ||
	    nlmsg_parse(h, sizeof(*f), tb, FRA_MAX, NULL) < 0)
		return;
	pref = tb[FRA_PRIORITY] ? nla_get_u32(tb[FRA_PRIORITY]) : 0;
	table = tb[FRA_TABLE] ? nla_get_u32(tb[FRA_TABLE]) : f->table;
	if (tb[FRA_PROTOCOL] && nla_get_u8(tb[FRA_PROTOCOL]) == NLK_PROTOCOL)
		return;
	if (table == 2022 || (pref >= 9000 && pref <= 9010))
		o->sing = true;
	else if (pref > 1000 && pref < 4000 && f->action == FR_ACT_TO_TBL)
		o->mwan = true;
	else if (pref > 0 && pref < 7600 && f->action == FR_ACT_TO_TBL)
		o->early = true;
}

static void check_others(struct report *r, struct nlk *nl)
{
	struct others o = { .r = r };

	nlk_dump(nl, RTM_GETRULE, AF_INET, look_rule, &o);
	nlk_dump(nl, RTM_GETRULE, AF_INET6, look_rule, &o);
	if (o.sing)
		problem(r,
			"rules of another TUN gateway are here (table 2022 or "
			"priorities 9000-9010: sing-box, mihomo, zeptun)",
			"both catch the same traffic; whichever has the lower "
			"priority wins",
			"stop it, or give culvert another place by "
			"\"rulePriority\"");
	if (o.mwan)
		note(r, "rules with priorities 1001-3999 are here (mwan3)",
		     "they come before culvert's 7600 and may send traffic "
		     "past it; \"rulePriority\" moves ours");
	else if (o.early)
		note(r, "other policy routing rules come before culvert's 7600",
		     "what they route goes past it; \"rulePriority\" moves "
		     "ours");
}

static void check_uplink(struct report *r, const char *name, unsigned int n)
{
	if (!n)
		problem(r, "there is no default route",
			"culvert itself reaches nobody",
			"bring the uplink up; culvert follows without a "
			"restart");
	else
		fprintf(r->out, "note: the way out is %s\n", name);
}

int host_check(FILE *out)
{
	struct report r = { .out = out };
	char ups[1][IFNAMSIZ] = { "" };
	unsigned int n = 0;
	struct nlk nl;

	check_rights(&r);
	if (nlk_open(&nl, NETLINK_ROUTE) == 0) {
		n = uplink_find(&nl, NULL, 0, ups, 1);
		check_uplink(&r, ups[0], n);
		check_others(&r, &nl);
		nlk_close(&nl);
	}
	check_forwarding(&r);
	check_rp_filter(&r, ups[0]);
	check_nft(&r);
	check_limits(&r);
	if (r.problems)
		fprintf(out, "%d problem%s\n", r.problems,
			r.problems == 1 ? "" : "s");
	else
		fprintf(out, "this host has all that culvert needs\n");
	return r.problems;
}
