/*
 * sockdiag.c - Asking the kernel about one socket, and about one address
 *
 *	nlmsghdr | inet_diag_req_v2             -> nlmsghdr | inet_diag_msg
 *	nlmsghdr | rtmsg | rtattr RTA_DST, addr -> nlmsghdr | rtmsg | ...
 *	                               or of both: nlmsghdr | nlmsgerr
 *
 * Source: sock_diag(7), rtnetlink(7), linux/inet_diag.h. The kernel answers while
 * the question is sent, so nothing is waited for. In a question about UDP the two
 * ends are swapped (net/ipv4/udp_diag.c).
 */
#include "gateway/route/sockdiag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/core/sniff.h"

#define ANSWER_BYTES 4096

static int family_of(const struct addr *a)
{
	return a->kind == ADDR_V6 ? AF_INET6 : AF_INET;
}

size_t sockdiag_write(uint8_t buf[SOCKDIAG_BYTES], uint8_t net,
		      const struct addr *local, const struct addr *remote)
{
	const struct addr *src = net == NET_UDP ? remote : local;
	const struct addr *dst = net == NET_UDP ? local : remote;
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 q;
	} m = {
		.h = { .nlmsg_len = sizeof(m),
		       .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		       .nlmsg_flags = NLM_F_REQUEST },
		.q = { .sdiag_family = (uint8_t)family_of(local),
		       .sdiag_protocol =
			       net == NET_UDP ? IPPROTO_UDP : IPPROTO_TCP,
		       .idiag_states = UINT32_MAX,
		       .id = { .idiag_sport = htons(src->port),
			       .idiag_dport = htons(dst->port),
			       .idiag_cookie = { INET_DIAG_NOCOOKIE,
						 INET_DIAG_NOCOOKIE } } },
	};

	memcpy(m.q.id.idiag_src, src->ip, addr_ip_len(src));
	memcpy(m.q.id.idiag_dst, dst->ip, addr_ip_len(dst));
	memcpy(buf, &m, sizeof(m));
	return sizeof(m);
}

size_t sockdiag_write_route(uint8_t buf[SOCKDIAG_BYTES], const struct addr *a)
{
	uint16_t len = (uint16_t)addr_ip_len(a);
	struct {
		struct nlmsghdr h;
		struct rtmsg q;
		struct rtattr dst;
		uint8_t ip[16];
	} m = {
		.h = { .nlmsg_len =
			       (uint32_t)(offsetof(__typeof__(m), ip) + len),
		       .nlmsg_type = RTM_GETROUTE,
		       .nlmsg_flags = NLM_F_REQUEST },
		.q = { .rtm_family = (uint8_t)family_of(a),
		       .rtm_dst_len = (uint8_t)(len * 8) },
		.dst = { .rta_len = (uint16_t)RTA_LENGTH(len),
			 .rta_type = RTA_DST },
	};

	memcpy(m.ip, a->ip, len);
	memcpy(buf, &m, m.h.nlmsg_len);
	return m.h.nlmsg_len;
}

/* The body of an answer: @size bytes of type @type into @out. 0 or -errno */
static int read_body(const uint8_t *p, size_t n, uint16_t type, void *out,
		     size_t size)
{
	struct nlmsghdr h;
	struct nlmsgerr e;

	if (n < NLMSG_HDRLEN)
		return -EPROTO;
	memcpy(&h, p, sizeof(h));
	if (h.nlmsg_len > n || h.nlmsg_len < NLMSG_HDRLEN)
		return -EPROTO;
	if (h.nlmsg_type == NLMSG_ERROR &&
	    h.nlmsg_len >= NLMSG_HDRLEN + sizeof(e)) {
		memcpy(&e, p + NLMSG_HDRLEN, sizeof(e));
		return e.error < 0 ? e.error : -EPROTO;
	}
	if (h.nlmsg_type != type || h.nlmsg_len < NLMSG_HDRLEN + size)
		return -EPROTO;
	memcpy(out, p + NLMSG_HDRLEN, size);
	return 0;
}

