/*
 * sock.c - Every own socket is made here: mark, interface, TCP options
 *
 * What decides by which way packets leave (mark, interface) must hold or the
 * socket fails; the rest is wished for: a refusal is logged once.
 * Source: socket(7), ip(7), tcp(7), mptcp.dev
 */
#include "gateway/core/sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"

#define KEEPALIVE_S    45
#define LISTEN_BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn */
#define NAME_RING      16
#define UDP_RCVBUF \
	(1 << 20) /* bursts of a worker's other work; used as needed */
#define UDP_RCVBUF_IN (4 << 20) /* a listener: all clients share it */

/* What may be refused; one bit each, so that a refusal is logged once */
enum option {
	OPT_KEEPALIVE,
	OPT_NODELAY,
	OPT_USER_TIMEOUT,
	OPT_CONGESTION,
	OPT_MAXSEG,
	OPT_CLAMP,
	OPT_TFO,
	OPT_MPTCP,
	OPT_TRANSPARENT,
	OPT_DUAL,
	OPT_REUSEPORT,
	OPT_ORIGDST,
	OPT_CUSTOM,
};

static atomic_uint refused_once;
static atomic_uint own_mark;
/*
 * Default interface. A writer fills the next place and then publishes it, so a
 * reader in another thread never sees half a name.
 */
static char name_ring[NAME_RING][16];
static atomic_uint name_now;

static void option_refused(enum option bit, const char *name)
{
	int err = errno;
	unsigned int old = atomic_fetch_or(&refused_once, 1u << bit);

	if (!(old & 1u << bit))
		log_warning("sock: %s is refused by the kernel: %s", name,
			    strerror(err));
}

static void option_int(int fd, int level, int name, int value, enum option bit,
		       const char *text)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)) < 0)
		option_refused(bit, text);
}

void sock_set_own_mark(uint32_t mark)
{
	atomic_store(&own_mark, mark);
}

uint32_t sock_own_mark(void)
{
	return atomic_load(&own_mark);
}

void sock_set_interface(const char *name)
{
	unsigned int next = (atomic_load(&name_now) + 1) % NAME_RING;

	snprintf(name_ring[next], sizeof(name_ring[next]), "%s", name);
	atomic_store(&name_now, next);
}

/* The default interface; "" none */
static const char *sock_interface(void)
{
	return name_ring[atomic_load(&name_now)];
}

/* Mark and interface: by which way packets leave. 0 or -errno */
static int set_way(int fd, const struct sockopt *so, bool listener)
{
	uint32_t mark = so->mark | sock_own_mark();
	const char *dev = so->interface;

	if (!*dev && !listener)
		dev = sock_interface();
	if (mark &&
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0) {
		int err = -errno;

		log_error("sock: mark 0x%x: %s", mark, strerror(-err));
		return err;
	}
	if (*dev && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, dev,
			       (socklen_t)strlen(dev)) < 0) {
		int err = -errno;

		log_error("sock: interface %s: %s", dev, strerror(-err));
		return err;
	}
	return 0;
}

static void set_keepalive(int fd, const struct sockopt *so)
{
	int idle = so->keep_idle_s ? so->keep_idle_s : KEEPALIVE_S;
	int step = so->keep_interval_s ? so->keep_interval_s : KEEPALIVE_S;

	if (so->keep_idle_s < 0 || so->keep_interval_s < 0)
		return;
	option_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1, OPT_KEEPALIVE,
		   "SO_KEEPALIVE");
	option_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle, OPT_KEEPALIVE,
		   "TCP_KEEPIDLE");
	option_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, step, OPT_KEEPALIVE,
		   "TCP_KEEPINTVL");
}

