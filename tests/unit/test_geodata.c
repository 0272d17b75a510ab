/* test_geodata.c - .dat readers: order of fields, every cut, damaged files */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/route/geodata.h"
#include "gateway/route/geofile.h"
#include "tests/unit/dat.h"

static void make_file(struct dat *file)
{
	struct dat e = { .n = 0 };

	dat_text(&e, 1, "AA");
	dat_domain(&e, GEO_FULL, "full.aa", NULL);
	dat_entry(file, &e);
	dat_text(&e, 1, "GOOGLE");
	dat_domain(&e, GEO_SUBSTRING, "sub", NULL);
	dat_domain(&e, GEO_DOMAIN, "dom.com", "ads");
	dat_entry(file, &e);
	/* code behind a large list: no writer does so, yet it is legal */
	while (e.n < 900)
		dat_domain(&e, GEO_DOMAIN, "filler.example.com", NULL);
	dat_text(&e, 1, "LAST");
	dat_entry(file, &e);
}

static int find(const struct dat *file, size_t n, const char *code,
		uint8_t **buf, size_t *len)
{
	struct geo_src src = geo_mem(file->p, n);
	struct geo_near near;

	return geo_find(&src, code, strlen(code), &near, buf, len);
}

static void entries_are_found_without_case(void **state)
{
	static const char *const codes[] = { "aa", "Google", "LAST" };
	struct dat file = { .n = 0 };
	struct geo_domain d;
	uint8_t *buf = NULL;
	struct rd r;
	size_t len = 0, i;

	(void)state;
	make_file(&file);
	for (i = 0; i < 3; i++) {
		assert_int_equal(find(&file, file.n, codes[i], &buf, &len), 0);
		assert_true(len > 4);
		free(buf);
	}
	assert_int_equal(find(&file, file.n, "goo", &buf, &len), -ENOENT);
	assert_int_equal(find(&file, file.n, "google", &buf, &len), 0);
	r = rd_init(buf, len);
	assert_int_equal(geo_next_domain(&r, &d), 1);
	assert_int_equal(d.type, GEO_SUBSTRING);
	assert_int_equal(d.len, 3);
	assert_memory_equal(d.value, "sub", 3);
	assert_false(geo_has_attr(&d, "ads", 3));
	assert_int_equal(geo_next_domain(&r, &d), 1);
	assert_int_equal(d.type, GEO_DOMAIN);
	assert_true(geo_has_attr(&d, "ADS", 3));
	assert_false(geo_has_attr(&d, "ad", 2));
	assert_int_equal(geo_next_domain(&r, &d), 0);
	free(buf);
}

static void similar_codes_are_offered_best_first(void **state)
{
	struct dat file = { .n = 0 }, e = { .n = 0 };
	struct geo_src src;
	struct geo_near near;
	uint8_t *buf = NULL;
	size_t len, i;

	(void)state;
	for (i = 0; i < 5; i++) {
		dat_text(&e, 1,
			 ((const char *[]){ "XGOOOGLE", "YAHOO", "GOGLE",
					    "GOOGLE", "GOOGLEX" })[i]);
		dat_entry(&file, &e);
	}
	src = geo_mem(file.p, file.n);
	assert_int_equal(geo_find(&src, "googl", 5, &near, &buf, &len),
			 -ENOENT);
	assert_string_equal(near.code[0], "GOOGLE");
	assert_int_equal(near.distance[0], 1);
	assert_string_equal(near.code[1], "GOGLE");
	assert_string_equal(near.code[2], "GOOGLEX");
}

static void every_cut_is_an_error_or_not_found(void **state)
{
	struct dat file = { .n = 0 };
	uint8_t *buf, *cut;
	size_t n, len;
	int rc;

	(void)state;
	make_file(&file);
	for (n = 0; n < file.n; n++) {
		cut = malloc(n ? n :
				 1); /* so that the sanitizer sees the end */
		assert_non_null(cut);
		memcpy(cut, file.p, n);
		struct geo_src src = geo_mem(cut, n);
		struct geo_near near;

		rc = geo_find(&src, "last", 4, &near, &buf, &len);
		assert_true(rc == -EPROTO || rc == -ENOENT);
		free(cut);
	}
}

static void every_cut_of_an_entry_ends(void **state)
{
	struct dat e = { .n = 0 };
	struct geo_domain d;
	struct cidr c;
	bool reverse;
	uint8_t *cut;
	size_t n;
	struct rd r;
	int k;

	(void)state;
	dat_text(&e, 1, "X");
	dat_domain(&e, GEO_FULL, "a.com", "k");
	dat_cidr(&e, "10.0.0.0/8");
	dat_cidr(&e, "::/0");
	for (n = 0; n < e.n; n++) {
		cut = malloc(n ? n : 1);
		assert_non_null(cut);
		memcpy(cut, e.p, n);
		r = rd_init(cut, n);
		for (k = 0; geo_next_domain(&r, &d) > 0; k++)
			geo_has_attr(&d, "k", 1);
		assert_true(k <= 3);
		r = rd_init(cut, n);
		for (k = 0; geo_next_cidr(&r, &c, &reverse) > 0; k++)
			assert_true(c.bits <= 128);
		assert_true(k <= 2);
		free(cut);
	}
}

