/* resolvers.h - Who answers port 53 on this host: by which users */
#ifndef NETSTACK_RESOLVERS_H
#define NETSTACK_RESOLVERS_H

#include <stdbool.h>
#include <stdint.h>

#include "netstack/plan.h"

#define RESOLVER_SOCKETS 64

/**
 * struct resolvers - Users, not root, whose programs have sockets on port 53
 * @inodes:	Sockets that root has made; more than fit are forgotten
 * @root:	One of these is held by root's program, or by nobody we see
 */
struct resolvers {
	uint32_t uids[PLAN_UIDS];
	unsigned int uid_count;
	uint64_t inodes[RESOLVER_SOCKETS];
	unsigned int inode_count;
	bool root;
};

/* Add what a text like /proc/net/udp says */
void resolvers_read(struct resolvers *r, const char *text);
/*
 * Most resolvers bind as root and then become somebody else; the socket stays
 * root's. Add who holds @r's inodes by now, from a folder like /proc: needs
 * CAP_SYS_PTRACE. Sets @r->root
 */
void resolvers_holders(struct resolvers *r, const char *proc);
/* Both, of this host. Main thread only */
void resolvers_find(struct resolvers *r);

#endif
