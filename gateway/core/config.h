/*
 * config.h - One generation of the configuration: immutable, counted
 *
 * Made by the main thread, shared by all workers. Sessions hold a reference,
 * so an old generation lives until its last session ends.
 */
#ifndef GATEWAY_CORE_CONFIG_H
#define GATEWAY_CORE_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/arena.h"
#include "gateway/base/log.h"
#include "gateway/base/log_mask.h"
#include "gateway/core/capture.h"
#include "gateway/core/inbound.h"
#include "gateway/core/outbound.h"
#include "gateway/core/policy.h"

struct api_conf;
struct assets;
struct clash_conf;
struct dns;
struct fakedns;
struct observe;
struct router;

/**
 * struct host_conf - The "culvert" root object: what is not in Xray's config
 * @workers:	0: number of cores, at most 4
 * @mark, @mark_mask:	Bit(s) on every own socket while host rules are up
 * @table, @rule_pref:	Routing table and first rule priority of our own
 * @fail_closed:	Kill switch: traffic is blocked, not leaked, when we die
 * @hijack_dns:		Port 53 of this host and of the LAN goes to culvert
 * @reject_quic:	UDP port 443 that would be caught is refused instead
 * @up:		This generation is one of `culvert up`
 * @max_sessions:	0: from descriptors and memory
 * @own_dns:	Where questions to this host's own addresses come to by the TUN, of each
 *		family; kind NONE: they do not. They are for the resolver of this host
 */
struct host_conf {
	unsigned int workers;
	uint32_t mark, mark_mask;
	uint32_t table, rule_pref;
	enum capture capture;
	bool fail_closed, hijack_dns, hijack_local, reject_quic, up;
	struct cidr *bypass;
	unsigned int bypass_count;
	uint32_t max_sessions;
	struct addr own_dns[2];
	struct capture_conf how;
};

struct log_conf {
	enum log_level level;
	const char *access, *error; /* NULL default, "none", path */
	bool dns_log;
	struct log_mask mask;
};

/**
 * struct reverse - An outbound whose server's sessions come back by it
 * @ib:		What they come from: its tag, its sniffing, its level
 * @node:	Of "reverse", while parsing only
 */
struct reverse {
	struct reverse *next;
	const struct outbound *ob;
	struct inbound ib;
	const cJSON *node;
};

#define CONFIG_LEVELS 64

struct policy_level {
	uint32_t level;
	struct policy policy;
};

struct config {
	atomic_uint refs;
	unsigned int generation;
	struct arena arena; /* everything small below */
	struct inbound **inbounds;
	unsigned int inbound_count;
	struct outbound **outbounds; /* [0] is the default */
	unsigned int outbound_count;
	struct policy_level levels[CONFIG_LEVELS];
	unsigned int level_count;
	bool stats_on, stat_in_up, stat_in_down, stat_out_up, stat_out_down;
	struct log_conf log;
	struct host_conf host;
	/* of sessions to SES_MUX_NAME; NULL */
	const struct outbound *mux_server;
	struct router *router;
	struct dns *dns;
	const struct api_conf *api; /* what the API serves; NULL none */
	const struct clash_conf *clash; /* NULL: not served */
	struct inbound *own_listeners[3]; /* of api, metrics, clash; NULL */
	const struct observe *observe; /* probes of outbounds; NULL none */
	struct assets *assets; /* files that renew themselves; NULL none */
	struct reverse *reverses;
	bool portals; /* some outbound has clients that come for its sessions */
	struct fakedns *fakedns; /* one reference; NULL: none */
	struct transport **transports; /* to drop; app's */
	unsigned int transport_count;
	void (*free)(struct config *cfg); /* app's: called at zero references */
};

static inline struct config *config_ref(struct config *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

static inline void config_unref(struct config *c)
{
	if (c &&
	    atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
		c->free(c);
}

const struct policy *config_policy(const struct config *c, uint32_t level);
/* The inbound of @c that has the listener of @old after a reload; NULL: none has */
const struct inbound *config_same_inbound(const struct config *c,
					  const struct inbound *old);
const struct outbound *config_outbound(const struct config *c, const char *tag);

#endif
