/* socks_udp.h - UDP ASSOCIATE: a socket for the datagrams of one client */
#ifndef PROXY_IN_SOCKS_UDP_H
#define PROXY_IN_SOCKS_UDP_H

#include "gateway/core/session.h"

/*
 * Open an association for @s's client, answer, and take s->in (NULL then): it
 * ends with that connection. @tell: address the client is told; not an IP:
 * where it came to. 0 or -errno (s->in is untouched)
 */
int assoc_open(struct session *s, const struct addr *tell);

#endif
