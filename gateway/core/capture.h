/*
 * capture.h - What `culvert up` catches and how: part of the "culvert" object
 *
 * Parsed by the app, carried out by netstack/; everything lives in the arena
 * of the configuration, but @direct.
 */
#ifndef GATEWAY_CORE_CAPTURE_H
#define GATEWAY_CORE_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/jget.h"
#include "gateway/core/cidrs.h"

enum capture {
	CAPTURE_NONE,
	CAPTURE_TUN,
	CAPTURE_REDIRECT,
	CAPTURE_TPROXY,
	CAPTURE_MIXED
};

/* How one protocol gets to us */
enum capture_way { BY_NONE, BY_TUN, BY_REDIRECT, BY_TPROXY };

#define MATCH_MAX 256 /* entries of one key */

/* User or group ids */
struct id_range {
	uint32_t lo, hi;
};

/**
 * struct capture_match - "include" or "exclude"
 * @interfaces:	Where forwarded traffic comes in; "ppp*" is a prefix
 * @sources:	Of forwarded traffic; @macs as text, checked
 * @uids, @gids, @cgroups:	Of this host's own traffic; cgroup v2 paths
 *		without a leading slash, checked
 * @destinations, @ports:	Of both
 */
struct capture_match {
	const char **interfaces, **macs, **cgroups;
	struct cidr *sources, *destinations;
	struct id_range *uids, *gids;
	struct port_range *ports;
	unsigned int interface_count, mac_count, cgroup_count, source_count,
		destination_count, uid_count, gid_count, port_count;
};

/**
 * struct capture_conf - All of it
 * @include:	Each key that is there must match
 * @exclude:	Nothing of it may match
 * @direct:	Destinations that never reach user space
 * @tcp, @udp:	enum capture_way, decided by the inbounds there are
 * @tcp_port, @udp_port, @dns_port:	Own listeners; 0: none
 */
struct capture_conf {
	struct capture_match include, exclude;
	struct cidrs direct;
	uint8_t tcp, udp;
	uint16_t tcp_port, udp_port, dns_port;
};

#endif
