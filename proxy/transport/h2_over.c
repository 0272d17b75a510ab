/*
 * h2_over.c - A server's connection whose listener a reload took away, or changed
 *
 *   GOAWAY		nothing new shall come by it: the client makes another connection
 *   REFUSED_STREAM	a request that would begin something: it may be asked again
 *   the rest		goes on to its end; the connection ends with the last stream
 *
 * Where one of that name and kind listens again, requests are its own until the client
 * has heard GOAWAY: all connections of a client hear it at a time, and one that was
 * refused by two of them would give up. GOAWAY names no last stream, so that what
 * crosses it on its way is looked at.
 *
 * A flow of several requests (XHTTP) cannot send its next one by a connection that has
 * heard it. When nobody listens there any more, GOAWAY waits until there is no stream.
 *
 * Source: RFC 9113, 6.8 and 8.7
 */
#include "gateway/base/log.h"
#include "gateway/core/worker.h"
#include "proxy/transport/h2_int.h"
#include "proxy/transport/http_conf.h"

static bool is_followed(const struct h2 *h)
{
	return birth_inbound(&h->birth, h->job.worker) != NULL;
}

bool h2_over_may_tell(const struct h2 *h)
{
	return h->over && !h->told &&
	       (!h->count || !h->conf->handler || is_followed(h));
}

void h2_over_tell(struct h2 *h)
{
	char text[ADDR_TEXT_MAX];

	if (!h2_over_may_tell(h) || nghttp2_submit_shutdown_notice(h->ng))
		return;
	h->told = true;
	h->told_ms = h->job.worker->now_ms;
	log_info("%s: carrier of %s takes no more streams, %u are left: its "
		 "listener is gone",
		 h->conf->name, addr_format(&h->to, text, sizeof(text)),
		 h->count);
	h2_flush_soon(h);
}

bool h2_over_refuses(const struct h2 *h)
{
	uint32_t now = h->job.worker->now_ms;

	return h->over && (!is_followed(h) ||
			   (h->told && now - h->told_ms >= H2_LEAVE_MS));
}

void h2_over_refuse(struct h2 *h, int32_t id)
{
	log_info("%s: refused: its listener is gone", h->conf->name);
	nghttp2_submit_rst_stream(h->ng, NGHTTP2_FLAG_NONE, id,
				  NGHTTP2_REFUSED_STREAM);
	h2_over_tell(h);
	h2_flush_soon(h);
}
