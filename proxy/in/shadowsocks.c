/*
 * shadowsocks.c - Shadowsocks server: AEAD, 2022 (one key or several users), none
 *
 * The first chunk names the target. A salt is remembered once its first tag has
 * proved right: a recording meets the same silence as noise.
 *
 * Source: docs/wire/shadowsocks.md, shadowsocks2022.md; xray.md, C6
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/listen.h"
#include "proxy/in/in.h"
#include "proxy/in/replay.h"
#include "proxy/in/ss_in.h"

/* A running inbound on one worker; @udp is NULL without UDP */
struct ss_listener {
	struct tcp_listener tcp; /* must be first */
	struct ss_udp_in *udp;
};

/**
 * struct ss_found - What the first bytes said
 * @used:	Of them
 * @data, @len:	Payload that came along, inside the greeting
 */
struct ss_found {
	struct ss_request_key rq;
	struct addr to;
	char name[256];
	const struct ss_secret_key *key;
	unsigned int user;
	size_t used, len;
	const uint8_t *data;
};

/* Does @k open the length after this salt? 0 with @k->rx, or -EPROTO */
static int try_key(const struct ss_secret_key *k, const uint8_t *p,
		   struct ss_flow_key *rx)
{
	uint8_t head[SS_CHUNK_HEAD], *data;
	size_t len;
	int rc = ss_flow_set(rx, k->method, k->master, p);

	memcpy(head, p + k->method->key_len, sizeof(head));
	if (!rc && ss_open(rx, head, sizeof(head), &data, &len) < 0)
		rc = -EPROTO;
	if (rc)
		ss_flow_drop(rx);
	return rc;
}

/* 1 whole, 0 more is needed, -EPROTO */
static int find_aead(const struct ss_in *c, const struct srv_users *us,
		     struct greet *g, struct ss_found *f)
{
	size_t salt = c->method->key_len, chunk;
	uint8_t *data;
	ssize_t n;
	int rc = -EPROTO;

	if (g->len < salt + SS_CHUNK_HEAD)
		return 0;
	for (f->user = 0; f->user < us->count; f->user++) {
		rc = try_key(&ss_key(us, f->user)->k, g->in, &f->rq.rx);
		if (!rc)
			break;
	}
	if (rc < 0)
		return -EPROTO;
	f->key = &ss_key(us, f->user)->k;
	chunk = f->rq.rx.want + AEAD_TAG_BYTES;
	if (g->len < salt + SS_CHUNK_HEAD + chunk)
		return 0;
	n = ss_open(&f->rq.rx, g->in + salt + SS_CHUNK_HEAD, chunk, &data,
		    &f->len);
	if (n <= 0 || !replay_fresh(g->in, salt))
		return -EPROTO;
	f->used = salt + SS_CHUNK_HEAD + (size_t)n;
	n = addr_wire_decode(ADDR_SS, data, f->len, &f->to, f->name);
	if (n <= 0)
		return -EPROTO;
	f->data = data + n;
	f->len -= (size_t)n;
	return 1;
}

int ss_find_hash(const struct srv_users *us, const uint8_t hash[SS22_HASH])
{
	int found = -EPROTO;

	for (unsigned int i = 0; i < us->count; i++)
		if (ct_equal(ss_key(us, i)->hash, hash, SS22_HASH))
			found = (int)i;
	return found;
}

/* Of several users: who, then as of one. As ss22_request_decode() */
static ssize_t open_2022(const struct ss_in *c, const struct srv_users *us,
			 struct greet *g, struct ss_found *f,
			 struct ss22_request *rq)
{
	uint64_t now = (uint64_t)clock_wall();
	uint8_t hash[SS22_HASH];
	int rc;

