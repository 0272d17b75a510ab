/*
 * server.c - What a server's address says, and the levels of encrypted ones
 *
 * "8.8.8.8"            UDP, through routing       "localhost"  /etc/resolv.conf
 * "tcp://8.8.8.8:53"   TCP, through routing       "fakedns"    the pools
 * "tls://8.8.8.8"      DNS over TLS (853), through routing; not in Xray
 * "https://8.8.8.8/dns-query"  DNS over HTTPS (443); "h2c://..." without TLS (80)
 * "tcp+local://...", "https+local://...", ...   straight out, past routing
 *
 * quic+local:// is refused by name: not yet.
 *
 * A name is looked up by who dials it: the proxy of a routed query, freedom, or the
 * system's servers for a straight one; an entry of "hosts" goes before all that.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/compat.h"
#include "gateway/base/text.h"
#include "gateway/core/config.h"
#include "gateway/dns/conf.h"
#include "gateway/dns/conn.h"

#define PATH_MAX_BYTES 1024
#define PATH_DEFAULT   "/dns-query"

/**
 * struct scheme - One form of an address
 * @kind:	enum server_kind, or -1: not yet
 * @port:	Without another one
 * @log:	Before the address in the log, as Xray has it
 */
struct scheme {
	const char *scheme;
	int kind;
	bool straight;
	uint16_t port;
	const char *log;
};

static const struct scheme schemes[] = {
	{ "udp://", SERVER_UDP, false, 53, "UDP:" },
	{ "tcp://", SERVER_TCP, false, 53, "TCP//" },
	{ "tcp+local://", SERVER_TCP, true, 53, "TCPL//" },
	{ "tls://", SERVER_TLS, false, 853, "DOT//" },
	{ "tls+local://", SERVER_TLS, true, 853, "DOTL//" },
	{ "https://", SERVER_HTTPS, false, 443, "DOH//" },
	{ "https+local://", SERVER_HTTPS, true, 443, "DOHL//" },
	{ "h2c://", SERVER_H2C, false, 80, "DOH//" },
	{ "h2c+local://", SERVER_H2C, true, 80, "DOHL//" },
	{ "quic+local://", -1, true, 853, NULL },
	{ "", SERVER_UDP, false, 53, "UDP:" },
};

/** struct place - What is being read, and where complaints point */
struct place {
	struct dns *dns;
	struct diag *d;
	const cJSON *node;
	const char *key, *text;
};

/* "host", "host:port", "[v6]:port"; @port is the default. 0 or -errno */
static int host_parse(struct dns *dns, const char *text, uint16_t port,
		      struct addr *out)
{
	const char *end = text + strcspn(text, *text == '[' ? "]" : ":");

	if (*text == '[' && *end)
		end++;
	else if (*end && strchr(end + 1, ':')) /* IPv6 alone */
		end = strchr(end, '\0');
	*out = (struct addr){ .port = port };
	if (*end &&
	    (*end != ':' ||
	     text_port(end + 1, strlen(end + 1), &out->port) < 0 || !out->port))
		return -EINVAL;
	return addr_parse_host(out, text, (size_t)(end - text), &dns->arena);
}

/* Name for the log: @prefix and the address */
static const char *log_name(struct dns *dns, const char *prefix,
			    const struct addr *a)
{
	char text[ADDR_TEXT_MAX + 16], host[ADDR_TEXT_MAX];

	snprintf(text, sizeof(text), "%s%s", prefix,
		 addr_format(a, host, sizeof(host)));
	return arena_strdup(&dns->arena, text);
}

static const struct scheme *scheme_of(const char *text)
{
	const struct scheme *s = schemes;

	while (strncasecmp(text, s->scheme, strlen(s->scheme)) != 0)
		s++;
	return s; /* the last one fits all */
}

static bool speaks_http(const struct dns_server *s)
{
	return s->kind == SERVER_HTTPS || s->kind == SERVER_H2C;
}

/* "/dns-query{?dns}" and what else stands behind the host. NULL: not usable */
static const char *path_parse(struct dns *dns, const char *text)
{
	size_t n = strcspn(text, "{#");

	if (!n)
		return PATH_DEFAULT;
	if (*text != '/' || n > PATH_MAX_BYTES)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] <= ' ' ||
		    (unsigned char)text[i] >= 127)
			return NULL;
	return arena_strndup(&dns->arena, text, n);
}

/* Host of requests: no port when it is that of the scheme */
static const char *authority(struct dns *dns, const struct addr *a,
			     uint16_t usual)
{
	char text[ADDR_TEXT_MAX];
	char *colon;

	addr_format(a, text, sizeof(text));
	colon = strrchr(text, ':');
	if (a->port == usual && colon)
		*colon = '\0';
	return arena_strdup(&dns->arena, text);
}

