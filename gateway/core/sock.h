/*
 * sock.h - Every own socket of culvert is made here, so that each one carries
 * the mark, and none can loop into the TUN
 */
#ifndef GATEWAY_CORE_SOCK_H
#define GATEWAY_CORE_SOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"

struct config;

/* Xray's domain strategy words (xray.md, 1 H) */
enum domain_strategy {
	DS_AS_IS,
	DS_USE_IP,
	DS_USE_IPV4,
	DS_USE_IPV6,
	DS_USE_IPV4V6,
	DS_USE_IPV6V4,
	DS_FORCE_IP,
	DS_FORCE_IPV4,
	DS_FORCE_IPV6,
	DS_FORCE_IPV4V6,
	DS_FORCE_IPV6V4,
};

/**
 * struct sock_custom - An option by its numbers ("customSockopt")
 * @net:	Of sockets whose "tcp4", "udp6" ... begins so; "" all
 * @text:	NULL: @value is what is set
 */
struct sock_custom {
	const char *net, *text;
	int level, opt, value;
};

/**
 * struct sockopt - streamSettings.sockopt, as far as it is about sockets
 * @mark:		SO_MARK; culvert's own bit (config host.mark) is added
 * @interface:		SO_BINDTODEVICE; "" none
 * @tfo:		-1 leave alone, 0 off, >0 on (listener: queue length)
 * @keep_idle_s, @keep_interval_s:	0 default (45, 45), -1 off
 * @user_timeout_ms, @window_clamp, @max_seg:	0 leave alone
 * @congestion:		"" leave alone
 * @domain_strategy:	How a server's name is resolved
 * @happy_delay_ms:	Step between two attempts, default 250
 * @happy_max:		Attempts at the same time, default 4
 * @happy_interleave:	RFC 8305 first address family count, default 1
 * @happy_v6_first:	Default false as Xray
 * @dialer_proxy:	Outbound tag to dial through; NULL none
 * @tproxy:		0 off, 1 tproxy, 2 redirect (listeners)
 * @trusted:		Names of HTTP headers: who sends one may say by X-Forwarded-For
 *			where the client is; ends with NULL. NULL: nobody (listeners)
 * @custom, @custom_count:	More options, in order
 * @penetrate:		Another way of the transport takes these options, too
 */
struct sockopt {
	uint32_t mark;
	char interface[16];
	int32_t tfo;
	int32_t keep_idle_s, keep_interval_s;
	uint32_t user_timeout_ms, window_clamp, max_seg;
	char congestion[16];
	uint8_t domain_strategy;
	bool mptcp, v6only, happy_v6_first, accept_proxy_protocol;
	bool penetrate;
	uint8_t tproxy;
	uint32_t happy_delay_ms;
	uint8_t happy_max, happy_interleave;
	const char *dialer_proxy;
	const char *const *trusted;
	const struct sock_custom *custom;
	unsigned int custom_count;
};

#define SOCKOPT_DEFAULT \
	((struct sockopt){ .tfo = -1, \
			   .happy_delay_ms = 250, \
			   .happy_max = 4, \
			   .happy_interleave = 1 })

/* Have both the same custom options? */
bool sock_same_custom(const struct sockopt *a, const struct sockopt *b);

/**
 * sock_open() - A non-blocking, close-on-exec socket with all options set
 * @so:		Options; NULL the defaults
 * @type:	SOCK_STREAM or SOCK_DGRAM
 *
 * An option the kernel refuses is logged once and left out, except interface
 * (traffic would leave by another way): that fails.
 *
 * Return: descriptor or -errno
 */
int sock_open(const struct sockopt *so, int family, int type);
/*
 * The same for a socket that speaks with clients (a relay of datagrams, a
 * reply source): the default outbound interface does not bind it. SOCK_RAW:
 * sends whole IP packets, receives nothing; needs CAP_NET_RAW
 */
int sock_open_local(const struct sockopt *so, int family, int type);
/* Bind an outbound socket to a source address (sendThrough). 0 or -errno */
int sock_bind(int fd, const struct addr *local);
/* Start a connect: 0 done or under way, else -errno */
int sock_connect(int fd, int family, const struct addr *to);
/* Largest IP packet that a socket with @so can send to @to, as far as known now;
 * bytes or -errno */
int sock_path_mtu(const struct sockopt *so, const struct addr *to);
/*
 * Listening stream or bound datagram socket with SO_REUSEPORT; fd or -errno.
 * A name is a unix socket: "/path", "/path,0660" with its mode, "@abstract", or
 * "@@padded"
 */
int sock_listen(const struct sockopt *so, const struct addr *at, int type);
/*
 * Does somebody listen on TCP @at already, though SO_REUSEPORT lets us in, too? Only before
 * we do so ourselves
 */
bool sock_is_taken(const struct addr *at);
/* " (what to do)" about -errno of it, for messages; "" when nothing is known */
const char *sock_listen_hint(int err);
/* Is @text meant as a unix socket? Then 0, or -errno when it cannot be one */
bool sock_is_unix(const char *text);
int sock_check_unix(const char *text);
/* A connected stream socket; fd or -errno (-EAGAIN: its queue is full) */
int sock_dial_unix(const char *text);
/* After the close of a listener: its file, if it has one, goes too */
void sock_unlisten(const struct addr *at);
/*
 * Process-wide: the bit added to each mark (0: none), and the interface that
 * unbound outbound sockets use ("" none; changed by the route monitor)
 */
void sock_set_own_mark(uint32_t mark);
uint32_t sock_own_mark(void);
void sock_set_interface(const char *name);

#endif
