/* srv.h - What the servers of proxy protocols share */
#ifndef PROXY_IN_SRV_H
#define PROXY_IN_SRV_H

#include "gateway/core/inbound.h"
#include "proxy/in/greet.h"
#include "proxy/in/srv_users.h"
#include "proxy/layer/tube.h"

#define SRV_FALLBACKS   64
#define GREET_STEP_MUTE 0xff /* greet.step: nothing is understood any more */

struct srv_fallback;

/**
 * struct srv_conf - A protocol's settings, or their first member
 */
struct srv_conf {
	struct srv_table users;
	struct srv_fallback *fallback;
	unsigned int fallbacks;
};

/* "fallbacks". 0 or -ENOMEM */
int srv_parse_fallbacks(struct jobj *o, struct srv_conf *c, struct arena *a);

/* A place, users, fallbacks: ib->settings is a srv_conf. 0 or -errno */
int srv_parse(struct inbound *ib, struct jobj *o, struct config *cfg,
	      const struct srv_form *form);
/* The end of these settings */
void srv_drop(struct inbound *ib);
/*
 * Whose key is this? All are compared, so that the time does not tell which.
 * -1: nobody's
 */
int srv_find_key(const struct srv_users *us, const uint8_t *key);

/* A step of a greeting that looks at users */
typedef ssize_t (*srv_step)(struct session *s, struct greet *g,
			    const struct srv_users *us);
/* With the users in force; nothing more is understood once it is muted */
ssize_t srv_run_step(struct session *s, struct greet *g, srv_step step);

/* Where connections go that carry others (proxy/mux takes them apart) */
struct addr srv_mux_target(void);
/* This is user @i */
void srv_set_user(struct session *s, const struct srv_users *us,
		  unsigned int i);
/*
 * What came is wrong: nothing is said and all is swallowed until the deadline,
 * the same for whatever was wrong. For return from a step
 */
ssize_t srv_mute(struct greet *g);
/*
 * What came is wrong, but a fallback shall have it: the session goes there
 * with all bytes so far. Muted when there is none
 */
ssize_t srv_fall_back(struct session *s, struct greet *g,
		      const struct srv_conf *c);
/*
 * s->in, with @used bytes of the greeting spent, carries packets from now on.
 * @to: their fixed target; NULL: they have their own. The session is over.
 * For return from a step
 */
ssize_t srv_packets(struct session *s, struct greet *g,
		    const struct tube_ops *ops, size_t used,
		    const struct addr *to);

#endif
