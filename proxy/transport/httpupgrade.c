/*
 * httpupgrade.c - One GET with an answer of 101, then the bare stream
 *
 * A client without ed waits for the 101, with it the payload follows at once.
 * The layer is spent after the heads (proxy/layer/head.c).
 *
 *   GET path HTTP/1.1, Host, headers, Connection: Upgrade, Upgrade: websocket
 *   HTTP/1.1 101 Switching Protocols, the same two
 *
 * Source: xray.md section 2.13; RFC 9110, 7.8
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "proxy/layer/head.h"
#include "proxy/transport/http_conf.h"
#include "proxy/transport/transports.h"

static size_t any_size(const uint8_t *p, size_t n)
{
	(void)p;
	(void)n;
	return SIZE_MAX;
}

static bool upgrades(const struct http1_head *h)
{
	return http1_has_token(h, "upgrade", "websocket") &&
	       http1_has_token(h, "connection", "upgrade");
}

static ssize_t answer_take(void *arg, uint32_t id, const uint8_t *p, size_t n)
{
	struct http1_head h;
	ssize_t used = http1_response_decode(p, n, &h);

	(void)arg;
	if (used <= 0) {
		if (used < 0)
			log_info("s%x httpupgrade: no HTTP answer", id);
		return used;
	}
	if (h.status == 101 && upgrades(&h))
		return used;
	log_info("s%x httpupgrade: server answers %u", id, h.status);
	return -EPROTO;
}

/**
 * struct upgrade_arg - A server's
 * @s:		The layer itself
 */
struct upgrade_arg {
	const struct http_conf *conf;
	struct stream *s;
};

static ssize_t request_take(void *arg, uint32_t id, const uint8_t *p, size_t n)
{
	const struct upgrade_arg *a = arg;
	struct http1_head h;
	ssize_t used = http1_request_decode(p, n, &h);

	if (used <= 0)
		return used;
	if (http1_is(&h.method, "GET") && upgrades(&h) &&
	    http_conf_fits(a->conf, &h)) {
		forwarded_session(a->s->job, &h);
		return used;
	}
	log_info("s%x httpupgrade: not our path, host or upgrade", id);
	return -EPROTO;
}

static const struct head_ops client_wait = { .name = "httpupgrade",
					     .size = any_size,
					     .take = answer_take,
					     .wait = true };
static const struct head_ops client_early = { .name = "httpupgrade",
					      .size = any_size,
					      .take = answer_take };
static const struct head_ops server_ops = { .name = "httpupgrade",
					    .size = any_size,
					    .take = request_take,
					    .wait = true,
					    .after = true };

static int upgrade_parse(struct transport *t, struct jobj *o,
			 struct config *cfg)
{
	struct http_conf *h = arena_alloc(&cfg->arena, sizeof(*h));

	if (!h)
		return -ENOMEM;
	t->settings = h;
	parse_proxy_head(t, o);
	return http_conf_parse(h, o, cfg);
}

static int upgrade_dial(const struct transport *t, const struct dial *d,
			const struct addr *to, struct stream **out)
{
	const struct http_conf *h = t->settings;
	uint8_t head[HTTP_CONF_HEAD_MAX];
	struct wr w = wr_init(head, sizeof(head));
	struct stream *below;
	int rc;

	http_conf_request(h, t, to, &w);
	http_conf_text(&w, "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	if (!wr_ok(&w))
		return -ENOBUFS;
	rc = transport_dial(t->below, d, to, &below);
	if (rc < 0)
		return rc;
	*out = head_new(h->ed ? &client_early : &client_wait, below, head,
			wr_len(&w), NULL, d->s ? d->s->id : 0);
	if (!*out)
		stream_close(&below, -ENOMEM);
	return *out ? 0 : -ENOMEM;
}

static int upgrade_accept(const struct transport *t, struct worker *w,
			  struct stream *below, struct stream **out)
{
	static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\n"
				     "Connection: Upgrade\r\n"
				     "Upgrade: websocket\r\n\r\n";
	union {
		const char *c;
		const uint8_t *u;
	} p = { .c = answer };
	struct upgrade_arg *arg = malloc(sizeof(*arg));

	(void)w;
	if (!arg)
		return -ENOMEM;
	arg->conf = t->settings;
	*out = head_new(&server_ops, below, p.u, sizeof(answer) - 1, arg, 0);
	if (!*out)
		return -ENOMEM;
	arg->s = *out;
	return 0;
}

const struct transport_ops transport_httpupgrade_ops = {
	.name = "httpupgrade",
	.key = "httpupgradeSettings",
	.alpn = "http/1.1",
	.parse = upgrade_parse,
	.dial = upgrade_dial,
	.accept = upgrade_accept,
};