static void unknown_fields_are_stepped_over(void **state)
{
	struct dat e = { .n = 0 };
	static const uint8_t fixed[] = {
		9 << 3 | 5, 1, 2, 3, 4, 10 << 3 | 1, 1, 2, 3, 4, 5, 6, 7, 8
	};
	bool reverse = false;
	struct cidr c;
	struct rd r;

	(void)state;
	dat_num(&e, 7, 300);
	dat_text(&e, 8, "what is this");
	memcpy(e.p + e.n, fixed, sizeof(fixed));
	e.n += sizeof(fixed);
	dat_cidr(&e, "1.2.3.0/24");
	dat_num(&e, 3, 1);
	r = rd_init(e.p, e.n);
	assert_int_equal(geo_next_cidr(&r, &c, &reverse), 1);
	assert_int_equal(c.kind, ADDR_V4);
	assert_int_equal(c.bits, 24);
	assert_int_equal(geo_next_cidr(&r, &c, &reverse), 0);
	assert_true(reverse);
}

static void assert_bad_cidr(const void *ip, size_t n, uint64_t bits)
{
	struct dat e = { .n = 0 }, m = { .n = 0 };
	struct cidr c = { .kind = 77 };
	bool reverse = false;
	struct rd r;

	if (n)
		dat_bytes(&m, 1, ip, n);
	dat_num(&m, 2, bits);
	dat_bytes(&e, 2, m.p, m.n);
	r = rd_init(e.p, e.n);
	assert_int_equal(geo_next_cidr(&r, &c, &reverse), -EPROTO);
	assert_int_equal(c.kind, 77); /* written on success only */
}

static void impossible_prefixes_are_refused(void **state)
{
	(void)state;
	assert_bad_cidr("\1\2\3\4", 4, 33);
	assert_bad_cidr("0123456789abcdef", 16, 129);
	assert_bad_cidr("0123456789abcdef", 16, UINT64_MAX);
	assert_bad_cidr("\1\2\3", 3, 8);
	assert_bad_cidr("0123456789abcdefg", 17, 8);
	assert_bad_cidr("", 0, 8);
}

