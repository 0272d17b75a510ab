/*
 * vision.h - Vision (xtls-rprx-vision): frames that pad, and when to stop
 *
 *   [id 16, first frame only] command u8 | content u16 | padding u16 | ...
 *
 * Both ends look at the stream within. When that is TLS 1.3 and its data begin,
 * a direction ends with VISION_DIRECT: what follows is outside of the
 * connection's own TLS. Otherwise it ends with VISION_END.
 *
 * Source: docs/wire/vision.md; xray.md 2.7
 */
#ifndef PROXY_WIRE_VISION_H
#define PROXY_WIRE_VISION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/jget.h"

#define VISION_ID_BYTES   16
#define VISION_HEAD_BYTES 5
#define VISION_FRAME_MAX  8192 /* id and head included */
#define VISION_CONTENT_MAX \
	(VISION_FRAME_MAX - VISION_ID_BYTES - VISION_HEAD_BYTES)

enum vision_command { VISION_CONTINUE, VISION_END, VISION_DIRECT };

/**
 * struct vision_look - What is known of the stream within, from both directions
 * @left:	Pieces still to be looked at; 0: it is known, or given up
 * @tls:	A hello was seen; @tls12: a ServerHello
 * @direct:	It is TLS 1.3 with a cipher suite that may go outside
 * @hello_left:	Bytes of the ServerHello's record not seen yet
 */
struct vision_look {
	int left;
	bool tls, tls12, direct;
	uint16_t suite;
	int32_t hello_left;
};

void vision_look_init(struct vision_look *l);
/* A piece of either direction, as it came */
void vision_look_at(struct vision_look *l, const uint8_t *p, size_t n);

/**
 * struct vision_rx - Reads one direction
 * @id:		What its first frame must begin with
 * @done:	VISION_CONTINUE while frames come, then how they ended
 */
struct vision_rx {
	uint8_t id[VISION_ID_BYTES];
	uint8_t head[VISION_HEAD_BYTES];
	uint8_t id_left, head_len;
	uint8_t command, done;
	uint16_t content, padding;
};

void vision_rx_init(struct vision_rx *rx, const uint8_t id[VISION_ID_BYTES]);
/*
 * Take frames off @n bytes, in place: the content is moved to the front. Bytes
 * of content, or -EPROTO. *@used: bytes consumed, less than @n only behind the
 * last frame (rx->done)
 */
ssize_t vision_unframe(struct vision_rx *rx, uint8_t *p, size_t n,
		       size_t *used);

/**
 * struct vision_seed - How much is padded, in bytes ("testseed")
 * @limit:	Less content than that, of a handshake: up to @least and less than
 *		@range more
 * @few:	All else: less than that
 *
 * @range and @few are not 0.
 */
struct vision_seed {
	uint32_t limit, range, least, few;
};
extern const struct vision_seed vision_seed_usual;
/*
 * The array @key of @o. An absent one, or one that is too short, leaves @out as it
 * is: false
 */
bool vision_seed_parse(struct jobj *o, const char *key,
		       struct vision_seed *out);

/**
 * struct vision_tx - Writes one direction
 * @first:	The id was not sent yet
 * @done:	As in struct vision_rx
 * @record_left, @data:	Where the stream within is: bytes to the end of its TLS
 *		record, and data records have begun
 * @head, @head_len:	A record's head that is not whole
 * @lost:	It is no sequence of TLS records
 */
struct vision_tx {
	uint8_t id[VISION_ID_BYTES];
	uint8_t head[VISION_HEAD_BYTES];
	uint8_t head_len, done;
	bool first, lost, data;
	uint32_t record_left;
	struct vision_seed seed; /* the usual one, unless changed */
};

void vision_tx_init(struct vision_tx *tx, const uint8_t id[VISION_ID_BYTES]);
/*
 * What the next frame shall be: content bytes of the @n at @p (maybe fewer, so
 * that it ends with a TLS record) and its command. The caller has looked at
 * them (vision_look_at())
 */
size_t vision_plan(struct vision_tx *tx, const struct vision_look *l,
		   const uint8_t *p, size_t n, enum vision_command *command);
/**
 * struct vision_piece - What one frame carries
 * @longer:	Padded as a handshake is
 * @dice:	Any number: chooses the padding
 */
struct vision_piece {
	enum vision_command command;
	bool longer;
	uint32_t dice;
	const uint8_t *p;
	size_t n;
};

/* One frame to @out. Bytes, or -ENOBUFS. Sets tx->done by the command */
ssize_t vision_frame(struct vision_tx *tx, const struct vision_piece *f,
		     uint8_t *out, size_t room);

#endif
