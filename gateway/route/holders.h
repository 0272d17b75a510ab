/* holders.h - Which process holds a socket: a walk through /proc in small steps */
#ifndef GATEWAY_ROUTE_HOLDERS_H
#define GATEWAY_ROUTE_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOLDERS_PIDS \
	(1u << 18) /* processes of one walk; the rest is not seen */
#define HOLDERS_BATCH \
	4096 /* bytes of a folder read at once: about 100 entries */

/* A folder being read; @fd -1: none */
struct holders_dir {
	int fd;
	size_t at, len;
	uint8_t buf[HOLDERS_BATCH] __attribute__((aligned(8)));
};

/**
 * struct holders - One walk
 * @look:	Are processes of user @uid of interest?
 * @holds:	Process @pid has a socket with this number
 * @ctx:	For both
 * @enough:	@holds has seen what it wanted: a step ends
 * @proc:	The folder of /proc; -1: no walk
 * @pids:	Those still to be looked into, from the last; owned
 * @pid:	The one @fds belongs to
 * @listed:	All of /proc was read
 */
struct holders {
	bool (*look)(void *ctx, uint32_t uid);
	void (*holds)(void *ctx, int pid, uint32_t inode);
	void *ctx;
	int proc;
	int *pids;
	size_t count, room;
	int pid;
	bool listed, enough;
	struct holders_dir list, fds;
};

/* Begin: all but the functions is set. @proc: "/proc". 0 or -errno */
int holders_open(struct holders *h, const char *proc);
/* Look into this one before all others, and before those added earlier */
void holders_first(struct holders *h, int pid);
/**
 * holders_step() - Go on
 * @budget:	Entries and links to look at, 1 to 3 us each
 *
 * The newest processes come first.
 *
 * Return: more is left; not so after @enough
 */
bool holders_step(struct holders *h, unsigned int budget);
void holders_close(struct holders *h);
/* The program of @pid, to be freed; NULL: it is gone, or not ours to see */
char *holders_program(const struct holders *h, int pid);

#endif
