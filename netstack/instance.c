/* instance.c - One culvert a network namespace (contract: instance.h) */
#include "netstack/instance.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

/* Who has the name. True: root or we, who alone may have set the host up */
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
		ours = cred.uid == 0 || cred.uid == geteuid();
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
