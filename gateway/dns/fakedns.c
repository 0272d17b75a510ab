/*
 * fakedns.c - FakeDNS: the pools of a configuration, and their parsing
 *
 * A pool (struct fake_store) is shared by every generation that has the same
 * subnet, size and file: a reload keeps its mappings. Another pool for a file that the
 * generation before had takes it over (fake_store.c).
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/core/dns.h"
#include "gateway/core/worker.h"
#include "gateway/dns/fake_store.h"

#define POOLS_MAX  8
#define DEFAULT_V4 "198.18.0.0/15"
#define DEFAULT_V6 "fc00::/18"

/**
 * struct fakedns - The pools of one generation, in the config's order
 */
struct fakedns {
	atomic_uint refs;
	unsigned int count;
	struct fake_store *stores[POOLS_MAX];
};

static bool store_same(const struct fake_store *s, const struct cidr *net,
		       uint32_t size, const char *path)
{
	return s->pool.size == size && s->pool.net.kind == net->kind &&
	       s->pool.net.bits == net->bits &&
	       !memcmp(s->pool.net.ip, net->ip,
		       addr_ip_len(&(struct addr){ .kind = net->kind })) &&
	       !strcmp(fake_store_path(s), path ? path : "");
}

/* Whose mappings are kept in @path; NULL: nobody's */
static struct fake_store *store_of(const struct fakedns *f, const char *path)
{
	unsigned int i;

	for (i = 0; path && f && i < f->count; i++)
		if (!strcmp(fake_store_path(f->stores[i]), path))
			return f->stores[i];
	return NULL;
}

static struct fake_store *store_get(const struct fakedns *old,
				    const struct cidr *net, uint32_t size,
				    const char *path, int *err)
{
	unsigned int i;

	for (i = 0; old && i < old->count; i++)
		if (store_same(old->stores[i], net, size, path))
			return fake_store_ref(old->stores[i]);
	return fake_store_new(net, size, path, store_of(old, path), err);
}

/* 0 or -errno of fake_store_new() */
static int pool_add(struct fakedns *f, const struct fakedns *old,
		    const char *text, uint32_t size, const char *path)
{
	struct cidr net;
	int err = 0;

	if (f->count == POOLS_MAX)
		return -ENOSPC;
	if (cidr_parse(&net, text) < 0)
		return -EINVAL;
	if (store_of(f, path))
		return -EEXIST;
	f->stores[f->count] = store_get(old, &net, size, path, &err);
	if (!f->stores[f->count])
		return err;
	f->count++;
	return 0;
}

static void pool_parse(struct fakedns *f, const struct fakedns *old,
		       struct diag *d, const cJSON *node)
{
	const char *text, *path;
	struct jobj o;
	int64_t size;
	int rc;

	if (!j_open(&o, d, node))
		return;
	text = j_need_str(&o, "ipPool");
	size = j_int(&o, "poolSize", 65535, 1, FAKE_POOL_MAX);
	path = j_str(&o, "persist", NULL);
	j_close(&o);
	if (!*text)
		return;
	rc = pool_add(f, old, text, (uint32_t)size,
		      path && *path ? path : NULL);
	if (rc == -ERANGE)
		diag_error(d, node, "poolSize",
			   "must be below the number of addresses of %s, "
			   "got %lld",
			   text, (long long)size);
	else if (rc == -ENOSPC)
		diag_error(d, node, NULL, "at most %d pools", POOLS_MAX);
	else if (rc == -EEXIST)
		diag_error(d, node, "persist",
			   "\"%s\" is another pool's: each needs a file of its "
			   "own",
			   path);
	else if (rc == -EINVAL)
		diag_error(d, node, "ipPool", "\"%s\" is no subnet", text);
	else if (rc < 0)
		diag_error(d, node, NULL, "%s", strerror(-rc));
}

static void pools_default(struct fakedns *f, const struct fakedns *old,
			  struct diag *d, unsigned int needed)
{
	uint32_t size = needed == (DNS_V4 | DNS_V6) ? 32768 : 65535;
	int rc = 0;

	if (needed & DNS_V4)
		rc = pool_add(f, old, DEFAULT_V4, size, NULL);
	if (!rc && (needed & DNS_V6))
		rc = pool_add(f, old, DEFAULT_V6, size, NULL);
	if (rc)
		diag_error(d, NULL, NULL, "fakedns: %s", strerror(-rc));
}

struct fakedns *fakedns_parse(struct diag *d, const cJSON *node,
			      unsigned int needed, struct fakedns *old)
{
	unsigned int errors = d->errors;
	struct fakedns *f;
	const cJSON *item;

	if (cJSON_IsNull(node))
		node = NULL;
	if (!node && !needed)
		return NULL;
	f = calloc(1, sizeof(*f));
	if (!f) {
		diag_error(d, node, NULL, "out of memory");
		return NULL;
	}
	atomic_init(&f->refs, 1);
	if (!node)
		pools_default(f, old, d, needed);
	else if (cJSON_IsArray(node))
		cJSON_ArrayForEach(item, node) pool_parse(f, old, d, item);
	else
		pool_parse(f, old, d, node);
	if (d->errors == errors && f->count)
		return f;
	fakedns_unref(f);
	return NULL;
}

void fakedns_ref(struct fakedns *f)
{
	atomic_fetch_add(&f->refs, 1);
}

void fakedns_unref(struct fakedns *f)
{
	unsigned int i;

	if (!f || atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	for (i = 0; i < f->count; i++)
		fake_store_unref(f->stores[i], !worker_self);
	free(f);
}

bool fakedns_in_pool(const struct fakedns *f, const struct addr *a)
{
	unsigned int i;

	if (!f)
		return false;
	for (i = 0; i < f->count; i++)
		if (cidr_has(&f->stores[i]->pool.net, a))
			return true;
	return false;
}

unsigned int fakedns_pools(const struct fakedns *f, struct cidr *out,
			   unsigned int max)
{
	unsigned int i;

	for (i = 0; f && i < f->count && i < max; i++)
		out[i] = f->stores[i]->pool.net;
	return i;
}

int fakedns_name(struct fakedns *f, const struct addr *a, char name[256])
{
	unsigned int i;
	int rc = -ENOENT;

	if (!f)
		return -ENOENT;
	for (i = 0; rc < 0 && i < f->count; i++)
		if (cidr_has(&f->stores[i]->pool.net, a))
			rc = fake_store_name(f->stores[i], a, name);
	return rc;
}

int fakedns_addr(struct fakedns *f, const char *name, uint8_t kind,
		 struct addr *out)
{
	char clean[256];
	unsigned int i;
	int len;

	if (!f)
		return -ENOENT;
	len = addr_clean_name(name, strlen(name), clean);
	if (len <= 0)
		return -EINVAL;
	for (i = 0; i < f->count; i++)
		if (f->stores[i]->pool.net.kind == kind)
			return fake_store_addr(f->stores[i], clean, (size_t)len,
					       out);
	return -ENOENT;
}
