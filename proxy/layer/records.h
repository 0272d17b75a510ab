/*
 * records.h - A stream in records of TLS 1.3, once their keys are known
 *
 * Who made the keys does not matter: OpenSSL's handshake (transport/tls.c) or our
 * own (transport/reality.c). A maker with something to say first embeds struct
 * records as its first member and brings chunk_ops of its own, with these functions
 * in them.
 *
 * Source: RFC 8446, 4.6 (messages after the handshake), 5 (records), 6 (alerts)
 */
#ifndef PROXY_LAYER_RECORDS_H
#define PROXY_LAYER_RECORDS_H

#include "proxy/layer/burst.h"
#include "proxy/layer/chunk.h"
#include "proxy/wire/tls13_post.h"

struct ktls_kernel;

/**
 * struct records - The layer
 * @tx, @rx:	Keys; unset until the handshake is over
 * @name:	Of a server: the name the client asked for. Owned, NULL none; for op
 *		hello
 * @alpn:	What was agreed on, the same
 * @burst:	Decides the size of a record
 * @post:	What came that is no data
 * @idle:	Records without data since the last with some
 * @alert:	What the other side is told when it went wrong
 * @update:	The other side wants our next key
 * @kernel:	Shall do it all as soon as it can; NULL: never (ktls.h)
 */
struct records {
	struct chunk c; /* must be first */
	struct tls13_dir tx, rx;
	char *name, *alpn;
	struct burst burst;
	struct tls13_post post;
	uint8_t idle, alert;
	bool update;
	const struct ktls_kernel *kernel;
};

/* The numbers of @r->c; @r is zeroed by its maker */
void records_setup(struct records *r);
/* Before chunk_init(): @hello is copied. 0 or -ENOMEM */
int records_hello_set(struct records *r, const struct stream_hello *hello);

/* All of a struct chunk_ops but its name, @start and @drop; see there */
#define RECORDS_OPS \
	.size = records_size, .seal = records_seal, .open = records_open, \
	.end = records_end, .fault = records_fault, .hello = records_hello

extern const struct chunk_ops records_ops;
uint32_t records_size(struct chunk *c);
ssize_t records_seal(struct chunk *c, const uint8_t *p, size_t n, uint8_t *out,
		     size_t room);
ssize_t records_open(struct chunk *c, uint8_t *p, size_t n, uint8_t **data,
		     size_t *len);
ssize_t records_end(struct chunk *c, uint8_t *out, size_t room);
ssize_t records_fault(struct chunk *c, uint8_t *out, size_t room);
void records_hello(struct chunk *c, struct stream_hello *out);
void records_drop(struct chunk *c);

#endif
