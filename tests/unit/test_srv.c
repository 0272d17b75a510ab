/*
 * test_srv.c - Servers of proxy protocols: whose key it is, silence, where a
 * stranger goes, packets
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "loop.h"

#include "conf_text.h"
#include "fake_ends.h"
#include "gateway/core/udp_int.h"
#include "proxy/in/srv.h"

#define TEXT(s) s, sizeof(s) - 1
#define DESTS   8

/**
 * struct server - An inbound, a client of it, and sockets its fallbacks lead to
 */
struct server {
	struct loop l;
	struct diag d;
	struct config *cfg;
	struct session *s;
	struct fake in;
	int dest[DESTS];
};

static struct stream_hello hello;

static void in_hello(struct stream *s, struct stream_hello *out)
{
	(void)s;
	*out = hello;
}

static struct stream_ops in_ops;

/* An abstract socket @culvert-PID-I */
static int dest_open(int i)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int n = snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1,
			 "culvert-%d-%d", (int)getpid(), i);

	assert_true(fd >= 0);
	assert_int_equal(
		bind(fd, (struct sockaddr *)&a,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				 (size_t)n)),
		0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

/* "#0" in @settings: the name of socket 0 */
static void begin(struct server *v, const char *protocol, const char *settings)
{
	char text[4096], filled[3000];

	memset(v, 0, sizeof(*v));
	memset(&hello, 0, sizeof(hello));
	loop_init(&v->l);
	for (int i = 0; i < DESTS; i++)
		v->dest[i] = dest_open(i);
	diag_init(&v->d);
	filled[0] = '\0';
	for (const char *p = settings, *at; *p; p = at + 1) {
		at = strchrnul(p, '#');
		snprintf(filled + strlen(filled),
			 sizeof(filled) - strlen(filled), "%.*s", (int)(at - p),
			 p);
		if (!*at)
			break;
		snprintf(filled + strlen(filled),
			 sizeof(filled) - strlen(filled), "@culvert-%d-",
			 (int)getpid());
	}
	snprintf(text, sizeof(text),
		 "{\"outbounds\":[{\"protocol\":\"freedom\"}],\"inbounds\":["
		 "{\"port\":1,\"protocol\":\"%s\",\"settings\":{%s}}]}",
		 protocol, filled);
	v->cfg = conf_text(&v->d, text, NULL);
	if (!v->cfg)
		fail_msg("%s", diag_text(&v->d, false));
	in_ops = fake_ops;
	in_ops.hello = in_hello;
	v->in.s.ops = &in_ops;
	v->in.up = true;
	worker_tick(&v->l.w, 0);
	v->s = ses_new(&v->l.w, v->cfg->inbounds[0], NET_TCP, &v->in.s);
	assert_non_null(v->s);
	v->s->source = addr_of("192.0.2.9", 4000);
	v->s->local = addr_of("192.0.2.1", 443);
}

static int greet(struct server *v)
{
	return v->cfg->inbounds[0]->ops->greet(v->s);
}

static void end(struct server *v)
{
	struct list *p, *next;

	list_for_each_safe (p, next, &v->l.w.maps)
		udp_map_kill(container_of(p, struct udp_map, node), 0);
	ses_kill(v->s, 0, 2);
	worker_tick(&v->l.w, 0);
	assert_true(v->in.closed);
	for (int i = 0; i < DESTS; i++)
		close(v->dest[i]);
	config_unref(v->cfg);
	diag_free(&v->d);
	loop_fini(&v->l);
}

/* Which socket was dialled; the connection in *@fd. -1 none */
static int dialled(struct server *v, int *fd)
{
	for (int i = 0; i < DESTS; i++) {
		*fd = accept(v->dest[i], NULL, NULL);
		if (*fd >= 0)
			return i;
	}
	return -1;
}

/* --- where a stranger goes ----------------------------------------------------------- */

#define FALLBACKS \
	"\"clients\":[{\"password\":\"p\"}],\"fallbacks\":[" \
	"{\"dest\":\"#0\"},{\"path\":\"/a\",\"dest\":\"#1\"}," \
	"{\"alpn\":\"h2\",\"dest\":\"#2\"}," \
	"{\"name\":\"A.test\",\"dest\":\"#3\"}," \
	"{\"name\":\"a.test\",\"alpn\":\"h2\",\"path\":\"/a\"," \
	"\"dest\":\"#4\"},{\"path\":\"/b\",\"dest\":\"#0\"}," \
	"{\"path\":\"/b\",\"dest\":\"#5\"}," \
	"{\"path\":\"/v1\",\"dest\":\"#6\",\"xver\":1}]"

