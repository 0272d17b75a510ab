/* errand.h - What workers ask the main thread to do: it may wait for files */
#ifndef GATEWAY_APP_ERRAND_H
#define GATEWAY_APP_ERRAND_H

struct config;
struct message;
struct worker;

/* A descriptor that is readable when something is asked for, or -errno */
int errands_start(void);
/*
 * Any thread: @run, with the generation in force, then @back is posted to @w. 0 or
 * -ENOMEM
 */
int errand_give(void (*run)(const struct config *cfg), struct worker *w,
		struct message *back);
/* The main thread: all that is asked for. @cfg NULL: only the answers */
void errands_run(const struct config *cfg);

#endif
