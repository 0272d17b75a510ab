/*
 * vless.c - VLESS server
 *
 *   decryption: all comes in its records (proxy/layer/venc.c), no fallbacks
 *   id right:  TCP: the target's stream begins, after our head; UDP: packets
 *	        in this stream to one target; mux: to v1.mux.cool (proxy/mux)
 *   anything else: the fallback gets it all; without one, silence
 *
 * Bytes 6 and 7 of an id are the client's own (vlessRoute): not compared.
 * Source: docs/wire/vless.md; xray.md, C6
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/crypto.h"
#include "gateway/core/config.h"
#include "gateway/core/transport.h"
#include "proxy/in/in.h"
#include "proxy/in/proxy_in.h"
#include "proxy/in/srv.h"
#include "proxy/layer/head.h"
#include "proxy/layer/venc.h"
#include "proxy/layer/vision.h"
#include "proxy/wire/uuid.h"
#include "proxy/wire/vless.h"

#define ID_BYTES 16

enum { USER_VISION = INBOUND_USER_FLOW, USER_DEFAULT = 2 };

#define PORTAL_MAX 64 /* bytes of an outbound's tag, with its NUL */

/* @enc: "decryption"; NULL: "none". @seed: of users without one */
struct vless_srv {
	struct srv_conf srv; /* must be first */
	struct venc_conf_key *enc;
	struct vision_seed seed;
};

/* @seed.few is 0: he has none. @portal: tag of the outbound whose sessions he
 * takes; "": an ordinary user */
struct vless_key {
	uint8_t id[ID_BYTES]; /* must be first */
	struct vision_seed seed;
	char portal[PORTAL_MAX];
};

static const struct head_ops vless_answer = { .name = "vless", .lazy = true };

/* The client's own bytes are taken out of the comparison */
static void id_mask(uint8_t id[ID_BYTES])
{
	id[6] = 0;
	id[7] = 0;
}

static int find_user(const struct srv_users *us, const uint8_t *id)
{
	uint8_t masked[ID_BYTES];

	memcpy(masked, id, sizeof(masked));
	id_mask(masked);
	return srv_find_key(us, masked);
}

