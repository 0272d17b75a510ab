/* renew.h - Files that renew themselves, as the main thread sees it */
#ifndef GATEWAY_APP_RENEW_H
#define GATEWAY_APP_RENEW_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/cron.h"

struct config;
struct known;
struct round;
struct worker;

/**
 * struct renew - The main thread's
 * @fd:		An eventfd: a round is over
 * @next:	When the next one is due, in seconds since 1970; -1: never
 * @seen:	The clock, when it was looked at last
 * @round:	Under way; NULL none
 * @known:	What servers called what is on disk
 * @failures:	Assets that could not be renewed in the last round
 */
struct renew {
	int fd;
	int64_t next, seen;
	struct cron cron;
	bool scheduled;
	struct round *round;
	struct known *known;
	unsigned int failures;
};

/* 0 or -errno */
int renew_init(struct renew *r);
/* @cfg is in force from now on */
void renew_plan(struct renew *r, const struct config *cfg);
/* ms until renew_due() shall be asked; -1: never */
int renew_wait_ms(const struct renew *r);
/* Is it time? Each time is told once */
bool renew_due(struct renew *r);
/* Begin a round, unless one is under way. @w does the network's part. 0, -errno */
int renew_begin(struct renew *r, struct config *cfg, struct worker *w);
/*
 * @fd was written: the round is over, and what came of it is told. @cfg: in force, whose
 * files these must still be. True: there are new files; loading a configuration now
 * sees them, until renew_commit() or renew_drop()
 */
bool renew_end(struct renew *r, const struct config *cfg);
/* They take their places. 0; -errno: some did not, and this was told */
int renew_commit(struct renew *r);
void renew_drop(struct renew *r);
/* The end, while workers still run */
void renew_stop(struct renew *r);

#endif
