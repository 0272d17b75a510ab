/* test_in_tun.c - Settings of the tun inbound, and the header of its frames */
#include "tests/unit/cm.h"

#include <string.h>

#include "gateway/base/jget.h"
#include "gateway/core/config.h"
#include "gateway/core/inbound.h"
#include "gateway/core/tun_conf.h"
#include "netstack/tun.h"
#include "proxy/in/in.h"
#include "tests/unit/diag_text.h"

static struct diag d;
static struct config cfg;
static struct inbound ib;

static int begin(void **state)
{
	(void)state;
	diag_init(&d);
	memset(&cfg, 0, sizeof(cfg));
	memset(&ib, 0, sizeof(ib));
	ib.tag = "t";
	return 0;
}

static int end(void **state)
{
	(void)state;
	diag_free(&d);
	arena_free(&cfg.arena);
	return 0;
}

/* Parse @text into a new inbound of the same configuration */
static int parse(const char *text, struct inbound *out)
{
	struct jdoc *doc = jdoc_parse(&d, "c", text, strlen(text));
	struct jobj o;
	int r;

	assert_non_null(doc);
	assert_true(j_open(&o, &d, doc->root));
	r = in_tun.parse(out, &o, &cfg);
	if (!r)
		j_close(&o);
	return r;
}

static void defaults_are_those_of_xray(void **state)
{
	const struct tun_conf *tc;

	(void)state;
	assert_int_equal(parse("{}", &ib), 0);
	tc = ib.settings;
	assert_null(tc->name);
	assert_int_equal(tc->mtu, 1500);
	assert_int_equal(tc->gateway_count, 0);
	assert_int_equal(tc->route_count, 0);
	assert_null(tc->outbounds_interface);
	assert_true(tc->echo_local);
	assert_int_equal(tc->fd, -1);
	assert_string_equal(diag_text(&d, false), "");
}

static void every_key_is_read(void **state)
{
	const struct tun_conf *tc;
	struct addr a = { 0 };

	(void)state;
	assert_int_equal(
		parse("{\"name\":\"xray0\",\"MTU\":9000,\"desc\":\"d\","
		      "\"gateway\":[\"10.0.0.1/24\",\"fd00::1/"
		      "64\",\"10.9.9.9\"],"
		      "\"dns\":[\"1.1.1.1\"],\"userLevel\":3,\"echo\":\"drop\","
		      "\"fd\":7,"
		      "\"autoSystemRoutingTable\":[\"0.0.0.0/0\",\"::/0\"]}",
		      &ib),
		0);
	tc = ib.settings;
	assert_string_equal(tc->name, "xray0");
	assert_int_equal(tc->mtu, 9000);
	assert_int_equal(tc->gateway_count, 3);
	assert_int_equal(addr_parse_ip(&a, "10.0.0.1"), 0);
	assert_true(addr_eq_host(&tc->gateway[0].addr, &a)); /* host bits */
	assert_int_equal(tc->gateway[0].bits, 24);
	assert_int_equal(tc->gateway[1].bits, 64);
	assert_int_equal(tc->gateway[2].bits, 32);
	assert_int_equal(ib.level, 3);
	assert_false(tc->echo_local);
	assert_int_equal(tc->fd, 7);
	assert_int_equal(tc->route_count, 2);
	/* routes into the TUN need sockets that stay out of it */
	assert_string_equal(tc->outbounds_interface, "auto");
	assert_string_equal(diag_text(&d, false), "");
}

static void wrong_values_are_refused_with_their_place(void **state)
{
	static const char *const bad[][2] = {
		{ "{\"mtu\":100}", "at least 576" },
		{ "{\"name\":\"much-too-long-name\"}", "interface name" },
		{ "{\"name\":\"a/b\"}", "interface name" },
		{ "{\"gateway\":[\"10.0.0.1/33\"]}", "10.0.0.1/33" },
		{ "{\"gateway\":[\"10.0.0.1/\"]}", "prefix length" },
		{ "{\"gateway\":[\"10.0.0.1/-1\"]}", "prefix length" },
		{ "{\"gateway\":[\"example.com\"]}", "example.com" },
		{ "{\"autoSystemRoutingTable\":[\"x\"]}", "prefix" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		diag_free(&d);
		diag_init(&d);
		assert_true(parse(bad[i][0], &ib) < 0);
		assert_int_equal(d.errors, 1);
		assert_non_null(strstr(diag_text(&d, false), bad[i][1]));
	}
}

static void reload_keeps_a_device_that_did_not_change(void **state)
{
	struct inbound same = { .tag = "t" }, mtu = { .tag = "t" };
	struct inbound name = { .tag = "t" };

	(void)state;
	assert_int_equal(parse("{\"gateway\":[\"10.0.0.1/24\"]}", &ib), 0);
	assert_int_equal(parse("{\"gateway\":[\"10.0.0.2/24\"]}", &same), 0);
	assert_int_equal(parse("{\"mtu\":1400}", &mtu), 0);
	assert_int_equal(parse("{\"name\":\"t1\"}", &name), 0);
	assert_true(in_tun.same(&ib, &same));
	assert_false(in_tun.same(&ib, &mtu));
	assert_false(in_tun.same(&ib, &name));
}

static void frame_headers_survive_both_ways(void **state)
{
	struct vnet v = { .gso = GSO_TCP6,
			  .csum_partial = true,
			  .gso_size = 1440,
			  .hdr_len = 60,
			  .csum_start = 40,
			  .csum_offset = 16 };
	uint8_t b[TUN_VNET_BYTES];
	struct vnet out;

	(void)state;
	vnet_encode(&v, true, b);
	/* virtio 1.2, 5.1.6: flags, gso type 4, then little-endian fields */
	assert_memory_equal(b,
			    ((uint8_t[]){ 1, 4, 60, 0, 0xa0, 5, 40, 0, 16, 0 }),
			    TUN_VNET_BYTES);
	vnet_decode(b, &out);
	assert_memory_equal(&out, &v, sizeof(v));
	v.gso = GSO_TCP4;
	vnet_encode(&v, false, b);
	assert_int_equal(b[1], 1);
	v.gso = GSO_UDP;
	vnet_encode(&v, false, b);
	assert_int_equal(b[1], 5);
	b[0] = 2; /* the kernel has checked */
	b[1] = 0x80 | 1; /* with ECN */
	vnet_decode(b, &out);
	assert_true(out.csum_ok && !out.csum_partial);
	assert_int_equal(out.gso, GSO_TCP4);
	b[1] = 77;
	vnet_decode(b, &out);
	assert_int_equal(out.gso, GSO_NONE);
	b[1] = 3; /* one datagram that the device was to fragment */
	vnet_decode(b, &out);
	assert_int_equal(out.gso, GSO_NONE);
	b[1] = 5; /* several */
	vnet_decode(b, &out);
	assert_int_equal(out.gso, GSO_UDP);
}

#define T(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(defaults_are_those_of_xray),
		T(every_key_is_read),
		T(wrong_values_are_refused_with_their_place),
		T(reload_keeps_a_device_that_did_not_change),
		T(frame_headers_survive_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
