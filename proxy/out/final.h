/* final.h - freedom's "finalRules": may this address be spoken to at all? */
#ifndef PROXY_OUT_FINAL_H
#define PROXY_OUT_FINAL_H

#include "gateway/base/arena.h"
#include "gateway/base/jget.h"
#include "gateway/core/dgram.h"

struct ipset;
struct reach;

#define FINAL_PORTS 32

/**
 * struct final_rule - All of it must hold
 * @tcp, @udp:	Which networks
 * @ports:	@port_count of them; 0: any
 * @ips:	NULL: any
 * @delay_s:	How long what it blocks is swallowed: from, to
 */
struct final_rule {
	bool allow, tcp, udp;
	unsigned int port_count;
	struct port_range ports[FINAL_PORTS];
	struct ipset *ips;
	uint32_t delay_s[2];
};

struct final_rules {
	unsigned int count;
	struct final_rule *v;
};

/* o["finalRules"]. 0 (wrong ones reported) or -ENOMEM */
int final_parse(struct jobj *o, struct final_rules *out, struct arena *a);
void final_drop(struct final_rules *f);
#define FINAL_IMPLIED UINT32_MAX
/* Some address might be blocked */
bool final_any(const struct final_rules *f, uint8_t stranger);
/*
 * The first rule that holds decides, then the implied one: what is private is
 * not for strangers, and nothing for REACH_BACK; else allowed. @a is an IP. When not, @r->block_ms is set,
 * and *@rule (NULL: not asked) to the rule's place in the list, or FINAL_IMPLIED
 */
bool final_allows(const struct final_rules *f, struct reach *r,
		  const struct addr *a, uint32_t *rule);
/* Datagrams to and from others are dropped. Owns @below. 0 or -ENOMEM */
int final_dgram(const struct final_rules *r, uint8_t stranger,
		struct dgram *below, struct dgram **out);

#endif
