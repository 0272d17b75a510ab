/* round.h - All assets fetched once, by a thread */
#ifndef GATEWAY_ASSETS_ROUND_H
#define GATEWAY_ASSETS_ROUND_H

#include "gateway/assets/assets.h"
#include "gateway/assets/stage.h"
#include "proxy/wire/http_get.h"

struct round;
struct worker;

enum renewal { RENEWAL_FAILED, RENEWAL_SAME, RENEWAL_NEW };

/**
 * struct round_item - What became of one asset
 * @what:	enum renewal
 * @stage:	With RENEWAL_NEW: to be committed or dropped
 * @etag:	Of what is there before the round; then of what the server has
 * @why:	Of RENEWAL_FAILED
 */
struct round_item {
	const struct asset *asset;
	uint8_t what;
	struct stage stage;
	char etag[HTTP_GET_ETAG_MAX], why[160];
};

/*
 * @cfg: its assets; a reference is taken. NULL: out of memory. The caller may set
 * etags before round_go()
 */
struct round *round_new(struct config *cfg, struct worker *w);
/* @fd: an eventfd that is written when all is done. 0, or -errno: nothing runs */
int round_go(struct round *r, int fd);
/* It shall end soon. Before @w does */
void round_cancel(struct round *r);
/* Waits for the thread */
void round_join(struct round *r);
/* @i-th asset; NULL behind the last. Once joined, or before round_go() */
struct round_item *round_item(struct round *r, unsigned int i);
/* What is not committed is dropped */
void round_free(struct round *r);

#endif
