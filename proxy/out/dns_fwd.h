/* dns_fwd.h - One DNS message to one server and its answer back */
#ifndef PROXY_OUT_DNS_FWD_H
#define PROXY_OUT_DNS_FWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/core/transport.h"

#define FWD_TIMEOUT_MS 5000

/**
 * struct dns_fwd - Zero is closed
 * @d, @s:	Socket of this one exchange: UDP or TCP
 * @msg:	Two length bytes and the question (owned)
 * @rx, @rx_len:	TCP: the answer, once its length is known
 */
struct dns_fwd {
	struct worker *worker;
	struct dgram *d;
	struct stream *s;
	struct addr to;
	uint8_t *msg, *rx;
	size_t len, sent, got, rx_len;
	uint8_t head[2];
	uint32_t until_ms;
};

/*
 * Send it, straight and marked as @dial->ob says. @tcp or a name as @to: TCP.
 * 0 or -errno
 */
int fwd_open(struct dns_fwd *f, const struct dial *dial, const struct addr *to,
	     bool tcp, const uint8_t *msg, size_t n);
/* 0 with a malloc'ed answer, -EAGAIN, -errno. From the dial's job */
int fwd_run(struct dns_fwd *f, uint8_t **answer, size_t *len);
void fwd_close(struct dns_fwd *f);

#endif
