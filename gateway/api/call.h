/*
 * call.h - One request to a service of this program, and its answer
 *
 *   gRPC:  POST /package.Service/Method, one message -> handler of the method ->
 *          one message, or a status with words
 *   HTTP:  what is asked for is in the head; the answer is text
 *
 * A call is bounded in size and time, and there are so many at once a worker.
 */
#ifndef GATEWAY_API_CALL_H
#define GATEWAY_API_CALL_H

#include "gateway/base/timer.h"
#include "gateway/core/worker.h"
#include "proxy/transport/http_msg.h"
#include "proxy/wire/pb.h"

#define CALLS_MAX     64u /* of one worker at a time */
#define CALL_IN_MAX   (256u << 10) /* bytes of a message to us */
#define CALL_OUT_MAX  (16u << 20) /* and from us */
#define CALL_MS       10000u /* from the head to the answer */
#define CALL_PART     (64u << 10) /* so much of it goes in CALL_MS, at least */
#define CALL_TEXT_MAX 512u /* names and emails in messages */
#define CALL_WHY_MAX  256u

/* Source: grpc, statuscodes.md */
enum grpc_status {
	GRPC_LATER = -1, /* its method calls call_answer() by itself */
	GRPC_OK = 0,
	GRPC_UNKNOWN = 2,
	GRPC_INVALID = 3,
	GRPC_NOT_FOUND = 5,
	GRPC_EXHAUSTED = 8,
	GRPC_UNIMPLEMENTED = 12,
	GRPC_INTERNAL = 13,
};

/**
 * struct call - See above
 * @node:	In the worker's list
 * @s:		The request's stream, owned
 * @answer:	http_rq.answer
 * @refuse:	HTTP status that is all of the answer; 0
 * @run:	Its method; NULL: HTTP
 * @in:		The message so far, its head included
 * @out:	The answer; @sent bytes of it are written, @timed when the deadline was
 *		last put off
 * @why:	In words; of a status that is not 0
 * @answered:	The head of the answer went
 * @take:	HTTP: the body is whole, @n bytes at @p. Fills @out, then call_send()
 * @held:	The service's own, until @drop
 */
struct call {
	struct job job; /* must be first */
	struct list node;
	struct timer deadline;
	struct worker *worker;
	struct stream *s;
	int (*answer)(struct stream *s, unsigned int status, const char *lines,
		      bool body);
	unsigned int refuse;
	int (*run)(struct call *c, const uint8_t *p, size_t n);
	uint8_t *in;
	size_t len, cap;
	struct pb_out out;
	size_t sent, timed;
	char why[CALL_WHY_MAX];
	bool answered;
	void (*take)(struct call *c, const uint8_t *p, size_t n);
	void *held;
	void (*drop)(void *held);
};

/* A method: its request is @n bytes at @p; fills c->out. enum grpc_status */
typedef int (*call_method)(struct call *c, const uint8_t *p, size_t n);

/* The answer of a method that said GRPC_LATER, from a turn of its worker */
void call_answer(struct call *c, int status);
/* Sets c->why; returns @status */
int call_fail(struct call *c, int status, const char *fmt, ...) PRINTF(3, 4);
/* The malformed message: GRPC_INVALID; for what pb_*() returns */
int call_malformed(struct call *c);

/*
 * @rq becomes a call of the method @run_it; UNIMPLEMENTED instead, with @why,
 * unless that is NULL. Owns rq->s
 */
void call_grpc(const struct http_rq *rq, call_method run_it, const char *why);
/* The answer to @rq is an HTTP status. Owns rq->s */
void call_deny(const struct http_rq *rq, unsigned int status);
/* NULL: answered (503) and closed. Fill c->out, then call_send() */
struct call *call_http(const struct http_rq *rq);
void call_send(struct call *c, unsigned int status, const char *lines);
/* Waits for the body of a call_http(), then @take */
void call_body(struct call *c,
	       void (*take)(struct call *c, const uint8_t *p, size_t n));
/* The answer without a body, and the end. Owns rq->s */
void call_refuse(const struct http_rq *rq, unsigned int status,
		 const char *lines);

#endif
