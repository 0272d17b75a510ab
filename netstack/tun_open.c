/*
 * tun_open.c - Opening TUN devices: our own with a queue each, or a descriptor
 *
 *   ladder:  USO + TSO + CSUM  ->  TSO + CSUM  ->  header only  ->  no header
 *            "udp+tcp"             "tcp"           "header"         "none"
 *
 * The ladder is about frames towards us. Whatever rung it ends on, the kernel
 * segments and sums what we write as long as there is a header. It begins at the
 * top, or, for tests, where the variable CULVERT_TUN_OFFLOAD says.
 * Source: Linux Documentation/networking/tuntap.rst, drivers/net/tun.c
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "netstack/tun.h"

/* Older headers lack them; Linux 6.2 */
enum {
	OFFLOAD_USO = 0x20 | 0x40,
	OFFLOAD_TSO = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6
};

enum rung { RUNG_NONE, RUNG_HEADER, RUNG_TSO, RUNG_USO };
static const char *const rung_names[] = { "none", "header", "tcp", "udp+tcp" };

static enum rung ladder_top(void)
{
	const char *text = getenv("CULVERT_TUN_OFFLOAD");

	for (unsigned int i = 0; text && i < ARRAY_SIZE(rung_names); i++)
		if (strcmp(text, rung_names[i]) == 0)
			return (enum rung)i;
	return RUNG_USO;
}

const char *tun_offload_name(const struct tun_device *d)
{
	return rung_names[d->uso      ? RUNG_USO :
			  d->tso      ? RUNG_TSO :
			  d->vnet_hdr ? RUNG_HEADER :
					RUNG_NONE];
}

static int queue_open(const char *name, short flags, struct ifreq *ifr)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	memset(ifr, 0, sizeof(*ifr));
	memcpy(ifr->ifr_name, name, strlen(name));
	ifr->ifr_flags = flags;
	if (ioctl(fd, TUNSETIFF, ifr) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/*
 * The first queue makes the device. It does without several queues when the
 * device exists and has one, and without a header on very old kernels. *@flags:
 * those it was made with
 */
static int device_open_first(struct tun_device *d, const char *name,
			     short *flags)
{
	short header = ladder_top() > RUNG_NONE ? IFF_VNET_HDR : 0;
	const short tries[] = { (short)(*flags | header),
				(short)((*flags & ~IFF_MULTI_QUEUE) | header),
				*flags };
	struct ifreq ifr;
	int fd = -EINVAL;

	for (unsigned int i = 0; i < ARRAY_SIZE(tries) && fd == -EINVAL; i++) {
		*flags = tries[i];
		fd = queue_open(name, *flags, &ifr);
	}
	if (fd < 0)
		return fd;
	d->vnet_hdr = *flags & IFF_VNET_HDR;
	memcpy(d->name, ifr.ifr_name, sizeof(d->name));
	d->name[IFNAMSIZ - 1] = '\0';
	return fd;
}

static void queue_offload(struct tun_device *d, int fd)
{
	enum rung top = ladder_top();
	int one = 1, size = TUN_VNET_BYTES;

	if (!d->vnet_hdr)
		return;
	/* ioctls that take flags take them by value */
	if (ioctl(fd, TUNSETVNETLE, &one) || ioctl(fd, TUNSETVNETHDRSZ, &size))
		log_warning("tun: %s: virtio header: %s", d->name,
			    strerror(errno));
	d->uso = top >= RUNG_USO &&
		 !ioctl(fd, TUNSETOFFLOAD,
			(unsigned long)(OFFLOAD_TSO | OFFLOAD_USO));
	d->tso = d->uso ||
		 (top >= RUNG_TSO &&
		  !ioctl(fd, TUNSETOFFLOAD, (unsigned long)OFFLOAD_TSO));
	/* the device may have been somebody's who wanted more */
	if (!d->tso)
		ioctl(fd, TUNSETOFFLOAD, 0ul);
}

void tun_device_close(struct tun_device *d)
{
	for (unsigned int i = 0; i < d->queues; i++)
		close(d->fds[i]);
	d->queues = 0;
}

bool tun_device_lost(const struct tun_device *d)
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	return d->queues && ioctl(d->fds[0], TUNGETIFF, &ifr) < 0 &&
	       errno == EBADFD;
}

int tun_device_open(struct tun_device *d, const char *name, unsigned int n)
{
	short flags = IFF_TUN | IFF_NO_PI;
	struct ifreq ifr;
	int fd;

	if (n > 1)
		flags |= IFF_MULTI_QUEUE;
	while (d->queues < n) {
		fd = d->queues ? queue_open(d->name, flags, &ifr) :
				 device_open_first(d, name, &flags);
		if (fd < 0) {
			tun_device_close(d);
			return fd;
		}
		queue_offload(d, fd);
		d->fds[d->queues++] = fd;
		if (!(flags & IFF_MULTI_QUEUE))
			break;
	}
	return 0;
}

/* What the kernel knows of it; where the question is not allowed (Android), no
 * header is assumed */
static int adopt_flags(struct tun_device *d, int fd)
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	if (ioctl(fd, TUNGETIFF, &ifr)) {
		if (errno == ENOTTY || errno == EBADF)
			return -errno; /* something else */
		log_info("tun: fd %d: %s; no offload", fd, strerror(errno));
		return 0;
	}
	/* IFF_NO_PI is always reported, whatever was asked for */
	if (!(ifr.ifr_flags & IFF_TUN)) {
		log_error("tun: fd %d: is no TUN", fd);
		return -EINVAL;
	}
	d->vnet_hdr = ifr.ifr_flags & IFF_VNET_HDR;
	queue_offload(d, fd);
	return 0;
}

int tun_device_adopt(struct tun_device *d, int fd)
{
	int flags = fcntl(fd, F_GETFL), err;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	err = adopt_flags(d, fd);
	if (err)
		return err;
	d->handed = true;
	d->fds[0] = fd;
	d->queues = 1;
	return 0;
}

int tun_env_fd(void)
{
	const char *text = getenv("xray.tun.fd");
	char *end;
	long fd;

	if (!text)
		text = getenv("XRAY_TUN_FD");
	if (!text || !*text)
		return -1;
	fd = strtol(text, &end, 10);
	return *end || fd < 0 || fd > 1 << 20 ? -1 : (int)fd;
}
