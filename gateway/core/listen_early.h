/*
 * listen_early.h - Accepted connections that have a header to send first: who
 * they come from (inbound.head, PROXY protocol)
 */
#ifndef GATEWAY_CORE_LISTEN_EARLY_H
#define GATEWAY_CORE_LISTEN_EARLY_H

#include "gateway/core/listen.h"

#define EARLY_MAX 256 /* a listener and worker; then the oldest goes */

/**
 * struct ends - Of an accepted connection: the client, and where it was accepted
 */
struct ends {
	struct addr source, local;
};

/*
 * Wait for the header of @fd (owned), then call @a's owner's ready() with the
 * ends it tells. Refused with a log line: no header, a wrong one, none within
 * policy.handshake
 */
void early_begin(struct acceptor *a, int fd, const struct ends *e);
/* Close all that wait at @tl */
void early_stop(struct tcp_listener *tl);

#endif
