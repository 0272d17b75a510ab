/* test_fakedns.c - Pools, their file, and the fakedns object */
#include "tests/unit/cm.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/jget.h"
#include "gateway/core/dns.h"
#include "gateway/dns/fake_journal.h"
#include "gateway/dns/fake_pool.h"
#include "gateway/dns/fake_store.h"
#include "tests/unit/alloc_fail.h"

static struct cidr net_of(const char *text)
{
	struct cidr c;

	assert_int_equal(cidr_parse(&c, text), 0);
	return c;
}

static uint32_t get(struct fake_pool *p, const char *name)
{
	bool made;
	uint32_t slot = fake_pool_get(p, name, strlen(name), &made);

	assert_int_not_equal(slot, FAKE_NONE);
	return slot;
}

static void pool_size_must_be_below_the_subnet(void **state)
{
	struct cidr c = net_of("10.0.0.0/30");
	struct fake_pool p;

	(void)state;
	assert_int_equal(fake_pool_init(&p, &c, 4, 0, 1), -ERANGE);
	assert_int_equal(fake_pool_init(&p, &c, 0, 0, 1), -ERANGE);
	assert_int_equal(fake_pool_init(&p, &c, 3, 0, 1), 0);
	c = net_of("10.0.0.1/32");
	assert_int_equal(fake_pool_init(&p, &c, 1, 0, 1), -ERANGE);
}

static void every_slot_has_an_address_of_its_own(void **state)
{
	static const char *const nets[] = { "10.0.0.0/28", "fc00::/124",
					    "198.18.0.0/15", "fc00::/18",
					    "fd00::/64" };
	uint64_t starts[] = { 0, 7, UINT64_MAX };
	char name[32];

	(void)state;
	for (size_t n = 0; n < ARRAY_SIZE(nets) * 3; n++) {
		struct cidr c = net_of(nets[n / 3]);
		struct fake_pool p;

		assert_int_equal(fake_pool_init(&p, &c, 14, starts[n % 3], 1),
				 0);
		for (uint32_t i = 0; i < 14; i++) {
			struct addr a;

			snprintf(name, sizeof(name), "n%u.example", i);
			assert_int_equal(get(&p, name), i);
			a = fake_pool_addr(&p, i);
			assert_true(cidr_has(&c, &a));
			assert_int_equal(fake_pool_find(&p, &a), i);
			assert_memory_not_equal(a.ip, c.ip, addr_ip_len(&a));
		}
		fake_pool_fini(&p);
	}
}

static void the_least_recently_used_gives_way(void **state)
{
	struct cidr c = net_of("10.0.0.0/29");
	struct fake_pool p;
	struct addr a;
	bool made;

	(void)state;
	assert_int_equal(fake_pool_init(&p, &c, 3, 5, 1), 0);
	get(&p, "a");
	get(&p, "b");
	get(&p, "c");
	a = fake_pool_addr(&p, 0);
	assert_int_equal(fake_pool_find(&p, &a), 0); /* used: b is oldest now */
	assert_int_equal(get(&p, "d"), 1);
	assert_string_equal(p.slots[1].name, "d");
	assert_int_equal(get(&p, "a"), 0);
	assert_int_equal(get(&p, "c"), 2);
	fake_pool_get(&p, "b", 1, &made); /* forgotten: made anew, d goes */
	assert_true(made);
	assert_string_equal(p.slots[1].name, "b");
	fake_pool_fini(&p);
}

static void a_mapping_used_a_moment_ago_does_not_give_way(void **state)
{
	struct cidr c = net_of("10.0.0.0/29");
	struct fake_pool p;
	struct addr a;
	bool made;

	(void)state;
	assert_int_equal(fake_pool_init(&p, &c, 2, 5, 1), 0);
	p.fresh_ms = 2000;
	p.now_ms = UINT32_MAX - 500; /* it wraps on the way */
	get(&p, "a");
	p.now_ms += 1000;
	get(&p, "b");
	p.now_ms += 999;
	assert_int_equal(fake_pool_get(&p, "c", 1, &made), FAKE_NONE);
	assert_true(made);
	assert_int_equal(get(&p, "a"), 0); /* used again: b is older now */
	p.now_ms += 1;
	assert_int_equal(fake_pool_get(&p, "c", 1, &made), FAKE_NONE);
	p.now_ms += 1000;
	assert_int_equal(get(&p, "c"), 1);
	a = fake_pool_addr(&p, 0);
	p.now_ms += 1500;
	assert_int_equal(fake_pool_find(&p, &a), 0);
	p.now_ms += 1000; /* c may go, a may not */
	assert_int_equal(get(&p, "d"), 1);
	assert_int_equal(fake_pool_get(&p, "e", 1, &made), FAKE_NONE);
	fake_pool_fini(&p);
}

