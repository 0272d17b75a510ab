/*
 * host.h - What culvert sets up around itself on the host, and takes down
 *
 * Implemented in netstack/ (netlink) for the app; main thread only. Objects of
 * ours carry our protocol number, table and rule priorities, so that they are
 * found and removed by identity, also after kill -9.
 */
#ifndef GATEWAY_CORE_HOST_H
#define GATEWAY_CORE_HOST_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "gateway/core/config.h"

struct host;

/**
 * host_claim() - Be the one who sets this network namespace up
 * @full:	`culvert up`: own table, policy rules, DNS hijack, bypasses, mark,
 *		by one process at a time. false: only what the inbounds ask for
 *		(address, link up, autoSystemRoutingTable), as Xray, by anybody
 *
 * Called before any device is opened: one of many queues is shared with whoever
 * opens it, and with it the packets of the one that is up already.
 *
 * Return: 0 with *@out, -EBUSY: another one is up; other -errno, after log_error()
 */
int host_claim(bool full, struct host **out);
/**
 * host_start() - Bring the TUN devices of @cfg up, and the host's rules if asked
 * @cfg:	Borrowed until the next host_reload() or host_stop()
 *
 * Called after every worker has opened its queues. What a former life left is
 * removed first.
 *
 * Return: 0, or -errno after log_error(): host_stop() undoes what is done so far
 */
int host_start(struct host *h, const struct config *cfg);
/*
 * @cfg stays borrowed until the next host_reload() or host_stop().
 * A reload brought @cfg: apply differences, drop no flow. 0 or -errno
 */
int host_reload(struct host *h, const struct config *cfg);
/*
 * Before the workers leave what @cfg has not: TUN devices that are not its own stay
 * until host_reload(), as what they catch would pass by
 */
void host_keep_devices(const struct config *cfg);
/* Netlink monitor for the main loop: readable -> host_event(). -1: none */
int host_fd(const struct host *h);
void host_event(struct host *h);
/*
 * A TUN of @ib was deleted by somebody: its listeners are to be stopped on all
 * workers, then started, and host_reload() called. Any thread
 */
bool host_device_lost(const struct inbound *ib);
/* Undo what is set up; NULL is allowed */
void host_stop(struct host *h);
/*
 * Behind it, when no worker sends any more: what passed through us is forgotten, and
 * somebody else may set this namespace up
 */
void host_free(struct host *h);
/*
 * `culvert down`: end the culvert that set this network namespace up, if one
 * runs, and remove by identity what a dead one left. 0 or -errno
 */
int host_cleanup(FILE *out);
/* pid of the `culvert up` that set this network namespace up; 0 none */
pid_t host_holder(void);
/* Fill host.own_dns of @cfg, whose inbounds and ways of capture are known */
void host_own_dns(struct config *cfg);
/* `culvert rules`: what `up` would set up, as text nft -f takes. -ENOENT: nothing */
int host_rules_text(const struct config *cfg, FILE *out);
/*
 * `culvert status`: say whether an `up` of this network namespace runs, and what of it
 * is set up. 0, or -ESRCH
 */
int host_status(FILE *out);
/* `culvert check`: say in words what the host lacks. Number of problems */
int host_check(FILE *out);

#endif
