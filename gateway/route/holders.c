/*
 * holders.c - Which process holds a socket (contract: holders.h)
 *
 *	/proc                 numbers of processes, ascending; kept, then from the last
 *	/proc/PID             whose it is
 *	/proc/PID/fd/N        "socket:[INODE]"
 *	/proc/PID/exe         the program
 *
 * Folders are read by getdents64(2): readdir(3) asks for 32 KiB at once, which takes
 * the kernel 2 ms in /proc. A link is read, never followed: that cannot block.
 */
#include "gateway/route/holders.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINK_COST  1 /* of a budget */
#define PID_COST   4 /* status and folder of a process */
#define ENTRY_COST 1

/* What getdents64(2) gives; the name is behind it */
struct entry {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

static void dir_close(struct holders_dir *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

static bool dir_open(struct holders_dir *d, int at, const char *path)
{
	d->at = d->len = 0;
	d->fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return d->fd >= 0;
}

/* The next name; NULL: that was all, and it is closed */
static const char *dir_next(struct holders_dir *d)
{
	const struct entry *e;
	long n;

	if (d->at >= d->len) {
		n = syscall(SYS_getdents64, d->fd, d->buf, sizeof(d->buf));
		if (n <= 0) {
			dir_close(d);
			return NULL;
		}
		d->at = 0;
		d->len = (size_t)n;
	}
	e = (const struct entry *)(const void *)(d->buf + d->at);
	d->at += e->len;
	return e->name;
}

int holders_open(struct holders *h, const char *proc)
{
	h->pids = NULL;
	h->count = h->room = 0;
	h->listed = h->enough = false;
	h->fds.fd = h->list.fd = -1;
	h->proc = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return h->proc < 0 ? -errno : 0;
}

void holders_close(struct holders *h)
{
	dir_close(&h->list);
	dir_close(&h->fds);
	if (h->proc >= 0)
		close(h->proc);
	h->proc = -1;
	free(h->pids);
	h->pids = NULL;
}

void holders_first(struct holders *h, int pid)
{
	size_t room = h->room ? 2 * h->room : 256;
	int *more;

	if (h->count == h->room) {
		more = room > HOLDERS_PIDS ?
			       NULL :
			       realloc(h->pids, room * sizeof(*more));
		if (!more)
			return;
		h->pids = more;
		h->room = room;
	}
	h->pids[h->count++] = pid;
}

char *holders_program(const struct holders *h, int pid)
{
	static const char gone[] = " (deleted)";
	char path[32], to[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "%d/exe", pid);
	n = readlinkat(h->proc, path, to, sizeof(to) - 1);
	if (n <= 0)
		return NULL;
	to[n] = '\0';
	/* An update took its file away: it is the same program yet */
	if ((size_t)n > strlen(gone) && !strcmp(to + n - strlen(gone), gone))
		to[(size_t)n - strlen(gone)] = '\0';
	for (char *p = to; *p; p++) /* it is written into the log */
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return strdup(to);
}

/* A process that ended meanwhile, or that we may not see, is passed over */
static void look_into(struct holders *h, int pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "%d", pid);
	if (fstatat(h->proc, path, &st, 0) < 0 || !h->look(h->ctx, st.st_uid))
		return;
	snprintf(path, sizeof(path), "%d/fd", pid);
	h->pid = pid;
	dir_open(&h->fds, h->proc, path);
}

/* One descriptor of the process */
static void next_fd(struct holders *h)
{
	static const char socket[] = "socket:[";
	const char *name = dir_next(&h->fds);
	char link[64];
	ssize_t n;

	if (!name || !isdigit((unsigned char)name[0]))
		return;
	n = readlinkat(h->fds.fd, name, link, sizeof(link) - 1);
	if (n < (ssize_t)sizeof(socket))
		return;
	link[n] = '\0';
	if (!strncmp(link, socket, sizeof(socket) - 1))
		h->holds(
			h->ctx, h->pid,
			(uint32_t)strtoul(link + sizeof(socket) - 1, NULL, 10));
}

/* One entry of /proc */
static void next_pid(struct holders *h)
{
	const char *name = dir_next(&h->list);

	if (!name)
		h->listed = true;
	else if (isdigit((unsigned char)name[0]))
		holders_first(h, (int)strtol(name, NULL, 10));
}

bool holders_step(struct holders *h, unsigned int budget)
{
	unsigned int cost;

	for (; budget && !h->enough; budget -= cost < budget ? cost : budget) {
		if (h->fds.fd >= 0) {
			next_fd(h);
			cost = LINK_COST;
		} else if (h->list.fd >= 0) {
			next_pid(h);
			cost = ENTRY_COST;
		} else if (h->count) {
			look_into(h, h->pids[--h->count]);
			cost = PID_COST;
		} else if (h->listed || !dir_open(&h->list, h->proc, ".")) {
			return false;
		} else {
			cost = PID_COST;
		}
	}
	return !h->enough;
}
