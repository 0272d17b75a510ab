/*
 * frag.c - Reassembly of IPv4 and IPv6 fragments
 *
 *   datagram: pieces in order of offset, each a copy; done when they cover
 *   0 .. total, and total is known from the last one
 *
 * An overlap condemns the datagram: it is remembered without its bytes, so that
 * pieces still to come do not start it anew. An exact duplicate is ignored.
 * All memory is counted; beyond the limit the oldest datagram goes.
 * Source: RFC 791, 3.2; RFC 8200, 4.5; RFC 5722; RFC 6946
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/hash.h"
#include "gateway/base/htab.h"
#include "gateway/base/rand.h"
#include "netstack/ip_out.h"
#include "netstack/netstack.h"

#define FRAG_DATAGRAM_MAX 65535
#define FRAG_BYTES        (256u << 10) /* a table, all overhead included */
#define FRAG_PIECES       1024 /* a datagram; 64 KiB at the smallest MTU is 1366 */
#define FRAG_WAIT_MS      15000

/**
 * struct piece - A fragment's payload
 */
struct piece {
	struct piece *next;
	uint32_t off, len; /* bytes */
	uint8_t data[];
};

/**
 * struct frag - One datagram on its way
 * @node:	In the table's @all, oldest first
 * @total:	Payload bytes; 0 until the last fragment came
 * @have:	Payload bytes so far
 * @cost:	Memory counted for it
 * @bad:	Condemned; holds no pieces
 */
struct frag {
	struct hnode by_key;
	struct list node;
	struct addr src, dst;
	uint32_t id, born_ms;
	uint32_t total, have, cost, pieces;
	uint8_t proto;
	bool bad;
	struct piece *head, *last;
};

/**
 * struct frag_table - All datagrams of one worker
 * @whole:	The one handed out last
 */
struct frag_table {
	struct worker *worker;
	struct htab frags;
	struct list all;
	uint32_t cost;
	struct timer timer;
	uint8_t *whole;
};

static uint32_t frag_hash(const struct packet *p)
{
	uint64_t key = hash_mix(rand_key() ^ p->frag_id) + p->proto;

	return addr_hash(&p->src, key) ^ addr_hash(&p->dst, ~key);
}

static bool frag_is(const struct frag *f, const struct packet *p)
{
	return f->id == p->frag_id && f->proto == p->proto &&
	       addr_eq_host(&f->src, &p->src) && addr_eq_host(&f->dst, &p->dst);
}

static void frag_clear(struct frag_table *t, struct frag *f)
{
	struct piece *x, *next;

	for (x = f->head; x; x = next) {
		next = x->next;
		free(x);
	}
	f->head = NULL;
	f->last = NULL;
	t->cost -= f->cost - (uint32_t)sizeof(*f);
	f->cost = sizeof(*f);
}

static void frag_free(struct frag_table *t, struct frag *f)
{
	frag_clear(t, f);
	t->cost -= f->cost;
	htab_del(&t->frags, &f->by_key);
	list_del(&f->node);
	free(f);
}

static void frag_condemn(struct frag_table *t, struct frag *f, enum drop why)
{
	worker_drop(t->worker, why);
	frag_clear(t, f);
	f->bad = true;
}

static void frag_timer(struct timer *tm)
{
	struct frag_table *t = container_of(tm, struct frag_table, timer);
	uint32_t age;

	while (!list_empty(&t->all)) {
		struct frag *f = list_first(&t->all, struct frag, node);

		age = t->worker->now_ms - f->born_ms;
		if (age < FRAG_WAIT_MS) {
			timer_set(&t->worker->wheel, &t->timer,
				  FRAG_WAIT_MS - age);
			return;
		}
		if (!f->bad)
			worker_drop(t->worker, DROP_FRAG_TIMEOUT);
		frag_free(t, f);
	}
}

/* Make place for @need bytes; @keep stays. 0 or -ENOBUFS */
static int frag_room(struct frag_table *t, const struct frag *keep,
		     uint32_t need)
{
	struct list *p, *next;

	list_for_each_safe (p, next, &t->all) {
		struct frag *f = container_of(p, struct frag, node);

		if (t->cost + need <= FRAG_BYTES)
			break;
		if (f == keep)
			continue;
		worker_drop(t->worker, DROP_FRAG_LIMIT);
		frag_free(t, f);
	}
	return t->cost + need <= FRAG_BYTES ? 0 : -ENOBUFS;
}

static struct frag *frag_get(struct frag_table *t, const struct packet *p)
{
	uint32_t h = frag_hash(p);
	struct hnode *n;
	struct frag *f;

	htab_each(n, &t->frags, h)
	{
		f = container_of(n, struct frag, by_key);
		if (frag_is(f, p))
			return f;
	}
	if (frag_room(t, NULL, sizeof(*f)))
		return NULL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->src = p->src;
	f->dst = p->dst;
	f->id = p->frag_id;
	f->proto = p->proto;
	f->born_ms = t->worker->now_ms;
	f->cost = sizeof(*f);
	t->cost += f->cost;
	htab_put(&t->frags, &f->by_key, h);
	list_add_tail(&t->all, &f->node);
	if (!timer_armed(&t->timer))
		timer_set(&t->worker->wheel, &t->timer, FRAG_WAIT_MS);
	return f;
}

enum placed { PLACED, PLACE_SAME, PLACE_OVERLAP };

