/*
 * pick.h - What a lookup does next, from what its servers said so far
 *
 * Serial: a server is asked when all before it gave nothing. Parallel: all are
 * asked at once; neighbours with the same policy race, earlier ones go before
 * later ones (Xray-core, app/dns/dns.go).
 *
 * A "soft" candidate was down when it was asked: nobody waits for it. Its answer
 * still counts when it comes in time, and when nobody else has one.
 */
#ifndef GATEWAY_DNS_PICK_H
#define GATEWAY_DNS_PICK_H

#include <stdbool.h>
#include <stdint.h>

enum cand_state {
	CAND_IDLE, /* not asked yet */
	CAND_LATER, /* down, and probed enough: asked only as a last resort */
	CAND_ASKED,
	CAND_NO, /* it failed, or gave nothing that ends the search */
	CAND_YES,
};

/**
 * struct cand - One server of a lookup
 * @group:	Equal for neighbours that race; grows along the order
 */
struct cand {
	uint8_t state, group;
	bool soft;
};

enum pick_what {
	PICK_ASK, /* candidate @at */
	PICK_WAIT,
	PICK_HOLD, /* wait, but only a moment: then pick with @hurry */
	PICK_TAKE, /* what candidate @at said */
	PICK_NONE, /* nobody has an answer: give what is known */
};

struct pick {
	enum pick_what what;
	unsigned int at;
};

/**
 * pick() - The next step
 * @parallel:	Ask all at once
 * @told:	Some server answered, without addresses
 * @hurry:	The moment of PICK_HOLD is over
 */
struct pick pick(const struct cand *c, unsigned int n, bool parallel, bool told,
		 bool hurry);

#endif