static void set_tcp(int fd, const struct sockopt *so, bool listener)
{
	option_int(fd, IPPROTO_TCP, TCP_NODELAY, 1, OPT_NODELAY, "TCP_NODELAY");
	set_keepalive(fd, so);
	if (so->user_timeout_ms)
		option_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
			   (int)so->user_timeout_ms, OPT_USER_TIMEOUT,
			   "TCP_USER_TIMEOUT");
	if (so->max_seg)
		option_int(fd, IPPROTO_TCP, TCP_MAXSEG, (int)so->max_seg,
			   OPT_MAXSEG, "TCP_MAXSEG");
	if (so->window_clamp)
		option_int(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP,
			   (int)so->window_clamp, OPT_CLAMP,
			   "TCP_WINDOW_CLAMP");
	if (*so->congestion &&
	    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, so->congestion,
		       (socklen_t)strlen(so->congestion)) < 0)
		option_refused(OPT_CONGESTION, "TCP_CONGESTION");
	if (so->tfo >= 0 && listener)
		option_int(fd, IPPROTO_TCP, TCP_FASTOPEN, so->tfo, OPT_TFO,
			   "TCP_FASTOPEN");
	if (so->tfo >= 0 && !listener)
		option_int(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, so->tfo > 0,
			   OPT_TFO, "TCP_FASTOPEN_CONNECT");
}

/* The default takes about 90 datagrams: not one burst of QUIC */
static void set_udp(int fd, bool listener)
{
	int bytes = listener ? UDP_RCVBUF_IN : UDP_RCVBUF;

	/* above the host's limit with CAP_NET_ADMIN, else up to it */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes,
				 sizeof(bytes));
}

/* "customSockopt"; Xray has no such of UDP for listeners */
static void set_custom(int fd, const struct sockopt *so, int family, int type)
{
	char net[8];

	snprintf(net, sizeof(net), "%s%c", type == SOCK_STREAM ? "tcp" : "udp",
		 family == AF_INET6 ? '6' : '4');
	for (unsigned int i = 0; i < so->custom_count; i++) {
		const struct sock_custom *c = &so->custom[i];
		size_t len = c->text ? strlen(c->text) : sizeof(c->value);

		if (strncmp(net, c->net, strlen(c->net)) != 0 ||
		    (c->level == IPPROTO_TCP && type != SOCK_STREAM))
			continue;
		if (setsockopt(fd, c->level, c->opt,
			       c->text ? (const void *)c->text : &c->value,
			       (socklen_t)len) < 0)
			option_refused(OPT_CUSTOM, "a customSockopt");
	}
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

bool sock_same_custom(const struct sockopt *a, const struct sockopt *b)
{
	if (a->custom_count != b->custom_count)
		return false;
	for (unsigned int i = 0; i < a->custom_count; i++) {
		const struct sock_custom *x = &a->custom[i];
		const struct sock_custom *y = &b->custom[i];

		if (x->level != y->level || x->opt != y->opt ||
		    x->value != y->value || !same_text(x->net, y->net) ||
		    !same_text(x->text, y->text))
			return false;
	}
	return true;
}

static void set_transparent(int fd, int family)
{
	if (family == AF_INET6)
		option_int(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1,
			   OPT_TRANSPARENT, "IPV6_TRANSPARENT");
	option_int(fd, IPPROTO_IP, IP_TRANSPARENT, 1, OPT_TRANSPARENT,
		   "IP_TRANSPARENT");
}

/* A bare descriptor; MPTCP falls back to TCP */
static int open_fd(const struct sockopt *so, int family, int type)
{
	int flags = type | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int fd;

	if (so->mptcp && type == SOCK_STREAM && family != AF_UNIX) {
		fd = socket(family, flags, IPPROTO_MPTCP);
		if (fd >= 0)
			return fd;
		option_refused(OPT_MPTCP, "MPTCP (TCP is used)");
	}
	fd = socket(family, flags, type == SOCK_RAW ? IPPROTO_RAW : 0);
	if (fd < 0)
		return -errno;
	return fd;
}

static int open_with(const struct sockopt *so, int family, int type,
		     bool listener)
{
	int fd = open_fd(so, family, type);
	int rc;

	if (fd < 0 || family == AF_UNIX)
		return fd;
	rc = set_way(fd, so, listener);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	if (family == AF_INET6 && type != SOCK_RAW &&
	    (listener || type == SOCK_DGRAM))
		option_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, so->v6only, OPT_DUAL,
			   "IPV6_V6ONLY");
	if (so->tproxy == 1)
		set_transparent(fd, family);
	if (type == SOCK_STREAM)
		set_tcp(fd, so, listener);
	if (type == SOCK_DGRAM)
		set_udp(fd, listener);
	if (so->custom_count &&
	    (type == SOCK_STREAM || (type == SOCK_DGRAM && !listener)))
		set_custom(fd, so, family, type);
	return fd;
}

