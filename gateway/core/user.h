/*
 * user.h - Users of inbounds: their counters, and from where they are online
 *
 * A user is his email, whatever inbound he comes by. Users live until the process
 * ends, as counters do: what was counted survives reloads and removals.
 */
#ifndef GATEWAY_CORE_USER_H
#define GATEWAY_CORE_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"

struct counter;
struct online;
struct session;

/* @email as long as the process lives; NULL: out of memory. Any thread */
const char *user_keep(const char *email);
/* @s goes to an outbound: its counters and its place in the online list, as its
 * user's policy says. Once a session */
void user_meter(struct session *s);
/* @s is over: from there its user is not online any more, unless he still is */
void user_left(struct session *s);

/**
 * struct online_ip - From where a user is online
 * @seen_s:	Last session began; wall clock
 */
struct online_ip {
	struct addr ip;
	int64_t seen_s;
};

/*
 * Up to @max addresses of the user @email at @v. How many there are; -ENOENT: he
 * was never seen by a policy that asks for it
 */
int user_online(const char *email, struct online_ip *v, unsigned int max);
/* Each user who was ever seen so, and from how many addresses now. @fn must not
 * call user_*() */
void user_each(void (*fn)(const char *email, unsigned int ips, void *arg),
	       void *arg);

#endif
