/* test_ss2022.c - Shadowsocks 2022 against an independent encoder; replay window */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "proxy/wire/ss2022.h"
#include "tests/unit/vec.h"

#define NOW 1700000000u

static void salts(uint8_t request[32], uint8_t response[32])
{
	for (int i = 0; i < 32; i++) {
		request[i] = (uint8_t)(200 + i);
		response[i] = (uint8_t)(100 + i);
	}
}

static void requests_are_those_of_the_vectors(void **state)
{
	struct vec v;
	int count = 0;

	(void)state;
	for (vec_open(&v, "ss2022.txt"); vec_next(&v); count++) {
		const struct ss_method *m = ss_method_find(v.field[0]);
		struct ss22_request rq = { .to = addr_name("example.com", 11,
							   443),
					   .pad_len = 3,
					   .data = (const uint8_t *)"hello",
					   .len = 5 };
		uint8_t want[1024], out[1024], other[32];
		struct ss22_psk_key k;
		struct ss_flow_key up;
		size_t n = hex_get(v.field[2], want, sizeof(want));
		ssize_t a, b;

		assert_int_equal(ss22_psk_parse(&k, m, v.field[1]), 0);
		salts(rq.salt, other);
		for (size_t room = 0; room < n - 39; room += 7)
			assert_int_equal(ss22_request_encode(&k, &rq, NOW, &up,
							     out, room),
					 -ENOBUFS);
		a = ss22_request_encode(&k, &rq, NOW, &up, out, sizeof(out));
		assert_true(a > 0);
		b = ss_seal(&up, (const uint8_t *)"world", 5, out + a, 200);
		assert_int_equal((size_t)(a + b), n);
		assert_memory_equal(out, want, n);
		ss_flow_drop(&up);
	}
	assert_int_equal(count, 7);
}

static void a_request_is_read_once_complete(void **state)
{
	struct vec v;

	(void)state;
	for (vec_open(&v, "ss2022.txt"); vec_next(&v);) {
		struct ss22_psk_key k;
		uint8_t want[1024], in[1024], *data;
		struct ss22_request rq;
		struct ss_flow_key up;
		size_t n = hex_get(v.field[2], want, sizeof(want)), len;
		ssize_t used;

		ss22_psk_parse(&k, ss_method_find(v.field[0]), v.field[1]);
		if (k.count > 1)
			continue;
		for (size_t cut = 0; cut < n - 39; cut++) {
			memcpy(in, want, n);
			assert_int_equal(
				ss22_request_decode(&k, in, cut, NOW, &rq, &up),
				0);
			assert_memory_equal(in, want, n);
		}
		memcpy(in, want, n);
		assert_int_equal(
			ss22_request_decode(&k, in, n, NOW + 31, &rq, &up),
			-ESTALE);
		assert_int_equal(
			ss22_request_decode(&k, in, n, NOW - 31, &rq, &up),
			-ESTALE);
		used = ss22_request_decode(&k, in, n, NOW + 30, &rq, &up);
		assert_int_equal(used, n - 39);
		assert_string_equal(rq.to.name, "example.com");
		assert_int_equal(rq.len, 5);
		assert_memory_equal(rq.data, "hello", 5);
		assert_int_equal(ss_open(&up, in + used, 39, &data, &len), 39);
		assert_memory_equal(data, "world", 5);
		ss_flow_drop(&up);
		in[n / 2] ^= 1;
	}
}

