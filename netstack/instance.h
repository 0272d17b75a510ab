/*
 * instance.h - One culvert sets up a network namespace at a time
 *
 * A socket with an abstract name: it belongs to the namespace, no file stays
 * after kill -9, and the kernel tells who holds it.
 */
#ifndef NETSTACK_INSTANCE_H
#define NETSTACK_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Descriptor to keep, -EADDRINUSE: somebody has it, other -errno */
int instance_take(void);
/* Somebody asked who we are; readable @fd */
void instance_answer(int fd);
/*
 * pid of a culvert that set this namespace up, run by root, us, or somebody who may
 * do so; 0: none
 */
pid_t instance_holder(void);
/* There is one, of a PID namespace that is not seen from here (a container's) */
bool instance_unseen(void);

/* What fits of /proc/PID/FILE, with a NUL behind. Bytes, 0: none */
size_t instance_proc(pid_t pid, const char *file, char *buf, size_t size);
/* Process @pid ("self") has CAP_NET_ADMIN */
bool instance_may_admin(const char *pid);

#endif
