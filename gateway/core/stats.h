/*
 * stats.h - Counters: named traffic counters and drop reasons
 *
 * Each worker adds to its own cell without a lock; readers sum the cells and
 * may be a few bytes behind (on 32-bit machines a read can tear).
 */
#ifndef GATEWAY_CORE_STATS_H
#define GATEWAY_CORE_STATS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "gateway/base/compat.h"
#include "gateway/base/htab.h"

#define WORKERS_MAX 16

struct worker;

/**
 * struct counter - One named counter, e.g. "inbound>>>tun-in>>>traffic>>>uplink"
 *
 * Lives until the process ends: counters survive reloads.
 * @base:	What a reset took away: cells are their workers' own. Under the lock,
 *		as @seen: the sum of cells that was told last
 */
struct counter {
	struct counter *next;
	struct hnode by_name;
	const char *name;
	uint64_t base, seen;
	uint64_t cell[WORKERS_MAX];
};

/* Find or make; any thread. NULL: out of memory */
struct counter *stat_get(const char *name);
/* kind>>>who>>>traffic>>>way, of any length */
struct counter *stat_traffic(const char *kind, const char *who,
			     const char *way);
/* @s may be NULL: not counted */
static inline void stat_add(struct counter *s, unsigned int worker, uint64_t n)
{
	if (s)
		count_add(&s->cell[worker], n);
}
/* What was counted since the last reset. -ENOENT: there is no such counter */
int stat_read(const char *name, bool reset, uint64_t *value);
/* So much of it was told (stat_read()), and does not count any more */
void stat_take(const char *name, uint64_t value);
/*
 * Each counter whose name contains @part, until @fn is false: it could not take one.
 * @reset: when it took all, they begin at 0 again. @fn must not call stat_*()
 */
void stat_each(const char *part, bool reset,
	       bool (*fn)(const char *name, uint64_t value, void *arg),
	       void *arg);

/* Why a packet or a flow was not carried; names in stats.c */
#define DROP_REASONS(X) \
	X(IP_SHORT, "ip: cut short") \
	X(IP_VERSION, "ip: version") \
	X(IP_HEADER, "ip: header or length field lies") \
	X(IP_CHECKSUM, "ip: checksum") \
	X(IP_MARTIAN, "ip: source or destination not allowed") \
	X(IP_PROTO, "ip: protocol not carried") \
	X(IP6_CHAIN, "ip6: extension headers") \
	X(FRAG_OVERLAP, "fragment: overlap") \
	X(FRAG_LIMIT, "fragment: limit") \
	X(FRAG_TIMEOUT, "fragment: never complete") \
	X(TCP_HEADER, "tcp: header") \
	X(TCP_OPTIONS, "tcp: options") \
	X(TCP_CHECKSUM, "tcp: checksum") \
	X(TCP_LIMIT, "tcp: flow limit") \
	X(TCP_STEER, "tcp: on its way to another worker") \
	X(TCP_CHALLENGE, "tcp: out of window, answered just now") \
	X(UDP_HEADER, "udp: header") \
	X(UDP_CHECKSUM, "udp: checksum") \
	X(UDP_QUEUE, "udp: queue full, oldest dropped") \
	X(UDP_LIMIT, "udp: mapping limit, oldest evicted") \
	X(UDP_SEND, "udp: send failed") \
	X(ICMP_HEADER, "icmp: header") \
	X(ICMP_KIND, "icmp: kind not answered") \
	X(TUN_WRITE, "tun: write refused") \
	X(NO_MEMORY, "out of memory") \
	X(SESSIONS, "session limit") \
	X(DESCRIPTORS, "descriptor limit") \
	X(FAKE_UNKNOWN, "fake address without a mapping") \
	X(LOOP, "original destination is our own listener") \
	X(ORIGDST, "no original destination") \
	X(EARLY, "listener: PROXY header wrong or missing") \
	X(ROUTE, "no outbound") \
	X(BLOCKED, "blocked by rule")

enum drop {
#define X(id, text) DROP_##id,
	DROP_REASONS(X)
#undef X
		DROP_COUNT
};
const char *drop_name(enum drop d);

/* What is worth counting and is no loss; names in stats.c */
#define EVENT_REASONS(X) \
	X(TCP_MOVED, "tcp: handed to the flow's worker") \
	X(UDP_MOVED, "udp: handed to the client's worker") \
	X(TCP_COOKIE_SENT, "tcp: handshakes answered without state") \
	X(TCP_COOKIE_TAKEN, "tcp: flows made from such an answer")

enum event {
#define X(id, text) EVENT_##id,
	EVENT_REASONS(X)
#undef X
		EVENT_COUNT
};
const char *event_name(enum event e);

#endif