static void responses_belong_to_their_request(void **state)
{
	struct vec v;

	(void)state;
	for (vec_open(&v, "ss2022.txt"); vec_next(&v);) {
		uint8_t want[512], out[512], mine[32], *data;
		struct ss22_answer a = { .request_salt = mine, .now_s = NOW };
		struct iovec answer = { (char[]){ "answer" }, 6 };
		struct ss_flow_key down, sealer;
		struct ss22_psk_key k;
		size_t n = hex_get(v.field[3], want, sizeof(want)), len;
		ssize_t used;

		ss22_psk_parse(&k, ss_method_find(v.field[0]), v.field[1]);
		salts(mine, a.salt);
		assert_int_equal(ss22_response_encode(&k, &a, &sealer, &answer,
						      out, sizeof(out)),
				 n);
		assert_memory_equal(out, want, n);
		ss_flow_drop(&sealer);
		for (size_t cut = 0; cut < n - 22; cut++)
			assert_int_equal(ss22_response_decode(&k, mine, NOW,
							      want, cut, &down),
					 0);
		assert_int_equal(ss22_response_decode(&k, mine, NOW + 31, want,
						      n, &down),
				 -ESTALE);
		mine[0] ^= 1;
		assert_int_equal(
			ss22_response_decode(&k, mine, NOW, want, n, &down),
			-EPROTO);
		mine[0] ^= 1;
		used = ss22_response_decode(&k, mine, NOW, want, n, &down);
		assert_int_equal(used, n - 22);
		assert_int_equal(ss_open(&down, want + used, 22, &data, &len),
				 22);
		assert_int_equal(len, 6);
		assert_memory_equal(data, "answer", 6);
		ss_flow_drop(&down);
	}
}

static void client_packets_are_those_of_the_vectors(void **state)
{
	struct ss22_udp_head h = { .time_s = NOW };
	struct wire_packet pk = { .peer = addr_name("example.com", 11, 443),
				  .data = (const uint8_t *)"ping",
				  .len = 4 };
	struct vec v;

	(void)state;
	for (vec_open(&v, "ss2022.txt"); vec_next(&v);) {
		uint8_t want[512], out[512];
		struct ss22_udp_key u;
		struct ss22_psk_key k;
		size_t n;

		if (!strcmp(v.field[4], "-"))
			continue;
		n = hex_get(v.field[4], want, sizeof(want));
		ss22_psk_parse(&k, ss_method_find(v.field[0]), v.field[1]);
		ss22_udp_set(&u, &k, (const uint8_t *)"\1\2\3\4\5\6\7\10");
		u.packet = 5;
		assert_int_equal(ss22_udp_encode(&u, &k, &h, &pk, out, n - 1),
				 -ENOBUFS);
		assert_int_equal(ss22_udp_encode(&u, &k, &h, &pk, out, n), n);
		assert_memory_equal(out, want, n);
		assert_int_equal(u.packet, 6);
		ss22_udp_drop(&u);
	}
}

static void server_packets_open_once(void **state)
{
	struct vec v;

	(void)state;
	for (vec_open(&v, "ss2022.txt"); vec_next(&v);) {
		struct ss22_udp_key peer[2] = { 0 };
		struct ss22_udp_head h = { .from_server = true };
		uint8_t want[512], in[512];
		struct iovec pkt = { in, 0 };
		struct wire_packet pk;
		struct ss22_psk_key k;
		size_t n;

		if (!strcmp(v.field[5], "-"))
			continue;
		n = hex_get(v.field[5], want, sizeof(want));
		ss22_psk_parse(&k, ss_method_find(v.field[0]), v.field[1]);
		for (pkt.iov_len = 0; pkt.iov_len < n; pkt.iov_len++) {
			memcpy(in, want, n);
			assert_int_equal(
				ss22_udp_decode(peer, &k, &pkt, &h, &pk),
				-EPROTO);
		}
		assert_false(peer[0].live);
		memcpy(in, want, n);
		assert_int_equal(ss22_udp_decode(peer, &k, &pkt, &h, &pk), 0);
		assert_int_equal(h.time_s, NOW);
		assert_memory_equal(h.client, "\1\2\3\4\5\6\7\10", 8);
		assert_string_equal(pk.peer.name, "example.com");
		assert_int_equal(pk.len, 4);
		assert_memory_equal(pk.data, "pong", 4);
		memcpy(in, want, n);
		assert_int_equal(ss22_udp_decode(peer, &k, &pkt, &h, &pk),
				 -EALREADY);
		ss22_udp_drop(&peer[0]);
		ss22_udp_drop(&peer[1]);
	}
}

/* "iPSK:uPSK" of a vector as a server of several users has it */
static bool several(const struct vec *v, struct ss22_psk_key *server,
		    struct ss22_psk_key *user)
{
	const struct ss_method *m = ss_method_find(v->field[0]);
	struct ss22_psk_key both;

