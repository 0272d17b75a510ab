/*
 * trojan.c - Trojan server
 *
 *   key right:  TCP: the target's stream begins; UDP: packets in this stream
 *   anything else: the fallback gets it all; without one, silence
 *
 * Source: docs/wire/trojan.md; xray.md, C6
 */
#include <errno.h>

#include "gateway/base/crypto.h"
#include "gateway/core/config.h"
#include "proxy/in/in.h"
#include "proxy/in/proxy_in.h"
#include "proxy/in/srv.h"
#include "proxy/wire/trojan.h"

struct trojan_user_key {
	uint8_t hex[TROJAN_KEY_BYTES];
};

struct trojan_in {
	struct srv_conf srv; /* must be first */
	struct trojan_user_key *keys;
};

/* All are compared, so that the time does not tell which */
static int find_user(const struct trojan_in *c, const uint8_t *key)
{
	int found = -1;

	for (unsigned int i = 0; i < c->srv.users; i++)
		if (ct_equal(c->keys[i].hex, key, TROJAN_KEY_BYTES))
			found = (int)i;
	return found;
}

static ssize_t trojan_step(struct session *s, struct greet *g)
{
	const struct trojan_in *c = s->inbound->settings;
	struct trojan_request rq;
	ssize_t n;
	int user;

	if (srv_muted(g))
		return srv_mute(g);
	n = trojan_request_decode(g->in, g->len, &rq);
	/* a stranger's bytes may look like a head that goes on */
	if (n == 0 && (g->len < TROJAN_KEY_BYTES || find_user(c, g->in) >= 0))
		return 0;
	user = n <= 0 ? -1 : find_user(c, rq.key);
	if (user < 0)
		return srv_fall_back(s, g, &c->srv);
	srv_set_user(s, &c->srv, (unsigned int)user);
	if (rq.command == TROJAN_UDP)
		return srv_packets(s, g, &tube_trojan, (size_t)n, NULL);
	greet_target(g, &rq.to, (size_t)n);
	return 0;
}

static int trojan_greet(struct session *s)
{
	return greet_run(s, trojan_step);
}

static int trojan_user(struct jobj *u, struct srv_conf *srv, unsigned int i,
		       struct arena *a)
{
	struct trojan_in *c = container_of(srv, struct trojan_in, srv);
	const char *password = j_need_str(u, "password");

	(void)a;
	if (*j_str(u, "flow", ""))
		j_not_yet(u, "flow", "xtls flows");
	return *password ? trojan_key(password, c->keys[i].hex) : 0;
}

static int trojan_parse(struct inbound *ib, struct jobj *o, struct config *cfg)
{
	struct trojan_in *c = arena_alloc(&cfg->arena, sizeof(*c));
	void *keys = NULL;
	int rc;

	if (!c)
		return -ENOMEM;
	ib->settings = c;
	rc = in_need_port(o, ib);
	if (!rc)
		rc = srv_make_users(o, &c->srv, sizeof(*c->keys), &keys,
				    &cfg->arena);
	c->keys = keys;
	if (!rc)
		rc = srv_parse_users(o, &c->srv, trojan_user, &cfg->arena);
	return rc ? rc : srv_parse_fallbacks(o, &c->srv, &cfg->arena);
}

static void trojan_drop(struct inbound *ib)
{
	struct trojan_in *c = ib->settings;

	if (c && c->keys)
		wipe(c->keys, c->srv.users * sizeof(*c->keys));
}

const struct inbound_ops in_trojan = {
	.name = "trojan",
	.parse = trojan_parse,
	.start = proxy_in_start,
	.stop = proxy_in_stop,
	.same = proxy_in_same,
	.greet = trojan_greet,
	.drop = trojan_drop,
};
