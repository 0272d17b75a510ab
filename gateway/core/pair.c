/* pair.c - A session, and our end of it (contract: pair.h) */
#include "gateway/core/pair.h"

#include "gateway/base/rand.h"
#include "gateway/core/duct.h"
#include "gateway/core/policy.h"
#include "gateway/core/session.h"

/* What is asked there may come for long; who opened it ends it */
static const struct policy pair_policy = { .handshake_ms = 10000,
					   .idle_ms = 120000,
					   .uplink_only_ms = 1000,
					   .downlink_only_ms = 1000 };

struct addr own_client(void)
{
	static const uint8_t loopback[4] = { 127, 0, 0, 1 };

	return addr_v4(loopback, (uint16_t)(1024 + rand_below(64000)));
}

static void ours_closed(void *ses, int why)
{
	ses_kill(ses, why, 0);
}

/* Not started yet. NULL: -ENOMEM or -ENOBUFS in *@err */
static struct session *pair_new(struct worker *w, const struct inbound *ib,
				const struct addr *to, struct stream *end[2],
				int *err)
{
	struct session *s;

	*err = -ENOMEM;
	if (duct_new(end) < 0)
		return NULL;
	s = ses_new(w, ib, NET_TCP, end[0]);
	if (!s) {
		stream_close(&end[0], 0);
		stream_close(&end[1], 0);
		*err = -ENOBUFS;
		return NULL;
	}
	s->source = own_client();
	s->orig = *to;
	s->target = *to;
	s->policy = &pair_policy;
	return s;
}

static void pair_start(struct session *s, struct stream *ours, struct job *job)
{
	ses_start(s);
	stream_set_job(ours, job);
	duct_tell(ours, ours_closed, s);
}

int pair_open(struct worker *w, struct job *job, const struct inbound *ib,
	      const struct addr *to, struct stream **out)
{
	struct stream *end[2];
	int err;
	struct session *s = pair_new(w, ib, to, end, &err);

	if (!s)
		return err;
	s->skip_dns = true;
	pair_start(s, end[1], job);
	*out = end[1];
	return 0;
}

/* NOLINTNEXTLINE(readability-function-size): whose, from where, to where, by whom */
int pair_open_by(struct worker *w, struct job *job, const struct inbound *ib,
		 const struct addr *to, const char *tag, struct stream **out)
{
	struct stream *end[2];
	int err;
	struct session *s = pair_new(w, ib, to, end, &err);

	if (!s)
		return err;
	s->forced_tag = tag;
	pair_start(s, end[1], job);
	*out = end[1];
	return 0;
}