/* Said by a stranger whose TLS asked for @name and @alpn: goes to @dest */
static const struct stranger {
	const char *name, *alpn, *say;
	int dest;
} strangers[] = {
	{ "", "", "GET / HTTP/1.1\r\n\r\n", 0 },
	{ "", "", "GET /a HTTP/1.1\r\n\r\n", 1 },
	{ "", "", "GET /a?q=/b HTTP/1.1\r\n\r\n", 1 },
	{ "", "", "GET /ab HTTP/1.1\r\n\r\n", 0 },
	{ "", "", "GET /A HTTP/1.1\r\n\r\n", 0 },
	{ "", "", "GET /b HTTP/1.1\r\n\r\n", 5 },
	{ "", "", "PROPFIND /a HTTP/1.1\r\n\r\n", 1 },
	{ "", "", "PROPPATCH /a HTTP/1.1\r\n\r\n", 0 }, /* not looked at */
	{ "", "", "SSH-2.0-OpenSSH_9.2p1\r\n", 0 },
	{ "", "", "\x16\x03\x01\x02\x00\x01", 0 },
	{ "", "", "GET /a", 0 }, /* where it ends is not known */
	{ "", "h2", "GET / HTTP/1.1\r\n\r\n", 2 },
	{ "", "h2", "GET /a HTTP/1.1\r\n\r\n", 1 }, /* a path weighs more */
	{ "a.test", "", "GET / HTTP/1.1\r\n\r\n", 3 },
	{ "www.a.test", "", "GET / HTTP/1.1\r\n\r\n", 3 },
	{ "b.test", "", "GET / HTTP/1.1\r\n\r\n", 0 },
	{ "a.test", "h2", "GET /a HTTP/1.1\r\n\r\n", 4 },
	{ "a.test", "http/1.1", "GET /a HTTP/1.1\r\n\r\n", 1 },
	{ "a.test", "h2", "GET /c HTTP/1.1\r\n\r\n", 3 },
};

static void each_stranger_goes_where_the_entries_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(strangers); i++) {
		const struct stranger *x = &strangers[i];
		struct server v;
		int fd, got;

		begin(&v, "trojan", FALLBACKS);
		snprintf(hello.name, sizeof(hello.name), "%s", x->name);
		snprintf(hello.alpn, sizeof(hello.alpn), "%s", x->alpn);
		fake_say(&v.in, x->say, strlen(x->say));
		/* a head may go on: what is too short to be one waits */
		for (got = greet(&v); got == -EAGAIN; got = greet(&v))
			fake_say(&v.in, "................", 16);
		assert_int_equal(got, 0);
		got = dialled(&v, &fd);
		if (got != x->dest)
			fail_msg("%s %s %s: %d, want %d", x->name, x->alpn,
				 x->say, got, x->dest);
		/* all that was said goes along */
		assert_non_null(v.s->half[UP].early);
		assert_memory_equal(buf_head(v.s->half[UP].early), x->say,
				    strlen(x->say));
		close(fd);
		end(&v);
	}
}

