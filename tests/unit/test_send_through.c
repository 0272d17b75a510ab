/* test_send_through.c - sendThrough: its words, and which address they pick */
#include <errno.h>
#include <sys/socket.h>

#include "loop.h"

#include "gateway/core/outbound.h"
#include "gateway/core/send_through.h"
#include "gateway/core/session.h"

static struct addr pick(const char *text, const struct session *s)
{
	struct outbound ob = { .tag = "t" };

	assert_int_equal(send_through_parse(&ob, text), 0);
	return send_through_pick(&ob, s);
}

static void assert_host(struct addr got, const char *want)
{
	struct addr a = addr_of(want, 0);

	assert_true(addr_eq(&got, &a)); /* the port is the kernel's */
}

static void an_address_is_that_address(void **state)
{
	(void)state;
	assert_host(pick("192.0.2.7", NULL), "192.0.2.7");
	assert_host(pick("2001:db8::7", NULL), "2001:db8::7");
}

static void nothing_said_is_the_kernels_choice(void **state)
{
	struct outbound ob = { .tag = "t" };

	(void)state;
	assert_int_equal(send_through_pick(&ob, NULL).kind, ADDR_NONE);
	assert_int_equal(send_through_pick(NULL, NULL).kind, ADDR_NONE);
}

static void origin_and_source_are_the_sessions(void **state)
{
	struct session s = { .local = addr_of("10.0.0.1", 1080),
			     .source = addr_of("10.0.0.9", 40000) };

	(void)state;
	assert_host(pick("origin", &s), "10.0.0.1");
	assert_host(pick("srcip", &s), "10.0.0.9");
	/* what has no session, or came by a unix socket, has none */
	assert_int_equal(pick("origin", NULL).kind, ADDR_NONE);
	assert_int_equal(pick("srcip", NULL).kind, ADDR_NONE);
	s.local = addr_name("/path", 5, 0);
	assert_int_equal(pick("origin", &s).kind, ADDR_NONE);
}

/* The bits of the prefix stay, each of the others is met both ways */
static void a_prefix_gives_any_of_its_addresses(void **state)
{
	static const struct {
		const char *text;
		size_t n, bits;
	} cases[] = {
		{ "192.0.2.128/25", 4, 25 },     { "10.32.0.0/11", 4, 11 },
		{ "192.0.2.9/32", 4, 32 },       { "2001:db8:5::/48", 16, 48 },
		{ "2001:db8::40/123", 16, 123 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t ones[16] = { 0 }, zeros[16] = { 0 };
		struct outbound ob = { .tag = "t" };
		struct addr net;

		assert_int_equal(send_through_parse(&ob, cases[i].text), 0);
		net = ob.send_through;
		for (int k = 0; k < 400; k++) {
			struct addr a = send_through_pick(&ob, NULL);

			assert_int_equal(a.kind, net.kind);
			for (size_t b = 0; b < cases[i].n; b++) {
				ones[b] |= a.ip[b];
				zeros[b] |= (uint8_t)~a.ip[b];
			}
		}
		for (size_t bit = 0; bit < 8 * cases[i].n; bit++) {
			uint8_t m = (uint8_t)(0x80 >> bit % 8);
			bool was = net.ip[bit / 8] & m;

			if (bit < cases[i].bits) {
				assert_int_equal((ones[bit / 8] & m) != 0, was);
				assert_int_equal((zeros[bit / 8] & m) != 0,
						 !was);
			} else {
				assert_true(ones[bit / 8] & m);
				assert_true(zeros[bit / 8] & m);
			}
		}
	}
}

static void other_words_are_refused(void **state)
{
	static const char *const bad[] = { "",           "Origin",
					   "host.test",  "1.2.3",
					   "1.2.3.4/33", "2001:db8::/129",
					   "1.2.3.4/",   "/24",
					   "1.2.3.4:5" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct outbound ob = { .tag = "t" };

		if (send_through_parse(&ob, bad[i]) != -EINVAL)
			fail_msg("\"%s\" is taken", bad[i]);
	}
}

static void a_socket_is_bound_to_what_was_picked(void **state)
{
	struct addr a = addr_of("127.0.0.1", 0), none = addr_of("192.0.2.1", 0);
	struct outbound ob = { .tag = "t" };
	struct sockaddr_storage ss;
	struct addr got;
	socklen_t len = sizeof(ss);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(send_through_bind(&ob, fd, &none), -EADDRNOTAVAIL);
	assert_int_equal(send_through_bind(&ob, fd, &a), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	got = addr_from_sockaddr(&ss);
	got.port = 0;
	assert_host(got, "127.0.0.1");
	close(fd);
	/* an address of a prefix need not be this host's */
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(send_through_parse(&ob, "192.0.2.0/24"), 0);
	assert_int_equal(send_through_bind(&ob, fd, &none), 0);
	close(fd);
}

static void another_family_is_no_way_out(void **state)
{
	struct addr v4 = addr_of("127.0.0.1", 0), v6 = addr_of("::1", 0),
		    none = { .kind = ADDR_NONE };
	struct outbound ob = { .tag = "t" };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(send_through_to(&ob, fd, &v4, &v6), -EAFNOSUPPORT);
	assert_int_equal(send_through_to(&ob, fd, &v6, &v4), -EAFNOSUPPORT);
	assert_int_equal(send_through_to(NULL, fd, &none, &v6), 0);
	assert_int_equal(send_through_to(&ob, -1, &v6, &v6), -EBADF);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_that_address),
		cmocka_unit_test(nothing_said_is_the_kernels_choice),
		cmocka_unit_test(origin_and_source_are_the_sessions),
		cmocka_unit_test(a_prefix_gives_any_of_its_addresses),
		cmocka_unit_test(other_words_are_refused),
		cmocka_unit_test(a_socket_is_bound_to_what_was_picked),
		cmocka_unit_test(another_family_is_no_way_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
