/*
 * noise.c - freedom's "noises": junk before the first datagram to somebody
 *
 *	first datagram to a destination -> noise, pause, noise, pause -> it
 *
 * Destinations are remembered (the last KNOWN of them), so that each meets its
 * noise once. A pause holds back everything of this leg. Port 53 gets none.
 *
 * Source: Xray proxy/freedom/freedom.go, NoisePacketWriter; infra/conf/freedom.go
 * (facts). Xray makes noise for the first destination of a client port only.
 */
#include "proxy/out/noise.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/base64.h"
#include "gateway/base/compat.h"
#include "gateway/base/rand.h"
#include "gateway/base/text.h"
#include "gateway/core/stream.h"
#include "gateway/core/worker.h"

#define KNOWN 64

/**
 * struct noisy - The layer
 * @known:	By hash: destinations that had their noise
 * @to:		Whose turn it is, while @at < count
 * @timer:	Armed: a pause
 */
struct noisy {
	struct dgram d;
	struct worker *worker;
	const struct noises *conf;
	struct timer timer;
	struct addr to, known[KNOWN];
	unsigned int at;
};

static struct noisy *noisy_of(struct dgram *d)
{
	return container_of(d, struct noisy, d);
}

static void on_timer(struct timer *t)
{
	job_ready(container_of(t, struct noisy, timer)->d.job);
}

/* The noises that are left for @to. 0, -EAGAIN, -errno */
static int make_noise(struct noisy *x)
{
	uint8_t junk[NOISE_BYTES_MAX];

	for (; x->at < x->conf->count; x->at++) {
		const struct noise *n = &x->conf->v[x->at];
		struct pkt p = { x->to, junk, n->len };
		int rc;

		if (timer_armed(&x->timer))
			return -EAGAIN;
		if (n->kind != ADDR_NONE && n->kind != x->to.kind)
			continue;
		if (n->data) {
			memcpy(junk, n->data, n->len);
		} else {
			p.len = rand_between(n->len, n->len_max);
			rand_bytes(junk, p.len);
		}
		rc = x->d.below->ops->send(x->d.below, &p, 1);
		if (rc < 0)
			return rc;
		if (n->delay_max)
			timer_set(&x->worker->wheel, &x->timer,
				  rand_between(n->delay, n->delay_max));
	}
	return timer_armed(&x->timer) ? -EAGAIN : 0;
}

/* May datagrams to @to go? 0, -EAGAIN, -errno */
static int ready_for(struct noisy *x, const struct addr *to)
{
	struct addr *known = &x->known[addr_hash(to, rand_key()) % KNOWN];
	int rc;

	if (to->port == 53 || addr_eq(known, to))
		return 0;
	if (!addr_eq(&x->to, to)) {
		x->to = *to;
		x->at = 0;
	}
	rc = make_noise(x);
	if (!rc)
		*known = *to;
	return rc;
}

static int noise_send(struct dgram *d, const struct pkt *v, int n)
{
	struct noisy *x = noisy_of(d);
	int k = 0, rc = timer_armed(&x->timer) ? -EAGAIN : 0;

	for (; !rc && k < n; k++) {
		rc = ready_for(x, &v[k].peer);
		if (rc)
			break;
	}
	return k ? d->below->ops->send(d->below, v, k) : rc;
}

static int noise_recv(struct dgram *d, struct pkt *v, int max)
{
	return d->below->ops->recv(d->below, v, max);
}

static void noise_want(struct dgram *d, unsigned int events)
{
	struct noisy *x = noisy_of(d);

	d->below->job = d->job;
	if (timer_armed(&x->timer)) /* it calls */
		events &= ~(unsigned int)ST_WRITE;
	d->below->ops->want(d->below, events);
}

static void noise_close(struct dgram *d)
{
	struct noisy *x = noisy_of(d);

	timer_cancel(&x->timer);
	d->below->ops->close(d->below);
	free(x);
}

static const struct dgram_ops noise_ops = {
	.name = "noise",
	.recv = noise_recv,
	.send = noise_send,
	.want = noise_want,
	.close = noise_close,
};

