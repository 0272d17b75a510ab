/* bridge.h - A client that lets its server's sessions come back (VLESS reverse) */
#ifndef PROXY_MUX_BRIDGE_H
#define PROXY_MUX_BRIDGE_H

#include "proxy/mux/server.h"

/* @cfg's, on this worker, in place of those before, whose connections end */
void bridges_start(struct worker *w, struct config *cfg);
void bridges_stop(struct worker *w);

/* server.c: one of our connections has been made. False: for nobody who is still there */
bool bridge_joined(struct server *v);
/* server.c: it ends, and is on no list any more */
void bridge_left(struct server *v);
/* server.c: a New frame of what the server tells us, not a session */
bool bridge_is_control(const struct server *v, const struct mux_frame *f);
/* NULL: there is one already */
struct sub *bridge_control(struct server *v, const struct mux_frame *f);

#endif
