/*
 * resolver.h - Questions of this worker that wait for servers
 *
 * A question (name, family) becomes a lookup; equal questions share it. Who
 * wants the result embeds a waiter.
 */
#ifndef GATEWAY_DNS_RESOLVER_H
#define GATEWAY_DNS_RESOLVER_H

#include "gateway/dns/conf.h"

struct lookup;

enum {
	RESOLVE_SYSTEM = 1u << 0, /* the system's servers only */
	RESOLVE_FAKE = 1u << 1, /* fakedns servers count */
};

/**
 * struct waiter - Wants the result of one question
 * @lookup:	NULL when it does not wait
 * @family, @flags:	What is asked, set by the asker; RESOLVE_*
 * @done:	Called once, in the lookup's turn; may free the waiter
 */
struct waiter {
	struct list node;
	struct lookup *lookup;
	uint8_t family, flags;
	void (*done)(struct waiter *wt, const struct dns_outcome *o);
};

/**
 * resolve() - Hosts, cache, then servers in order
 * @name:	Lower case; not empty
 *
 * Return: 0 with @out at once, -EAGAIN: @wt->done will be called, -errno
 */
int resolve(struct worker *w, struct config *cfg, const char *name,
	    struct waiter *wt, struct dns_outcome *out);
void waiter_cancel(struct waiter *wt);

#endif
