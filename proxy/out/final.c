/*
 * final.c - freedom's "finalRules": may this address be spoken to at all?
 *
 * Asked for what is really dialed, after names became addresses: a name cannot
 * lead where its address may not. TCP: an address that is blocked is not dialed
 * (happy.c asks by outbound_ops.may_reach); when all are, swallow.c is what the
 * client speaks to. UDP: a flow to it is refused (udp_flow.c asks), and a filter
 * on the socket for what redirect makes of it, and for what comes in.
 *
 * Source: Xray proxy/freedom/freedom.go (facts); docs/decisions/023
 */
#include "proxy/out/final.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/compat.h"
#include "gateway/base/rand.h"
#include "gateway/core/match.h"
#include "gateway/core/outbound.h"
#include "gateway/core/sniff.h"

#define DELAY_FIRST_S 30 /* as Xray when blockDelay is absent */
#define DELAY_LAST_S  90
#define DELAY_MAX_S   86400

static bool holds(const struct final_rule *r, uint8_t net, const struct addr *a)
{
	bool of_net = net == NET_UDP ? r->udp : r->tcp;

	return of_net &&
	       (!r->port_count ||
		ports_have(r->ports, r->port_count, a->port)) &&
	       (!r->ips || ipset_has(r->ips, a));
}

bool final_any(const struct final_rules *f, uint8_t stranger)
{
	return stranger || f->count;
}

bool final_allows(const struct final_rules *f, struct reach *r,
		  const struct addr *a, uint32_t *rule)
{
	static const uint32_t usual[2] = { DELAY_FIRST_S, DELAY_LAST_S };
	const uint32_t *delay_s = usual;
	uint32_t i = 0;

	while (i < f->count && !holds(&f->v[i], r->net, a))
		i++;
	if (i < f->count && f->v[i].allow)
		return true;
	if (i < f->count)
		delay_s = f->v[i].delay_s;
	else if (r->stranger == REACH_BACK ||
		 (r->stranger && addr_is_private(a)))
		i = FINAL_IMPLIED;
	else
		return true;
	r->block_ms = 1000 * rand_between(delay_s[0], delay_s[1]);
	if (rule)
		*rule = i;
	return false;
}

void final_drop(struct final_rules *f)
{
	for (unsigned int i = 0; i < f->count; i++)
		ipset_free(f->v[i].ips);
	f->count = 0;
}

/* --- datagrams --- */

struct filter {
	struct dgram d;
	const struct final_rules *rules;
	uint8_t stranger;
};

static struct filter *filter_of(struct dgram *d)
{
	return container_of(d, struct filter, d);
}

static bool passes(const struct filter *f, const struct addr *a)
{
	struct reach r = { .net = NET_UDP, .stranger = f->stranger };

	return final_allows(f->rules, &r, a, NULL);
}

/* Runs of allowed ones go down; the others count as sent */
static int filter_send(struct dgram *d, const struct pkt *v, int n)
{
	struct filter *f = filter_of(d);
	int k = 0, from, rc;

	while (k < n && !passes(f, &v[k].peer))
		k++;
	for (from = k; k < n && passes(f, &v[k].peer);)
		k++;
	if (k == from)
		return k;
	rc = d->below->ops->send(d->below, v + from, k - from);
	if (rc < 0)
		return from ? from : rc;
	return from + rc;
}

static int filter_recv(struct dgram *d, struct pkt *v, int max)
{
	struct filter *f = filter_of(d);
	int n, kept = 0;

	for (int tries = 0; tries < DGRAM_TRIES; tries++) {
		n = d->below->ops->recv(d->below, v, max);
		for (int i = 0; i < n; i++)
			if (passes(f, &v[i].peer))
				v[kept++] = v[i];
		if (n <= 0 || kept)
			return n > 0 ? kept : n;
	}
	job_ready(d->job);
	return -EAGAIN;
}

static void filter_want(struct dgram *d, unsigned int events)
{
	d->below->job = d->job;
	d->below->ops->want(d->below, events);
}

static void filter_close(struct dgram *d)
{
	d->below->ops->close(d->below);
	free(filter_of(d));
}

static const struct dgram_ops filter_ops = {
	.name = "final",
	.recv = filter_recv,
	.send = filter_send,
	.want = filter_want,
	.close = filter_close,
};

int final_dgram(const struct final_rules *r, uint8_t stranger,
		struct dgram *below, struct dgram **out)
{
	struct filter *f = calloc(1, sizeof(*f));

	if (!f) {
		below->ops->close(below);
		return -ENOMEM;
	}
	f->d = (struct dgram){ .ops = &filter_ops,
			       .below = below,
			       .job = below->job };
	f->rules = r;
	f->stranger = stranger;
	*out = &f->d;
	return 0;
}

/* --- settings --- */

static void parse_network(struct jobj *o, struct final_rule *r)
{
	struct jlist l;

	j_list(o, "network", &l);
	while (j_list_next(o, &l)) {
		r->tcp |= !strcasecmp(l.text, "tcp");
		r->udp |= !strcasecmp(l.text, "udp");
		if (strcasecmp(l.text, "tcp") != 0 &&
		    strcasecmp(l.text, "udp") != 0)
			diag_error(o->d, l.node, NULL, "must be tcp or udp");
	}
	if (!r->tcp && !r->udp)
		r->tcp = r->udp = true;
}

/* Seconds */
static void parse_delay(struct jobj *o, struct final_rule *r)
{
	int32_t lo, hi;

	r->delay_s[0] = DELAY_FIRST_S;
	r->delay_s[1] = DELAY_LAST_S;
	if (!j_range(o, "blockDelay", &lo, &hi))
		return;
	if (lo < 0 || hi > DELAY_MAX_S) {
		diag_error(o->d, j_get(o, "blockDelay"), NULL,
			   "must be 0 to %d seconds", DELAY_MAX_S);
		return;
	}
	r->delay_s[0] = (uint32_t)lo;
	r->delay_s[1] = (uint32_t)hi;
}

static void parse_rule(struct jobj *o, struct final_rule *r)
{
	static const struct jword actions[] = { { "block", 0 },
						{ "allow", 1 } };

	if (!j_get(o, "action"))
		diag_error(o->d, o->node, "action", "is missing");
	r->allow = j_word(o, "action", actions, ARRAY_SIZE(actions), 0);
	parse_network(o, r);
	r->port_count = j_ports(o, "port", r->ports, FINAL_PORTS);
	r->ips = ipset_parse(o, "ip");
	parse_delay(o, r);
}

int final_parse(struct jobj *o, struct final_rules *out, struct arena *a)
{
	const cJSON *list = j_array(o, "finalRules"), *one;
	size_t n = (size_t)cJSON_GetArraySize(list);
	struct jobj r;

	if (!n)
		return 0;
	out->v = arena_alloc(a, n * sizeof(*out->v));
	if (!out->v)
		return -ENOMEM;
	cJSON_ArrayForEach(one, list)
	{
		if (!j_open(&r, o->d, one))
			continue;
		parse_rule(&r, &out->v[out->count++]);
		j_close_strict(&r);
	}
	return 0;
}