static void live_mappings_are_never_shared(void **state)
{
	struct cidr c = net_of("10.0.0.0/24");
	struct fake_pool p;
	char name[32];

	(void)state;
	assert_int_equal(fake_pool_init(&p, &c, 100, 3, 1), 0);
	for (unsigned int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "n%u", i * 7919 % 300);
		get(&p, name);
	}
	assert_int_equal(p.used, 100);
	for (uint32_t i = 0; i < p.used; i++)
		for (uint32_t k = i + 1; k < p.used; k++)
			assert_string_not_equal(p.slots[i].name,
						p.slots[k].name);
	fake_pool_fini(&p);
}

static void an_empty_pool_has_no_memory_and_a_full_one_little(void **state)
{
	struct cidr c = net_of("198.18.0.0/15");
	struct fake_pool p;
	char name[32];

	(void)state;
	assert_int_equal(fake_pool_init(&p, &c, 65535, 3, 1), 0);
	assert_int_equal(fake_pool_bytes(&p), 0);
	for (unsigned int i = 0; i < 65535; i++) {
		snprintf(name, sizeof(name), "host%u.example.com", i);
		get(&p, name);
	}
	assert_true(fake_pool_bytes(&p) - p.name_bytes <= 65535 * 40);
	fake_pool_fini(&p);
}

static void an_unknown_address_has_no_name(void **state)
{
	struct cidr c = net_of("fc00::/18");
	struct fake_pool p;
	struct addr a;

	(void)state;
	assert_int_equal(fake_pool_init(&p, &c, 100, 9, 1), 0);
	get(&p, "a");
	assert_int_equal(addr_parse_ip(&a, "fc00::1"), 0);
	assert_int_equal(fake_pool_find(&p, &a), FAKE_NONE);
	a = fake_pool_addr(&p, 0);
	a.ip[4] = 1; /* same low bits, other prefix part */
	assert_int_equal(fake_pool_find(&p, &a), FAKE_NONE);
	assert_int_equal(addr_parse_ip(&a, "fd00::a"), 0);
	assert_int_equal(fake_pool_find(&p, &a), FAKE_NONE);
	assert_int_equal(addr_parse_ip(&a, "fc00::"), 0);
	assert_int_equal(fake_pool_find(&p, &a), FAKE_NONE);
	fake_pool_fini(&p);
}

static void no_memory_leaves_the_pool_whole(void **state)
{
	struct cidr c = net_of("10.0.0.0/16");
	struct fake_pool p;
	unsigned int n, failed = 0;

	(void)state;
	for (n = 1; n < 100; n++) {
		bool made, ok = true;
		char name[16];

		assert_int_equal(fake_pool_init(&p, &c, 1000, 1, 1), 0);
		alloc_fail_at(n);
		for (int i = 0; i < 200; i++) {
			snprintf(name, sizeof(name), "n%d", i);
			if (fake_pool_get(&p, name, strlen(name), &made) ==
			    FAKE_NONE)
				ok = false;
		}
		if (alloc_fail_hit()) {
			failed++;
			assert_false(ok);
		} else {
			assert_true(ok);
		}
		for (uint32_t i = 0; i < p.used; i++) {
			struct addr a = fake_pool_addr(&p, i);

			assert_int_equal(fake_pool_find(&p, &a), i);
		}
		fake_pool_fini(&p);
	}
	assert_true(failed > 50);
}

/* --- the file ---------------------------------------------------------------- */

