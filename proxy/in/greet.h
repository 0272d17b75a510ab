/* greet.h - Reading a header from a client and answering, as far as bytes allow */
#ifndef PROXY_IN_GREET_H
#define PROXY_IN_GREET_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/core/session.h"
#include "proxy/in/conf.h"

#define GREET_OUT 600 /* the longest answer */
#define GREET_FULL \
	(17u << 10) /* the longest: HTTP1_HEAD_MAX, a shadowsocks chunk */

/**
 * struct proxy_conf - Settings of socks, mixed and http
 * @need_auth:	An account must be shown
 * @http_only:	Protocol "http": SOCKS is not spoken
 * @udp_ip:	Told to SOCKS clients; kind NONE: where they came to
 */
struct proxy_conf {
	struct in_accounts accounts;
	bool need_auth, udp, http_only, transparent;
	struct addr udp_ip;
};

/**
 * struct greet - Of a session in GREET; s->greet_state
 * @step:	0 at first; the protocol's own
 * @done:	@to is the target (its name in @name), and the first @used bytes
 *		of @in are spent
 * @end:	-errno: ends when the answer has gone
 * @out:	Answers that wait to be written; [out_off, out_len)
 * @in:		What was read and not yet understood, @len of @cap bytes
 */
struct greet {
	uint8_t step;
	bool done;
	int end;
	uint16_t out_len, out_off;
	uint32_t len, cap, used;
	struct addr to;
	char name[256];
	uint8_t out[GREET_OUT];
	uint8_t in[];
};

/*
 * One step: bytes used up (>0: call again), 0 more are needed, or -errno: the
 * end, after the answer. greet_target() makes it the last one.
 */
typedef ssize_t (*greet_step)(struct session *s, struct greet *g);

/* inbound_ops.greet by @step. 0, -EAGAIN, -errno */
int greet_run(struct session *s, greet_step step);
/* Append an answer. 0 or -ENOBUFS */
int greet_answer(struct greet *g, const void *p, size_t n);
/* The target is known; @used bytes of g->in are spent, the rest is the tunnel's */
void greet_target(struct greet *g, const struct addr *to, size_t used);

/* socks.c, http.c */
ssize_t socks_step(struct session *s, struct greet *g);
ssize_t http_step(struct session *s, struct greet *g);

#endif
