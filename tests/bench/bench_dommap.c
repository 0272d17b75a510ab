/*
 * bench_dommap.c - Domain lookups: ns and bytes at 100,000 rules
 *
 * Synthetic rules from a fixed seed with the mix of the public lists (94 %
 * domain, 6 % full, 0.3 % regexp) and 20 keywords. Baselines of the same run:
 * a plain list compared entry by entry, and libc's hsearch_r() asked once for
 * each suffix. Time is CPU time of the thread.
 */
#include <malloc.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/core/match.h"

#define RULES     100000u
#define NAMES     4096u
#define LIMIT_NS  300.0
#define LIMIT_MIB 10.0

static char rules[RULES][40]; /* the domain of each rule */
static char names[NAMES][48]; /* what is looked up: half are hits */
static size_t name_len[NAMES];
static uint32_t seed = 1;

static uint32_t next(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void make_domain(char *out, size_t size)
{
	static const char *const tlds[] = { "com",    "net", "org", "cn",
					    "com.cn", "io",  "de",  "co.uk" };
	char label[16];
	unsigned int i, n = 4 + next(10);

	for (i = 0; i < n; i++)
		label[i] = (char)('a' + next(26));
	label[n] = '\0';
	snprintf(out, size, "%s.%s", label, tlds[next(8)]);
}

static void make_data(void)
{
	static const char *const hosts[] = { "", "www.", "cdn.", "a.b." };
	char other[40];
	unsigned int i;

	for (i = 0; i < RULES; i++)
		make_domain(rules[i], sizeof(rules[i]));
	for (i = 0; i < NAMES; i++) {
		make_domain(other, sizeof(other));
		snprintf(names[i], sizeof(names[i]), "%s%s", hosts[next(4)],
			 i & 1 ? rules[next(RULES)] : other);
		name_len[i] = strlen(names[i]);
	}
}

static struct dommap *make_map(unsigned int count)
{
	struct dommap *m = dommap_new();
	char text[96], err[128];
	unsigned int i;

	for (i = 0; m && i < count; i++) {
		if (i % 333 == 1)
			snprintf(text, sizeof(text), "regexp:^x%u\\.%.39s$", i,
				 rules[i]);
		else
			snprintf(text, sizeof(text), "%s:%.39s",
				 i % 16 ? "domain" : "full", rules[i]);
		if (dommap_add(m, text, DOM_PLAIN_FULL, i % 50, err) < 0)
			exit(1);
	}
	for (i = 0; m && i < 20; i++) {
		snprintf(text, sizeof(text), "keyword:qz%uad", i);
		if (dommap_add(m, text, DOM_PLAIN_FULL, 60, err) < 0)
			exit(1);
	}
	if (!m || dommap_seal(m) < 0)
		exit(1);
	return m;
}

/* ns of one lookup, the best of five rounds */
static double time_map(const struct dommap *m, unsigned int *hits)
{
	uint32_t ids[8];
	double best = 1e18, t;
	unsigned int round, i, k;

	for (round = 0; round < 5; round++) {
		*hits = 0;
		t = now_ns();
		for (k = 0; k < 20; k++)
			for (i = 0; i < NAMES; i++)
				*hits += dommap_find(m, names[i], name_len[i],
						     ids, 8) != 0;
		t = (now_ns() - t) / (20.0 * NAMES);
		best = t < best ? t : best;
	}
	return best;
}

static double time_list(void)
{
	unsigned int i, k, hits = 0;
	double t = now_ns();
	size_t n;

	for (i = 0; i < 64; i++) {
		for (k = 0; k < RULES; k++) {
			n = strlen(rules[k]);
			if (name_len[i] >= n &&
			    !strcmp(names[i] + name_len[i] - n, rules[k]))
				break;
		}
		hits += k < RULES;
	}
	if (!hits)
		exit(1);
	return (now_ns() - t) / 64;
}

static double time_hsearch(double *mib)
{
	struct hsearch_data h = { 0 };
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
	ENTRY e = { 0 }, *got;
	unsigned int i, k, hits = 0;
	double t;

	if (!hcreate_r(RULES * 3 / 2, &h))
		exit(1);
	for (i = 0; i < RULES; i++) {
		e.key = strdup(rules[i]);
		hsearch_r(e, ENTER, &got, &h);
	}
	*mib = (double)(mallinfo2().uordblks + mallinfo2().hblkhd - before) /
	       1048576;
	t = now_ns();
	for (k = 0; k < 20; k++) {
		for (i = 0; i < NAMES; i++) {
			for (e.key = names[i]; e.key;) {
				if (hsearch_r(e, FIND, &got, &h)) {
					hits++;
					break;
				}
				e.key = strchr(e.key, '.');
				e.key += e.key != NULL;
			}
		}
	}
	if (!hits)
		exit(1);
	return (now_ns() - t) / (20.0 * NAMES);
}

int main(void)
{
	static const unsigned int counts[] = { 10, 1000, RULES };
	double ns = 0, mib = 0, list, hash, hash_mib = 0;
	unsigned int i, hits = 0;
	struct dommap *m;

	make_data();
	for (i = 0; i < 3; i++) {
		m = make_map(counts[i]);
		ns = time_map(m, &hits);
		mib = (double)dommap_bytes(m) / 1048576;
		printf("%6u rules: %6.0f ns a lookup, %6.2f MiB, %u of %u "
		       "names found\n",
		       counts[i], ns, mib, hits, NAMES * 20);
		dommap_free(m);
	}
	list = time_list();
	hash = time_hsearch(&hash_mib);
	printf("plain list:   %6.0f ns (%.0f times)\n", list, list / ns);
	printf("hsearch_r:    %6.0f ns (%.1f times), %.2f MiB (%.1f times)\n",
	       hash, hash / ns, hash_mib, hash_mib / mib);
	printf("limits: %.0f ns %s, %.0f MiB %s\n", LIMIT_NS,
	       ns < LIMIT_NS ? "kept" : "BROKEN", LIMIT_MIB,
	       mib < LIMIT_MIB ? "kept" : "BROKEN");
	return !(ns < LIMIT_NS && mib < LIMIT_MIB);
}