int noise_dgram(struct worker *w, const struct noises *n, struct dgram *below,
		struct dgram **out)
{
	struct noisy *x = calloc(1, sizeof(*x));

	if (!x) {
		below->ops->close(below);
		return -ENOMEM;
	}
	x->d = (struct dgram){ .ops = &noise_ops,
			       .below = below,
			       .job = below->job };
	x->worker = w;
	x->conf = n;
	x->at = n->count;
	timer_init(&x->timer, on_timer);
	*out = &x->d;
	return 0;
}

/* --- settings --- */

enum type { RAND, STR, HEX, BASE64 };

static ssize_t from_text(enum type type, const char *text, uint8_t *out)
{
	size_t n = strlen(text);

	if (type == HEX)
		return hex_decode(text, n, out, NOISE_BYTES_MAX);
	if (type == BASE64)
		return base64_decode(text, n, out, NOISE_BYTES_MAX);
	if (n > NOISE_BYTES_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)text[i];
	return (ssize_t)n;
}

static void parse_rand(struct jobj *o, struct noise *n)
{
	int32_t lo = 0, hi = 0;

	if (!j_range(o, "packet", &lo, &hi) || lo < 1 || hi > NOISE_BYTES_MAX)
		diag_error(o->d, o->node, "packet",
			   "must be a number of bytes, 1 to %d, or a range",
			   NOISE_BYTES_MAX);
	n->len = lo > 0 ? (uint32_t)lo : 1;
	n->len_max = hi > lo && hi <= NOISE_BYTES_MAX ? (uint32_t)hi : n->len;
}

static int parse_bytes(struct jobj *o, struct noise *n, enum type type,
		       struct arena *a)
{
	uint8_t bytes[NOISE_BYTES_MAX];
	ssize_t len = from_text(type, j_need_str(o, "packet"), bytes);
	uint8_t *copy;

	if (len < 0) {
		diag_error(o->d, j_get(o, "packet"), NULL,
			   "is not of its type, or longer than %d bytes",
			   NOISE_BYTES_MAX);
		return 0;
	}
	copy = arena_alloc(a, (size_t)len + 1);
	if (!copy)
		return -ENOMEM;
	if (len)
		memcpy(copy, bytes, (size_t)len);
	n->data = copy;
	n->len = (uint32_t)len;
	return 0;
}

static int parse_noise(struct jobj *o, struct noise *n, struct arena *a)
{
	static const struct jword types[] = {
		{ "rand", RAND },
		{ "str", STR },
		{ "hex", HEX },
		{ "base64", BASE64 },
	};
	static const struct jword kinds[] = {
		{ "", ADDR_NONE },   { "ip", ADDR_NONE }, { "all", ADDR_NONE },
		{ "ipv4", ADDR_V4 }, { "ipv6", ADDR_V6 },
	};
	int32_t lo = 0, hi = 0;
	enum type type =
		(enum type)j_word(o, "type", types, ARRAY_SIZE(types), RAND);

	n->kind = (uint8_t)j_word(o, "applyTo", kinds, ARRAY_SIZE(kinds),
				  ADDR_NONE);
	if (j_range(o, "delay", &lo, &hi) && (lo < 0 || hi > 60000))
		diag_error(o->d, j_get(o, "delay"), NULL,
			   "must be 0 to 60000 ms");
	n->delay = lo > 0 ? (uint32_t)lo : 0;
	n->delay_max = hi > lo ? (uint32_t)hi : n->delay;
	if (type != RAND)
		return parse_bytes(o, n, type, a);
	parse_rand(o, n);
	return 0;
}

int noises_parse(struct jobj *o, struct noises *out, struct arena *a)
{
	const cJSON *list = j_array(o, "noises");
	int n = cJSON_GetArraySize(list), rc = 0;
	struct jobj one;

	if (n > NOISES_MAX) {
		diag_error(o->d, list, NULL, "at most %d", NOISES_MAX);
		return 0;
	}
	for (int i = 0; !rc && i < n; i++) {
		if (!j_open(&one, o->d, cJSON_GetArrayItem(list, i)))
			continue;
		rc = parse_noise(&one, &out->v[out->count++], a);
		j_close(&one);
	}
	return rc;
}
