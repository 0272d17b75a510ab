/*
 * venc_conf.c - "decryption" and "encryption" as texts
 *
 *   mlkem768x25519plus . mode . tickets . padding ... . key ...
 *
 * A part of less than 20 characters is padding: lengths and gaps take turns, each
 * "percent-least-most". Xray takes keys and paddings in any order and reads them
 * wrong then: here paddings come first.
 *
 * Source: Xray-core infra/conf/vless.go, proxy/vless/encryption/common.go (facts)
 */
#include "proxy/wire/venc.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/base64.h"
#include "gateway/base/blake3.h"

#define PADDING_CHARS 20 /* fewer than a key has */
#define FIRST_MIN     35 /* bytes of the first padding: two tags, a length */

/* A text between dots */
struct part {
	const char *p;
	size_t n;
};

static bool next_part(const char **at, struct part *out)
{
	if (!*at)
		return false;
	out->p = *at;
	out->n = strcspn(*at, ".");
	*at = out->p[out->n] ? out->p + out->n + 1 : NULL;
	return true;
}

static bool is(const struct part *x, const char *word)
{
	return x->n == strlen(word) && !memcmp(x->p, word, x->n);
}

/* Digits at *@p before @end, up to @most. False: none, or more */
static bool number(const char **p, const char *end, uint32_t most,
		   uint32_t *out)
{
	uint32_t v = 0;
	const char *at = *p;

	for (; at < end && *at >= '0' && *at <= '9'; at++) {
		v = v * 10 + (uint32_t)(*at - '0');
		if (v > most)
			return false;
	}
	if (at == *p)
		return false;
	*p = at;
	*out = v;
	return true;
}

static bool dash(const char **p, const char *end)
{
	if (*p == end || **p != '-')
		return false;
	++*p;
	return true;
}

static const char *parse_mode(const struct part *x, struct venc_conf_key *c)
{
	static const char *const words[] = { "native", "xorpub", "random" };

	for (unsigned int i = 0; i < 3; i++) {
		if (is(x, words[i])) {
			c->mode = (enum venc_mode)i;
			return NULL;
		}
	}
	return "have native, xorpub or random second";
}

/* "600s", "300-600s" */
static const char *parse_seconds(const struct part *x, struct venc_conf_key *c)
{
	const char *p = x->p, *end = x->p + x->n;
	static const char wrong[] =
		"have the seconds that a ticket lives third: \"600s\", "
		"\"300-600s\", at most 65535; \"0s\" for no tickets";

	if (x->n && end[-1] == 's')
		end--;
	if (!number(&p, end, UINT16_MAX, &c->seconds_from))
		return wrong;
	if (p < end &&
	    (!dash(&p, end) || !number(&p, end, UINT16_MAX, &c->seconds_to) ||
	     c->seconds_to < c->seconds_from))
		return wrong;
	return p == end ? NULL : wrong;
}

static const char *parse_resume(const struct part *x, struct venc_conf_key *c)
{
	c->resume = is(x, "0rtt");
	return c->resume || is(x, "1rtt") ? NULL : "have 0rtt or 1rtt third";
}

static const char *parse_padding(const struct part *x, struct venc_padding *d)
{
	const char *p = x->p, *end = x->p + x->n;
	bool gap = d->lens > d->gaps;
	struct venc_part v;

	if ((gap ? d->gaps : d->lens) == VENC_PARTS_MAX)
		return "have at most 16 lengths and gaps of padding";
	if (!number(&p, end, 100, &v.percent) || !dash(&p, end) ||
	    !number(&p, end, UINT16_MAX, &v.lo) || !dash(&p, end) ||
	    !number(&p, end, UINT16_MAX, &v.hi) || p != end)
		return "have its keys, and before them paddings as "
		       "percent-least-most, \"100-111-1111\"";
	if (v.hi < v.lo) {
		uint32_t lo = v.hi;

		v.hi = v.lo;
		v.lo = lo;
	}
	if (!d->lens && (v.percent < 100 || v.lo < FIRST_MIN))
		return "have a first padding of 100 percent and 35 bytes at "
		       "least";
	if (gap)
		d->gap[d->gaps++] = v;
	else
		d->len[d->lens++] = v;
	return NULL;
}

static const char *check_padding(const struct venc_padding *d)
{
	size_t all = 0;

	for (unsigned int i = 0; i < d->lens; i++)
		all += d->len[i].hi;
	return all > VENC_PADDING_MAX ?
		       "have at most 65553 bytes of padding in all" :
		       NULL;
}

