/*
 * test_tls_conf.c - What only a newer OpenSSL has: used when it is there, else an
 * error that names the version; never left out in silence
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/ssl.h>

#include "gateway/base/jdoc.h"
#include "gateway/core/config.h"
#include "proxy/transport/tls.h"
#include "tests/unit/emulated.h"
#include "tests/unit/mem_scan.h"

/* A list with one config for cover.test, and the key of it */
#define LIST \
	"AD3+DQA5XAAgACDwHS6fguCsW/382xuxe5FA9Korchz1D0YnsbCZk2XKHQAE" \
	"AAEAAQAKY292ZXIudGVzdAAA"
#define KEYS \
	"ACCIujXK4ZZT1+Ija07kqhz+BepXLAA5s7LyfGBQwHRWWAA9/g0AOVwAIAAg" \
	"8B0un4LgrFv9/NsbsXuRQPSqK3Ic9Q9GJ7GwmZNlyh0ABAABAAEACmNvdmVy" \
	"LnRlc3QAAA=="

/* A certificate with its key, which nobody uses, as lines of JSON */
#define CERT \
	"\"-----BEGIN CERTIFICATE-----\"," \
	"\"MIIBcDCCARWgAwIBAgIUGgcLXjg65VAxekd/" \
	"rapJYiOdVgswCgYIKoZIzj0EAwIw\"," \
	"\"DDEKMAgGA1UEAwwBeDAgFw0yNjExMjcwNDI1MzVaGA8yMTI2MTEwMzA0MjUzNVow\"" \
	"," \
	"\"DDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKDRN9HtvdQq\"" \
	"," \
	"\"TmDjuwbsavkE0tePQfzx4ZsdbEAug1ybGsDbZNGJr7U5eoynAw4Yp/" \
	"tGcbWqAvNQ\"," \
	"\"5lbaGCTOUC+" \
	"jUzBRMB0GA1UdDgQWBBSQntqwzwidDtJY8nJhMPzdW4qmvTAfBgNV\"," \
	"\"HSMEGDAWgBSQntqwzwidDtJY8nJhMPzdW4qmvTAPBgNVHRMBAf8EBTADAQH/" \
	"MAoG\"," \
	"\"CCqGSM49BAMCA0kAMEYCIQCc9VF/nL/" \
	"mDWX7WGA8K00TLd73ybaLP1yCkBWZq5QG\"," \
	"\"NgIhAI+rJ4GhWeyBWiAXstpB4zTP+PU5yq3RtyB8bEmhBXtb\"," \
	"\"-----END CERTIFICATE-----\""
#define KEY_LINE \
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgIxaaPDjtA2+secdu"
#define KEY \
	"\"-----BEGIN PRIVATE KEY-----\",\"" KEY_LINE "\"," \
	"\"E26FCAS1SOdorihcnjQ5KgM0T86hRANCAASg0TfR7b3UKk5g47sG7Gr5BNLXj0H8\"" \
	"," \
	"\"8eGbHWxALoNcmxrA22TRia+1OXqMpwMOGKf7RnG1qgLzUOZW2hgkzlAv\"," \
	"\"-----END PRIVATE KEY-----\""

struct rig {
	struct diag d;
	struct config cfg;
	struct transport t;
};

/* Settings of @json; the complaints as text (free()) */
static char *load(struct rig *r, bool server, const char *json)
{
	struct jdoc *doc;
	struct jobj o;
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	memset(r, 0, sizeof(*r));
	diag_init(&r->d);
	doc = jdoc_parse(&r->d, "test", json, strlen(json));
	assert_non_null(doc);
	assert_true(j_open(&o, &r->d, doc->root));
	r->t.server = server;
	assert_int_equal(tls_parse(&r->t, &o, &r->cfg), 0);
	j_close(&o);
	diag_print(&r->d, f, false);
	fclose(f);
	return text;
}

static void unload(struct rig *r, char *text)
{
	tls_drop(&r->t);
	tls_store_forget();
	diag_free(&r->d);
	arena_free(&r->cfg.arena);
	free(text);
}

