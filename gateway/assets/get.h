/* get.h - One HTTPS GET, by a worker, for a thread that reads what comes */
#ifndef GATEWAY_ASSETS_GET_H
#define GATEWAY_ASSETS_GET_H

#include <pthread.h>

#include "gateway/assets/assets.h"
#include "gateway/core/worker.h"
#include "proxy/wire/http_get.h"

#define GET_HOPS_MAX 10 /* redirects, as Xray */

/**
 * struct get_order - What is asked for; the thread's, until get_wait() returned
 * @etag:	Of what is there already; "": nothing. @max: bytes
 * @fd:		Our end of a socket pair, which does not block: the body goes there,
 *		and the end of it says no more than that it is over
 * @rc, @status:	What came of it: 0 and 200 (all is there) or 304, or -errno: -EBADMSG
 *		another status, -EMSGSIZE too large, -ELOOP, -ETIMEDOUT, -EPROTO, ...
 * @now:	The ETag of what came
 */
struct get_order {
	struct message m; /* must be first */
	const struct assets *conf;
	struct config *cfg;
	const struct https_url *url;
	const char *etag;
	uint64_t max;
	int fd;
	int rc;
	uint16_t status;
	char now[HTTP_GET_ETAG_MAX];
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

/* @o is filled down to fd, which is @w's from now on */
void get_start(struct worker *w, struct get_order *o);
/* End what @w fetches, with -ECANCELED. Any thread */
void get_cancel(struct worker *w);
/* Until it is over */
void get_wait(struct get_order *o);
/* Why, in words. Returns @buf or a constant */
const char *get_why(const struct get_order *o, char buf[96]);

extern const struct transport_ops assets_bottom_ops;

#endif