	assert_int_equal(ss22_psk_parse(&both, m, v->field[1]), 0);
	if (both.count != 2)
		return false;
	*server = *user = both;
	server->count = user->count = 1;
	memcpy(user->psk[0], both.psk[1], SS_KEY_MAX);
	return true;
}

static void a_server_of_several_users_knows_whose_request_it_is(void **state)
{
	int count = 0;
	struct vec v;

	(void)state;
	for (vec_open(&v, "ss2022.txt"); vec_next(&v);) {
		uint8_t want[1024], in[1024], mine[16], shown[16], *data;
		struct ss22_psk_key server, user;
		size_t n = hex_get(v.field[2], want, sizeof(want)), len;
		struct ss22_request rq;
		struct ss_flow_key up;
		ssize_t used;

		if (!several(&v, &server, &user))
			continue;
		count++;
		ss22_user_hash(&user, mine);
		len = (size_t)server.method->key_len + 16;
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(ss22_request_identity(&server, want,
							       cut, shown),
					 0);
		assert_int_equal(
			ss22_request_identity(&server, want, len, shown), 1);
		assert_memory_equal(shown, mine, 16);
		for (size_t cut = len; cut < n - 39; cut++) {
			memcpy(in, want, n);
			assert_int_equal(ss22_user_request_decode(
						 &user, in, cut, NOW, &rq, &up),
					 0);
		}
		memcpy(in, want, n);
		assert_int_equal(
			ss22_user_request_decode(&server, in, n, NOW, &rq, &up),
			-EPROTO);
		memcpy(in, want, n);
		used = ss22_user_request_decode(&user, in, n, NOW, &rq, &up);
		assert_int_equal(used, n - 39);
		assert_string_equal(rq.to.name, "example.com");
		assert_memory_equal(rq.data, "hello", 5);
		assert_int_equal(ss_open(&up, in + used, 39, &data, &len), 39);
		assert_memory_equal(data, "world", 5);
		ss_flow_drop(&up);
	}
	assert_true(count >= 2);
}

static void a_server_of_several_users_knows_whose_packet_it_is(void **state)
{
	int count = 0;
	struct vec v;

	(void)state;
	for (vec_open(&v, "ss2022.txt"); vec_next(&v);) {
		struct ss22_udp_head h = { .from_server = false };
		struct ss22_udp_key peer[2] = { 0 };
		uint8_t want[512], in[512], mine[16], shown[16];
		struct iovec pkt = { in, 0 };
		struct ss22_psk_key server, user;
		struct wire_packet pk;
		size_t n;

		if (!several(&v, &server, &user))
			continue;
		count++;
		n = hex_get(v.field[4], want, sizeof(want));
		ss22_user_hash(&user, mine);
		for (pkt.iov_len = 0; pkt.iov_len < n; pkt.iov_len++) {
			memcpy(in, want, n);
			assert_int_equal(ss22_udp_user_decode(peer, &server,
							      &user, &pkt, &h,
							      &pk),
					 -EPROTO);
		}
		pkt.iov_len = 47;
		assert_int_equal(ss22_udp_identity(&server, &pkt, shown),
				 -EPROTO);
		pkt.iov_len = n;
		memcpy(in, want, n);
		assert_int_equal(ss22_udp_identity(&server, &pkt, shown), 0);
		assert_memory_equal(shown, mine, 16);
		assert_memory_equal(in, want, n);
		assert_int_equal(ss22_udp_user_decode(peer, &server, &user,
						      &pkt, &h, &pk),
				 0);
		assert_string_equal(pk.peer.name, "example.com");
		assert_int_equal(pk.len, 4);
		assert_memory_equal(pk.data, "ping", 4);
		memcpy(in, want, n);
		assert_int_equal(ss22_udp_user_decode(peer, &server, &user,
						      &pkt, &h, &pk),
				 -EALREADY);
		ss22_udp_drop(&peer[0]);
	}
	assert_true(count >= 2);
}

/* One packet with id @id of @from, given to @peer */
static int pass(struct ss22_udp_key *from, uint64_t id,
		struct ss22_udp_key peer[2], const struct ss22_psk_key *k)
{
	struct ss22_udp_head h = { .time_s = NOW };
	struct wire_packet pk = { .peer = addr_name("a.b", 3, 1),
				  .data = (const uint8_t *)"",
				  .len = 0 };
	uint8_t buf[256];
	struct iovec v = { buf, 0 };
	ssize_t n;

