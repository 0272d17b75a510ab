/*
 * tls_conf.c - tlsSettings of Xray to the settings of a level
 *
 * What cannot be had is said by name: fingerprint is a warning that tells what
 * is sent, allowInsecure and ECH are errors with what to write instead.
 * Source: xray.md section M
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "gateway/base/crypto.h"
#include "gateway/base/text.h"
#include "gateway/core/config.h"
#include "proxy/layer/ktls.h"
#include "proxy/transport/key_log.h"
#include "proxy/transport/tls.h"

/**
 * struct parse - What one parse needs everywhere
 * @trust:	Certificates of usage "verify"; owned until the store is made
 */
struct parse {
	struct tls_conf *c;
	struct jobj *o;
	struct config *cfg;
	struct transport *t;
	STACK_OF(X509) * trust;
};

static void parse_name(struct parse *p)
{
	const char *name = j_str(p->o, "serverName", "");

	if (!strcasecmp(name, "fromMitm"))
		j_not_yet(p->o, "serverName", "man in the middle inbounds");
	else if (name[0])
		p->c->server_name = arena_strdup(&p->cfg->arena, name);
}

static bool alpn_add(struct tls_conf *c, const char *word)
{
	size_t n = strlen(word);

	if (!n || n > 255 || c->alpn_len + n + 1 > sizeof(c->alpn))
		return false;
	c->alpn[c->alpn_len] = (uint8_t)n;
	memcpy(c->alpn + c->alpn_len + 1, word, n);
	c->alpn_len += n + 1;
	return true;
}

/* The network above decides, if it can do one only: ws no h2, grpc nothing else */
static void parse_alpn(struct parse *p)
{
	const char *only = p->t->alpn;
	bool given = false, fits = false;
	struct jlist l;

	j_list(p->o, "alpn", &l);
	while (j_list_next(p->o, &l)) {
		if (!l.text[0])
			continue;
		if (!strcasecmp(l.text, "fromMitm"))
			diag_error(p->o->d, l.node, NULL,
				   "man in the middle inbounds: not yet");
		given = true;
		fits |= only && !strcmp(l.text, only);
		if (!only && !alpn_add(p->c, l.text))
			diag_error(
				p->o->d, l.node, NULL,
				"is no protocol name, or the list is too long");
	}
	if (only && given && !fits)
		diag_warning(p->o->d, j_get(p->o, "alpn"), NULL,
			     "this network needs \"%s\": that is offered",
			     only);
	if (only)
		alpn_add(p->c, only);
	else if (!given && alpn_add(p->c, "h2"))
		alpn_add(p->c, "http/1.1");
}

/* 64 hex digits, colons between them allowed */
static bool pin_parse(const char *text, uint8_t pin[TLS_PIN_BYTES])
{
	size_t n = 0;

	for (; *text; text++) {
		int d = hex_digit(*text);

		if (*text == ':')
			continue;
		if (d < 0 || n == 2 * TLS_PIN_BYTES)
			return false;
		pin[n / 2] = (uint8_t)(n % 2 ? pin[n / 2] << 4 | d : d);
		n++;
	}
	return n == 2 * TLS_PIN_BYTES;
}

static unsigned int list_count(struct parse *p, const char *key)
{
	unsigned int n = 0;
	struct jlist l;

	j_list(p->o, key, &l);
	while (j_list_next(p->o, &l))
		n++;
	return n;
}

static void parse_pins(struct parse *p)
{
	static const char key[] = "pinnedPeerCertSha256";
	unsigned int max = list_count(p, key);
	uint8_t(*pins)[TLS_PIN_BYTES];
	struct jlist l;

	if (!max)
		return;
	pins = arena_alloc(&p->cfg->arena, max * sizeof(*pins));
	j_list(p->o, key, &l);
	while (pins && j_list_next(p->o, &l) && p->c->pin_count < max) {
		if (!l.text[0])
			continue;
		if (pin_parse(l.text, pins[p->c->pin_count]))
			p->c->pin_count++;
		else
			diag_error(p->o->d, l.node, NULL,
				   "must be 64 hexadecimal digits, the SHA-256 "
				   "of a certificate");
	}
	p->c->pins = (const uint8_t(*)[TLS_PIN_BYTES])pins;
}

static void parse_peer_names(struct parse *p)
{
	static const char key[] = "verifyPeerCertByName";
	unsigned int max = list_count(p, key);
	struct jlist l;

	if (!max)
		return;
	p->c->names = arena_alloc(&p->cfg->arena, max * sizeof(char *));
	j_list(p->o, key, &l);
	while (p->c->names && j_list_next(p->o, &l) && p->c->name_count < max)
		if (l.text[0])
			p->c->names[p->c->name_count++] =
				arena_strdup(&p->cfg->arena, l.text);
}

