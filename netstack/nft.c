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

/* nft takes seconds for a large set on a slow router; what it refuses it says at once */
enum { WAIT_STEP_MS = 5, WAIT_MS = 15000, SPARE_MS = 1000 };

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
	/* `nft -i` reads and writes ~/.nft.history: ours is nobody's business */
	setenv("HOME", "/dev/null", 1);
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
	char *end = text + strlen(text);

	for (char *p = text; p + 1 < end; p++)
		if (*p == '\n')
			*p = ';';
}

/* An nft(8) that takes lines from *@in and ends with us. Its pid, or 0 */
static pid_t nft_start(int *in)
{
	static const char *const argv[] = { "nft", "-i", NULL };
	pid_t pid = child_start(argv, true, in);

	return pid > 0 ? pid : 0;
}

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

/* Table @name is there (its flags), or the child @pid has given up (-errno) */
static int await_table(pid_t pid, const char *name, int limit_ms)
{
	for (int ms = 0; ms < limit_ms; ms += WAIT_STEP_MS) {
		int flags = nft_flags_of(name);
		siginfo_t si = { .si_pid = 0 };

		if (flags >= 0)
			return flags;
		if (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) <
			    0 ||
		    si.si_pid)
			return -ECHILD;
		sleep_ms(WAIT_STEP_MS);
	}
	return -ETIMEDOUT;
}

static int await_owner(const struct nft *n)
{
	int flags = await_table(n->pid, NFT_TABLE, WAIT_MS);

	if (flags < 0)
		return flags;
	/* else the flag was not understood */
	return flags & NFT_TABLE_F_OWNER ? 0 : -EOPNOTSUPP;
}

/* --- the spare, and the table it keeps ---------------------------------------------- */

/* Each of two numbers in turn: the old one may still be there */
static const char *keep_name(const struct nft *n)
{
	return n->keep % 2 ? NFT_KEEP "1" : NFT_KEEP "0";
}

/*
 * Tell the spare what to keep, in place of what it keeps. 1, 0: nothing at all;
 * -errno
 */
static int renew_keep(struct nft *n, const struct intake *in)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	bool any;
	int err = -ENOMEM;

	if (!f)
		return err;
	if (n->kept)
		fprintf(f, "delete table inet %s\n", keep_name(n));
	any = nft_print_keep(n, in, keep_name(n), f);
	if (fclose(f) == 0) {
		one_line(text);
		err = write_all(n->spare_in, text, strlen(text));
	}
	free(text);
	return err < 0 ? err : any;
}

/*
 * The spare waits to load a table again at once: to start nft(8) takes 10 ms and
 * more. Meanwhile its own table holds (nft_keep.c)
 */
static void start_spare(struct nft *n, const struct intake *in)
{
	int err;

	if (n->spare > 0 && waitpid(n->spare, NULL, WNOHANG) == 0)
		return;
	if (n->spare_in >= 0)
		close(n->spare_in);
	n->spare_in = -1;
	n->kept = n->shut = false;
	n->keep++;
	n->spare = nft_start(&n->spare_in);
	if (!n->spare)
		return;
	err = renew_keep(n, in);
	if (err > 0)
		err = await_table(n->spare, keep_name(n), SPARE_MS);
	else if (err == 0)
		return;
	n->kept = err >= 0;
	n->shut = n->kept && nft_keeps_shut(in);
	if (n->kept)
		return;
	log_warning(
		"host: nft keeps no second table: what others remove passes "
		"by until it is loaded again");
	kill(n->spare, SIGKILL);
	end_one(&n->spare, &n->spare_in);
}

/*
 * The spare becomes the owner. Its own table goes as the other one comes: writes
 * the words for that
 */
static int take_spare(struct nft *n, char words[64])
{
	words[0] = '\0';
	if (n->spare > 0 && waitpid(n->spare, NULL, WNOHANG) == 0) {
		if (n->kept)
			snprintf(words, 64, "delete table inet %s\n",
				 keep_name(n));
		n->pid = n->spare;
		n->in = n->spare_in;
		n->spare = 0;
		n->spare_in = -1;
		n->kept = n->shut = false;
		return 0;
	}
	n->pid = nft_start(&n->in);
	return n->pid ? 0 : -EAGAIN;
}

/* --- the three ways ----------------------------------------------------------------- */

static int load_owner(struct nft *n, const struct intake *in)
{
	char words[64], *text;
	int err = take_spare(n, words);

	if (err < 0)
		return err;
	text = make_text(n, in, true, words);
	if (text) {
		one_line(text);
		err = write_all(n->in, text, strlen(text));
	} else {
		err = -ENOMEM;
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
	n->closed = in->host->fail_closed;
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
		n->missing = false;
		log_info("host: nftables table inet " NFT_TABLE " loaded%s",
			 n->kind == NFT_OWNER ? "" : ", without an owner");
		load_direct(n, in);
		return 0;
	}
	if (!in->tun[0] || n->missing)
		return err; /* nothing is caught without; it was told */
	log_warning("host: no nftables rules (%s): replies to forwarded "
		    "connections from outside and DNS to this host's own "
		    "addresses are not looked after",
		    err == -ENOENT ? "nft is not installed" : strerror(-err));
	return err;
}

