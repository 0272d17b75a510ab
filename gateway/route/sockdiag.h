/* sockdiag.h - Asking the kernel about one socket, and about one address */
#ifndef GATEWAY_ROUTE_SOCKDIAG_H
#define GATEWAY_ROUTE_SOCKDIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"

#define SOCKDIAG_BYTES 128 /* of a question */

/* A socket as the kernel tells of it; v4-mapped addresses are ADDR_V4 */
struct sockdiag {
	struct addr local, remote;
	uint32_t inode, uid; /* @inode 0: it has no owner any more */
};

/* Questions into @buf: how long. @net: NET_TCP or NET_UDP; IP addresses */
size_t sockdiag_write(uint8_t buf[SOCKDIAG_BYTES], uint8_t net,
		      const struct addr *local, const struct addr *remote);
size_t sockdiag_write_route(uint8_t buf[SOCKDIAG_BYTES], const struct addr *a);
/* Answers. 0, -EPROTO, or the -errno that the kernel says */
int sockdiag_read(const uint8_t *p, size_t n, struct sockdiag *out);
/* *@type: RTN_*, what kind of route leads to the address */
int sockdiag_read_route(const uint8_t *p, size_t n, uint8_t *type);

/**
 * sockdiag_find() - The socket of this host with these two ends
 * @remote:	Of UDP: a socket that would receive from there, else not looked at
 *
 * The kernel answers within the call. Listeners of TCP are not found.
 *
 * Return: 0 with *@out, -ENOENT, other -errno
 */
int sockdiag_find(uint8_t net, const struct addr *local,
		  const struct addr *remote, struct sockdiag *out);
/* Is @a an address of this host? */
bool sockdiag_is_local(const struct addr *a);
/* Does this kernel answer such questions? Loads its modules; may wait for that */
bool sockdiag_works(void);

#endif
