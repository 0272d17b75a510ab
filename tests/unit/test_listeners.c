/* test_listeners.c - What `culvert up` listens with: its own, or what is there */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/app/app.h"
#include "tests/unit/diag_text.h"

#define PORT     12345 /* of the configurations below */
#define DNS_PORT 12346

/* The generation of `culvert up` with @inbounds and outbounds of @out */
static struct config *up(const char *capture, const char *inbounds,
			 const char *out)
{
	const struct cli cli = { .command = "up", .capture = capture };
	struct config *cfg = NULL;
	struct merged m;
	struct diag d;
	char text[4096];

	snprintf(text, sizeof(text),
		 "{\"culvert\":{\"port\":%d,\"dnsPort\":%d},\"inbounds\":[%s],"
		 "\"outbounds\":[{\"protocol\":\"freedom\"}%s]}",
		 PORT, DNS_PORT, inbounds, out);
	diag_init(&d);
	assert_non_null(jdoc_parse(&d, "c.json", text, strlen(text)));
	assert_int_equal(merge_docs(&d, d.docs, &m), 0);
	cfg = config_build(&d, &m, NULL, &cli);
	if (!cfg)
		fail_msg("%s: %s", text, diag_text(&d, false));
	merge_free(&m);
	diag_free(&d);
	return cfg;
}

/* The one called @tag, or NULL */
static const struct inbound *named(const struct config *cfg, const char *tag)
{
	for (unsigned int i = 0; i < cfg->inbound_count; i++)
		if (!strcmp(cfg->inbounds[i]->tag, tag))
			return cfg->inbounds[i];
	return NULL;
}

/* A listener of ours at @port; @tproxy as the socket option has it */
static void assert_own(const struct config *cfg, const char *tag, uint16_t port,
		       unsigned int tproxy)
{
	const struct inbound *ib = named(cfg, tag);

	if (!ib) {
		fail_msg("no %s", tag);
		return;
	}
	assert_string_equal(ib->ops->name, "dokodemo-door");
	assert_int_equal(ib->port_count, 1);
	assert_int_equal(ib->ports[0].lo, port);
	assert_int_equal(ib->ports[0].hi, port);
	assert_int_equal(ib->sockopt.tproxy, tproxy);
}

static void assert_how(const struct config *cfg, int tcp, uint16_t tcp_port,
		       int udp, uint16_t udp_port)
{
	const struct capture_conf *how = &cfg->host.how;

	assert_int_equal(how->tcp, tcp);
	assert_int_equal(how->udp, udp);
	if (tcp != BY_TUN)
		assert_int_equal(how->tcp_port, tcp_port);
	if (udp != BY_TUN)
		assert_int_equal(how->udp_port, udp_port);
}

#define TUN     "{\"protocol\":\"tun\",\"settings\":{\"name\":\"t0\"}}"
#define DNS_OUT ",{\"protocol\":\"dns\",\"tag\":\"dns\"}"
#define DOOR(port, network, tproxy) \
	"{\"protocol\":\"dokodemo-door\",\"tag\":\"own-" network "\"," \
	"\"port\":" port ",\"settings\":{\"network\":\"" network "\"," \
	"\"followRedirect\":true},\"streamSettings\":{\"sockopt\":" \
	"{\"tproxy\":\"" tproxy "\"}}}"

static void a_tun_needs_no_listener(void **state)
{
	struct config *cfg = up("tun", TUN, DNS_OUT);

	(void)state;
	assert_int_equal(cfg->inbound_count, 1);
	assert_how(cfg, BY_TUN, 0, BY_TUN, 0);
	assert_int_equal(cfg->host.how.dns_port, 0);
	config_unref(cfg);
	cfg = up("none", TUN, "");
	assert_int_equal(cfg->inbound_count, 1);
	assert_how(cfg, BY_NONE, 0, BY_NONE, 0);
	config_unref(cfg);
}

static void redirect_catches_tcp_alone(void **state)
{
	struct config *cfg = up("redirect", "", "");

	(void)state;
	assert_own(cfg, "culvert-redirect", PORT, 2);
	assert_int_equal(cfg->inbound_count, 1);
	assert_how(cfg, BY_REDIRECT, PORT, BY_NONE, 0);
	assert_true(cfg->inbounds[0]->sniffing.enabled);
	assert_true(cfg->inbounds[0]->sniffing.route_only);
	config_unref(cfg);
}

static void tproxy_catches_both(void **state)
{
	struct config *cfg = up("tproxy", "", "");

	(void)state;
	assert_own(cfg, "culvert-tproxy", PORT, 1);
	assert_int_equal(cfg->inbound_count, 1);
	assert_how(cfg, BY_TPROXY, PORT, BY_TPROXY, PORT);
	config_unref(cfg);
}