static void parse_versions(struct parse *p)
{
	const char *min = j_str(p->o, "minVersion", NULL);
	const char *max = j_str(p->o, "maxVersion", NULL);

	if (min && !min[0])
		min = NULL;
	if (max && !max[0])
		max = NULL;
	if (tls_ctx_versions(p->c->ctx, min, max) < 0)
		diag_error(p->o->d, p->o->node,
			   min ? "minVersion" : "maxVersion",
			   "versions are 1.0, 1.1, 1.2 and 1.3, and min is not "
			   "above max");
}

static void parse_ciphers(struct parse *p)
{
	const char *names = j_str(p->o, "cipherSuites", "");
	char bad[64] = "";

	if (names[0] && tls_ctx_ciphers(p->c->ctx, names, bad) < 0)
		diag_error(p->o->d, p->o->node, "cipherSuites",
			   "\"%s\" is unknown to OpenSSL %s", bad,
			   tls_library());
}

static void parse_groups(struct parse *p)
{
	char list[256] = "";
	struct jlist l;

	j_list(p->o, "curvePreferences", &l);
	while (j_list_next(p->o, &l)) {
		const char *name = tls_group_name(l.text);
		size_t used = strlen(list);

		if (!name)
			diag_error(p->o->d, l.node, NULL,
				   "\"%s\" is no known curve", l.text);
		else if (!tls_group_there(p->c->ctx, name))
			diag_error(
				p->o->d, l.node, NULL,
				"OpenSSL %s here does not have %s (3.5 does)",
				tls_library(), name);
		else if (used + strlen(name) + 2 < sizeof(list))
			snprintf(list + used, sizeof(list) - used, "%s%s",
				 used ? ":" : "", name);
	}
	if (list[0] && tls_ctx_groups(p->c->ctx, list) < 0)
		diag_error(p->o->d, p->o->node, "curvePreferences",
			   "refused by OpenSSL %s", tls_library());
}

/* --- certificates --- */

/* The lines of an array, or a string, as one text. NULL: absent */
static char *pem_text(struct parse *p, struct jobj *o, const char *key)
{
	struct jlist l;
	size_t n = 0;
	char *text, *at;

	if (!j_get(o, key))
		return NULL;
	j_list(o, key, &l);
	while (j_list_next(o, &l))
		n += strlen(l.text) + 1;
	text = at = arena_alloc(&p->cfg->arena, n + 1);
	j_list(o, key, &l);
	while (text && j_list_next(o, &l) && n) {
		size_t len = strlen(l.text);

		if (len + 1 > n)
			break;
		memcpy(at, l.text, len);
		at[len] = '\n';
		at += len + 1;
		n -= len + 1;
	}
	wipe(l.tmp, sizeof(l.tmp));
	return text;
}

/* "key", which does not stay in memory as a text. NULL: absent, or wrong */
static struct evp_pkey_st *inline_key(struct parse *p, struct jobj *o)
{
	char why[160], *text = pem_text(p, o, "key");
	struct evp_pkey_st *key;

	if (!text)
		return NULL;
	key = tls_key_read(NULL, text, why, sizeof(why));
	if (!key)
		diag_error(o->d, j_get(o, "key"), NULL, "%s", why);
	wipe(text, strlen(text));
	return key;
}

static void trust_add(struct parse *p, struct jobj *o, const struct tls_key *k)
{
	char why[160] = "";
	STACK_OF(X509) *certs =
		tls_certs_read(k->cert_file, k->cert_pem, why, sizeof(why));
	X509 *x;

	if (!certs) {
		diag_error(o->d, o->node,
			   k->cert_file ? "certificateFile" : "certificate",
			   "%s", why);
		return;
	}
	if (!p->trust)
		p->trust = sk_X509_new_null();
	while ((x = sk_X509_shift(certs)) != NULL)
		if (!p->trust || !sk_X509_push(p->trust, x))
			X509_free(x);
	sk_X509_free(certs);
}

enum usage { USAGE_OWN, USAGE_VERIFY, USAGE_ISSUE };

