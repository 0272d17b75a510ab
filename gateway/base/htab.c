/* htab.c - Intrusive chained hash table: doubles at one node a slot */
#include "gateway/base/htab.h"

#include <errno.h>
#include <stdlib.h>

#define HTAB_SLOTS_MAX (1u << 20)

int htab_init(struct htab *t, uint32_t slots)
{
	t->slot = calloc(slots, sizeof(struct hnode *));
	if (!t->slot)
		return -ENOMEM;
	t->mask = slots - 1;
	t->count = 0;
	return 0;
}

void htab_free(struct htab *t)
{
	free(t->slot);
	t->slot = NULL;
	t->count = 0;
}

static void htab_grow(struct htab *t)
{
	uint32_t i, slots = (t->mask + 1) * 2;
	struct hnode **slot, *n, *next;

	if (slots > HTAB_SLOTS_MAX)
		return;
	slot = calloc(slots, sizeof(struct hnode *));
	if (!slot)
		return;
	for (i = 0; i <= t->mask; i++) {
		for (n = t->slot[i]; n; n = next) {
			next = n->next;
			n->next = slot[n->hash & (slots - 1)];
			slot[n->hash & (slots - 1)] = n;
		}
	}
	free(t->slot);
	t->slot = slot;
	t->mask = slots - 1;
}

void htab_put(struct htab *t, struct hnode *n, uint32_t hash)
{
	struct hnode **slot;

	if (t->count > t->mask)
		htab_grow(t);
	slot = &t->slot[hash & t->mask];
	n->hash = hash;
	n->linked = true;
	n->next = *slot;
	*slot = n;
	t->count++;
}

void htab_del(struct htab *t, struct hnode *n)
{
	struct hnode **p;

	if (!n->linked)
		return;
	for (p = &t->slot[n->hash & t->mask]; *p != n;)
		p = &(*p)->next;
	*p = n->next;
	n->linked = false;
	t->count--;
}
