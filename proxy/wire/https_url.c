/* https_url.c - URLs of https, and where a redirect leads (contract: https_url.h) */
#include "proxy/wire/https_url.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/addr.h"
#include "gateway/base/text.h"

#define SCHEME "https://"
#define PORT   443

static size_t span_until(const char *text, size_t n, const char *stop)
{
	size_t i = 0;

	while (i < n && !strchr(stop, text[i]))
		i++;
	return i;
}

/* Nothing that would end the line it is written into */
static bool all_graph(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] >= 127)
			return false;
	return true;
}

/* "name", "1.2.3.4", "[::1]" */
static int read_host(const char *text, size_t n, char host[256])
{
	bool bracket = n && text[0] == '[';
	struct addr a;

	if (bracket && (n < 3 || text[n - 1] != ']'))
		return -EINVAL;
	text += bracket;
	n -= bracket ? 2 : 0;
	if (!n || n > 255)
		return -EINVAL;
	if (!bracket)
		return addr_clean_name(text, n, host) > 0 ? 0 : -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	return addr_parse_ip(&a, host) == 0 && strchr(host, ':') ? 0 : -EINVAL;
}

/* "host[:port]" into @u */
static int read_authority(const char *text, size_t n, struct https_url *u)
{
	size_t host = span_until(text, n, text[0] == '[' ? "]" : ":");

	if (n && text[0] == '[' && host < n)
		host++;
	u->port = PORT;
	if (host < n &&
	    (text[host] != ':' ||
	     text_port(text + host + 1, n - host - 1, &u->port) < 0 ||
	     !u->port))
		return -EINVAL;
	return read_host(text, host, u->host);
}

/* @dir bytes of @u's path, then @n of @text up to "#" */
static int put_path(struct https_url *u, size_t dir, const char *text, size_t n)
{
	bool slash = !dir && (!n || text[0] != '/');

	n = span_until(text, n, "#");
	if (dir + slash + n >= sizeof(u->path))
		return -ENOBUFS;
	if (slash)
		u->path[dir++] = '/';
	if (n)
		memcpy(u->path + dir, text, n);
	u->path[dir + n] = '\0';
	return 0;
}

/* What stands behind "https://" */
static int read_rest(struct https_url *u, const char *text, size_t n)
{
	struct https_url out;
	size_t host = span_until(text, n, "/?#");
	int rc;

	if (!host)
		return -EINVAL;
	rc = read_authority(text, host, &out);
	if (!rc)
		rc = put_path(&out, 0, text + host, n - host);
	if (!rc)
		*u = out;
	return rc;
}

int https_url_parse(struct https_url *u, const char *text, size_t n)
{
	size_t scheme = strlen(SCHEME);

	if (n < scheme || strncasecmp(text, SCHEME, scheme) != 0 ||
	    !all_graph(text, n))
		return -EINVAL;
	return read_rest(u, text + scheme, n - scheme);
}

/* "ftp:...": a colon before what else may end the first part */
static bool has_scheme(const char *text, size_t n)
{
	size_t i = span_until(text, n, ":/?#");

	return i < n && text[i] == ':';
}

int https_url_follow(struct https_url *u, const char *text, size_t n)
{
	size_t dir;

	if (!n || !all_graph(text, n))
		return -EINVAL;
	if (has_scheme(text, n))
		return n >= strlen(SCHEME) && !strncasecmp(text, SCHEME,
							   strlen(SCHEME)) ?
			       https_url_parse(u, text, n) :
			       -EPROTONOSUPPORT;
	if (n >= 2 && text[0] == '/' && text[1] == '/')
		return read_rest(u, text + 2, n - 2);
	if (text[0] == '/')
		return put_path(u, 0, text, n);
	dir = strcspn(u->path, "?");
	if (text[0] != '?' && text[0] != '#')
		while (dir && u->path[dir - 1] != '/')
			dir--;
	return text[0] == '#' ? 0 : put_path(u, dir, text, n);
}

int https_url_authority(const struct https_url *u, char *out, size_t room)
{
	bool v6 = strchr(u->host, ':') != NULL;
	char port[8] = "";
	int n;

	if (u->port != PORT)
		snprintf(port, sizeof(port), ":%u", u->port);
	n = snprintf(out, room, "%s%s%s%s", v6 ? "[" : "", u->host,
		     v6 ? "]" : "", port);
	return n < 0 || (size_t)n >= room ? -ENOBUFS : n;
}
