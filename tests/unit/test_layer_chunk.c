/* test_layer_chunk.c - Sealed streams: a client and a server of ours, and rogues */
#include "layer_rig.h"

#include "gateway/base/base64.h"
#include "gateway/base/rand.h"
#include "proxy/layer/room.h"
#include "proxy/layer/ss_stream.h"
#include "proxy/layer/vmess_stream.h"

#define BULK (300u << 10)

/* What the server understood first, by hand: the codecs have their own tests */
static struct stream *server_ss(struct rig *r, const struct ss_secret_key *k,
				uint8_t *p, size_t n, struct stream *below)
{
	struct ss_request_key rq = { .salt = { 0 } };
	struct ss22_request req;
	struct iovec rest;
	uint8_t *data;
	size_t len = 0, salt = k->method->key_len;
	ssize_t used;

	if (k->method->v2022) {
		used = ss22_request_decode(
			&k->psk, p, n, (uint64_t)clock_wall(), &req, &rq.rx);
		assert_true(used > 0);
		memcpy(rq.salt, req.salt, sizeof(rq.salt));
		assert_memory_equal(req.to.name, "web.test", 8);
	} else {
		assert_int_equal(ss_flow_set(&rq.rx, k->method, k->master, p),
				 0);
		used = ss_open(&rq.rx, p + salt, n - salt, &data, &len);
		assert_true(used > 0);
		assert_memory_equal(data, "\3\10web.test\1\273", 12);
		used += (ssize_t)salt;
	}
	rest = (struct iovec){ p + used, n - (size_t)used };
	return ss_server(k, &rq, &r->l.w, below, &rest);
}

static struct stream *client_ss(struct rig *r, const struct ss_secret_key *k)
{
	struct addr to = addr_name("web.test", 8, 443);
	struct stream *s = ss_client(k, &to, &r->l.w, r->below, 1);

	assert_non_null(s);
	return s;
}

static void secret(struct ss_secret_key *k, const char *method)
{
	const struct ss_method *m = ss_method_find(method);
	static const char k16[] = "AAECAwQFBgcICQoLDA0ODw==";
	static const char k32[] =
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

	memset(k, 0, sizeof(*k));
	assert_non_null(m);
	assert_int_equal(ss_secret_set(k, m,
				       !m->v2022        ? "pw" :
				       m->key_len == 16 ? k16 :
							  k32),
			 0);
}

/* @from says BULK bytes, @to reads them in odd pieces, and then the end */
static void bulk(struct rig *r, struct stream *from, struct stream *to)
{
	static uint8_t out[BULK], in[BULK + 1];
	size_t sent = 0, got = 0;
	ssize_t n;

	rand_bytes(out, sizeof(out));
	while (got < BULK) {
		if (sent < BULK) {
			n = stream_write(from, out + sent, BULK - sent);
			if (n > 0)
				sent += (size_t)n;
			else
				assert_int_equal(n, -EAGAIN);
		} else { /* what waits goes out with the end */
			n = from->ops->finish(from);
			assert_true(n == 0 || n == -EAGAIN);
		}
		worker_tick(&r->l.w, 0);
		while ((n = stream_read(to, in + got, 1 + got % 5000)) > 0) {
			got += (size_t)n;
			assert_true(got <= BULK);
		}
		if (n)
			assert_int_equal(n, -EAGAIN);
	}
	assert_memory_equal(in, out, BULK);
	while ((n = from->ops->finish(from)) == -EAGAIN)
		worker_tick(&r->l.w, 0);
	assert_int_equal(n, 0);
	worker_tick(&r->l.w, 0);
	assert_int_equal(stream_read(to, in, 1), 0);
}

/* Idle flows hold no buffer: all are back in the pool */
static void assert_idle(struct rig *r)
{
	assert_int_equal(layer_room(&r->l.w)->in.live_count, 0);
}

static void shadowsocks_both_ways(void **state)
{
	static const char *const methods[] = {
		"aes-128-gcm",
		"aes-256-gcm",
		"chacha20-ietf-poly1305",
		"xchacha20-ietf-poly1305",
		"2022-blake3-aes-128-gcm",
		"2022-blake3-aes-256-gcm",
		"2022-blake3-chacha20-poly1305",
	};
	uint8_t first[4096];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		struct ss_secret_key k, theirs;
		struct stream *sbelow, *server;
		struct rig r;
		ssize_t n;

		rig_begin(&r);
		secret(&k, methods[i]);
		r.st = client_ss(&r, &k);
		assert_false(r.st->ops->up(r.st));
		/* a server-first protocol: the head goes alone */
		assert_int_equal(stream_read(r.st, first, 1), -EAGAIN);
		assert_true(r.st->ops->up(r.st));
		n = far_hear(&r, first, sizeof(first));
		assert_true(n > 0);
		sbelow = fd_stream_new(&r.l.w, r.far, &r.l.job, false);
		assert_non_null(sbelow);
		r.far = -1;
		theirs = k;
		server = server_ss(&r, &theirs, first, (size_t)n, sbelow);
		assert_non_null(server);
		/* the API takes the user away before the answer begins */
		memset(&theirs, 0xee, sizeof(theirs));
		worker_tick(&r.l.w, 0);
		bulk(&r, server, r.st);
		bulk(&r, r.st, server);
		assert_idle(&r);
		stream_close(&server, 0);
		rig_end(&r);
	}
}

