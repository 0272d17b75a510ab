/*
 * tmpl.c - Header texts with a flow's addresses in them: {{.Source}}, {{.Target}}
 *
 *	{{.Source}}		tcp:192.0.2.1:5000, tcp:[2001:db8::1]:5000
 *	{{.Source.NetAddr}}	without the network
 *	{{.Source.Address}}, {{.Source.Port}}, {{.Source.Network}}
 *
 * The same of .Target, the place asked for. It is a small part of what Go's
 * text/template can; spaces inside the braces are of no matter.
 *
 * Source: Xray-core proxy/http/client.go, common/net/destination.go (facts)
 */
#include "proxy/wire/tmpl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/wr.h"

enum part { P_ALL, P_NETADDR, P_ADDRESS, P_PORT, P_NETWORK };

static const char *const names[] = {
	[P_ALL] = "",       [P_NETADDR] = ".NetAddr", [P_ADDRESS] = ".Address",
	[P_PORT] = ".Port", [P_NETWORK] = ".Network",
};

/* The words between braces, @n bytes. False: unknown */
static bool read_word(const char *p, size_t n, bool *target, enum part *part)
{
	while (n && *p == ' ') {
		p++;
		n--;
	}
	while (n && p[n - 1] == ' ')
		n--;
	if (n < 7 || (memcmp(p, ".Source", 7) && memcmp(p, ".Target", 7)))
		return false;
	*target = p[1] == 'T';
	p += 7;
	n -= 7;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == n && !memcmp(p, names[i], n)) {
			*part = (enum part)i;
			return true;
		}
	return false;
}

static void put_part(struct wr *w, const struct addr *a, enum part part)
{
	char text[ADDR_TEXT_MAX];
	const char *colon;

	addr_format(a, text, sizeof(text));
	colon = strrchr(text, ':');
	if (part == P_ALL)
		wr_bytes(w, "tcp:", 4);
	if (part == P_ALL || part == P_NETADDR || !colon)
		wr_bytes(w, text, strlen(text));
	else if (part == P_ADDRESS)
		wr_bytes(w, text, (size_t)(colon - text));
	else if (part == P_PORT)
		wr_bytes(w, colon + 1, strlen(colon + 1));
	else
		wr_bytes(w, "TCP", 3);
}

ssize_t tmpl_fill(const char *text, const struct addr *source,
		  const struct addr *target, char *out, size_t room)
{
	struct wr w = wr_init((uint8_t *)out, room);
	const char *open, *close;

	while ((open = strstr(text, "{{"))) {
		enum part part;
		bool second;

		close = strstr(open, "}}");
		if (!close || !read_word(open + 2, (size_t)(close - open - 2),
					 &second, &part))
			return -EINVAL;
		wr_bytes(&w, text, (size_t)(open - text));
		put_part(&w, second ? target : source, part);
		text = close + 2;
	}
	wr_bytes(&w, text, strlen(text) + 1);
	return wr_ok(&w) ? (ssize_t)wr_len(&w) - 1 : -ENOBUFS;
}

bool tmpl_known(const char *text)
{
	const char *open, *close;
	enum part part;
	bool target;

	while ((open = strstr(text, "{{"))) {
		close = strstr(open, "}}");
		if (!close || !read_word(open + 2, (size_t)(close - open - 2),
					 &target, &part))
			return false;
		text = close + 2;
	}
	return true;
}
