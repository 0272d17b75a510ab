/* pair.c - A session, and our end of it (contract: pair.h) */
#include "gateway/dns/pair.h"

#include "gateway/base/rand.h"
#include "gateway/core/duct.h"
#include "gateway/core/policy.h"
#include "gateway/core/session.h"

/* Queries come for as long as names are asked for; we end it when it is idle */
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

int pair_open(struct worker *w, struct job *job, const struct inbound *ib,
	      const struct addr *to, struct stream **out)
{
	struct stream *end[2];
	struct session *s;

	if (duct_new(end) < 0)
		return -ENOMEM;
	s = ses_new(w, ib, NET_TCP, end[0]);
	if (!s) {
		stream_close(&end[0], 0);
		stream_close(&end[1], 0);
		return -ENOBUFS;
	}
	s->source = own_client();
	s->orig = *to;
	s->target = *to;
	s->policy = &pair_policy;
	s->skip_dns = true;
	ses_start(s);
	stream_set_job(end[1], job);
	duct_tell(end[1], ours_closed, s);
	*out = end[1];
	return 0;
}
