/*
 * venc.c - A stream in the records of VLESS encryption
 *
 * The handshake (venc_shake.c) comes first, but for a client with a ticket: its
 * hello goes with its first record. There is no record that ends a stream: who
 * cuts the connection between two records makes an end of it, as with Xray.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "proxy/layer/venc_heads.h"
#include "proxy/layer/venc_int.h"

void venc_keys_drop(struct venc *v)
{
	if (v->k)
		venc_shake_drop(v->k);
	free(v->k);
	v->k = NULL;
}

void venc_take_keys(struct venc *v)
{
	v->tx = v->k->tx;
	v->rx = v->k->rx;
	memset(&v->k->tx, 0, sizeof(v->k->tx));
	memset(&v->k->rx, 0, sizeof(v->k->rx));
	venc_keys_drop(v);
}

/* --- writing ------------------------------------------------------------------ */

/* A client with a ticket: the whole hello. The answer needs @k still */
static ssize_t hello(struct venc *v, uint8_t *out, size_t room)
{
	ssize_t n = venc_client_hello(v->k, v->conf, &v->ticket, 0, out, room);

	if (n > 0) {
		v->tx = v->k->tx;
		memset(&v->k->tx, 0, sizeof(v->k->tx));
	}
	return n;
}

static ssize_t start(struct chunk *c, const uint8_t *p, size_t n, uint8_t *out,
		     size_t room)
{
	struct venc *v = venc_of(c);

	(void)p;
	(void)n; /* none: c->first is 0 */
	if (v->resume && !c->lazy)
		return hello(v, out, room);
	memcpy(out, v->first, v->first_len);
	return v->first_len;
}

static ssize_t seal(struct chunk *c, const uint8_t *p, size_t n, uint8_t *out,
		    size_t room)
{
	return venc_seal(&venc_of(c)->tx, p, n, out, room);
}

/* --- reading ------------------------------------------------------------------ */

/* 0-RTT: what makes the server's key comes before its first record */
static ssize_t take_random(struct venc *v, const uint8_t *p, size_t n)
{
	int rc;

	if (n < VENC_RANDOM_BYTES)
		return 0;
	rc = venc_client_random(v->k, p);
	if (rc < 0)
		return rc;
	v->rx = v->k->rx;
	memset(&v->k->rx, 0, sizeof(v->k->rx));
	venc_keys_drop(v);
	return VENC_RANDOM_BYTES;
}

/* The server's padding, which may come as slowly as it likes */
static ssize_t take_padding(struct venc *v, uint8_t *p, size_t n)
{
	uint32_t skip = v->skip;
	int rc;

	if (n < skip)
		return 0;
	rc = venc_open_piece(&v->rx, p, skip);
	if (rc < 0)
		return rc;
	v->skip = 0;
	return (ssize_t)skip;
}

/* What came is no record: of a ticket the server forgot, or wrong */
static ssize_t no_record(struct venc *v, ssize_t err)
{
	if (v->resume && !v->answered && v->known) {
		log_info("s%x vless: the server knows our ticket no more",
			 v->c.id);
		venc_known_forget(v->known, &v->ticket);
	} else {
		log_info("s%x vless: a record that does not open", v->c.id);
	}
	return err == -EBADMSG ? -EPROTO : err;
}

static ssize_t open_record(struct chunk *c, uint8_t *p, size_t n,
			   uint8_t **data, size_t *len)
{
	struct venc *v = venc_of(c);
	ssize_t k;

	*len = 0;
	if (v->k)
		return take_random(v, p, n);
	if (v->skip) {
		k = take_padding(v, p, n);
		return k < 0 ? no_record(v, k) : k;
	}
	k = venc_open(&v->rx, p, n, data, len);
	if (k < 0)
		return no_record(v, k);
	v->answered |= *len > 0;
	return k;
}

/* A record has begun, or what must come before the first is not whole */
static bool within(const struct chunk *c)
{
	const struct venc *v = (const struct venc *)(const void *)c;

	return v->rx.body || v->skip;
}

/*
 * Vision leaves the records. Of VENC_RANDOM the records' heads stay masked: those of
 * the TLS that comes now
 */
static int bare(struct chunk *c, unsigned int dir)
{
	struct venc *v = venc_of(c);
	bool in = dir == ST_READ;

	if (in && (within(c) || v->k))
		return -EPROTO; /* it was to end with a record */
	if (v->conf->mode != VENC_RANDOM)
		return 0;
	if (!v->heads)
		v->heads = venc_heads_new(c->worker, c->s.below);
	if (!v->heads)
		return -ENOMEM;
	c->s.below = v->heads;
	venc_heads_start(v->heads, dir, in ? &v->rx.mask : &v->tx.mask);
	return in && c->part ? venc_heads_take(v->heads, buf_head(c->part),
					       c->part->len) :
			       0;
}

static void drop(struct chunk *c)
{
	struct venc *v = venc_of(c);

	timer_cancel(&v->gap);
	venc_keys_drop(v);
	venc_dir_drop(&v->tx);
	venc_dir_drop(&v->rx);
	wipe(&v->ticket, sizeof(v->ticket));
	buf_free(v->in);
	buf_free(v->say);
}

static const struct chunk_ops venc_chunk_ops = {
	.name = "vless encryption",
	.start = start,
	.seal = seal,
	.open = open_record,
	.within = within,
	.bare = bare,
	.drop = drop,
};

/* --- birth -------------------------------------------------------------------- */

static void on_gap(struct timer *t)
{
	job_ready(container_of(t, struct venc, gap)->c.s.job);
}

static struct venc *venc_new(const struct venc_conf_key *conf, struct worker *w,
			     struct stream *below, uint32_t id)
{
	struct venc *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->k = calloc(1, sizeof(*v->k));
	if (!v->k) {
		free(v);
		return NULL;
	}
	v->k->random = rand_bytes;
	v->conf = conf;
	v->c.max = VENC_PLAIN_PUT;
	v->c.lead = VENC_HEAD_BYTES;
	v->c.extra = VENC_EXTRA;
	timer_init(&v->gap, on_gap);
	chunk_init(&v->c, &venc_chunk_ops, w, below, id);
	return v;
}

static struct stream *shake_first(struct venc *v)
{
	v->chunk_ops = v->c.s.ops;
	v->c.s.ops = &venc_shake_ops;
	return &v->c.s;
}

struct stream *venc_client(const struct venc_conf_key *conf,
			   struct venc_known_key *known, struct worker *w,
			   struct stream *below, uint32_t id)
{
	struct venc *v = venc_new(conf, w, below, id);

	if (!v)
		return NULL;
	v->k->aead =
		compat_has_aes() ? AEAD_AES_256_GCM : AEAD_CHACHA20_POLY1305;
	v->known = conf->resume ? known : NULL;
	v->resume = v->known && venc_known_get(known, &v->ticket);
	v->step = v->resume ? VENC_DONE : VENC_DIAL;
	return v->resume ? &v->c.s : shake_first(v);
}

struct stream *venc_server(const struct venc_conf_key *conf, struct worker *w,
			   struct stream *below, uint32_t id)
{
	struct venc *v = venc_new(conf, w, below, id);

	if (!v)
		return NULL;
	v->c.lazy = true;
	v->step = VENC_FRONT;
	v->need = venc_front_bytes(conf);
	return shake_first(v);
}
