/*
 * client.c - An outbound whose sessions share connections
 *
 *   TCP   mux enabled, concurrency >= 0: a sub of a carrier; else the
 *         protocol's own connection
 *   UDP   mux enabled: port 443 by xudpProxyUDP443; then XUDP on a carrier
 *         (shared with TCP, or xudpConcurrency on carriers of UDP)
 *         vless, vmess without: XUDP on a connection of its own, but ports 53
 *         and 443 as the protocol does
 *         else the protocol's own UDP
 *
 * Legs of different kinds are not shared by flows, so the kind is asked before.
 *
 * Source: xray.md, section R; Xray app/proxyman/outbound/handler.go (facts)
 */
#include <errno.h>
#include <string.h>

#include "gateway/base/hash.h"
#include "gateway/base/rand.h"
#include "gateway/core/udp.h"
#include "proxy/mux/carrier.h"
#include "proxy/mux/mux.h"
#include "proxy/mux/sub.h"
#include "proxy/wire/xudp.h"

enum { LEG_NATIVE, LEG_MUX, LEG_SOLO };

static int client_open(const struct outbound *ob, struct session *s,
		       struct stream **out)
{
	const struct mux_conf *conf = ob->wrap_conf;
	struct sub_stream *ss;
	struct carrier *c;
	uint16_t id;
	int rc;

	if (!conf->enabled || conf->concurrency < 0)
		return ob->ops->open(ob, s, out);
	rc = carrier_get(ob, s, POOL_TCP, (unsigned int)conf->concurrency, &c,
			 &id);
	if (rc < 0)
		return rc;
	ss = sub_stream_new(&c->trunk, id, &s->target);
	if (!ss) {
		carrier_unused(c);
		return -ENOMEM;
	}
	ss->s.job = &s->job;
	*out = &ss->s;
	return 0;
}

static int native_kind(const struct outbound *ob)
{
	return ob->ops->open_dgram ? LEG_NATIVE : -EACCES;
}

/* A server without XUDP: no two destinations (nearly) have the same kind */
static int own_kind(const struct session *s, int kind)
{
	uint32_t h = addr_hash(&s->target, rand_key()) >> 3;

	return (int)(h + 1) * 4 + kind;
}

static int shared_kind(const struct outbound *ob, const struct session *s)
{
	const struct mux_conf *conf = ob->wrap_conf;
	uint16_t port = s->target.port;
	bool native = false;

	if (port == 443 && ob->no_udp443)
		return -EACCES;
	if (conf->enabled) {
		if (port == 443 && conf->udp443 == MUX443_REJECT)
			return -EACCES;
		native = port == 443 && conf->udp443 == MUX443_SKIP;
		if (!native && (conf->xudp > 0 ||
				(conf->xudp == 0 && conf->concurrency >= 0)))
			return LEG_MUX;
	}
	if (conf->solo && (ob->xudp_only || (port != 53 && port != 443)))
		return LEG_SOLO;
	return native_kind(ob);
}

static int client_leg_kind(const struct outbound *ob, const struct session *s)
{
	struct mux_conf *conf = ob->wrap_conf;
	int kind = shared_kind(ob, s);

	if ((kind == LEG_MUX || kind == LEG_SOLO) && atomic_load(&conf->plain))
		return own_kind(s, kind);
	return kind;
}

/*
 * The same for a client port as long as we live, so that the server goes on
 * with its socket when the connection is lost. The outbound is part of it: two
 * that lead to the same server must not take it from each other.
 */
static void global_of(const struct outbound *ob, const struct addr *client,
		      uint8_t out[8])
{
	uint64_t key[4] = { rand_key(), 0, 0, 0 };

	for (const char *t = ob->tag; t && *t; t++)
		key[1] = hash_mix(key[1] ^ (uint8_t)*t);
	xudp_global_id((const uint8_t *)key, client, out);
}

static uint32_t global_hash(const uint8_t global[8])
{
	return (uint32_t)hash_mix(get_be64(global) ^ rand_key());
}

static bool global_in_use(struct mux_room *r, const uint8_t global[8])
{
	struct hnode *n;

	htab_each(n, &r->mine,
		  global_hash(
			  global)) if (!memcmp(container_of(n, struct sub_dgram,
							    node)
						       ->global,
					       global, 8)) return true;
	return false;
}

static void client_gone(struct sub_dgram *d)
{
	struct mux_room *r = d->worker->rooms[ROOM_MUX];

	if (r)
		htab_del(&r->mine, &d->node);
}

/* A second leg of the same client port must not take the first one's place */
static void take_global(struct sub_dgram *d, const struct outbound *ob,
			const struct addr *client)
{
	struct mux_room *r = mux_room(d->worker);
	uint8_t global[8];

	global_of(ob, client, global);
	if (!r || global_in_use(r, global))
		return;
	memcpy(d->global, global, sizeof(global));
	htab_put(&r->mine, &d->node, global_hash(global));
	d->gone = client_gone;
}

static int client_open_dgram(const struct outbound *ob, struct udp_map *m,
			     struct session *s, struct dgram **out)
{
	struct mux_conf *conf = ob->wrap_conf;
	int kind = shared_kind(ob, s), rc;
	enum pool_kind pool = POOL_SOLO;
	unsigned int room = 1;
	struct sub_dgram *d;
	struct carrier *c;
	uint16_t id;

	if (kind == LEG_NATIVE || kind < 0)
		return kind < 0 ? kind : ob->ops->open_dgram(ob, m, s, out);
	if (kind == LEG_MUX) {
		pool = conf->xudp > 0 ? POOL_UDP : POOL_TCP;
		room = (unsigned int)(conf->xudp > 0 ? conf->xudp :
						       conf->concurrency);
	}
	rc = carrier_get(ob, s, pool, room, &c, &id);
	if (rc < 0)
		return rc;
	d = sub_dgram_new(&c->trunk, id, NULL, false);
	if (!d) {
		carrier_unused(c);
		return -ENOMEM;
	}
	take_global(d, ob, udp_map_client(m));
	d->plain = &conf->plain;
	d->d.job = udp_map_job(m);
	*out = &d->d;
	return 0;
}

const struct outbound_wrap mux_wrap = {
	.open = client_open,
	.leg_kind = client_leg_kind,
	.open_dgram = client_open_dgram,
};
