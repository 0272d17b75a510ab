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

#define IDLE_MAX   32 /* records in a row without data */
#define TICKET_MAX (1u << 17)

/* Records under one key before another is taken (RFC 8446, 5.5: 2^24.5) */
#define KEY_RECORDS (1u << 24)

enum { MSG_NEW_TICKET = 4, MSG_KEY_UPDATE = 24 };
enum { UPDATE_BYTES = 5, UPDATE_RECORD = UPDATE_BYTES + TLS13_EXTRA };
enum { WARNING = 1, FATAL = 2 };
enum {
	CLOSE_NOTIFY = 0,
	UNEXPECTED_MESSAGE = 10,
	BAD_RECORD_MAC = 20,
	USER_CANCELED = 90,
};

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
	static const uint8_t msg[UPDATE_BYTES] = { MSG_KEY_UPDATE, 0, 0, 1, 0 };
	ssize_t n = tls13_seal(&r->tx, TLS_HANDSHAKE, msg, sizeof(msg), out,
			       UPDATE_RECORD);

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

	if (r->update || r->tx.seq >= KEY_RECORDS) {
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
	return put_alert(records_of(c), WARNING, CLOSE_NOTIFY, out, room);
}

ssize_t records_fault(struct chunk *c, uint8_t *out, size_t room)
{
	struct records *r = records_of(c);

	return r->alert ? put_alert(r, FATAL, r->alert, out, room) : 0;
}

/* --- reading ------------------------------------------------------------------ */

/* The other side's key changes behind this record. 0 or -EPROTO */
static int key_update(struct records *r, const uint8_t *p, size_t n)
{
	if (n != UPDATE_BYTES || get_be16(p + 2) != 1 || p[4] > 1)
		return -EPROTO;
	r->update |= p[4] == 1;
	return tls13_dir_next(&r->rx);
}

/* Messages behind the handshake: tickets, which nobody wants, and new keys */
static int after_shake(struct records *r, const uint8_t *p, size_t n)
{
	size_t take;

	while (n) {
		take = r->skip < n ? r->skip : n;
		r->skip -= (uint32_t)take;
		p += take;
		n -= take;
		if (!n)
			break;
		if (n < 4)
			return -EPROTO;
		if (p[0] == MSG_KEY_UPDATE && !p[1])
			return key_update(r, p, n);
		r->skip = (uint32_t)p[1] << 16 | get_be16(p + 2);
		if (p[0] != MSG_NEW_TICKET || r->skip > TICKET_MAX)
			return -EPROTO;
		p += 4;
		n -= 4;
	}
	return 0;
}

/* A record that is no data. 0 or -errno; -EPIPE: close_notify */
static int other_record(struct records *r, enum tls_content type,
			const uint8_t *p, size_t n)
{
	if (!n && type == TLS_CHANGE_CIPHER_SPEC)
		return 0;
	if (type == TLS_HANDSHAKE)
		return n ? after_shake(r, p, n) : -EPROTO;
	if (type != TLS_ALERT || n != 2)
		return -EPROTO;
	if (p[1] == CLOSE_NOTIFY)
		return -EPIPE;
	if (p[1] == USER_CANCELED)
		return 0;
	log_info("s%x %s: the other side sent alert %u", r->c.id,
		 r->c.ops->name, p[1]);
	return -ECONNRESET;
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
		r->alert = BAD_RECORD_MAC;
	}
	if (used <= 0)
		return used;
	if (type == TLS_APPLICATION_DATA && r->skip)
		rc = -EPROTO; /* within a message (RFC 8446, 5.1) */
	else if (type != TLS_APPLICATION_DATA)
		rc = other_record(r, type, *data, *len);
	if (type != TLS_APPLICATION_DATA)
		*len = 0;
	if (*len)
		r->idle = 0;
	else if (!rc && ++r->idle > IDLE_MAX)
		rc = -EPROTO;
	if (rc == -EPROTO) {
		log_info("s%x %s: a record that has no place here", c->id,
			 c->ops->name);
		r->alert = UNEXPECTED_MESSAGE;
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
