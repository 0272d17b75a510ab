/*
 * fetch.c - A subscription's address: what stands there, by the host's own client
 *
 * curl, else wget, else OpenWrt's uclient-fetch, else the wget of busybox. It runs
 * before anything is set up, so the download goes the host's plain way. A
 * subscription's address is a password: curl and GNU wget read it from their input,
 * where `ps` does not show it. What is called wget need not be GNU's (OpenWrt: it is
 * uclient-fetch): one that does not know the options says so, and the next is tried.
 */
#include "gateway/app/fetch.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/compat.h"

#define NOT_FOUND 127 /* what a shell says, too */

/**
 * struct client - A program that downloads
 * @argv:	How to call it
 * @before, @after:	What it reads from its input around the address; NULL: the
 *			address is its argument
 * @perhaps:	May be another program of that name: its complaints about options are
 *		not shown, and are no answer
 * @seconds:	It has no limit of its own, or none that can be relied on; 0: it has
 */
static const struct client {
	const char *argv[10];
	const char *before, *after;
	bool perhaps;
	unsigned int seconds;
} clients[] = {
	{ { "curl", "-q", "-K", "-", NULL },
	  "silent\nshow-error\nfail\nlocation\nmax-redirs = 5\n"
	  "proto-redir = \"=https\"\nmax-time = 30\ncompressed\n"
	  "user-agent = \"culvert/" CULVERT_VERSION "\"\nurl = \"",
	  "\"\n",
	  false,
	  0 },
	{ { "wget", "-q", "-T", "30", "-t", "1", "-O", "-", "-i", "-" },
	  "",
	  "\n",
	  true,
	  0 },
	{ { "uclient-fetch", "-q", "-T", "30", "-O", "-", NULL },
	  NULL,
	  NULL,
	  false,
	  0 },
	/* Debian's busybox dies of -T */
	{ { "wget", "-q", "-O", "-", NULL }, NULL, NULL, false, 60 },
};

bool fetch_is_url(const char *what)
{
	size_t skip = !strncasecmp(what, "https://", 8) ? 8 :
		      !strncasecmp(what, "http://", 7)  ? 7 :
							  0;
	size_t host = skip ? strcspn(what + skip, "/?#") : 0;
	const char *tail = what + skip + host;

	if (!skip || !host || memchr(what + skip, '@', host))
		return false;
	return *tail == '?' || (*tail == '/' && tail[1] && tail[1] != '#');
}

/* Nothing that would end the quotes or the line it is written into */
static bool url_fits(const char *url)
{
	for (const char *p = url; *p; p++)
		if (!isgraph((unsigned char)*p) || *p == '"' || *p == '\\')
			return false;
	return strlen(url) <= FETCH_URL_MAX;
}

/* In the child: @in and @out become its input and output */
static void become(const struct client *c, const char *url, int in, int out)
{
	char *args[ARRAY_SIZE(c->argv) + 2] = { NULL };
	int null = c->perhaps ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
	size_t n = 0;

	do {
		memcpy(&args[n], &c->argv[n], sizeof(args[n]));
	} while (++n < ARRAY_SIZE(c->argv) && c->argv[n]);
	if (!c->before)
		memcpy(&args[n], &url, sizeof(args[n]));
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
		_exit(NOT_FOUND - 1);
	if (null >= 0)
		(void)dup2(null, STDERR_FILENO);
	(void)alarm(c->seconds); /* it goes on behind exec */
	execvp(c->argv[0], args);
	_exit(NOT_FOUND);
}

/* The whole of @fd, or the first @max bytes. Bytes, -errno */
static ssize_t read_upto(int fd, char *buf, size_t max)
{
	size_t n = 0;

	while (n < max) {
		ssize_t k = read(fd, buf + n, max - n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		if (!k)
			break;
		n += (size_t)k;
	}
	return (ssize_t)n;
}

static int exit_code(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : NOT_FOUND - 1;
}

/* Give the child what it reads; it may have died: no signal of ours */
static void tell(const struct client *c, const char *url, int fd)
{
	char text[FETCH_URL_MAX + 512];
	int n = c->before ? snprintf(text, sizeof(text), "%s%s%s", c->before,
				     url, c->after) :
			    0;

	/* less than what a pipe holds: does not wait */
	if (n > 0 && write(fd, text, (size_t)n) < n)
		fprintf(stderr, "culvert: %s: %s\n", c->argv[0],
			strerror(errno));
}

/* Did it not know what it was asked? 1, 2: options; or it died of them */
static bool is_another(const struct client *c, int code)
{
	return c->perhaps && (code == 1 || code == 2 || code == NOT_FOUND - 1);
}

/* Bytes; -ENOENT without that program; -EIO after it said what is wrong */
static ssize_t try_client(const struct client *c, const char *url, char *buf,
			  size_t max)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 };
	ssize_t n = -EAGAIN;
	pid_t pid = -1;
	int code;

	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) == 0) {
		tell(c, url, in[1]);
		pid = fork();
		if (pid == 0)
			become(c, url, in[0], out[1]);
		close(out[1]);
	}
	close(in[0]);
	close(in[1]);
	if (pid > 0)
		n = read_upto(out[0], buf, max);
	if (out[0] >= 0)
		close(out[0]);
	if (pid <= 0)
		return n;
	code = exit_code(pid);
	if (code == NOT_FOUND || (!n && is_another(c, code)))
		return -ENOENT;
	/* more than we want to read: it was told so by a closed pipe */
	return n >= 0 && (code == 0 || n == (ssize_t)max) ? n : -EIO;
}

char *fetch_url(const char *url, size_t max, size_t *n)
{
	char *buf = malloc(max);
	ssize_t got = -ENOENT;

	if (!url_fits(url)) {
		fprintf(stderr, "culvert: the address of the subscription is "
				"too long, or has characters that must be "
				"written %%XX\n");
		free(buf);
		return NULL;
	}
	if (!strncasecmp(url, "http://", 7))
		fprintf(stderr, "culvert: the subscription is fetched without "
				"TLS: who is on the way can read and change "
				"the servers\n");
	for (size_t i = 0; buf && got == -ENOENT && i < ARRAY_SIZE(clients);
	     i++)
		got = try_client(&clients[i], url, buf, max);
	if (buf && got >= 0) {
		*n = (size_t)got;
		return buf;
	}
	fprintf(stderr, "culvert: the subscription cannot be fetched%s\n",
		got == -ENOENT ? ": there is no curl, wget or uclient-fetch "
				 "to do it" :
				 "");
	free(buf);
	return NULL;
}
