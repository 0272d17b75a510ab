/* final.h - freedom's "finalRules": may this address be spoken to at all? */
#ifndef PROXY_OUT_FINAL_H
#define PROXY_OUT_FINAL_H

#include "gateway/base/arena.h"
#include "gateway/base/jget.h"
#include "gateway/core/dgram.h"

struct ipset;

#define FINAL_PORTS 32

/**
 * struct final_rule - All of it must hold
 * @tcp, @udp:	Which networks
 * @ports:	@port_count of them; 0: any
 * @ips:	NULL: any
 */
struct final_rule {
	bool allow, tcp, udp;
	unsigned int port_count;
	struct port_range ports[FINAL_PORTS];
	struct ipset *ips;
};

struct final_rules {
	unsigned int count;
	struct final_rule *v;
};

/* o["finalRules"]. 0 (wrong ones reported) or -ENOMEM */
int final_parse(struct jobj *o, struct final_rules *out, struct arena *a);
void final_drop(struct final_rules *f);
/* The first rule that holds decides; none: allowed. @a is an IP */
bool final_allows(const struct final_rules *f, bool udp, const struct addr *a);
/* Datagrams to and from others are dropped. Owns @below. 0 or -ENOMEM */
int final_dgram(const struct final_rules *r, struct dgram *below,
		struct dgram **out);

#endif
