/*
 * trojan.c - Trojan server
 *
 *   key right:  TCP: the target's stream begins; UDP: packets in this stream
 *   anything else: the fallback gets it all; without one, silence
 *
 * Source: docs/wire/trojan.md; xray.md, C6
 */
#include "proxy/wire/trojan.h"
#include "gateway/core/config.h"
#include "proxy/in/in.h"
#include "proxy/in/proxy_in.h"
#include "proxy/in/srv.h"

static ssize_t trojan_head(struct session *s, struct greet *g,
			   const struct srv_users *us)
{
	struct trojan_request rq;
	ssize_t n;
	int user;

	n = trojan_request_decode(g->in, g->len, &rq);
	/* a stranger's bytes may look like a head that goes on */
	if (n == 0 &&
	    (g->len < TROJAN_KEY_BYTES || srv_find_key(us, g->in) >= 0))
		return 0;
	user = n <= 0 ? -1 : srv_find_key(us, rq.key);
	if (user < 0)
		return srv_fall_back(s, g, s->inbound->settings);
	srv_set_user(s, us, (unsigned int)user);
	if (rq.command == TROJAN_UDP)
		return srv_packets(s, g, &tube_trojan, (size_t)n, NULL);
	greet_target(g, &rq.to, (size_t)n);
	return 0;
}

static ssize_t trojan_step(struct session *s, struct greet *g)
{
	return srv_run_step(s, g, trojan_head);
}

static int trojan_greet(struct session *s)
{
	return greet_run(s, trojan_step);
}

static int trojan_user(struct jobj *u, struct srv_conf *c, struct srv_user *x,
		       void *key)
{
	const char *password = j_need_str(u, "password");

	(void)c;
	(void)x;
	if (*j_str(u, "flow", ""))
		j_not_yet(u, "flow", "xtls flows");
	return *password ? trojan_key(password, key) : 0;
}

static int trojan_parse(struct inbound *ib, struct jobj *o, struct config *cfg)
{
	static const struct srv_form form = { .user = trojan_user,
					      .secret = "password",
					      .key_bytes = TROJAN_KEY_BYTES,
					      .fallbacks = true };

	return srv_parse(ib, o, cfg, &form);
}

static const struct inbound_users trojan_users = {
	.account = "xray.proxy.trojan.Account",
	.secret = "password",
	.add = srv_user_add,
	.remove = srv_user_remove,
	.each = srv_user_each,
};

const struct inbound_ops in_trojan = {
	.name = "trojan",
	.serves = REACH_STRANGER,
	.parse = trojan_parse,
	.start = proxy_in_start,
	.stop = proxy_in_stop,
	.same = proxy_in_same,
	.greet = trojan_greet,
	.drop = srv_drop,
	.users = &trojan_users,
	.knows = srv_knows,
};
