/* origdst.h - Where a redirected client wanted to go */
#ifndef PROXY_IN_ORIGDST_H
#define PROXY_IN_ORIGDST_H

#include "gateway/base/addr.h"

/*
 * REDIRECT: ask connection tracking for what DNAT replaced. @local: what the
 * socket says. 0, or -errno (-ENOENT: not redirected, no tracking)
 */
int origdst_redirect(int fd, const struct addr *local, struct addr *out);

#endif