static void address_and_payload_leave_together(void **state)
{
	struct ss_secret_key k;
	uint8_t got[4096], *data;
	struct ss_flow_key rx;
	size_t len = 0;
	struct rig r;
	ssize_t n;

	(void)state;
	rig_begin(&r);
	secret(&k, "aes-128-gcm");
	r.st = client_ss(&r, &k);
	assert_int_equal(stream_write(r.st, "hello", 5), 5);
	n = far_hear(&r, got, sizeof(got));
	assert_int_equal(n, 16 + SS_CHUNK_EXTRA + 12 + 5);
	assert_int_equal(ss_flow_set(&rx, k.method, k.master, got), 0);
	assert_true(ss_open(&rx, got + 16, (size_t)n - 16, &data, &len) > 0);
	assert_int_equal(len, 17);
	assert_memory_equal(data + 12, "hello", 5);
	ss_flow_drop(&rx);
	rig_end(&r);
}

/* The response of a server, @n bytes of it; then @cut ends the connection */
static int answer(struct ss_secret_key *k, size_t n, int flip, bool cut)
{
	uint8_t out[128], got[64];
	struct ss_flow_key tx;
	struct rig r;
	ssize_t rc;

	rig_begin(&r);
	r.st = client_ss(&r, k);
	assert_int_equal(stream_write(r.st, "x", 1), 1);
	memset(out, 7, 16);
	assert_int_equal(ss_flow_set(&tx, k->method, k->master, out), 0);
	assert_int_equal(ss_seal(&tx, (const uint8_t *)"hello", 5, out + 16,
				 sizeof(out) - 16),
			 39);
	ss_flow_drop(&tx);
	if (flip >= 0)
		out[flip] ^= 1;
	if (n)
		far_say(&r, out, n);
	if (cut)
		far_end(&r);
	rc = stream_read(r.st, got, sizeof(got));
	if (rc == 5)
		assert_memory_equal(got, "hello", 5);
	if (rc < 0 && rc != -EAGAIN) { /* and stays so */
		assert_int_equal(stream_write(r.st, "y", 1), rc);
		assert_false(r.st->ops->up(r.st));
	}
	rig_end(&r);
	return (int)rc;
}

/* @n of the response's bytes, then a write fails: all that can be opened is read */
static void answered_and_gone(const struct ss_secret_key *k, size_t n)
{
	uint8_t out[16 + 100 * 39], got[600];
	struct ss_flow_key tx;
	size_t at = 16, have = 0;
	struct rig r;
	ssize_t rc;

	rig_begin(&r);
	r.st = client_ss(&r, k);
	assert_int_equal(stream_write(r.st, "x", 1), 1);
	memset(out, 7, 16);
	assert_int_equal(ss_flow_set(&tx, k->method, k->master, out), 0);
	for (; at < sizeof(out); at += 39)
		assert_int_equal(ss_seal(&tx, (const uint8_t *)"hello", 5,
					 out + at, sizeof(out) - at),
				 39);
	ss_flow_drop(&tx);
	assert_true(far_hear(&r, got, sizeof(got)) > 0);
	assert_int_equal(send(r.far, out, n, MSG_NOSIGNAL), (ssize_t)n);
	far_gone(&r);
	assert_false(r.st->ops->up(r.st));
	while ((rc = stream_read(r.st, got + have, 3)) > 0)
		have += (size_t)rc;
	assert_int_equal(rc, -EPIPE);
	assert_int_equal(have, n < 16 ? 0 : (n - 16) / 39 * 5);
	for (size_t i = 0; i < have; i++)
		assert_int_equal(got[i], "hello"[i % 5]);
	/* and stays so, without work: it costs the owner no turns */
	assert_int_equal(stream_read(r.st, got, 1), -EPIPE);
	assert_int_equal(stream_write(r.st, "y", 1), -EPIPE);
	assert_int_equal(r.st->ops->finish(r.st), -EPIPE);
	assert_idle(&r);
	rig_end(&r);
}

