/*
 * records.c - A stream in records of TLS 1.3
 *
 * An end without close_notify may be anybody's: it is a cut.
 */
#include "proxy/layer/records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "proxy/layer/ktls.h"

enum { UPDATE_RECORD = TLS13_UPDATE_BYTES + TLS13_EXTRA };

static struct records *records_of(struct chunk *c)
{
	return container_of(c, struct records, c);
}

/* --- writing ------------------------------------------------------------------ */

uint32_t records_size(struct chunk *c)
{
	return burst_size(&records_of(c)->burst, c->worker->now_ms);
}

/* KeyUpdate at @out, and our next key. 0 or -errno */
static int put_update(struct records *r, uint8_t *out)
{
	ssize_t n = tls13_seal(&r->tx, TLS_HANDSHAKE, tls13_update,
			       sizeof(tls13_update), out, UPDATE_RECORD);

	r->update = false;
	return n < 0 ? (int)n : tls13_dir_next(&r->tx);
}

/*
 * A KeyUpdate goes before the payload, never behind it: that may be the last
 * record there is (op bare)
 */
ssize_t records_seal(struct chunk *c, const uint8_t *p, size_t n, uint8_t *out,
		     size_t room)
{
	struct records *r = records_of(c);
	size_t before = 0;
	ssize_t put;
	int rc;

	if (r->update || r->tx.seq >= TLS13_KEY_RECORDS) {
		before = UPDATE_RECORD;
		if (room < before + n + TLS13_EXTRA)
			return -ENOBUFS;
		memmove(out + before + TLS13_HEAD_BYTES, p, n);
		p = out + before + TLS13_HEAD_BYTES;
		rc = put_update(r, out);
		if (rc < 0)
			return rc;
	}
	put = tls13_seal(&r->tx, TLS_APPLICATION_DATA, p, n, out + before,
			 room - before);
	burst_add(&r->burst, (uint32_t)n);
	return put < 0 ? put : put + (ssize_t)before;
}

static ssize_t put_alert(struct records *r, uint8_t level, uint8_t what,
			 uint8_t *out, size_t room)
{
	const uint8_t msg[2] = { level, what };

	return tls13_seal(&r->tx, TLS_ALERT, msg, sizeof(msg), out, room);
}

ssize_t records_end(struct chunk *c, uint8_t *out, size_t room)
{
	return put_alert(records_of(c), TLS13_WARNING, TLS13_CLOSE_NOTIFY, out,
			 room);
}

ssize_t records_fault(struct chunk *c, uint8_t *out, size_t room)
{
	struct records *r = records_of(c);

	return r->alert ? put_alert(r, TLS13_FATAL, r->alert, out, room) : 0;
}

/* --- reading ------------------------------------------------------------------ */

/* A record that is no data. 0 or -errno; -EPIPE: close_notify */
static int other_record(struct records *r, enum tls_content type,
			const uint8_t *p, size_t n)
{
	int said = tls13_post_take(&r->post, type, p, n, true);

	if (said == TLS13_SAID_END)
		return -EPIPE;
	if (said == TLS13_SAID_ALERT) {
		log_info("s%x %s: the other side sent alert %u", r->c.id,
			 r->c.ops->name, r->post.got[1]);
		return -ECONNRESET;
	}
	r->update |= said == TLS13_SAID_BOTH;
	if (said == TLS13_SAID_UPDATE || said == TLS13_SAID_BOTH)
		return tls13_dir_next(&r->rx);
	return said < 0 ? said : 0;
}

ssize_t records_open(struct chunk *c, uint8_t *p, size_t n, uint8_t **data,
		     size_t *len)
{
	struct records *r = records_of(c);
	enum tls_content type;
	ssize_t used = tls13_open(&r->rx, p, n, &type, data, len);
	int rc = 0;

	if (used == -EPROTO) {
		log_info("s%x %s: a record that does not decrypt", c->id,
			 c->ops->name);
		r->alert = TLS13_BAD_RECORD_MAC;
	}
	if (used <= 0)
		return used;
	if (type == TLS_APPLICATION_DATA && r->post.skip)
		rc = -EPROTO; /* within a message (RFC 8446, 5.1) */
	else if (type != TLS_APPLICATION_DATA)
		rc = other_record(r, type, *data, *len);
	if (type != TLS_APPLICATION_DATA)
		*len = 0;
	if (*len)
		r->idle = 0;
	else if (!rc && ++r->idle > TLS13_IDLE_MAX)
		rc = -EPROTO;
	if (rc == -EPROTO) {
		log_info("s%x %s: a record that has no place here", c->id,
			 c->ops->name);
		r->alert = TLS13_UNEXPECTED_MESSAGE;
	}
	return rc < 0 ? rc : used;
}

/* --- the rest ----------------------------------------------------------------- */

void records_hello(struct chunk *c, struct stream_hello *out)
{
	const struct records *r = records_of(c);

	if (r->name)
		memcpy(out->name, r->name, strlen(r->name) + 1);
	if (r->alpn)
		memcpy(out->alpn, r->alpn, strlen(r->alpn) + 1);
}

/* Bytes until the record at @p is whole, at least 1 */
static size_t records_missing(const uint8_t *p, size_t n)
{
	if (n < TLS13_HEAD_BYTES)
		return TLS13_HEAD_BYTES - n;
	return TLS13_HEAD_BYTES + (size_t)get_be16(p + 3) - n;
}

/*
 * The kernel goes on from a record's edge; it is found by reading no further than
 * that from now on
 */
static struct stream *records_shed(struct chunk *c)
{
	struct records *r = records_of(c);

	if (!r->kernel || r->update || r->post.skip)
		return NULL;
	c->edge = !chunk_rests(c);
	return c->edge ? NULL : ktls_over(r);
}

void records_drop(struct chunk *c)
{
	struct records *r = records_of(c);

	tls13_dir_drop(&r->tx);
	tls13_dir_drop(&r->rx);
	free(r->name);
	free(r->alpn);
}

const struct chunk_ops records_ops = {
	.name = "tls",
	RECORDS_OPS,
	.missing = records_missing,
	.shed = records_shed,
	.drop = records_drop,
};

void records_setup(struct records *r)
{
	r->c.security = true;
	r->c.max = TLS13_PLAIN_MAX;
	r->c.lead = TLS13_HEAD_BYTES;
	/* a KeyUpdate may go before a record */
	r->c.extra = TLS13_EXTRA + UPDATE_RECORD;
}

int records_hello_set(struct records *r, const struct stream_hello *hello)
{
	if (hello->name[0] && !(r->name = strdup(hello->name)))
		return -ENOMEM;
	if (hello->alpn[0] && !(r->alpn = strdup(hello->alpn)))
		return -ENOMEM;
	return 0;
}
