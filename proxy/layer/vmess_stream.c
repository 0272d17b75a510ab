/*
 * vmess_stream.c - VMess streams over chunk.c, or over head.c without chunks
 *
 *   client: request head | body chunks | empty chunk
 *   server: response head | body chunks | empty chunk
 *
 * The keys of both bodies come with the request. One chunk is one packet when
 * the command is UDP.
 *
 * Source: docs/wire/vmess.md; xray.md section 2.9
 */
#include "proxy/layer/vmess_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "proxy/layer/chunk.h"
#include "proxy/layer/head.h"
#include "proxy/wire/vmess_body.h"

/**
 * struct vmess_flow_key - What ties a response to its request
 */
struct vmess_flow_key {
	uint8_t iv[16], key[16], verify;
};

/**
 * struct vmess_stream - The state of one stream
 * @flow:	Of the request
 * @head:	Sealed, until it has gone
 * @have_rx:	The other side's head was read
 */
struct vmess_stream {
	struct chunk c; /* must be first */
	struct vmess_flow_key flow;
	struct vmess_body_key tx, rx;
	struct buf *head;
	bool have_rx, no_end;
};

static struct vmess_stream *vmess_of(struct chunk *c)
{
	return container_of(c, struct vmess_stream, c);
}

void vmess_want_options(struct vmess_want *v, bool auth_len)
{
	v->options = VMESS_OPT_CHUNK | VMESS_OPT_MASK | VMESS_OPT_PADDING;
	if (auth_len)
		v->options |= VMESS_OPT_AUTH_LEN;
}

/* --- chunks -------------------------------------------------------------------- */

static ssize_t start(struct chunk *c, const uint8_t *p, size_t n, uint8_t *out,
		     size_t room)
{
	struct vmess_stream *s = vmess_of(c);
	size_t len = s->head->len;

	(void)p;
	(void)n; /* none: c->first is 0 */
	if (len > room)
		return -ENOBUFS;
	memcpy(out, buf_head(s->head), len);
	buf_free(s->head);
	s->head = NULL;
	return (ssize_t)len;
}

static ssize_t seal(struct chunk *c, const uint8_t *p, size_t n, uint8_t *out,
		    size_t room)
{
	return vmess_body_seal(&vmess_of(c)->tx, p, n, rand_bytes, out, room);
}

static ssize_t end(struct chunk *c, uint8_t *out, size_t room)
{
	struct vmess_stream *s = vmess_of(c);

	return s->no_end ?
		       0 :
		       vmess_body_seal(&s->tx, NULL, 0, rand_bytes, out, room);
}

static void flow_request(const struct vmess_flow_key *f,
			 struct vmess_request *rq)
{
	memset(rq, 0, sizeof(*rq));
	memcpy(rq->body_iv, f->iv, sizeof(f->iv));
	memcpy(rq->body_key, f->key, sizeof(f->key));
	rq->verify = f->verify;
}

static ssize_t response_take(const struct vmess_flow_key *f, uint32_t id,
			     const uint8_t *p, size_t n)
{
	struct vmess_request rq;
	ssize_t k;

	flow_request(f, &rq);
	k = vmess_response_decode(&rq, p, n);
	wipe(&rq, sizeof(rq));
	if (k < 0)
		log_info("s%x vmess: the response does not open", id);
	return k;
}

static ssize_t client_open(struct chunk *c, uint8_t *p, size_t n,
			   uint8_t **data, size_t *len)
{
	struct vmess_stream *s = vmess_of(c);
	ssize_t k;

	*len = 0;
	if (!s->have_rx) {
		k = response_take(&s->flow, c->id, p, n);
		s->have_rx = k > 0;
		return k;
	}
	k = vmess_body_open(&s->rx, p, n, data, len);
	if (k == -EPROTO)
		log_info("s%x vmess: a chunk does not open", c->id);
	return k;
}

static bool vmess_within(const struct chunk *c)
{
	return ((const struct vmess_stream *)(const void *)c)->rx.have_len;
}

static void vmess_drop(struct chunk *c)
{
	struct vmess_stream *s = vmess_of(c);

	vmess_body_drop(&s->tx);
	vmess_body_drop(&s->rx);
	wipe(&s->flow, sizeof(s->flow));
	buf_free(s->head);
}

