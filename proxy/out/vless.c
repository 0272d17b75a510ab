/*
 * vless.c - VLESS client, with or without encryption of its own
 *
 *   TCP  request head with the first bytes; the server's head comes before its
 *	  first bytes, however late. Each direction passes through when its
 *	  head is done
 *   mux  command 3, no address: a connection to v1.mux.cool (proxy/mux)
 *   UDP  command 2 (ports 53 and 443; others come as XUDP in such a one):
 *	  a stream for each destination, a length before each packet
 *
 * With an encryption all of it comes in records of its own (proxy/layer/venc.c).
 *
 * With the flow Vision the body is framed (proxy/layer/vision.c), and all UDP
 * comes as XUDP.
 *
 * Source: docs/wire/vless.md, vision.md; xray.md sections K, 2.6 and 2.7
 */
#include <string.h>

#include "gateway/base/crypto.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "proxy/layer/head.h"
#include "proxy/layer/venc.h"
#include "proxy/layer/vision.h"
#include "proxy/out/fan.h"
#include "proxy/out/out.h"
#include "proxy/out/server.h"
#include "proxy/wire/uuid.h"
#include "proxy/wire/vless.h"

/* @enc: "encryption"; NULL: "none". @known: its ticket */
struct vless_conf {
	struct server_conf server; /* must be first */
	uint8_t id[16];
	bool vision, udp443;
	struct vision_seed seed;
	struct venc_conf_key *enc;
	const cJSON *reverse; /* while parsing only */
	struct venc_known_key known;
};

static size_t answer_size(const uint8_t *p, size_t n)
{
	return n < 2 ? 2 : 2u + p[1];
}

static ssize_t answer_take(void *arg, uint32_t id, const uint8_t *p, size_t n)
{
	ssize_t used = vless_response_decode(p, n);

	(void)arg;
	if (used < 0)
		log_info("s%x vless: response version %u, want 0", id, p[0]);
	return used;
}

static const struct head_ops vless_head = { .name = "vless",
					    .size = answer_size,
					    .take = answer_take };

/* What lies between the head and the connection. 0 or -errno */
static int encrypt(const struct dial *d, struct stream **s)
{
	struct vless_conf *conf = d->ob->settings;
	struct stream *top;

	if (!conf->enc)
		return 0;
	top = venc_client(conf->enc, &conf->known, d->worker, *s,
			  d->s ? d->s->id : 0);
	if (top)
		*s = top;
	return top ? 0 : -ENOMEM;
}

static int vless_dial(const struct dial *d, enum vless_command command,
		      const struct addr *target, struct stream **out)
{
	const struct vless_conf *conf = d->ob->settings;
	struct vless_request rq = { .command = command, .to = *target };
	uint8_t head[VLESS_HEAD_MAX];
	struct stream *top;
	ssize_t n;
	int rc;

	memcpy(rq.id, conf->id, sizeof(rq.id));
	if (conf->vision)
		strcpy(rq.flow, VLESS_VISION);
	n = vless_request_encode(&rq, head, sizeof(head));
	wipe(rq.id, sizeof(rq.id));
	rc = server_open_on(d, &vless_head, head, n, encrypt, out);
	if (rc < 0 || !conf->vision)
		return rc;
	top = vision_new(d->worker, *out, conf->id, d->s ? d->s->id : 0, false);
	if (!top) {
		stream_close(out, -ENOMEM);
		return -ENOMEM;
	}
	vision_pad(top, &conf->seed);
	*out = top;
	return 0;
}

static int vless_open(const struct outbound *ob, struct session *s,
		      struct stream **out)
{
	struct dial d = server_dial(ob, s);

	if (s->reverse)
		return vless_dial(&d, VLESS_REVERSE, &s->target, out);
	return vless_dial(&d, ses_to_mux(&s->target) ? VLESS_MUX : VLESS_TCP,
			  &s->target, out);
}

static int vless_dial_udp(const struct dial *d, const struct addr *peer,
			  struct stream **out)
{
	return vless_dial(d, VLESS_UDP, peer, out);
}

static const struct fan_ops vless_fan = { .tube = &tube_vless,
					  .per_peer = true,
					  .dial = vless_dial_udp };

static int vless_open_dgram(const struct outbound *ob, struct udp_map *m,
			    struct session *s, struct dgram **out)
{
	return fan_open(&vless_fan, ob, m, s, out);
}