static size_t journal(struct fake_pool *p, uint8_t *out)
{
	size_t n = FAKE_HEAD_BYTES;

	fake_head_encode(out, p);
	for (uint32_t i = 0; i < p->used; i++)
		n += fake_record_encode(out + n, i, p->slots[i].name,
					strlen(p->slots[i].name));
	return n;
}

static void a_file_cut_anywhere_gives_what_is_whole(void **state)
{
	struct cidr c = net_of("10.0.0.0/16");
	struct fake_pool p, q;
	uint8_t b[4096];
	size_t n, cut, ends[9];

	(void)state;
	assert_int_equal(fake_pool_init(&p, &c, 100, 55, 1), 0);
	for (int i = 0; i < 8; i++) {
		char name[32];

		snprintf(name, sizeof(name), "name-%d.example", i);
		get(&p, name);
		ends[i] = journal(&p, b);
	}
	n = ends[7];
	ends[8] = SIZE_MAX;
	for (cut = 0; cut <= n; cut++) {
		uint32_t whole = 0;

		while (ends[whole] <= cut)
			whole++;
		assert_int_equal(fake_pool_init(&q, &c, 100, 77, 2), 0);
		fake_replay(&q, b, cut);
		assert_int_equal(q.used, whole);
		for (uint32_t i = 0; i < whole; i++) {
			struct addr x = fake_pool_addr(&p, i);

			assert_int_equal(fake_pool_find(&q, &x), i);
			assert_string_equal(q.slots[i].name, p.slots[i].name);
		}
		fake_pool_fini(&q);
	}
	fake_pool_fini(&p);
}

