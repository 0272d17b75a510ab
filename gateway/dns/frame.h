/*
 * frame.h - Messages with their length before them, out of a stream's bytes
 *
 *	length (2)  message (length)
 *
 * Source: RFC 1035, 4.2.2; RFC 7858, 3.3
 */
#ifndef GATEWAY_DNS_FRAME_H
#define GATEWAY_DNS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * struct frame - What came of the next message; zero is nothing
 * @head:	Its length; @got bytes of head and message are there
 * @msg:	Allocated with the first byte; NULL: none came
 */
struct frame {
	uint8_t head[2];
	size_t got;
	uint8_t *msg;
};

/*
 * Take bytes, up to the end of one message. Bytes used (not 0 when @n is not),
 * -ENOMEM. When the message is whole, frame_next() before the next call
 */
ssize_t frame_take(struct frame *f, const uint8_t *p, size_t n);
/* All of a message is there: @f->msg with *@len bytes (NULL: 0 bytes) */
bool frame_whole(const struct frame *f, size_t *len);
/* Forget it, whole or not */
void frame_next(struct frame *f);

#endif
