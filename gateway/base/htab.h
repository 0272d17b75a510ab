/*
 * htab.h - Intrusive chained hash table that grows; keys stay with the owner
 *
 * The owner embeds a struct hnode, hashes its key with rand_key(), and compares
 * keys itself:
 *	htab_each(n, t, hash)
 *		if (addr_eq(&container_of(n, struct x, node)->key, key)) ...
 */
#ifndef GATEWAY_BASE_HTAB_H
#define GATEWAY_BASE_HTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct hnode - Embedded in what is stored; zero is valid and not linked
 * @next:	In the same slot
 * @hash:	Of its key
 * @linked:	In a table
 */
struct hnode {
	struct hnode *next;
	uint32_t hash;
	bool linked;
};

/**
 * struct htab - The table
 * @slot:	@mask + 1 chains
 * @count:	Nodes stored
 */
struct htab {
	struct hnode **slot;
	uint32_t mask, count;
};

/* @slots: a power of two. 0 or -ENOMEM */
int htab_init(struct htab *t, uint32_t slots);
/* Forgets the nodes, which stay with their owners */
void htab_free(struct htab *t);
/* Never fails: when no memory is left to grow, chains get longer */
void htab_put(struct htab *t, struct hnode *n, uint32_t hash);
/* Harmless when @n is not linked */
void htab_del(struct htab *t, struct hnode *n);

static inline struct hnode *htab_match(struct hnode *n, uint32_t hash)
{
	while (n && n->hash != hash)
		n = n->next;
	return n;
}

/* Nodes of the same hash; nothing may be put or deleted inside the loop */
#define htab_each(n, t, h) \
	for ((n) = htab_match((t)->slot[(h) & (t)->mask], (h)); (n); \
	     (n) = htab_match((n)->next, (h)))

#endif
