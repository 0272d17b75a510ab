/* tls13_post.c - What TLS 1.3 says behind its handshake that is no data */
#include "proxy/wire/tls13_post.h"

#include <errno.h>

#include "gateway/base/compat.h"

#define TICKET_MAX (1u << 17)
#define HEAD_BYTES 4

enum { MSG_NEW_TICKET = 4, MSG_KEY_UPDATE = 24 };

const uint8_t tls13_update[TLS13_UPDATE_BYTES] = { MSG_KEY_UPDATE, 0, 0, 1, 0 };

/* One byte more of a message's head. 0 or -EPROTO */
static int take_head(struct tls13_post *t)
{
	const uint8_t *p = t->got;
	uint32_t len = (uint32_t)p[1] << 16 | get_be16(p + 2);

	if (t->have == TLS13_UPDATE_BYTES) {
		t->have = 0;
		t->said = p[4] ? TLS13_SAID_BOTH : TLS13_SAID_UPDATE;
		return p[4] > 1 ? -EPROTO : 0;
	}
	if (t->have < HEAD_BYTES)
		return 0;
	if (p[0] == MSG_KEY_UPDATE)
		return len == 1 ? 0 : -EPROTO;
	if (p[0] != MSG_NEW_TICKET || len > TICKET_MAX)
		return -EPROTO;
	t->skip = len;
	t->have = 0;
	return 0;
}

static int take_messages(struct tls13_post *t, const uint8_t *p, size_t n)
{
	size_t k;
	int rc = 0;

	while (n && !rc) {
		k = t->skip < n ? t->skip : n;
		t->skip -= (uint32_t)k;
		p += k;
		n -= k;
		if (!n)
			break;
		if (t->said) /* a KeyUpdate ends its record (RFC 8446, 5.1) */
			return -EPROTO;
		t->got[t->have++] = *p++;
		n--;
		rc = take_head(t);
	}
	return rc;
}

static int take_alert(struct tls13_post *t, const uint8_t *p, size_t n)
{
	if (n > 2u - t->have)
		return -EPROTO;
	while (n--)
		t->got[t->have++] = *p++;
	return 0;
}

/* The record is whole. enum tls13_said or -EPROTO */
static int judge(struct tls13_post *t, enum tls_content type)
{
	enum tls13_said said = t->said;
	uint8_t have = t->have;
	bool begun = t->begun;

	t->said = TLS13_SAID_NOTHING;
	t->have = 0;
	t->begun = false;
	if (type == TLS_CHANGE_CIPHER_SPEC)
		return begun ? -EPROTO : TLS13_SAID_NOTHING;
	if (type == TLS_HANDSHAKE)
		return have || !begun ? -EPROTO : (int)said;
	if (have != 2)
		return -EPROTO;
	if (t->got[1] == TLS13_CLOSE_NOTIFY)
		return TLS13_SAID_END;
	return t->got[1] == TLS13_USER_CANCELED ? TLS13_SAID_NOTHING :
						  TLS13_SAID_ALERT;
}

int tls13_post_take(struct tls13_post *t, enum tls_content type,
		    const uint8_t *p, size_t n, bool last)
{
	int rc = 0;

	t->begun |= n > 0;
	if (type == TLS_HANDSHAKE)
		rc = take_messages(t, p, n);
	else if (type == TLS_ALERT)
		rc = take_alert(t, p, n);
	else if (type != TLS_CHANGE_CIPHER_SPEC)
		rc = -EPROTO;
	if (rc < 0)
		return rc;
	return last ? judge(t, type) : TLS13_SAID_NOTHING;
}
