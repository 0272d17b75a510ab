/*
 * venc.h - A layer that speaks VLESS encryption
 *
 * Wire: docs/wire/vless_encryption.md
 */
#ifndef PROXY_LAYER_VENC_H
#define PROXY_LAYER_VENC_H

#include "gateway/core/stream.h"
#include "gateway/core/worker.h"
#include "proxy/layer/venc_tickets.h"

/*
 * The client's end. @known: where its ticket is kept, shared by all who dial
 * this server; NULL: none. @c and @known are borrowed. @id: session, for messages.
 * Owns @below on success. NULL: out of memory
 */
struct stream *venc_client(const struct venc_conf_key *c,
			   struct venc_known_key *known, struct worker *w,
			   struct stream *below, uint32_t id);
/*
 * The server's end. Who does not have the keys is not answered, and all he says is
 * swallowed: the owner's deadline ends it
 */
struct stream *venc_server(const struct venc_conf_key *c, struct worker *w,
			   struct stream *below, uint32_t id);

#endif