static void lengths_beyond_the_file_are_refused(void **state)
{
	static const uint8_t big[] = { 0x0a, 0xff, 0xff, 0xff, 0x0f, 1 };
	static const uint8_t huge[] = { 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff,
					0xff, 0xff, 0xff, 0xff, 0x01, 1 };
	static const uint8_t endless[] = { 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff,
					   0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t other[] = "<html>404</html>";
	const struct geo_src all[] = {
		geo_mem(big, sizeof(big)),
		geo_mem(huge, sizeof(huge)),
		geo_mem(endless, sizeof(endless)),
		geo_mem(other, 16),
	};
	struct geo_near near;
	uint8_t *buf;
	size_t len, i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(geo_find(&all[i], "x", 1, &near, &buf, &len),
				 -EPROTO);
}

static void files_are_searched_in_the_asset_directory(void **state)
{
	static const char *const names[] = { "x.dat", "bad.dat", NULL };
	struct dat file = { .n = 0 };
	char dir[64], err[128], path[96];
	struct geo_blob blob = { NULL, 0 };

	(void)state;
	dat_dir(dir);
	make_file(&file);
	dat_save(&file, dir, "x.dat");
	file.n--;
	dat_save(&file, dir, "bad.dat");
	assert_int_equal(geo_load("x.dat", 5, "google", 6, &blob, err), 0);
	free(blob.p);
	assert_int_equal(geo_load("bad.dat", 7, "last", 4, &blob, err),
			 -EINVAL);
	assert_string_equal(err, "bad.dat is damaged or no geo data file");
	assert_int_equal(geo_load("y.dat", 5, "google", 6, &blob, err),
			 -ENOENT);
	assert_non_null(strstr(err, "y.dat not found"));
	snprintf(path, sizeof(path), "%s/x.dat", dir);
	setenv("XRAY_LOCATION_ASSET", "/nonexistent", 1);
	assert_int_equal(geo_load("x.dat", 5, "aa", 2, &blob, err), -ENOENT);
	assert_int_equal(geo_load(path, strlen(path), "aa", 2, &blob, err), 0);
	free(blob.p);
	assert_int_equal(geo_load("/tmp", 4, "aa", 2, &blob, err), -EINVAL);
	dat_remove(dir, names);
}

static int check(const struct dat *file, size_t n)
{
	struct geo_src src = geo_mem(file->p, n);

	return geo_check(&src);
}

static void a_whole_file_is_checked(void **state)
{
	struct dat file = { .n = 0 }, ips = { .n = 0 }, e = { .n = 0 };
	size_t first;

	(void)state;
	assert_int_equal(check(&file, 0), -EPROTO);
	make_file(&file);
	assert_int_equal(check(&file, file.n), 0);
	first = 2u + file.p[1];
	for (size_t n = 1; n < file.n; n++)
		if (n != first && check(&file, n) == 0)
			assert_int_equal(file.p[n], 0x0a); /* between two */
	dat_text(&e, 1, "CN");
	dat_cidr(&e, "10.0.0.0/8");
	dat_entry(&ips, &e);
	dat_text(&e, 1, "EMPTY");
	dat_entry(&ips, &e);
	assert_int_equal(check(&ips, ips.n), 0);
	/* of both kinds: of none */
	dat_text(&e, 1, "MIX");
	dat_domain(&e, GEO_FULL, "a.com", NULL);
	dat_entry(&ips, &e);
	assert_int_equal(check(&ips, ips.n), -EPROTO);
	/* an entry without a code; something else */
	ips.n = 0;
	dat_cidr(&e, "10.0.0.0/8");
	dat_entry(&ips, &e);
	assert_int_equal(check(&ips, ips.n), -EPROTO);
	ips.n = 0;
	dat_text(&ips, 7, "CN");
	assert_int_equal(check(&ips, ips.n), -EPROTO);
	memcpy(ips.p, "<!DOCTYPE html>", 15);
	assert_int_equal(check(&ips, 15), -EPROTO);
}

static void a_staged_file_goes_before_the_one_on_disk(void **state)
{
	static const char *const names[] = { "x.dat", "new.dat", NULL };
	struct dat file = { .n = 0 }, e = { .n = 0 };
	struct geo_blob blob = { NULL, 0 };
	char dir[64], path[128], err[128];
	int fd;

	(void)state;
	dat_dir(dir);
	make_file(&file);
	dat_save(&file, dir, "x.dat");
	file.n = 0;
	dat_text(&e, 1, "FRESH");
	dat_domain(&e, GEO_FULL, "a.com", NULL);
	dat_entry(&file, &e);
	dat_save(&file, dir, "new.dat");
	snprintf(path, sizeof(path), "%s/new.dat", dir);
	fd = open(path, O_RDONLY);
	assert_int_equal(geo_check_fd(fd, err), 0);
	assert_int_equal(geo_stage("x.dat", fd), 0);
	assert_int_equal(geo_load("x.dat", 5, "fresh", 5, &blob, err), 0);
	free(blob.p);
	assert_int_equal(geo_load("x.dat", 5, "google", 6, &blob, err),
			 -EINVAL);
	geo_unstage();
	assert_int_equal(geo_load("x.dat", 5, "fresh", 5, &blob, err), -EINVAL);
	close(fd);
	/* missing: an error, or an empty list */
	geo_pardon_missing(true);
	assert_int_equal(geo_load("y.dat", 5, "fresh", 5, &blob, err), 0);
	assert_int_equal(blob.n, 0);
	free(blob.p);
	geo_pardon_missing(false);
	assert_int_equal(geo_load("y.dat", 5, "fresh", 5, &blob, err), -ENOENT);
	dat_remove(dir, names);
}

static void a_file_has_a_place(void **state)
{
	static const char *const names[] = { NULL };
	char dir[64], want[128], *path;

	(void)state;
	dat_dir(dir);
	snprintf(want, sizeof(want), "%s/x.dat", dir);
	assert_int_equal(geo_path("x.dat", &path), 0);
	assert_string_equal(path, want);
	free(path);
	assert_int_equal(geo_path("/a/x.dat", &path), 0);
	assert_string_equal(path, "/a/x.dat");
	free(path);
	dat_remove(dir, names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_found_without_case),
		cmocka_unit_test(similar_codes_are_offered_best_first),
		cmocka_unit_test(every_cut_is_an_error_or_not_found),
		cmocka_unit_test(every_cut_of_an_entry_ends),
		cmocka_unit_test(unknown_fields_are_stepped_over),
		cmocka_unit_test(impossible_prefixes_are_refused),
		cmocka_unit_test(lengths_beyond_the_file_are_refused),
		cmocka_unit_test(files_are_searched_in_the_asset_directory),
		cmocka_unit_test(a_whole_file_is_checked),
		cmocka_unit_test(a_staged_file_goes_before_the_one_on_disk),
		cmocka_unit_test(a_file_has_a_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