static void mixed_takes_the_tun_for_udp_if_there_is_one(void **state)
{
	struct config *cfg = up("mixed", TUN, "");

	(void)state;
	assert_own(cfg, "culvert-redirect", PORT, 2);
	assert_null(named(cfg, "culvert-tproxy"));
	assert_how(cfg, BY_REDIRECT, PORT, BY_TUN, 0);
	config_unref(cfg);
	cfg = up("mixed", "", "");
	assert_own(cfg, "culvert-redirect", PORT, 2);
	assert_own(cfg, "culvert-tproxy", PORT, 1);
	assert_how(cfg, BY_REDIRECT, PORT, BY_TPROXY, PORT);
	config_unref(cfg);
}

static void what_is_configured_is_used(void **state)
{
	struct config *cfg = up("redirect", DOOR("77", "tcp", "redirect"), "");

	(void)state;
	assert_int_equal(cfg->inbound_count, 1);
	assert_how(cfg, BY_REDIRECT, 77, BY_NONE, 0);
	config_unref(cfg);
	cfg = up("tproxy", DOOR("77", "tcp,udp", "tproxy"), "");
	assert_int_equal(cfg->inbound_count, 1);
	assert_how(cfg, BY_TPROXY, 77, BY_TPROXY, 77);
	config_unref(cfg);
	cfg = up("tproxy",
		 DOOR("77", "tcp", "tproxy") "," DOOR("78", "udp", "tproxy"),
		 "");
	assert_int_equal(cfg->inbound_count, 2);
	assert_how(cfg, BY_TPROXY, 77, BY_TPROXY, 78);
	config_unref(cfg);
}

/* Of one protocol only: the other one's listener is where the rules send it */
static void what_is_missing_is_added_where_it_is_sent(void **state)
{
	struct config *cfg = up("tproxy", DOOR("77", "tcp", "tproxy"), "");

	(void)state;
	assert_how(cfg, BY_TPROXY, 77, BY_TPROXY, PORT);
	assert_own(cfg, "culvert-tproxy", PORT, 1);
	config_unref(cfg);
	cfg = up("tproxy", DOOR("77", "udp", "tproxy"), "");
	assert_how(cfg, BY_TPROXY, PORT, BY_TPROXY, 77);
	assert_own(cfg, "culvert-tproxy", PORT, 1);
	config_unref(cfg);
	cfg = up("mixed", DOOR("77", "tcp", "redirect"), "");
	assert_how(cfg, BY_REDIRECT, 77, BY_TPROXY, PORT);
	assert_own(cfg, "culvert-tproxy", PORT, 1);
	config_unref(cfg);
}

static void what_does_not_fit_is_not_used(void **state)
{
	static const char *const others[] = {
		/* no followRedirect */
		"{\"protocol\":\"dokodemo-door\",\"port\":77,\"settings\":"
		"{\"address\":\"1.2.3.4\",\"port\":5,\"network\":\"tcp\"}}",
		"{\"protocol\":\"socks\",\"port\":77}",
		DOOR("77", "udp", "tproxy"),
		DOOR("77", "tcp", "tproxy"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct config *cfg = up("redirect", others[i], "");

		assert_own(cfg, "culvert-redirect", PORT, 2);
		assert_how(cfg, BY_REDIRECT, PORT, BY_NONE, 0);
		config_unref(cfg);
	}
}

static void dns_has_a_listener_if_somebody_answers(void **state)
{
	static const struct {
		const char *capture, *inbounds, *out;
		uint16_t port;
	} cases[] = {
		{ "redirect", "", DNS_OUT, DNS_PORT },
		{ "tproxy", "", DNS_OUT, DNS_PORT },
		{ "redirect", "", "", 0 },
		{ "mixed", "", DNS_OUT, DNS_PORT },
		{ "mixed", TUN, DNS_OUT, 0 }, /* the TUN has it */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *cfg =
			up(cases[i].capture, cases[i].inbounds, cases[i].out);

		assert_int_equal(cfg->host.how.dns_port, cases[i].port);
		if (cases[i].port)
			assert_own(cfg, "culvert-dns", DNS_PORT, 0);
		else
			assert_null(named(cfg, "culvert-dns"));
		config_unref(cfg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tun_needs_no_listener),
		cmocka_unit_test(redirect_catches_tcp_alone),
		cmocka_unit_test(tproxy_catches_both),
		cmocka_unit_test(mixed_takes_the_tun_for_udp_if_there_is_one),
		cmocka_unit_test(what_is_configured_is_used),
		cmocka_unit_test(what_is_missing_is_added_where_it_is_sent),
		cmocka_unit_test(what_does_not_fit_is_not_used),
		cmocka_unit_test(dns_has_a_listener_if_somebody_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
