/* target.h - A session's target becomes an address before its outbound sees it */
#ifndef GATEWAY_CORE_TARGET_H
#define GATEWAY_CORE_TARGET_H

struct session;

/*
 * targetStrategy of an outbound that would hand the name on. To be called until it
 * is not -EAGAIN. 0: s->target is as the outbound shall see it; -errno: an address
 * was a must, and there is none
 */
int target_resolve(struct session *s);

#endif
