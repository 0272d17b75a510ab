/*
 * udp_int.h - Inside of UDP: maps (udp.c), flows (udp_flow.c), legs (udp_leg.c)
 *
 * Life: everything is marked in a turn and freed in the reaper. A session owns
 * its flow until ses_reap() calls udp_flow_close(); a leg is closed when its
 * last flow is; a map is freed by udp_reap() when its last flow is gone.
 */
#ifndef GATEWAY_CORE_UDP_INT_H
#define GATEWAY_CORE_UDP_INT_H

#include "gateway/base/htab.h"
#include "gateway/base/timer.h"
#include "gateway/core/udp.h"
#include "gateway/core/worker.h"

struct outbound;

#define UDP_MAPS_MAX       16384 /* a worker */
#define UDP_MAPS_SOURCE    8192 /* a client address and worker */
#define UDP_FLOWS_MAX      32768 /* a worker; less when sessions are fewer */
#define UDP_FLOWS_MAP      4096 /* a map */
#define UDP_LEGS_MAP       64
#define UDP_WAIT_PKTS      64 /* a flow, while it cannot send */
#define UDP_WAIT_BYTES     (160u << 10)
#define UDP_WAIT_ALL_BYTES (8u << 20) /* a worker */
#define UDP_BLOCK_MS       10000 /* a refused destination is remembered */
#define UDP_LINGER_MS      5000 /* a map without flows */
#define UDP_FAMILY_WAIT_MS 100 /* for the better address family */
#define UDP_TURN_BATCHES   16 /* recv calls an end and turn */

#define UDP_DNS_IDLE_MS   10000
#define UDP_QUIC_IDLE_MS  120000
#define UDP_QUIC_FIRST_MS 30000

/**
 * struct udp_source - How much one client address holds
 * @maps:	Its maps, least recently used first
 */
struct udp_source {
	struct hnode node;
	struct addr host; /* port 0 */
	struct list maps;
	uint32_t count;
};

/**
 * struct udp_room - UDP of one worker; worker->rooms[ROOM_UDP]
 * @flows:	By map and destination; @peers: by leg and peer
 * @lru:	Flows, least recently used first
 * @wait_bytes:	Memory of all waiting queues
 */
struct udp_room {
	struct worker *worker;
	struct htab flows, peers, sources;
	struct list lru;
	uint32_t map_count, flow_count;
	uint32_t maps_max, maps_source_max, flows_max;
	size_t wait_bytes;
};

/**
 * struct udp_map - One client address and port
 * @node:	In worker->maps (least recently used first) or dead_maps
 * @timer:	Ends it some time after its last flow has gone
 * @relay:	Where its client sends to; ADDR_NONE: to the destinations
 * @held:	The inbound decides when it ends
 */
struct udp_map {
	struct job job; /* must be first */
	struct list node;
	struct list in_source;
	struct udp_room *room;
	struct udp_source *source;
	struct dgram *din; /* owned */
	const struct inbound *inbound; /* of cfg */
	struct config *cfg; /* one reference */
	const char *user;
	const struct policy *policy; /* of the user's level; NULL: @inbound's */
	struct addr client, relay;
	struct list flows; /* struct udp_flow.in_map */
	struct list legs; /* struct udp_leg.node */
	struct timer timer;
	uint32_t flow_count, leg_count;
	uint16_t vless_route; /* of its sessions */
	bool skip_dns, held, dead;
};

/**
 * struct udp_leg - One dgram of one outbound, shared by flows of a map
 * @dead:	It failed: not to be called but for close
 * @blocked:	The last send said -EAGAIN
 */
struct udp_leg {
	struct list node;
	int kind; /* outbound_leg_kind() of its flows */
	struct udp_map *map;
	const struct outbound *outbound; /* of cfg */
	struct config *cfg; /* one reference */
	struct dgram *d; /* owned */
	struct list flows; /* struct udp_flow.in_leg */
	bool dead, blocked;
};

/* A datagram that waits; payload follows */
struct udp_wait {
	struct udp_wait *next;
	size_t len;
	uint8_t data[];
};

/**
 * struct udp_flow - What one client address sends to one destination
 * @session:	NULL when only the refusal is remembered
 * @dest:	As the client addressed it; @name: owned copy behind it, or NULL
 * @peer:	As the leg addresses it; a name is the session's
 * @gone:	Detached: no packet finds it any more
 * @refused:	Routed to a block
 * @late:	The better family was waited for long enough
 * @retried:	Descriptors ran out once, another map was ended
 */
struct udp_flow {
	struct hnode by_dest, by_peer;
	struct list in_map, in_leg, lru;
	struct udp_map *map;
	struct udp_leg *leg; /* NULL until open */
	struct session *session;
	struct addr dest, peer;
	char *name;
	struct udp_wait *head, **tail;
	uint32_t waiting;
	size_t wait_bytes;
	struct timer timer;
	bool gone, answered, refused, late, retried;
};

static inline struct udp_room *udp_room(const struct worker *w)
{
	return w->rooms[ROOM_UDP];
}

/* The session limit is found out after the start; TCP keeps a quarter of it */
static inline uint32_t udp_flows_max(const struct udp_room *r)
{
	uint32_t n = r->worker->session_limit - r->worker->session_limit / 4;

	return n < r->flows_max ? n : r->flows_max;
}

/* udp.c */
void udp_map_touch(struct udp_map *m);
void udp_map_flowless(struct udp_map *m);
bool udp_evict_map(struct udp_room *r, const struct udp_map *not_this);

/* udp_flow.c */
struct udp_flow *udp_flow_find(struct udp_map *m, const struct addr *dest);
struct udp_flow *udp_flow_new(struct udp_map *m, const struct addr *dest);
/* The client sent @n packets to the flow's destination */
void udp_flow_put(struct udp_flow *f, struct pkt *v, int n);
void udp_flow_flush(struct udp_flow *f);
void udp_flow_free(struct udp_flow *f);
/* No packet finds it any more; its memory stays with the session */
void udp_flow_detach(struct udp_flow *f);

/* udp_leg.c: a leg of @m for @peer through the session's outbound; 0 or -errno */
int udp_leg_find(struct udp_flow *f, const struct addr *peer);
void udp_leg_leave(struct udp_flow *f);
/* Up to its budget from the remote ends to the client; true: there is more */
bool udp_leg_read(struct udp_leg *l);
void udp_leg_flush(struct udp_leg *l);
void udp_leg_fail(struct udp_leg *l, int err);
int udp_leg_send(struct udp_leg *l, struct pkt *v, int n);

#endif