	from->packet = id;
	memset(h.random, (int)id, sizeof(h.random));
	n = ss22_udp_encode(from, k, &h, &pk, buf, sizeof(buf));
	assert_true(n > 0);
	v.iov_len = (size_t)n;
	return ss22_udp_decode(peer, k, &v, &h, &pk);
}

static void the_window_takes_each_packet_once_in_any_order(void **state)
{
	static const char *const name[] = { "2022-blake3-aes-128-gcm",
					    "2022-blake3-chacha20-poly1305" };
	static const char *const pw[] = {
		"AAECAwQFBgcICQoLDA0ODw==",
		"AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8="
	};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct ss22_udp_key a, b, peer[2] = { 0 };
		struct ss22_psk_key k;

		assert_int_equal(
			ss22_psk_parse(&k, ss_method_find(name[i]), pw[i]), 0);
		ss22_udp_set(&a, &k, (const uint8_t *)"sessionA");
		ss22_udp_set(&b, &k, (const uint8_t *)"sessionB");
		assert_int_equal(pass(&a, 3, peer, &k), 0);
		assert_int_equal(pass(&a, 0, peer, &k), 0);
		assert_int_equal(pass(&a, 0, peer, &k), -EALREADY);
		assert_int_equal(pass(&a, 1026, peer, &k), 0);
		assert_int_equal(pass(&a, 3, peer, &k), -EALREADY);
		assert_int_equal(pass(&a, 2, peer, &k), -EALREADY); /* old */
		assert_int_equal(pass(&a, 4, peer, &k), 0);
		assert_int_equal(pass(&a, 1025, peer, &k), 0);
		assert_int_equal(pass(&a, 1025, peer, &k), -EALREADY);
		assert_int_equal(pass(&a, 1u << 30, peer, &k), 0);
		assert_int_equal(pass(&a, 1026, peer, &k), -EALREADY);
		assert_int_equal(pass(&a, (1u << 30) - 1023, peer, &k), 0);
		/* a new session; the old one is still heard */
		assert_int_equal(pass(&b, 0, peer, &k), 0);
		assert_memory_equal(peer[0].session, "sessionB", 8);
		assert_int_equal(pass(&a, (1u << 30) + 1, peer, &k), 0);
		assert_int_equal(pass(&a, (1u << 30) + 1, peer, &k), -EALREADY);
		ss22_udp_drop(&a);
		ss22_udp_drop(&b);
		ss22_udp_drop(&peer[0]);
		ss22_udp_drop(&peer[1]);
	}
}

static void passwords_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"AAECAwQFBgcICQoLDA0O",
		"not base64 at all!!!!!!!!",
		"AAECAwQFBgcICQoLDA0ODw==:",
		":AAECAwQFBgcICQoLDA0ODw==",
		"AAECAwQFBgcICQoLDA0ODxA=",
		"AAECAwQFBgcICQoLDA0ODw==:AAECAwQFBgcICQoLDA0ODw==:"
		"AAECAwQFBgcICQoLDA0ODw==:AAECAwQFBgcICQoLDA0ODw==:"
		"AAECAwQFBgcICQoLDA0ODw==",
	};
	const struct ss_method *m = ss_method_find("2022-blake3-aes-128-gcm");
	struct ss22_psk_key k;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(ss22_psk_parse(&k, m, bad[i]), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_those_of_the_vectors),
		cmocka_unit_test(a_request_is_read_once_complete),
		cmocka_unit_test(responses_belong_to_their_request),
		cmocka_unit_test(client_packets_are_those_of_the_vectors),
		cmocka_unit_test(server_packets_open_once),
		cmocka_unit_test(
			the_window_takes_each_packet_once_in_any_order),
		cmocka_unit_test(passwords_that_are_none_are_refused),
		cmocka_unit_test(
			a_server_of_several_users_knows_whose_request_it_is),
		cmocka_unit_test(
			a_server_of_several_users_knows_whose_packet_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
