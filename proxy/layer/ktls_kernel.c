/*
 * ktls_kernel.c - kTLS of Linux: keys, records that are no data
 *
 * Source: Linux, Documentation/networking/tls.rst, include/uapi/linux/tls.h;
 * RFC 8446, 5.3 (the nonce is salt and iv)
 */
#include <assert.h>
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "proxy/layer/ktls.h"

/* --- keys --------------------------------------------------------------------- */

/* Where the parts of a key lie: struct tls12_crypto_info_* */
struct layout {
	uint16_t cipher;
	uint8_t iv, key, salt, seq, size;
};

#define LAYOUT(number, name) \
	{ \
		number, offsetof(struct tls12_crypto_info_##name, iv), \
			offsetof(struct tls12_crypto_info_##name, key), \
			offsetof(struct tls12_crypto_info_##name, salt), \
			offsetof(struct tls12_crypto_info_##name, rec_seq), \
			sizeof(struct tls12_crypto_info_##name) \
	}

static const struct layout layouts[] = {
	[AEAD_AES_128_GCM] = LAYOUT(TLS_CIPHER_AES_GCM_128, aes_gcm_128),
	[AEAD_AES_256_GCM] = LAYOUT(TLS_CIPHER_AES_GCM_256, aes_gcm_256),
	[AEAD_CHACHA20_POLY1305] =
		LAYOUT(TLS_CIPHER_CHACHA20_POLY1305, chacha20_poly1305),
};
static_assert(sizeof(struct tls12_crypto_info_aes_gcm_256) <= KTLS_KEYS_MAX &&
		      sizeof(struct tls12_crypto_info_chacha20_poly1305) <=
			      KTLS_KEYS_MAX,
	      "each fits");

static const struct layout *layout_of(const struct tls13_dir *d)
{
	const struct layout *l = &layouts[0];

	if ((size_t)d->aead < ARRAY_SIZE(layouts))
		l = &layouts[d->aead];
	return l->size ? l : NULL;
}

ssize_t ktls_keys_fill(uint8_t out[KTLS_KEYS_MAX], const struct tls13_dir *d)
{
	const struct layout *l = layout_of(d);
	struct tls_crypto_info info = { .version = TLS_1_3_VERSION };
	int rc;

	if (!l)
		return -EINVAL;
	memset(out, 0, KTLS_KEYS_MAX);
	info.cipher_type = l->cipher;
	memcpy(out, &info, sizeof(info));
	/* the nonce: salt (none with ChaCha20), then iv */
	memcpy(out + l->salt, d->iv, (size_t)(l->seq - l->salt));
	memcpy(out + l->iv, d->iv + (l->seq - l->salt),
	       (size_t)(l->key - l->iv));
	put_be64(out + l->seq, d->seq);
	rc = hkdf_expand_label(d->hash, d->secret, "key", out + l->key,
			       aead_key_len(d->aead));
	return rc < 0 ? rc : l->size;
}

static int give(int fd, unsigned int dir, const struct tls13_dir *d)
{
	uint8_t keys[KTLS_KEYS_MAX];
	ssize_t n = ktls_keys_fill(keys, d);

	if (n > 0 && setsockopt(fd, SOL_TLS, dir == ST_READ ? TLS_RX : TLS_TX,
				keys, (socklen_t)n) < 0)
		n = -errno;
	wipe(keys, sizeof(keys));
	return n < 0 ? (int)n : 0;
}

static uint64_t sent(int fd, const struct tls13_dir *d)
{
	const struct layout *l = layout_of(d);
	uint8_t keys[KTLS_KEYS_MAX];
	socklen_t n = l ? l->size : 0;
	uint64_t seq = 0;

	if (l && getsockopt(fd, SOL_TLS, TLS_TX, keys, &n) == 0)
		seq = get_be64(keys + l->seq);
	wipe(keys, sizeof(keys));
	return seq;
}

static int attach(int fd)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 3) < 0 ? -errno : 0;
}

int ktls_there(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	rc = attach(fd);
	close(fd);
	return rc == -ENOTCONN ? 0 :
				 rc; /* it wants a connection: it is there */
}

/* Another key is taken from Linux 6.14 on */
static bool rekeys(void)
{
	unsigned long major, minor;
	struct utsname u;
	char *end;

	if (uname(&u) < 0)
		return false;
	major = strtoul(u.release, &end, 10);
	minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	return major > 6 || (major == 6 && minor >= 14);
}

/* --- records ------------------------------------------------------------------ */

union control {
	char room[CMSG_SPACE(1)];
	struct cmsghdr align;
};

/* It also becomes the socket's error, and the next write would fail by it */
static ssize_t refused(int fd)
{
	int err = errno, same;
	socklen_t len = sizeof(same);

	if (err == EBADMSG || err == EMSGSIZE || err == EINVAL)
		(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &same, &len);
	return -err;
}

static ssize_t receive(int fd, const struct iovec *iov, int cnt,
		       struct ktls_got *got)
{
	union control control;
	struct msghdr msg = { .msg_iovlen = (size_t)cnt,
			      .msg_control = control.room,
			      .msg_controllen = sizeof(control.room) };
	struct cmsghdr *c;
	ssize_t n;

	memcpy(&msg.msg_iov, &iov, sizeof(msg.msg_iov)); /* has no const form */
	n = recvmsg(fd, &msg, MSG_DONTWAIT);
	if (n < 0)
		return refused(fd);
	*got = (struct ktls_got){ .type = TLS_APPLICATION_DATA,
				  .whole = msg.msg_flags & MSG_EOR };
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_TLS &&
	    c->cmsg_type == TLS_GET_RECORD_TYPE)
		got->type = (enum tls_content) * CMSG_DATA(c);
	return n;
}

static int say(int fd, enum tls_content type, const uint8_t *p, size_t n)
{
	union control control = { .room = { 0 } };
	struct iovec iov = { .iov_len = n };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.room,
			      .msg_controllen = sizeof(control.room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	memcpy(&iov.iov_base, &p, sizeof(p)); /* it is only read */
	c->cmsg_level = SOL_TLS;
	c->cmsg_type = TLS_SET_RECORD_TYPE;
	c->cmsg_len = CMSG_LEN(1);
	*CMSG_DATA(c) = (uint8_t)type;
	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/*
 * A third of TCP's memory is free: more than a record, which is the most that can
 * wait before it. If not, an event will tell (tcp_poll() asks for it)
 */
static bool drained(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) == 1;
}

/*
 * splice(2) announces more (MSG_SENDPAGE_NOTLAST), until Linux 6.5 at least; when
 * the TLS then finds no room, nobody sends what TCP has, no acknowledgement comes,
 * and so no room ever
 */
static void push(int fd)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

const struct ktls_kernel ktls_linux = {
	.attach = attach,
	.give = give,
	.recv = receive,
	.say = say,
	.drained = drained,
	.push = push,
	.sent = sent,
	.rekeys = rekeys,
};
