/* vmess_stream.h - VMess streams, both ends */
#ifndef PROXY_LAYER_VMESS_STREAM_H
#define PROXY_LAYER_VMESS_STREAM_H

#include <stdbool.h>

#include "gateway/core/stream.h"
#include "proxy/wire/vmess.h"

struct worker;

/**
 * struct vmess_want - What a client asks
 * @no_end:	The end of a body is not marked
 */
struct vmess_want {
	enum vmess_command command;
	uint8_t security, options;
	bool no_end;
	struct addr to;
};

/* Options and security as Xray's client sends them. @auth_len: experiment */
void vmess_want_options(struct vmess_want *v, bool auth_len);
/*
 * The client's end. Owns @below on success. 0 with *@out, or -errno. @id:
 * session, for messages
 */
int vmess_client(const struct vmess_user_key *user, const struct vmess_want *v,
		 struct worker *w, struct stream *below, uint32_t id,
		 struct stream **out);
/*
 * The server's end of @rq. @rest: bytes behind its head. Owns @below on success.
 * 0 with *@out and *@raw (no chunks: the rest is payload), or -errno
 */
int vmess_server(const struct vmess_request *rq, struct worker *w,
		 struct stream *below, const struct iovec *rest,
		 struct stream **out, bool *raw);

#endif
