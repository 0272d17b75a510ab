/*
 * ss_stream.c - Shadowsocks streams over chunk.c
 *
 *   AEAD  client: salt | chunk(address, payload) | chunk(payload) ...
 *	   server: salt | chunk(payload) ...
 *   2022  client: salt | identities | head | head(address, payload) | chunk ...
 *	   server: salt | head(request's salt) | chunk(payload) ...
 *
 * Source: docs/wire/shadowsocks.md, shadowsocks2022.md
 */
#include "proxy/layer/ss_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "proxy/layer/chunk.h"

/* More payload would only delay the first byte at the other side */
#define SS_FIRST (SS_CHUNK_MAX - SS22_HEAD_MAX)

/**
 * struct ss_stream - The state of one stream
 * @key:	A client's; a server's is @own
 * @own:	A copy, until the answer has begun: users come and go meanwhile; wiped
 * @to, @name:	Until the head has gone; @name backs @to
 * @salt:	Ours; a 2022 response names it
 */
struct ss_stream {
	struct chunk c; /* must be first */
	const struct ss_secret_key *key;
	struct ss_secret_key *own;
	struct ss_flow_key tx, rx;
	struct addr to;
	char *name;
	uint8_t salt[SS_KEY_MAX];
	bool have_rx;
};

static struct ss_stream *ss_of(struct chunk *c)
{
	return container_of(c, struct ss_stream, c);
}

int ss_secret_set(struct ss_secret_key *k, const struct ss_method *m,
		  const char *password)
{
	k->method = m;
	if (m->v2022)
		return ss22_psk_parse(&k->psk, m, password);
	return m->aead == AEAD_NONE ? 0 : ss_master_key(m, password, k->master);
}

static ssize_t aead_start(struct chunk *c, const uint8_t *p, size_t n,
			  uint8_t *out, size_t room)
{
	struct ss_stream *s = ss_of(c);
	const struct ss_method *m = s->key->method;
	size_t salt = m->key_len;
	uint8_t *body = out + salt + SS_CHUNK_HEAD;
	ssize_t head, k;
	int rc;

	if (room < salt + SS_CHUNK_EXTRA + ADDR_WIRE_MAX + n)
		return -ENOBUFS;
	rand_bytes(out, salt);
	rc = ss_flow_set(&s->tx, m, s->key->master, out);
	if (rc < 0)
		return rc;
	head = addr_wire_encode(ADDR_SS, &s->to, body, ADDR_WIRE_MAX);
	if (head < 0)
		return head;
	memcpy(body + head, p, n);
	k = ss_seal(&s->tx, body, (size_t)head + n, out + salt, room - salt);
	return k < 0 ? k : k + (ssize_t)salt;
}

static ssize_t ss22_start(struct chunk *c, const uint8_t *p, size_t n,
			  uint8_t *out, size_t room)
{
	struct ss_stream *s = ss_of(c);
	struct ss22_request rq = { .to = s->to, .data = p, .len = n };

	rand_bytes(s->salt, s->key->method->key_len);
	memcpy(rq.salt, s->salt, sizeof(rq.salt));
	if (!n) /* a head alone has no length of its own to show */
		rq.pad_len = 1 + rand_below(SS22_PADDING_MAX);
	return ss22_request_encode(&s->key->psk, &rq, (uint64_t)clock_wall(),
				   &s->tx, out, room);
}

static ssize_t client_start(struct chunk *c, const uint8_t *p, size_t n,
			    uint8_t *out, size_t room)
{
	struct ss_stream *s = ss_of(c);
	ssize_t k = s->key->method->v2022 ? ss22_start(c, p, n, out, room) :
					    aead_start(c, p, n, out, room);

	free(s->name);
	s->name = NULL;
	s->to.kind = ADDR_NONE;
	return k;
}

static ssize_t seal(struct chunk *c, const uint8_t *p, size_t n, uint8_t *out,
		    size_t room)
{
	return ss_seal(&ss_of(c)->tx, p, n, out, room);
}

static void log_response(const struct chunk *c, ssize_t err)
{
	log_info("s%x shadowsocks: %s", c->id,
		 err == -ESTALE ?
			 "the server's clock differs by more than 30 s" :
			 "bytes that the key does not open");
}

/* Salt, and what else comes before the first chunk */
static ssize_t client_head(struct ss_stream *s, const uint8_t *p, size_t n)
{
	const struct ss_method *m = s->key->method;
	int rc;

	if (m->v2022)
		return ss22_response_decode(&s->key->psk, s->salt,
					    (uint64_t)clock_wall(), p, n,
					    &s->rx);
	if (n < m->key_len)
		return 0;
	rc = ss_flow_set(&s->rx, m, s->key->master, p);
	return rc < 0 ? rc : m->key_len;
}

