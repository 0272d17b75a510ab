/* flows.h - The sessions of all workers: listed as JSON, ended */
#ifndef GATEWAY_API_FLOWS_H
#define GATEWAY_API_FLOWS_H

#include "gateway/core/worker.h"
#include "proxy/wire/pb.h"

#define FLOWS_LISTED_MAX 1024u /* of one worker: the newest */

struct flows;

/*
 * Ask all workers; @tell comes in a turn of @w, once, with what they said, which
 * is gone after it. NULL: out of memory
 */
struct flows *flows_ask(struct worker *w,
			void (*tell)(const struct flows *f, void *arg),
			void *arg);
/* @tell shall not come */
void flows_forget(struct flows *f);
/*
 * {"downloadTotal":..,"uploadTotal":..,"connections":[..],"memory":..}, as Clash's
 * API has it
 */
void flows_put(const struct flows *f, struct pb_out *o);
/* Bytes of all sessions since the start, of all workers */
void flows_moved(uint64_t moved[2]);
/* Bytes of memory that the process has */
uint64_t flows_memory(void);
/* End the session @id (as listed), or all. False: no such id can be */
bool flows_end(const char *id);

#endif