	f->user = 0;
	if (!us->count)
		return -EPROTO;
	f->key = &ss_key(us, 0)->k;
	if (!c->server.method)
		return ss22_request_decode(&f->key->psk, g->in, g->len, now, rq,
					   &f->rq.rx);
	rc = ss22_request_identity(&c->server.psk, g->in, g->len, hash);
	if (rc > 0)
		rc = ss_find_hash(us, hash);
	else if (!rc)
		return 0;
	if (rc < 0)
		return rc;
	f->user = (unsigned int)rc;
	f->key = &ss_key(us, f->user)->k;
	return ss22_user_request_decode(&f->key->psk, g->in, g->len, now, rq,
					&f->rq.rx);
}

static int find_2022(const struct session *s, const struct srv_users *us,
		     struct greet *g, struct ss_found *f)
{
	const struct ss_in *c = s->inbound->settings;
	struct ss22_request rq;
	ssize_t n = open_2022(c, us, g, f, &rq);

	if (n == -ESTALE)
		log_warning("s%x shadowsocks: the client's clock differs by "
			    "more than %d s",
			    s->id, SS22_CLOCK_S);
	if (n == 0)
		return 0;
	if (n < 0 || !replay_fresh(rq.salt, f->key->method->key_len))
		return -EPROTO;
	memcpy(f->rq.salt, rq.salt, sizeof(f->rq.salt));
	f->to = rq.to;
	memcpy(f->name, rq.name, sizeof(f->name));
	if (f->to.kind == ADDR_NAME)
		f->to.name = f->name;
	f->used = (size_t)n;
	f->data = rq.data;
	f->len = rq.len;
	return 1;
}

static int find_plain(const struct srv_users *us, struct greet *g,
		      struct ss_found *f)
{
	ssize_t n = addr_wire_decode(ADDR_SS, g->in, g->len, &f->to, f->name);

	if (n <= 0)
		return (int)n;
	if (!us->count)
		return -EPROTO;
	f->key = &ss_key(us, 0)->k;
	f->user = 0;
	f->used = (size_t)n;
	f->len = g->len - f->used;
	f->data = g->in + n;
	return 1;
}

/* s->in becomes the chunks' stream; what came along is the greeting's rest */
static ssize_t enter(struct session *s, struct greet *g, struct ss_found *f)
{
	struct iovec rest = { g->in + f->used, g->len - f->used };
	struct stream *top;

	if (f->key->method->aead != AEAD_NONE) {
		top = ss_server(f->key, &f->rq, s->job.worker, s->in, &rest);
		if (!top)
			return -ENOMEM;
		s->in = top;
	}
	if (f->len)
		memmove(g->in, f->data, f->len);
	g->len = (uint32_t)f->len;
	greet_target(g, &f->to, 0);
	return 0;
}

static ssize_t ss_head(struct session *s, struct greet *g,
		       const struct srv_users *us)
{
	const struct ss_in *c = s->inbound->settings;
	const struct ss_method *m = c->method;
	struct ss_found f = { .user = 0 };
	ssize_t rc;

	rc = m->v2022             ? find_2022(s, us, g, &f) :
	     m->aead == AEAD_NONE ? find_plain(us, g, &f) :
				    find_aead(c, us, g, &f);
	if (rc > 0) {
		srv_set_user(s, us, f.user);
		rc = enter(s, g, &f);
	} else if (rc < 0) {
		rc = srv_mute(g);
	}
	ss_flow_drop(&f.rq.rx);
	return rc;
}

static ssize_t ss_step(struct session *s, struct greet *g)
{
	return srv_run_step(s, g, ss_head);
}

static int ss_greet(struct session *s)
{
	return greet_run(s, ss_step);
}

/* --- life ---------------------------------------------------------------------- */

static int ss_start(const struct inbound *ib, struct worker *w,
		    struct listener **out)
{
	const struct ss_in *c = ib->settings;
	struct ss_listener *l = calloc(1, sizeof(*l));
	int rc = 0;

	if (!l)
		return -ENOMEM;
	l->tcp.l.ib = ib;
	l->tcp.l.worker = w;
	if (c->tcp)
		rc = listen_start(&l->tcp, ib, w);
	if (!rc && c->udp)
		rc = ss_udp_start(&l->tcp.l, &l->udp);
	if (rc < 0) {
		listen_stop(&l->tcp);
		free(l);
		return rc;
	}
	*out = &l->tcp.l;
	return 0;
}

