/* sockopt.h - streamSettings.sockopt and the domain strategy words, from JSON */
#ifndef GATEWAY_CORE_SOCKOPT_H
#define GATEWAY_CORE_SOCKOPT_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/arena.h"
#include "gateway/base/jget.h"
#include "gateway/core/sock.h"

/**
 * sockopt_parse() - Read a "sockopt" object
 * @o:		Opened, and closed by the caller; absent gives the defaults
 * @so:		Filled, wrong members with their default (reported)
 * @a:		Keeps dialerProxy's tag
 *
 * Return: 0 or -ENOMEM
 */
int sockopt_parse(struct jobj *o, struct sockopt *so, struct arena *a);

/* o[key] as a domain strategy word; DS_AS_IS when absent or wrong (reported) */
enum domain_strategy ds_parse(struct jobj *o, const char *key);
/* "UseIPv4v6"; for messages */
const char *ds_name(enum domain_strategy ds);

/* A Force word: no address means failure, not the system's resolver */
static inline bool ds_forced(enum domain_strategy ds)
{
	return ds >= DS_FORCE_IP;
}

/**
 * ds_families() - What to look up for a strategy
 * @round:	0, then 1 when round 0 found nothing
 *
 * Return: DNS_V4 | DNS_V6, or 0: no further round
 */
unsigned int ds_families(enum domain_strategy ds, unsigned int round);

#endif
