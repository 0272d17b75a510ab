/* server_udp.h - How datagrams to a server leave: a socket, or the dialer's leg */
#ifndef PROXY_OUT_SERVER_UDP_H
#define PROXY_OUT_SERVER_UDP_H

#include "gateway/core/outbound.h"
#include "gateway/core/udp.h"

/**
 * struct server_udp - What is known before the server's address is
 * @via:	A leg of the dialer, until it is given away; NULL: no dialer
 * @buf:	Memory to pack in: the dialer's leg uses the worker's. NULL: no dialer
 * @src:	sendThrough's; kind NONE: the kernel's
 * @search:	For the addresses of its name; NULL: none
 */
struct server_udp {
	const struct outbound *ob;
	struct worker *worker;
	struct dgram *via;
	uint8_t *buf;
	struct addr src;
	struct server_search *search;
};

/* For @s in @m. 0 or -errno; server_udp_drop() in both cases */
int server_udp_init(struct server_udp *u, const struct outbound *ob,
		    struct udp_map *m, struct session *s);
/* Once: the leg or a socket for @to's family. 0 with *@out, or -errno */
int server_udp_open(struct server_udp *u, const struct addr *to,
		    struct job *job, struct dgram **out);
/* The server is @server, a name: ask for its addresses. 0 or -ENOMEM */
int server_udp_seek(struct server_udp *u, const struct addr *server,
		    struct config *cfg);
/*
 * Behind it, until it is not -EAGAIN: as server_udp_open() to the first of them that
 * there is a way to. 0 with *@at, *@out, or -errno
 */
int server_udp_step(struct server_udp *u, struct job *job, struct addr *at,
		    struct dgram **out);
/* Memory to pack WORKER_SCRATCH_BYTES in, for one call */
uint8_t *server_udp_room(const struct server_udp *u);
/* What was not given away; a zeroed one is allowed */
void server_udp_drop(struct server_udp *u);

#endif
