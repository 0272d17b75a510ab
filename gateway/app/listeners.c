/*
 * listeners.c - The inbounds that `culvert up` adds for its own capture
 *
 *   capture      TCP                   UDP
 *   redirect     redirect              not caught (rejectQuic)
 *   tproxy       tproxy                tproxy
 *   mixed        redirect              the TUN if there is one, else tproxy
 *
 * A dokodemo-door inbound of the configuration with followRedirect and the
 * right sockopt.tproxy is used as it is; what is missing is made from text, as
 * if it stood in the file. DNS to this host's own addresses, which cannot be
 * answered from a transparent socket beside the resolver's, has a listener of
 * its own behind NAT.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/app/app.h"
#include "gateway/base/jdoc.h"

enum { OWN_TEXT_MAX = 512 };

/* Who listens already: ports; 0: nobody */
struct found {
	uint16_t redirect_tcp, tproxy_tcp, tproxy_udp;
	bool tun;
};

/* "network", absent: tcp; a list or "tcp,udp" */
static bool has_network(const cJSON *settings, const char *word)
{
	const cJSON *m = cJSON_GetObjectItem(settings, "allowedNetwork");
	const cJSON *e;

	if (!m)
		m = cJSON_GetObjectItem(settings, "network");
	if (!m)
		return !strcmp(word, "tcp");
	if (cJSON_IsString(m))
		return strcasestr(m->valuestring, word) != NULL;
	cJSON_ArrayForEach(
		e, m) if (cJSON_IsString(e) &&
			  !strcasecmp(e->valuestring, word)) return true;
	return false;
}

static void look(struct found *f, const struct inbound *ib)
{
	const cJSON *settings = cJSON_GetObjectItem(ib->node, "settings");
	uint16_t port = ib->port_count ? ib->ports[0].lo : 0;

	if (!strcmp(ib->ops->name, "tun"))
		f->tun = true;
	if (strcmp(ib->ops->name, "dokodemo-door") != 0 ||
	    !cJSON_IsTrue(cJSON_GetObjectItem(settings, "followRedirect")))
		return;
	if (ib->sockopt.tproxy != 1 && has_network(settings, "tcp") &&
	    !f->redirect_tcp)
		f->redirect_tcp = port;
	if (ib->sockopt.tproxy != 1)
		return;
	if (has_network(settings, "tcp") && !f->tproxy_tcp)
		f->tproxy_tcp = port;
	if (has_network(settings, "udp") && !f->tproxy_udp)
		f->tproxy_udp = port;
}

#define SNIFFING \
	"\"sniffing\": { \"enabled\": true, \"routeOnly\": true," \
	" \"destOverride\": [ \"fakedns\", \"http\", \"tls\", \"quic\" ] }"

static void add(struct diag *d, struct config *cfg, const char *text)
{
	struct jdoc *doc = jdoc_parse(d, "built-in", text, strlen(text));

	if (doc)
		parse_inbound(d, doc->root, cfg);
}

static void add_follow(struct diag *d, struct config *cfg, const char *kind,
		       const char *network, uint16_t port)
{
	char text[OWN_TEXT_MAX];

	snprintf(text, sizeof(text),
		 "{ \"tag\": \"culvert-%s\", \"port\": %u,"
		 " \"protocol\": \"dokodemo-door\", \"settings\":"
		 " { \"network\": \"%s\", \"followRedirect\": true },"
		 " \"streamSettings\": { \"sockopt\": { \"tproxy\": \"%s\" } },"
		 " " SNIFFING " }",
		 kind, port, network, kind);
	add(d, cfg, text);
}

static void add_dns(struct diag *d, struct config *cfg)
{
	char text[OWN_TEXT_MAX];

	snprintf(text, sizeof(text),
		 "{ \"tag\": \"culvert-dns\", \"port\": %u,"
		 " \"protocol\": \"dokodemo-door\", \"settings\":"
		 " { \"network\": \"tcp,udp\", \"address\": \"127.0.0.1\","
		 " \"port\": 53 } }",
		 cfg->host.how.dns_port);
	add(d, cfg, text);
}

static bool answers_dns(const struct config *cfg)
{
	for (unsigned int i = 0; i < cfg->outbound_count; i++)
		if (!strcmp(cfg->outbounds[i]->ops->name, "dns"))
			return true;
	return false;
}

/* Which way each protocol goes */
static void choose(struct host_conf *h, const struct found *f)
{
	struct capture_conf *how = &h->how;

	how->tcp = how->udp = BY_NONE;
	if (h->capture == CAPTURE_TUN)
		how->tcp = how->udp = BY_TUN;
	if (h->capture == CAPTURE_REDIRECT || h->capture == CAPTURE_MIXED)
		how->tcp = BY_REDIRECT;
	if (h->capture == CAPTURE_MIXED)
		how->udp = f->tun ? BY_TUN : BY_TPROXY;
	if (h->capture == CAPTURE_TPROXY)
		how->tcp = how->udp = BY_TPROXY;
}

static void add_missing(struct diag *d, struct config *cfg,
			const struct found *f)
{
	struct capture_conf *how = &cfg->host.how;
	bool tcp = how->tcp == BY_TPROXY && !f->tproxy_tcp;
	bool udp = how->udp == BY_TPROXY && !f->tproxy_udp;

	if (how->tcp == BY_REDIRECT && f->redirect_tcp)
		how->tcp_port = f->redirect_tcp;
	else if (how->tcp == BY_REDIRECT)
		add_follow(d, cfg, "redirect", "tcp", how->tcp_port);
	if (how->tcp == BY_TPROXY && !tcp)
		how->tcp_port = f->tproxy_tcp;
	if (how->udp == BY_TPROXY && !udp)
		how->udp_port = f->tproxy_udp;
	if (tcp || udp)
		add_follow(d, cfg, "tproxy",
			   tcp && udp ? "tcp,udp" :
			   tcp        ? "tcp" :
					"udp",
			   tcp ? how->tcp_port : how->udp_port);
	if (how->udp == BY_NONE)
		how->udp_port = 0;
}

void listeners_add(struct diag *d, struct config *cfg)
{
	struct host_conf *h = &cfg->host;
	struct found f = { .tun = false };
	unsigned int n = cfg->inbound_count;

	for (unsigned int i = 0; i < n; i++)
		look(&f, cfg->inbounds[i]);
	choose(h, &f);
	if (h->capture == CAPTURE_NONE || h->capture == CAPTURE_TUN) {
		h->how.tcp_port = h->how.udp_port = h->how.dns_port = 0;
		return;
	}
	add_missing(d, cfg, &f);
	if (h->hijack_dns && h->how.udp != BY_TUN && answers_dns(cfg))
		add_dns(d, cfg);
	else
		h->how.dns_port = 0;
}
