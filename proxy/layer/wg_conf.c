/* wg_conf.c - Settings of WireGuard, outbound and inbound: Xray's keys */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/arena.h"
#include "gateway/base/base64.h"
#include "gateway/base/compat.h"
#include "gateway/base/jget.h"
#include "gateway/core/sockopt.h"
#include "proxy/layer/wg.h"

#define MTU_DEFAULT    1420
#define KEEP_ALIVE_MAX 65535

/* What Xray takes when there is no "address" */
static const char *const own_default[] = { "10.0.0.1",
					   "fd59:7153:2388:b5fd::1" };

static void parse_key(struct jobj *o, const char *name, bool needed,
		      uint8_t key[WG_KEY_BYTES])
{
	const char *text = needed ? j_need_str(o, name) : j_str(o, name, "");

	if (*text && wg_key_parse(text, key) < 0)
		diag_error(o->d, j_get(o, name), NULL,
			   "is no key: 32 bytes, in base64 or hex");
}

/* --- addresses ---------------------------------------------------------------------- */

/* "10.0.0.2" or "10.0.0.2/32"; the first of a family counts */
static int own_add(struct wg_conf *c, const char *text)
{
	char host[64];
	struct addr a = { .kind = ADDR_NONE };
	size_t n = strcspn(text, "/");

	if (n >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	if (addr_parse_ip(&a, host) < 0)
		return -EINVAL;
	if (c->own[a.kind == ADDR_V6].kind == ADDR_NONE)
		c->own[a.kind == ADDR_V6] = a;
	return 0;
}

static void parse_own(struct jobj *o, struct wg_conf *c)
{
	bool any = false;
	struct jlist l;

	j_list(o, "address", &l);
	while (j_list_next(o, &l)) {
		any = true;
		if (own_add(c, l.text) < 0)
			diag_error(o->d, l.node, NULL,
				   "\"%s\" is no IP address", l.text);
	}
	for (size_t i = 0; !any && i < ARRAY_SIZE(own_default); i++)
		(void)own_add(c, own_default[i]);
}

/* Those of "allowedIPs" that are prefixes, to @v */
static uint16_t read_allowed(struct jobj *o, struct cidr v[WG_ALLOWED_MAX])
{
	static const char *const all[] = { "0.0.0.0/0", "::/0" };
	uint16_t n = 0;
	struct jlist l;

	for (size_t i = 0; !j_get(o, "allowedIPs") && i < 2; i++)
		(void)cidr_parse(&v[n++], all[i]);
	j_list(o, "allowedIPs", &l);
	while (j_list_next(o, &l)) {
		if (n == WG_ALLOWED_MAX) {
			diag_error(o->d, l.node, NULL,
				   "more than %d prefixes of a peer",
				   WG_ALLOWED_MAX);
			break;
		}
		if (cidr_parse(&v[n], l.text) < 0)
			diag_error(o->d, l.node, NULL, "\"%s\" is no prefix",
				   l.text);
		else
			n++;
	}
	return n;
}

static void parse_allowed(struct jobj *o, struct wg_peer_conf *p,
			  struct arena *a)
{
	struct cidr v[WG_ALLOWED_MAX];
	uint16_t n = read_allowed(o, v);

	p->allowed = arena_alloc(a, n * sizeof(*v) + 1);
	if (!p->allowed)
		return; /* the arena remembers */
	memcpy(p->allowed, v, n * sizeof(*v));
	p->allowed_count = n;
}

/* --- peers ---------------------------------------------------------------------------- */

/* "host:port", "[v6]:port". 0, -EINVAL or -ENOMEM */
static int endpoint_of(const char *text, struct addr *out, struct arena *a)
{
	const char *colon = strrchr(text, ':');
	char *end;
	long port;

	if (!colon || colon == text)
		return -EINVAL;
	port = strtol(colon + 1, &end, 10);
	if (*end || end == colon + 1 || port < 1 || port > 65535)
		return -EINVAL;
	out->port = (uint16_t)port;
	return addr_parse_host(out, text, (size_t)(colon - text), a);
}

static void parse_endpoint(struct jobj *o, struct wg_peer_conf *p,
			   struct arena *a, bool server)
{
	const char *text =
		server ? j_str(o, "endpoint", "") : j_need_str(o, "endpoint");

	if (*text && endpoint_of(text, &p->endpoint, a) == -EINVAL)
		diag_error(o->d, j_get(o, "endpoint"), NULL,
			   "\"%s\" is not host:port", text);
}

/* Two keys that give nothing secret */
static void check_pair(struct jobj *o, const struct wg_conf *c,
		       const struct wg_peer_conf *p)
{
	struct wg_self_key self;
	struct wg_peer_key peer;

	if (!wg_self_set(&self, c->secret_key) &&
	    wg_peer_set(&peer, &self, p->public_key, p->psk) == -EPROTO)
		diag_error(o->d, j_get(o, "publicKey"), NULL,
			   "is no public key");
	wipe(&self, sizeof(self));
	wipe(&peer, sizeof(peer));
}

/* wireguard-go makes one peer of both, with the endpoint of the second */
static void check_twice(struct jobj *o, const struct wg_conf *c,
			const struct wg_peer_conf *p)
{
	for (const struct wg_peer_conf *q = c->peers; q < p; q++) {
		if (memcmp(q->public_key, p->public_key, WG_KEY_BYTES) != 0)
			continue;
		diag_error(o->d, j_get(o, "publicKey"), NULL,
			   "peers[%d] has the same key", (int)(q - c->peers));
		return;
	}
}

static void parse_peer(struct diag *d, const cJSON *node, struct wg_conf *c,
		       struct arena *a, bool server)
{
	struct wg_peer_conf *p = &c->peers[c->peer_count];
	unsigned int before = d->errors;
	struct jobj o;

	if (!j_open(&o, d, node))
		return;
	c->peer_count++;
	parse_key(&o, "publicKey", true, p->public_key);
	parse_key(&o, "preSharedKey", false, p->psk);
	parse_endpoint(&o, p, a, server);
	p->keep_alive_s =
		(uint16_t)j_int(&o, "keepAlive", 0, 0, KEEP_ALIVE_MAX);
	parse_allowed(&o, p, a);
	p->level = (uint32_t)j_int(&o, "level", 0, 0, UINT32_MAX);
	p->email = arena_strdup(a, j_str(&o, "email", ""));
	if (d->errors == before)
		check_pair(&o, c, p);
	if (d->errors == before)
		check_twice(&o, c, p);
	j_close(&o);
}

static int parse_peers(struct jobj *o, struct wg_conf *c, struct arena *a,
		       bool server)
{
	const cJSON *list = j_array(o, "peers"), *n;
	int count = list ? cJSON_GetArraySize(list) : 0;

	if (count > WG_PEERS_MAX) {
		diag_error(o->d, list, NULL, "more than %d peers",
			   WG_PEERS_MAX);
		return 0;
	}
	if (!count)
		diag_error(o->d, o->node, "peers", "is missing or empty");
	c->peers = arena_alloc(a, (size_t)(count + 1) * sizeof(*c->peers));
	if (!c->peers)
		return -ENOMEM;
	cJSON_ArrayForEach(n, list) parse_peer(o->d, n, c, a, server);
	return 0;
}

/* --- the rest --------------------------------------------------------------------------- */

/* [1, 2, 3], or the same in base64 */
static void parse_reserved(struct jobj *o, struct wg_conf *c)
{
	const cJSON *r = j_get(o, "reserved"), *n;
	uint8_t b[3];
	size_t count = 0;
	bool good = true;

	if (!r || (cJSON_IsArray(r) && !cJSON_GetArraySize(r)))
		return;
	if (cJSON_IsString(r)) {
		size_t len = strlen(r->valuestring);

		if (!len)
			return;
		good = base64_decode(r->valuestring, len, b, sizeof(b)) == 3;
		count = 3;
	} else {
		cJSON_ArrayForEach(n, r)
		{
			good &= count < 3 && cJSON_IsNumber(n) &&
				n->valuedouble >= 0 && n->valuedouble <= 255;
			if (good)
				b[count++] = (uint8_t)n->valuedouble;
		}
	}
	if (good && count == 3)
		memcpy(c->reserved, b, 3);
	else
		diag_error(o->d, r, NULL, "must be 3 bytes");
}

static void parse_strategy(struct jobj *o, struct wg_conf *c)
{
	enum domain_strategy ds = ds_parse(o, "domainStrategy");

	if (ds == DS_AS_IS && !*j_str(o, "domainStrategy", ""))
		ds = DS_FORCE_IP;
	if (!ds_forced(ds))
		diag_error(o->d, j_get(o, "domainStrategy"), NULL,
			   "must be ForceIP, ForceIPv4, ForceIPv6, ForceIPv4v6 "
			   "or ForceIPv6v4");
	c->strategy = (uint8_t)ds;
}

void wg_conf_wipe(struct wg_conf *c)
{
	wipe(c->secret_key, sizeof(c->secret_key));
	for (unsigned int i = 0; i < c->peer_count; i++)
		wipe(c->peers[i].psk, sizeof(c->peers[i].psk));
}

int wg_conf_parse(struct jobj *settings, struct wg_conf *c, struct arena *a,
		  bool server)
{
	parse_key(settings, "secretKey", true, c->secret_key);
	parse_own(settings, c);
	c->mtu = (uint16_t)j_int(settings, "mtu", MTU_DEFAULT, WG_MTU_MIN,
				 WG_MTU_MAX);
	parse_reserved(settings, c);
	parse_strategy(settings, c);
	/* how many threads, and whether the kernel's TUN: not ours to choose */
	(void)j_int(settings, "workers", 0, 0, INT32_MAX);
	(void)j_bool(settings, "noKernelTun", true);
	(void)j_bool(settings, "kernelMode", false);
	return parse_peers(settings, c, a, server);
}
