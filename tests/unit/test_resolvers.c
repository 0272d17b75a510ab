/* test_resolvers.c - Who answers port 53 on a host */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/resolvers.h"
#include "tests/unit/cm.h"

static const char table[] =
	"  sl  local_address rem_address   st tx_queue rx_queue tr "
	"tm->when retrnsmt   uid  timeout inode\n"
	"  12: 3500007F:0035 00000000:0000 07 00000000:00000000 "
	"00:00000000 00000000   101        0 1 2 0 0\n"
	"  13: 3500007F:0035 00000000:0000 07 00000000:00000000 "
	"00:00000000 00000000   101        0 1 2 0 0\n"
	"  14: 00000000:0044 00000000:0000 07 00000000:00000000 "
	"00:00000000 00000000   102        0 1 2 0 0\n"
	"  15: 00000000000000000000000000000000:0035 "
	"00000000000000000000000000000000:0000 07 00000000:00000000 "
	"00:00000000 00000000     0        0 4711 2 0\n"
	"  16: 0100007F:0035 00000000:0000 07 00000000:00000000 "
	"00:00000000 00000000   453 0";

static void sockets_on_port_53_are_found(void **state)
{
	struct resolvers r = { .uid_count = 0 };

	(void)state;
	resolvers_read(&r, table);
	assert_int_equal(r.uid_count, 2);
	assert_int_equal(r.uids[0], 101);
	assert_int_equal(r.uids[1], 453);
	assert_int_equal(r.inode_count, 1);
	assert_int_equal(r.inodes[0], 4711);
	assert_false(r.root);
}

static void every_cut_is_read(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(table); n++) {
		struct resolvers r = { .uid_count = 0 };
		char cut[sizeof(table)];

		memcpy(cut, table, n);
		cut[n] = '\0';
		resolvers_read(&r, cut);
		assert_true(r.uid_count <= 2 && r.inode_count <= 1);
	}
}

static void more_sockets_than_fit_are_root_s(void **state)
{
	struct resolvers r = { .uid_count = 0 };

	(void)state;
	for (int i = 0; i < RESOLVER_SOCKETS; i++)
		resolvers_read(&r, "1: 0:0035 0:0 07 0:0 0:0 0 0 0 5\n");
	assert_false(r.root);
	assert_int_equal(r.inode_count, RESOLVER_SOCKETS);
	resolvers_read(&r, "1: 0:0035 0:0 07 0:0 0:0 0 0 0 5\n");
	assert_true(r.root);
	assert_int_equal(r.inode_count, RESOLVER_SOCKETS);
}

/* A socket of root's, in a process that is somebody else by now, as dnsmasq does */
static void who_dropped_root_is_found(void **state)
{
	struct resolvers r = { .inode_count = 1 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), ready[2] = { -1, -1 },
	    end[2] = { -1, -1 };
	struct stat st;
	pid_t pid;
	char c = 0;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_true(fd >= 0 && pipe(ready) == 0 && pipe(end) == 0);
	assert_int_equal(fstat(fd, &st), 0);
	r.inodes[0] = st.st_ino;
	pid = fork();
	if (pid == 0) {
		close(end[1]);
		if (setgid(12345) || setuid(12345) ||
		    write(ready[1], &c, 1) != 1 || read(end[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(fd); /* only the child has it */
	assert_int_equal(read(ready[0], &c, 1), 1);
	resolvers_holders(&r, "/proc");
	close(end[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(r.uid_count, 1);
	assert_int_equal(r.uids[0], 12345);
	assert_false(r.root);

	r.uid_count = 0;
	resolvers_holders(&r, "/proc"); /* nobody has it now */
	assert_int_equal(r.uid_count, 0);
	assert_true(r.root);
	close(ready[0]);
	close(ready[1]);
	close(end[0]);
}

static void our_own_socket_is_ours(void **state)
{
	struct resolvers r = { .inode_count = 1 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	r.inodes[0] = st.st_ino;
	resolvers_holders(&r, "/proc");
	assert_int_equal(r.root, geteuid() == 0);
	assert_int_equal(r.uid_count, geteuid() != 0);
	resolvers_holders(&r, "/nonexistent");
	assert_true(r.root);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_on_port_53_are_found),
		cmocka_unit_test(every_cut_is_read),
		cmocka_unit_test(more_sockets_than_fit_are_root_s),
		cmocka_unit_test(who_dropped_root_is_found),
		cmocka_unit_test(our_own_socket_is_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