static ssize_t client_open(struct chunk *c, uint8_t *p, size_t n,
			   uint8_t **data, size_t *len)
{
	struct ss_stream *s = ss_of(c);
	ssize_t k;

	*len = 0;
	if (s->have_rx) {
		k = ss_open(&s->rx, p, n, data, len);
	} else {
		k = client_head(s, p, n);
		s->have_rx = k > 0;
	}
	if (k < 0)
		log_response(c, k);
	return k;
}

static bool ss_within(const struct chunk *c)
{
	return ((const struct ss_stream *)(const void *)c)->rx.have_len;
}

static void own_drop(struct ss_stream *s)
{
	if (s->own)
		wipe(s->own, sizeof(*s->own));
	free(s->own);
	s->own = NULL;
	s->key = NULL;
}

static void ss_drop(struct chunk *c)
{
	struct ss_stream *s = ss_of(c);

	own_drop(s);
	ss_flow_drop(&s->tx);
	ss_flow_drop(&s->rx);
	free(s->name);
}

static const struct chunk_ops client_ops = {
	.name = "shadowsocks",
	.start = client_start,
	.seal = seal,
	.open = client_open,
	.within = ss_within,
	.drop = ss_drop,
};

static struct ss_stream *ss_new(const struct ss_secret_key *k)
{
	struct ss_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->key = k;
	s->c.max = SS_CHUNK_MAX;
	s->c.lead = SS_CHUNK_HEAD;
	s->c.extra = SS_CHUNK_EXTRA;
	s->c.first = SS_FIRST;
	return s;
}

struct stream *ss_client(const struct ss_secret_key *k, const struct addr *to,
			 struct worker *w, struct stream *below, uint32_t id)
{
	struct ss_stream *s = ss_new(k);

	if (!s)
		return NULL;
	s->to = *to;
	if (to->kind == ADDR_NAME) {
		s->name = strndup(to->name, to->len);
		if (!s->name) {
			free(s);
			return NULL;
		}
		s->to.name = s->name;
	}
	chunk_init(&s->c, &client_ops, w, below, id);
	return &s->c.s;
}

/* --- the server's end -------------------------------------------------------- */

static ssize_t server_say(struct ss_stream *s, const uint8_t *p, size_t n,
			  uint8_t *out, size_t room)
{
	const struct ss_method *m = s->key->method;
	union {
		const uint8_t *c;
		uint8_t *p;
	} data = { .c = p };
	struct iovec v = { data.p, n };
	struct ss22_answer a = { .request_salt = s->salt,
				 .now_s = (uint64_t)clock_wall() };
	ssize_t k;
	int rc;

	if (m->v2022) {
		rand_bytes(a.salt, m->key_len);
		return ss22_response_encode(&s->key->psk, &a, &s->tx, &v, out,
					    room);
	}
	if (room < m->key_len + n + SS_CHUNK_EXTRA)
		return -ENOBUFS;
	rand_bytes(out, m->key_len);
	rc = ss_flow_set(&s->tx, m, s->key->master, out);
	if (rc < 0)
		return rc;
	k = ss_seal(&s->tx, p, n, out + m->key_len, room - m->key_len);
	return k < 0 ? k : k + m->key_len;
}

static ssize_t server_start(struct chunk *c, const uint8_t *p, size_t n,
			    uint8_t *out, size_t room)
{
	struct ss_stream *s = ss_of(c);
	ssize_t k = server_say(s, p, n, out, room);

	own_drop(s); /* said once, or never */
	return k;
}

static ssize_t server_open(struct chunk *c, uint8_t *p, size_t n,
			   uint8_t **data, size_t *len)
{
	return ss_open(&ss_of(c)->rx, p, n, data, len);
}

static const struct chunk_ops server_ops = {
	.name = "shadowsocks",
	.start = server_start,
	.seal = seal,
	.open = server_open,
	.within = ss_within,
	.drop = ss_drop,
};

struct stream *ss_server(const struct ss_secret_key *k,
			 struct ss_request_key *rq, struct worker *w,
			 struct stream *below, const struct iovec *rest)
{
	struct ss_stream *s = ss_new(k);

	if (!s)
		return NULL;
	s->own = malloc(sizeof(*s->own));
	if (!s->own || chunk_unread(&s->c, rest->iov_base, rest->iov_len) < 0) {
		free(s->own);
		free(s);
		return NULL;
	}
	*s->own = *k;
	s->key = s->own;
	s->c.lazy = true;
	s->c.opened = true;
	memcpy(s->salt, rq->salt, sizeof(s->salt));
	s->rx = rq->rx;
	memset(&rq->rx, 0, sizeof(rq->rx));
	chunk_init(&s->c, &server_ops, w, below, 0);
	return &s->c.s;
}