/*
 * "fail" has changed, and with it whose the table is. Meanwhile the spare's holds,
 * or there is none
 */
static int change_owner(struct nft *n, const struct intake *in)
{
	int err = -EOPNOTSUPP;

	n->closed = in->host->fail_closed;
	end_child(n);
	n->kind = NFT_PLAIN; /* nobody's now, if it is there at all */
	end_one(&n->cleaner, &n->cleaner_in); /* may take the table along */
	if (!n->closed) {
		nft_table_delete();
		err = load_owner(n, in);
	}
	return err < 0 ? load_plain(n, in) : 0;
}

static int replace_table(struct nft *n, const struct intake *in)
{
	char *text;
	int err;

	n->near_used = nft_uses_near(in);
	if (n->closed != in->host->fail_closed)
		return change_owner(n, in);
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

	if (n->kind == NFT_NONE)
		return err;
	n->missing = err < 0 && nft_table_flags() < 0;
	if (err < 0) {
		log_error("host: the nftables table %s: %s",
			  n->missing ? "is gone and cannot be loaded" :
				       "cannot be replaced",
			  strerror(-err));
		return err;
	}
	start_spare(n, in);
	if (n->spare > 0)
		n->kept = renew_keep(n, in) > 0;
	n->shut = n->kept && nft_keeps_shut(in);
	return load_direct(n, in);
}

/* The child that reads the other end of @in has ended */
static bool child_gone(int in)
{
	struct pollfd p = { .fd = in };

	return in >= 0 && poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

bool nft_lost(const struct nft *n)
{
	return child_gone(n->in) || (n->kept && child_gone(n->spare_in));
}

/* It was there and is not. What let it go may keep it from coming back: told once */
static void load_again(struct nft *n, const struct intake *in)
{
	bool missing = n->missing;
	int err = 0;

	if (n->kind == NFT_PLAIN) {
		if (load_by_spare(n, in) < 0)
			err = load_plain(n, in);
	} else {
		if (n->pid > 0)
			kill(n->pid, SIGKILL);
		end_child(n);
		err = nft_load(n, in);
	}
	n->missing = err < 0;
	if (!err)
		log_warning(
			"host: the nftables table was removed; loaded again");
	else if (!missing)
		log_error("host: the nftables table was removed and cannot be "
			  "loaded: %s; tried again until it is there",
			  strerror(-err));
}

bool nft_watch(struct nft *n, const struct intake *in)
{
	bool lost =
		n->missing || (n->kind != NFT_NONE &&
			       (nft_table_flags() < 0 || child_gone(n->in)));

	if (lost)
		load_again(n, in);
	if (n->kept && child_gone(n->spare_in)) {
		log_warning(
			"host: the nft in waiting has ended; another waits");
		start_spare(n, in);
		lost = true;
	}
	if (n->kind != NFT_NONE && direct_lost(in)) { /* large: comes last */
		log_warning(
			"host: directCidr's table was removed; loaded again");
		load_direct(n, in);
	}
	return lost;
}

/* Writes the lines that bring the sets of a table up to date */
typedef void print_change(const struct nft *n, const char *table, FILE *out);

/* Send what @print says of @table to @in; -1: to an nft of its own */
static int change_table(const struct nft *n, print_change *print,
			const char *table, int in)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int err = -ENOMEM;

	if (!f)
		return err;
	print(n, table, f);
	if (fclose(f) == 0)
		err = in >= 0 ? write_all(in, text, size) : run_once(text);
	free(text);
	return err;
}

static int change_sets(const struct nft *n, print_change *print)
{
	int err = change_table(n, print, NFT_TABLE,
			       n->kind == NFT_OWNER ? n->in : -1);
	int err2 = 0;

	if (n->shut)
		err2 = change_table(n, print, keep_name(n), n->spare_in);
	return err < 0 ? err : err2;
}

int nft_set_uplinks(struct nft *n, const char (*ups)[IFNAMSIZ],
		    unsigned int count)
{
	if (count > NFT_UPLINKS)
		count = NFT_UPLINKS;
	if (count == n->uplink_count &&
	    !memcmp(n->uplinks, ups, count * sizeof(*ups)))
		return 0;
	memcpy(n->uplinks, ups, count * sizeof(*ups));
	n->uplink_count = count;
	if (n->kind == NFT_NONE)
		return 0;
	return change_sets(n, nft_print_uplinks_change);
}

int nft_set_near(struct nft *n, struct cidrs *near)
{
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
	return change_sets(n, nft_print_near_change);
}

void nft_unload(struct nft *n)
{
	cidrs_free(&n->near);
	n->missing = false;
	if (n->kind == NFT_NONE)
		return;
	end_one(&n->spare, &n->spare_in); /* first, as it shuts */
	end_child(n); /* the owner takes its table along, the cleaner too */
	end_one(&n->cleaner, &n->cleaner_in);
	nft_table_delete();
	n->kept = n->shut = false;
	n->kind = NFT_NONE;
}