/* Told by name and version when it is not @there; accepted when it is */
static void there_or_told(const char *json, bool there, const char *what)
{
	struct rig r;
	char *text = load(&r, false, json);

	assert_int_equal(r.d.errors, there ? 0 : 1);
	if (!there) {
		assert_non_null(strstr(text, what));
		assert_non_null(strstr(text, tls_library()));
	}
	unload(&r, text);
}

static void an_encrypted_hello_is_there_or_an_error(void **state)
{
	(void)state;
	there_or_told("{\"echConfigList\":\"" LIST "\"}", tls_ech_there(),
		      "no encrypted ClientHello");
}

static void a_list_that_is_none_is_an_error(void **state)
{
	static const char *const bad[] = { "AAAA", "!",
					   "https://1.1.1.1/dns-query" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char json[128], *text;
		struct rig r;

		snprintf(json, sizeof(json), "{\"echConfigList\":\"%s\"}",
			 bad[i]);
		text = load(&r, false, json);
		assert_int_equal(r.d.errors, 1);
		assert_non_null(strstr(text, "echConfigList"));
		unload(&r, text);
	}
}

static void a_server_takes_keys_where_there_are_hellos(void **state)
{
	struct rig r;
	char *text = load(&r, true, "{\"echServerKeys\":\"" KEYS "\"}");
	const char *at = strstr(text, "error: echServerKeys");

	(void)state;
	assert_int_equal(at == NULL, tls_ech_there());
	if (at)
		assert_non_null(strstr(text, "no encrypted ClientHello"));
	unload(&r, text);
}

static void a_post_quantum_group_is_there_or_an_error(void **state)
{
	struct ssl_ctx_st *ctx = tls_ctx_new(false);
	bool there = tls_group_there(ctx, "X25519MLKEM768");

	(void)state;
	there_or_told("{\"curvePreferences\":[\"X25519MLKEM768\",\"x25519\"]}",
		      there, "does not have X25519MLKEM768");
	there_or_told("{\"curvePreferences\":[\"x25519\",\"CurveP256\"]}", true,
		      "");
	SSL_CTX_free(ctx);
}

/* Only OpenSSL's own form of it does */
static void an_inline_key_does_not_stay_as_a_text(void **state)
{
	static const char json[] =
		"{\"certificates\":[{\"certificate\":[" CERT "],"
		"\"key\":[" KEY "]}]}";
	struct tls_pairs *again;
	struct tls_conf *c;
	char *text, why[160];
	struct rig r;

	(void)state;
	skip_emulated("its memory is another one");
	text = load(&r, true, json);
	assert_string_equal(text, "");
	if (mem_count(KEY_LINE) < 0)
		skip();
	assert_true(mem_count(KEY_LINE) > 0); /* the document is there yet */
	diag_free(&r.d);
	assert_int_equal(mem_count(KEY_LINE), 0);
	/* it can be loaded again, when another certificate's file changes */
	c = r.t.settings;
	again = tls_pairs_load(c->keys, c->key_count, why, sizeof(why));
	assert_non_null(again);
	tls_pairs_free(again);
	unload(&r, text);
}

static void a_wrong_inline_key_is_told(void **state)
{
	struct rig r;
	char *text = load(&r, true,
			  "{\"certificates\":[{\"certificate\":[" CERT "],"
			  "\"key\":[\"none\"]}]}");

	(void)state;
	assert_int_equal(r.d.errors, 1);
	assert_non_null(strstr(text, "inline: key: "));
	unload(&r, text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_encrypted_hello_is_there_or_an_error),
		cmocka_unit_test(a_list_that_is_none_is_an_error),
		cmocka_unit_test(a_server_takes_keys_where_there_are_hellos),
		cmocka_unit_test(a_post_quantum_group_is_there_or_an_error),
		cmocka_unit_test(an_inline_key_does_not_stay_as_a_text),
		cmocka_unit_test(a_wrong_inline_key_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
