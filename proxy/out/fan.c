/*
 * fan.c - A leg whose datagrams go through streams
 *
 *   send: peer -> its tube (dialled at the first packet) -> stream
 *   recv: the tubes in turn
 *
 * A tube that fails before it is up ends the leg, so that its sessions learn
 * why; one that ends later is forgotten, and the next packet dials again. The
 * handshake has its own absolute deadline.
 */
#include "proxy/out/fan.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/list.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/send_through.h"
#include "gateway/core/session.h"
#include "gateway/core/udp.h"

struct fan {
	struct dgram d;
	const struct fan_ops *ops;
	struct dial dial;
	struct list tubes; /* used last: at the end */
	unsigned int count;
	int err; /* final; 0 while it goes on */
};

/**
 * struct fan_tube - One stream
 * @timer:	Until it is up
 * @name:	Backs t.peer.name
 */
struct fan_tube {
	struct list node;
	struct fan *fan;
	struct tube t;
	struct timer timer;
	bool up;
	char name[256];
};

static struct fan *fan_of(struct dgram *d)
{
	return container_of(d, struct fan, d);
}

static void fan_tube_free(struct fan_tube *ft, int why)
{
	timer_cancel(&ft->timer);
	list_del(&ft->node);
	ft->fan->count--;
	tube_close(&ft->t, why);
	free(ft);
}

static void fan_due(struct timer *t)
{
	struct fan_tube *ft = container_of(t, struct fan_tube, timer);

	ft->fan->err = -ETIMEDOUT;
	job_ready(ft->fan->d.job);
}

static struct fan_tube *fan_find(struct fan *f, const struct addr *peer)
{
	struct list *p;

	list_for_each (p, &f->tubes) {
		struct fan_tube *ft = container_of(p, struct fan_tube, node);

		if (!f->ops->per_peer || addr_eq(&ft->t.peer, peer))
			return ft;
	}
	return NULL;
}

static uint32_t handshake_ms(const struct fan *f)
{
	const struct server_conf *conf = f->dial.ob->settings;

	return config_policy(f->dial.cfg, conf->level)->handshake_ms;
}

/* 0 with *@out, or -errno */
static int fan_add(struct fan *f, const struct addr *peer,
		   struct fan_tube **out)
{
	struct fan_tube *ft = calloc(1, sizeof(*ft));
	struct stream *s;
	int rc;

	if (!ft)
		return -ENOMEM;
	f->dial.job = f->d.job;
	rc = f->ops->dial(&f->dial, peer, &s);
	if (rc < 0) {
		free(ft);
		return rc;
	}
	if (f->count >= FAN_TUBES)
		fan_tube_free(list_first(&f->tubes, struct fan_tube, node), 0);
	tube_init(&ft->t, f->ops->tube, f->dial.worker, s);
	ft->t.peer = *peer;
	if (peer->kind == ADDR_NAME) {
		memcpy(ft->name, peer->name, peer->len);
		ft->t.peer.name = ft->name;
	}
	ft->fan = f;
	timer_init(&ft->timer, fan_due);
	timer_set(&f->dial.worker->wheel, &ft->timer, handshake_ms(f));
	list_add_tail(&f->tubes, &ft->node);
	f->count++;
	*out = ft;
	return 0;
}

/* @rc of a tube's call. 0 it goes on, or the leg's -errno */
static int fan_check(struct fan_tube *ft, int rc)
{
	struct fan *f = ft->fan;

	if (!ft->up && ft->t.s->ops->up(ft->t.s)) {
		ft->up = true;
		timer_cancel(&ft->timer);
	}
	if (rc > 0 || rc == -EAGAIN)
		return 0;
	if (!ft->up) {
		f->err = rc < 0 ? rc : -ECONNRESET;
		return f->err;
	}
	fan_tube_free(ft, rc);
	return 0;
}

/* Packets of @v up to the first for another tube */
static int run_length(const struct fan *f, const struct pkt *v, int n)
{
	int k = 1;

	while (k < n && (!f->ops->per_peer || addr_eq(&v[k].peer, &v->peer)))
		k++;
	return k;
}

static int fan_send(struct dgram *d, const struct pkt *v, int n)
{
	struct fan *f = fan_of(d);
	struct fan_tube *ft;
	int i, k, rc = f->err;

	for (i = 0; !rc && i < n; i += k) {
		k = run_length(f, v + i, n - i);
		ft = fan_find(f, &v[i].peer);
		if (!ft)
			rc = fan_add(f, &v[i].peer, &ft);
		if (rc)
			break;
		list_del(&ft->node);
		list_add_tail(&f->tubes, &ft->node);
		tube_send(&ft->t, v + i, k);
	}
	return rc < 0 ? rc : n;
}

static int fan_recv(struct dgram *d, struct pkt *v, int max)
{
	struct fan *f = fan_of(d);
	struct list *p, *next;
	int n, rc;

	if (f->err)
		return f->err;
	list_for_each_safe (p, next, &f->tubes) {
		struct fan_tube *ft = container_of(p, struct fan_tube, node);

		tube_flush(&ft->t);
		n = tube_recv(&ft->t, v, max);
		rc = fan_check(ft, n);
		if (rc < 0)
			return rc;
		if (n > 0)
			return n;
	}
	return -EAGAIN;
}

static void fan_want(struct dgram *d, unsigned int events)
{
	struct fan *f = fan_of(d);
	struct list *p;

	(void)events;
	if (f->err)
		job_ready(d->job);
	list_for_each (p, &f->tubes)
		tube_want(&container_of(p, struct fan_tube, node)->t, d->job);
}

static void fan_close(struct dgram *d)
{
	struct fan *f = fan_of(d);
	struct list *p, *next;

	list_for_each_safe (p, next, &f->tubes)
		fan_tube_free(container_of(p, struct fan_tube, node), 0);
	free(f);
}

static const struct dgram_ops fan_dgram_ops = {
	.name = "fan",
	.recv = fan_recv,
	.send = fan_send,
	.want = fan_want,
	.close = fan_close,
};

int fan_open(const struct fan_ops *ops, const struct outbound *ob,
	     struct udp_map *m, struct session *s, struct dgram **out)
{
	struct fan *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->d = (struct dgram){ .ops = &fan_dgram_ops, .job = udp_map_job(m) };
	f->ops = ops;
	f->dial = (struct dial){ .worker = udp_map_worker(m),
				 .job = f->d.job,
				 .cfg = s->cfg, /* the leg holds a reference */
				 .ob = ob,
				 .from = send_through_own(ob, s) };
	list_init(&f->tubes);
	*out = &f->d;
	return 0;
}
