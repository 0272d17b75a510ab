/*
 * stage.c - A new file beside the old one (contract: stage.h)
 *
 * Its name is always the same, so that a power cut leaves one at most; the next
 * round writes it anew.
 */
#include "gateway/assets/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE_NEW     0644 /* without an old one */
#define PIECE        16384
#define OPEN_TRIES   3
#define STAGE_SUFFIX ".new"

/* Where @path leads, when it is there; else @path. NULL: no memory */
static char *resolve(const char *path)
{
	char *to = realpath(path, NULL);

	return to ? to : strdup(path);
}

/* "/a/b.dat" -> "/a/.b.dat.new". NULL: no memory */
static char *temp_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	int dir = slash ? (int)(slash - path) + 1 : 0;
	char *out;

	if (asprintf(&out, "%.*s.%s" STAGE_SUFFIX, dir, path, path + dir) < 0)
		return NULL;
	return out;
}

/* Is @temp still the file of @fd? It was renamed, or removed, before we had it */
static bool is_there(int fd, const char *temp)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && lstat(temp, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Open and lock @temp, empty. The descriptor, or -errno */
static int open_locked(const char *temp)
{
	int fd, rc;

	for (int i = 0; i < OPEN_TRIES; i++) {
		fd = open(temp, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			  0600);
		if (fd < 0)
			return -errno;
		rc = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
		if (rc < 0) {
			close(fd);
			return rc == -EWOULDBLOCK ? -EBUSY : rc;
		}
		if (is_there(fd, temp) && ftruncate(fd, 0) == 0)
			return fd;
		close(fd);
	}
	return -EBUSY;
}

int stage_open(struct stage *s, const char *path)
{
	int rc = -ENOMEM;

	*s = (struct stage){ .fd = -1, .path = resolve(path) };
	if (s->path)
		s->temp = temp_name(s->path);
	if (s->temp)
		rc = open_locked(s->temp);
	if (rc >= 0) {
		s->fd = rc;
		return 0;
	}
	free(s->path);
	free(s->temp);
	*s = (struct stage){ .fd = -1 };
	return rc;
}

int stage_put(struct stage *s, const void *p, size_t n)
{
	const char *at = p;

	s->size += n;
	while (n) {
		ssize_t did = write(s->fd, at, n);

		if (did < 0 && errno == EINTR)
			continue;
		if (did <= 0)
			return did < 0 ? -errno : -EIO;
		at += did;
		n -= (size_t)did;
	}
	return 0;
}

/* @n bytes at @off of both files are the same */
static bool same_piece(int a, int b, size_t n, off_t off)
{
	char p[PIECE], q[PIECE];

	return pread(a, p, n, off) == (ssize_t)n &&
	       pread(b, q, n, off) == (ssize_t)n && !memcmp(p, q, n);
}

bool stage_same(const struct stage *s)
{
	int fd = open(s->path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint64_t off = 0;
	bool same;

	if (fd < 0)
		return false;
	same = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == s->size;
	while (same && off < s->size) {
		size_t n =
			s->size - off < PIECE ? (size_t)(s->size - off) : PIECE;

		same = same_piece(fd, s->fd, n, (off_t)off);
		off += n;
	}
	close(fd);
	return same;
}

int stage_sync(struct stage *s)
{
	struct stat st;
	mode_t mode = MODE_NEW;

	if (stat(s->path, &st) == 0) {
		mode = st.st_mode & 0777;
		/* the old one's owner, if we may */
		if (fchown(s->fd, st.st_uid, st.st_gid) < 0)
			mode = MODE_NEW;
	}
	return fchmod(s->fd, mode) < 0 || fsync(s->fd) < 0 ? -errno : 0;
}

static void stage_forget(struct stage *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->path);
	free(s->temp);
	*s = (struct stage){ .fd = -1 };
}

int stage_commit(struct stage *s)
{
	int rc = rename(s->temp, s->path) < 0 ? -errno : 0;

	if (rc < 0)
		stage_drop(s);
	else
		stage_forget(s);
	return rc;
}

void stage_drop(struct stage *s)
{
	if (!s->temp)
		return;
	unlink(s->temp);
	stage_forget(s);
}
