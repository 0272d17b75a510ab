/*
 * reality.c - REALITY as client: realitySettings, and the stream of records
 *
 * While the handshake runs, head.c carries it: ClientHello out, the server's
 * flight in. It is spent then, and records.c has the rest; the first thing it
 * writes is our Finished.
 *
 * A server that is not the one meant gets nothing of what we carry: the
 * connection ends at its certificate. Our own server is reality_in.c.
 *
 * Source: docs/wire/reality.md; xray.md sections N and 2.16
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "gateway/base/base64.h"
#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/crypto_pk.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/base/text.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "proxy/layer/head.h"
#include "proxy/layer/records.h"
#include "proxy/transport/key_log.h"
#include "proxy/transport/reality_in.h"
#include "proxy/transport/transports.h"
#include "proxy/wire/reality.h"

/**
 * struct reality_conf - realitySettings
 * @server_name:	NULL: the address dialed
 * @verify:	The server's key of ML-DSA-65; NULL: it is not asked for
 * @log_fd:	masterKeyLog; -1 none
 * @told_ms:	When it was said last that the server does not know us
 */
struct reality_conf {
	struct reality_id id;
	const char *server_name;
	struct mldsa65_public_key *verify;
	int log_fd;
	atomic_uint told_ms;
};

/**
 * struct reality - One connection
 * @rec:	Its records once there are keys
 * @shake:	Until the handshake is over; NULL
 */
struct reality {
	struct records rec; /* must be first */
	struct tls13_shake *shake;
	uint8_t auth_key[REALITY_KEY_BYTES];
	struct reality_conf *conf; /* the settings */
};

static struct reality *reality_of(struct chunk *c)
{
	return container_of(c, struct reality, rec.c);
}

/* --- the handshake ------------------------------------------------------------ */

/* What head.c owns while the server's flight comes; the stream outlives it */
struct flight {
	struct reality *r;
};

static int judge(void *arg, const struct tls13_proof *proof)
{
	const struct reality *r = arg;
	int rc = reality_server_is(proof, r->auth_key);

	if (!rc && r->conf->verify) {
		rc = reality_server_signs(proof, r->auth_key, r->conf->verify);
		if (rc == -EACCES)
			log_warning("s%x reality: the server does not have the "
				    "key that mldsa65Verify wants",
				    r->rec.c.id);
		return rc;
	}
	if (rc == -EACCES && log_due(&r->conf->told_ms, LOG_AGAIN_MS))
		log_warning(
			"s%x reality: the server does not know us: it "
			"showed another certificate (publicKey, shortId or "
			"serverName do not fit, its clock or ours is wrong, "
			"or it is not the server)",
			r->rec.c.id);
	else if (rc == -EACCES)
		log_info("s%x reality: the server does not know us",
			 r->rec.c.id);
	return rc;
}

static ssize_t flight_take(void *arg, uint32_t id, const uint8_t *p, size_t n)
{
	struct reality *r = ((struct flight *)arg)->r;
	ssize_t used = tls13_shake_feed(r->shake, p, n);

	if (used < 0 && r->shake->why)
		log_info("s%x reality: %s", id, r->shake->why);
	return used;
}

static const struct head_ops flight_ops = { .name = "reality",
					    .take = flight_take,
					    .wait = true };

/* --- records ------------------------------------------------------------------ */

static ssize_t start(struct chunk *c, const uint8_t *p, size_t n, uint8_t *out,
		     size_t room)
{
	struct reality *r = reality_of(c);
	ssize_t len = tls13_shake_finish(r->shake, out, room);

	(void)p;
	(void)n; /* none: c->first is 0 */
	if (len < 0)
		return len;
	log_debug("s%x reality: TLSv1.3, alpn %s", c->id,
		  r->shake->alpn[0] ? r->shake->alpn : "none");
	r->rec.tx = r->shake->tx;
	r->rec.rx = r->shake->rx;
	memset(&r->shake->tx, 0, sizeof(r->shake->tx));
	memset(&r->shake->rx, 0, sizeof(r->shake->rx));
	tls13_shake_drop(r->shake);
	free(r->shake);
	r->shake = NULL;
	return len;
}

static void drop(struct chunk *c)
{
	struct reality *r = reality_of(c);

	if (r->shake)
		tls13_shake_drop(r->shake);
	free(r->shake);
	wipe(r->auth_key, sizeof(r->auth_key));
	records_drop(c);
}

