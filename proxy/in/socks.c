/*
 * socks.c - "socks", alias "mixed": SOCKS 4, 4a, 5, and HTTP on one port
 *
 *   first byte 4 or 5: SOCKS; anything else: an HTTP proxy's client
 *   FIRST -> AUTH -> REQUEST -> target (answered before it is dialled, as Xray)
 *                            -> UDP association
 *
 * Source: xray.md, C4 and 2.1; RFC 1928, RFC 1929
 */
#include <errno.h>
#include <string.h>

#include "gateway/base/crypto.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "proxy/in/greet.h"
#include "proxy/in/in.h"
#include "proxy/in/proxy_in.h"
#include "proxy/in/socks_udp.h"
#include "proxy/wire/socks5.h"
#include "proxy/wire/socks_srv.h"

enum { STEP_FIRST, STEP_AUTH, STEP_REQUEST, STEP_HTTP };

/* The answer that @put makes, into the greeting's. @failed: -errno of @put */
static int answer_buf(struct greet *g, struct buf *b, int failed)
{
	int err = failed ? failed : greet_answer(g, buf_head(b), b->len);

	buf_free(b);
	return err;
}

static int answer5(struct greet *g, uint8_t rep, const struct addr *bound)
{
	struct buf *b = buf_new(SOCKS5_REPLY_MAX);

	return b ? answer_buf(g, b, socks_srv_put_reply(b, rep, bound)) :
		   -ENOMEM;
}

static int answer4(struct greet *g, bool granted, const struct addr *bound)
{
	struct buf *b = buf_new(16);

	return b ? answer_buf(g, b, socks4_put_reply(b, granted, bound)) :
		   -ENOMEM;
}

/* Refuse with @rep; the session ends by @why */
static ssize_t refuse5(struct greet *g, uint8_t rep, int why)
{
	int err = answer5(g, rep, NULL);

	return err < 0 ? err : why;
}

static ssize_t greeting(struct greet *g, const struct proxy_conf *c)
{
	uint8_t method = c->need_auth ? SOCKS5_PASSWORD : SOCKS5_NO_AUTH;
	bool offered = false;
	ssize_t n = socks_srv_greeting(g->in, g->len, method, &offered);
	uint8_t m[2] = { SOCKS5_VERSION, method };

	if (n <= 0)
		return n;
	if (!offered)
		m[1] = SOCKS5_NO_METHOD;
	g->step = c->need_auth ? STEP_AUTH : STEP_REQUEST;
	if (greet_answer(g, m, sizeof(m)))
		return -ENOBUFS;
	return offered ? n : -EACCES;
}

static ssize_t password(struct session *s, struct greet *g,
			const struct proxy_conf *c)
{
	char user[256], pass[256];
	ssize_t n = socks_srv_auth(g->in, g->len, user, pass);
	const struct in_account *a;
	uint8_t m[2] = { 1, 0 };

	if (n <= 0)
		return n;
	a = in_account_find(&c->accounts, user, pass);
	wipe(pass, sizeof(pass));
	wipe(g->in, (size_t)n);
	if (!a)
		m[1] = 0xff;
	if (greet_answer(g, m, sizeof(m)))
		return -ENOBUFS;
	if (!a)
		return -EACCES;
	s->user = a->user;
	s->user_id = a->id;
	g->step = STEP_REQUEST;
	return n;
}

static bool is_connect(uint8_t cmd)
{
	return cmd == SOCKS5_CONNECT || cmd == SOCKS_TOR_RESOLVE ||
	       cmd == SOCKS_TOR_RESOLVE_PTR;
}

static ssize_t request5(struct session *s, struct greet *g,
			const struct proxy_conf *c)
{
	struct socks_request r;
	ssize_t n = socks_srv_request(g->in, g->len, &r);
	int err;

	if (n == -EAFNOSUPPORT)
		return refuse5(g, SOCKS5_BAD_ADDRESS, -EPROTO);
	if (n <= 0)
		return n;
	if (r.cmd == SOCKS5_UDP && c->udp) {
		err = assoc_open(s, &c->udp_ip);
		return err < 0 ? refuse5(g, SOCKS5_GENERAL, err) : n;
	}
	if (!is_connect(r.cmd))
		return refuse5(g, SOCKS5_BAD_COMMAND, -EOPNOTSUPP);
	err = answer5(g, SOCKS5_OK, &s->local);
	if (err)
		return err;
	greet_target(g, &r.to, (size_t)n);
	return 0;
}

static ssize_t request4(struct session *s, struct greet *g,
			const struct proxy_conf *c)
{
	struct socks_request r;
	ssize_t n = socks4_request(g->in, g->len, &r);
	bool granted;
	int err;

	if (n <= 0)
		return n;
	granted = !c->need_auth && is_connect(r.cmd);
	err = answer4(g, granted, &s->local);
	if (err)
		return err;
	if (!granted)
		return c->need_auth ? -EACCES : -EOPNOTSUPP;
	greet_target(g, &r.to, (size_t)n);
	return 0;
}

ssize_t socks_step(struct session *s, struct greet *g)
{
	const struct proxy_conf *c = s->inbound->settings;

	switch (g->step) {
	case STEP_AUTH:
		return password(s, g, c);
	case STEP_REQUEST:
		return request5(s, g, c);
	case STEP_HTTP:
		return http_step(s, g);
	default:
		break;
	}
	if (g->in[0] == SOCKS5_VERSION)
		return greeting(g, c);
	if (g->in[0] == SOCKS4_VERSION)
		return request4(s, g, c);
	g->step = STEP_HTTP;
	return http_step(s, g);
}

static int socks_greet(struct session *s)
{
	return greet_run(s, socks_step);
}

static int socks_parse(struct inbound *ib, struct jobj *o, struct config *cfg)
{
	static const struct jword auths[] = { { "noauth", 0 },
					      { "password", 1 } };
	struct proxy_conf *c = NULL;
	int err = proxy_in_parse(ib, o, cfg, &c);

	if (err)
		return err;
	c->need_auth = j_word(o, "auth", auths, ARRAY_SIZE(auths), 0);
	c->udp = j_bool(o, "udp", false);
	if (j_get(o, "ip") && j_addr(o, "ip", &c->udp_ip) &&
	    !addr_is_ip(&c->udp_ip)) {
		diag_error(o->d, o->node, "ip", "must be an IP address");
		return -EINVAL;
	}
	return 0;
}

const struct inbound_ops in_socks = {
	.name = "socks",
	.alias = "mixed",
	.parse = socks_parse,
	.start = proxy_in_start,
	.stop = proxy_in_stop,
	.same = proxy_in_same,
	.greet = socks_greet,
	.knows = proxy_in_knows,
};
