/* key_log.h - "masterKeyLog": a file of secrets, for programs that read captures */
#ifndef PROXY_TRANSPORT_KEY_LOG_H
#define PROXY_TRANSPORT_KEY_LOG_H

#include "gateway/base/jget.h"

/* Of settings @o, with a warning; -1: none, or it cannot be opened (reported) */
int key_log_parse(struct jobj *o);
/* A line of the NSS key log, without its end. @fd -1: nothing */
void key_log_put(int fd, const char *line);

#endif