static void parse_flow(struct jobj *u, struct vless_conf *conf)
{
	const char *flow = j_str(u, "flow", "");

	conf->vision = !strcmp(flow, VLESS_VISION) ||
		       !strcmp(flow, VLESS_VISION "-udp443");
	conf->udp443 = !strcmp(flow, VLESS_VISION "-udp443");
	if (*flow && !conf->vision)
		diag_error(u->d, j_get(u, "flow"), NULL,
			   "must be \"" VLESS_VISION "\", \"" VLESS_VISION
			   "-udp443\" or \"\", got \"%s\"",
			   flow);
}

/* "encryption". 0 or -ENOMEM */
static int parse_encryption(struct jobj *u, struct vless_conf *conf,
			    struct arena *a)
{
	const char *text = j_need_str(u, "encryption"), *wrong;

	if (!*text || !strcmp(text, "none"))
		return 0;
	conf->enc = arena_alloc(a, sizeof(*conf->enc));
	if (!conf->enc)
		return -ENOMEM;
	(void)pthread_mutex_init(&conf->known.lock, NULL);
	wrong = venc_parse(text, false, conf->enc);
	if (wrong)
		diag_error(u->d, j_get(u, "encryption"), NULL, "must %s",
			   wrong);
	return 0;
}

static int vless_user(struct jobj *u, struct server_conf *server,
		      struct arena *a)
{
	struct vless_conf *conf =
		container_of(server, struct vless_conf, server);
	const char *id = j_need_str(u, "id");
	int rc;

	if (*id && uuid_parse(id, conf->id) < 0)
		diag_error(u->d, j_get(u, "id"), NULL,
			   "must be a UUID or a text of at most 30 bytes");
	rc = parse_encryption(u, conf, a);
	parse_flow(u, conf);
	conf->reverse = j_get(u, "reverse");
	server->ahead = (unsigned int)j_int(u, "testpre", 0, 0, UINT32_MAX);
	conf->seed = vision_seed_usual;
	(void)vision_seed_parse(u, "testseed", &conf->seed);
	return rc;
}

/* What comes back by it: nothing is theirs unless a rule says so, as in Xray */
static const struct inbound_ops in_back = { .name = "vless-reverse",
					    .serves = REACH_BACK };

/* "reverse"; the rest of it is read by who knows about sniffing. 0 or -ENOMEM */
static int parse_reverse(struct outbound *ob, struct jobj *settings,
			 struct config *cfg)
{
	struct vless_conf *conf = ob->settings;
	struct reverse *v;

	if (!conf->reverse)
		return 0;
	if (j_get(settings, "vnext"))
		diag_error(settings->d, conf->reverse, NULL,
			   "needs the form without \"vnext\"");
	v = arena_alloc(&cfg->arena, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->ob = ob;
	v->node = conf->reverse;
	v->ib.ops = &in_back;
	v->ib.tag = "";
	v->ib.level = conf->server.level;
	v->next = cfg->reverses;
	cfg->reverses = v;
	conf->reverse = NULL;
	conf->server.ahead = 0; /* as in Xray */
	return 0;
}

static int vless_parse(struct outbound *ob, struct jobj *settings,
		       struct config *cfg)
{
	static const struct server_form form = {
		.list = "vnext",
		.need_user = true,
		.user = vless_user,
		.conf_bytes = sizeof(struct vless_conf),
	};

	const struct transport *t = ob->transport;
	const struct vless_conf *conf;
	int rc = server_parse(ob, settings, cfg, &form);

	conf = ob->settings;
	if (!rc && !conf->enc)
		server_check_tls(ob, settings, ", or an encryption");
	if (!rc)
		rc = parse_reverse(ob, settings, cfg);
	if (rc < 0 || !conf->vision)
		return rc;
	ob->xudp_only = true;
	ob->no_udp443 = !conf->udp443;
	if (!conf->enc && (!t || !t->ops->secure))
		diag_error(
			settings->d, settings->node, NULL,
			"the flow needs the network raw with security tls or "
			"reality, or encryption");
	return 0;
}

static void vless_drop(struct outbound *ob)
{
	struct vless_conf *conf = ob->settings;

	if (!conf)
		return;
	wipe(conf->id, sizeof(conf->id));
	if (!conf->enc)
		return;
	(void)pthread_mutex_destroy(&conf->known.lock);
	wipe(&conf->known, sizeof(conf->known));
	wipe(conf->enc, sizeof(*conf->enc));
}

const struct outbound_ops out_vless = {
	.name = "vless",
	.xudp = true,
	.parse = vless_parse,
	.open = vless_open,
	.open_dgram = vless_open_dgram,
	.drop = vless_drop,
};
