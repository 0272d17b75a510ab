/* nft_child.c - Children that load our tables (contract: nft_child.h) */
#include "netstack/nft_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/log.h"

enum {
	STEP_MS = 1,
	REAP_MS =
		2000, /* for a killed one that the kernel does not let go of */
	SAID_MAX = 200 /* bytes of an error that are logged */
};

/* --- starting ------------------------------------------------------------------- */

/* What becomes of a child when we end */
enum fate {
	DIES, /* with us */
	CLEANS, /* when its input ends, which says that we have; it says nothing */
	OUTLIVES, /* it holds the other end of its input, too: that never ends */
};

/**
 * struct birth - What a child gets
 * @in, @says:	Its standard input and error; @says -1: as ours
 * @out:	The other end of @in
 */
struct birth {
	const char *const *argv;
	int in, out, says;
	enum fate fate;
	pid_t parent;
};

/*
 * Runs in the child. Whoever ends a service sends SIGTERM to all of it: our tables
 * must not go before our routes have, and the cleaner is to work then. So does ^C
 */
static void child_signals(void)
{
	static const int ours[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	sigset_t none;

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		signal(ours[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
}

static void child_run(const struct birth *b)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int says = b->fate == CLEANS ? null : b->says;
	char *args[8] = { NULL };

	for (int i = 0; i < 7 && b->argv[i]; i++)
		memcpy(&args[i], &b->argv[i], sizeof(args[i]));
	child_signals();
	if (b->fate == DIES &&
	    (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != b->parent))
		_exit(126);
	if (b->fate != DIES)
		setsid(); /* to be ended as a whole */
	if (b->fate == OUTLIVES && (fcntl(b->out, F_SETFD, 0) < 0 ||
				    setenv(NFT_CHILD_MARK, "1", 1) < 0))
		_exit(126);
	if (dup2(b->in, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    (says >= 0 && dup2(says, STDERR_FILENO) < 0))
		_exit(126);
	/* `nft -i` reads and writes ~/.nft.history: ours is nobody's business */
	setenv("HOME", "/dev/null", 1);
	execvp(args[0], args);
	_exit(127);
}

static int child_start(struct nft_child *c, const char *const *argv,
		       enum fate fate, bool listen)
{
	int in[2], says[2] = { -1, -1 }, err;
	struct birth b = { .argv = argv, .fate = fate, .parent = getpid() };
	pid_t pid;

	*c = NFT_CHILD_NONE;
	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	/* What it cannot say at once is not said: we do not listen all the time */
	if (fcntl(in[1], F_SETFL, O_NONBLOCK) < 0 ||
	    (listen && pipe2(says, O_CLOEXEC | O_NONBLOCK) < 0)) {
		err = -errno;
		goto err_in;
	}
	b.in = in[0];
	b.out = in[1];
	b.says = says[1];
	pid = fork();
	if (pid == 0)
		child_run(&b);
	err = -errno;
	close(in[0]);
	if (listen)
		close(says[1]);
	*c = (struct nft_child){ .pid = pid,
				 .in = in[1],
				 .says = says[0],
				 .outlives = fate == OUTLIVES };
	if (pid > 0)
		return 0;
	c->pid = 0;
	nft_child_end(c);
	return err;
err_in:
	close(in[0]);
	close(in[1]);
	return err;
}

int nft_child_start(struct nft_child *c, bool outlives)
{
	static const char *const argv[] = { "nft", "-i", NULL };

	return child_start(c, argv, outlives ? OUTLIVES : DIES, true);
}

int nft_child_cleaner(struct nft_child *c, const char *direct,
		      const char *table)
{
	static const char script[] =
		"cat >/dev/null\n"
		"for t; do nft delete table inet \"$t\"; done";
	const char *const argv[] = { "/bin/sh", "-c",  script, "sh",
				     direct,    table, NULL };

	return child_start(c, argv, CLEANS, false);
}

/* --- while it lives ---------------------------------------------------------------- */

bool nft_child_lives(struct nft_child *c)
{
	if (c->pid > 0 && waitpid(c->pid, NULL, WNOHANG) == 0)
		return true;
	c->pid = 0; /* reaped: the number may be somebody else's by now */
	return false;
}

/* Milliseconds until @end, for poll(); 0: it has come */
static int left_ms(uint32_t end)
{
	int32_t left = (int32_t)(end - clock_ms());

	return left > 0 ? left : 0;
}

/* There is room in the pipe to it. 0 or -errno */
static int await_room(const struct nft_child *c, uint32_t end)
{
	struct pollfd p = { .fd = c->in, .events = POLLOUT };

	if (poll(&p, 1, left_ms(end)) < 0)
		return errno == EINTR ? 0 : -errno;
	if (p.revents & POLLERR)
		return -EPIPE;
	return p.revents || left_ms(end) ? 0 : -ETIMEDOUT;
}

/* All that was written has been read. 0 or -errno */
static int await_read(const struct nft_child *c, uint32_t end)
{
	struct pollfd p = { .fd = c->in };
	int unread = 0;

	while (ioctl(c->in, FIONREAD, &unread) == 0 && unread) {
		if (poll(&p, 1, 0) > 0 && p.revents & POLLERR)
			return -EPIPE;
		if (!left_ms(end))
			return -ETIMEDOUT;
		clock_sleep_ms(STEP_MS);
	}
	return 0;
}

static int child_write(const struct nft_child *c, const char *text, size_t n,
		       uint32_t end)
{
	int err = 0;

	while (n && err == 0) {
		ssize_t k = write(c->in, text, n);

		if (k >= 0) {
			text += k;
			n -= (size_t)k;
		} else if (errno == EAGAIN) {
			err = await_room(c, end);
		} else if (errno != EINTR) {
			err = -errno;
		}
	}
	return err;
}

int nft_child_tell(struct nft_child *c, const char *text, size_t n,
		   int limit_ms)
{
	uint32_t end = clock_ms() + (uint32_t)limit_ms;
	int err = c->in < 0 ? -EPIPE : child_write(c, text, n, end);

	if (err == 0)
		err = await_read(c, end);
	if (err == -ETIMEDOUT && nft_child_lives(c)) {
		log_error("host: nft (pid %d) does not read what it is told: "
			  "killed",
			  (int)c->pid);
		kill(c->pid, SIGKILL);
	}
	return err;
}

bool nft_child_complains(struct nft_child *c)
{
	char buf[4096], *error = NULL;
	bool any = false;
	ssize_t n;

	while (c->says >= 0 && (n = read(c->says, buf, sizeof(buf) - 1)) > 0) {
		buf[n] = '\0';
		error = any ? NULL : strstr(buf, "Error:");
		if (!error)
			continue;
		any = true;
		/* Behind it comes what we said, on one line: all of a table */
		error[strcspn(error, "\n")] = '\0';
		log_warning("host: nft: %.*s", SAID_MAX, error);
	}
	return any;
}

/* --- the end ------------------------------------------------------------------------ */

/* Its exit code; -ETIMEDOUT: it has not ended by then */
static int child_wait(struct nft_child *c, int limit_ms)
{
	uint32_t end = clock_ms() + (uint32_t)limit_ms;
	int status = 0;

	for (;;) {
		pid_t r = waitpid(c->pid, &status, WNOHANG);

		if (r == c->pid || (r < 0 && errno != EINTR)) {
			c->pid = 0;
			return r < 0             ? -ECHILD :
			       WIFEXITED(status) ? WEXITSTATUS(status) :
						   126;
		}
		if (!left_ms(end))
			return -ETIMEDOUT;
		clock_sleep_ms(STEP_MS);
	}
}

void nft_child_end(struct nft_child *c)
{
	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		kill(-c->pid, SIGKILL); /* the cleaner's own children */
		child_wait(c, REAP_MS);
	}
	if (c->in >= 0)
		close(c->in);
	if (c->says >= 0)
		close(c->says);
	*c = NFT_CHILD_NONE;
}

int nft_run(const char *text, int limit_ms)
{
	static const char *const argv[] = { "nft", "-f", "-", NULL };
	struct nft_child c;
	uint32_t end = clock_ms() + (uint32_t)limit_ms;
	int err = child_start(&c, argv, DIES, false), rc;

	if (err < 0)
		return err;
	err = child_write(&c, text, strlen(text), end);
	close(c.in);
	c.in = -1;
	rc = child_wait(&c, left_ms(end));
	nft_child_end(&c);
	if (rc == 127)
		return -ENOENT;
	if (rc == -ETIMEDOUT)
		return rc;
	return rc == 0 ? err : -EPROTO;
}