static void what_can_be_opened_is_read_before_a_failed_write(void **state)
{
	struct ss_secret_key k;

	(void)state;
	secret(&k, "aes-128-gcm");
	for (size_t n = 1; n < 200; n++)
		answered_and_gone(&k, n);
	answered_and_gone(&k, 16 + 100 * 39);
}

static void a_cut_response_is_an_error_at_any_byte(void **state)
{
	struct ss_secret_key k;

	(void)state;
	secret(&k, "aes-128-gcm");
	for (size_t n = 0; n < 55; n++) {
		assert_int_equal(answer(&k, n, -1, false), -EAGAIN);
		/* a salt alone is whole: nothing was promised yet */
		assert_int_equal(answer(&k, n, -1, true),
				 n == 16 ? 0 : -ECONNRESET);
	}
	assert_int_equal(answer(&k, 55, -1, true), 5);
}

static void a_changed_byte_is_an_error_wherever_it_is(void **state)
{
	struct ss_secret_key k;

	(void)state;
	secret(&k, "aes-128-gcm");
	for (int i = 0; i < 55; i++)
		assert_int_equal(answer(&k, 55, i, false), -EPROTO);
}

static void less_than_a_chunk_waits_in_a_buffer_of_its_size(void **state)
{
	struct ss_secret_key k;
	uint8_t salt[20] = { 0 }, got[8];
	struct rig r;

	(void)state;
	rig_begin(&r);
	secret(&k, "aes-128-gcm");
	r.st = client_ss(&r, &k);
	far_say(&r, salt, sizeof(salt));
	assert_int_equal(stream_read(r.st, got, sizeof(got)), -EAGAIN);
	assert_idle(&r);
	rig_end(&r);
}

/* --- vmess -------------------------------------------------------------------- */

static void vmess_both_ways(void **state)
{
	static const uint8_t securities[] = { VMESS_AES_128_GCM,
					      VMESS_CHACHA20_POLY1305,
					      VMESS_NONE };
	static const uint8_t id[16] = { 1, 2, 3 };
	uint8_t first[1024];

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(securities); i++) {
		struct vmess_want v = { .command = VMESS_TCP,
					.security = securities[i / 2],
					.to = addr_of("192.0.2.1", 80) };
		struct stream *sbelow, *server;
		struct vmess_user_key user;
		struct vmess_request rq;
		struct iovec rest;
		struct rig r;
		ssize_t n, used;
		bool raw;

		rig_begin(&r);
		assert_int_equal(vmess_user_set(&user, id), 0);
		vmess_want_options(&v, i % 2);
		if (v.security == VMESS_NONE) /* of other clients than ours */
			v.options = VMESS_OPT_CHUNK | VMESS_OPT_MASK;
		assert_int_equal(
			vmess_client(&user, &v, &r.l.w, r.below, 1, &r.st), 0);
		assert_int_equal(stream_read(r.st, first, 1), -EAGAIN);
		n = far_hear(&r, first, sizeof(first));
		assert_true(n > 0);
		used = vmess_request_decode(&user, first, (size_t)n, &rq);
		assert_int_equal(used, n);
		sbelow = fd_stream_new(&r.l.w, r.far, &r.l.job, false);
		r.far = -1;
		rest = (struct iovec){ first + used, 0 };
		assert_int_equal(
			vmess_server(&rq, &r.l.w, sbelow, &rest, &server, &raw),
			0);
		assert_false(raw);
		worker_tick(&r.l.w, 0);
		bulk(&r, server, r.st);
		bulk(&r, r.st, server);
		assert_idle(&r);
		stream_close(&server, 0);
		rig_end(&r);
	}
}

/* A layer between vmess and the socket, which counts and may be full */
struct middle {
	struct stream s;
	int finished;
	bool full;
	bool holds; /* it took, and has not passed on */
};

static struct middle *middle_of(struct stream *s)
{
	return container_of(s, struct middle, s);
}

static ssize_t middle_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	return s->below->ops->readv(s->below, iov, cnt);
}

static ssize_t middle_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	if (middle_of(s)->full || (middle_of(s)->holds && !cnt))
		return -EAGAIN;
	return s->below->ops->writev(s->below, iov, cnt);
}

static void middle_want(struct stream *s, unsigned int events)
{
	s->below->ops->want(s->below, events);
}

static bool middle_up(const struct stream *s)
{
	(void)s;
	return true;
}

static int middle_finish(struct stream *s)
{
	middle_of(s)->finished++;
	return s->below->ops->finish(s->below);
}

static void middle_close(struct stream *s, int why)
{
	stream_close(&s->below, why);
}

static const struct stream_ops middle_ops = { .name = "middle",
					      .readv = middle_readv,
					      .writev = middle_writev,
					      .want = middle_want,
					      .up = middle_up,
					      .finish = middle_finish,
					      .close = middle_close };

