/*
 * upstream.h - One query on its way to one server
 *
 *   routed    our end (a dgram, or of a pair) is the "client" of a UDP map or
 *             session whose inbound has the dns tag: routing rules decide
 *   straight  a marked socket of our own
 *   shared    a connection to an encrypted server, with other queries (conn.h)
 *
 * Each query of the first two has a map or socket of its own, so that the kernel
 * gives it a random source port; with the random id an answer is hard to guess.
 */
#ifndef GATEWAY_DNS_UPSTREAM_H
#define GATEWAY_DNS_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/core/worker.h"
#include "gateway/dns/conn.h"
#include "gateway/dns/frame.h"
#include "proxy/wire/dns_msg.h"

struct config;
struct dgram;
struct dns_server;
struct inbound;
struct stream;
struct up_end;

/**
 * struct upstream - Embedded in the lookup; zero is closed
 * @job:	Marked ready when upstream_run() has something to do
 * @answer:	Looks at a message that came from the server: true when it is
 *		the answer; called at any time, must not close the upstream
 * @to:		The server; a name only when routed
 * @err:	-errno: nothing more will come
 * @via:	Shared: the server, of @cfg; its connections are in @conns
 * @ask:	Shared: our place there. @id: that of the message, which has 0
 * @age_s:	Of the answer: its times to live are so much older
 * @timed_out:	It is closed because nothing came
 * @query:	Two length bytes (for TCP), then the message
 * @sent:	Bytes of @query that are out (TCP)
 * @rx:		TCP: the answer so far
 * @end:	Routed, UDP: our end, freed by the map that owns it
 * @d, @s:	Straight: our socket; @s: routed, TCP: our end of a pair
 */
struct upstream {
	struct worker *worker;
	struct job *job;
	bool (*answer)(struct upstream *u, const uint8_t *msg, size_t n);
	struct addr to;
	bool tcp, open;
	int err;
	const struct dns_server *via;
	struct config *cfg;
	struct conns *conns;
	struct conn_ask ask;
	uint16_t id;
	bool timed_out;
	uint32_t age_s;
	uint8_t query[2 + DNS_PADDED_MAX];
	size_t query_len, sent;
	struct frame rx;
	struct up_end *end;
	struct dgram *d;
	struct stream *s;
};

/*
 * Send the message in @u->query. @ib: routed with this inbound; NULL: straight.
 * 0 or -errno (then it is closed)
 */
int upstream_open(struct upstream *u, const struct inbound *ib);
/* @d, @s: read and write. Called from the job */
void upstream_run(struct upstream *u);
/* Send a UDP query once more: the first one may be lost. Shared: see conn.h */
void upstream_again(struct upstream *u);
void upstream_close(struct upstream *u);

#endif