static void ss_stop(struct listener *listener)
{
	struct ss_listener *l =
		container_of(listener, struct ss_listener, tcp.l);

	listen_stop(&l->tcp);
	ss_udp_stop(l->udp);
	free(l);
}

/* Clients of a datagram socket hold the keys they came with, while those are somebody's */
static bool ss_same(const struct inbound *a, const struct inbound *b)
{
	const struct ss_in *x = a->settings, *y = b->settings;

	return listen_same(a, b) && x->tcp == y->tcp && x->udp == y->udp;
}

/* --- settings ------------------------------------------------------------------ */

static int parse_key(struct jobj *o, struct ss_secret_key *k,
		     const char *method)
{
	const char *password = j_str(o, "password", "");
	const struct ss_method *m = ss_method_find(method);
	int rc;

	if (!m) {
		diag_error(o->d, o->node, "method", "unknown method \"%s\"",
			   method);
		return 0;
	}
	k->method = m;
	if (!*password && m->aead != AEAD_NONE) {
		diag_error(o->d, o->node, "password", "must not be empty");
		return 0;
	}
	rc = ss_secret_set(k, m, password);
	if (rc == -EINVAL || (m->v2022 && k->psk.count > 1)) {
		diag_error(o->d, o->node, "password",
			   "must be base64 of %u bytes for this method",
			   m->key_len);
		return 0;
	}
	return rc;
}

/* What this user of a 2022 method shows */
static void make_hash(struct jobj *u, const struct ss_in *c,
		      struct ss_user_key *key)
{
	const struct srv_users *us = c->srv.users.now;

	if (!key->k.psk.count)
		return; /* was complained about */
	ss22_user_hash(&key->k.psk, key->hash);
	if (ss_find_hash(us, key->hash) >= 0)
		diag_error(u->d, u->node, NULL,
			   "another user has the same password");
}

/* Without his method, and without the server's key */
static uint64_t key_id(const struct ss_secret_key *k)
{
	const uint8_t *key = k->master;

	if (k->psk.count)
		key = k->psk.psk[k->psk.count - 1];
	return in_user_id(key, SS_KEY_MAX);
}

/* The method stands with the user (AEAD) or with the server (2022) */
static int ss_user(struct jobj *u, struct srv_conf *srv, struct srv_user *x,
		   void *key)
{
	struct ss_in *c = container_of(srv, struct ss_in, srv);
	const struct ss_method *m = c->server.method;
	const char *method = m ? m->name : j_need_str(u, "method");
	struct ss_user_key *k = key;
	int rc;

	if (m && *j_str(u, "method", "")) {
		diag_error(u->d, j_get(u, "method"), NULL,
			   "users of a 2022 method have the server's");
		return 0;
	}
	if (j_get(u, "address"))
		j_not_yet(u, "address", "relaying to another server");
	(void)j_get(u, "port");
	rc = *method ? parse_key(u, &k->k, method) : 0;
	x->id = key_id(&k->k);
	if (!rc && m)
		make_hash(u, c, k);
	if (!rc && !c->method)
		c->method = k->k.method;
	return rc;
}

static void parse_network(struct jobj *o, struct ss_in *c)
{
	struct jlist l;

	j_list(o, "network", &l);
	while (j_list_next(o, &l)) {
		if (!strcasecmp(l.text, "tcp"))
			c->tcp = true;
		else if (!strcasecmp(l.text, "udp"))
			c->udp = true;
		else
			diag_error(o->d, l.node, NULL,
				   "must be tcp or udp, got \"%s\"", l.text);
	}
	if (!c->tcp && !c->udp)
		c->tcp = true;
}

static bool same_methods(const struct ss_in *c, const struct srv_users *us)
{
	for (unsigned int i = 0; i < us->count; i++) {
		const struct ss_method *m = ss_key(us, i)->k.method;

		if (m && (m != c->method || m->v2022 || m->aead == AEAD_NONE))
			return false;
	}
	return true;
}

