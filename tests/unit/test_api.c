/* test_api.c - Methods of the API: requests as bytes, answers as bytes */
#include <errno.h>
#include <stdio.h>

#include "loop.h"

#include "conf_text.h"
#include "gateway/api/api_int.h"
#include "gateway/core/stats.h"

#define TEXT(s) (const uint8_t *)(s), sizeof(s) - 1

/** struct api - A configuration with an API, and the last call */
struct api {
	struct loop l;
	struct diag d;
	struct config *cfg;
	struct call c;
};

static const char conf[] =
	"{\"api\":{\"tag\":\"api\",\"listen\":\"127.0.0.1:1\","
	"\"services\":[\"statsservice\",\"HandlerService\","
	"\"RoutingService\"]},\"stats\":{},"
	"\"policy\":{\"system\":{\"statsInboundUplink\":true}},"
	"\"outbounds\":[{\"tag\":\"d\",\"protocol\":\"freedom\"},"
	"{\"tag\":\"b\",\"protocol\":\"blackhole\"}],"
	"\"routing\":{\"rules\":[{\"domain\":[\"full:a.test\"],"
	"\"outboundTag\":\"b\",\"ruleTag\":\"r\"},"
	"{\"ip\":[\"192.0.2.0/24\"],\"network\":\"udp\","
	"\"outboundTag\":\"b\"}]},\"inbounds\":["
	"{\"tag\":\"vl\",\"protocol\":\"vless\",\"listen\":\"127.0.0.1\","
	"\"port\":\"2-3\",\"settings\":{\"decryption\":\"none\","
	"\"clients\":[{\"id\":\"one\",\"email\":\"one@x\"}]}},"
	"{\"tag\":\"so\",\"protocol\":\"socks\",\"port\":4}]}";

static void begin(struct api *a)
{
	memset(a, 0, sizeof(*a));
	loop_init(&a->l);
	diag_init(&a->d);
	a->cfg = conf_text(&a->d, conf, NULL);
	if (!a->cfg)
		fail_msg("%s", diag_text(&a->d, false));
	a->l.w.cfg = a->cfg;
	a->c.worker = &a->l.w;
}

static void end(struct api *a)
{
	a->l.w.cfg = &a->l.cfg;
	pb_free(&a->c.out);
	config_unref(a->cfg);
	diag_free(&a->d);
	loop_fini(&a->l);
}

/* The status of this method of @v, @n bytes at @p */
static int ask(struct api *a, const struct service *v, const char *name,
	       const uint8_t *p, size_t n)
{
	pb_free(&a->c.out);
	a->c.out = (struct pb_out){ .most = CALL_OUT_MAX };
	a->c.why[0] = '\0';
	for (size_t i = 0; i < v->count; i++)
		if (!strcmp(v->methods[i].name, name))
			return v->methods[i].run(&a->c, p, n);
	fail_msg("no method %s", name);
	return -1;
}

/* Field @number of the message of the answer's entry number @i */
static void entry(const struct api *a, int i, uint32_t number, char text[64])
{
	struct rd r = rd_init(a->c.out.p, a->c.out.len);
	struct pb_field f;

	do
		assert_int_equal(pb_next(&r, &f), 1);
	while (i--);
	assert_int_equal(pb_text(f.p, f.len, number, text, 64), 0);
}

static void the_configuration_becomes_an_outbound_and_a_listener(void **state)
{
	struct api a;

	(void)state;
	begin(&a);
	assert_int_equal(a.cfg->api->services,
			 API_STATS | API_HANDLER | API_ROUTING);
	assert_ptr_equal(config_outbound(a.cfg, "api")->ops, &api_outbound);
	assert_int_equal(a.cfg->inbound_count, 3);
	assert_ptr_equal(a.cfg->inbounds[2]->ops, &api_inbound);
	assert_int_equal(a.cfg->inbounds[2]->ports[0].lo, 1);
	end(&a);
}

static void places_of_listeners_are_read(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} places[] = {
		{ "\"127.0.0.1:80\"", true },
		{ "\"[::1]:80\"", true },
		{ "\"localhost:80\"", true },
		{ "\":80\"", true },
		{ "\"/run/x\"", true },
		{ "\"@x\"", true },
		{ "\"\"", true },
		{ "\"name.test:80\"", false },
		{ "\"127.0.0.1\"", false },
		{ "\":0\"", false },
		{ "\":\"", false },
		{ "\"127.0.0.1:65536\"", false },
		{ "{}", false },
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct config *cfg;
		struct diag d;

		diag_init(&d);
		snprintf(text, sizeof(text),
			 "{\"metrics\":{\"tag\":\"m\",\"listen\":%s},"
			 "\"outbounds\":[{\"protocol\":\"freedom\"}]}",
			 places[i].text);
		cfg = conf_text(&d, text, NULL);
		if (!cfg == places[i].good)
			fail_msg("%s", places[i].text);
		config_unref(cfg);
		diag_free(&d);
	}
}

