/*
 * tls_bare.c - When a layer on top (Vision) ends the TLS: what passes afterwards
 *
 * OpenSSL gives nothing back. So the records it is handed are followed, and from
 * the moment the end is announced nothing is read ahead: when it has used the last
 * one, everything behind is still below, or in @in, if that was read before.
 *
 * Source: docs/decisions/017-bare.md
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "proxy/transport/tls.h"

#define HEAD_BYTES 5

size_t tls_bare_most(const struct tls *t, size_t n)
{
	size_t left = t->record_left ? t->record_left :
				       (size_t)HEAD_BYTES - t->head_len;

	return t->single && left < n ? left : n;
}

void tls_bare_follow(struct tls *t, const uint8_t *p, size_t n)
{
	size_t k;

	while (n) {
		if (t->record_left) {
			k = t->record_left < n ? t->record_left : n;
			t->record_left -= (uint32_t)k;
		} else {
			k = HEAD_BYTES - t->head_len;
			k = k < n ? k : n;
			memcpy(t->head + t->head_len, p, k);
			t->head_len = (uint8_t)(t->head_len + k);
			if (t->head_len == HEAD_BYTES) {
				t->record_left = get_be16(t->head + 3);
				t->head_len = 0;
			}
		}
		p += k;
		n -= k;
	}
}

/* From the beginning, or in a TLS 1.3 that runs. 0 or -errno */
static int announce(struct tls *t)
{
	if (t->single)
		return 0;
	if (!SSL_is_init_finished(t->ssl) &&
	    SSL_set_min_proto_version(t->ssl, TLS1_3_VERSION) != 1)
		return -EPROTONOSUPPORT;
	if (SSL_is_init_finished(t->ssl) &&
	    SSL_version(t->ssl) != TLS1_3_VERSION)
		return -EPROTONOSUPPORT;
	t->single = true;
	return 0;
}

int tls_bare(struct stream *s, unsigned int dir)
{
	struct tls *t = container_of(s, struct tls, s);
	int rc = t->err ? t->err : announce(t);

	if (rc < 0 || !dir)
		return rc;
	if (!SSL_is_init_finished(t->ssl))
		return -EAGAIN;
	if (dir & ST_WRITE)
		t->bare_out = true;
	if (!(dir & ST_READ) || t->bare_in)
		return 0;
	if (t->record_left || t->head_len || SSL_has_pending(t->ssl))
		return -EPROTO; /* it was to end with a record */
	t->bare_in = true;
	return 0;
}

struct stream *tls_shed(struct stream *s)
{
	struct tls *t = container_of(s, struct tls, s);
	struct stream *below = s->below;

	if (t->err || t->below_err || !t->bare_in || !t->bare_out || t->out ||
	    t->in)
		return NULL;
	tls_free(t);
	return below;
}

struct watch *tls_watch(struct stream *s, unsigned int dir)
{
	struct tls *t = container_of(s, struct tls, s);
	struct stream *b = s->below;

	if (t->err || !b->ops->watch)
		return NULL;
	if (dir == ST_READ ? !t->bare_in || t->in : !t->bare_out || t->out)
		return NULL;
	return b->ops->watch(b, dir);
}