/* Where a piece belongs: *@after is the piece before it (NULL: the first) */
static enum placed piece_place(const struct frag *f, const struct packet *p,
			       uint32_t len, struct piece **after)
{
	struct piece *x = f->head, *prev = NULL;
	uint32_t off = p->frag_offset;

	if (f->last && f->last->off + f->last->len <= off) {
		*after = f->last;
		return PLACED;
	}
	for (; x && x->off < off; x = x->next)
		prev = x;
	if (x && x->off == off && x->len == len &&
	    !memcmp(x->data, p->data + p->l4, len))
		return PLACE_SAME;
	if ((prev && prev->off + prev->len > off) || (x && off + len > x->off))
		return PLACE_OVERLAP;
	*after = prev;
	return PLACED;
}

static int piece_add(struct frag_table *t, struct frag *f,
		     const struct packet *p, uint32_t len, struct piece *after)
{
	uint32_t need = len + (uint32_t)sizeof(struct piece);
	struct piece *x;

	if (f->pieces >= FRAG_PIECES || frag_room(t, f, need))
		return -ENOBUFS;
	x = malloc(need);
	if (!x)
		return -ENOMEM;
	x->off = p->frag_offset;
	x->len = len;
	memcpy(x->data, p->data + p->l4, len);
	x->next = after ? after->next : f->head;
	if (after)
		after->next = x;
	else
		f->head = x;
	if (!x->next)
		f->last = x;
	f->pieces++;
	f->have += len;
	f->cost += need;
	t->cost += need;
	return 0;
}

/* Do offset, length and the total known so far agree? */
static bool frag_sane(struct frag *f, const struct packet *p, uint32_t len)
{
	uint32_t end = p->frag_offset + len;
	uint32_t max = FRAG_DATAGRAM_MAX - (p->v6 ? 0 : IP4_HEADER);

	if (!len || end > max || (p->frag_more && len % 8))
		return false;
	if (f->total && (end > f->total || (!p->frag_more && end != f->total)))
		return false;
	if (!p->frag_more) {
		if (f->last && f->last->off + f->last->len > end)
			return false;
		f->total = end;
	}
	return true;
}

static size_t put_head(uint8_t *h, const struct frag *f)
{
	memset(h, 0, IP6_HEADER);
	if (f->src.kind == ADDR_V6) {
		h[0] = 0x60;
		put_be16(h + 4, (uint16_t)f->total);
		h[6] = f->proto;
		h[7] = 64;
		memcpy(h + 8, f->src.ip, 16);
		memcpy(h + 24, f->dst.ip, 16);
		return IP6_HEADER;
	}
	h[0] = 0x45;
	put_be16(h + 2, (uint16_t)(IP4_HEADER + f->total));
	h[8] = 64;
	h[9] = f->proto;
	memcpy(h + 12, f->src.ip, 4);
	memcpy(h + 16, f->dst.ip, 4);
	put_be16(h + 10, csum_fold(csum_add(0, h, IP4_HEADER)));
	return IP4_HEADER;
}

/* All pieces are there: lay them side by side and check the result */
static bool frag_join(struct frag_table *t, struct frag *f,
		      struct packet *whole)
{
	struct vnet none = { 0 };
	struct piece *x;
	enum drop why;
	size_t n;

	t->whole = malloc(IP6_HEADER + f->total);
	if (!t->whole) {
		frag_condemn(t, f, DROP_NO_MEMORY);
		return false;
	}
	n = put_head(t->whole, f);
	for (x = f->head; x; x = x->next) {
		memcpy(t->whole + n, x->data, x->len);
		n += x->len;
	}
	frag_free(t, f);
	if (!packet_parse(t->whole, n, &none, whole, &why)) {
		if (!whole->frag)
			return true;
		why = DROP_IP6_CHAIN; /* a fragment inside of fragments */
	}
	worker_drop(t->worker, why);
	return false;
}

bool frag_input(struct frag_table *t, const struct packet *p,
		struct packet *whole)
{
	uint32_t len = p->len > p->l4 ? p->len - p->l4 : 0;
	struct piece *after = NULL;
	enum placed placed;
	struct frag *f;

	free(t->whole);
	t->whole = NULL;
	f = frag_get(t, p);
	if (!f) {
		worker_drop(t->worker, DROP_NO_MEMORY);
		return false;
	}
	if (f->bad)
		return false;
	if (!frag_sane(f, p, len)) {
		frag_condemn(t, f, DROP_IP_HEADER);
		return false;
	}
	placed = piece_place(f, p, len, &after);
	if (placed == PLACE_SAME)
		return false;
	if (placed == PLACE_OVERLAP) {
		frag_condemn(t, f, DROP_FRAG_OVERLAP);
		return false;
	}
	if (piece_add(t, f, p, len, after)) {
		frag_condemn(t, f, DROP_FRAG_LIMIT);
		return false;
	}
	return f->total && f->have == f->total && frag_join(t, f, whole);
}

struct frag_table *frag_table_new(struct worker *w)
{
	struct frag_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->worker = w;
	list_init(&t->all);
	timer_init(&t->timer, frag_timer);
	if (htab_init(&t->frags, 64)) {
		free(t);
		return NULL;
	}
	return t;
}

void frag_table_free(struct frag_table *t)
{
	if (!t)
		return;
	while (!list_empty(&t->all))
		frag_free(t, list_first(&t->all, struct frag, node));
	timer_cancel(&t->timer);
	htab_free(&t->frags);
	free(t->whole);
	free(t);
}