/* Two users of a 2022 method who show the same */
static bool hash_twice(const struct srv_users *us)
{
	for (unsigned int i = 0; i < us->count; i++)
		if (ss_key(us, i)->k.psk.count &&
		    ss_find_hash(us, ss_key(us, i)->hash) != (int)i)
			return true;
	return false;
}

/* The server's own key of a 2022 method, which its users show who they are by */
static int parse_server_key(struct jobj *o, struct ss_in *c)
{
	const struct ss_method *m = ss_method_find(j_str(o, "method", ""));

	if (!m || !m->v2022)
		return 0;
	if (m->aead == AEAD_CHACHA20_POLY1305) {
		diag_error(o->d, o->node, "method",
			   "several users need one of the aes methods");
		return 0;
	}
	return parse_key(o, &c->server, m->name);
}

static int parse_several(struct jobj *o, struct ss_in *c)
{
	int rc = parse_server_key(o, c);

	if (c->server.method)
		c->method = c->server.method;
	if (!rc)
		rc = srv_parse_users(o, &c->srv);
	if (rc)
		return rc;
	if (c->server.method && hash_twice(c->srv.users.now))
		diag_error(o->d, o->node, NULL,
			   "two users have the same password");
	if (!c->server.method && !same_methods(c, c->srv.users.now))
		diag_error(o->d, o->node, NULL,
			   "several users must have the same AEAD method; a "
			   "2022 method stands beside them, with the server's "
			   "password");
	return 0;
}

static int ss_parse(struct inbound *ib, struct jobj *o, struct config *cfg)
{
	static const struct srv_form form = {
		.user = ss_user,
		.secret = "password",
		.key_bytes = sizeof(struct ss_user_key),
	};
	struct ss_in *c = arena_alloc(&cfg->arena, sizeof(*c));
	const char *list = j_get(o, "users") ? "users" : "clients";
	int rc;

	if (!c)
		return -ENOMEM;
	ib->settings = c;
	if (srv_table_init(&c->srv.users, &form) < 0)
		return -ENOMEM;
	parse_network(o, c);
	(void)j_bool(o, "ivCheck", false);
	rc = in_need_port(o, ib);
	if (!rc && c->udp)
		rc = in_check_udp(o, ib);
	if (rc)
		return rc;
	return cJSON_GetArraySize(j_array(o, list)) > 0 ?
		       parse_several(o, c) :
		       srv_parse_one(o, &c->srv);
}

/* Of the same AEAD method, or of the server's; a 2022 key alone has no others */
static int ss_add(const struct inbound *ib, struct jobj *u)
{
	const struct ss_in *c = ib->settings;
	const char *method = j_str(u, "method", "");

	if (!c->method || (c->method->v2022 && !c->server.method) ||
	    c->method->aead == AEAD_NONE)
		return -ENOTSUP;
	if (!c->server.method && strcasecmp(method, c->method->name) != 0 &&
	    ss_method_find(method) != c->method) {
		diag_error(u->d, u->node, "method", "must be %s",
			   c->method->name);
		return -EINVAL;
	}
	return srv_user_add(ib, u);
}

static const char *ss_method_name(const struct inbound *ib)
{
	const struct ss_in *c = ib->settings;

	return c->method ? c->method->name : NULL;
}

static void ss_drop(struct inbound *ib)
{
	struct ss_in *c = ib->settings;

	if (c)
		wipe(&c->server, sizeof(c->server));
	srv_drop(ib);
}

static const struct inbound_users ss_users = {
	.account = "xray.proxy.shadowsocks.Account",
	.secret = "password",
	.add = ss_add,
	.remove = srv_user_remove,
	.each = srv_user_each,
	.method = ss_method_name,
};

const struct inbound_ops in_shadowsocks = {
	.name = "shadowsocks",
	.serves = REACH_STRANGER,
	.parse = ss_parse,
	.start = ss_start,
	.stop = ss_stop,
	.same = ss_same,
	.greet = ss_greet,
	.drop = ss_drop,
	.users = &ss_users,
	.knows = srv_knows,
};
