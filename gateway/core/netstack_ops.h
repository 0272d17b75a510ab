/* netstack_ops.h - How proxy/in/tun.c starts a netstack without knowing it */
#ifndef GATEWAY_CORE_NETSTACK_OPS_H
#define GATEWAY_CORE_NETSTACK_OPS_H

struct inbound;
struct listener;
struct worker;

/**
 * struct netstack_ops - Implemented in netstack/netstack.c
 * @start:	Attach @w's queue of the device of @ib (settings: struct tun_conf).
 *		0 with *@out, or -errno
 * @stop:	Detach and free; its flows are reset
 */
struct netstack_ops {
	int (*start)(const struct inbound *ib, struct worker *w,
		     struct listener **out);
	void (*stop)(struct listener *l);
};
extern const struct netstack_ops netstack_ops;

#endif
