/* send_through.c - Which address of this host connections leave by */
#include "gateway/core/send_through.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway/base/rand.h"
#include "gateway/core/outbound.h"
#include "gateway/core/session.h"
#include "gateway/core/sock.h"

int send_through_parse(struct outbound *ob, const char *text)
{
	struct cidr c;

	if (!strcmp(text, "origin")) {
		ob->send_how = SEND_ORIGIN;
		return 0;
	}
	if (!strcmp(text, "srcip")) {
		ob->send_how = SEND_SRCIP;
		return 0;
	}
	if (!strchr(text, '/'))
		return addr_parse_ip(&ob->send_through, text);
	if (cidr_parse(&c, text) < 0)
		return -EINVAL;
	ob->send_how = SEND_PREFIX;
	ob->send_bits = c.bits;
	ob->send_through =
		c.kind == ADDR_V4 ? addr_v4(c.ip, 0) : addr_v6(c.ip, 0);
	return 0;
}

static struct addr of_prefix(const struct outbound *ob)
{
	struct addr a = ob->send_through;
	size_t n = addr_ip_len(&a);
	uint8_t junk[16];

	rand_bytes(junk, sizeof(junk));
	for (size_t bit = ob->send_bits; bit < 8 * n; bit++)
		if (junk[bit / 8] & 0x80 >> bit % 8)
			a.ip[bit / 8] =
				(uint8_t)(a.ip[bit / 8] | 0x80 >> bit % 8);
	return a;
}

struct addr send_through_pick(const struct outbound *ob,
			      const struct session *s)
{
	struct addr a = { .kind = ADDR_NONE };

	switch (ob ? (enum send_how)ob->send_how : SEND_ADDR) {
	case SEND_ADDR:
		if (ob)
			a = ob->send_through;
		break;
	case SEND_ORIGIN:
		if (s)
			a = s->local;
		break;
	case SEND_SRCIP:
		if (s)
			a = s->source;
		break;
	case SEND_PREFIX:
		a = of_prefix(ob);
		break;
	}
	if (!addr_is_ip(&a))
		a.kind = ADDR_NONE;
	a.port = 0;
	return a;
}

struct addr send_through_own(const struct outbound *ob, const struct session *s)
{
	struct addr none = { .kind = ADDR_NONE };

	if (ob && send_through_varies(ob))
		return send_through_pick(ob, s);
	return none;
}

int send_through_bind(const struct outbound *ob, int fd, const struct addr *src)
{
	int on = 1;

	if (ob->send_how == SEND_PREFIX) {
		(void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on,
				 sizeof(on));
	} else if (ob->send_how == SEND_SRCIP) { /* needs CAP_NET_ADMIN */
		(void)setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on,
				 sizeof(on));
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on,
				 sizeof(on));
	}
	return sock_bind(fd, src);
}

int send_through_to(const struct outbound *ob, int fd, const struct addr *src,
		    const struct addr *to)
{
	if (src->kind == ADDR_NONE)
		return 0;
	return src->kind == to->kind ? send_through_bind(ob, fd, src) :
				       -EAFNOSUPPORT;
}
