/* test_wg_conf.c - Settings of WireGuard: peers, their prefixes, their keys */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/arena.h"
#include "gateway/base/crypto_pk.h"
#include "gateway/base/jdoc.h"
#include "gateway/base/jget.h"
#include "proxy/layer/wg.h"
#include "tests/unit/diag_text.h"

#define SECRET "\"secretKey\":\"01" ZEROS "\""
#define ZEROS  "00000000000000000000000000000000000000000000000000000000000000"

static struct diag d;
static struct wg_conf conf;
static struct arena arena;

/* Settings of @json; what is wrong with them */
static const char *load(const char *json)
{
	struct jdoc *doc;
	struct jobj o;

	diag_init(&d);
	memset(&conf, 0, sizeof(conf));
	memset(&arena, 0, sizeof(arena));
	doc = jdoc_parse(&d, "test", json, strlen(json));
	assert_non_null(doc);
	assert_true(j_open(&o, &d, doc->root));
	assert_int_equal(wg_conf_parse(&o, &conf, &arena, true), 0);
	j_close(&o);
	return diag_text(&d, false);
}

static void unload(void)
{
	arena_free(&arena);
	diag_free(&d);
}

/* The public key of @n, in hexadecimal */
static void key_text(unsigned int n, char out[65])
{
	uint8_t secret[32] = { 8, (uint8_t)n, (uint8_t)(n >> 8) }, key[32];

	assert_int_equal(x25519_public(secret, key), 0);
	for (int i = 0; i < 32; i++)
		sprintf(out + 2 * i, "%02x", key[i]);
}

static void a_key_stands_once(void **state)
{
	char json[1024], a[65], b[65];

	(void)state;
	key_text(1, a);
	key_text(2, b);
	snprintf(json, sizeof(json),
		 "{" SECRET ",\"peers\":[{\"publicKey\":\"%s\"},"
		 "{\"publicKey\":\"%s\"},{\"publicKey\":\"%s\"}]}",
		 a, b, a);
	assert_non_null(strstr(load(json), "peers[0] has the same key"));
	assert_int_equal(d.errors, 1);
	unload();
}

static void prefixes_take_what_they_need(void **state)
{
	enum { PEERS = 500 };
	char *json = malloc(PEERS * 160 + 200), key[65], *p = json;

	(void)state;
	assert_non_null(json);
	p += sprintf(p, "{" SECRET ",\"peers\":[");
	for (unsigned int i = 0; i < PEERS; i++) {
		key_text(i, key);
		p += sprintf(p,
			     "%s{\"publicKey\":\"%s\","
			     "\"allowedIPs\":[\"10.0.%u.%u/32\"]}",
			     i ? "," : "", key, i / 256, i % 256);
	}
	sprintf(p, "]}");
	assert_string_equal(load(json), "");
	assert_int_equal(conf.peer_count, PEERS);
	for (unsigned int i = 0; i < PEERS; i++)
		assert_int_equal(conf.peers[i].allowed_count, 1);
	assert_int_equal(conf.peers[300].allowed->ip[2], 1);
	assert_true(arena.used_bytes < PEERS * 512);
	free(json);
	unload();
}

static void there_are_limits(void **state)
{
	char *json = malloc(16000), key[65], *p = json;

	(void)state;
	assert_non_null(json);
	key_text(1, key);
	p += sprintf(p,
		     "{" SECRET ",\"peers\":[{\"publicKey\":\"%s\","
		     "\"allowedIPs\":[\"0.0.0.0/0\"",
		     key);
	for (int i = 0; i < WG_ALLOWED_MAX; i++)
		p += sprintf(p, ",\"10.0.%d.0/24\"", i);
	sprintf(p, "]}]}");
	assert_non_null(strstr(load(json), "more than 256 prefixes"));
	assert_int_equal(conf.peers[0].allowed_count, WG_ALLOWED_MAX);
	free(json);
	unload();
}

static void keys_are_wiped(void **state)
{
	static const uint8_t zero[WG_KEY_BYTES];
	char json[1024], a[65];

	(void)state;
	key_text(1, a);
	snprintf(json, sizeof(json),
		 "{" SECRET ",\"peers\":[{\"publicKey\":\"%s\","
		 "\"preSharedKey\":\"%s\"}]}",
		 a, a);
	assert_string_equal(load(json), "");
	assert_int_equal(conf.secret_key[0], 1);
	assert_memory_equal(conf.peers[0].psk, conf.peers[0].public_key,
			    WG_KEY_BYTES);
	wg_conf_wipe(&conf);
	assert_memory_equal(conf.secret_key, zero, WG_KEY_BYTES);
	assert_memory_equal(conf.peers[0].psk, zero, WG_KEY_BYTES);
	unload();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_stands_once),
		cmocka_unit_test(prefixes_take_what_they_need),
		cmocka_unit_test(there_are_limits),
		cmocka_unit_test(keys_are_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