int sock_open(const struct sockopt *so, int family, int type)
{
	const struct sockopt def = SOCKOPT_DEFAULT;

	return open_with(so ? so : &def, family, type, false);
}

int sock_open_local(const struct sockopt *so, int family, int type)
{
	const struct sockopt def = SOCKOPT_DEFAULT;

	return open_with(so ? so : &def, family, type, true);
}

/* Port 0 is chosen at connect: many connections may then share one port */
int sock_bind(int fd, const struct addr *local)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(int);
	int family = AF_INET, one = 1;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0)
		return -errno;
	if (!addr_is_ip(local) || (family == AF_INET && local->kind != ADDR_V4))
		return -EAFNOSUPPORT;
	if (!local->port && setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT,
				       &one, sizeof(one)) < 0)
		log_debug("sock: IP_BIND_ADDRESS_NO_PORT: %s", strerror(errno));
	len = addr_to_sockaddr(local, family, &ss);
	return bind(fd, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

static bool is_loopback(const struct addr *a)
{
	static const uint8_t one6[16] = { [15] = 1 };

	return (a->kind == ADDR_V4 && a->ip[0] == 127) ||
	       (a->kind == ADDR_V6 && !memcmp(a->ip, one6, sizeof(one6)));
}

int sock_connect(int fd, int family, const struct addr *to)
{
	struct sockaddr_storage ss;
	socklen_t len;

	if (!addr_is_ip(to) || (family == AF_INET && to->kind != ADDR_V4))
		return -EAFNOSUPPORT;
	/* A service of this host is not behind the default interface */
	if (*sock_interface() && is_loopback(to))
		(void)setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0);
	len = addr_to_sockaddr(to, family, &ss);
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	return 0;
}

int sock_path_mtu(const struct sockopt *so, const struct addr *to)
{
	int family = to->kind == ADDR_V6 ? AF_INET6 : AF_INET;
	int fd = sock_open_local(so, family, SOCK_DGRAM), mtu = 0, err;
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(to, family, &ss);

	if (fd < 0)
		return fd;
	err = connect(fd, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
	len = sizeof(mtu);
	if (!err &&
	    (family == AF_INET6 ?
		     getsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &len) :
		     getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &len)) < 0)
		err = -errno;
	close(fd);
	return err ? err : mtu;
}

/*
 * "/path", "/path,0660" (file mode) or "@name" (abstract: no file; "@@name":
 * padded with zeros to the full length, as haproxy has it). Length of the
 * address, or -errno; *@mode is 0 when none is told
 */
static int unix_address(const char *text, struct sockaddr_un *un, mode_t *mode)
{
	const char *comma = *text == '@' ? NULL : strrchr(text, ',');
	size_t n = comma ? (size_t)(comma - text) : strlen(text);
	bool padded = !strncmp(text, "@@", 2);
	char *end;

	*mode = 0;
	if (padded) {
		text++;
		n--;
	}
	if (n >= sizeof(un->sun_path))
		return -ENAMETOOLONG;
	if (comma) {
		*mode = (mode_t)strtoul(comma + 1, &end, 8) & 0777;
		if (!comma[1] || *end)
			return -EINVAL;
	}
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(un->sun_path, text, n);
	if (*text != '@')
		return (int)sizeof(*un);
	un->sun_path[0] = '\0';
	return padded ? (int)sizeof(*un) :
			(int)(offsetof(struct sockaddr_un, sun_path) + n);
}

bool sock_is_unix(const char *text)
{
	return *text == '/' || *text == '@';
}

int sock_check_unix(const char *text)
{
	struct sockaddr_un un;
	mode_t mode;
	int len = unix_address(text, &un, &mode);

	return len < 0 ? len : 0;
}

