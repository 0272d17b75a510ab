/* test_foreign.c - Files of other programs are known */
#include "tests/unit/cm.h"

#include <string.h>

#include "gateway/base/foreign.h"
#include "gateway/base/jget.h"

static const struct {
	const char *text, *what; /* NULL: nothing that is known */
} texts[] = {
	{ "mixed-port: 7890\nproxies:\n  - {name: a}\n", "Clash or mihomo" },
	{ "# from my provider\n\nport: 7890\nrules: []\nproxy-groups:\n",
	  "Clash or mihomo" },
	{ "\xef\xbb\xbf---\r\nproxies:\r\n", "Clash or mihomo" },
	{ "tunnel:\n  name: tun0\nsocks5:\n  port: 1080\n", "hev-socks5" },
	{ "base {\n log_debug = on;\n}\nredsocks {\n}\n", "redsocks" },
	{ "# mine\n[Interface]\nPrivateKey = x\n[Peer]\n", "wg-quick" },
	{ "vless://a@b:1#c\n", "share link" },
	{ "dmxlc3M6Ly9hQGI6MSNj\ndmxlc3M6Ly9hQGI6MSNj", "share link" },
	{ "<!DOCTYPE html>\n<html>", "web page" },
	{ "outbounds:\n  - protocol: freedom\n", "YAML" },
	{ "log:\n  loglevel: debug\n", "YAML" },
	{ "[log]\nloglevel = \"debug\"\n[[outbounds]]\n", "TOML" },
	{ "", NULL },
	{ " \n", NULL },
	{ "{ \"proxies\": 1", NULL },
	{ "[{\"a\":1}", NULL },
	{ "[1,\n2", NULL },
	{ "\"text\"", NULL },
	{ "outbounds [", NULL },
	{ "plain words\nlog: x\n", NULL },
	{ "abcd", NULL },
	{ "a://", NULL },
};

static void texts_are_known_by_their_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const struct foreign *f =
			foreign_text(texts[i].text, strlen(texts[i].text));

		if (!f != !texts[i].what ||
		    (f && !strstr(f->what, texts[i].what)))
			fail_msg("%s: %s", texts[i].text, f ? f->what : "?");
		if (f)
			assert_true(f->convert != (f->help != NULL));
		/* cut anywhere: no byte behind the end is looked at */
		for (size_t n = 0; n < strlen(texts[i].text); n++) {
			char *cut = n ? strndup(texts[i].text, n) : NULL;

			foreign_text(cut, n);
			free(cut);
		}
	}
}

static const struct {
	const char *text, *what;
} trees[] = {
	{ "{\"outbounds\":[{\"type\":\"direct\",\"tag\":\"d\"}]}", "sing-box" },
	{ "{\"inbounds\":[{\"type\":\"tun\"}],\"outbounds\":[]}", "sing-box" },
	{ "{\"log\":{},\"route\":{\"final\":\"a\"}}", "sing-box" },
	{ "{\"mixed-port\":1}", "Clash or mihomo" },
	{ "{\"server\":\"a\",\"server_port\":1,\"method\":\"m\"}",
	  "Shadowsocks" },
	{ "{\"version\":1,\"servers\":[]}", "SIP008" },
	{ "{\"run_type\":\"client\",\"remote_addr\":\"a\"}", "trojan" },
	{ "[{\"outbounds\":[]},{}]", "list of configurations" },
	{ "{\"outbounds\":[{\"protocol\":\"freedom\"}]}", NULL },
	{ "{\"outbounds\":[{\"protocol\":\"freedom\",\"type\":1}]}", NULL },
	{ "{\"outbounds\":{\"type\":1}}", NULL },
	{ "{\"inbounds\":[],\"routing\":{},\"version\":{}}", NULL },
	{ "{}", NULL },
	{ "[]", NULL },
	{ "[1]", NULL },
	{ "1", NULL },
};

static void json_is_known_by_its_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
		cJSON *root = cJSON_Parse(trees[i].text);
		const struct foreign *f = foreign_tree(root);

		assert_non_null(root);
		if (!f != !trees[i].what ||
		    (f && !strstr(f->what, trees[i].what)))
			fail_msg("%s: %s", trees[i].text, f ? f->what : "?");
		cJSON_Delete(root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_known_by_their_lines),
		cmocka_unit_test(json_is_known_by_its_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
