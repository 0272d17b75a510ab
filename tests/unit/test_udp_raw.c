/* test_udp_raw.c - Datagrams by a raw socket: headers, and what arrives */
#include <errno.h>
#include <sys/socket.h>

#include "tests/unit/loop.h"

#include "gateway/core/sock.h"
#include "proxy/in/udp_raw.h"

static void heads_have_their_layout(void **state)
{
	static const uint8_t want[28] = {
		0x45, 0, 0, 0,   0, 0, 0, 0, 64, 17,   0,    0, 192,
		0,    2, 1, 192, 0, 2, 9, 0, 53, 0x30, 0x39, 0, 11,
	};
	struct addr a = addr_of("192.0.2.1", 53),
		    b = addr_of("192.0.2.9", 12345);
	struct addr c = addr_of("2001:db8::1", 53), d = addr_of("::2", 1);
	uint8_t h[UDP_RAW_HEAD];

	(void)state;
	assert_int_equal(udp_raw_head(&a, &b, (const uint8_t *)"abc", 3, h),
			 28);
	assert_memory_equal(h, want, 26);
	assert_int_equal(udp_raw_head(&c, &d, NULL, 0, h), 48);
	assert_int_equal(h[0], 0x60);
	assert_int_equal(get_be16(h + 4), 8);
	assert_int_equal(h[6], 17);
	assert_int_equal(get_be16(h + 44), 8);
	assert_int_equal(udp_raw_head(&a, &b, h, 65508, h), -EMSGSIZE);
}

static void fragments_have_their_layout(void **state)
{
	static const uint8_t v4[20] = {
		0x45, 0, 0,   0, 0x56, 0x78, 0x20, 185, 64, 17,
		0,    0, 192, 0, 2,    1,    192,  0,   2,  9,
	};
	static const uint8_t v6[8] = {
		17, 0, 0x05, 0xc8, 0x12, 0x34, 0x56, 0x78
	};
	struct addr a = addr_of("192.0.2.1", 53), b = addr_of("192.0.2.9", 9);
	struct addr c = addr_of("2001:db8::1", 53), d = addr_of("::2", 1);
	struct udp_piece p = {
		.off = 1480, .len = 16, .id = 0x12345678, .more = true
	};
	uint8_t h[UDP_RAW_HEAD];

	(void)state;
	assert_int_equal(udp_raw_piece(&a, &b, &p, h), 20);
	assert_memory_equal(h, v4, 20);
	p.more = false;
	p.id = 0x10000; /* 0 would let the kernel choose one for each piece */
	assert_int_equal(udp_raw_piece(&a, &b, &p, h), 20);
	assert_int_equal(get_be16(h + 4), 1);
	assert_int_equal(get_be16(h + 6), 185);
	p.id = 0x12345678;
	assert_int_equal(udp_raw_piece(&c, &d, &p, h), 48);
	assert_int_equal(h[0], 0x60);
	assert_int_equal(get_be16(h + 4), 24);
	assert_int_equal(h[6], 44);
	assert_memory_equal(h + 40, v6, 8);
}

/* The receiving kernel checks the checksum */
static void arrive(const char *from, const char *at)
{
	static const size_t sizes[] = { 0,    1,    2,    3,     255,
					1399, 1400, 9000, 65506, 65507 };
	struct addr src = addr_of(from, 5353), dst = addr_of(at, 0), got;
	int family = dst.kind == ADDR_V6 ? AF_INET6 : AF_INET;
	int raw = sock_open_local(NULL, family, SOCK_RAW);
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	static uint8_t data[65507], in[65507];
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&dst, family, &ss);

	assert_true(raw >= 0 && fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	len = sizeof(ss);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	dst = addr_from_sockaddr(&ss);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 251 + 255);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(
			udp_raw_send(raw, NULL, &src, &dst, data, sizes[i]), 0);
		len = sizeof(ss);
		assert_int_equal(recvfrom(fd, in, sizeof(in), 0,
					  (struct sockaddr *)&ss, &len),
				 sizes[i]);
		got = addr_from_sockaddr(&ss);
		assert_true(addr_eq(&got, &src));
		assert_memory_equal(in, data, sizes[i]);
	}
	close(raw);
	close(fd);
}

static void datagrams_arrive_from_where_they_say(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	arrive("127.0.0.1", "127.0.0.1");
	arrive("127.9.9.9", "127.0.0.2");
	arrive("::1", "::1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_have_their_layout),
		cmocka_unit_test(fragments_have_their_layout),
		cmocka_unit_test(datagrams_arrive_from_where_they_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
