/*
 * beneath.c - A file that lies in a folder, whatever links there are in it
 *
 * Source: openat2(2), RESOLVE_BENEATH; Linux 5.6
 */
#include "gateway/api/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <unistd.h>

#include "gateway/base/compat.h"

#define FOR_READING (O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
#define A_FOLDER    (O_PATH | O_DIRECTORY | O_CLOEXEC)

/* Part of @path up to the next '/', to @part. What follows; NULL: it is too long */
static const char *next_part(const char *path, char part[NAME_MAX + 1])
{
	size_t n = strcspn(path, "/");

	if (!n || n > NAME_MAX)
		return NULL;
	memcpy(part, path, n);
	part[n] = '\0';
	return path + n;
}

int beneath_walk(int dir, const char *path)
{
	char part[NAME_MAX + 1];
	int at = dup(dir);

	while (at >= 0) {
		bool last;
		int next = -1, err = ENOENT;

		path = next_part(path, part);
		last = path && !*path;
		if (path && strcmp(part, "..") != 0) {
			next = openat(at, part,
				      O_NOFOLLOW |
					      (last ? FOR_READING : A_FOLDER));
			err = errno;
		}
		close(at);
		if (next < 0)
			return -err;
		if (last)
			return next;
		at = next;
		path++;
	}
	return -errno;
}

int beneath_open(const char *root, const char *path)
{
	int dir = open(root, A_FOLDER);
	int fd;

	if (dir < 0)
		return -errno;
	fd = compat_open_beneath(dir, path, FOR_READING);
	if (fd < 0)
		fd = -errno;
	/* an old kernel, or a sandbox that does not know it */
	if (fd == -ENOSYS || fd == -EPERM)
		fd = beneath_walk(dir, path);
	close(dir);
	return fd;
}
