/* transport.h - How an outbound reaches its server: raw, then tls, then ws ... */
#ifndef GATEWAY_CORE_TRANSPORT_H
#define GATEWAY_CORE_TRANSPORT_H

#include "gateway/base/jget.h"
#include "gateway/core/outbound.h"
#include "gateway/core/stream.h"

struct acceptor;
struct config;
struct inbound;
struct session;
struct worker;

/**
 * struct dial - Who dials, borrowed for the call
 * @s:		The session served; NULL for carriers and probes. What is built
 *		for a session may use it until close
 * @stranger:	As in struct reach; of a carrier: of the session it began for
 * @from:	Without @s: send_through_own() of the session it began for
 */
struct dial {
	struct worker *worker;
	struct job *job;
	struct config *cfg;
	const struct outbound *ob;
	struct session *s;
	uint8_t stranger;
	struct addr from;
};

/**
 * struct birth - Where the streams of one accepted connection go
 * @ib, @cfg:	Of their sessions; a carrier keeps a reference to @cfg
 * @target:	struct tcp_listener's; NULL: greet finds the target
 * @born:	A session for @s. 0, or -errno and @s is still the caller's
 */
struct birth {
	const struct inbound *ib;
	struct config *cfg;
	struct addr source, local;
	int (*target)(const struct acceptor *a, int fd, struct session *s);
	int (*born)(const struct birth *b, struct worker *w, struct stream *s);
};

/**
 * struct transport_other - A second way to the same server, of a level's settings
 * @node:	Its streamSettings, with address and port: parse leaves them to who reads
 *		those of the level
 * @top, @to, @sockopt:	What they say; @top NULL after a complaint
 * @ob:		The outbound, with that sockopt: whom struct dial names
 */
struct transport_other {
	const cJSON *node;
	const struct transport *top;
	struct addr to;
	struct sockopt sockopt;
	struct outbound *ob;
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
	const char
		*alpn; /* what the level above wants offered; NULL: default */
	bool server; /* of a listener */
	bool proxy_head; /* its settings ask for a PROXY header */
	bool one_worker; /* a listener: what belongs together comes by several
			  * connections, so one worker takes them all */
	void *settings;
	struct transport_other *other; /* NULL: there is one way only */
};

/**
 * struct transport_ops - One kind of level
 * @name, @alias:	streamSettings "network" (or "security") and its second
 *		name; @alias may be NULL
 * @key, @key_alias:	Members of streamSettings that hold its settings
 * @alpn:	For a TLS level below: "h2", "http/1.1"; NULL: no wish
 * @serve:	Instead of accept: a connection that carries many streams
 * @meet:	Instead of accept: it takes a while until there is a connection for
 *		the levels above, or there never is. Then it calls transport_met().
 *		Owns @below, also when it fails. @top: of the whole stack
 * @listen:	Of a bottom that is not kernel TCP: @fd, a bound UDP socket, is its
 *		from now on; each stream goes to listen_take(). 0 or -errno (then
 *		@fd is closed). NULL: TCP
 * @unlisten:	The end of that, and of @fd
 * @same:	A reload may keep the listener of @a for @b. NULL: always
 * @secret:	Its settings make it as @secure. NULL: they do not
 * @masks:	Reads "finalmask". NULL: there is none for it
 * @secure:	Nobody on the way can read what passes
 */
struct transport_ops {
	const char *name, *alias;
	const char *key, *key_alias;
	const char *alpn;
	bool secure;
	int (*parse)(struct transport *t, struct jobj *settings,
		     struct config *cfg);
	int (*dial)(const struct transport *t, const struct dial *d,
		    const struct addr *to, struct stream **out);
	int (*accept)(const struct transport *t, struct worker *w,
		      struct stream *below, struct stream **out);
	int (*serve)(const struct transport *t, struct worker *w,
		     struct stream *below, const struct birth *b);
	int (*meet)(const struct transport *t, const struct transport *top,
		    struct worker *w, struct stream *below,
		    const struct birth *b);
	int (*listen)(const struct transport *t, struct acceptor *a, int fd);
	void (*unlisten)(struct acceptor *a);
	bool (*same)(const struct transport *a, const struct transport *b);
	bool (*secret)(const struct transport *t);
	int (*masks)(const struct transport *t, struct jobj *finalmask,
		     struct config *cfg);
	void (*drop)(struct transport *t);
};

/* The lowest level; NULL for none */
static inline const struct transport *
transport_bottom(const struct transport *t)
{
	while (t && t->below)
		t = t->below;
	return t;
}

/* Some level of the stack encrypts and authenticates */
bool transport_secure(const struct transport *t);
/* A listener's stack on top of an accepted stream, from raw upwards; 0 or -errno
 * (then @below is still the caller's) */
int transport_accept(const struct transport *t, struct worker *w,
		     struct stream *below, struct stream **out);
/* Sessions of @t are born later than its connections are accepted */
bool transport_serves(const struct transport *t);
/* The same for those: b->born is called then. Owns @below, also when it fails */
int transport_serve(const struct transport *t, struct worker *w,
		    struct stream *below, const struct birth *b);
/* @level of @top has met its client: what is above goes on @s, and owns it */
int transport_met(const struct transport *top, const struct transport *level,
		  struct worker *w, struct stream *s, const struct birth *b);
/*
 * A stream to @to (IP or name), usable from birth. @to's name must live as
 * long as the session or carrier. 0 with *@out, or -errno
 */
int transport_dial(const struct transport *t, const struct dial *d,
		   const struct addr *to, struct stream **out);
/* The bottom: kernel TCP, names resolved by @strategy, addresses raced */
extern const struct transport transport_raw;
/* TLS, for rooms that bring a bottom of their own (encrypted DNS) */
extern const struct transport_ops transport_tls_ops;
/*
 * Dial @to with explicit options and name strategy (freedom has its own).
 */
int raw_dial(const struct dial *d, const struct addr *to,
	     const struct sockopt *so, enum domain_strategy strategy,
	     struct stream **out);

#endif
