/* outbound.h - Where sessions go */
#ifndef GATEWAY_CORE_OUTBOUND_H
#define GATEWAY_CORE_OUTBOUND_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/jget.h"
#include "gateway/core/dgram.h"
#include "gateway/core/sock.h"
#include "gateway/core/stream.h"

struct config;
struct outbound;
struct session;
struct counter;
struct health;
struct transport;
struct trouble;
struct udp_map;
struct outbound_wrap;

/* What an outbound's own rules forbid ends so; no system call gives it */
#define EFORBIDDEN ENOTNAM

/**
 * enum reach_who - What is theirs, where no rule says so
 *
 * REACH_OWN	all
 * REACH_STRANGER	all but what is private here: a client of a server
 * REACH_BACK	nothing: what comes back through a server that was dialed
 */
enum reach_who { REACH_OWN, REACH_STRANGER, REACH_BACK };

/**
 * struct reach - May a session's outbound speak to an address?
 * @net:	NET_TCP or NET_UDP
 * @stranger:	For whom (inbound_ops.serves): enum reach_who
 * @id:		Of the session, for the log
 * @block_ms:	Set by the answer no: how long a stream is swallowed
 */
struct reach {
	uint8_t net, stranger;
	uint32_t id;
	uint32_t block_ms;
};

/**
 * struct outbound_ops - One kind of outbound
 * @name, @alias:	The JSON "protocol" and its second name (or NULL)
 * @xudp:	UDP goes as XUDP in connections to v1.mux.cool (vless, vmess);
 *		only ports 53 and 443 come to open_dgram
 * @may_reach:	Its own rules let @to be spoken to; else why is in @r, and logged.
 *		A name: it may go on as a name, to be looked up elsewhere. NULL:
 *		always
 * @local:	Dials targets itself: names are resolved before open_dgram's sends
 * @answers:	Each datagram is answered by itself: no flow lives on with an older
 *		configuration than the one in force
 * @parse:	Read settings. 0 or -errno after diag
 * @open:	Build the stack for s->target. 0 with *@out owned by the caller,
 *		-errno. -EACCES: blocked (the client is reset at once)
 * @open_dgram:	One leg of @m, shared by its destinations. NULL: no UDP here
 * @reroute:	Changes the session and sends it through routing again, or through
 *		sniffing, too: ses_sniff_again(). 0 or -errno
 *		(loopback). NULL: an ordinary outbound
 * @drop:	Free what the arena does not. NULL: nothing
 */
struct outbound_ops {
	const char *name, *alias;
	bool local, xudp, answers;
	int (*parse)(struct outbound *ob, struct jobj *settings,
		     struct config *cfg);
	int (*open)(const struct outbound *ob, struct session *s,
		    struct stream **out);
	int (*open_dgram)(const struct outbound *ob, struct udp_map *m,
			  struct session *s, struct dgram **out);
	bool (*may_reach)(const struct outbound *ob, struct reach *r,
			  const struct addr *to);
	int (*reroute)(const struct outbound *ob, struct session *s);
	void (*drop)(struct outbound *ob);
};

/**
 * struct outbound_wrap - What stands between sessions and an outbound: mux
 * @open, @open_dgram:	As those of the outbound, which they may call
 * @leg_kind:	Flows of a map share a leg only when this is the same for them;
 *		-EACCES: refused
 */
struct outbound_wrap {
	int (*open)(const struct outbound *ob, struct session *s,
		    struct stream **out);
	int (*leg_kind)(const struct outbound *ob, const struct session *s);
	int (*open_dgram)(const struct outbound *ob, struct udp_map *m,
			  struct session *s, struct dgram **out);
};

/**
 * struct outbound - One configured outbound, immutable after parsing
 * @dialer:	Outbound this one dials through (dialerProxy, proxySettings); NULL
 * @send_through, @send_bits, @send_how:	See send_through.h
 * @target_strategy:	How the session's target is resolved before the protocol
 *		sees it (enum domain_strategy)
 * @health:	What probes know; NULL: it is not probed
 * @trouble:	What sessions found out; NULL: it has no server
 * @wrap, @wrap_conf:	Mux and its settings; NULL: none
 * @xudp_only:	All of its UDP is XUDP, and TCP is not muxed (VLESS with a flow)
 * @no_udp443:	Such UDP is refused: browsers then use TCP
 */
struct outbound {
	const struct outbound_ops *ops;
	const char *tag;
	const cJSON *node; /* for messages while parsing only */
	const struct outbound *dialer;
	const struct transport *transport; /* never NULL after parsing */
	struct addr send_through;
	uint8_t target_strategy, send_how, send_bits;
	struct sockopt sockopt;
	struct counter *stat_up, *stat_down;
	void *settings;
	struct health *health;
	struct trouble *trouble;
	const struct outbound_wrap *wrap;
	void *wrap_conf;
	bool xudp_only, no_udp443;
};

/* How everybody opens one: through what is around it. As the ops */
static inline int outbound_open(const struct outbound *ob, struct session *s,
				struct stream **out)
{
	return ob->wrap ? ob->wrap->open(ob, s, out) :
			  ob->ops->open(ob, s, out);
}

static inline int outbound_leg_kind(const struct outbound *ob,
				    const struct session *s)
{
	if (ob->wrap)
		return ob->wrap->leg_kind(ob, s);
	return ob->ops->open_dgram ? 0 : -EACCES;
}

static inline int outbound_open_dgram(const struct outbound *ob,
				      struct udp_map *m, struct session *s,
				      struct dgram **out)
{
	return ob->wrap ? ob->wrap->open_dgram(ob, m, s, out) :
			  ob->ops->open_dgram(ob, m, s, out);
}

/*
 * The datagrams of @ob itself go through its dialer: a leg of that one, to be
 * fed with addresses. Whoever packs into the worker's scratch above it needs
 * memory of its own
 */
static inline int outbound_dial_dgram(const struct outbound *ob,
				      struct udp_map *m, struct session *s,
				      struct dgram **out)
{
	int kind = outbound_leg_kind(ob->dialer, s);

	return kind < 0 ? kind : outbound_open_dgram(ob->dialer, m, s, out);
}

#endif
