/*
 * key_log.c - "masterKeyLog": a file of secrets, for programs that read captures
 *
 * One write a line to a file that only grows: workers, and other processes, may share
 * it. It is made for its owner only, and "none" is Xray's word for none.
 */
#include "proxy/transport/key_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "gateway/base/crypto.h"

#define LINE_MAX_BYTES 512

int key_log_parse(struct jobj *o)
{
	const char *path = j_str(o, "masterKeyLog", "");
	int fd;

	if (!path[0] || !strcasecmp(path, "none"))
		return -1;
	fd = open(path,
		  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK |
			  O_NOCTTY,
		  0600);
	if (fd < 0)
		diag_error(o->d, j_get(o, "masterKeyLog"), NULL, "%s: %s", path,
			   strerror(errno));
	else
		diag_warning(
			o->d, j_get(o, "masterKeyLog"), NULL,
			"whoever reads this file can read all connections");
	return fd;
}

void key_log_put(int fd, const char *line)
{
	char text[LINE_MAX_BYTES];
	ssize_t put;
	int n;

	if (fd < 0)
		return;
	n = snprintf(text, sizeof(text), "%s\n", line);
	if (n > 0 && (size_t)n < sizeof(text)) {
		put = write(fd, text, (size_t)n);
		(void)put; /* for debugging only: nothing depends on it */
	}
	wipe(text, sizeof(text));
}