static void parse_certificate(struct parse *p, struct jobj *o)
{
	static const struct jword usages[] = {
		{ "encipherment", USAGE_OWN },
		{ "verify", USAGE_VERIFY },
		{ "issue", USAGE_ISSUE },
	};
	struct tls_key k = { 0 };
	int usage = j_word(o, "usage", usages, ARRAY_SIZE(usages), USAGE_OWN);
	const char *cert = j_str(o, "certificateFile", NULL);
	const char *key = j_str(o, "keyFile", NULL);
	bool inline_too = j_get(o, "key") != NULL;

	if (cert && cert[0])
		k.cert_file = arena_strdup(&p->cfg->arena, cert);
	if (key && key[0])
		k.key_file = arena_strdup(&p->cfg->arena, key);
	k.cert_pem = pem_text(p, o, "certificate");
	j_ignore(o, "oneTimeLoading", NULL); /* ours looks for changes always */
	j_ignore(o, "buildChain", NULL);
	j_ignore(o, "serveOnNode", NULL);
	k.ocsp_s = (uint32_t)j_int(o, "ocspStapling", 0, 0, INT32_MAX / 1000);
	if (k.ocsp_s && k.ocsp_s < TLS_OCSP_MIN_S)
		k.ocsp_s = TLS_OCSP_MIN_S;
	if (usage == USAGE_ISSUE)
		j_not_yet(o, "usage", "certificates made on the fly");
	else if (!k.cert_file && !k.cert_pem)
		diag_error(o->d, o->node, "certificateFile", "is missing");
	else if (usage == USAGE_VERIFY)
		trust_add(p, o, &k);
	else if (!k.key_file && !inline_too)
		diag_error(o->d, o->node, "keyFile", "is missing");
	else if (k.key_file || (k.key = inline_key(p, o)))
		p->c->keys[p->c->key_count++] = k;
	p->c->ocsp |= p->c->server && k.ocsp_s;
}

static void parse_certificates(struct parse *p)
{
	const cJSON *all = j_array(p->o, "certificates"), *one;
	struct tls_conf *c = p->c;

	if (all)
		c->keys = arena_alloc(&p->cfg->arena,
				      TLS_CERTS_MAX * sizeof(*c->keys));
	cJSON_ArrayForEach(one, all)
	{
		struct jobj o;

		if (!c->keys || c->key_count == TLS_CERTS_MAX) {
			diag_error(p->o->d, all, NULL, "more than %d",
				   TLS_CERTS_MAX);
			break;
		}
		if (j_open(&o, p->o->d, one)) {
			parse_certificate(p, &o);
			j_close(&o);
		}
	}
	if (c->key_count) {
		struct tls_pairs *pairs = tls_pairs_load(
			c->keys, c->key_count, c->why, sizeof(c->why));

		atomic_init(&c->pairs, pairs);
		if (!pairs)
			diag_error(p->o->d, all, NULL, "%s", c->why);
	} else if (c->server && p->o->d->errors == 0) {
		diag_error(p->o->d, p->o->node, "certificates",
			   "a TLS inbound needs one, with its key");
	}
}

/* A server that wants to see certificates; a key of v2fly's, Xray has none */
static void parse_clients(struct parse *p)
{
	static const char key[] = "verifyClientCertificate";
	struct x509_store_st *store;

	if (!j_bool(p->o, key, false)) {
		if (p->trust)
			diag_warning(p->o->d, j_get(p->o, "certificates"), NULL,
				     "usage \"verify\" does nothing on a "
				     "server without %s",
				     key);
		return;
	}
	store = p->trust ? tls_store_new(false, p->trust) : NULL;
	if (store)
		tls_verify_clients(p->c, store);
	else
		diag_error(p->o->d, j_get(p->o, key), NULL,
			   "needs a certificate with usage \"verify\": the CA "
			   "of the clients");
}

/* Whom we believe: the system's CAs and usage "verify" */
static void parse_trust(struct parse *p)
{
	bool system = !j_bool(p->o, "disableSystemRoot", false);
	struct x509_store_st *store;

	if (p->c->server) {
		parse_clients(p);
		return;
	}
	store = tls_store_new(system, p->trust);
	if (store)
		SSL_CTX_set_cert_store(p->c->ctx, store);
	else if (!p->c->pin_count)
		diag_warning(
			p->o->d, p->o->node,
			system ? "certificates" : "disableSystemRoot",
			system ? "no CA is known here: install ca-certificates "
				 "(ca-bundle), or nothing will be believed" :
				 "no CA is left: certificates with usage "
				 "\"verify\" are missing, nothing will be "
				 "believed");
	tls_verify_setup(p->c);
}

/* --- what only looks like a setting --- */

static void parse_fingerprint(struct parse *p)
{
	const char *word = j_str(p->o, "fingerprint", "");

	if (word[0] && strcasecmp(word, "unsafe") != 0 && !p->c->server)
		diag_warning(p->o->d, j_get(p->o, "fingerprint"), NULL,
			     "no browser is imitated: the ClientHello is that "
			     "of OpenSSL %s and looks like it",
			     tls_library());
}

