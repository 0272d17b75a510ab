/*
 * kcp_conf.c - kcpSettings, and the layers around its datagrams
 *
 * Two forms say what the layers are. The old one (v2ray, Xray until 25): header
 * and seed; without a seed the datagrams have the simple authenticator. The new
 * one (Xray 26): finalmask.udp, the innermost first; nothing else, so an empty
 * list is none. A file with neither is of the old form, unless it has a key that
 * only the new one knows.
 *
 * Source: v2ray infra/conf/transport_internet.go; Xray infra/conf/
 * transport_method.go, transport_finalmask.go (facts)
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "proxy/transport/kcp_int.h"

#define MTU_MIN    128
#define MTU_MAX    4096
#define MIB        (1024u * 1024u)
#define SMALL_BUF  (512u * 1024u) /* what 0 MB means */
#define RATE_MIN   8u
#define DNS_DOMAIN "www.baidu.com" /* Xray's, when there is none */

/* header.type of the old form, finalmask's of the first version of the new one */
static const struct {
	const char *type, *mask;
	enum kcp_mask_kind kind;
} headers[] = {
	{ "srtp", "header-srtp", KCP_MASK_SRTP },
	{ "utp", "header-utp", KCP_MASK_UTP },
	{ "wechat-video", "header-wechat", KCP_MASK_WECHAT },
	{ "dtls", "header-dtls", KCP_MASK_DTLS },
	{ "wireguard", "header-wireguard", KCP_MASK_WIREGUARD },
	{ "dns", "header-dns", KCP_MASK_DNS },
	{ "wechat", NULL, KCP_MASK_WECHAT },
};

/* One layer more, around the others */
static void add_mask(struct kcp_conf *c, struct jobj *o,
		     enum kcp_mask_kind kind, const char *text)
{
	if (c->masks == KCP_MASKS) {
		diag_error(o->d, o->node, NULL, "at most %d layers", KCP_MASKS);
		return;
	}
	if (kind == KCP_MASK_DNS && !(text && *text))
		text = DNS_DOMAIN;
	if (kcp_mask_set(&c->mask[c->masks++], kind, text) == -EINVAL)
		diag_error(o->d, o->node, NULL, "\"%s\" is no name", text);
}

/* The layer that @word names; @masks: by its name in finalmask */
static bool add_header(struct kcp_conf *c, struct jobj *o, const char *word,
		       bool masks, const char *domain)
{
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		const char *name = masks ? headers[i].mask : headers[i].type;

		if (!name || strcasecmp(name, word) != 0)
			continue;
		add_mask(c, o, headers[i].kind, domain);
		return true;
	}
	return false;
}

static void parse_header(struct kcp_conf *c, struct jobj *o)
{
	const char *type;
	struct jobj h;

	if (!j_open(&h, o->d, j_get(o, "header")))
		return;
	type = j_str(&h, "type", "none");
	if (*type && strcasecmp(type, "none") != 0 &&
	    !add_header(c, &h, type, false, j_str(&h, "domain", NULL)))
		diag_error(h.d, j_get(&h, "type"), NULL,
			   "must be one of none, srtp, utp, wechat-video, "
			   "dtls, wireguard, dns, got \"%s\"",
			   type);
	j_get(&h, "domain");
	j_close(&h);
}

/* What the layers leave of a datagram */
static void set_mss(struct kcp_conf *c, struct jobj *o, uint32_t mtu)
{
	size_t extra = KCP_DATA_HEAD;

	for (unsigned int i = 0; i < c->masks; i++)
		extra += c->mask[i].head_len + (size_t)c->mask[i].tail_len;
	if (extra + KCP_CMD_BYTES > mtu) {
		diag_error(o->d, o->node, "mtu",
			   "%u bytes are too few for what is around them", mtu);
		extra = 0;
	}
	c->rules.mss = (uint32_t)(mtu - extra);
}

/* Segments a step of @tti_ms, for @mb megabytes a second */
static uint32_t capacity(uint64_t mb, uint32_t mtu, uint32_t tti_ms)
{
	uint64_t n = mb * MIB / mtu / (1000 / tti_ms);

	return n < RATE_MIN   ? RATE_MIN :
	       n < UINT16_MAX ? (uint32_t)n :
				UINT16_MAX;
}

static uint32_t clamp(uint64_t n, uint32_t lo, uint32_t hi)
{
	return n < lo ? lo : n > hi ? hi : (uint32_t)n;
}

/* A buffer in MB as segments */
static uint32_t buffer(struct jobj *o, const char *key, uint32_t mtu)
{
	uint64_t mb = (uint64_t)j_int(o, key, 2, 0, 4095);

	return clamp((mb ? mb * MIB : SMALL_BUF) / mtu, RATE_MIN,
		     KCP_WINDOW_MAX);
}

static void parse_rules(struct kcp_conf *c, struct jobj *o, uint32_t mtu)
{
	struct kcp_rules *r = &c->rules;
	uint64_t up, down, times, most;
	uint32_t rate;

	r->tti_ms = (uint32_t)j_int(o, "tti", 50, 10, 1000);
	up = (uint64_t)j_int(o, "uplinkCapacity", 5, 0, UINT32_MAX);
	down = (uint64_t)j_int(o, "downlinkCapacity", 20, 0, UINT32_MAX);
	times = (uint64_t)j_int(o, "cwndMultiplier", 1, 1, UINT32_MAX);
	r->congestion = j_bool(o, "congestion", false);
	rate = capacity(up, mtu, r->tti_ms);
	r->rate = clamp(rate * times, RATE_MIN, UINT16_MAX);
	r->window = clamp(capacity(down, mtu, r->tti_ms), KCP_FIRST,
			  buffer(o, "readBufferSize", mtu));
	r->queue = buffer(o, "writeBufferSize", mtu);
	most = (uint64_t)j_int(o, "maxSendingWindow", 0, mtu, UINT32_MAX);
	if (most)
		r->queue = clamp(most / mtu, RATE_MIN, KCP_WINDOW_MAX);
}

