/*
 * tun.c - TUN devices: which are open, and the virtio-net header
 *
 * Source: virtio 1.2, 5.1.6.
 */
#include "netstack/tun.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/inbound.h"
#include "gateway/core/tun_conf.h"
#include "gateway/core/worker.h"
#include "netstack/lw.h"
#include "netstack/nl.h"
#include "netstack/owners.h"

enum {
	GSO_UDP_L4 = 5, /* older headers lack it; Linux 6.2 */
	TAKEN_TRIES = 20,
	TAKEN_MS = 50,
};

/* Shared by all workers: which devices are open */
static pthread_mutex_t tun_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tun_device *tun_devices;

void vnet_encode(const struct vnet *v, bool v6, uint8_t out[TUN_VNET_BYTES])
{
	uint16_t field[4] = { v->hdr_len, v->gso_size, v->csum_start,
			      v->csum_offset };

	out[0] = v->csum_partial ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0;
	out[1] = VIRTIO_NET_HDR_GSO_NONE;
	if (v->gso == GSO_UDP)
		out[1] = GSO_UDP_L4;
	else if (v->gso != GSO_NONE)
		out[1] = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 :
			      VIRTIO_NET_HDR_GSO_TCPV4;
	for (unsigned int i = 0; i < ARRAY_SIZE(field); i++)
		put_le16(out + 2 + i * 2, field[i]);
}

void vnet_decode(const uint8_t in[TUN_VNET_BYTES], struct vnet *out)
{
	*out = (struct vnet){
		.csum_partial = in[0] & VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_ok = in[0] & VIRTIO_NET_HDR_F_DATA_VALID,
		.hdr_len = get_le16(in + 2),
		.gso_size = get_le16(in + 4),
		.csum_start = get_le16(in + 6),
		.csum_offset = get_le16(in + 8),
	};
	switch (in[1] & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		out->gso = GSO_TCP4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		out->gso = GSO_TCP6;
		break;
	case GSO_UDP_L4:
		out->gso = GSO_UDP;
		break;
	default: /* _GSO_UDP is one datagram, to be fragmented */
		out->gso = GSO_NONE;
	}
}

/* --- the table ------------------------------------------------------------- */

static void device_key(const struct inbound *ib, char key[64])
{
	const struct tun_conf *tc = ib->settings;

	snprintf(key, 64, "%s %.40s", tc->name ? tc->name : "",
		 tc->name ? "" : ib->tag);
}

/* A queue for each worker that has a copy of the stack */
static unsigned int queues_wanted(void)
{
	if (!workers_count)
		return 1;
	return workers_count < lw_table_len ? workers_count : lw_table_len;
}

struct queues {
	const char *name;
	unsigned int count;
};

static void look_queues(struct nlmsghdr *h, void *arg)
{
	struct queues *q = arg;

	nlk_tun_read(h, q->name, &q->count);
}

/*
 * Has another program queues of the device? The kernel would give us ours beside
 * them, and a part of the flows. Not known: no
 */
static bool is_taken(const char *name)
{
	struct queues q = { .name = name };
	unsigned int ours = 0;
	struct nlk nl;

	if (nlk_open(&nl, NETLINK_ROUTE) < 0)
		return false;
	nlk_dump(&nl, RTM_GETLINK, AF_UNSPEC, look_queues, &q);
	nlk_close(&nl);
	for (const struct tun_device *d = tun_devices; d; d = d->next)
		if (!strcmp(d->name, name))
			ours += d->queues;
	return q.count > ours;
}

static int device_open(struct tun_device *d, const struct tun_conf *tc)
{
	if (tc->name && is_taken(tc->name))
		return -EBUSY;
	return tun_device_open(d, tc->name ? tc->name : "culvert%d",
			       queues_wanted());
}

static int device_make(const struct inbound *ib, const char *key,
		       struct tun_device **out)
{
	const struct tun_conf *tc = ib->settings;
	struct tun_device *d = calloc(1, sizeof(*d));
	int fd = tc->fd >= 0 ? tc->fd : tun_env_fd(), err;