static const struct chunk_ops client_ops = {
	.name = "vmess",
	.start = start,
	.seal = seal,
	.open = client_open,
	.within = vmess_within,
	.end = end,
	.drop = vmess_drop,
};

/* --- both ------------------------------------------------------------------------ */

/* A stream with the keys of @rq and @n bytes of head */
static struct vmess_stream *vmess_new(const struct vmess_request *rq,
				      const uint8_t *head, size_t n,
				      bool server)
{
	struct vmess_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->head = buf_new(n);
	if (!s->head || vmess_body_set(&s->tx, rq, server) ||
	    vmess_body_set(&s->rx, rq, !server)) {
		vmess_drop(&s->c);
		free(s);
		return NULL;
	}
	buf_put(s->head, head, n);
	memcpy(s->flow.iv, rq->body_iv, sizeof(s->flow.iv));
	memcpy(s->flow.key, rq->body_key, sizeof(s->flow.key));
	s->flow.verify = rq->verify;
	s->c.max = VMESS_CHUNK_MAX;
	s->c.lead = (uint32_t)vmess_body_lead(&s->tx);
	s->c.extra = VMESS_CHUNK_EXTRA;
	return s;
}

int vmess_client(const struct vmess_user_key *user, const struct vmess_want *v,
		 struct worker *w, struct stream *below, uint32_t id,
		 struct stream **out)
{
	struct vmess_request rq = { .options = v->options,
				    .security = v->security,
				    .command = v->command,
				    .to = v->to };
	uint8_t head[VMESS_REQUEST_MAX];
	struct vmess_stream *s = NULL;
	ssize_t n;

	rand_bytes(rq.body_iv, sizeof(rq.body_iv));
	rand_bytes(rq.body_key, sizeof(rq.body_key));
	rand_bytes(&rq.verify, sizeof(rq.verify));
	n = vmess_request_encode(user, &rq, (uint64_t)clock_wall(), rand_bytes,
				 head, sizeof(head));
	if (n > 0)
		s = vmess_new(&rq, head, (size_t)n, false);
	wipe(&rq, sizeof(rq));
	if (!s)
		return n < 0 ? (int)n : -ENOMEM;
	s->no_end = v->no_end;
	chunk_init(&s->c, &client_ops, w, below, id);
	*out = &s->c.s;
	return 0;
}

/* --- the server's end ------------------------------------------------------------ */

static ssize_t server_open(struct chunk *c, uint8_t *p, size_t n,
			   uint8_t **data, size_t *len)
{
	return vmess_body_open(&vmess_of(c)->rx, p, n, data, len);
}

static const struct chunk_ops server_ops = {
	.name = "vmess",
	.start = start,
	.seal = seal,
	.open = server_open,
	.within = vmess_within,
	.end = end,
	.drop = vmess_drop,
};

static const struct head_ops raw_server_head = { .name = "vmess",
						 .lazy = true };

int vmess_server(const struct vmess_request *rq, struct worker *w,
		 struct stream *below, const struct iovec *rest,
		 struct stream **out, bool *raw)
{
	uint8_t head[VMESS_RESPONSE_BYTES];
	ssize_t n = vmess_response_encode(rq, head, sizeof(head));
	struct vmess_stream *s;

	if (n < 0)
		return (int)n;
	*raw = rq->security == VMESS_NONE && !(rq->options & VMESS_OPT_CHUNK);
	if (*raw) {
		*out = head_new(&raw_server_head, below, head, (size_t)n, NULL,
				0);
		return *out ? 0 : -ENOMEM;
	}
	s = vmess_new(rq, head, (size_t)n, true);
	if (!s)
		return -ENOMEM;
	s->have_rx = true;
	s->c.lazy = true;
	s->c.opened = true;
	if (chunk_unread(&s->c, rest->iov_base, rest->iov_len) < 0) {
		vmess_drop(&s->c);
		free(s);
		return -ENOMEM;
	}
	chunk_init(&s->c, &server_ops, w, below, 0);
	*out = &s->c.s;
	return 0;
}
