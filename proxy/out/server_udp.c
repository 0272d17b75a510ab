/* server_udp.c - How datagrams to a server leave: a socket, or the dialer's leg */
#include "proxy/out/server_udp.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/core/fd_dgram.h"
#include "gateway/core/send_through.h"
#include "gateway/core/sock.h"
#include "gateway/core/worker.h"

int server_udp_init(struct server_udp *u, const struct outbound *ob,
		    struct udp_map *m, struct session *s)
{
	*u = (struct server_udp){ .ob = ob,
				  .worker = udp_map_worker(m),
				  .src = send_through_pick(ob, s) };
	if (!ob->dialer)
		return 0;
	u->buf = malloc(WORKER_SCRATCH_BYTES);
	return u->buf ? outbound_dial_dgram(ob, m, s, &u->via) : -ENOMEM;
}

int server_udp_open(struct server_udp *u, const struct addr *to,
		    struct job *job, struct dgram **out)
{
	int family = to->kind == ADDR_V6 ? AF_INET6 : AF_INET, rc, fd;
	struct dgram *d = NULL;

	if (u->via) {
		*out = u->via;
		u->via = NULL;
		return 0;
	}
	fd = sock_open(&u->ob->sockopt, family, SOCK_DGRAM);
	if (fd < 0)
		return fd;
	rc = send_through_to(u->ob, fd, &u->src, to);
	if (!rc) {
		d = fd_dgram_new(u->worker, fd, family, job);
		rc = d ? 0 : -ENOMEM;
	}
	if (rc < 0)
		close(fd);
	else
		*out = d;
	return rc;
}

uint8_t *server_udp_room(const struct server_udp *u)
{
	return u->buf ? u->buf : u->worker->scratch;
}

void server_udp_drop(struct server_udp *u)
{
	if (u->via)
		u->via->ops->close(u->via);
	free(u->buf);
	u->via = NULL;
	u->buf = NULL;
}
