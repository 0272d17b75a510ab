/*
 * udp.h - UDP: one map a client address:port, a session for each destination
 *
 *   client ip:port -- struct udp_map -- flows (orig dest -> session, leg, peer)
 *                                    \- legs (one dgram of one outbound)
 *
 * Endpoint independent (full cone): any remote may answer through a leg. The
 * decision (FakeDNS, sniffing, routing) is made for each destination; replies
 * of a destination that was renamed carry the address the client used.
 */
#ifndef GATEWAY_CORE_UDP_H
#define GATEWAY_CORE_UDP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "gateway/base/addr.h"
#include "gateway/base/list.h"
#include "gateway/core/dgram.h"
#include "gateway/core/job.h"

struct config;
struct inbound;
struct policy;
struct session;
struct worker;

struct udp_map; /* udp.c */

/**
 * udp_map_new() - A client's address:port was seen for the first time
 * @din:	Its inbound end, owned by the map from now on (closed when the map
 *		ends); din->job is set to the map's job
 * @client:	Source of the packets
 * @user, @skip_dns:	For its sessions
 *
 * The map reads @din whenever its job runs. Limits are checked here.
 *
 * Return: NULL when shed or out of memory (the caller keeps @din)
 */
struct udp_map *udp_map_new(struct worker *w, const struct inbound *ib,
			    const struct addr *client, struct dgram *din);
void udp_map_set(struct udp_map *m, const char *user, bool skip_dns);
/* Of the user's level, for its sessions; NULL: the inbound's */
void udp_map_set_policy(struct udp_map *m, const struct policy *p);
/* The client's port became known (SOCKS): before its first datagram is read */
void udp_map_set_client(struct udp_map *m, const struct addr *client);
/*
 * The generation that its inbound, its policy and what is below belong to. Without
 * this: the worker's, which may be a newer one than a session's
 */
void udp_map_set_cfg(struct udp_map *m, struct config *cfg);
void udp_map_set_vless_route(struct udp_map *m, uint16_t route);
/* Where the client's datagrams arrive, when that is not where they go to (a relay) */
void udp_map_set_relay(struct udp_map *m, const struct addr *relay);
/* @held: it does not end by itself when no flow is left (SOCKS association) */
void udp_map_hold(struct udp_map *m, bool held);
/* The inbound ends it (TCP association closed, device gone); reaped later */
void udp_map_kill(struct udp_map *m, int why);
struct job *udp_map_job(struct udp_map *m);
struct worker *udp_map_worker(const struct udp_map *m);
struct config *udp_map_cfg(const struct udp_map *m);
const struct addr *udp_map_client(const struct udp_map *m);
const struct addr *udp_map_relay(const struct udp_map *m); /* ADDR_NONE: none */
/* dispatch.c: @s got its outbound: send what waits. 0, -EAGAIN (resolving), -errno */
int udp_flow_open(struct session *s);
/* dispatch.c: @s was routed to a block: tell the client */
void udp_flow_reject(struct session *s);
/* Datagrams of @s that wait for the decision, in order; returns how many */
int udp_flow_pending(const struct session *s, struct iovec *v, int max);
/* How long @s may be silent: by kind (DNS, QUIC), else by policy */
uint32_t udp_flow_idle_ms(const struct session *s);
/* ses_reap(): @s ends; its flow and pending packets are freed */
void udp_flow_close(struct session *s);
/* How long @s may be silent: by port, and by whether it was ever answered */
uint32_t udp_flow_idle_ms(const struct session *s);
/* End of tick, after ses_reap(): free dead maps */
void udp_reap(struct worker *w);
/* After worker_init(), before the first map. 0 or -ENOMEM */
int udp_worker_start(struct worker *w);
/* Kills and reaps all maps and their sessions */
void udp_worker_stop(struct worker *w);

#endif
