/* udp_rig.h - A client's map whose inbound end does nothing, for tests of legs */
#ifndef TESTS_UNIT_UDP_RIG_H
#define TESTS_UNIT_UDP_RIG_H

#include "gateway/core/dgram.h"
#include "gateway/core/udp.h"
#include "loop.h"

static inline int din_recv(struct dgram *d, struct pkt *v, int max)
{
	(void)d;
	(void)v;
	(void)max;
	return -EAGAIN;
}

static inline int din_send(struct dgram *d, const struct pkt *v, int n)
{
	(void)d;
	(void)v;
	return n;
}

static inline void din_want(struct dgram *d, unsigned int events)
{
	(void)d;
	(void)events;
}

static inline void din_close(struct dgram *d)
{
	(void)d;
}

static const struct dgram_ops din_ops = { .name = "test",
					  .recv = din_recv,
					  .send = din_send,
					  .want = din_want,
					  .close = din_close };

/* The map of client 10.0.0.9:4000; @din lives as long as it */
static inline struct udp_map *map_new(struct loop *l, struct dgram *din)
{
	static const struct inbound ib = { .tag = "t" };
	struct addr client = addr_of("10.0.0.9", 4000);
	struct udp_map *m;

	din->ops = &din_ops;
	worker_tick(&l->w, 0);
	m = udp_map_new(&l->w, &ib, &client, din);
	assert_non_null(m);
	return m;
}

static inline void map_end(struct loop *l, struct udp_map *m)
{
	udp_map_kill(m, 0);
	worker_tick(&l->w, 0);
}

#endif