/* The body is framed; @p: what was read of it. 0 or -ENOMEM */
static int wrap_vision(struct session *s, const struct vless_key *key,
		       const uint8_t *id, const uint8_t *p, size_t n)
{
	const struct vless_srv *c = s->inbound->settings;
	struct stream *top = vision_new(s->job.worker, s->in, id, s->id, true);

	if (!top)
		return -ENOMEM;
	s->in = top;
	vision_pad(top, key->seed.few ? &key->seed : &c->seed);
	return vision_unread(top, p, n);
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

/* Users with a flow must use it, but not for packets; others must not */
static bool flow_fits(const struct vless_request *rq, uint8_t flags)
{
	if (!rq->flow[0])
		return !(flags & USER_VISION) || rq->command == VLESS_UDP ||
		       rq->command == VLESS_REVERSE;
	return !strcmp(rq->flow, VLESS_VISION) && flags & USER_VISION &&
	       rq->command != VLESS_UDP;
}

/*
 * Who takes an outbound's sessions has none of his own, as in Xray. False: the
 * request does not fit. *@tag lives as long as the session
 */
static bool portal_fits(struct session *s, const struct vless_key *k,
			const struct vless_request *rq, const char **tag)
{
	const struct outbound *ob;

	if ((rq->command == VLESS_REVERSE) != (k->portal[0] != '\0'))
		return false;
	if (!k->portal[0])
		return true;
	ob = config_outbound(s->cfg, k->portal);
	*tag = ob ? ob->tag : NULL;
	return ob != NULL;
}

static ssize_t vless_head(struct session *s, struct greet *g,
			  const struct srv_users *us)
{
	const char *portal = NULL;
	struct vless_request rq;
	ssize_t n;
	int user;

	n = vless_request_decode(g->in, g->len, &rq);
	/* a stranger's bytes may look like a head that goes on */
	if (n == 0 && (g->len < 1 + ID_BYTES || find_user(us, g->in + 1) >= 0))
		return 0;
	user = n <= 0 ? -1 : find_user(us, rq.id);
	if (user < 0)
		return srv_fall_back(s, g, s->inbound->settings);
	if (!flow_fits(&rq, us->v[user]->flags) ||
	    !portal_fits(s, (const void *)srv_key(us, (unsigned int)user), &rq,
			 &portal))
		return srv_mute(g);
	srv_set_user(s, us, (unsigned int)user);
	s->vless_route = get_be16(rq.id + 6);
	if (wrap(s) < 0)
		return -ENOMEM;
	if (rq.flow[0]) {
		if (wrap_vision(s, srv_key(us, (unsigned int)user), rq.id,
				g->in + n, g->len - (size_t)n) < 0)
			return -ENOMEM;
		n = (ssize_t)g->len;
	}
	if (rq.command == VLESS_UDP)
		return srv_packets(s, g, &tube_vless, (size_t)n, &rq.to);
	if (rq.command == VLESS_MUX)
		rq.to = srv_mux_target();
	if (rq.command == VLESS_REVERSE) {
		rq.to = addr_name(SES_REVERSE_NAME,
				  sizeof(SES_REVERSE_NAME) - 1, 0);
		s->reverse = true;
		s->forced_tag = portal;
	}
	greet_target(g, &rq.to, (size_t)n);
	return 0;
}

static ssize_t vless_step(struct session *s, struct greet *g)
{
	return srv_run_step(s, g, vless_head);
}

/* What the client says comes in records. 0 or -ENOMEM */
static int decrypt(struct session *s, const struct venc_conf_key *enc)
{
	struct stream *top = venc_server(enc, s->job.worker, s->in, s->id);

	if (top)
		s->in = top;
	return top ? 0 : -ENOMEM;
}

static int vless_greet(struct session *s)
{
	const struct vless_srv *c = s->inbound->settings;

	/* the greeting has no state before its first run */
	if (c->enc && !s->greet_state && decrypt(s, c->enc) < 0)
		return -ENOMEM;
	return greet_run(s, vless_step);
}

/* "flow", @def when it is not there */
static uint8_t parse_flow(struct jobj *u, uint8_t def)
{
	const char *flow = j_str(u, "flow", NULL);

	if (!flow)
		return def;
	if (*flow && strcmp(flow, VLESS_VISION) != 0)
		diag_error(u->d, j_get(u, "flow"), NULL,
			   "must be \"" VLESS_VISION "\" or \"\", got \"%s\"",
			   flow);
	return *flow ? USER_VISION : 0;
}

/* "reverse": an outbound of its tag was made before */
static void parse_portal(struct jobj *u, char out[PORTAL_MAX])
{
	const char *text;
	struct jobj o;

	if (!j_open(&o, u->d, j_get(u, "reverse")))
		return;
	text = j_need_str(&o, "tag");
	if (strlen(text) >= PORTAL_MAX)
		diag_error(o.d, o.node, "tag", "at most %d bytes",
			   PORTAL_MAX - 1);
	else
		snprintf(out, PORTAL_MAX, "%s", text);
	j_close(&o);
}

static int vless_user(struct jobj *u, struct srv_conf *c, struct srv_user *x,
		      void *key)
{
	struct vless_key *k = key;
	const char *id = j_need_str(u, "id");

	(void)c;
	(void)vision_seed_parse(u, "testseed", &k->seed);
	if (*id && uuid_parse(id, k->id) < 0)
		diag_error(u->d, j_get(u, "id"), NULL,
			   "must be a UUID or a text of at most 30 bytes");
	id_mask(k->id);
	x->flags = parse_flow(u, USER_DEFAULT);
	parse_portal(u, k->portal);
	return 0;
}

/* Why users with the flow cannot come in; NULL: they can */
static const char *no_vision(const struct inbound *ib)
{
	const struct vless_srv *v = ib->settings;

	if (!v->enc && !(ib->transport && ib->transport->ops->secure))
		return "the flow needs the network raw with security tls, or "
		       "decryption";
	return NULL;
}

/* Users without a flow of their own have @def */
static void flows_set(struct inbound *ib, struct jobj *o, uint8_t def)
{
	struct vless_srv *v = ib->settings;
	struct srv_users *us = v->srv.users.now;
	bool vision = false;

	for (unsigned int i = 0; i < us->count; i++) {
		if (us->v[i]->flags == USER_DEFAULT)
			us->v[i]->flags = def;
		vision |= us->v[i]->flags & USER_VISION;
	}
	if (vision && no_vision(ib))
		diag_error(o->d, o->node, NULL, "%s", no_vision(ib));
}

/* The API says which flow: none is none */
static int vless_add(const struct inbound *ib, struct jobj *u)
{
	if (parse_flow(u, 0) & USER_VISION && no_vision(ib)) {
		diag_error(u->d, u->node, "flow", "%s", no_vision(ib));
		return -EINVAL;
	}
	return srv_user_add(ib, u);
}

/* "decryption". 0 or -ENOMEM */
static int parse_decryption(struct inbound *ib, struct jobj *o,
			    struct config *cfg)
{
	struct vless_srv *c = ib->settings;
	const char *text = j_need_str(o, "decryption"), *wrong;

	if (!*text || !strcmp(text, "none"))
		return 0;
	c->enc = arena_alloc(&cfg->arena, sizeof(*c->enc));
	if (!c->enc)
		return -ENOMEM;
	wrong = venc_parse(text, true, c->enc);
	if (wrong)
		diag_error(o->d, j_get(o, "decryption"), NULL, "must %s",
			   wrong);
	if (c->srv.fallbacks)
		diag_error(o->d, j_get(o, "fallbacks"), NULL,
			   "cannot be used together with decryption");
	return 0;
}

static int vless_parse(struct inbound *ib, struct jobj *o, struct config *cfg)
{
	static const struct srv_form form = {
		.user = vless_user,
		.secret = "id",
		.key_bytes = sizeof(struct vless_key),
		.match_bytes = ID_BYTES,
		.fallbacks = true,
		.conf_bytes = sizeof(struct vless_srv),
	};
	struct vless_srv *v;
	uint8_t def;
	int rc;

	def = parse_flow(o, 0);
	rc = srv_parse(ib, o, cfg, &form);
	if (rc)
		return rc;
	v = ib->settings;
	v->seed = vision_seed_usual;
	(void)vision_seed_parse(o, "testseed", &v->seed);
	rc = parse_decryption(ib, o, cfg);
	if (!rc)
		flows_set(ib, o, def);
	return rc;
}

static void vless_drop(struct inbound *ib)
{
	struct vless_srv *c = ib->settings;

	if (c && c->enc)
		wipe(c->enc, sizeof(*c->enc));
	srv_drop(ib);
}

/* A user of that name still takes the sessions of that outbound */
static bool vless_holds(const struct inbound *ib, const struct session *s)
{
	struct vless_srv *v = ib->settings;
	struct srv_users *us = srv_users_get(&v->srv.users);
	const char *name = s->user ? s->user : "";
	bool holds = false;

	for (unsigned int i = 0; i < us->count && !holds; i++) {
		const struct vless_key *k = srv_key(us, i);

		holds = !strcmp(k->portal, s->outbound->tag) &&
			!strcmp(us->v[i]->email, name);
	}
	srv_users_put(us);
	return holds;
}

static const struct inbound_users vless_users = {
	.account = "xray.proxy.vless.Account",
	.secret = "id",
	.add = vless_add,
	.remove = srv_user_remove,
	.each = srv_user_each,
};

const struct inbound_ops in_vless = {
	.name = "vless",
	.serves = REACH_STRANGER,
	.parse = vless_parse,
	.start = proxy_in_start,
	.stop = proxy_in_stop,
	.same = proxy_in_same,
	.greet = vless_greet,
	.drop = vless_drop,
	.users = &vless_users,
	.holds = vless_holds,
	.knows = srv_knows,
};