static struct addr read_addr(uint8_t family, const void *ip, uint16_t port)
{
	return family == AF_INET6 ? addr_v6(ip, ntohs(port)) :
				    addr_v4(ip, ntohs(port));
}

int sockdiag_read(const uint8_t *p, size_t n, struct sockdiag *out)
{
	struct inet_diag_msg m;
	int err = read_body(p, n, SOCK_DIAG_BY_FAMILY, &m, sizeof(m));

	if (err < 0)
		return err;
	*out = (struct sockdiag){
		.local = read_addr(m.idiag_family, m.id.idiag_src,
				   m.id.idiag_sport),
		.remote = read_addr(m.idiag_family, m.id.idiag_dst,
				    m.id.idiag_dport),
		.inode = m.idiag_inode,
		.uid = m.idiag_uid,
	};
	return 0;
}

int sockdiag_read_route(const uint8_t *p, size_t n, uint8_t *type)
{
	struct rtmsg m;
	int err = read_body(p, n, RTM_NEWROUTE, &m, sizeof(m));

	if (err == 0)
		*type = m.rtm_type;
	return err;
}

/* One question, one answer into @buf: its length or -errno */
static ssize_t talk(int protocol, const uint8_t *q, size_t n,
		    uint8_t buf[ANSWER_BYTES])
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = send(fd, q, n, 0);
	if (got >= 0)
		got = recv(fd, buf, ANSWER_BYTES, MSG_DONTWAIT);
	if (got < 0)
		got = -errno;
	close(fd);
	return got;
}

static int find(uint8_t net, const struct addr *local,
		const struct addr *remote, struct sockdiag *out)
{
	uint8_t q[SOCKDIAG_BYTES], a[ANSWER_BYTES];
	size_t asked = sockdiag_write(q, net, local, remote);
	ssize_t n = talk(NETLINK_SOCK_DIAG, q, asked, a);

	return n < 0 ? (int)n : sockdiag_read(a, (size_t)n, out);
}

int sockdiag_find(uint8_t net, const struct addr *local,
		  const struct addr *remote, struct sockdiag *out)
{
	struct sockdiag got;
	int err;

	if (!addr_is_ip(local) || local->kind != remote->kind)
		return -ENOENT;
	err = find(net, local, remote, &got);
	if (err < 0)
		return err;
	if (!got.inode || got.local.port != local->port)
		return -ENOENT;
	/* The kernel gives a listener where there is nothing better */
	if (net == NET_TCP &&
	    (!addr_eq(&got.local, local) || !addr_eq(&got.remote, remote)))
		return -ENOENT;
	*out = got;
	return 0;
}

bool sockdiag_is_local(const struct addr *a)
{
	uint8_t q[SOCKDIAG_BYTES], buf[ANSWER_BYTES], type;
	ssize_t n;

	if (!addr_is_ip(a))
		return false;
	n = talk(NETLINK_ROUTE, q, sockdiag_write_route(q, a), buf);
	return n > 0 && sockdiag_read_route(buf, (size_t)n, &type) == 0 &&
	       type == RTN_LOCAL;
}

/* A socket of our own is looked for: "no such handler" is "no such socket", too */
static bool net_works(uint8_t net)
{
	int fd = socket(
		AF_INET,
		SOCK_CLOEXEC | (net == NET_UDP ? SOCK_DGRAM : SOCK_STREAM), 0);
	struct sockaddr_in any = { .sin_family = AF_INET };
	struct addr at = addr_v4("\x7f\0\0\x01", 0), from = at;
	socklen_t len = sizeof(any);
	struct sockdiag got;
	bool works = false;

	from.port = 1;
	if (fd < 0)
		return false;
	if (bind(fd, (struct sockaddr *)&any, len) == 0 &&
	    (net == NET_UDP || listen(fd, 1) == 0) &&
	    getsockname(fd, (struct sockaddr *)&any, &len) == 0) {
		at.port = ntohs(any.sin_port);
		works = find(net, &at, &from, &got) == 0;
	}
	close(fd);
	return works;
}

bool sockdiag_works(void)
{
	return net_works(NET_TCP) && net_works(NET_UDP);
}
