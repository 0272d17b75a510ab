/* stage.h - A new file beside the old one, until it takes its place; blocks */
#ifndef GATEWAY_ASSETS_STAGE_H
#define GATEWAY_ASSETS_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct stage - ".NAME.new" in the folder of NAME; zero is none
 * @fd:		Locked: one process at a time writes it
 * @path, @temp:	NAME, links resolved, and the new file; owned. NULL: none
 */
struct stage {
	int fd;
	char *path, *temp;
	uint64_t size;
};

/* For the file @path, which may be missing. 0, -EBUSY (another process), -errno */
int stage_open(struct stage *s, const char *path);
int stage_put(struct stage *s, const void *p, size_t n);
/* Is what was written the same as what is there? */
bool stage_same(const struct stage *s);
/* All is written: onto the disk, with the rights of the old one. 0 or -errno */
int stage_sync(struct stage *s);
/* In the place of the old one, and *@s is none. 0; -errno: then it is dropped */
int stage_commit(struct stage *s);
/* Nothing is left of it */
void stage_drop(struct stage *s);

#endif
