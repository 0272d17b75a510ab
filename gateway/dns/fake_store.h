/*
 * fake_store.h - A FakeDNS pool with its lock, its file and its users
 *
 * Shared by workers and configuration generations. With a file, one small
 * thread appends new mappings and compacts; workers only fill its buffer.
 */
#ifndef GATEWAY_DNS_FAKE_STORE_H
#define GATEWAY_DNS_FAKE_STORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "gateway/dns/fake_pool.h"

#define FAKE_PENDING_MAX (256u << 10) /* bytes not yet written; more: rewrite */

/**
 * struct fake_file - A file, and the stores of several generations that name it
 * @lock:	Held while one of them writes; guards @turns and @writer
 * @turns:	Stores so far; each has its number
 * @writer:	The newest that has written: older ones must not any more
 */
struct fake_file {
	atomic_uint refs;
	pthread_mutex_t lock;
	unsigned int turns, writer;
	char path[];
};

/**
 * struct fake_store - The pool and what keeps it on disk
 * @lock:	Guards everything below but @refs, @file, @turn
 * @wake:	The writer has something to do
 * @file:	NULL: memory only; one reference. @turn: this store's number in it
 * @pending:	Records for the writer; NULL until the first one
 * @rewrite:	The file shall be written anew from the pool
 * @started:	The writer thread runs; @stop ends it, after what is pending;
 *		@detached: it frees the store itself
 */
struct fake_store {
	atomic_uint refs;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct fake_pool pool;
	struct fake_file *file;
	unsigned int turn;
	uint8_t *pending;
	size_t pending_len;
	bool rewrite, started, failed, stop, detached;
	pthread_t writer;
};

/*
 * Loads @path when there is one. @before: a store of an older generation with the
 * same path, which loses the file when the new one first writes; or NULL. NULL: out
 * of memory; @err -ERANGE as pool
 */
struct fake_store *fake_store_new(const struct cidr *net, uint32_t size,
				  const char *path,
				  const struct fake_store *before, int *err);
/* The file's name, or "" */
const char *fake_store_path(const struct fake_store *s);
struct fake_store *fake_store_ref(struct fake_store *s);
/* The last one has the writer end; @wait for it (a worker must not) */
void fake_store_unref(struct fake_store *s, bool wait);
/* Address of a name. 0 or -ENOMEM */
int fake_store_addr(struct fake_store *s, const char *name, size_t len,
		    struct addr *out);
/* Length of the name behind @a, or -ENOENT */
int fake_store_name(struct fake_store *s, const struct addr *a, char name[256]);

#endif
