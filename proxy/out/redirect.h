/* redirect.h - freedom's "redirect": another host or port for the target */
#ifndef PROXY_OUT_REDIRECT_H
#define PROXY_OUT_REDIRECT_H

#include "gateway/base/addr.h"
#include "gateway/base/arena.h"
#include "gateway/core/dgram.h"

struct config;
struct worker;

/*
 * "host:port", ":port" (kind NONE), "host:0", "[v6]:port"; a name is copied to
 * @a. 0, -EINVAL, -ENOMEM
 */
int redirect_parse(const char *text, struct arena *a, struct addr *out);
/* What @r leaves open stays in @to */
void redirect_apply(const struct addr *r, struct addr *to);
/*
 * A layer that sends everything to @r, and puts the client's address back into
 * answers. Owns @below (closed on failure). 0 with *@out, or -errno
 */
int redirect_dgram(struct worker *w, struct config *cfg, const struct addr *r,
		   struct dgram *below, struct dgram **out);

#endif
