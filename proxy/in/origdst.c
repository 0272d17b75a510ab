/*
 * origdst.c - Where a redirected client wanted to go
 *
 * Source: Linux include/uapi/linux/netfilter_ipv4.h (SO_ORIGINAL_DST) and
 * netfilter_ipv6/ip6_tables.h (IP6T_SO_ORIGINAL_DST); a v4 client of a
 * dual-stack listener is asked for at the IPv4 level.
 */
#include "proxy/in/origdst.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { ORIGINAL_DST = 80 };

int origdst_redirect(int fd, const struct addr *local, struct addr *out)
{
	struct sockaddr_storage ss = { 0 };
	int level = local->kind == ADDR_V6 ? IPPROTO_IPV6 : IPPROTO_IP;
	socklen_t len = local->kind == ADDR_V6 ? sizeof(struct sockaddr_in6) :
						 sizeof(struct sockaddr_in);

	if (getsockopt(fd, level, ORIGINAL_DST, &ss, &len) < 0)
		return -errno;
	*out = addr_from_sockaddr(&ss);
	return addr_is_ip(out) ? 0 : -EAFNOSUPPORT;
}
