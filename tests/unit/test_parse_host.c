/* test_parse_host.c - The "culvert" object: who is caught, what goes directly */
#include "tests/unit/cm.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "tests/unit/conf_text.h"
#include "tests/unit/dat.h"

#define OUT "\"outbounds\":[{\"protocol\":\"freedom\"}],\"culvert\":"

static struct config *take(const char *culvert)
{
	char text[4096];
	struct config *cfg;
	struct diag d;

	snprintf(text, sizeof(text), "{" OUT "%s}", culvert);
	diag_init(&d);
	cfg = conf_text(&d, text, NULL);
	if (!cfg || d.warnings)
		fail_msg("%s: %s", culvert, diag_text(&d, false));
	diag_free(&d);
	return cfg;
}

static void refuse(const char *culvert, const char *says)
{
	char text[4096];
	struct config *cfg;
	struct diag d;

	snprintf(text, sizeof(text), "{" OUT "%s}", culvert);
	diag_init(&d);
	cfg = conf_text(&d, text, NULL);
	if (cfg || !strstr(diag_text(&d, false), says))
		fail_msg("%s\nwant: %s\ngot: %s", culvert, says,
			 diag_text(&d, false));
	diag_free(&d);
}

static void every_key_takes_a_word_or_a_list(void **state)
{
	struct config *cfg = take(
		"{\"include\":{\"interface\":[\"br-lan\",\"ppp*\"],"
		"\"source\":\"10.0.0.0/8,fd00::/8\",\"mac\":"
		"\"00:11:22:aa:BB:cc\",\"uid\":[1000,\"2000-2999\",\"root\"],"
		"\"gid\":5,\"cgroup\":[\"/a.slice/b\",\"c\"],"
		"\"destination\":[\"1.2.3.4\"],\"port\":\"22,5060-5080\"}}");
	const struct capture_match *m = &cfg->host.how.include;

	(void)state;
	assert_int_equal(m->interface_count, 2);
	assert_string_equal(m->interfaces[1], "ppp*");
	assert_int_equal(m->source_count, 2);
	assert_int_equal(m->sources[1].kind, ADDR_V6);
	assert_int_equal(m->sources[1].bits, 8);
	assert_int_equal(m->mac_count, 1);
	assert_int_equal(m->uid_count, 3);
	assert_int_equal(m->uids[0].lo, 1000);
	assert_int_equal(m->uids[0].hi, 1000);
	assert_int_equal(m->uids[1].hi, 2999);
	assert_int_equal(m->uids[2].lo, 0);
	assert_int_equal(m->gid_count, 1);
	assert_int_equal(m->gids[0].lo, 5);
	assert_int_equal(m->cgroup_count, 2);
	assert_string_equal(m->cgroups[0], "a.slice/b");
	assert_int_equal(m->destination_count, 1);
	assert_int_equal(m->destinations[0].bits, 32);
	assert_int_equal(m->port_count, 2);
	assert_int_equal(m->ports[1].hi, 5080);
	assert_int_equal(cfg->host.how.exclude.uid_count, 0);
	config_unref(cfg);
	cfg = take("{\"exclude\":{\"uid\":\"7\"}}");
	assert_int_equal(cfg->host.how.exclude.uid_count, 1);
	assert_int_equal(cfg->host.how.include.uid_count, 0);
	config_unref(cfg);
}

/* A word goes into the text of a rule: nothing that has a meaning there */
static void words_with_a_meaning_in_rules_are_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "interface", "a b;" },
		{ "interface", "a\\\"" },
		{ "interface", "*" },
		{ "interface", "a*b" },
		{ "interface", "sixteen-letters-" },
		{ "source", "10.0.0.0/33" },
		{ "source", "name" },
		{ "mac", "00:11:22:33:44" },
		{ "mac", "00-11-22-33-44-55" },
		{ "mac", "00:11:22:33:44:5g" },
		{ "uid", "5-4" },
		{ "uid", "-1" },
		{ "uid", "no-such-user-here" },
		{ "uid", "4294967295" },
		{ "gid", "1-" },
		{ "cgroup", "/" },
		{ "cgroup", "a/../b" },
		{ "cgroup", "a//b" },
		{ "cgroup", "a/" },
		{ "cgroup", "a\\\"b" },
		{ "destination", "geoip:cn" },
		{ "port", "70000" },
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		for (int ex = 0; ex < 2; ex++) {
			snprintf(text, sizeof(text), "{\"%s\":{\"%s\":\"%s\"}}",
				 ex ? "exclude" : "include", bad[i][0],
				 bad[i][1]);
			refuse(text, bad[i][0]);
		}
	refuse("{\"include\":{\"uid\":[{}]}}", "uid");
	refuse("{\"exclude\":5}", "exclude");
}

static void more_words_than_places_are_refused(void **state)
{
	char text[4096] = "{\"include\":{\"uid\":[";
	size_t n = strlen(text);

	(void)state;
	for (int i = 0; i <= MATCH_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d",
				      i ? "," : "", i);
	snprintf(text + n, sizeof(text) - n, "]}}");
	refuse(text, "too many of uid");
}

static void direct_takes_lists_and_files(void **state)
{
	char dir[64], conf[512], path[128];
	struct dat file = { .n = 0 }, entry = { .n = 0 };
	struct config *cfg;
	FILE *f;

	(void)state;
	dat_dir(dir);
	dat_text(&entry, 1, "ZZ");
	dat_cidr(&entry, "192.0.2.0/25");
	dat_cidr(&entry, "192.0.2.128/25");
	dat_cidr(&entry, "2001:db8::/32");
	dat_entry(&file, &entry);
	dat_save(&file, dir, "geoip.dat");
	dat_save(&file, dir, "own.dat");
	snprintf(path, sizeof(path), "%s/list.txt", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("192.0.3.0/24\n", f);
	fclose(f);
	snprintf(conf, sizeof(conf),
		 "{\"directCidr\":[\"geoip:zz\",\"ext:own.dat:zz\",\"%s\","
		 "\"198.51.100.1\"]}",
		 path);
	cfg = take(conf);
	assert_int_equal(cfg->host.how.direct.count4, 2);
	assert_int_equal(cfg->host.how.direct.v4[0].lo, 0xc0000200);
	assert_int_equal(cfg->host.how.direct.v4[0].hi, 0xc00003ff);
	assert_int_equal(cfg->host.how.direct.v4[1].lo, 0xc6336401);
	assert_int_equal(cfg->host.how.direct.count6, 1);
	assert_int_equal(cfg->host.how.direct.v6[0].hi[15], 0xff);
	config_unref(cfg);
	cfg = take("{\"directCidr\":\"geoip:!zz\"}");
	assert_int_equal(cfg->host.how.direct.count4, 2);
	assert_int_equal(cfg->host.how.direct.v4[0].hi, 0xc00001ff);
	config_unref(cfg);
	refuse("{\"directCidr\":[\"geoip:qq\"]}", "no list qq\n");
	refuse("{\"directCidr\":[\"ext:own.dat\"]}", "ext:FILE:CODE");
	refuse("{\"directCidr\":[\"name\"]}", "a file is /PATH or ./PATH");
	refuse("{\"directCidr\":[\"/nowhere/x\"]}", "/nowhere/x");
	dat_remove(dir, (const char *const[]){ "geoip.dat", "own.dat",
					       "list.txt", NULL });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_takes_a_word_or_a_list),
		cmocka_unit_test(words_with_a_meaning_in_rules_are_refused),
		cmocka_unit_test(more_words_than_places_are_refused),
		cmocka_unit_test(direct_takes_lists_and_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