/* The public key of a server's secret one. 0 or -ENOMEM */
static int make_public(struct venc_relay_key *k, const uint8_t *secret)
{
	if (!k->mlkem) {
		memcpy(k->x25519, secret, X25519_BYTES);
		return x25519_public(secret, k->pub);
	}
	mlkem768_key_set(&k->dk, secret);
	memcpy(k->pub, k->dk.public_key, sizeof(k->pub));
	return 0;
}

/* A client's key of ML-KEM is one if something can be sealed for it */
static bool seals(const struct venc_relay_key *k)
{
	uint8_t sealed[MLKEM768_SEALED_BYTES], shared[MLKEM_SHARED_BYTES];
	const uint8_t m[32] = { 0 };

	return !k->mlkem || !mlkem768_encaps(k->pub, m, sealed, shared);
}

static const char *parse_key(const struct part *x, bool server,
			     struct venc_conf_key *c)
{
	struct venc_relay_key *k = &c->relay[c->relays];
	uint8_t raw[MLKEM768_KEY_BYTES + 3];
	ssize_t n;
	int rc = 0;

	if (c->relays == VENC_RELAYS_MAX)
		return "have at most 8 keys";
	n = base64_decode(x->p, x->n, raw, sizeof(raw));
	k->mlkem = n != X25519_BYTES;
	if (k->mlkem && n != (server ? MLKEM_SEED_BYTES : MLKEM768_KEY_BYTES))
		return server ? "end with keys of 32 bytes (X25519) or 64 "
				"(ML-KEM-768) in base64url" :
				"end with keys of 32 bytes (X25519) or 1184 "
				"(ML-KEM-768) in base64url";
	k->pub_len = k->mlkem ? MLKEM768_KEY_BYTES : X25519_BYTES;
	if (server)
		rc = make_public(k, raw);
	else
		memcpy(k->pub, raw, k->pub_len);
	wipe(raw, sizeof(raw));
	if (rc < 0 || !seals(k))
		return "end with keys: one of them is none";
	blake3_hash(k->pub, k->pub_len, k->hash, sizeof(k->hash));
	c->relays_len += (c->relays ? 32 : 0) +
			 (k->mlkem ? MLKEM768_SEALED_BYTES : X25519_BYTES);
	c->relays++;
	return NULL;
}

static const char *parse_rest(const char *at, bool server,
			      struct venc_conf_key *c)
{
	const char *wrong = NULL;
	struct part x;

	while (!wrong && next_part(&at, &x)) {
		if (x.n >= PADDING_CHARS || c->relays)
			wrong = parse_key(&x, server, c);
		else
			wrong = parse_padding(&x, &c->padding);
	}
	if (!wrong && !c->relays)
		wrong = "end with a key in base64url";
	return wrong ? wrong : check_padding(&c->padding);
}

const char *venc_parse(const char *text, bool server, struct venc_conf_key *out)
{
	const char *at = text, *wrong;
	struct part x;

	memset(out, 0, sizeof(*out));
	if (strlen(text) > VENC_TEXT_MAX)
		return "be shorter";
	if (!next_part(&at, &x) || !is(&x, VENC_PREFIX))
		return "be \"none\" or begin with \"" VENC_PREFIX ".\"";
	wrong = next_part(&at, &x) ? parse_mode(&x, out) :
				     "have native, xorpub or random second";
	if (!wrong && !next_part(&at, &x))
		x.n = 0;
	if (!wrong)
		wrong = server ? parse_seconds(&x, out) : parse_resume(&x, out);
	return wrong ? wrong : parse_rest(at, server, out);
}

static uint32_t thrown(const struct venc_part *p, uint32_t (*below)(uint32_t n))
{
	if (p->percent < below(100))
		return 0;
	return p->lo + below(p->hi - p->lo + 1);
}

void venc_plan(const struct venc_padding *p, uint32_t (*below)(uint32_t n),
	       struct venc_plan *out)
{
	static const struct venc_padding usual = {
		.lens = 2,
		.gaps = 1,
		.len = { { 100, 111, 1111 }, { 50, 0, 3333 } },
		.gap = { { 75, 0, 111 } },
	};

	if (!p->lens)
		p = &usual;
	memset(out, 0, sizeof(*out));
	out->lens = p->lens;
	out->gaps = p->gaps;
	for (unsigned int i = 0; i < p->lens; i++) {
		out->len[i] = thrown(&p->len[i], below);
		out->bytes += out->len[i];
	}
	for (unsigned int i = 0; i < p->gaps; i++)
		out->gap_ms[i] = thrown(&p->gap[i], below);
}
