/*
 * tun.h - TUN devices: one is shared by all workers, each has its own queue
 *
 * All queues are opened at once, before the device is brought up: the number of
 * attached queues must not change while flows are steered by it.
 */
#ifndef NETSTACK_TUN_H
#define NETSTACK_TUN_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/core/stats.h"
#include "netstack/packet.h"

struct config;
struct inbound;
struct owners;
struct tun_conf;

#define TUN_VNET_BYTES 10 /* virtio-net header of a frame */
#define TUN_IOV        256 /* pieces of one frame */

/**
 * struct tun_device - A device of this process, counted
 * @key:	What the configuration calls it
 * @name:	What the kernel calls it; "" for a descriptor handed in
 * @fds:	A queue each
 * @queues:	Their number: workers, but at most stack copies
 * @handed:	Opened and set up by somebody else
 * @held:	One reference is tun_hold()'s
 * @secret:	Of TCP's sequence numbers
 * @owners:	Whose TCP flow it is; NULL with one queue
 */
struct tun_device {
	struct tun_device *next;
	char key[64];
	char name[IFNAMSIZ];
	int fds[WORKERS_MAX];
	unsigned int queues, refs;
	struct owners *owners;
	uint64_t secret[2];
	bool vnet_hdr, tso, uso, handed, held;
};

/*
 * Find or make the device of @ib, and take a reference. Any thread. 0 with *@out,
 * or -errno after log_error(). @patient: a program that has it may be just ending,
 * and is waited for, 1 s; for those whom nobody waits for. A descriptor in the environment (xray.tun.fd,
 * XRAY_TUN_FD) is used instead of a new device.
 */
int tun_get(const struct inbound *ib, bool patient, struct tun_device **out);
/* The last reference closes the queues; the device is gone then */
void tun_put(struct tun_device *d);
/* Devices that no inbound of @cfg calls its own stay open until tun_release() */
void tun_hold(const struct config *cfg);
void tun_release(void);
/* Kernel name of the device of @ib into @out; false: not open, or handed in */
bool tun_name(const struct inbound *ib, char out[IFNAMSIZ]);
/* Did somebody delete the device of @ib? Its descriptors are of no use then */
bool tun_lost(const struct inbound *ib);

/* tun_open.c */
/* @n queues of @name ("%d" is replaced), or one if it has no more. 0 or -errno */
int tun_device_open(struct tun_device *d, const char *name, unsigned int n);
/* Take @fd, opened by somebody else, as it is. 0 or -errno */
int tun_device_adopt(struct tun_device *d, int fd);
void tun_device_close(struct tun_device *d);
bool tun_device_lost(const struct tun_device *d);
const char *tun_offload_name(const struct tun_device *d);
/* The descriptor in the environment, or -1 */
int tun_env_fd(void);

/* The virtio-net header, little-endian whatever the host is */
void vnet_encode(const struct vnet *v, bool v6, uint8_t out[TUN_VNET_BYTES]);
void vnet_decode(const uint8_t in[TUN_VNET_BYTES], struct vnet *out);

#endif
