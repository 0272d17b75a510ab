/* replay.h - Salts and auth ids that were used already; one table a process */
#ifndef PROXY_IN_REPLAY_H
#define PROXY_IN_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLAY_CAP 32768 /* remembered: this many to twice as many */

/*
 * Remember @n bytes. Call only when what came with them has proved to be made
 * with the key: strangers must not fill the table. False: seen before
 */
bool replay_fresh(const uint8_t *p, size_t n);

#endif
