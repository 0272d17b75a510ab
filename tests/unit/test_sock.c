/* test_sock.c - Own sockets: what the options become; needs root for the mark */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/core/dns.h"
#include "gateway/core/sock.h"
#include "gateway/core/sockopt.h"
#include "loop.h"
#include "tests/unit/emulated.h"

static int option(int fd, int level, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	assert_int_equal(getsockopt(fd, level, name, &v, &len), 0);
	return v;
}

static void sockets_do_not_block_and_are_not_inherited(void **state)
{
	int fd = sock_open(NULL, AF_INET6, SOCK_STREAM);

	(void)state;
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 45);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 45);
	close(fd);
}

static void options_reach_the_socket(void **state)
{
	struct sockopt so = SOCKOPT_DEFAULT;
	char name[16] = "";
	socklen_t len = sizeof(name);
	int fd;

	(void)state;
	skip_emulated("options with a name: TCP_CONGESTION");
	so.keep_idle_s = 7;
	so.keep_interval_s = 9;
	so.user_timeout_ms = 1234;
	so.tfo = 256;
	strcpy(so.congestion, "reno");
	fd = sock_open(&so, AF_INET, SOCK_STREAM);
	assert_true(fd >= 0);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 7);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 9);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 1234);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT), 1);
	getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len);
	assert_string_equal(name, "reno");
	close(fd);
	so.keep_idle_s = -1;
	so.keep_interval_s = -1;
	fd = sock_open(&so, AF_INET, SOCK_STREAM);
	assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	close(fd);
}

static void an_unknown_congestion_control_is_left_out(void **state)
{
	struct sockopt so = SOCKOPT_DEFAULT;
	int fd;

	(void)state;
	strcpy(so.congestion, "nosuch");
	fd = sock_open(&so, AF_INET, SOCK_STREAM);
	assert_true(fd >= 0);
	close(fd);
}

static void mptcp_or_else_tcp(void **state)
{
	struct sockopt so = SOCKOPT_DEFAULT;
	int fd, proto;

	(void)state;
	so.mptcp = true;
	fd = sock_open(&so, AF_INET, SOCK_STREAM);
	assert_true(fd >= 0);
	proto = option(fd, SOL_SOCKET, SO_PROTOCOL);
	assert_true(proto == IPPROTO_TCP || proto == IPPROTO_MPTCP);
	close(fd);
}

static void the_own_mark_is_on_every_socket(void **state)
{
	struct sockopt so = SOCKOPT_DEFAULT;
	struct addr any = addr_of("127.0.0.1", 0);
	int fd;

	(void)state;
	skip_emulated("no SO_MARK");
	if (geteuid() != 0)
		skip();
	so.mark = 0x5;
	sock_set_own_mark(0x800);
	fd = sock_open(&so, AF_INET, SOCK_STREAM);
	assert_int_equal(option(fd, SOL_SOCKET, SO_MARK), 0x805);
	close(fd);
	fd = sock_open(NULL, AF_INET6, SOCK_DGRAM);
	assert_int_equal(option(fd, SOL_SOCKET, SO_MARK), 0x800);
	close(fd);
	fd = sock_listen(NULL, &any, SOCK_STREAM);
	assert_int_equal(option(fd, SOL_SOCKET, SO_MARK), 0x800);
	close(fd);
	sock_set_own_mark(0);
	fd = sock_open(NULL, AF_INET, SOCK_STREAM);
	assert_int_equal(option(fd, SOL_SOCKET, SO_MARK), 0);
	close(fd);
}

static void an_interface_that_is_missing_is_a_failure(void **state)
{
	struct sockopt so = SOCKOPT_DEFAULT;

	(void)state;
	skip_emulated("no SO_MARK");
	strcpy(so.interface, "nosuch0");
	assert_int_equal(sock_open(&so, AF_INET, SOCK_STREAM), -ENODEV);
}

