/* fd_linger.h - The end of a socket that has bytes on their way */
#ifndef GATEWAY_CORE_FD_LINGER_H
#define GATEWAY_CORE_FD_LINGER_H

#include <stdbool.h>

struct worker;

#define FD_LINGER_MS 5000u /* the other side's time to take the rest */
/* Of one worker, and an eighth of its sessions; more are closed at once */
#define FD_LINGER_MAX 1024u

/*
 * Closes @fd: with RST if @cut, else with FIN. TCP's unacknowledged bytes come
 * first, for as long as FD_LINGER_MS
 */
void fd_linger(struct worker *w, int fd, bool cut);
/* The worker ends: so do all of them */
void fd_linger_drop(struct worker *w);

#endif
