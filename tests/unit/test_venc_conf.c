/* test_venc_conf.c - What a configuration may say together with VLESS encryption */
#include "tests/unit/cm.h"

#include <stdio.h>

#include "gateway/core/config.h"
#include "tests/unit/conf_text.h"

#define SECRET "mlkem768x25519plus.native.600s."
#define PUBLIC "mlkem768x25519plus.native.0rtt."
#define KEY    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

/* The complaints about this one inbound or outbound; @what NULL: none */
static void says(const char *where, const char *settings, const char *what)
{
	struct config *cfg;
	char text[2048];
	struct diag d;

	diag_init(&d);
	snprintf(text, sizeof(text),
		 "{\"%s\":[{\"protocol\":\"vless\",\"port\":1,\"settings\":{"
		 "%s}}]%s}",
		 where, settings,
		 *where == 'i' ? ",\"outbounds\":[{\"protocol\":\"freedom\"}]" :
				 "");
	cfg = conf_text(&d, text, NULL);
	if (!what != !d.errors || (what && !strstr(diag_text(&d, false), what)))
		fail_msg("%s: %s", text, diag_text(&d, false));
	if (cfg)
		config_unref(cfg);
	diag_free(&d);
}

#define IN(decryption, more) \
	"\"decryption\":\"" decryption "\",\"clients\":[{\"id\":\"a\"}]" more
#define OUT(encryption, more) \
	"\"address\":\"9.9.9.9\",\"port\":1,\"id\":\"a\"," \
	"\"encryption\":\"" encryption "\"" more

static void a_server_has_no_fallbacks_with_it(void **state)
{
	(void)state;
	says("inbounds", IN(SECRET KEY, ""), NULL);
	says("inbounds", IN(SECRET KEY, ",\"fallbacks\":[{\"dest\":80}]"),
	     "fallbacks: cannot be used together with decryption");
	says("inbounds", IN(SECRET KEY, ",\"flow\":\"xtls-rprx-vision\""),
	     NULL);
	says("inbounds", IN("aes", ""),
	     "decryption: must be \"none\" or begin with");
	says("inbounds", IN(PUBLIC KEY, ""), "decryption: must have the");
}

static void a_client_needs_no_tls_with_it(void **state)
{
	(void)state;
	says("outbounds", OUT(PUBLIC KEY, ""), NULL);
	says("outbounds", OUT("none", ""), "needs streamSettings.security");
	says("outbounds", OUT(PUBLIC KEY, ",\"flow\":\"xtls-rprx-vision\""),
	     NULL);
	says("outbounds", OUT(SECRET KEY, ""),
	     "encryption: must have 0rtt or 1rtt");
	says("outbounds", OUT(PUBLIC "abc", ""), "before them paddings");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_has_no_fallbacks_with_it),
		cmocka_unit_test(a_client_needs_no_tls_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
