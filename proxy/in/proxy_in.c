/* proxy_in.c - What socks and http inbounds share: settings, life of a listener */
#include "proxy/in/proxy_in.h"

#include <errno.h>
#include <stdlib.h>

#include "gateway/core/config.h"
#include "gateway/core/listen.h"

int proxy_in_parse(struct inbound *ib, struct jobj *o, struct config *cfg,
		   struct proxy_conf **out)
{
	struct proxy_conf *c = arena_alloc(&cfg->arena, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	ib->settings = c;
	j_ignore(o, "timeout", "policy connIdle is used");
	err = in_need_port(o, ib);
	if (!err)
		err = in_parse_accounts(o, &c->accounts, &cfg->arena);
	*out = c;
	return err;
}

int proxy_in_start(const struct inbound *ib, struct worker *w,
		   struct listener **out)
{
	struct tcp_listener *tl = calloc(1, sizeof(*tl));
	int err;

	if (!tl)
		return -ENOMEM;
	err = listen_start(tl, ib, w);
	if (err) {
		free(tl);
		return err;
	}
	*out = &tl->l;
	return 0;
}

void proxy_in_stop(struct listener *l)
{
	struct tcp_listener *tl = container_of(l, struct tcp_listener, l);

	listen_stop(tl);
	free(tl);
}

/* Settings are looked at anew by each session: only the place counts */
bool proxy_in_same(const struct inbound *a, const struct inbound *b)
{
	return listen_same(a, b);
}

bool proxy_in_knows(const struct inbound *ib, const struct session *s)
{
	const struct proxy_conf *c = ib->settings;

	if (!c->need_auth)
		return true;
	for (unsigned int i = 0; i < c->accounts.count; i++)
		if (c->accounts.v[i].id == s->user_id)
			return true;
	return false;
}
