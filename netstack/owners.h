/*
 * owners.h - Which worker a TCP flow of one device belongs to
 *
 * Shared by all workers; touched when a flow is born, when it ends, and when a
 * packet comes to a worker that does not know its flow. Never for a packet of a
 * known flow. A flow is a keyed 64 bit hash of its tuple: 8 to 16 bytes each.
 */
#ifndef NETSTACK_OWNERS_H
#define NETSTACK_OWNERS_H

#include <stddef.h>
#include <stdint.h>

struct owners;

/* NULL: out of memory */
struct owners *owners_new(void);
void owners_free(struct owners *o);
/**
 * owners_claim() - Say that @tuple belongs to @worker, unless it has an owner
 *
 * Return: the owner, which is @worker when it had none. Out of memory: @worker,
 * and nobody can find it
 */
unsigned int owners_claim(struct owners *o, uint64_t tuple,
			  unsigned int worker);
/* The owner of @tuple, or -1 */
int owners_find(struct owners *o, uint64_t tuple);
/* @tuple has ended; nothing if it is not @worker's */
void owners_drop(struct owners *o, uint64_t tuple, unsigned int worker);
/* All tuples, for tests and statistics; bytes of all tables into *@bytes */
uint32_t owners_count(struct owners *o, size_t *bytes);

#endif
