/* proxy_in.h - What socks and http inbounds share: settings, life of a listener */
#ifndef PROXY_IN_PROXY_IN_H
#define PROXY_IN_PROXY_IN_H

#include "proxy/in/greet.h"

/* Accounts and place; *@out is ib->settings. 0 or -errno after diag */
int proxy_in_parse(struct inbound *ib, struct jobj *o, struct config *cfg,
		   struct proxy_conf **out);
/* inbound_ops */
int proxy_in_start(const struct inbound *ib, struct worker *w,
		   struct listener **out);
void proxy_in_stop(struct listener *l);
bool proxy_in_same(const struct inbound *a, const struct inbound *b);
/* Of socks and http: settings are a proxy_conf */
bool proxy_in_knows(const struct inbound *ib, const struct session *s);

#endif
