/*
 * reality_in.h - REALITY as server: its settings, and what its files share
 *
 * Private to reality*.c.
 */
#ifndef PROXY_TRANSPORT_REALITY_IN_H
#define PROXY_TRANSPORT_REALITY_IN_H

#include <stdatomic.h>

#include "gateway/core/dest.h"
#include "gateway/core/transport.h"
#include "proxy/wire/reality_flight.h"

/**
 * struct reality_limit - How fast a stranger's bytes go in one direction
 * @after:	Bytes before it holds
 * @rate, @burst:	Bytes a second, bytes at once; @rate 0: no limit
 */
struct reality_limit {
	uint64_t after, rate, burst;
};

#define REALITY_AFTER_MAX 8

/**
 * struct reality_after - What the target says behind a handshake
 * @state:	Private to reality_probe.c; what follows is constant once it is known
 * @again_ms:	It did not answer: not asked again before; 0: it was not asked
 * @size:	Of its records, @count of them, heads included
 */
struct reality_after {
	atomic_int state;
	atomic_uint again_ms;
	size_t count;
	size_t size[REALITY_AFTER_MAX];
};

/**
 * struct reality_in_conf - realitySettings of an inbound
 * @xver:	Version of the PROXY header the target gets; 0 none
 * @up, @down:	Limits of who is shown the target
 * @after:	For each name of the rules three, by enum reality_alpn; shared by
 *		all workers
 * @sign:	Key of ML-DSA-65, wiped by reality_in_drop(); NULL none
 * @show:	Each decision is said at level info
 * @log_fd:	masterKeyLog; -1 none
 */
struct reality_in_conf {
	struct reality_rules rules;
	struct dest target;
	struct reality_limit up, down;
	struct reality_after *after;
	struct mldsa65_secret_key *sign;
	uint8_t xver;
	bool show;
	int log_fd;
};

/* Of both sides' settings. @more: goes on with the complaint */
void reality_parse_key(struct jobj *o, const char *key, const char *more,
		       uint8_t out[REALITY_KEY_BYTES]);
void reality_parse_short_id(struct jobj *o, const cJSON *at, const char *text,
			    uint8_t id[REALITY_SHORT_ID_BYTES]);

/* transport_ops of a listener; reality.c has those of clients */
int reality_in_parse(struct transport *t, struct jobj *o, struct config *cfg);
void reality_in_drop(struct transport *t);
int reality_meet(const struct transport *t, const struct transport *top,
		 struct worker *w, struct stream *below, const struct birth *b);

/*
 * A layer that reads from *@s no faster than @l (borrowed), and passes everything
 * else. 0, with *@s the layer (or as it was, when there is no limit), or -ENOMEM
 */
int reality_slow_down(struct worker *w, const struct reality_limit *l,
		      struct stream **s);

struct reality_probe;

/** struct reality_ask - What is asked: of @conf->target for @name, into @at */
struct reality_ask {
	const struct reality_in_conf *conf;
	struct reality_after *at;
	const char *name;
	enum reality_alpn alpn;
};

/*
 * What the target says, or NULL: it is being asked, for a second or two. @list: of
 * the worker's probes
 */
const struct reality_after *reality_after_get(struct worker *w,
					      struct reality_probe **list,
					      struct config *cfg,
					      const struct reality_ask *q);
void reality_probes_stop(struct reality_probe *all);

/**
 * struct reality_over - What the stream behind a handshake is made of; borrowed
 * @keys:	Whose tx and rx it takes
 * @name:	The client asked for
 * @after:	What is said behind the handshake; NULL nothing
 * @rest, @rest_len:	Read of the client already
 */
struct reality_over {
	struct worker *worker;
	struct stream *below;
	uint32_t id;
	struct reality_keys *keys;
	const char *name;
	const struct reality_after *after;
	const uint8_t *rest;
	size_t rest_len;
};

/* It owns o->below then. NULL: out of memory */
struct stream *reality_over(const struct reality_over *o);

#endif