static void the_default_interface_binds_all_but_loopback(void **state)
{
	struct addr to = addr_of("127.0.0.1", 0);
	char name[IF_NAMESIZE] = "";
	socklen_t len = sizeof(name);
	int l, fd;

	(void)state;
	skip_emulated("no SO_MARK");
	l = listen_on("127.0.0.1", &to.port);
	sock_set_interface("lo");
	fd = sock_open(NULL, AF_INET, SOCK_STREAM);
	sock_set_interface("");
	assert_true(fd >= 0);
	getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len);
	assert_string_equal(name, "lo");
	sock_set_interface("lo");
	assert_int_equal(sock_connect(fd, AF_INET, &to), 0);
	sock_set_interface("");
	len = sizeof(name);
	getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len);
	assert_int_equal(len, 0);
	close(fd);
	close(l);
}

static void a_datagram_socket_is_dual_stack(void **state)
{
	int fd = sock_open(NULL, AF_INET6, SOCK_DGRAM);

	(void)state;
	skip_emulated("no SO_MARK");
	assert_true(fd >= 0);
	assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 0);
	close(fd);
}

static void listeners_share_a_port_and_take_both_families(void **state)
{
	struct addr any = addr_of("::", 0), to = addr_of("127.0.0.1", 0);
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int a = sock_listen(NULL, &any, SOCK_STREAM), b, c;

	(void)state;
	skip_emulated("no SO_MARK");
	assert_true(a >= 0);
	getsockname(a, (struct sockaddr *)&ss, &len);
	any.port = to.port = addr_from_sockaddr(&ss).port;
	b = sock_listen(NULL, &any, SOCK_STREAM);
	assert_true(b >= 0);
	c = sock_open(NULL, AF_INET, SOCK_STREAM);
	assert_int_equal(sock_connect(c, AF_INET, &to), 0);
	close(a);
	close(b);
	close(c);
}

