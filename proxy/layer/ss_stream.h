/* ss_stream.h - Shadowsocks streams, AEAD and 2022, both ends */
#ifndef PROXY_LAYER_SS_STREAM_H
#define PROXY_LAYER_SS_STREAM_H

#include "gateway/base/addr.h"
#include "gateway/core/stream.h"
#include "proxy/wire/ss2022.h"
#include "proxy/wire/ss_aead.h"

struct worker;

/**
 * struct ss_secret_key - Method and key of a server; in the configuration
 * @master:	AEAD methods
 * @psk:	2022 methods
 */
struct ss_secret_key {
	const struct ss_method *method;
	uint8_t master[SS_KEY_MAX];
	struct ss22_psk_key psk;
};
/* 0, -EINVAL: the password is no key of this 2022 method; -ENOMEM */
int ss_secret_set(struct ss_secret_key *k, const struct ss_method *m,
		  const char *password);

/*
 * The client's end, asking for @to. @k lives as long as the stream. Owns @below
 * on success. NULL: out of memory. @id: session, for messages
 */
struct stream *ss_client(const struct ss_secret_key *k, const struct addr *to,
			 struct worker *w, struct stream *below, uint32_t id);
/**
 * struct ss_request_key - What a server found in a client's first bytes
 * @rx:		Opens what follows; moved into the stream
 * @salt:	Of a 2022 request
 */
struct ss_request_key {
	struct ss_flow_key rx;
	uint8_t salt[SS_KEY_MAX];
};
/*
 * The server's end. @rest: bytes behind the request's first chunk. @k is copied.
 * @rq is moved from on success. Owns @below on success. NULL: out of memory
 */
struct stream *ss_server(const struct ss_secret_key *k,
			 struct ss_request_key *rq, struct worker *w,
			 struct stream *below, const struct iovec *rest);

#endif
