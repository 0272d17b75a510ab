/*
 * http.c - "http": CONNECT tunnels and plain requests
 *
 *   CONNECT   200 is answered before the target is dialled, as Xray does
 *   GET ...   http_fwd.c goes on with this head and all that follow
 *   else      400, or 407 without an account
 *
 * Source: xray.md, C5; RFC 9110, 9.3.6 and 11.7.1
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/crypto.h"
#include "gateway/core/config.h"
#include "gateway/core/route.h"
#include "proxy/in/greet.h"
#include "proxy/in/http_fwd.h"
#include "proxy/in/in.h"
#include "proxy/in/proxy_in.h"
#include "proxy/wire/http_req.h"

static const char ok_text[] = "HTTP/1.1 200 Connection established\r\n\r\n";
static const char bad_text[] = "HTTP/1.1 400 Bad Request\r\n"
			       "Connection: close\r\n"
			       "Proxy-Connection: close\r\n"
			       "Content-Length: 0\r\n\r\n";
static const char auth_text[] = "HTTP/1.1 407 Proxy Authentication Required\r\n"
				"Proxy-Authenticate: Basic realm=\"proxy\"\r\n"
				"Connection: close\r\n"
				"Proxy-Connection: close\r\n"
				"Content-Length: 0\r\n\r\n";

static ssize_t refuse(struct greet *g, const char *text, int why)
{
	return greet_answer(g, text, strlen(text)) ? -ENOBUFS : why;
}

/* The session's user, if one is asked for. 0 or -EACCES */
static int check_account(struct session *s, const struct proxy_conf *c,
			 const struct http1_head *h)
{
	char user[256], pass[256];
	const struct in_account *a = NULL;

	if (!c->need_auth)
		return 0;
	if (http_req_account(h, user, pass) == 0)
		a = in_account_find(&c->accounts, user, pass);
	wipe(pass, sizeof(pass));
	if (!a)
		return -EACCES;
	s->user = a->user;
	s->user_id = a->id;
	return 0;
}

/* For rules on attributes; without it they just do not match */
static void keep_head(struct session *s, const uint8_t *p, size_t n)
{
	s->proto = SNIFF_HTTP1;
	if (s->http_head || !router_wants_attrs(s->cfg->router))
		return;
	s->http_head = malloc(n + 1);
	if (!s->http_head)
		return;
	memcpy(s->http_head, p, n);
	s->http_head[n] = '\0';
}

/* Tunnel or layer; the greeting is over. 0 or -errno */
static ssize_t go(struct session *s, struct greet *g, const struct http_req *r,
		  size_t head)
{
	int err;

	if (r->connect) {
		greet_target(g, &r->to, head);
		return greet_answer(g, ok_text, strlen(ok_text));
	}
	keep_head(s, g->in, head);
	err = http_fwd_push(s, g->in, g->len, &r->to);
	if (!err)
		greet_target(g, &r->to, g->len);
	return err;
}

ssize_t http_step(struct session *s, struct greet *g)
{
	const struct proxy_conf *c = s->inbound->settings;
	struct http1_head h;
	struct http_req r;
	ssize_t n = http1_request_decode(g->in, g->len, &h);

	if (n == 0)
		return g->len < GREET_FULL ? 0 : refuse(g, bad_text, -EPROTO);
	if (n < 0)
		return refuse(g, bad_text, -EPROTO);
	if (check_account(s, c, &h) < 0)
		return refuse(g, auth_text, -EACCES);
	if (http_req_read(&h, &r) < 0 || (r.origin && !c->transparent))
		return refuse(g, bad_text, -EPROTO);
	return go(s, g, &r, (size_t)n);
}

static int http_greet(struct session *s)
{
	return greet_run(s, http_step);
}

static int http_parse(struct inbound *ib, struct jobj *o, struct config *cfg)
{
	struct proxy_conf *c = NULL;
	int err = proxy_in_parse(ib, o, cfg, &c);

	if (err)
		return err;
	c->http_only = true;
	c->need_auth = c->accounts.count > 0;
	c->transparent = j_bool(o, "allowTransparent", false);
	return 0;
}

const struct inbound_ops in_http = {
	.name = "http",
	.parse = http_parse,
	.start = proxy_in_start,
	.stop = proxy_in_stop,
	.same = proxy_in_same,
	.greet = http_greet,
	.knows = proxy_in_knows,
};
