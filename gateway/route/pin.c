/*
 * pin.c - Balancers from outside (contract: groups.h)
 *
 * A pin is kept by the names of both, so that a new generation's balancer has it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/core/outbound.h"
#include "gateway/route/groups.h"
#include "gateway/route/rule.h"

/** struct pin - @outbound is chosen for @balancer */
struct pin {
	struct pin *next;
	char *balancer, *outbound;
};

static struct pin *pins;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* 1 + the index of @outbound; 0: it is not one of them */
static unsigned int place_of(const struct balancer *b, const char *outbound)
{
	for (uint32_t i = 0; outbound && i < b->count; i++)
		if (!strcmp(b->outbounds[i]->tag, outbound))
			return i + 1;
	return 0;
}

static struct pin *pin_of(const char *balancer)
{
	struct pin *p = pins;

	while (p && strcmp(p->balancer, balancer) != 0)
		p = p->next;
	return p;
}

/* 0 or -ENOMEM */
static int keep(const char *balancer, const char *outbound)
{
	struct pin *p = pin_of(balancer);
	char *text = outbound ? strdup(outbound) : NULL;

	if (outbound && !text)
		return -ENOMEM;
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (p)
			p->balancer = strdup(balancer);
		if (!p || !p->balancer) {
			free(p);
			free(text);
			return -ENOMEM;
		}
		p->next = pins;
		pins = p;
	}
	free(p->outbound);
	p->outbound = text;
	return 0;
}

void pin_again(struct balancer *b)
{
	const struct pin *p;

	pthread_mutex_lock(&lock);
	p = pin_of(b->tag);
	atomic_store(&b->pinned, p ? place_of(b, p->outbound) : 0);
	pthread_mutex_unlock(&lock);
}

void route_pins_again(struct router *r)
{
	for (uint32_t i = 0; i < r->balancer_count; i++)
		pin_again(&r->balancers[i]);
}

int route_pin(struct router *r, const char *tag, const char *outbound)
{
	struct balancer *b = NULL;
	unsigned int place;
	int rc;

	for (uint32_t i = 0; i < r->balancer_count; i++)
		if (!strcmp(r->balancers[i].tag, tag))
			b = &r->balancers[i];
	if (!b)
		return -ENOENT;
	place = place_of(b, outbound);
	if (outbound && !place)
		return -EINVAL;
	pthread_mutex_lock(&lock);
	rc = keep(tag, outbound);
	if (!rc)
		atomic_store(&b->pinned, place);
	pthread_mutex_unlock(&lock);
	return rc;
}

static void describe(struct balancer *b, struct route_group *g)
{
	const struct outbound *out[BALANCE_MAX];
	unsigned int pin = atomic_load(&b->pinned);

	*g = (struct route_group){ .tag = b->tag,
				   .outbounds = b->outbounds,
				   .count = b->count,
				   .by_ping = b->strategy == BALANCE_LEAST_PING,
				   .pinned = pin != 0 };
	if (pin)
		g->now = b->outbounds[pin - 1];
	else
		g->now = least_select(b, out) ? out[0] : b->fallback;
}

void route_groups(const struct router *r,
		  void (*fn)(void *arg, const struct route_group *g), void *arg)
{
	for (uint32_t i = 0; i < r->balancer_count; i++) {
		struct route_group g;

		describe(&r->balancers[i], &g);
		fn(arg, &g);
	}
}
