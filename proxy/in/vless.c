/*
 * vless.c - VLESS server, decryption "none"
 *
 *   id right:  TCP: the target's stream begins, after our head; UDP: packets
 *	        in this stream to one target; mux: to v1.mux.cool (proxy/mux)
 *   anything else: the fallback gets it all; without one, silence
 *
 * Bytes 6 and 7 of an id are the client's own (vlessRoute): not compared.
 * Source: docs/wire/vless.md; xray.md, C6
 */
#include <errno.h>
#include <string.h>

#include "gateway/base/crypto.h"
#include "gateway/core/config.h"
#include "proxy/in/in.h"
#include "proxy/in/proxy_in.h"
#include "proxy/in/srv.h"
#include "proxy/layer/head.h"
#include "proxy/wire/uuid.h"
#include "proxy/wire/vless.h"

struct vless_user_key {
	uint8_t id[16];
};

struct vless_in {
	struct srv_conf srv; /* must be first */
	struct vless_user_key *keys;
};

static const struct head_ops vless_answer = { .name = "vless", .lazy = true };

/* The client's own bytes are taken out of the comparison */
static void id_mask(uint8_t id[16])
{
	id[6] = 0;
	id[7] = 0;
}

/* All are compared, so that the time does not tell which */
static int find_user(const struct vless_in *c, const uint8_t *id)
{
	uint8_t masked[16];
	int found = -1;

	memcpy(masked, id, sizeof(masked));
	id_mask(masked);
	for (unsigned int i = 0; i < c->srv.users; i++)
		if (ct_equal(c->keys[i].id, masked, sizeof(masked)))
			found = (int)i;
	return found;
}

/* The head before the first bytes to the client. 0 or -ENOMEM */
static int wrap(struct session *s)
{
	uint8_t head[2];
	ssize_t n = vless_response_encode(head, sizeof(head));
	struct stream *top =
		head_new(&vless_answer, s->in, head, (size_t)n, NULL, s->id);

	if (!top)
		return -ENOMEM;
	s->in = top;
	return 0;
}

static ssize_t vless_step(struct session *s, struct greet *g)
{
	const struct vless_in *c = s->inbound->settings;
	struct vless_request rq;
	ssize_t n;
	int user;

	if (srv_muted(g))
		return srv_mute(g);
	n = vless_request_decode(g->in, g->len, &rq);
	/* a stranger's bytes may look like a head that goes on */
	if (n == 0 && (g->len < 17 || find_user(c, g->in + 1) >= 0))
		return 0;
	user = n <= 0 ? -1 : find_user(c, rq.id);
	if (user < 0)
		return srv_fall_back(s, g, &c->srv);
	if (rq.flow[0] || rq.command == VLESS_REVERSE)
		return srv_mute(g);
	srv_set_user(s, &c->srv, (unsigned int)user);
	if (wrap(s) < 0)
		return -ENOMEM;
	if (rq.command == VLESS_UDP)
		return srv_packets(s, g, &tube_vless, (size_t)n, &rq.to);
	if (rq.command == VLESS_MUX)
		rq.to = srv_mux_target();
	greet_target(g, &rq.to, (size_t)n);
	return 0;
}

static int vless_greet(struct session *s)
{
	return greet_run(s, vless_step);
}

static int vless_user(struct jobj *u, struct srv_conf *srv, unsigned int i,
		      struct arena *a)
{
	struct vless_in *c = container_of(srv, struct vless_in, srv);
	const char *id = j_need_str(u, "id");

	(void)a;
	if (*id && uuid_parse(id, c->keys[i].id) < 0)
		diag_error(u->d, j_get(u, "id"), NULL,
			   "must be a UUID or a text of at most 30 bytes");
	id_mask(c->keys[i].id);
	if (*j_str(u, "flow", ""))
		diag_error(u->d, j_get(u, "flow"), NULL,
			   "flows (Vision) are not supported yet");
	j_not_yet(u, "reverse", "reverse proxies");
	return 0;
}

static int vless_parse(struct inbound *ib, struct jobj *o, struct config *cfg)
{
	struct vless_in *c = arena_alloc(&cfg->arena, sizeof(*c));
	const char *decryption = j_need_str(o, "decryption");
	void *keys = NULL;
	int rc;

	if (!c)
		return -ENOMEM;
	ib->settings = c;
	if (*decryption && strcmp(decryption, "none") != 0)
		diag_error(o->d, j_get(o, "decryption"), NULL,
			   "must be \"none\"; others are not supported yet");
	if (*j_str(o, "flow", ""))
		diag_error(o->d, j_get(o, "flow"), NULL,
			   "flows (Vision) are not supported yet");
	j_ignore(o, "testseed", "only for Vision");
	rc = in_need_port(o, ib);
	if (!rc)
		rc = srv_make_users(o, &c->srv, sizeof(*c->keys), &keys,
				    &cfg->arena);
	c->keys = keys;
	if (!rc)
		rc = srv_parse_users(o, &c->srv, vless_user, &cfg->arena);
	return rc ? rc : srv_parse_fallbacks(o, &c->srv, &cfg->arena);
}

static void vless_drop(struct inbound *ib)
{
	struct vless_in *c = ib->settings;

	if (c && c->keys)
		wipe(c->keys, c->srv.users * sizeof(*c->keys));
}

const struct inbound_ops in_vless = {
	.name = "vless",
	.parse = vless_parse,
	.start = proxy_in_start,
	.stop = proxy_in_stop,
	.same = proxy_in_same,
	.greet = vless_greet,
	.drop = vless_drop,
};