static const struct chunk_ops reality_chunk = {
	.name = "reality",
	.start = start,
	RECORDS_OPS,
	.drop = drop,
};

/* --- dialing ------------------------------------------------------------------ */

/* The hello for @to, as a record at @out. Bytes or -errno */
static ssize_t make_hello(struct reality *r, struct reality_conf *conf,
			  const struct addr *to, uint8_t *out, size_t room)
{
	static const uint8_t alpn[] = "\2h2\10http/1.1";
	struct tls13_offer o = { .name = conf->server_name,
				 .alpn = alpn,
				 .alpn_len = sizeof(alpn) - 1 };
	uint8_t hello[TLS13_HELLO_MAX];
	struct addr ip;
	ssize_t n;
	int rc;

	if (!o.name && to->kind == ADDR_NAME)
		o.name = to->name;
	if (o.name && addr_parse_ip(&ip, o.name) == 0)
		o.name = NULL;
	rand_bytes(&r->shake->own, sizeof(r->shake->own));
	rand_bytes(o.random, sizeof(o.random));
	rand_bytes(o.dice, sizeof(o.dice));
	rc = tls13_own_public(&r->shake->own, &o);
	if (rc < 0)
		return rc;
	n = tls13_hello_encode(&o, hello, sizeof(hello));
	if (n < 0)
		return n;
	r->conf = conf;
	if (conf->log_fd >= 0)
		r->shake->tell = (struct tls13_tell){ .put = key_log_put,
						      .fd = conf->log_fd };
	rc = reality_seal(&conf->id, r->shake->own.alone,
			  (uint32_t)clock_wall(), hello, (size_t)n,
			  r->auth_key);
	if (!rc)
		rc = tls13_shake_start(r->shake, hello, (size_t)n);
	return rc < 0 ? rc : tls13_shake_hello(r->shake, out, room);
}

static struct reality *reality_new(uint32_t id)
{
	struct reality *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->rec.c.id = id;
	records_setup(&r->rec);
	r->shake = calloc(1, sizeof(*r->shake));
	if (r->shake) {
		r->shake->judge = judge;
		r->shake->arg = r;
		return r;
	}
	free(r);
	return NULL;
}

/* The layers over @below, which they own on success. 0 or -errno */
static int stack(struct reality *r, const struct dial *d, const uint8_t *hello,
		 size_t n, struct stream *below)
{
	struct flight *f = malloc(sizeof(*f));
	struct stream *h;

	if (!f)
		return -ENOMEM;
	f->r = r;
	h = head_new(&flight_ops, below, hello, n, f, r->rec.c.id);
	if (!h)
		return -ENOMEM;
	chunk_init(&r->rec.c, &reality_chunk, d->worker, h, r->rec.c.id);
	return 0;
}

static int reality_dial(const struct transport *t, const struct dial *d,
			const struct addr *to, struct stream **out)
{
	uint8_t hello[TLS13_HEAD_BYTES + TLS13_HELLO_MAX];
	struct reality *r = reality_new(d->s ? d->s->id : 0);
	struct stream *below = NULL;
	ssize_t n = -ENOMEM;
	int rc;

	if (r)
		n = make_hello(r, t->settings, to, hello, sizeof(hello));
	rc = n < 0 ? (int)n : transport_dial(t->below, d, to, &below);
	if (!rc)
		rc = stack(r, d, hello, (size_t)n, below);
	if (rc < 0) {
		stream_close(&below, rc);
		if (r)
			drop(&r->rec.c);
		free(r);
		return rc;
	}
	*out = &r->rec.c.s;
	return 0;
}

/* --- settings ----------------------------------------------------------------- */

void reality_parse_key(struct jobj *o, const char *key, const char *more,
		       uint8_t out[REALITY_KEY_BYTES])
{
	const char *text = j_need_str(o, key);
	uint8_t raw[REALITY_KEY_BYTES + 3];

	if (text[0] && base64_decode(text, strlen(text), raw, sizeof(raw)) !=
			       REALITY_KEY_BYTES)
		diag_error(o->d, j_get(o, key), NULL,
			   "must be 32 bytes in base64url%s", more);
	else if (text[0])
		memcpy(out, raw, REALITY_KEY_BYTES);
	wipe(raw, sizeof(raw));
}

