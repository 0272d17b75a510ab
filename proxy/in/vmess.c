/*
 * vmess.c - VMess server, AEAD heads
 *
 * Each user's key is tried on the auth id. A right one makes the head readable;
 * then the id is remembered, so that no recording works again within the time
 * in which it would. Anything else meets silence.
 *
 * Source: docs/wire/vmess.md; xray.md, C6
 */
#include <errno.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "proxy/in/in.h"
#include "proxy/in/proxy_in.h"
#include "proxy/in/replay.h"
#include "proxy/in/srv.h"
#include "proxy/layer/vmess_stream.h"
#include "proxy/wire/uuid.h"

#define AUTH_BYTES 16

/* Whose auth id? -1 nobody's */
static int find_user(const struct session *s, const struct srv_users *us,
		     const uint8_t *auth)
{
	uint64_t now = (uint64_t)clock_wall();
	int64_t skew = 0;
	int rc;

	for (unsigned int i = 0; i < us->count; i++) {
		rc = vmess_auth_check(srv_key(us, i), auth, now, &skew);
		if (!rc)
			return (int)i;
		if (rc == -ESTALE)
			log_warning("s%x vmess: the client's clock differs by "
				    "%lld s, at most %d are borne",
				    s->id, (long long)skew, VMESS_CLOCK_S);
	}
	return -1;
}

/* s->in becomes the body's stream. 0 or -errno; *@used bytes are spent */
static int wrap(struct session *s, struct greet *g,
		const struct vmess_request *rq, size_t *used)
{
	struct iovec rest = { g->in + *used, g->len - *used };
	struct stream *top;
	bool raw;
	int rc = vmess_server(rq, s->job.worker, s->in, &rest, &top, &raw);

	if (rc < 0)
		return rc;
	s->in = top;
	if (!raw)
		*used = g->len;
	return 0;
}

static ssize_t enter(struct session *s, struct greet *g,
		     struct vmess_request *rq, size_t used)
{
	int rc = wrap(s, g, rq, &used);

	if (rc < 0)
		return rc == -ENOMEM ? rc : srv_mute(g);
	if (rq->command == VMESS_UDP && used != g->len)
		return srv_mute(g); /* packets without borders */
	if (rq->command == VMESS_UDP)
		return srv_packets(s, g, &tube_vmess, used, &rq->to);
	if (rq->command == VMESS_MUX)
		rq->to = srv_mux_target();
	greet_target(g, &rq->to, used);
	return 0;
}

static ssize_t vmess_head(struct session *s, struct greet *g,
			  const struct srv_users *us)
{
	struct vmess_request rq;
	ssize_t n, rc;
	int user;

	if (g->len < AUTH_BYTES)
		return 0;
	user = find_user(s, us, g->in);
	if (user < 0)
		return srv_mute(g);
	n = vmess_request_decode(srv_key(us, (unsigned int)user), g->in, g->len,
				 &rq);
	if (n == 0)
		return 0;
	if (n < 0 || !replay_fresh(g->in, AUTH_BYTES))
		return srv_mute(g);
	srv_set_user(s, us, (unsigned int)user);
	rc = enter(s, g, &rq, (size_t)n);
	wipe(rq.body_key, sizeof(rq.body_key));
	return rc;
}

static ssize_t vmess_step(struct session *s, struct greet *g)
{
	return srv_run_step(s, g, vmess_head);
}

static int vmess_greet(struct session *s)
{
	return greet_run(s, vmess_step);
}

static int vmess_user(struct jobj *u, struct srv_conf *c, struct srv_user *x,
		      void *key)
{
	const char *id = j_need_str(u, "id");
	uint8_t uuid[16];
	int rc;

	(void)c;
	(void)x;
	j_ignore_not0(u, "alterId", "heads are always AEAD");
	(void)j_str(u, "security", NULL);
	if (!*id)
		return 0;
	if (uuid_parse(id, uuid) < 0) {
		diag_error(u->d, j_get(u, "id"), NULL,
			   "must be a UUID or a text of at most 30 bytes");
		return 0;
	}
	rc = vmess_user_set(key, uuid);
	wipe(uuid, sizeof(uuid));
	return rc;
}

static int vmess_parse(struct inbound *ib, struct jobj *o, struct config *cfg)
{
	static const struct srv_form form = {
		.user = vmess_user,
		.secret = "id",
		.key_bytes = sizeof(struct vmess_user_key),
	};

	j_ignore(o, "default", NULL);
	return srv_parse(ib, o, cfg, &form);
}

static const struct inbound_users vmess_users = {
	.account = "xray.proxy.vmess.Account",
	.secret = "id",
	.add = srv_user_add,
	.remove = srv_user_remove,
	.each = srv_user_each,
};

const struct inbound_ops in_vmess = {
	.name = "vmess",
	.serves = REACH_STRANGER,
	.parse = vmess_parse,
	.start = proxy_in_start,
	.stop = proxy_in_stop,
	.same = proxy_in_same,
	.greet = vmess_greet,
	.drop = srv_drop,
	.users = &vmess_users,
	.knows = srv_knows,
};
