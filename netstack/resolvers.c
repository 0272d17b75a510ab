/*
 * resolvers.c - Who answers port 53 on this host (contract: resolvers.h)
 *
 * /proc/net/udp says who made a socket, and dnsmasq, unbound and named make theirs
 * as root before they become somebody else. What they ask in turn comes from that
 * somebody, so who holds root's sockets is looked for in /proc/PID/fd.
 */
#include "netstack/resolvers.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/compat.h"

enum { F_LOCAL = 1, F_UID = 7, F_INODE = 9, FIELDS };

static void uid_add(struct resolvers *r, uint32_t uid)
{
	for (unsigned int i = 0; i < r->uid_count; i++)
		if (r->uids[i] == uid)
			return;
	if (r->uid_count < PLAN_UIDS)
		r->uids[r->uid_count++] = uid;
}

/* Starts of the first FIELDS fields of a line; moves *@p to its end */
static size_t fields(const char **p, const char *out[FIELDS])
{
	const char *s = *p;
	size_t n = 0;

	while (*s && *s != '\n') {
		s += strspn(s, " ");
		if (n < FIELDS && *s && *s != '\n')
			out[n++] = s;
		s += strcspn(s, " \n");
	}
	*p = s;
	return n;
}

void resolvers_read(struct resolvers *r, const char *text)
{
	static const char local[] = ":0035"; /* 53, as /proc writes it */
	unsigned long uid;

	for (; *text; text += *text == '\n') {
		const char *f[FIELDS];
		size_t n = fields(&text, f);
		const char *port = n > F_UID ? strchr(f[F_LOCAL], ':') : NULL;

		if (!port || strncmp(port, local, sizeof(local) - 1) != 0 ||
		    port[sizeof(local) - 1] != ' ' ||
		    !isdigit((unsigned char)*f[F_UID]))
			continue;
		uid = strtoul(f[F_UID], NULL, 10);
		if (uid && uid < UINT32_MAX)
			uid_add(r, (uint32_t)uid);
		else if (n > F_INODE && r->inode_count < RESOLVER_SOCKETS)
			r->inodes[r->inode_count++] =
				strtoull(f[F_INODE], NULL, 10);
		else
			r->root = true;
	}
}

/* Is @link, "socket:[INODE]", one of them? Its index, or -1 */
static int find_inode(const struct resolvers *r, const char *link)
{
	static const char socket[] = "socket:[";
	uint64_t inode;

	if (strncmp(link, socket, sizeof(socket) - 1) != 0)
		return -1;
	inode = strtoull(link + sizeof(socket) - 1, NULL, 10);
	for (unsigned int i = 0; i < r->inode_count; i++)
		if (r->inodes[i] == inode)
			return (int)i;
	return -1;
}

/* The process whose folder is @pid in @proc: marks in @held what it holds */
static bool look_into(const struct resolvers *r, int proc, const char *pid,
		      bool *held)
{
	char path[64], link[64];
	const struct dirent *e;
	bool any = false;
	DIR *dir;
	int fd, at;

	snprintf(path, sizeof(path), "%.20s/fd", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return false; /* has ended, or is none of ours: its fd is -1 */
	while ((e = readdir(dir))) {
		ssize_t n = readlinkat(fd, e->d_name, link, sizeof(link) - 1);

		link[n > 0 ? n : 0] = '\0';
		at = find_inode(r, link);
		if (at < 0)
			continue;
		held[at] = any = true;
	}
	closedir(dir);
	return any;
}

void resolvers_holders(struct resolvers *r, const char *proc)
{
	DIR *dir = r->inode_count ? opendir(proc) : NULL;
	bool held[RESOLVER_SOCKETS] = { false };
	const struct dirent *e;
	struct stat st;

	while (dir && (e = readdir(dir))) {
		if (!isdigit((unsigned char)e->d_name[0]) ||
		    !look_into(r, dirfd(dir), e->d_name, held) ||
		    fstatat(dirfd(dir), e->d_name, &st, 0) < 0)
			continue;
		if (st.st_uid)
			uid_add(r, st.st_uid);
		else
			r->root = true;
	}
	if (dir)
		closedir(dir);
	for (unsigned int i = 0; i < r->inode_count; i++)
		r->root |= !held[i];
}

/*
 * A host with many sockets has long lists, and culvert's own are in there, too: a
 * piece at a time, each ending with a line
 */
static void read_file(struct resolvers *r, FILE *f)
{
	char text[16384];
	size_t have = 0, n;

	while ((n = fread(text + have, 1, sizeof(text) - 1 - have, f)) > 0) {
		char *end, next;

		have += n;
		text[have] = '\0';
		end = strrchr(text, '\n');
		if (!end)
			break; /* no list of sockets */
		next = *++end;
		*end = '\0';
		resolvers_read(r, text);
		*end = next;
		have -= (size_t)(end - text);
		memmove(text, end, have);
	}
}

void resolvers_find(struct resolvers *r)
{
	static const char *const files[] = { "/proc/net/udp",
					     "/proc/net/udp6" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		FILE *f = fopen(files[i], "re");

		if (!f)
			continue;
		read_file(r, f);
		fclose(f);
	}
	resolvers_holders(r, "/proc");
}