void reality_parse_short_id(struct jobj *o, const cJSON *at, const char *text,
			    uint8_t id[REALITY_SHORT_ID_BYTES])
{
	if (hex_decode(text, strlen(text), id, REALITY_SHORT_ID_BYTES) < 0)
		diag_error(o->d, at, NULL,
			   "must be an even number of hexadecimal digits, at "
			   "most 16");
}

static void parse_keys(struct jobj *o, struct reality_conf *c)
{
	const char *key = j_get(o, "password") ? "password" : "publicKey";
	const char *id = j_str(o, "shortId", "");

	j_get(o, "publicKey");
	reality_parse_key(o, key, ", the server's public key",
			  c->id.server_key);
	reality_parse_short_id(o, j_get(o, "shortId"), id, c->id.short_id);
}

static void parse_fingerprint(struct jobj *o)
{
	const char *word = j_str(o, "fingerprint", "chrome");

	if (!strcasecmp(word, "unsafe") || !strcasecmp(word, "hellogolang"))
		diag_error(o->d, j_get(o, "fingerprint"), NULL,
			   "\"%s\" does not go with reality; chrome does",
			   word);
	else if (word[0] && strcasecmp(word, "chrome") != 0)
		diag_warning(o->d, j_get(o, "fingerprint"), NULL,
			     "what is sent looks like Chrome's");
}

static void parse_rest(struct jobj *o, struct reality_conf *c)
{
	const char *spider = j_str(o, "spiderX", "/");

	if (spider[0] && spider[0] != '/')
		diag_error(o->d, j_get(o, "spiderX"), NULL,
			   "must begin with \"/\"");
	j_bool(o, "show", false);
	c->log_fd = key_log_parse(o);
	j_ignore(o, "target", "of inbounds");
	j_ignore(o, "dest", "of inbounds");
}

/* "mldsa65Verify". 0 or -ENOMEM */
static int parse_verify(struct jobj *o, struct reality_conf *c, struct arena *a)
{
	const char *text = j_str(o, "mldsa65Verify", "");
	uint8_t key[MLDSA65_KEY_BYTES + 3];

	if (!*text)
		return 0;
	c->verify = arena_alloc(a, sizeof(*c->verify));
	if (!c->verify)
		return -ENOMEM;
	if (base64_decode(text, strlen(text), key, sizeof(key)) !=
	    MLDSA65_KEY_BYTES)
		diag_error(o->d, j_get(o, "mldsa65Verify"), NULL,
			   "must be 1952 bytes in base64url, the \"Verify\" of "
			   "the server's seed");
	else
		mldsa65_public_set(c->verify, key);
	return 0;
}

static int reality_parse(struct transport *t, struct jobj *o,
			 struct config *cfg)
{
	struct reality_conf *c;
	const char *name;

	if (t->alpn && strcmp(t->alpn, "h2") != 0)
		diag_error(o->d, o->node, NULL,
			   "reality goes with the networks raw, grpc and xhttp "
			   "only");
	if (t->server)
		return reality_in_parse(t, o, cfg);
	c = arena_alloc(&cfg->arena, sizeof(*c));
	if (!c)
		return -ENOMEM;
	t->settings = c;
	c->log_fd = -1;
	name = j_str(o, "serverName", "");
	if (strlen(name) > ADDR_NAME_MAX)
		diag_error(o->d, j_get(o, "serverName"), NULL,
			   "is longer than 255 bytes");
	else if (name[0])
		c->server_name = arena_strdup(&cfg->arena, name);
	parse_keys(o, c);
	parse_fingerprint(o);
	parse_rest(o, c);
	return parse_verify(o, c, &cfg->arena);
}

static void reality_drop(struct transport *t)
{
	struct reality_conf *c = t->settings;

	if (t->server) {
		reality_in_drop(t);
	} else if (c) {
		if (c->log_fd >= 0)
			close(c->log_fd);
		wipe(c, sizeof(*c));
	}
}

const char *reality_server_name(const struct transport *t)
{
	const struct reality_conf *c;

	if (!t || t->ops != &transport_reality_ops || t->server)
		return NULL;
	c = t->settings;
	return c->server_name;
}

const struct transport_ops transport_reality_ops = {
	.name = "reality",
	.key = "realitySettings",
	.secure = true,
	.parse = reality_parse,
	.dial = reality_dial,
	.meet = reality_meet,
	.drop = reality_drop,
};