static void the_fallback_is_told_who_the_client_is(void **state)
{
	struct server v;
	char got[200];
	ssize_t n;
	int fd;

	(void)state;
	begin(&v, "trojan", FALLBACKS);
	fake_say(&v.in, TEXT("GET /v1 HTTP/1.1\r\nHost: a\r\n\r\n"
			     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
	assert_int_equal(greet(&v), 0);
	assert_int_equal(dialled(&v, &fd), 6);
	stream_set_job(v.s->out, &v.l.job);
	v.s->out->ops->want(v.s->out, ST_WRITE);
	worker_tick(&v.l.w, 0);
	assert_int_equal(stream_write(v.s->out, "GET", 3), 3);
	n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	got[n] = '\0';
	assert_string_equal(got,
			    "PROXY TCP4 192.0.2.9 192.0.2.1 4000 443\r\nGET");
	close(fd);
	end(&v);
}

static void nobody_at_the_fallback_is_silence(void **state)
{
	struct server v;

	(void)state;
	begin(&v, "trojan", FALLBACKS);
	close(v.dest[0]);
	v.dest[0] = dup(0);
	fake_say(&v.in, TEXT("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
			     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
	assert_int_equal(greet(&v), -EAGAIN);
	assert_int_equal(v.in.tx_len, 0);
	assert_null(v.s->out);
	end(&v);
}

/* --- silence ------------------------------------------------------------------------- */

static void who_has_no_key_hears_nothing_whatever_comes(void **state)
{
	static const char *const kinds[][2] = {
		{ "trojan", "\"clients\":[{\"password\":\"p\"}]" },
		{ "vless", "\"decryption\":\"none\",\"clients\":[{\"id\":"
			   "\"00000000-0000-0000-0000-000000000001\"}]" },
		{ "vmess", "\"clients\":[{\"id\":"
			   "\"00000000-0000-0000-0000-000000000001\"}]" },
		{ "shadowsocks", "\"method\":\"aes-128-gcm\","
				 "\"password\":\"p\"" },
		{ "shadowsocks", "\"method\":\"2022-blake3-aes-128-gcm\","
				 "\"password\":\"AAAAAAAAAAAAAAAAAAAAAA==\"" },
	};
	char noise[FAKE_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)(i * 31 + 7);
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct server v;

		begin(&v, kinds[k][0], kinds[k][1]);
		/* far more than any head: it is swallowed, not kept */
		for (int i = 0; i < 20; i++) {
			fake_say(&v.in, noise, sizeof(noise));
			assert_int_equal(greet(&v), -EAGAIN);
			assert_int_equal(v.in.rx_len, 0);
		}
		assert_int_equal(v.in.tx_len, 0);
		assert_false(v.in.closed || v.in.fin);
		fake_end(&v.in);
		assert_int_equal(greet(&v), -ECONNRESET);
		end(&v);
	}
}

/* --- users and packets --------------------------------------------------------------- */

#define ID "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define VLESS \
	"\"decryption\":\"none\",\"clients\":[" \
	"{\"id\":\"00000000-0000-0000-0000-000000000001\"}," \
	"{\"id\":\"00000000-0000-0000-0000-000000000002\"," \
	"\"email\":\"second\"}]"

/* A whole request, in two pieces at each place */
static void the_user_is_who_has_the_key(void **state)
{
	static const char rq[] = "\0" ID "\2\0\1\1\273\2\6a.testdata";

	(void)state;
	for (size_t cut = 1; cut < sizeof(rq) - 1; cut++) {
		struct server v;

		begin(&v, "vless", VLESS);
		fake_say(&v.in, rq, cut);
		if (greet(&v) == -EAGAIN) {
			fake_say(&v.in, rq + cut, sizeof(rq) - 1 - cut);
			assert_int_equal(greet(&v), 0);
		}
		assert_string_equal(v.s->user, "second");
		assert_string_equal(v.s->target.name, "a.test");
		assert_int_equal(v.s->target.port, 443);
		end(&v);
	}
}

/* Bytes 6 and 7 are the client's own, all others count */
static void every_byte_of_an_id_counts_but_two(void **state)
{
	char rq[] = "\0" ID "\1\0\1\1\273\2\6a.testdata";

	(void)state;
	for (int i = 0; i < 16; i++) {
		struct server v;

		begin(&v, "vless", VLESS);
		rq[1 + i] ^= 4;
		fake_say(&v.in, rq, sizeof(rq) - 1);
		assert_int_equal(greet(&v), i == 6 || i == 7 ? 0 : -EAGAIN);
		rq[1 + i] ^= 4;
		end(&v);
	}
}

/* Would @s still be let in by an inbound with these settings? */
static bool known(const struct session *s, const char *protocol,
		  const char *settings)
{
	struct config *cfg;
	struct diag d;
	char text[2000];
	bool is;

	diag_init(&d);
	snprintf(text, sizeof(text),
		 "{\"outbounds\":[{\"protocol\":\"freedom\"}],\"inbounds\":["
		 "{\"port\":2,\"protocol\":\"%s\",\"settings\":{%s}}]}",
		 protocol, settings);
	cfg = conf_text(&d, text, NULL);
	if (!cfg)
		fail_msg("%s", diag_text(&d, false));
	is = cfg->inbounds[0]->ops->knows(cfg->inbounds[0], s);
	config_unref(cfg);
	diag_free(&d);
	return is;
}

/* Another one may have his email, and he another one */
static void who_is_known_has_a_key_that_is_there(void **state)
{
	static const char rq[] = "\0" ID "\2\0\1\1\273\2\6a.testdata";
	struct server v;

	(void)state;
	begin(&v, "vless", VLESS);
	assert_int_equal(v.s->user_id, 0);
	fake_say(&v.in, rq, sizeof(rq) - 1);
	(void)greet(&v);
	assert_string_equal(v.s->user, "second");
	assert_int_not_equal(v.s->user_id, 0);
	assert_true(known(v.s, "vless", VLESS));
	assert_true(
		known(v.s, "vless",
		      "\"decryption\":\"none\",\"clients\":["
		      "{\"id\":\"00000000-0000-0000-0000-000000000002\"}]"));
	assert_false(known(v.s, "vless",
			   "\"decryption\":\"none\",\"clients\":["
			   "{\"id\":\"00000000-0000-0000-0000-000000000003\","
			   "\"email\":\"second\"}]"));
	assert_false(
		known(v.s, "vless", "\"decryption\":\"none\",\"clients\":[]"));
	end(&v);
}

static void an_account_is_its_name_and_its_password(void **state)
{
	static const char rq[] = "\5\1\2\1\2ab\1c\5\1\0\3\6a.test\1\273";
	struct server v;

	(void)state;
	begin(&v, "socks",
	      "\"auth\":\"password\",\"accounts\":["
	      "{\"user\":\"ab\",\"pass\":\"c\"}]");
	fake_say(&v.in, rq, sizeof(rq) - 1);
	assert_int_equal(greet(&v), 0);
	assert_string_equal(v.s->user, "ab");
	assert_true(known(v.s, "socks",
			  "\"auth\":\"password\",\"accounts\":["
			  "{\"user\":\"x\",\"pass\":\"y\"},"
			  "{\"user\":\"ab\",\"pass\":\"c\"}]"));
	assert_true(known(v.s, "socks", "\"auth\":\"noauth\""));
	assert_false(known(v.s, "socks",
			   "\"auth\":\"password\",\"accounts\":["
			   "{\"user\":\"ab\",\"pass\":\"d\"},"
			   "{\"user\":\"a\",\"pass\":\"bc\"}]"));
	assert_false(known(v.s, "http",
			   "\"accounts\":[{\"user\":\"a\",\"pass\":\"bc\"}]"));
	assert_true(known(v.s, "http", ""));
	end(&v);
}

static void packets_make_a_map_of_the_client(void **state)
{
	static const char rq[] = "\0" ID "\2\0\2\0\65\1\300\0\2\1\0\3abc";
	struct server v;
	struct udp_map *m;

	(void)state;
	begin(&v, "vless", VLESS);
	fake_say(&v.in, rq, sizeof(rq) - 1);
	assert_int_equal(greet(&v), -ECANCELED); /* the session is over */
	assert_null(v.s->in);
	assert_false(v.in.closed);
	assert_false(list_empty(&v.l.w.maps));
	m = list_first(&v.l.w.maps, struct udp_map, node);
	assert_true(addr_eq(&m->client, &v.s->source));
	assert_string_equal(m->user, "second");
	end(&v);
}

/* A reload came after the accept: inbound and policy are of the generation before */
static void packets_keep_the_generation_of_their_inbound(void **state)
{
	static const char rq[] = "\0" ID "\2\0\2\0\65\1\300\0\2\1\0\3abc";
	struct server v;
	struct udp_map *m;

	(void)state;
	begin(&v, "vless", VLESS);
	config_unref(v.s->cfg);
	v.s->cfg = config_ref(v.cfg);
	assert_ptr_not_equal(v.l.w.cfg, v.cfg);
	fake_say(&v.in, rq, sizeof(rq) - 1);
	assert_int_equal(greet(&v), -ECANCELED);
	m = list_first(&v.l.w.maps, struct udp_map, node);
	assert_ptr_equal(udp_map_cfg(m), v.cfg);
	assert_int_equal(v.cfg->refs, 3); /* the session, the map, and we */
	end(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_stranger_goes_where_the_entries_say),
		cmocka_unit_test(the_fallback_is_told_who_the_client_is),
		cmocka_unit_test(nobody_at_the_fallback_is_silence),
		cmocka_unit_test(who_has_no_key_hears_nothing_whatever_comes),
		cmocka_unit_test(the_user_is_who_has_the_key),
		cmocka_unit_test(every_byte_of_an_id_counts_but_two),
		cmocka_unit_test(who_is_known_has_a_key_that_is_there),
		cmocka_unit_test(an_account_is_its_name_and_its_password),
		cmocka_unit_test(packets_make_a_map_of_the_client),
		cmocka_unit_test(packets_keep_the_generation_of_their_inbound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