/* The terminator says it: the layer below is not ended, but must hold nothing */
static void an_end_in_the_body_is_not_told_below_again(void **state)
{
	static const uint8_t id[16] = { 1, 2, 3 };
	struct vmess_want v = { .command = VMESS_TCP,
				.security = VMESS_AES_128_GCM,
				.to = addr_of("192.0.2.1", 80) };
	struct vmess_user_key user;
	uint8_t got[1024];

	(void)state;
	for (int silent = 0; silent < 2; silent++) {
		struct middle m = { .s.ops = &middle_ops };
		struct rig r;

		rig_begin(&r);
		m.s.below = r.below;
		m.s.job = &r.l.job;
		assert_int_equal(vmess_user_set(&user, id), 0);
		v.no_end = silent;
		assert_int_equal(
			vmess_client(&user, &v, &r.l.w, &m.s, 1, &r.st), 0);
		assert_int_equal(stream_write(r.st, "a", 1), 1);
		assert_true(far_hear(&r, got, sizeof(got)) > 0);
		m.full = true;
		if (!silent)
			assert_int_equal(r.st->ops->finish(r.st), -EAGAIN);
		m.full = false;
		assert_int_equal(r.st->ops->finish(r.st), 0);
		assert_int_equal(m.finished, silent);
		/* the terminator, or the end of the connection */
		assert_int_equal(far_hear(&r, got, sizeof(got)) > 0, !silent);
		rig_end(&r);
	}
}

/* Who looks only when the socket is full must not take it for a handshake */
static void once_up_it_stays_up(void **state)
{
	static const uint8_t id[16] = { 1, 2, 3 };
	struct vmess_want v = { .command = VMESS_TCP,
				.security = VMESS_AES_128_GCM,
				.to = addr_of("192.0.2.1", 80) };
	struct middle m = { .s.ops = &middle_ops };
	struct vmess_user_key user;
	uint8_t got[1024];
	struct rig r;

	(void)state;
	rig_begin(&r);
	m.s.below = r.below;
	m.s.job = &r.l.job;
	assert_int_equal(vmess_user_set(&user, id), 0);
	assert_int_equal(vmess_client(&user, &v, &r.l.w, &m.s, 1, &r.st), 0);
	m.full = true; /* the head waits: not yet */
	assert_int_equal(stream_write(r.st, "a", 1), 1);
	assert_false(r.st->ops->up(r.st));
	m.full = false;
	assert_int_equal(stream_write(r.st, "b", 1), 1);
	m.full = true;
	assert_int_equal(stream_write(r.st, "c", 1), 1);
	assert_int_equal(stream_write(r.st, "d", 1), -EAGAIN);
	assert_true(r.st->ops->up(r.st));
	m.full = false;
	assert_true(far_hear(&r, got, sizeof(got)) > 0);
	rig_end(&r);
}

/* Who asks whether the last bytes are gone must not close over a full TLS */
static void what_a_layer_below_holds_waits(void **state)
{
	static const uint8_t id[16] = { 1, 2, 3 };
	struct vmess_want v = { .command = VMESS_TCP,
				.security = VMESS_AES_128_GCM,
				.to = addr_of("192.0.2.1", 80) };
	struct middle m = { .s.ops = &middle_ops };
	struct vmess_user_key user;
	struct rig r;

	(void)state;
	rig_begin(&r);
	m.s.below = r.below;
	m.s.job = &r.l.job;
	assert_int_equal(vmess_user_set(&user, id), 0);
	assert_int_equal(vmess_client(&user, &v, &r.l.w, &m.s, 1, &r.st), 0);
	assert_int_equal(stream_write(r.st, "a", 1), 1);
	assert_int_equal(stream_settled(r.st), 0);
	m.holds = true;
	assert_int_equal(stream_write(r.st, "b", 1), 1);
	assert_int_equal(stream_settled(r.st), -EAGAIN);
	m.holds = false;
	assert_int_equal(stream_settled(r.st), 0);
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shadowsocks_both_ways),
		cmocka_unit_test(address_and_payload_leave_together),
		cmocka_unit_test(
			what_can_be_opened_is_read_before_a_failed_write),
		cmocka_unit_test(a_cut_response_is_an_error_at_any_byte),
		cmocka_unit_test(a_changed_byte_is_an_error_wherever_it_is),
		cmocka_unit_test(
			less_than_a_chunk_waits_in_a_buffer_of_its_size),
		cmocka_unit_test(vmess_both_ways),
		cmocka_unit_test(an_end_in_the_body_is_not_told_below_again),
		cmocka_unit_test(what_a_layer_below_holds_waits),
		cmocka_unit_test(once_up_it_stays_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