static void counters_are_told_and_reset(void **state)
{
	static const uint8_t query[] = "\x0a\x04t>>>\x10\1";
	struct pb_field f;
	struct api a;
	char name[64];

	(void)state;
	begin(&a);
	stat_add(stat_get("t>>>a>>>traffic>>>uplink"), 2, 300);
	assert_int_equal(
		ask(&a, &service_stats, "QueryStats", query, sizeof(query) - 1),
		0);
	entry(&a, 0, 1, name);
	assert_string_equal(name, "t>>>a>>>traffic>>>uplink");
	assert_int_equal(pb_find(a.c.out.p, a.c.out.len, 1, PB_BYTES, &f), 1);
	assert_int_equal(pb_find(f.p, f.len, 2, PB_VARINT, &f), 1);
	assert_int_equal(f.value, 300);
	assert_int_equal(ask(&a, &service_stats, "GetStats",
			     TEXT("\x0a\x18t>>>a>>>traffic>>>uplink")),
			 0);
	assert_int_equal(pb_find(a.c.out.p, a.c.out.len, 1, PB_BYTES, &f), 1);
	assert_int_equal(pb_find(f.p, f.len, 2, PB_VARINT, &f), 0);
	assert_int_equal(ask(&a, &service_stats, "GetStats", TEXT("\x0a\1t")),
			 GRPC_NOT_FOUND);
	assert_string_equal(a.c.why, "t not found.");
	assert_int_equal(
		ask(&a, &service_stats, "QueryStats", TEXT("\x0a\x09t")),
		GRPC_INVALID);
	end(&a);
}

static void nobody_was_ever_online(void **state)
{
	struct api a;

	(void)state;
	begin(&a);
	assert_int_equal(ask(&a, &service_stats, "GetStatsOnline",
			     TEXT("\x0a\x11user>>>n>>>online")),
			 GRPC_NOT_FOUND);
	assert_int_equal(ask(&a, &service_stats, "GetStatsOnlineIpList",
			     TEXT("\x0a\3abc")),
			 GRPC_NOT_FOUND);
	assert_int_equal(ask(&a, &service_stats, "GetAllOnlineUsers", TEXT("")),
			 0);
	assert_int_equal(a.c.out.len, 0);
	end(&a);
}

static void inbounds_are_listed_without_our_own(void **state)
{
	struct pb_field f, in;
	struct api a;
	char tag[64];

	(void)state;
	begin(&a);
	assert_int_equal(
		ask(&a, &service_handler, "ListInbounds", TEXT("\x08\1")), 0);
	entry(&a, 0, 1, tag);
	assert_string_equal(tag, "vl");
	assert_int_equal(pb_find(a.c.out.p, a.c.out.len, 1, PB_BYTES, &f), 1);
	assert_int_equal(pb_text(f.p, f.len, 1, tag, sizeof(tag)), 0);
	assert_string_equal(tag, "so"); /* the last one */
	assert_int_equal(pb_find(f.p, f.len, 2, PB_BYTES, &in), 0);
	assert_int_equal(ask(&a, &service_handler, "ListInbounds", TEXT("")),
			 0);
	assert_int_equal(pb_find(a.c.out.p, a.c.out.len, 1, PB_BYTES, &f), 1);
	assert_int_equal(pb_find(f.p, f.len, 2, PB_BYTES, &in), 1);
	end(&a);
}

static void a_route_is_tested_without_a_session(void **state)
{
	struct api a;
	char tag[64];

	(void)state;
	begin(&a);
	/* {domain a.test, port 80} */
	assert_int_equal(ask(&a, &service_routing, "TestRoute",
			     TEXT("\x0a\x0a\x30\x50\x3a\6a.test")),
			 0);
	assert_int_equal(pb_text(a.c.out.p, a.c.out.len, 12, tag, sizeof(tag)),
			 0);
	assert_string_equal(tag, "b");
	/* {udp, 192.0.2.1}; and by tcp */
	assert_int_equal(ask(&a, &service_routing, "TestRoute",
			     TEXT("\x0a\x08\x10\3\x22\4\xc0\0\2\1")),
			 0);
	assert_int_equal(pb_text(a.c.out.p, a.c.out.len, 12, tag, sizeof(tag)),
			 0);
	assert_string_equal(tag, "b");
	assert_int_equal(ask(&a, &service_routing, "TestRoute",
			     TEXT("\x0a\x08\x10\2\x22\4\xc0\0\2\1")),
			 0);
	assert_int_equal(pb_text(a.c.out.p, a.c.out.len, 12, tag, sizeof(tag)),
			 0);
	assert_string_equal(tag, "d");
	assert_int_equal(ask(&a, &service_routing, "TestRoute",
			     TEXT("\x0a\x03\x22\1\xc0")),
			 GRPC_INVALID); /* an address of one byte */
	assert_int_equal(ask(&a, &service_routing, "TestRoute", TEXT("")),
			 GRPC_UNKNOWN);
	assert_int_equal(ask(&a, &service_routing, "ListRule", TEXT("")), 0);
	entry(&a, 0, 2, tag);
	assert_string_equal(tag, "r");
	end(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_configuration_becomes_an_outbound_and_a_listener),
		cmocka_unit_test(places_of_listeners_are_read),
		cmocka_unit_test(counters_are_told_and_reset),
		cmocka_unit_test(nobody_was_ever_online),
		cmocka_unit_test(inbounds_are_listed_without_our_own),
		cmocka_unit_test(a_route_is_tested_without_a_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