/* Never in clear what was to be encrypted: what cannot be had is an error */
static void parse_ech_key(struct parse *p, const char *key, bool mine,
			  int (*use)(struct ssl_ctx_st *ctx, const char *text))
{
	const char *text = j_str(p->o, key, "");

	if (!text[0])
		return;
	if (!mine)
		j_ignore(p->o, key, "that is for the other side");
	else if (!tls_ech_there())
		diag_error(p->o->d, j_get(p->o, key), NULL,
			   "OpenSSL %s here has no encrypted ClientHello (4.0 "
			   "has), and the name is not sent in clear instead",
			   tls_library());
	else if (strstr(text, "://"))
		j_not_yet(p->o, key, "asking DNS for it; give the list itself");
	else if (use(p->c->ctx, text) < 0)
		diag_error(p->o->d, j_get(p->o, key), NULL,
			   "is not base64 of what it should be, or OpenSSL %s "
			   "does not know its kind",
			   tls_library());
}

static void parse_ech(struct parse *p)
{
	parse_ech_key(p, "echConfigList", !p->c->server, tls_ech_client);
	parse_ech_key(p, "echServerKeys", p->c->server, tls_ech_server);
}

static void parse_refused(struct parse *p)
{
	if (j_bool(p->o, "allowInsecure", false)) {
		diag_error(p->o->d, j_get(p->o, "allowInsecure"), NULL,
			   "was removed from Xray: anybody could read along");
		diag_help(p->o->d, "use pinnedPeerCertSha256; a refused "
				   "certificate's sum is in the log");
	}
	j_ignore(p->o, "echSockopt", NULL);
	j_ignore(p->o, "echForceQuery", NULL);
	j_ignore(p->o, "disableSessionResumption", NULL);
	j_ignore(p->o, "verifyPeerCertInNames",
		 "the new name is verifyPeerCertByName");
	j_ignore(p->o, "pinnedPeerCertificateChainSha256",
		 "the new name is pinnedPeerCertSha256");
	j_ignore(p->o, "pinnedPeerCertificatePublicKeySha256",
		 "the new name is pinnedPeerCertSha256");
	j_ignore(p->o, "preferServerCipherSuites", NULL);
}

/* A key of our own, Xray has none. Without it nothing is lost: no error */
static void parse_kernel(struct parse *p)
{
	int rc;

	p->c->kernel = j_bool(p->o, "kernelTls", false);
	rc = p->c->kernel ? ktls_there() : 0;
	if (rc < 0)
		diag_warning(
			p->o->d, j_get(p->o, "kernelTls"), NULL,
			"has no effect: this kernel has no TLS for sockets "
			"(CONFIG_TLS, module \"tls\"): %s",
			strerror(-rc));
}

int tls_parse(struct transport *t, struct jobj *settings, struct config *cfg)
{
	struct tls_conf *c = arena_alloc(&cfg->arena, sizeof(*c));
	struct parse p = { .c = c, .o = settings, .cfg = cfg, .t = t };

	if (!c)
		return -ENOMEM;
	t->settings = c;
	c->log_fd = -1;
	c->cfg = cfg;
	c->server = t->server;
	c->ctx = tls_ctx_new(t->server);
	if (!c->ctx) {
		diag_error(settings->d, settings->node, NULL,
			   "OpenSSL %s cannot be set up", tls_library());
		return -ENOMEM;
	}
	parse_name(&p);
	parse_alpn(&p);
	parse_pins(&p);
	parse_peer_names(&p);
	parse_versions(&p);
	parse_ciphers(&p);
	parse_groups(&p);
	c->resume = j_bool(settings, "enableSessionResumption", false);
	c->reject_unknown = j_bool(settings, "rejectUnknownSni", false);
	parse_certificates(&p);
	parse_trust(&p);
	parse_fingerprint(&p);
	parse_ech(&p);
	parse_refused(&p);
	parse_kernel(&p);
	c->log_fd = key_log_parse(settings);
	tls_certs_free(p.trust);
	tls_certs_setup(c);
	tls_ctx_finish(c);
	return 0;
}

void tls_drop(struct transport *t)
{
	struct tls_conf *c = t->settings;

	if (!c)
		return;
	if (c->have_thread)
		pthread_join(c->thread, NULL);
	tls_tickets_free(c);
	tls_pairs_drop(c);
	tls_keys_free(c->keys, c->key_count);
	SSL_CTX_free(c->ctx);
	if (c->log_fd >= 0)
		close(c->log_fd);
}
