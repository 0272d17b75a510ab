/* session.h - One proxied request: a TCP flow, or the datagrams to one destination */
#ifndef GATEWAY_CORE_SESSION_H
#define GATEWAY_CORE_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <strings.h>

#include "gateway/base/addr.h"
#include "gateway/base/list.h"
#include "gateway/base/timer.h"
#include "gateway/core/inbound.h"
#include "gateway/core/job.h"
#include "gateway/core/link.h"
#include "gateway/core/outbound.h"
#include "gateway/core/sniff.h"
#include "gateway/core/stream.h"
#include "gateway/core/worker.h"

struct config;
struct counter;
struct dns_req;
struct online;
struct udp_map;
struct udp_flow;
struct whose;

/**
 * enum ses_state - Life of a session; dispatch.c moves it, nobody else
 *
 * GREET   destination unknown; inbound->greet() reads it (socks, http). tun, tproxy skip this
 * SNIFF   first bytes are looked at, up to SNIFF_WAIT_MS or SNIFF_MAX_BYTES
 * ROUTE   route_pick() may wait for dns, or for the program it comes from
 * OPEN    outbound->open() gave a stream or a leg; bytes may flow, policy handshake runs
 * RELAY   ops->up() was true; policy idle runs
 * DYING   ses_kill() was called; no field may change; reaped at the end of the tick
 */
enum ses_state {
	SES_GREET,
	SES_SNIFF,
	SES_ROUTE,
	SES_OPEN,
	SES_RELAY,
	SES_DYING
};
enum { UP, DOWN };

/* Connections to this name (any port) carry sessions: Mux.cool */
#define SES_MUX_NAME "v1.mux.cool"
static inline bool ses_to_mux(const struct addr *a)
{
	return a->kind == ADDR_NAME && a->len == sizeof(SES_MUX_NAME) - 1 &&
	       !strncasecmp(a->name, SES_MUX_NAME, a->len);
}

/* A connection that a client made so that sessions can come back by it */
#define SES_REVERSE_NAME "v1.rvs.cool"

/* How the outbound was found: printed in the access line */
enum route_how { HOW_RULE, HOW_DEFAULT, HOW_FORCED };

/**
 * struct ses_again - A loopback's sniffing of a session
 * @next:	That of the loopback before
 * @sniffing:	Of the outbound
 * @name:	What was found by it; the session's target or route_name may point here
 */
struct ses_again {
	struct ses_again *next;
	const struct sniffing *sniffing;
	char name[256];
};

/**
 * struct session - One proxied request
 * @source:	Who; @local: where the inbound accepted it
 * @orig:	Original destination, as the client addressed it
 * @target:	Where the outbound shall go: @orig, or the name found instead
 * @route_name:	Name for routing when it differs from the target's (routeOnly,
 *		fakedns); NULL: the target's
 * @domain:	Owned copy of the sniffed or fake name; @target and @route_name
 *		point into it
 * @again:	Owned; NULL: no loopback sniffed
 * @http_head:	Owned copy of a sniffed HTTP request head, NUL terminated; only
 *		when the router wants attributes
 * @vless_route:	Bytes 7 and 8 of the id that a VLESS client sent; 0: none
 * @user:	Inbound user (email); borrowed from the config; NULL none
 * @user_id:	Whose key it was shown, in this process; 0: nobody was asked for one
 * @stat_user, @online:	user.h; NULL: not counted. Of a bridge's session @stat_user are
 *		its outbound's
 * @policy:	Of that user's level; NULL: the inbound's
 * @block_ms:	What its outbound's rules forbid is swallowed so long
 * @why:	First -errno; 0 for a normal end. @why_side: 0 in, 1 out, 2 culvert
 */
