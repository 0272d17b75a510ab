/* instance.c - One culvert a network namespace (contract: instance.h) */
#include "netstack/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CAP_NET_ADMIN_BIT 12

static const char name[] = "culvert/host"; /* behind a NUL: abstract */

static socklen_t instance_addr(struct sockaddr_un *un)
{
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(un->sun_path + 1, name, sizeof(name) - 1);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
			   sizeof(name));
}

int instance_take(void)
{
	struct sockaddr_un un;
	socklen_t len = instance_addr(&un);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&un, len) == 0 && listen(fd, 1024) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

void instance_answer(int fd)
{
	int who;

	while ((who = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(who); /* the kernel has told them */
}

size_t instance_proc(pid_t pid, const char *file, char *buf, size_t size)
{
	char path[64];
	size_t n = 0;
	ssize_t k;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		while (n < size - 1 &&
		       (k = read(fd, buf + n, size - 1 - n)) > 0)
			n += (size_t)k;
		close(fd);
	}
	buf[n] = '\0';
	return n;
}

bool instance_may_admin(const char *pid)
{
	char path[64], line[128];
	unsigned long long caps = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "CapEff:", 7))
			caps = strtoull(line + 7, NULL, 16);
	if (f)
		fclose(f);
	return caps >> CAP_NET_ADMIN_BIT & 1;
}

/* In a sandbox culvert is not root, but has the right. Of a user namespace of his
 * own anybody has all rights, which mean nothing here */
static bool may_have_set_up(pid_t pid)
{
	char number[24], path[64];
	struct stat his, ours;

	snprintf(number, sizeof(number), "%d", (int)pid);
	snprintf(path, sizeof(path), "/proc/%s/ns/user", number);
	return pid > 0 && instance_may_admin(number) && stat(path, &his) == 0 &&
	       stat("/proc/self/ns/user", &ours) == 0 &&
	       his.st_ino == ours.st_ino && his.st_dev == ours.st_dev;
}

/* Who has the name. True: who may have set the host up */
static bool ask_holder(pid_t *pid)
{
	struct sockaddr_un un;
	socklen_t len = instance_addr(&un);
	struct ucred cred = { .pid = 0 };
	socklen_t size = sizeof(cred);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool ours = false;

	if (fd < 0)
		return false;
	/* anybody may take a name */
	if (connect(fd, (struct sockaddr *)&un, len) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0)
		ours = cred.uid == 0 || cred.uid == geteuid() ||
		       may_have_set_up(cred.pid);
	close(fd);
	*pid = cred.pid;
	return ours;
}

pid_t instance_holder(void)
{
	pid_t pid;

	return ask_holder(&pid) ? pid : 0;
}

bool instance_unseen(void)
{
	pid_t pid;

	return ask_holder(&pid) && !pid;
}