	if (!d)
		return -ENOMEM;
	memcpy(d->key, key, sizeof(d->key));
	rand_bytes(d->secret, sizeof(d->secret));
	err = fd >= 0 ? tun_device_adopt(d, fd) : device_open(d, tc);
	if (err >= 0 && d->queues > 1) {
		d->owners = owners_new();
		err = d->owners ? 0 : -ENOMEM;
	}
	if (err < 0) {
		tun_device_close(d);
		free(d);
		return err;
	}
	log_info("tun: %s: %u queues, offload %s", d->handed ? "fd" : d->name,
		 d->queues, tun_offload_name(d));
	d->next = tun_devices;
	tun_devices = d;
	*out = d;
	return 0;
}

static struct tun_device *device_find(const char *key)
{
	struct tun_device *d = tun_devices;

	while (d && strcmp(d->key, key) != 0)
		d = d->next;
	return d;
}

/* What to do about it; "" nothing that is known */
static const char *open_hint(int err)
{
	switch (err) {
	case EPERM:
	case EACCES:
		return " (run it as root, or with CAP_NET_ADMIN)";
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return " (there is no /dev/net/tun: modprobe tun, or let the "
		       "container have it; `culvert up --capture redirect` "
		       "does without)";
	case EBUSY:
		return " (another program has a device of this name: "
		       "`culvert status`)";
	case EINVAL:
		return " (a device of this name is no TUN, or of another kind)";
	default:
		return "";
	}
}

static int find_or_make(const struct inbound *ib, struct tun_device **out)
{
	struct tun_device *d;
	char key[64] = "";
	int err = 0;

	device_key(ib, key);
	pthread_mutex_lock(&tun_lock);
	d = device_find(key);
	if (!d)
		err = device_make(ib, key, &d);
	if (!err && d) { /* always, but -fsanitize=thread doubts it */
		d->refs++;
		*out = d;
	}
	pthread_mutex_unlock(&tun_lock);
	return err;
}

int tun_get(const struct inbound *ib, bool patient, struct tun_device **out)
{
	int err = find_or_make(ib, out);

	for (int i = 0; err == -EBUSY && patient && i < TAKEN_TRIES; i++) {
		clock_sleep_ms(TAKEN_MS);
		err = find_or_make(ib, out);
	}
	if (err)
		log_error("tun: %s: cannot open the device: %s%s", ib->tag,
			  strerror(-err), open_hint(-err));
	return err;
}

/* The lock is held */
static void device_unref(struct tun_device *d)
{
	struct tun_device **pp = &tun_devices;

	if (--d->refs)
		return;
	while (*pp != d)
		pp = &(*pp)->next;
	*pp = d->next;
	tun_device_close(d);
	owners_free(d->owners);
	free(d);
}

void tun_put(struct tun_device *d)
{
	pthread_mutex_lock(&tun_lock);
	device_unref(d);
	pthread_mutex_unlock(&tun_lock);
}

static bool is_of(const struct tun_device *d, const struct config *cfg)
{
	char key[64];

	for (unsigned int i = 0; i < cfg->inbound_count; i++) {
		if (strcmp(cfg->inbounds[i]->ops->name, "tun") != 0)
			continue;
		device_key(cfg->inbounds[i], key);
		if (!strcmp(d->key, key))
			return true;
	}
	return false;
}

void tun_hold(const struct config *cfg)
{
	pthread_mutex_lock(&tun_lock);
	for (struct tun_device *d = tun_devices; d; d = d->next) {
		if (d->held || is_of(d, cfg))
			continue;
		d->held = true;
		d->refs++;
	}
	pthread_mutex_unlock(&tun_lock);
}

void tun_release(void)
{
	struct tun_device *d, *next;

	pthread_mutex_lock(&tun_lock);
	for (d = tun_devices; d; d = next) {
		next = d->next;
		if (!d->held)
			continue;
		d->held = false;
		device_unref(d);
	}
	pthread_mutex_unlock(&tun_lock);
}

bool tun_lost(const struct inbound *ib)
{
	const struct tun_device *d;
	char key[64] = "";
	bool lost;

	device_key(ib, key);
	pthread_mutex_lock(&tun_lock);
	d = device_find(key);
	lost = d && !d->handed && tun_device_lost(d);
	pthread_mutex_unlock(&tun_lock);
	return lost;
}

bool tun_name(const struct inbound *ib, char out[IFNAMSIZ])
{
	struct tun_device *d;
	char key[64] = "";

	device_key(ib, key);
	pthread_mutex_lock(&tun_lock);
	d = device_find(key);
	if (d)
		memcpy(out, d->name, IFNAMSIZ);
	pthread_mutex_unlock(&tun_lock);
	return d && !d->handed;
}