struct session {
	struct job job; /* must be first */
	struct list node; /* worker->sessions, or worker->dying */
	enum ses_state state;
	uint8_t net; /* NET_TCP or NET_UDP */
	uint8_t proto; /* enum sniff_proto found */
	uint8_t route_how; /* enum route_how */
	uint8_t why_side;
	bool skip_dns; /* no DNS for routing: own queries, loopback */
	bool greeted; /* its target is known though the inbound greets: in mux */
	bool reverse; /* it carries sessions, from the server to the client */
	bool sniff_done, first_byte_seen, waited; /* sniffing waited in vain */
	bool opening; /* counted: it will need a descriptor */
	bool unreached; /* no connection to what its outbound dialed */
	uint8_t reroutes; /* passes through loopback outbounds */
	uint16_t vless_route;
	uint32_t sniff_seen; /* bytes the sniffers have seen */
	uint32_t id;
	struct config *cfg; /* one reference */
	const struct inbound *inbound;
	const char *inbound_tag; /* usually inbound->tag; loopback changes it */
	const char *forced_tag; /* outbound tag set by the inbound; NULL none */
	const struct outbound *outbound; /* NULL before ROUTE is done */
	const char *rule; /* ruleTag of the rule that matched; NULL */
	const char *user;
	uint64_t user_id;
	const struct policy *policy;
	struct counter *stat_user[2];
	struct online *online;
	struct stream *in, *out; /* owned; NULL for UDP */
	struct half half[2];
	struct addr source, local, orig, target;
	const char *route_name;
	char *domain, *http_head;
	struct ses_again *again;
	struct dns_req *dns; /* owned; while routing or resolving */
	struct whose *whose; /* owned; once a rule wanted to know the program */
	void *greet_state; /* inbound's, freed by its greet or at the end (free()) */
	struct udp_map *map; /* UDP: owner; NULL for TCP */
	struct udp_flow *flow; /* UDP: this destination's part of the map */
	struct timer timer;
	uint32_t born_ms, last_active, first_byte_ms;
	uint32_t block_ms;
	int why;
};

/**
 * ses_new() - Birth. Session limits are checked here (NULL: shed)
 * @in:		The client's stream, owned by the session from now on (TCP);
 *		on failure the caller keeps it
 *
 * The caller fills source, local, orig, target; then ses_start().
 */
struct session *ses_new(struct worker *w, const struct inbound *ib, uint8_t net,
			struct stream *in);
/* The session @j is the job of; NULL: another thing's */
struct session *ses_of(struct job *j);
/* First state by inbound (GREET or SNIFF), timers, job_ready */
void ses_start(struct session *s);
/* Idempotent; the only way to end one. @side: who ended it: 0 in, 1 out, 2 culvert */
void ses_kill(struct session *s, int why, int side);
/* End of tick: close and free everything on worker->dying */
void ses_reap(struct worker *w);
/* It has what it needs, or never will: others may have the descriptor */
void ses_settled(struct session *s);
/* dispatch.c: the only state machine of a session */
void ses_run(struct job *j);
/* UDP: ready for packets when state is OPEN or RELAY */
static inline bool ses_open(const struct session *s)
{
	return s->state == SES_OPEN || s->state == SES_RELAY;
}
/* Use the name in @found: owned copy, target or route_name by the rules of sniffing */
int ses_take_name(struct session *s, const struct sniffed *found);
/* Before it is routed again, it is sniffed by @sn of its configuration. 0 or -ENOMEM */
int ses_sniff_again(struct session *s, const struct sniffing *sn);
/* What it is sniffed by */
static inline const struct sniffing *ses_sniffing(const struct session *s)
{
	return s->again ? s->again->sniffing : &s->inbound->sniffing;
}
/* The fake address of a live flow is in use: other names' go before it */
void ses_keep_fake(const struct session *s);
/* What its outbound's rules are asked */
static inline struct reach ses_reach(const struct session *s)
{
	return (struct reach){ .net = s->net,
			       .stranger = s->inbound && s->inbound->ops ?
						   s->inbound->ops->serves :
						   REACH_OWN,
			       .id = s->id };
}
/*
 * Do @ob's own rules let @to be spoken to? If not, @s (NULL: nobody) is told how
 * long that is swallowed
 */
static inline bool ses_may_reach(struct session *s, const struct outbound *ob,
				 struct reach *r, const struct addr *to)
{
	if (!ob || !ob->ops || !ob->ops->may_reach ||
	    ob->ops->may_reach(ob, r, to))
		return true;
	if (s)
		s->block_ms = r->block_ms;
	return false;
}
/* The name routing looks at: route_name, else the target's, else NULL */
const char *ses_route_name(const struct session *s);
static inline void ses_active(struct session *s)
{
	s->last_active = s->job.worker->now_ms;
}
/* Why it ended, in words; returns @buf or a constant */
const char *ses_why_text(const struct session *s, char buf[96]);

#endif
