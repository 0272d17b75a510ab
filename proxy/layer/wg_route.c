/*
 * wg_route.c - Which peer of a WireGuard tunnel an address is
 *
 *   address -> masked to each length that is in use, longest first -> hash table
 *
 * Tunnels have few lengths (/32, /24, /0) and may have many prefixes. Of two equal
 * prefixes the last one counts, as in Xray (wireguard-go moves it to the last peer).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/rand.h"
#include "proxy/layer/wg_int.h"

/**
 * struct wg_route - One prefix
 * @at:		Its address; the port is its length
 */
struct wg_route {
	struct hnode node;
	struct addr at;
	struct wg_peer *peer;
};

/* The first @bits of @ip, as a route has them */
static struct addr masked(uint8_t kind, const uint8_t *ip, unsigned int bits)
{
	struct addr a = { .kind = kind, .port = (uint16_t)bits };

	memcpy(a.ip, ip, bits / 8);
	if (bits % 8)
		a.ip[bits / 8] = (uint8_t)(ip[bits / 8] & 0xff00 >> bits % 8);
	return a;
}

static struct wg_route *find(const struct wg_routes *r, const struct addr *at)
{
	struct hnode *n;

	htab_each(n, &r->table, addr_hash(at, rand_key()))
	{
		struct wg_route *x = container_of(n, struct wg_route, node);

		if (addr_eq(&x->at, at))
			return x;
	}
	return NULL;
}

static void add(struct wg_routes *r, const struct cidr *c, struct wg_peer *peer)
{
	struct addr at = masked(c->kind, c->ip, c->bits);
	struct wg_route *x = find(r, &at);

	if (!x) {
		x = &r->v[r->count++];
		x->at = at;
		htab_put(&r->table, &x->node, addr_hash(&at, rand_key()));
	}
	x->peer = peer;
}

/* The lengths in use, longest first */
static void note_lengths(struct wg_routes *r)
{
	bool used[2][WG_LENGTHS] = { { false } };

	for (size_t i = 0; i < r->count; i++)
		used[r->v[i].at.kind == ADDR_V6][r->v[i].at.port] = true;
	for (int v6 = 0; v6 < 2; v6++)
		for (int bits = WG_LENGTHS - 1; bits >= 0; bits--)
			if (used[v6][bits])
				r->bits[v6][r->bits_count[v6]++] =
					(uint8_t)bits;
}

int wg_routes_set(struct wg_routes *r, struct wg_peer *peers,
		  const struct wg_conf *conf)
{
	size_t n = 1;

	for (unsigned int i = 0; i < conf->peer_count; i++)
		n += conf->peers[i].allowed_count;
	*r = (struct wg_routes){ .v = calloc(n, sizeof(*r->v)) };
	if (!r->v || htab_init(&r->table, 64))
		return -ENOMEM;
	for (unsigned int i = 0; i < conf->peer_count; i++)
		for (unsigned int k = 0; k < conf->peers[i].allowed_count; k++)
			add(r, &conf->peers[i].allowed[k], &peers[i]);
	note_lengths(r);
	return 0;
}

void wg_routes_drop(struct wg_routes *r)
{
	htab_free(&r->table);
	free(r->v);
	*r = (struct wg_routes){ .v = NULL };
}

struct wg_peer *wg_routes_find(const struct wg_routes *r, const struct addr *ip)
{
	int v6 = ip->kind == ADDR_V6;

	for (unsigned int i = 0; addr_is_ip(ip) && i < r->bits_count[v6]; i++) {
		struct addr at = masked(ip->kind, ip->ip, r->bits[v6][i]);
		struct wg_route *x = find(r, &at);

		if (x)
			return x->peer;
	}
	return NULL;
}
