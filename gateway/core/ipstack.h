/*
 * ipstack.h - TCP and UDP over packets that are no device's: inside a tunnel
 *
 * What proxy/layer's tunnels ask of the netstack without knowing it. A stack
 * belongs to one worker. It connects from addresses of its own, or lets everybody
 * in as sessions of an inbound, or both.
 *
 * A tunnel that workers share has a stack in each: a stack opens only ports whose
 * remainder by the number of lanes is its own, so that each packet finds its worker.
 */
#ifndef GATEWAY_CORE_IPSTACK_H
#define GATEWAY_CORE_IPSTACK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "gateway/base/addr.h"

struct dgram;
struct inbound;
struct ipstack;
struct job;
struct policy;
struct stream;
struct worker;

/* Whose an address inside is: a user, and the policy of his level; NULL: none */
struct ipstack_user {
	const char *name;
	const struct policy *policy;
};

/**
 * struct ipstack_conf - What a stack needs from its surroundings
 * @ib:		Whose sessions come out of it, asked for each packet, as a reload may
 *		change it; NULL: nobody is let in
 * @mtu:	Bytes of a packet
 * @own:	Addresses it connects from, IPv4 and IPv6; kind NONE: no such family
 * @lane, @lanes:	Its ports, see above
 * @send:	A packet leaves; it may get lost
 * @pass:	One of another lane came in, as @ipstack_ops.input's. NULL: @lanes is 1
 * @user:	Whose a session from @client will be. NULL: nobody's
 * @arg:	Of these
 */
struct ipstack_conf {
	struct worker *worker;
	const struct inbound *const *ib;
	uint16_t mtu;
	struct addr own[2];
	unsigned int lane, lanes;
	void (*send)(void *arg, const struct iovec *iov, int cnt);
	void (*pass)(void *arg, unsigned int lane, const uint8_t *p, size_t n);
	struct ipstack_user (*user)(void *arg, const struct addr *client);
	void *arg;
};

/**
 * struct ipstack_ops - Implemented in netstack/ipstack.c
 * @open:	0 with *@out, -ENOMEM, -ENOTSUP: too many workers
 * @close:	Streams and datagram ends still held answer -ENETDOWN
 * @input:	A packet came in, from a stranger. @p: aligned for a word; is changed
 * @connect:	To @to, an address: a stream that marks @job. 0 with *@out, or -errno;
 *		-EAFNOSUPPORT: no address of that family
 * @bind:	A port for datagrams, any remote may answer
 */
struct ipstack_ops {
	int (*open)(const struct ipstack_conf *conf, struct ipstack **out);
	void (*close)(struct ipstack *st);
	void (*input)(struct ipstack *st, uint8_t *p, size_t n);
	int (*connect)(struct ipstack *st, const struct addr *to,
		       struct job *job, struct stream **out);
	int (*bind)(struct ipstack *st, struct job *job, struct dgram **out);
};
extern const struct ipstack_ops ipstack_ops;

#endif
