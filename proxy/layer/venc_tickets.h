/* venc_tickets.h - Tickets of VLESS encryption: those we gave, the one we have */
#ifndef PROXY_LAYER_VENC_TICKETS_H
#define PROXY_LAYER_VENC_TICKETS_H

#include <pthread.h>

#include "proxy/wire/venc_shake.h"

#define VENC_TICKETS    4096 /* given out and kept; the oldest goes first */
#define VENC_USES_TOTAL (1u << 20) /* of all tickets */

/* Secret and name of the last ticket of one server. All zero: none */
struct venc_known_key {
	pthread_mutex_t lock;
	struct venc_ticket_key ticket;
	uint64_t until_ms; /* clock_us() / 1000; 0 none */
};

/* False: none that is still good */
bool venc_known_get(struct venc_known_key *k, struct venc_ticket_key *out);
void venc_known_put(struct venc_known_key *k, const struct venc_ticket_key *t,
		    uint32_t seconds);
/* The server does not know @t any more */
void venc_known_forget(struct venc_known_key *k,
		       const struct venc_ticket_key *t);

enum venc_use { VENC_USE_GOOD, VENC_USE_UNKNOWN, VENC_USE_AGAIN };

/**
 * venc_ticket_give() - Remember a ticket; one table a process
 * @owner:	32 bytes: whose it is (the server's last key)
 * @seconds:	As long as a client may use it; kept two minutes longer
 *
 * Return: 0 or -ENOMEM: it is not remembered
 */
int venc_ticket_give(const uint8_t owner[32], const struct venc_ticket_key *key,
		     uint32_t seconds);
/**
 * venc_ticket_use() - A client shows a ticket
 * @key:	With its id; the rest is written when it is good
 * @nfs:	This handshake's secret, which may come once
 */
enum venc_use venc_ticket_use(const uint8_t owner[32],
			      const uint8_t nfs[VENC_NFS_BYTES],
			      struct venc_ticket_key *key);

#endif