static void a_flipped_bit_ends_the_reading(void **state)
{
	struct cidr c = net_of("10.0.0.0/16");
	struct fake_pool p, q;
	uint8_t b[4096];
	size_t n, i;

	(void)state;
	assert_int_equal(fake_pool_init(&p, &c, 100, 55, 1), 0);
	get(&p, "a.example");
	get(&p, "b.example");
	n = journal(&p, b);
	for (i = 0; i < n * 8; i++) {
		b[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_int_equal(fake_pool_init(&q, &c, 100, 77, 2), 0);
		fake_replay(&q, b, n);
		assert_true(q.used < 2);
		fake_pool_fini(&q);
		b[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	fake_pool_fini(&p);
}

static void a_name_that_moved_has_one_slot(void **state)
{
	struct cidr c = net_of("10.0.0.0/16");
	struct fake_pool q;

	(void)state;
	assert_int_equal(fake_pool_init(&q, &c, 100, 1, 1), 0);
	assert_int_equal(fake_pool_set(&q, 5, "a", 1), 0);
	assert_int_equal(fake_pool_set(&q, 9, "a", 1), 0);
	assert_int_equal(fake_pool_set(&q, 5, "b", 1), 0);
	assert_int_equal(fake_pool_set(&q, 100, "c", 1), -EINVAL);
	assert_int_equal(get(&q, "a"), 9);
	assert_int_equal(get(&q, "b"), 5);
	fake_pool_fini(&q);
}

static void another_pools_file_is_not_read(void **state)
{
	struct cidr c = net_of("10.0.0.0/16"), d = net_of("10.1.0.0/16");
	struct fake_pool p, q;
	uint8_t b[4096];
	size_t n;

	(void)state;
	assert_int_equal(fake_pool_init(&p, &c, 100, 55, 1), 0);
	get(&p, "a.example");
	n = journal(&p, b);
	assert_int_equal(fake_pool_init(&q, &d, 100, 77, 2), 0);
	assert_int_equal(fake_replay(&q, b, n), 0);
	assert_int_equal(q.used, 0);
	assert_int_equal(fake_pool_init(&q, &c, 101, 77, 2), 0);
	assert_int_equal(fake_replay(&q, b, n), 0);
	fake_pool_fini(&p);
}

static void mappings_survive_a_restart(void **state)
{
	char path[] = "/tmp/culvert-fake-XXXXXX", name[32];
	struct cidr c = net_of("10.0.0.0/16");
	struct fake_store *s;
	struct addr a[600], b;
	int err, fd = mkstemp(path);

	(void)state;
	close(fd);
	s = fake_store_new(&c, 1000, path, NULL, &err);
	assert_non_null(s);
	for (int i = 0; i < 600; i++) {
		int len = snprintf(name, sizeof(name), "n%d.example", i);

		assert_int_equal(fake_store_addr(s, name, (size_t)len, &a[i]),
				 0);
		if (i == 300)
			usleep(60000); /* let it rewrite, then append */
	}
	fake_store_unref(s, true);
	fd = open(path, O_WRONLY | O_APPEND); /* a torn tail */
	assert_int_equal(write(fd, "\xf5\x20half", 6), 6);
	close(fd);
	s = fake_store_new(&c, 1000, path, NULL, &err);
	for (int i = 0; i < 600; i++) {
		char want[32], back[256];

		snprintf(want, sizeof(want), "n%d.example", i);
		assert_true(fake_store_name(s, &a[i], back) > 0);
		assert_string_equal(back, want);
		assert_int_equal(fake_store_addr(s, want, strlen(want), &b), 0);
		assert_true(addr_eq(&a[i], &b));
	}
	fake_store_unref(s, true);
	unlink(path);
}

static void a_file_that_cannot_be_written_does_not_matter(void **state)
{
	struct cidr c = net_of("10.0.0.0/16");
	struct fake_store *s;
	struct addr a;
	int err;

	(void)state;
	s = fake_store_new(&c, 100, "/nonexistent/dir/file", NULL, &err);
	assert_non_null(s);
	assert_int_equal(fake_store_addr(s, "a", 1, &a), 0);
	assert_int_equal(fake_store_addr(s, "b", 1, &a), 0);
	fake_store_unref(s, true);
}

struct racer {
	struct fake_store *s;
	unsigned int seed;
	bool ok;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	char name[32], back[256];
	struct addr a;

	r->ok = true;
	for (unsigned int i = 0; i < 3000; i++) {
		int n = snprintf(name, sizeof(name), "n%u",
				 (i * 31 + r->seed) % 500);

		if (fake_store_addr(r->s, name, (size_t)n, &a) < 0 ||
		    fake_store_name(r->s, &a, back) != n || strcmp(name, back))
			r->ok = false; /* pool is bigger than all names */
	}
	return NULL;
}

static void threads_share_a_pool(void **state)
{
	char path[] = "/tmp/culvert-fake-XXXXXX";
	struct cidr c = net_of("10.0.0.0/16");
	struct racer r[3];
	pthread_t t[3];
	int err, fd = mkstemp(path);

	(void)state;
	close(fd);
	r[0].s = fake_store_new(&c, 1000, path, NULL, &err);
	for (unsigned int i = 0; i < 3; i++) {
		r[i].s = r[0].s;
		r[i].seed = i * 77;
		assert_int_equal(pthread_create(&t[i], NULL, race, &r[i]), 0);
	}
	for (unsigned int i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		assert_true(r[i].ok);
	}
	assert_int_equal(r[0].s->pool.used, 500);
	fake_store_unref(r[0].s, true);
	unlink(path);
}

/* --- the object -------------------------------------------------------------- */

static struct fakedns *parse(const char *text, unsigned int needed,
			     struct fakedns *old, unsigned int *errors)
{
	struct fakedns *f;
	struct jdoc *doc;
	struct diag d;

	diag_init(&d);
	doc = text ? jdoc_parse(&d, "t", text, strlen(text)) : NULL;
	f = fakedns_parse(&d, doc ? doc->root : NULL, needed, old);
	*errors = d.errors;
	diag_free(&d);
	return f;
}

static void pools_come_from_an_object_or_a_list(void **state)
{
	unsigned int errors;
	struct fakedns *f;
	struct addr a, b;
	char name[256];

	(void)state;
	f = parse("{\"ipPool\":\"198.18.0.0/16\",\"poolSize\":65535}", 0, NULL,
		  &errors);
	assert_non_null(f);
	assert_int_equal(fakedns_addr(f, "WWW.Example.com", ADDR_V4, &a), 0);
	assert_int_equal(fakedns_addr(f, "www.example.COM", ADDR_V4, &b), 0);
	assert_true(addr_eq(&a, &b));
	assert_int_equal(fakedns_name(f, &a, name), 15);
	assert_string_equal(name, "www.example.com");
	assert_int_equal(fakedns_addr(f, "x.y", ADDR_V6, &a), -ENOENT);
	fakedns_unref(f);
	f = parse("[{\"ipPool\":\"10.9.0.0/16\",\"poolSize\":9},"
		  "{\"ipPool\":\"fc00::/18\",\"poolSize\":9}]",
		  0, NULL, &errors);
	assert_non_null(f);
	assert_int_equal(fakedns_addr(f, "x.y", ADDR_V6, &a), 0);
	assert_int_equal(a.kind, ADDR_V6);
	assert_true(fakedns_in_pool(f, &a));
	assert_int_equal(fakedns_addr(f, "bad name", ADDR_V6, &a), -EINVAL);
	assert_int_equal(addr_parse_ip(&a, "10.9.3.3"), 0);
	assert_true(fakedns_in_pool(f, &a));
	assert_int_equal(fakedns_name(f, &a, name), -ENOENT);
	fakedns_unref(f);
}

static void bad_pools_are_refused(void **state)
{
	static const char *const bad[] = {
		"{\"ipPool\":\"198.18.0.0/16\",\"poolSize\":65536}",
		"{\"ipPool\":\"nonsense\",\"poolSize\":1}",
		"{\"poolSize\":1}",
		"{\"ipPool\":\"10.0.0.0/8\",\"poolSize\":0}",
		"[{\"ipPool\":\"10.0.0.0/24\",\"poolSize\":1000}]",
		"7",
	};
	unsigned int errors;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_null(parse(bad[i], 0, NULL, &errors));
		assert_true(errors > 0);
	}
}

static void default_pools_follow_the_families(void **state)
{
	unsigned int errors;
	struct fakedns *f;
	struct addr a;

	(void)state;
	assert_null(parse(NULL, 0, NULL, &errors));
	assert_int_equal(errors, 0);
	f = parse(NULL, DNS_V4 | DNS_V6, NULL, &errors);
	assert_int_equal(fakedns_addr(f, "a.b", ADDR_V4, &a), 0);
	assert_int_equal(a.ip[0], 198);
	assert_int_equal(fakedns_addr(f, "a.b", ADDR_V6, &a), 0);
	assert_int_equal(a.ip[0], 0xfc);
	fakedns_unref(f);
	f = parse(NULL, DNS_V6, NULL, &errors);
	assert_int_equal(fakedns_addr(f, "a.b", ADDR_V4, &a), -ENOENT);
	fakedns_unref(f);
}

static void a_reload_keeps_equal_pools(void **state)
{
	static const char text[] =
		"[{\"ipPool\":\"10.9.0.0/16\",\"poolSize\":9},"
		"{\"ipPool\":\"fc00::/18\",\"poolSize\":9}]";
	static const char other[] =
		"[{\"ipPool\":\"10.9.0.0/16\",\"poolSize\":9},"
		"{\"ipPool\":\"fc00::/18\",\"poolSize\":10}]";
	struct fakedns *f, *g;
	struct addr a4, a6, b;
	unsigned int errors;
	char name[256];

	(void)state;
	f = parse(text, 0, NULL, &errors);
	assert_int_equal(fakedns_addr(f, "a.b", ADDR_V4, &a4), 0);
	assert_int_equal(fakedns_addr(f, "a.b", ADDR_V6, &a6), 0);
	g = parse(other, 0, f, &errors);
	fakedns_unref(f);
	assert_int_equal(fakedns_addr(g, "a.b", ADDR_V4, &b), 0);
	assert_true(addr_eq(&a4, &b));
	assert_int_equal(fakedns_name(g, &a6, name), -ENOENT); /* other size */
	fakedns_unref(g);
}

static void pool_is(char *text, size_t size, const char *net, const char *path)
{
	snprintf(text, size,
		 "{\"ipPool\":\"%s\",\"poolSize\":99,\"persist\":\"%s\"}", net,
		 path);
}

/* A session of an old generation asks when the new one has the file already */
static void a_reload_with_another_pool_takes_the_file_over(void **state)
{
	char path[] = "/tmp/culvert-fake-XXXXXX", was[160], is[160], name[256];
	struct fakedns *f, *g;
	struct addr a, b;
	unsigned int errors;

	(void)state;
	close(mkstemp(path));
	pool_is(was, sizeof(was), "10.7.0.0/16", path);
	pool_is(is, sizeof(is), "10.8.0.0/16", path);
	f = parse(was, 0, NULL, &errors);
	assert_int_equal(fakedns_addr(f, "first.example", ADDR_V4, &a), 0);
	fakedns_unref(f);
	f = parse(was, 0, NULL, &errors);
	g = parse(is, 0, f, &errors);
	assert_int_equal(errors, 0);
	assert_int_equal(fakedns_addr(g, "new.example", ADDR_V4, &b), 0);
	usleep(60000);
	/* its first: it would write the file anew */
	assert_int_equal(fakedns_addr(f, "second.example", ADDR_V4, &a), 0);
	usleep(60000);
	assert_int_equal(fakedns_addr(g, "newer.example", ADDR_V4, &a), 0);
	fakedns_unref(f);
	fakedns_unref(g);
	g = parse(is, 0, NULL, &errors);
	assert_true(fakedns_name(g, &b, name) > 0);
	assert_string_equal(name, "new.example");
	assert_true(fakedns_name(g, &a, name) > 0);
	assert_string_equal(name, "newer.example");
	fakedns_unref(g);
	unlink(path);
}

static void a_reload_that_comes_to_nothing_takes_no_file(void **state)
{
	char path[] = "/tmp/culvert-fake-XXXXXX", was[160], is[160], name[256];
	struct fakedns *f, *g;
	unsigned int errors;
	struct addr a;

	(void)state;
	close(mkstemp(path));
	pool_is(was, sizeof(was), "10.7.0.0/16", path);
	pool_is(is, sizeof(is), "10.8.0.0/16", path);
	f = parse(was, 0, NULL, &errors);
	g = parse(is, 0, f, &errors);
	fakedns_unref(g); /* something else of it was wrong */
	assert_int_equal(fakedns_addr(f, "a.example", ADDR_V4, &a), 0);
	fakedns_unref(f);
	f = parse(was, 0, NULL, &errors);
	assert_true(fakedns_name(f, &a, name) > 0);
	fakedns_unref(f);
	unlink(path);
}

static void two_pools_cannot_have_one_file(void **state)
{
	unsigned int errors;

	(void)state;
	assert_null(parse("[{\"ipPool\":\"10.9.0.0/16\",\"poolSize\":9,"
			  "\"persist\":\"/tmp/x\"},{\"ipPool\":\"fc00::/18\","
			  "\"poolSize\":9,\"persist\":\"/tmp/x\"}]",
			  0, NULL, &errors));
	assert_int_equal(errors, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pool_size_must_be_below_the_subnet),
		cmocka_unit_test(every_slot_has_an_address_of_its_own),
		cmocka_unit_test(the_least_recently_used_gives_way),
		cmocka_unit_test(a_mapping_used_a_moment_ago_does_not_give_way),
		cmocka_unit_test(live_mappings_are_never_shared),
		cmocka_unit_test(
			an_empty_pool_has_no_memory_and_a_full_one_little),
		cmocka_unit_test(an_unknown_address_has_no_name),
		cmocka_unit_test(no_memory_leaves_the_pool_whole),
		cmocka_unit_test(a_file_cut_anywhere_gives_what_is_whole),
		cmocka_unit_test(a_flipped_bit_ends_the_reading),
		cmocka_unit_test(a_name_that_moved_has_one_slot),
		cmocka_unit_test(another_pools_file_is_not_read),
		cmocka_unit_test(mappings_survive_a_restart),
		cmocka_unit_test(a_file_that_cannot_be_written_does_not_matter),
		cmocka_unit_test(threads_share_a_pool),
		cmocka_unit_test(pools_come_from_an_object_or_a_list),
		cmocka_unit_test(bad_pools_are_refused),
		cmocka_unit_test(default_pools_follow_the_families),
		cmocka_unit_test(a_reload_keeps_equal_pools),
		cmocka_unit_test(
			a_reload_with_another_pool_takes_the_file_over),
		cmocka_unit_test(a_reload_that_comes_to_nothing_takes_no_file),
		cmocka_unit_test(two_pools_cannot_have_one_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