static void a_unix_path_left_behind_is_taken_over(void **state)
{
	char dir[] = "/tmp/culvert-test-XXXXXX", path[64];
	struct addr at;
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	at = addr_name(path, strlen(path), 0);
	for (int i = 0; i < 2; i++) {
		fd = sock_listen(NULL, &at, SOCK_STREAM);
		assert_true(fd >= 0);
		close(fd);
	}
	assert_int_equal(stat(at.name, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	unlink(at.name);
	/* a file that is no socket stays */
	fd = open(at.name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(sock_listen(NULL, &at, SOCK_STREAM), -EADDRINUSE);
	unlink(at.name);
	rmdir(dir);
}

static void a_family_that_does_not_fit_is_told(void **state)
{
	struct addr v6 = addr_of("::1", 80), name = addr_name("a.b", 3, 80);
	int fd = sock_open(NULL, AF_INET, SOCK_STREAM);

	(void)state;
	skip_emulated("no SO_MARK");
	assert_int_equal(sock_connect(fd, AF_INET, &v6), -EAFNOSUPPORT);
	assert_int_equal(sock_connect(fd, AF_INET, &name), -EAFNOSUPPORT);
	assert_int_equal(sock_bind(fd, &v6), -EAFNOSUPPORT);
	close(fd);
}

/* --- sockopt_parse --- */

static unsigned int parse(const char *json, struct sockopt *so,
			  unsigned int *warnings)
{
	struct arena arena = { 0 };
	struct jdoc *doc;
	struct diag d;
	struct jobj o;
	unsigned int errors;

	diag_init(&d);
	doc = jdoc_parse(&d, "test", json, strlen(json));
	assert_non_null(doc);
	j_open(&o, &d, doc->root);
	assert_int_equal(sockopt_parse(&o, so, &arena), 0);
	j_close(&o);
	if (so->dialer_proxy)
		assert_string_equal(so->dialer_proxy, "next");
	errors = d.errors;
	*warnings = d.warnings;
	diag_free(&d);
	arena_free(&arena);
	return errors;
}

static void every_key_is_read(void **state)
{
	struct sockopt so;
	unsigned int warnings;

	(void)state;
	assert_int_equal(
		parse("{\"mark\":255,\"interface\":\"eth0\",\"tproxy\":"
		      "\"tproxy\",\"tcpFastOpen\":true,\"domainStrategy\":"
		      "\"useipv4v6\",\"dialerProxy\":\"next\","
		      "\"tcpKeepAliveIdle\":10,\"tcpKeepAliveInterval\":20,"
		      "\"tcpUserTimeout\":3000,\"tcpCongestion\":\"bbr\","
		      "\"tcpWindowClamp\":600,\"tcpMaxSeg\":1400,"
		      "\"tcpMptcp\":true,\"v6only\":true,\"happyEyeballs\":"
		      "{\"tryDelayMs\":100,\"prioritizeIPv6\":true,"
		      "\"interleave\":2,\"maxConcurrentTry\":3}}",
		      &so, &warnings),
		0);
	assert_int_equal(warnings, 0);
	assert_int_equal(so.mark, 255);
	assert_string_equal(so.interface, "eth0");
	assert_int_equal(so.tproxy, 1);
	assert_int_equal(so.tfo, 256);
	assert_int_equal(so.domain_strategy, DS_USE_IPV4V6);
	assert_int_equal(so.keep_idle_s, 10);
	assert_int_equal(so.keep_interval_s, 20);
	assert_int_equal(so.user_timeout_ms, 3000);
	assert_string_equal(so.congestion, "bbr");
	assert_int_equal(so.window_clamp, 600);
	assert_int_equal(so.max_seg, 1400);
	assert_true(so.mptcp && so.v6only && so.happy_v6_first);
	assert_int_equal(so.happy_delay_ms, 100);
	assert_int_equal(so.happy_interleave, 2);
	assert_int_equal(so.happy_max, 3);
	assert_non_null(so.dialer_proxy);
}

static void defaults_and_fast_open_as_xray_has_them(void **state)
{
	struct sockopt so;
	unsigned int w;

	(void)state;
	assert_int_equal(parse("{}", &so, &w), 0);
	assert_int_equal(so.tfo, -1);
	assert_int_equal(so.happy_delay_ms, 250);
	assert_int_equal(so.happy_max, 4);
	assert_int_equal(parse("{\"tcpFastOpen\":false}", &so, &w), 0);
	assert_int_equal(so.tfo, 0);
	assert_int_equal(parse("{\"tcpFastOpen\":0}", &so, &w), 0);
	assert_int_equal(so.tfo, -1);
	assert_int_equal(parse("{\"tcpFastOpen\":64}", &so, &w), 0);
	assert_int_equal(so.tfo, 64);
	assert_int_equal(parse("{\"happyEyeballs\":{}}", &so, &w), 0);
	assert_int_equal(so.happy_delay_ms, 250);
}

static void wrong_values_are_errors(void **state)
{
	static const char *const bad[] = {
		"{\"interface\":\"0123456789abcdef\"}",
		"{\"domainStrategy\":\"UseIPv5\"}",
		"{\"tcpKeepAliveIdle\":-1,\"tcpKeepAliveInterval\":5}",
		"{\"tproxy\":\"yes\"}",
		"{\"tcpFastOpen\":\"yes\"}",
		"{\"mark\":\"0x1\"}",
		"{\"customSockopt\":[{\"opt\":\"1\"}]}", /* no type */
		"{\"customSockopt\":[{\"type\":\"int\"}]}", /* no opt */
		"{\"customSockopt\":[{\"opt\":\"x\",\"type\":\"int\"}]}",
		"{\"customSockopt\":[{\"opt\":\"1-2\",\"type\":\"int\"}]}",
		"{\"addressPortStrategy\":\"SrvPortOnly\"}",
		"{\"tcpMaxSeg\":-3}",
	};
	struct sockopt so;
	unsigned int w;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i], &so, &w) != 1)
			fail_msg("not one error: %s", bad[i]);
}

