/*
 * duct.h - Two ends of a byte pipe in memory, both of one worker
 *
 * Between a session and a part of this program: what is written to one end is read
 * from the other. Closing one end with a reason is what the other one reads.
 */
#ifndef GATEWAY_CORE_DUCT_H
#define GATEWAY_CORE_DUCT_H

#include "gateway/core/stream.h"

/* Both without a job: stream_set_job(). 0 or -ENOMEM */
int duct_new(struct stream *ends[2]);
/* @told is called when @end is closed before the other one */
void duct_tell(struct stream *end, void (*told)(void *arg, int why), void *arg);

#endif
