/* transport.h - How an outbound reaches its server: raw, then tls, then ws ... */
#ifndef GATEWAY_CORE_TRANSPORT_H
#define GATEWAY_CORE_TRANSPORT_H

#include "gateway/base/jget.h"
#include "gateway/core/outbound.h"
#include "gateway/core/stream.h"

struct config;
struct session;
struct worker;

/**
 * struct dial - Who dials, borrowed for the call
 * @s:		The session served; NULL for carriers and probes. What is built
 *		for a session may use it until close
 */
struct dial {
	struct worker *worker;
	struct job *job;
	struct config *cfg;
	const struct outbound *ob;
	struct session *s;
};

/**
 * struct transport - One level of an outbound's or listener's layer stack
 *
 * ws on tls on raw is three of these. dial() calls transport_dial(t->below)
 * and wraps; a carrier (grpc, xhttp, mux) may return a sub-stream instead.
 */
struct transport {
	const struct transport_ops *ops;
	const struct transport *below;
	void *settings;
};

struct transport_ops {
	const char *name; /* "raw", "tls", "reality", "ws", "grpc" */
	int (*parse)(struct transport *t, struct jobj *settings,
		     struct config *cfg);
	int (*dial)(const struct transport *t, const struct dial *d,
		    const struct addr *to, struct stream **out);
	int (*accept)(const struct transport *t, struct worker *w,
		      struct stream *below, struct stream **out);
	void (*drop)(struct transport *t);
};

/*
 * A stream to @to (IP or name), usable from birth. @to's name must live as
 * long as the session or carrier. 0 with *@out, or -errno
 */
int transport_dial(const struct transport *t, const struct dial *d,
		   const struct addr *to, struct stream **out);
/* The bottom: kernel TCP, names resolved by @strategy, addresses raced */
extern const struct transport transport_raw;
/*
 * Dial @to with explicit options and name strategy (freedom has its own).
 */
int raw_dial(const struct dial *d, const struct addr *to,
	     const struct sockopt *so, enum domain_strategy strategy,
	     struct stream **out);

#endif
