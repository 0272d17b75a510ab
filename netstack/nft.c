/*
 * nft.c - Loading our table through nft(8) (contract: nft.h)
 *
 * `nft -i` reads a command a line, so the text is put on one line; it says
 * nothing about success, so the kernel is asked for the table.
 */
#include "netstack/nft.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "netstack/nft_judge.h"
#include "netstack/plan.h"

enum { WAIT_STEP_MS = 5, WAIT_MS = 3000, SPARE_MS = 500 };

static void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* --- children ------------------------------------------------------------------ */

/*
 * What a child runs after fork: signals as they were, @in as its input, nothing
 * on its output. @dies: with us.
 */
static void child_run(int in, bool dies, pid_t parent, const char *const *argv)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	char *args[8] = { NULL };
	sigset_t none;

	for (int i = 0; i < 7 && argv[i]; i++)
		memcpy(&args[i], &argv[i], sizeof(args[i]));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dies &&
	    (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
		_exit(126);
	if (!dies)
		setsid(); /* ^C on the terminal is not for the one who cleans up */
	if (dup2(in, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    (!dies && dup2(null, STDERR_FILENO) < 0))
		_exit(126);
	execvp(args[0], args);
	_exit(127);
}

/* Start @argv with a pipe to its input at *@in. pid or -errno */
static pid_t child_start(const char *const *argv, bool dies, int *in)
{
	pid_t self = getpid(), pid;
	int p[2] = { -1, -1 };

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		child_run(p[0], dies, self, argv);
	close(p[0]);
	if (pid < 0) {
		close(p[1]);
		return -EAGAIN;
	}
	*in = p[1];
	return pid;
}

static int write_all(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t k = write(fd, text, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		text += k;
		n -= (size_t)k;
	}
	return 0;
}

/* Wait for the end of @pid; its exit code, or -ETIMEDOUT after killing it */
static int child_wait(pid_t pid)
{
	int status = 0;

	for (int ms = 0; ms < WAIT_MS; ms += WAIT_STEP_MS) {
		pid_t r = waitpid(pid, &status, WNOHANG);

		if (r == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
		if (r < 0 && errno != EINTR)
			return -errno;
		sleep_ms(WAIT_STEP_MS);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -ETIMEDOUT;
}

/* One `nft -f -` for @text. 0 or -errno */
static int run_once(const char *text)
{
	static const char *const argv[] = { "nft", "-f", "-", NULL };
	int in = -1, err, rc;
	pid_t pid = child_start(argv, true, &in);

	if (pid < 0)
		return pid;
	err = write_all(in, text, strlen(text));
	close(in);
	rc = child_wait(pid);
	if (rc == 127)
		return -ENOENT;
	return rc == 0 ? err : -EPROTO;
}

/* --- text ------------------------------------------------------------------------- */

/* @in as text, behind @before. malloc'ed; NULL: out of memory */
static char *make_text(const struct nft *n, const struct intake *in, bool owner,
		       const char *before)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fputs(before, f);
	nft_print(n, in, owner, f);
	if (fclose(f) < 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void one_line(char *text)
{
	char *end = text + strlen(text) - 1;

	for (char *p = text; p < end; p++)
		if (*p == '\n')
			*p = ';';
}

/* --- the three ways ----------------------------------------------------------------- */

static void end_one(pid_t *pid, int *in)
{
	if (*in >= 0)
		close(*in);
	*in = -1;
	if (*pid > 0)
		child_wait(*pid); /* end of input ends it */
	*pid = 0;
}

static void end_child(struct nft *n)
{
	end_one(&n->pid, &n->in);
}

/* The table is there, with an owner, or the child has given up */
static int await_owner(const struct nft *n)
{
	for (int ms = 0; ms < WAIT_MS; ms += WAIT_STEP_MS) {
		int flags = nft_table_flags();
		siginfo_t si = { .si_pid = 0 };

		if (flags >= 0 && (flags & NFT_TABLE_F_OWNER))
			return 0;
		if (flags >= 0)
			return -EOPNOTSUPP; /* the flag was not understood */
		if (waitid(P_PID, (id_t)n->pid, &si,
			   WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    si.si_pid)
			return -ECHILD;
		sleep_ms(WAIT_STEP_MS);
	}
	return -ETIMEDOUT;
}

/*
 * While no table has a nat chain the kernel translates nothing, connections that
 * are under way included: their packets would reach the real server, which
 * resets them. So the spare holds one; its rule looks at conntrack, because a chain
 * alone does not keep that going: it ends with the last rule that asks for it.
 */
static void keep_nat(struct nft *n, const struct intake *in)
{
	static unsigned int count; /* main thread only */
	char line[160];

	if (in->host->how.tcp != BY_REDIRECT && !in->host->how.dns_port &&
	    !in->dns_local)
		return;
	snprintf(line, sizeof(line),
		 "table inet " NFT_KEEP
		 "%u { flags owner; chain nat { type nat hook postrouting "
		 "priority 101; ct state new return; }; }\n",
		 count++ % 2);
	(void)write_all(n->spare_in, line, strlen(line));
}

static void start_spare(struct nft *n, const struct intake *in)
{
	static const char *const argv[] = { "nft", "-i", NULL };

	if (n->spare > 0 && waitpid(n->spare, NULL, WNOHANG) == 0)
		return;
	if (n->spare_in >= 0)
		close(n->spare_in);
	n->spare_in = -1;
	n->spare = child_start(argv, true, &n->spare_in);
	if (n->spare > 0)
		keep_nat(n, in);
	else
		n->spare = 0;
}

/* The spare becomes the owner; a new spare waits */
static int take_spare(struct nft *n, const struct intake *in)
{
	start_spare(n, in);
	if (n->spare <= 0)
		return -EAGAIN;
	n->pid = n->spare;
	n->in = n->spare_in;
	n->spare = 0;
	n->spare_in = -1;
	return 0;
}

static int load_owner(struct nft *n, const struct intake *in)
{
	char *text = make_text(n, in, true, "");
	int err;

	if (!text)
		return -ENOMEM;
	err = take_spare(n, in);
	if (err == 0) {
		one_line(text);
		err = write_all(n->in, text, strlen(text));
	}
	free(text);
	if (err == 0)
		err = await_owner(n);
	if (err < 0) {
		end_child(n);
		return err;
	}
	n->kind = NFT_OWNER;
	start_spare(n, in);
	return 0;
}

/*
 * A shell that waits for our end and then removes the tables that have no
 * owner: NFT_TABLE only if it is not to outlive us
 */
static void start_cleaner(struct nft *n, const struct intake *in)
{
	const char *const argv[] = {
		"/bin/sh", "-c",
		n->kind == NFT_PLAIN && !in->host->fail_closed ?
			"cat >/dev/null; nft delete table inet " NFT_DIRECT
			"; exec nft delete table inet " NFT_TABLE :
			"cat >/dev/null; exec nft delete table "
			"inet " NFT_DIRECT,
		NULL
	};

	if (n->cleaner > 0)
		return;
	n->cleaner = child_start(argv, false, &n->cleaner_in);
	if (n->cleaner < 0) {
		n->cleaner = 0;
		log_warning("host: the nftables table stays when culvert is "
			    "killed");
	}
}

/*
 * Somebody has removed a PLAIN table: what it held passes by until it is back.
 * Starting nft(8) takes 10 ms and more. 0, or -errno: it is not known to be back
 */
static int load_by_spare(struct nft *n, const struct intake *in)
{
	char *text = n->spare > 0 ? make_text(n, in, false, "") : NULL;
	int err;

	if (!text)
		return -ECHILD;
	one_line(text);
	err = write_all(n->spare_in, text, strlen(text));
	free(text);
	for (int ms = 0; err == 0 && ms < SPARE_MS; ms++) {
		if (nft_table_flags() >= 0)
			return 0;
		sleep_ms(1);
	}
	kill(n->spare, SIGKILL);
	end_one(&n->spare, &n->spare_in);
	return err < 0 ? err : -ETIMEDOUT;
}

static int load_plain(struct nft *n, const struct intake *in)
{
	/* Added, so that deleting cannot fail */
	char *text = make_text(n, in, false,
			       "add table inet " NFT_TABLE "\n"
			       "delete table inet " NFT_TABLE "\n");
	int err = text ? run_once(text) : -ENOMEM;

	free(text);
	if (err < 0)
		return err;
	n->kind = NFT_PLAIN;
	if (!in->host->fail_closed)
		start_cleaner(n, in);
	start_spare(n, in);
	return 0;
}

/* The large sets: a table without an owner, so that we may fill it ourselves */
static int load_direct(struct nft *n, const struct intake *in)
{
	const struct cidrs *s = &in->host->how.direct;
	char *text = NULL;
	size_t size = 0;
	FILE *f;
	int err;

	if (!s->count4 && !s->count6)
		return nft_direct_delete();
	f = open_memstream(&text, &size);
	if (!f)
		return -ENOMEM;
	fputs("add table inet " NFT_DIRECT "\n"
	      "delete table inet " NFT_DIRECT "\n",
	      f);
	nft_print_direct(in, f);
	err = fclose(f) < 0 ? -ENOMEM : 0;
	if (err == 0)
		err = run_once(text);
	free(text);
	if (err == 0) {
		start_cleaner(n, in);
		err = nft_direct_feed(s);
	}
	if (err < 0)
		log_error("host: directCidr is not set up: %s", strerror(-err));
	else
		log_info("host: %zu IPv4 and %zu IPv6 ranges go directly",
			 s->count4, s->count6);
	return err;
}

static bool direct_lost(const struct intake *in)
{
	const struct cidrs *s = &in->host->how.direct;

	return (s->count4 || s->count6) && !nft_direct_there();
}

int nft_load(struct nft *n, const struct intake *in)
{
	int err = -EOPNOTSUPP;

	n->kind = NFT_NONE;
	n->in = -1;
	n->pid = 0;
	n->near_used = nft_uses_near(in);
	if (in->tun[0] && !nft_name_ok(in->tun)) {
		log_warning("host: no nftables rules for a TUN named %s",
			    in->tun);
		return -EINVAL;
	}
	/* Of a former life; what shall block is replaced without a gap */
	if (!in->host->fail_closed) {
		nft_table_delete();
		err = load_owner(n, in);
	}
	if (err < 0)
		err = load_plain(n, in);
	if (err == 0) {
		log_info("host: nftables table inet " NFT_TABLE " loaded%s",
			 n->kind == NFT_OWNER ? "" : ", without an owner");
		load_direct(n, in);
		return 0;
	}
	if (!in->tun[0])
		return err; /* nothing is caught without */
	log_warning("host: no nftables rules (%s): replies to forwarded "
		    "connections from outside and DNS to this host's own "
		    "addresses are not looked after",
		    err == -ENOENT ? "nft is not installed" : strerror(-err));
	return err;
}

static int replace_table(struct nft *n, const struct intake *in)
{
	char *text;
	int err;

	n->near_used = nft_uses_near(in);
	if (n->kind != NFT_OWNER)
		return load_plain(n, in);
	text = make_text(n, in, true, "delete table inet " NFT_TABLE "\n");
	if (!text)
		return -ENOMEM;
	one_line(text);
	err = write_all(n->in, text, strlen(text));
	free(text);
	return err;
}

int nft_replace(struct nft *n, const struct intake *in)
{
	int err = n->kind == NFT_NONE ? 0 : replace_table(n, in);

	return err < 0 || n->kind == NFT_NONE ? err : load_direct(n, in);
}

bool nft_lost(const struct nft *n)
{
	struct pollfd p = { .fd = n->in };

	return n->in >= 0 && poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

bool nft_watch(struct nft *n, const struct intake *in)
{
	bool lost =
		n->kind != NFT_NONE && (nft_table_flags() < 0 || nft_lost(n));

	if (lost)
		log_warning(
			"host: the nftables table was removed; loaded again");
	if (lost && n->kind == NFT_PLAIN) {
		if (load_by_spare(n, in) < 0)
			load_plain(n, in);
	} else if (lost) {
		kill(n->pid, SIGKILL);
		end_child(n);
		nft_load(n, in);
	}
	if (n->kind != NFT_NONE && direct_lost(in)) { /* large: comes last */
		log_warning(
			"host: directCidr's table was removed; loaded again");
		load_direct(n, in);
	}
	return lost;
}

int nft_set_uplinks(struct nft *n, const char (*ups)[IFNAMSIZ],
		    unsigned int count)
{
	char text[128 + NFT_UPLINKS * (IFNAMSIZ + 4)] =
		"flush set inet " NFT_TABLE " uplinks";
	size_t len = strlen(text);
	const char *sep = "; add element inet " NFT_TABLE " uplinks { ";

	if (count > NFT_UPLINKS)
		count = NFT_UPLINKS;
	if (count == n->uplink_count &&
	    !memcmp(n->uplinks, ups, count * sizeof(*ups)))
		return 0;
	memcpy(n->uplinks, ups, count * sizeof(*ups));
	n->uplink_count = count;
	for (unsigned int i = 0; i < count; i++) {
		if (!nft_name_ok(ups[i]))
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%s\"%s\"", sep, ups[i]);
		sep = ", ";
	}
	snprintf(text + len, sizeof(text) - len, "%s\n",
		 *sep == ',' ? " }" : "");
	if (n->kind == NFT_OWNER)
		return write_all(n->in, text, strlen(text));
	return n->kind == NFT_PLAIN ? run_once(text) : 0;
}

int nft_set_near(struct nft *n, struct cidrs *near)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f;
	int err = 0;

	if (near->count4 == n->near.count4 && near->count6 == n->near.count6 &&
	    (!near->count4 ||
	     !memcmp(near->v4, n->near.v4, near->count4 * sizeof(*near->v4))) &&
	    (!near->count6 ||
	     !memcmp(near->v6, n->near.v6, near->count6 * sizeof(*near->v6)))) {
		cidrs_free(near);
		return 0;
	}
	cidrs_free(&n->near);
	n->near = *near;
	*near = (struct cidrs){ .v4 = NULL };
	if (n->kind == NFT_NONE || !n->near_used)
		return 0;
	f = open_memstream(&text, &size);
	if (!f)
		return -ENOMEM;
	nft_print_near_change(&n->near, f);
	if (fclose(f) < 0)
		err = -ENOMEM;
	else if (n->kind == NFT_OWNER)
		err = write_all(n->in, text, size);
	else
		err = run_once(text);
	free(text);
	return err;
}

void nft_unload(struct nft *n)
{
	cidrs_free(&n->near);
	if (n->kind == NFT_NONE)
		return;
	end_child(n); /* the owner takes its table along, the cleaner too */
	end_one(&n->cleaner, &n->cleaner_in);
	end_one(&n->spare, &n->spare_in);
	nft_table_delete();
	n->kind = NFT_NONE;
}
