/* reality_over.c - The stream of records that a REALITY server hands on */
#include <stdlib.h>
#include <string.h>

#include "proxy/layer/records.h"
#include "proxy/transport/reality_in.h"

static const struct chunk_ops server_chunk = {
	.name = "reality",
	RECORDS_OPS,
	.drop = records_drop,
};

/* What fallbacks look at; ALPN is not agreed on. 0 or -ENOMEM */
static int set_hello(struct records *r, const char *name)
{
	struct stream_hello hello = { .name = "" };

	if (addr_clean_name(name, strlen(name), hello.name) < 0)
		hello.name[0] = '\0';
	return records_hello_set(r, &hello);
}

/* Empty records as the target's behind the handshake. 0 or -ENOMEM */
static int put_after(struct records *r, const struct reality_after *after)
{
	size_t count = after ? after->count : 0, total = 0;
	struct buf *b;
	ssize_t n = 0;

	for (size_t i = 0; i < count; i++)
		total += after->size[i];
	if (!total)
		return 0;
	b = r->c.out = buf_new(total);
	if (!b)
		return -ENOMEM;
	for (size_t i = 0; n >= 0 && i < count; i++) {
		n = tls13_seal_padded(&r->tx, TLS_APPLICATION_DATA, NULL, 0,
				      after->size[i], buf_tail(b));
		if (n > 0)
			b->len += (uint32_t)n;
	}
	return n < 0 ? -ENOMEM : 0;
}

struct stream *reality_over(const struct reality_over *o)
{
	struct records *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	records_setup(r);
	r->c.started = true;
	r->tx = o->keys->tx;
	r->rx = o->keys->rx;
	memset(&o->keys->tx, 0, sizeof(o->keys->tx));
	memset(&o->keys->rx, 0, sizeof(o->keys->rx));
	chunk_init(&r->c, &server_chunk, o->worker, o->below, o->id);
	if (set_hello(r, o->name) == 0 && put_after(r, o->after) == 0 &&
	    chunk_unread(&r->c, o->rest, o->rest_len) == 0)
		return &r->c.s;
	records_drop(&r->c);
	buf_free(r->c.out);
	free(r);
	return NULL;
}
