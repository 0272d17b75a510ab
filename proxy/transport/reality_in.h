/*
 * reality_in.h - REALITY as server: its settings, and what its files share
 *
 * Private to reality*.c.
 */
#ifndef PROXY_TRANSPORT_REALITY_IN_H
#define PROXY_TRANSPORT_REALITY_IN_H

#include "gateway/core/dest.h"
#include "gateway/core/transport.h"
#include "proxy/wire/reality_hello.h"

/**
 * struct reality_limit - How fast a stranger's bytes go in one direction
 * @after:	Bytes before it holds
 * @rate, @burst:	Bytes a second, bytes at once; @rate 0: no limit
 */
struct reality_limit {
	uint64_t after, rate, burst;
};

/**
 * struct reality_in_conf - realitySettings of an inbound
 * @xver:	Version of the PROXY header the target gets; 0 none
 * @up, @down:	Limits of who is shown the target
 * @show:	Each decision is said at level info
 */
struct reality_in_conf {
	struct reality_rules rules;
	struct dest target;
	struct reality_limit up, down;
	uint8_t xver;
	bool show;
};

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

#endif
