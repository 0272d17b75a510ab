/*
 * h2_ask.h - HTTP/2 as a client that asks: POST with a small body, small answer
 *
 * Memory in, memory out: what came from the server goes in by h2_ask_take(), what
 * shall go to it comes out of h2_ask_give(). Many questions are under way at the
 * same time. libnghttp2 does the frames; its limits on acknowledgements and the
 * ones below bound what a server can make us keep.
 *
 * Source: RFC 9113; RFC 8484; nghttp2's API reference
 */
#ifndef PROXY_WIRE_H2_ASK_H
#define PROXY_WIRE_H2_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define H2_ASK_BODY_MAX 65535 /* of an answer, unless asked for more */
#define H2_ASK_WORDS    256

struct h2_ask;

/**
 * struct h2_ask_request - What is asked; borrowed for the call but for @body
 * @scheme:	"https" or "http"
 * @type:	Media type of the body, and of the answer
 * @body:	Must live until the answer, or h2_ask_cancel()
 * @max:	Bytes of an answer, a longer one is an error; 0: H2_ASK_BODY_MAX
 */
struct h2_ask_request {
	const char *scheme, *authority, *path, *type;
	const uint8_t *body;
	size_t len, max;
};

/**
 * struct h2_ask_answer - How one question ended
 * @rc:		0: 200, of the right type, whole. -EAGAIN: the server did not
 *		look at it (RFC 9113, 8.7), another connection may. -EPROTO with
 *		@status or a wrong type, -EMSGSIZE, -ECONNRESET
 * @status:	0: no response came
 * @age_s:	Seconds the answer was kept by somebody on the way
 * @grpc_status, @grpc_message:	Of gRPC; -1: none, "". Valid during the call
 * @body:	Valid during the call; may be changed
 */
struct h2_ask_answer {
	int rc;
	uint16_t status;
	uint32_t age_s;
	int grpc_status;
	const char *grpc_message;
	uint8_t *body;
	size_t len;
};

/**
 * h2_ask_new() - A connection, before its first byte
 * @done:	A question ended; called from h2_ask_take() only
 *
 * Return: NULL: out of memory
 */
struct h2_ask *h2_ask_new(void (*done)(void *arg, void *user,
				       const struct h2_ask_answer *a),
			  void *arg);
/* Nothing is told any more. NULL is allowed */
void h2_ask_free(struct h2_ask *h);
/* The stream's id (positive), or -ENOBUFS (h2_ask_places()), -ENOMEM */
int32_t h2_ask_put(struct h2_ask *h, const struct h2_ask_request *r,
		   void *user);
/* @id is not of interest any more: it is never told */
void h2_ask_cancel(struct h2_ask *h, int32_t id);
/* How many more questions may be put now; 0 for ever once the server leaves */
unsigned int h2_ask_places(struct h2_ask *h);
/* The server takes no more questions on this connection */
bool h2_ask_leaving(const struct h2_ask *h);
/*
 * Bytes of the server. 0 or -EPROTO (*@why then: in words). Some errors are told to
 * the server first: then h2_ask_over() when that went out
 */
int h2_ask_take(struct h2_ask *h, const uint8_t *p, size_t n, const char **why);
/* Next bytes for the server at *@p, valid until the next call. 0: none; -EPROTO */
ssize_t h2_ask_give(struct h2_ask *h, const uint8_t **p);
/* Nothing will come or go any more */
bool h2_ask_over(struct h2_ask *h);

#endif
