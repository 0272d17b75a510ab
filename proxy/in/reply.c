/*
 * reply.c - Transparent sockets to answer from remote addresses, a bounded cache
 *
 * A client must see its answer come from where it sent to. Under TProxy that
 * takes a socket bound to the remote address and port. One for each remote for
 * ever runs out of descriptors (XTLS/Xray-core 178, mihomo 389); so at most
 * REPLY_MAX are kept, the least recently used goes first, idle ones go too.
 *
 * They are never read: what is addressed to the remote is the listener's by the
 * tproxy rule. A "socket transparent" rule must therefore not match UDP.
 */
#include "proxy/in/reply.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/rand.h"
#include "gateway/core/listen.h"

/* One socket; @fd is owned; -EADDRINUSE: @source is somebody's on this host */
struct reply {
	struct hnode by_source;
	struct list lru;
	struct addr source;
	uint32_t used_ms;
	int fd;
};

int replies_init(struct replies *r)
{
	list_init(&r->lru);
	r->count = 0;
	r->max = REPLY_MAX;
	return htab_init(&r->by_source, 64);
}

static void reply_close(struct replies *r, struct reply *e)
{
	htab_del(&r->by_source, &e->by_source);
	list_del(&e->lru);
	if (e->fd >= 0)
		close(e->fd);
	free(e);
	r->count--;
}

void replies_fini(struct replies *r)
{
	while (!list_empty(&r->lru))
		reply_close(r, list_first(&r->lru, struct reply, lru));
	htab_free(&r->by_source);
}

static struct reply *reply_find(struct replies *r, const struct addr *source,
				uint32_t hash)
{
	struct reply *e;
	struct hnode *n;

	htab_each(n, &r->by_source, hash)
	{
		e = container_of(n, struct reply, by_source);
		if (addr_eq(&e->source, source))
			return e;
	}
	return NULL;
}

/* Several workers may answer from one address: both options */
static int reply_open(const struct addr *source, const struct sockopt *listener)
{
	struct sockopt so = *listener;
	int family = source->kind == ADDR_V6 ? AF_INET6 : AF_INET;
	struct sockaddr_storage ss;
	int fd, one = 1, least = 0, err;

	so.tproxy = 1;
	so.v6only = true;
	fd = sock_open_local(&so, family, SOCK_DGRAM);
	if (fd < 0)
		return fd;
	/* what strays in is never read: it shall not take memory */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	if (!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) &&
	    !setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) &&
	    !bind(fd, (struct sockaddr *)&ss,
		  addr_to_sockaddr(source, family, &ss)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Make room, open. Descriptors may be short: the oldest is given up for it */
static int reply_make(struct replies *r, const struct addr *source,
		      const struct sockopt *so)
{
	int fd;

	if (r->count >= r->max)
		reply_close(r, list_first(&r->lru, struct reply, lru));
	/* a socket there would take away what is sent to that program */
	fd = listen_is_local(source) ? -EADDRINUSE : reply_open(source, so);
	if ((fd == -EMFILE || fd == -ENFILE) && r->count) {
		reply_close(r, list_first(&r->lru, struct reply, lru));
		fd = reply_open(source, so);
	}
	return fd;
}

int replies_get(struct replies *r, const struct addr *source,
		const struct sockopt *so, uint32_t now_ms)
{
	uint32_t hash = addr_hash(source, rand_key());
	struct reply *e = reply_find(r, source, hash);
	int fd;

	if (e) {
		e->used_ms = now_ms;
		list_del(&e->lru);
		list_add_tail(&r->lru, &e->lru);
		return e->fd;
	}
	fd = reply_make(r, source, so);
	if (fd < 0 && fd != -EADDRINUSE)
		return fd;
	e = calloc(1, sizeof(*e));
	if (!e) {
		if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	e->source = *source;
	e->used_ms = now_ms;
	e->fd = fd;
	htab_put(&r->by_source, &e->by_source, hash);
	list_add_tail(&r->lru, &e->lru);
	r->count++;
	return fd;
}

bool replies_sweep(struct replies *r, uint32_t now_ms)
{
	while (!list_empty(&r->lru)) {
		struct reply *e = list_first(&r->lru, struct reply, lru);

		if (now_ms - e->used_ms < REPLY_IDLE_MS)
			return true;
		reply_close(r, e);
	}
	return false;
}
