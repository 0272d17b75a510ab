/*
 * frame.h - Messages with their length before them, out of a stream's bytes
 *
 *	length (2)  message (length)
 *
 * Source: RFC 1035, 4.2.2; RFC 7858, 3.3
 */
#ifndef GATEWAY_DNS_FRAME_H
#define GATEWAY_DNS_FRAME_H

#include <stddef.h>
#include <stdint.h>

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

/* A whole message, which may be changed; NULL: 0 bytes. Not 0: an end */
typedef int frame_fn(void *arg, uint8_t *msg, size_t n);
/*
 * @n bytes came: @message for each that is whole now. 0, -ENOMEM, or what
 * @message gave: the bytes behind that one are lost
 */
int frame_each(struct frame *f, const uint8_t *p, size_t n, frame_fn *message,
	       void *arg);
/* Forget what came of a message */
void frame_next(struct frame *f);

#endif