int sock_dial_unix(const char *text)
{
	struct sockaddr_un un;
	mode_t mode;
	int len = unix_address(text, &un, &mode);
	int fd, err;

	if (len < 0)
		return len;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&un, (socklen_t)len))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static bool is_socket(const char *path)
{
	struct stat st;

	return *path && !lstat(path, &st) && S_ISSOCK(st.st_mode);
}

/* A socket left behind by an earlier run is replaced */
static int listen_unix(const struct sockopt *so, const char *text, int type)
{
	struct sockaddr_un un;
	mode_t mode;
	int len = unix_address(text, &un, &mode);
	int fd, err;

	if (len < 0)
		return len;
	fd = open_with(so, AF_UNIX, type, true);
	if (fd < 0)
		return fd;
	if (is_socket(un.sun_path))
		unlink(un.sun_path);
	if (!bind(fd, (struct sockaddr *)&un, (socklen_t)len) &&
	    (!mode || !chmod(un.sun_path, mode)) &&
	    (type != SOCK_STREAM || !listen(fd, LISTEN_BACKLOG)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

void sock_unlisten(const struct addr *at)
{
	struct sockaddr_un un;
	mode_t mode;

	if (at->kind == ADDR_NAME && unix_address(at->name, &un, &mode) > 0 &&
	    is_socket(un.sun_path))
		unlink(un.sun_path);
}

static int listen_ip(const struct sockopt *so, const struct addr *at, int type)
{
	int family = at->kind == ADDR_V6 ? AF_INET6 : AF_INET;
	int fd = open_with(so, family, type, true);
	struct sockaddr_storage ss;
	socklen_t len;
	int one = 1, err;

	if (fd < 0)
		return fd;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	option_int(fd, SOL_SOCKET, SO_REUSEPORT, 1, OPT_REUSEPORT,
		   "SO_REUSEPORT");
	if (type == SOCK_DGRAM && so->tproxy == 1) {
		option_int(fd, IPPROTO_IP, IP_RECVORIGDSTADDR, 1, OPT_ORIGDST,
			   "IP_RECVORIGDSTADDR");
		if (family == AF_INET6)
			option_int(fd, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1,
				   OPT_ORIGDST, "IPV6_RECVORIGDSTADDR");
	}
	len = addr_to_sockaddr(at, family, &ss);
	if (!bind(fd, (struct sockaddr *)&ss, len) &&
	    (type != SOCK_STREAM || !listen(fd, LISTEN_BACKLOG)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

bool sock_is_taken(const struct addr *at)
{
	int family = at->kind == ADDR_V6 ? AF_INET6 : AF_INET, one = 1, err = 0;
	struct sockaddr_storage ss;
	socklen_t len;
	int fd;

	if (!addr_is_ip(at) || !at->port)
		return false;
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	len = addr_to_sockaddr(at, family, &ss);
	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		err = errno;
	close(fd);
	return err == EADDRINUSE;
}

const char *sock_listen_hint(int err)
{
	switch (-err) {
	case EADDRINUSE:
		return " (`ss -lnptu` shows who has it; is culvert running "
		       "already?)";
	case EACCES:
		return " (ports below 1024 are root's, or need "
		       "CAP_NET_BIND_SERVICE)";
	case EPERM:
		return " (run it as root, or with CAP_NET_ADMIN)";
	case EADDRNOTAVAIL:
		return " (no interface of this host has this address now)";
	default:
		return "";
	}
}

int sock_listen(const struct sockopt *so, const struct addr *at, int type)
{
	static const uint8_t any[16];
	const struct sockopt def = SOCKOPT_DEFAULT;
	struct addr v4 = addr_v4(any, at->port);
	int fd;

	if (!so)
		so = &def;
	if (at->kind == ADDR_NAME)
		return listen_unix(so, at->name, type);
	if (!addr_is_ip(at))
		return -EAFNOSUPPORT;
	fd = listen_ip(so, at, type);
	/* "Everywhere" on a host without IPv6 */
	if (fd == -EAFNOSUPPORT && at->kind == ADDR_V6 &&
	    !memcmp(at->ip, any, sizeof(any)))
		fd = listen_ip(so, &v4, type);
	return fd;
}
