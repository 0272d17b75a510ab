/*
 * tls13_post.h - What TLS 1.3 says behind its handshake that is no data
 *
 * Alerts, tickets and new keys, in pieces of any size: whoever decrypts (our own
 * records or the kernel) hands them here in plain.
 *
 * Source: RFC 8446, 4.6 (messages after the handshake), 5.1, 6 (alerts)
 */
#ifndef PROXY_WIRE_TLS13_POST_H
#define PROXY_WIRE_TLS13_POST_H

#include <stdbool.h>

#include "proxy/wire/tls13_record.h"

#define TLS13_UPDATE_BYTES 5 /* a KeyUpdate, with its head */

enum { TLS13_WARNING = 1, TLS13_FATAL = 2 };

/* AlertDescription (RFC 8446, 6) */
enum {
	TLS13_CLOSE_NOTIFY = 0,
	TLS13_UNEXPECTED_MESSAGE = 10,
	TLS13_BAD_RECORD_MAC = 20,
	TLS13_RECORD_OVERFLOW = 22,
	TLS13_INTERNAL_ERROR = 80,
	TLS13_USER_CANCELED = 90,
};

#define TLS13_IDLE_MAX 32 /* records in a row without data that are borne */
/* Records under one key before another is taken (RFC 8446, 5.5: 2^24.5) */
#define TLS13_KEY_RECORDS (1u << 24)

/**
 * enum tls13_said - What a record has told
 * @TLS13_SAID_NOTHING:	Of no interest, or it goes on
 * @TLS13_SAID_END:	close_notify
 * @TLS13_SAID_ALERT:	Another alert; it is in @got[1]
 * @TLS13_SAID_UPDATE:	The next record is under the other side's next key
 * @TLS13_SAID_BOTH:	The same, and it wants our next key
 */
enum tls13_said {
	TLS13_SAID_NOTHING,
	TLS13_SAID_END,
	TLS13_SAID_ALERT,
	TLS13_SAID_UPDATE,
	TLS13_SAID_BOTH,
};

/**
 * struct tls13_post - Where the reading is; zeroed: at a beginning
 * @skip:	Bytes of a message still to come, and to be passed over; data
 *		must not come between
 * @got, @have:	Of a head or an alert
 * @begun:	Something of this record was seen
 * @said:	By this record, as soon as it is known
 */
struct tls13_post {
	uint32_t skip;
	uint8_t got[TLS13_UPDATE_BYTES], have;
	bool begun;
	enum tls13_said said;
};

/**
 * tls13_post_take() - A piece of a record of @type, which is not data
 * @p, @n:	The piece; may be empty
 * @last:	The record ends with it
 *
 * Return: enum tls13_said (NOTHING unless @last), or -EPROTO
 */
int tls13_post_take(struct tls13_post *t, enum tls_content type,
		    const uint8_t *p, size_t n, bool last);
/* A KeyUpdate of ours, which asks for none back */
extern const uint8_t tls13_update[TLS13_UPDATE_BYTES];

#endif
