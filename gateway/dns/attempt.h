/*
 * attempt.h - One server asked for one question, until it answers or fails
 *
 *   ask -> answer, truncated      -> ask by TCP
 *       -> answer, FORMERR/NOTIMP -> ask without EDNS
 *       -> nothing, a third of the time -> the same query once more: not by TCP;
 *          on another one when a shared connection is silent
 *       -> failure of one of the system's nameservers -> the next of them
 *
 * An upstream's message is only stored when it comes; the attempt's own turn
 * does the rest, so that nothing is closed under a caller.
 */
#ifndef GATEWAY_DNS_ATTEMPT_H
#define GATEWAY_DNS_ATTEMPT_H

#include "gateway/base/list.h"
#include "gateway/dns/conf.h"
#include "gateway/dns/upstream.h"

/* What is asked; part of the lookup */
struct question {
	struct worker *worker;
	struct config *cfg;
	struct dns *dns;
	struct conns *conns;
	uint8_t family;
	char name[256];
};

/**
 * struct attempt - Embedded in nothing; owned by the lookup through @node
 * @place:	Of the server in the lookup's order
 * @probe:	The server was down: counted in its health
 * @over:	Ended: @done was called, or attempt_end()
 * @nameserver:	Which of the system's @nameserver_count is asked
 * @felled:	It ended by marking the server down
 * @got:	@found is an answer that was not looked at yet
 * @done:	Called once in the attempt's turn, rc 0 with @found, or -errno
 */
struct attempt {
	struct list node;
	struct job job;
	struct timer timer;
	struct question *q;
	const struct dns_server *server;
	struct dns_health *health;
	void (*done)(struct attempt *a, int rc);
	struct upstream up;
	struct dns_found found;
	uint32_t asked_ms, resend_ms;
	unsigned int place, nameserver, nameserver_count, tried;
	uint16_t id;
	bool probe, over, felled, got, edns, timed_out;
};

/**
 * attempt_new() - Ask @server
 * @q:		Must live as long as the attempt
 * @probe:	It is down; health_probe() allowed this
 *
 * Return: NULL with @err set when it failed at once; @done is not called then
 */
struct attempt *attempt_new(struct question *q, const struct dns_server *server,
			    bool probe, void (*done)(struct attempt *a, int rc),
			    int *err);
/* Stop asking; @done is not called any more. Harmless when it is over */
void attempt_end(struct attempt *a);
/* @a is over, and out of its list; not in its own turn */
void attempt_free(struct attempt *a);
/* The health of @server */
struct dns_health *attempt_health(struct dns *dns,
				  const struct dns_server *server);

#endif
