/* whose.h - Which program of this host a session comes from */
#ifndef GATEWAY_CORE_WHOSE_H
#define GATEWAY_CORE_WHOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/list.h"

struct job;
struct session;

/**
 * struct whose - One question of a session, and its answer; the session's
 * @node:	Among those under way; only while @rc is -EAGAIN
 * @job:	Marked ready when @rc is no longer -EAGAIN
 * @rc:		-EAGAIN under way, 0, -ENOENT: of no program that can be seen
 * @wanted:	The scan now under way is for this one, too
 * @inode, @uid:	The socket at the client's end, and whose that is
 * @pid, @path:	When @rc is 0; @path is owned
 */
struct whose {
	struct list node;
	struct job *job;
	int rc;
	bool wanted;
	uint32_t inode, uid;
	int pid;
	char *path;
};

/**
 * whose_ask() - Look for the program whose socket @s comes from
 * @s:		Its source, orig and local say which; sets s->whose (NULL: no memory)
 *
 * A source that is no address of this host is of no program at once.
 *
 * Return: 0 or -ENOENT, or -EAGAIN: s->job is marked ready later
 */
int whose_ask(struct session *s);
/* Forget it, under way or done. NULL is allowed */
void whose_free(struct whose *q);

#endif
