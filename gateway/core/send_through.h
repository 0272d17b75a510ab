/* send_through.h - Which address of this host an outbound's connections leave by */
#ifndef GATEWAY_CORE_SEND_THROUGH_H
#define GATEWAY_CORE_SEND_THROUGH_H

#include "gateway/base/addr.h"
#include "gateway/core/outbound.h"

/* enum send_how - Xray's sendThrough */
enum send_how {
	SEND_ADDR, /* send_through, or none */
	SEND_ORIGIN, /* where the inbound accepted the session */
	SEND_SRCIP, /* the client's own: this host must be let to use it */
	SEND_PREFIX, /* any address of a prefix, a new one each time */
};

/* Is it another address for each session? */
static inline bool send_through_varies(const struct outbound *ob)
{
	return ob->send_how == SEND_ORIGIN || ob->send_how == SEND_SRCIP;
}

/* An IP, "IP/bits", "origin", "srcip" to @ob. 0 or -EINVAL */
int send_through_parse(struct outbound *ob, const char *text);
/*
 * For a connection of @s (NULL: nobody's); port 0. Kind NONE: the kernel's choice
 * Source: Xray app/proxyman/outbound/handler.go, SetOutboundGateway (facts)
 */
struct addr send_through_pick(const struct outbound *ob,
			      const struct session *s);
/* The same when it is the session's own, for what sessions share; else NONE */
struct addr send_through_own(const struct outbound *ob,
			     const struct session *s);
/*
 * Bind @fd to @src; addresses of a client or of a prefix need not be this
 * host's. 0 or -errno
 */
int send_through_bind(const struct outbound *ob, int fd,
		      const struct addr *src);
/*
 * The same for a connection to @to, when @src is no NONE: 0 or -errno;
 * -EAFNOSUPPORT: no way out with an address of the other family
 */
int send_through_to(const struct outbound *ob, int fd, const struct addr *src,
		    const struct addr *to);

#endif