int kcp_parse(struct transport *t, struct jobj *o, struct config *cfg)
{
	struct kcp_conf *c = arena_alloc(&cfg->arena, sizeof(*c));
	const char *seed = j_str(o, "seed", NULL);
	bool new_form =
		j_get(o, "cwndMultiplier") || j_get(o, "maxSendingWindow");
	uint32_t mtu = (uint32_t)j_int(o, "mtu", 1350, MTU_MIN, MTU_MAX);

	if (!c)
		return -ENOMEM;
	t->settings = c;
	parse_rules(c, o, mtu);
	if (seed)
		add_mask(c, o, KCP_MASK_AES, seed);
	else if (!new_form || j_get(o, "header"))
		add_mask(c, o, KCP_MASK_SIMPLE, NULL);
	parse_header(c, o);
	c->old_form = seed || j_get(o, "header");
	c->mtu = mtu;
	set_mss(c, o, mtu);
	return 0;
}

/* mkcp-legacy: one of two authenticators, or a header */
static void legacy(struct kcp_conf *c, struct jobj *o)
{
	const char *header = j_str(o, "header", ""),
		   *value = j_str(o, "value", "");

	if (!*header && !*value)
		add_mask(c, o, KCP_MASK_SIMPLE, NULL);
	else if (!*header)
		add_mask(c, o, KCP_MASK_AES, value);
	else if (!strcasecmp(header, "wechat-video") ||
		 !add_header(c, o, header, false, value))
		diag_error(o->d, j_get(o, "header"), NULL,
			   "must be one of dns, dtls, srtp, utp, wechat, "
			   "wireguard, got \"%s\"",
			   header);
}

static void one_mask(struct kcp_conf *c, struct jobj *m)
{
	const char *type = j_need_str(m, "type");
	struct jobj o;

	j_open(&o, m->d, j_get(m, "settings"));
	if (!o.node)
		o.d = m->d;
	if (!strcasecmp(type, "mkcp-legacy"))
		legacy(c, &o);
	else if (!strcasecmp(type, "mkcp-original"))
		add_mask(c, &o, KCP_MASK_SIMPLE, NULL);
	else if (!strcasecmp(type, "mkcp-aes128gcm"))
		add_mask(c, &o, KCP_MASK_AES, j_str(&o, "password", ""));
	else if (*type &&
		 !add_header(c, &o, type, true, j_str(&o, "domain", NULL))) {
		diag_error(m->d, j_get(m, "type"), NULL,
			   "\"%s\" is not supported: mkcp-legacy, "
			   "mkcp-original, mkcp-aes128gcm and header-* are",
			   type);
		return;
	}
	if (o.node)
		j_close(&o);
}

int kcp_parse_masks(const struct transport *t, struct jobj *o,
		    struct config *cfg)
{
	struct kcp_conf *c = t->settings;
	const cJSON *list = j_array(o, "udp"), *n;
	struct jobj m;

	(void)cfg;
	if (cJSON_GetArraySize(j_array(o, "tcp")) > 0)
		j_ignore(o, "tcp", "mKCP has datagrams only");
	j_ignore(o, "quicParams", "mKCP is no QUIC");
	if (!list)
		return 0;
	if (c->old_form) {
		diag_error(o->d, list, NULL,
			   "header and seed of kcpSettings say the same: one "
			   "of both");
		return 0;
	}
	c->masks = 0;
	cJSON_ArrayForEach(n, list)
	{
		if (!j_open(&m, o->d, n))
			continue;
		one_mask(c, &m);
		j_close(&m);
	}
	set_mss(c, o, c->mtu);
	return 0;
}

static bool same_rules(const struct kcp_rules *x, const struct kcp_rules *y)
{
	return x->mss == y->mss && x->tti_ms == y->tti_ms &&
	       x->rate == y->rate && x->window == y->window &&
	       x->queue == y->queue && x->congestion == y->congestion;
}

/* Those who are connected go on: nothing of it may differ */
bool kcp_same(const struct transport *a, const struct transport *b)
{
	const struct kcp_conf *x = a->settings, *y = b->settings;
	bool same = x->masks == y->masks && same_rules(&x->rules, &y->rules);

	for (unsigned int i = 0; same && i < x->masks; i++)
		same = x->mask[i].kind == y->mask[i].kind &&
		       !memcmp(x->mask[i].key, y->mask[i].key,
			       sizeof(x->mask[i].key)) &&
		       !memcmp(x->mask[i].head, y->mask[i].head,
			       sizeof(x->mask[i].head));
	return same;
}

/* There is a seed */
bool kcp_secret(const struct transport *t)
{
	const struct kcp_conf *c = t->settings;

	for (unsigned int i = 0; i < c->masks; i++)
		if (c->mask[i].kind == KCP_MASK_AES)
			return true;
	return false;
}

void kcp_drop(struct transport *t)
{
	struct kcp_conf *c = t->settings;

	if (c)
		wipe(c, sizeof(*c));
}
