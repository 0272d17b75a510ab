/*
 * venc_tickets.c - Tickets of VLESS encryption
 *
 * A server's are in one table of the process behind a lock: any worker may meet
 * the client again, and a reload takes none away. With a ticket goes the set of
 * secrets that came with it; a hello that comes again is a replay. Both are
 * bounded: the oldest ticket is forgotten, with its set, and its client makes a
 * whole handshake again.
 *
 * Source: docs/wire/vless_encryption.md
 */
#include "proxy/layer/venc_tickets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/htab.h"
#include "gateway/base/list.h"

#define SLACK_MS   120000u
#define USES_FIRST 8u

/**
 * struct ticket - One that was given out
 * @age:	In the list of all, the oldest first
 * @used:	Secrets that came, by their first 8 bytes; @cap slots, 0 is free
 */
struct ticket {
	struct hnode node;
	struct list age;
	uint8_t owner[32];
	struct venc_ticket_key key;
	uint64_t until_ms;
	uint64_t *used;
	uint32_t uses, cap;
};

static struct {
	pthread_mutex_t lock;
	struct htab by_id;
	struct list by_age;
	uint32_t count, slots;
} tickets = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint64_t now_ms(void)
{
	return clock_us() / 1000;
}

/* --- the client's one ----------------------------------------------------------- */

bool venc_known_get(struct venc_known_key *k, struct venc_ticket_key *out)
{
	bool good;

	pthread_mutex_lock(&k->lock);
	good = now_ms() < k->until_ms;
	if (good)
		*out = k->ticket;
	pthread_mutex_unlock(&k->lock);
	return good;
}

void venc_known_put(struct venc_known_key *k, const struct venc_ticket_key *t,
		    uint32_t seconds)
{
	pthread_mutex_lock(&k->lock);
	k->ticket = *t;
	k->until_ms = now_ms() + seconds * 1000ull;
	pthread_mutex_unlock(&k->lock);
}

void venc_known_forget(struct venc_known_key *k,
		       const struct venc_ticket_key *t)
{
	pthread_mutex_lock(&k->lock);
	if (ct_equal(k->ticket.id, t->id, sizeof(t->id)))
		k->until_ms = 0;
	pthread_mutex_unlock(&k->lock);
}

/* --- the server's ----------------------------------------------------------------- */

/* Ids are random, made by us, and only shown under our key */
static uint32_t id_hash(const uint8_t id[VENC_ID_BYTES])
{
	return get_be32(id + 4);
}

static void ticket_free(struct ticket *t)
{
	htab_del(&tickets.by_id, &t->node);
	list_del(&t->age);
	tickets.count--;
	tickets.slots -= t->cap;
	free(t->used);
	wipe(t, sizeof(*t));
	free(t);
}

static struct ticket *oldest(void)
{
	return list_first(&tickets.by_age, struct ticket, age);
}

/* Those whose time is over, and the oldest while there are too many */
static void sweep(void)
{
	while (tickets.count && (tickets.count >= VENC_TICKETS ||
				 tickets.slots > VENC_USES_TOTAL ||
				 oldest()->until_ms <= now_ms()))
		ticket_free(oldest());
}

static int table_ready(void)
{
	if (tickets.by_id.slot)
		return 0;
	list_init(&tickets.by_age);
	return htab_init(&tickets.by_id, 64);
}

int venc_ticket_give(const uint8_t owner[32], const struct venc_ticket_key *key,
		     uint32_t seconds)
{
	struct ticket *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return -ENOMEM;
	memcpy(t->owner, owner, sizeof(t->owner));
	t->key = *key;
	pthread_mutex_lock(&tickets.lock);
	rc = table_ready();
	if (!rc) {
		sweep();
		t->until_ms = now_ms() + seconds * 1000ull + SLACK_MS;
		htab_put(&tickets.by_id, &t->node, id_hash(key->id));
		list_add_tail(&tickets.by_age, &t->age);
		tickets.count++;
	}
	pthread_mutex_unlock(&tickets.lock);
	if (rc) {
		wipe(t, sizeof(*t));
		free(t);
	}
	return rc;
}

static struct ticket *find(const uint8_t owner[32],
			   const uint8_t id[VENC_ID_BYTES])
{
	struct hnode *n;

	htab_each(n, &tickets.by_id, id_hash(id))
	{
		struct ticket *t = container_of(n, struct ticket, node);

		if (ct_equal(t->key.id, id, VENC_ID_BYTES) &&
		    ct_equal(t->owner, owner, sizeof(t->owner)))
			return t;
	}
	return NULL;
}

/* The slot of @v, or the free one where it belongs */
static uint64_t *slot(uint64_t *set, uint32_t cap, uint64_t v)
{
	uint32_t i = (uint32_t)v & (cap - 1);

	while (set[i] && set[i] != v)
		i = (i + 1) & (cap - 1);
	return &set[i];
}

/* Room for one more, at most half of it in use. 0 or -ENOMEM */
static int grow(struct ticket *t)
{
	uint32_t cap = t->cap ? 2 * t->cap : USES_FIRST;
	uint64_t *set;

	if (2 * (t->uses + 1) <= t->cap)
		return 0;
	set = calloc(cap, sizeof(*set));
	if (!set)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->cap; i++)
		if (t->used[i])
			*slot(set, cap, t->used[i]) = t->used[i];
	free(t->used);
	t->used = set;
	tickets.slots += cap - t->cap;
	t->cap = cap;
	return 0;
}

/* False: @nfs came before (or nobody can tell) */
static bool first_use(struct ticket *t, const uint8_t nfs[VENC_NFS_BYTES])
{
	uint64_t v = get_be64(nfs), *at;

	v = v ? v : 1;
	if (grow(t) < 0)
		return false;
	at = slot(t->used, t->cap, v);
	if (*at)
		return false;
	*at = v;
	t->uses++;
	return true;
}

enum venc_use venc_ticket_use(const uint8_t owner[32],
			      const uint8_t nfs[VENC_NFS_BYTES],
			      struct venc_ticket_key *key)
{
	enum venc_use use = VENC_USE_UNKNOWN;
	struct ticket *t = NULL;

	pthread_mutex_lock(&tickets.lock);
	if (tickets.by_id.slot)
		t = find(owner, key->id);
	if (t && t->until_ms > now_ms()) {
		use = first_use(t, nfs) ? VENC_USE_GOOD : VENC_USE_AGAIN;
		*key = t->key;
		/* who uses one so often may make another handshake */
		if (tickets.slots > VENC_USES_TOTAL)
			ticket_free(t);
	}
	pthread_mutex_unlock(&tickets.lock);
	return use;
}
