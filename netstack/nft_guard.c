/*
 * nft_guard.c - What a culvert killed with fail: closed has left holding (contract: nft.h)
 *
 * Its spare `nft -i` lives on and owns a table that drops, so that nobody else's flush
 * opens. Who owns a table the kernel tells as the port of a netlink socket, which is
 * the number of the process that opened it (netlink(7)): as that may be anybody's, an
 * nft with our mark, in our network namespace, is asked for.
 */
#include "netstack/nft.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "netstack/instance.h"

enum { STEP_MS = 2, END_MS = 2000, ENVIRON_MAX = 65536 };

/* One of the strings in the environment begins with our mark */
static bool is_marked(pid_t pid)
{
	static const char mark[] = NFT_CHILD_MARK "=";
	static char buf[ENVIRON_MAX]; /* the main thread's only */
	size_t n = instance_proc(pid, "environ", buf, sizeof(buf));

	for (size_t i = 0; i < n; i += strlen(buf + i) + 1)
		if (!strncmp(buf + i, mark, sizeof(mark) - 1))
			return true;
	return false;
}

static bool is_here(pid_t pid)
{
	struct stat his, ours;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	return stat(path, &his) == 0 && stat("/proc/self/ns/net", &ours) == 0 &&
	       his.st_ino == ours.st_ino && his.st_dev == ours.st_dev;
}

static bool is_guard(pid_t pid)
{
	char comm[17];

	return instance_proc(pid, "comm", comm, sizeof(comm)) &&
	       !strcmp(comm, "nft\n") && is_here(pid) && is_marked(pid);
}

/* The table goes with its owner. True: it has gone */
static bool await_gone(const char *name)
{
	struct nft_seen seen;

	for (int ms = 0; ms < END_MS; ms += STEP_MS) {
		if (nft_table_see(name, &seen) < 0)
			return true;
		clock_sleep_ms(STEP_MS);
	}
	return false;
}

static bool guard_end(const char *name, pid_t ours, FILE *out)
{
	struct nft_seen seen = { .owner = 0 };
	bool gone;

	if (nft_table_see(name, &seen) < 0 || !seen.owner ||
	    seen.owner > INT32_MAX || (pid_t)seen.owner == ours ||
	    !is_guard((pid_t)seen.owner))
		return false;
	kill((pid_t)seen.owner, SIGKILL);
	gone = await_gone(name);
	if (out)
		fprintf(out, "%s: table inet %s\n",
			gone ? "removed" : "does not go", name);
	else
		log_info("host: table inet %s of a former life removed", name);
	return true;
}

bool nft_guards_there(void)
{
	struct nft_seen seen;

	return nft_table_see(NFT_KEEP "0", &seen) == 0 ||
	       nft_table_see(NFT_KEEP "1", &seen) == 0;
}

unsigned int nft_guards_end(pid_t ours, FILE *out)
{
	unsigned int n = 0;

	n += guard_end(NFT_KEEP "0", ours, out);
	n += guard_end(NFT_KEEP "1", ours, out);
	return n;
}