static void custom_options_reach_the_sockets_meant(void **state)
{
	static const char json[] =
		"{\"customSockopt\":["
		"{\"system\":\"windows\",\"opt\":\"4\",\"value\":\"9\","
		"\"type\":\"int\"},"
		"{\"network\":\"tcp6\",\"level\":\"6\",\"opt\":\"4\","
		"\"value\":\"33\",\"type\":\"int\"},"
		"{\"system\":\"linux\",\"opt\":\"13\",\"value\":\"reno\","
		"\"type\":\"str\"},"
		"{\"network\":\"udp\",\"level\":\"1\",\"opt\":\"12\","
		"\"value\":\"5\",\"type\":\"int\"}]}";
	char name[16] = "";
	socklen_t len = sizeof(name);
	struct arena arena = { 0 };
	struct sockopt so, other = SOCKOPT_DEFAULT;
	struct jdoc *doc;
	struct diag d;
	struct jobj o;
	int fd;

	(void)state;
	skip_emulated("options with a name: TCP_CONGESTION");
	diag_init(&d);
	doc = jdoc_parse(&d, "test", json, strlen(json));
	assert_non_null(doc);
	j_open(&o, &d, doc->root);
	assert_int_equal(sockopt_parse(&o, &so, &arena), 0);
	j_close(&o);
	assert_int_equal(d.errors + d.warnings, 0);
	diag_free(&d);
	assert_int_equal(so.custom_count, 3);
	assert_true(sock_same_custom(&so, &so));
	assert_false(sock_same_custom(&so, &other));
	fd = sock_open(&so, AF_INET6, SOCK_STREAM);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 33);
	assert_int_equal(option(fd, SOL_SOCKET, SO_PRIORITY), 0);
	assert_int_equal(
		getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
	assert_string_equal(name, "reno");
	close(fd);
	fd = sock_open(&so, AF_INET, SOCK_STREAM);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 45);
	close(fd);
	fd = sock_open(&so, AF_INET, SOCK_DGRAM);
	assert_int_equal(option(fd, SOL_SOCKET, SO_PRIORITY), 5);
	close(fd);
	arena_free(&arena);
}

static void keys_without_effect_warn(void **state)
{
	struct sockopt so;
	unsigned int w;

	(void)state;
	assert_int_equal(parse("{\"trustedXForwardedFor\":[\"1.1.1.1\"],"
			       "\"penetrate\":true,\"tcpKeepAliveIdel\":1}",
			       &so, &w),
			 0);
	assert_int_equal(w, 2);
	assert_true(so.penetrate);
}

static void strategies_name_their_rounds(void **state)
{
	(void)state;
	assert_int_equal(ds_families(DS_USE_IP, 0), DNS_V4 | DNS_V6);
	assert_int_equal(ds_families(DS_USE_IP, 1), 0);
	assert_int_equal(ds_families(DS_FORCE_IPV6V4, 0), DNS_V6);
	assert_int_equal(ds_families(DS_FORCE_IPV6V4, 1), DNS_V4);
	assert_int_equal(ds_families(DS_FORCE_IPV6V4, 2), 0);
	assert_true(ds_forced(DS_FORCE_IP) && !ds_forced(DS_USE_IPV6V4));
	assert_string_equal(ds_name(DS_FORCE_IPV4), "ForceIPv4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_do_not_block_and_are_not_inherited),
		cmocka_unit_test(options_reach_the_socket),
		cmocka_unit_test(an_unknown_congestion_control_is_left_out),
		cmocka_unit_test(mptcp_or_else_tcp),
		cmocka_unit_test(the_own_mark_is_on_every_socket),
		cmocka_unit_test(an_interface_that_is_missing_is_a_failure),
		cmocka_unit_test(the_default_interface_binds_all_but_loopback),
		cmocka_unit_test(a_datagram_socket_is_dual_stack),
		cmocka_unit_test(listeners_share_a_port_and_take_both_families),
		cmocka_unit_test(a_unix_path_left_behind_is_taken_over),
		cmocka_unit_test(a_family_that_does_not_fit_is_told),
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(defaults_and_fast_open_as_xray_has_them),
		cmocka_unit_test(wrong_values_are_errors),
		cmocka_unit_test(custom_options_reach_the_sockets_meant),
		cmocka_unit_test(keys_without_effect_warn),
		cmocka_unit_test(strategies_name_their_rounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