/* What "hosts" says of a server's name: s->at. false after a diag_error() */
static bool find_at(const struct place *p, struct dns_server *s)
{
	static const uint8_t families[] = { DNS_V4, DNS_V6 };
	struct dns_outcome o;
	char name[256];
	int rcode = -1;

	s->at = s->addr;
	if (s->addr.kind != ADDR_NAME || !s->addr.name)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		memcpy(name, s->addr.name, s->addr.len + 1u);
		switch (hosts_find(p->dns, name, families[i], &o)) {
		case HOSTS_YES:
			if (o.count) {
				s->at = dns_ip_addr(&o.ips[0], s->addr.port);
				return true;
			}
			rcode = o.rcode;
			break;
		case HOSTS_ALIAS:
			s->at = addr_name(arena_strdup(&p->dns->arena, name),
					  strlen(name), s->addr.port);
			return true;
		case HOSTS_NO:
		default:
			return true;
		}
	}
	diag_error(p->d, p->node, p->key,
		   "\"hosts\" answers %s with code %d and no address: this "
		   "server cannot be reached",
		   s->addr.name, rcode);
	return false;
}

/* Host, port, path. false after a diag_error() */
static bool url_parse(const struct place *p, const struct scheme *f,
		      uint16_t port, struct dns_server *s)
{
	const char *rest = p->text + strlen(f->scheme);
	size_t n = speaks_http(s) ? strcspn(rest, "/?{#") : strlen(rest);
	char host[280];

	if (n < sizeof(host)) {
		memcpy(host, rest, n);
		host[n] = '\0';
	}
	if (n >= sizeof(host) ||
	    host_parse(p->dns, host, port ? port : f->port, &s->addr) < 0) {
		diag_error(p->d, p->node, p->key, "\"%s\" is no server address",
			   p->text);
		return false;
	}
	if (!speaks_http(s))
		return true;
	s->path = path_parse(p->dns, rest + n);
	s->authority = authority(p->dns, &s->addr, f->port);
	if (s->path)
		return true;
	diag_error(p->d, p->node, p->key, "\"%s\" is no path", rest + n);
	return false;
}

/* NOLINTNEXTLINE(readability-function-size): the place of the text is three */
bool server_address(struct dns *dns, struct diag *d, const cJSON *node,
		    const char *key, const char *text, uint16_t port,
		    struct dns_server *s)
{
	const struct place p = { dns, d, node, key, text };
	const struct scheme *f = scheme_of(text);

	if (!strcasecmp(text, "localhost") || !strcasecmp(text, "fakedns")) {
		s->kind = tolower(*text) == 'l' ? SERVER_SYSTEM : SERVER_FAKE;
		s->straight = s->kind == SERVER_SYSTEM;
		s->name = s->kind == SERVER_FAKE ? "FakeDNS" : "localhost";
		return true;
	}
	if (f->kind < 0) {
		diag_error(d, node, key, "%s servers are not there yet",
			   f->scheme);
		diag_help(d, "use an address (UDP), tcp://, tls://, https://, "
			     "h2c://, these with +local, localhost or fakedns");
		return false;
	}
	s->kind = (uint8_t)f->kind;
	s->straight = f->straight;
	if (!url_parse(&p, f, port, s) || !find_at(&p, s))
		return false;
	s->name = log_name(dns, f->log, &s->addr);
	if (s->kind != SERVER_TCP || !s->straight || addr_is_ip(&s->at))
		return true;
	diag_error(d, node, key,
		   "a tcp+local server must be an address, or in \"hosts\"");
	return false;
}

/* --- levels ---------------------------------------------------------------- */

void server_levels(struct dns_server *s, struct diag *d, const cJSON *tls,
		   struct config *cfg)
{
	struct jobj o;

	if (s->kind != SERVER_TLS && !speaks_http(s))
		return;
	s->bottom =
		(struct transport){ .ops = &conn_bottom_ops, .settings = s };
	s->top = &s->bottom;
	if (s->kind == SERVER_H2C)
		return;
	s->tls = (struct transport){ .ops = &transport_tls_ops,
				     .below = &s->bottom,
				     .alpn = s->kind == SERVER_TLS ? "dot" :
								     NULL };
	s->top = &s->tls;
	j_open(&o, d, tls);
	if (s->tls.ops->parse(&s->tls, &o, cfg) < 0)
		diag_error(d, tls, NULL, "out of memory");
	if (o.node)
		j_close(&o);
}

void server_drop(struct dns_server *s)
{
	if (s->tls.ops && s->tls.settings)
		s->tls.ops->drop(&s->tls);
	s->tls.settings = NULL;
}
