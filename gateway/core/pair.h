/*
 * pair.h - Two ends of a byte pipe: one is the client of a session, the other ours
 *
 * What a room dials "through routing": bytes written to our end are what the
 * session's client says.
 */
#ifndef GATEWAY_CORE_PAIR_H
#define GATEWAY_CORE_PAIR_H

#include "gateway/base/addr.h"
#include "gateway/core/stream.h"

struct inbound;
struct worker;

/**
 * pair_open() - A session of @ib to @to, and our end of it
 * @job:	Marked ready for our end
 * @ib, @to:	With its name must live until the session is reaped: a turn
 *		after our end was closed
 *
 * Closing our end ends the session; the session's end is what our end reads.
 *
 * Return: 0 with *@out, -ENOMEM, -ENOBUFS (too many sessions)
 */
int pair_open(struct worker *w, struct job *job, const struct inbound *ib,
	      const struct addr *to, struct stream **out);
/*
 * The same for a session that goes to the outbound @tag; NULL: by rules, for which
 * DNS may be asked
 */
int pair_open_by(struct worker *w, struct job *job, const struct inbound *ib,
		 const struct addr *to, const char *tag, struct stream **out);
/* Who asks, for the log: this host, at a port that only tells queries apart */
struct addr own_client(void);

#endif
