/*
 * blackhole.c - Block: reset at once, or an HTTP 403 first
 *
 * "none" gives no stream at all: -EACCES makes dispatch reset the client, and
 * answer a datagram with ICMP port unreachable.
 * Source: xray.md section J
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "proxy/out/out.h"

#define LINGER_MS 1000u /* the client may read the answer before the end */

static const char answer_403[] = "HTTP/1.1 403 Forbidden\r\n"
				 "Connection: close\r\n"
				 "Cache-Control: max-age=3600, public\r\n"
				 "Content-Length: 0\r\n"
				 "\r\n";

struct blackhole_conf {
	bool http;
};

/**
 * struct blackhole - A server that answers 403 and swallows all it gets
 * @sent:	Bytes of the answer given
 * @over:	The wait is over: end of stream
 */
struct blackhole {
	struct stream s;
	struct worker *worker;
	struct timer timer;
	size_t sent;
	bool over;
};

static struct blackhole *hole_of(struct stream *s)
{
	return container_of(s, struct blackhole, s);
}

static void hole_due(struct timer *t)
{
	struct blackhole *b = container_of(t, struct blackhole, timer);

	b->over = true;
	job_ready(b->s.job);
}

static ssize_t hole_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct blackhole *b = hole_of(s);
	size_t left = sizeof(answer_403) - 1 - b->sent;
	ssize_t n = 0;

	if (!left)
		return b->over ? 0 : -EAGAIN;
	for (int i = 0; i < cnt && left; i++) {
		size_t take = iov[i].iov_len < left ? iov[i].iov_len : left;

		memcpy(iov[i].iov_base, answer_403 + b->sent, take);
		b->sent += take;
		left -= take;
		n += (ssize_t)take;
	}
	if (!left)
		timer_set(&b->worker->wheel, &b->timer, LINGER_MS);
	return n;
}

static ssize_t hole_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	ssize_t n = 0;

	(void)s;
	for (int i = 0; i < cnt; i++)
		n += (ssize_t)iov[i].iov_len;
	return n;
}

/* Writing never waits; reading waits for the timer, or for nothing */
static void hole_want(struct stream *s, unsigned int events)
{
	struct blackhole *b = hole_of(s);

	if (events & ST_WRITE ||
	    (events & ST_READ && b->sent < sizeof(answer_403) - 1))
		job_ready(s->job);
}

static bool hole_up(const struct stream *s)
{
	(void)s;
	return true;
}

static int hole_finish(struct stream *s)
{
	(void)s;
	return 0;
}

static void hole_close(struct stream *s, int why)
{
	struct blackhole *b = hole_of(s);

	(void)why;
	timer_cancel(&b->timer);
	free(b);
}

static const struct stream_ops hole_ops = {
	.name = "blackhole",
	.readv = hole_readv,
	.writev = hole_writev,
	.want = hole_want,
	.up = hole_up,
	.finish = hole_finish,
	.close = hole_close,
};

static int blackhole_open(const struct outbound *ob, struct session *s,
			  struct stream **out)
{
	const struct blackhole_conf *conf = ob->settings;
	struct blackhole *b;

	if (!conf->http)
		return -EACCES;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->s = (struct stream){ .ops = &hole_ops, .job = &s->job };
	b->worker = s->job.worker;
	timer_init(&b->timer, hole_due);
	*out = &b->s;
	return 0;
}

static int blackhole_parse(struct outbound *ob, struct jobj *settings,
			   struct config *cfg)
{
	static const struct jword types[] = { { "none", 0 }, { "http", 1 } };
	struct blackhole_conf *conf = arena_alloc(&cfg->arena, sizeof(*conf));
	struct jobj r;

	if (!conf)
		return -ENOMEM;
	if (j_open(&r, settings->d, j_get(settings, "response"))) {
		conf->http = j_word(&r, "type", types, ARRAY_SIZE(types), 0);
		j_close(&r);
	}
	ob->settings = conf;
	return 0;
}

const struct outbound_ops out_blackhole = {
	.name = "blackhole",
	.alias = "block",
	.parse = blackhole_parse,
	.open = blackhole_open,
};
