/* test_dns_serve.c - What a client's message gets, and the dns outbound's TCP */
#include "tests/unit/cm.h"

#include <errno.h>
#include <fcntl.h>

#include "gateway/dns/conf.h"
#include "tests/unit/dns_rig.h"

#define FAKE_FIRST "{\"servers\":[\"fakedns\"]}"

static size_t query(uint8_t *b, const char *name, uint16_t type)
{
	ssize_t n =
		dns_query_encode(b, DNS_QUERY_MAX, 4242, name, type, 0, NULL);

	assert_true(n > 0);
	return (size_t)n;
}

static bool served(void *arg)
{
	return ((struct dns_serve *)arg)->rc != -EAGAIN;
}

/* Ask @name and wait; what came is in @f */
static int serve(struct rig *r, const char *name, uint16_t type,
		 struct dns_found *f)
{
	uint8_t b[DNS_QUERY_MAX];
	size_t n = query(b, name, type);
	struct dns_serve s = { 0 };
	int rc;

	dns_serve(&r->l.w, &r->l.cfg, NULL, &s, &r->l.job, b, n);
	assert_true(rig_until(r, served, &s, 5000));
	rc = s.rc;
	if (!rc)
		assert_int_equal(
			dns_found_decode(s.answer, s.answer_len, name, type, f),
			0);
	free(s.answer);
	return rc;
}

static void fake_addresses_are_answered(void **state)
{
	struct dns_found f, g;
	struct rig r;

	(void)state;
	rig_init(&r, FAKE_FIRST, NULL);
	assert_int_equal(serve(&r, "a.example", DNS_T_A, &f), 0);
	assert_int_equal(f.count, 1);
	assert_int_equal(f.ttl, 1);
	assert_int_equal(f.id, 4242);
	assert_true(fakedns_in_pool(r.l.cfg.fakedns, &f.ips[0]));
	assert_int_equal(serve(&r, "A.Example", DNS_T_A, &g), 0);
	assert_true(addr_eq(&f.ips[0], &g.ips[0]));
	assert_int_equal(serve(&r, "a.example", DNS_T_AAAA, &g), 0);
	assert_int_equal(g.ips[0].kind, ADDR_V6);
	rig_fini(&r);
}

static void a_family_without_a_pool_is_empty(void **state)
{
	struct dns_found f;
	struct rig r;

	(void)state;
	rig_init(&r, FAKE_FIRST,
		 "{\"ipPool\":\"198.18.0.0/16\",\"poolSize\":9}");
	assert_int_equal(serve(&r, "a.example", DNS_T_AAAA, &f), 0);
	assert_int_equal(f.rcode, 0);
	assert_int_equal(f.count, 0);
	rig_fini(&r);
}

static void https_records_show_nothing(void **state)
{
	struct dns_found f;
	struct rig r;

	(void)state;
	rig_init(&r, FAKE_FIRST, NULL);
	assert_int_equal(serve(&r, "a.example", DNS_T_HTTPS, &f), 0);
	assert_int_equal(f.rcode, 0);
	assert_int_equal(f.count, 0);
	assert_int_equal(serve(&r, "a.example", DNS_T_SVCB, &f), 0);
	assert_int_equal(f.count, 0);
	rig_fini(&r);
}

static void pointers_of_fake_addresses_are_known(void **state)
{
	uint8_t b[DNS_QUERY_MAX], name_wire[64];
	struct dns_serve s = { 0 };
	struct dns_found f;
	char arpa[64];
	struct rig r;
	ssize_t len;

	(void)state;
	rig_init(&r, FAKE_FIRST, NULL);
	assert_int_equal(serve(&r, "a.example", DNS_T_A, &f), 0);
	snprintf(arpa, sizeof(arpa), "%u.%u.%u.%u.in-addr.arpa", f.ips[0].ip[3],
		 f.ips[0].ip[2], f.ips[0].ip[1], f.ips[0].ip[0]);
	assert_int_equal(dns_serve(&r.l.w, &r.l.cfg, NULL, &s, &r.l.job, b,
				   query(b, arpa, DNS_T_PTR)),
			 0);
	len = dns_name_encode("a.example", name_wire, sizeof(name_wire));
	assert_non_null(memmem(s.answer, s.answer_len, name_wire, (size_t)len));
	free(s.answer);
	assert_int_equal(serve(&r, "9.255.19.198.in-addr.arpa", DNS_T_PTR, &f),
			 0);
	assert_int_equal(f.rcode, DNS_NXDOMAIN);
	rig_fini(&r);
}

static void domains_may_have_real_servers(void **state)
{
	struct dns_found f;
	struct rig r;

	(void)state;
	rig_init(&r,
		 "{\"servers\":[\"fakedns\",{\"address\":\"127.0.0.1\","
		 "\"port\":PORT1,\"domains\":[\"domain:real.example\"],"
		 "\"expectedIPs\":[\"192.0.2.0/24\"]}]}",
		 NULL);
	assert_int_equal(serve(&r, "x.real.example", DNS_T_A, &f), 0);
	assert_int_equal(f.ips[0].ip[0], 192);
	assert_int_equal(f.ttl, 60);
	assert_int_equal(serve(&r, "x.other.example", DNS_T_A, &f), 0);
	assert_true(fakedns_in_pool(r.l.cfg.fakedns, &f.ips[0]));
	/* refused by expectedIPs: the fakedns server is next */
	assert_int_equal(serve(&r, "priv.real.example", DNS_T_A, &f), 0);
	assert_true(fakedns_in_pool(r.l.cfg.fakedns, &f.ips[0]));
	rig_fini(&r);
}

static void codes_are_passed_on(void **state)
{
	struct dns_found f;
	struct rig r;

	(void)state;
	rig_init(&r,
		 "{\"hosts\":{\"ref.example\":\"#5\"},\"servers\":[{"
		 "\"address\":\"127.0.0.1\",\"port\":PORT1,"
		 "\"timeoutMs\":100}]}",
		 NULL);
	assert_int_equal(serve(&r, "nx.example", DNS_T_A, &f), 0);
	assert_int_equal(f.rcode, DNS_NXDOMAIN);
	assert_int_equal(serve(&r, "dead.example", DNS_T_A, &f), 0);
	assert_int_equal(f.rcode, DNS_SERVFAIL);
	assert_int_equal(serve(&r, "ref.example", DNS_T_A, &f), 0);
	assert_int_equal(f.rcode, DNS_REFUSED);
	assert_int_equal(serve(&r, "a.example", 16, &f), 0);
	assert_int_equal(f.count, 0);
	rig_fini(&r);
}

static void broken_messages_get_formerr_or_nothing(void **state)
{
	uint8_t b[DNS_QUERY_MAX];
	struct dns_serve s = { 0 };
	struct rig r;
	size_t n, i;

	(void)state;
	rig_init(&r, FAKE_FIRST, NULL);
	n = query(b, "a.example", DNS_T_A);
	for (i = 0; i < n; i++) {
		int rc = dns_serve(&r.l.w, &r.l.cfg, NULL, &s, &r.l.job, b, i);

		assert_int_equal(rc, i < 12 ? -ENOENT : 0);
		if (!rc)
			assert_int_equal(s.answer[3] & 15, DNS_FORMERR);
		free(s.answer);
	}
	b[2] |= 0x80; /* a response: never answered, that could go on for ever */
	assert_int_equal(dns_serve(&r.l.w, &r.l.cfg, NULL, &s, &r.l.job, b, n),
			 -ENOENT);
	b[2] = 0x29;
	assert_int_equal(dns_serve(&r.l.w, &r.l.cfg, NULL, &s, &r.l.job, b, n),
			 0);
	assert_int_equal(s.answer[3] & 15, DNS_NOTIMP);
	free(s.answer);
	rig_fini(&r);
}

static void a_cancelled_question_leaves_nothing(void **state)
{
	uint8_t b[DNS_QUERY_MAX];
	struct dns_serve s = { 0 };
	struct rig r;
	size_t n = query(b, "a.example", DNS_T_A);

	(void)state;
	rig_init(&r,
		 "{\"servers\":[{\"address\":\"127.0.0.1\",\"port\":PORT1}]}",
		 NULL);
	assert_int_equal(dns_serve(&r.l.w, &r.l.cfg, NULL, &s, &r.l.job, b, n),
			 -EAGAIN);
	dns_serve_cancel(&s);
	rig_turns(&r, 30);
	assert_null(s.answer);
	assert_int_equal(atomic_load(&r.l.cfg.refs) <= 3, 1);
	rig_fini(&r);
}

/* --- the outbound, as a stream ----------------------------------------------------- */

struct tcp_case {
	struct rig r;
	struct outbound ob;
	struct inbound ib;
	struct session s;
	struct stream *out;
	uint8_t got[8192];
	size_t n;
};

static void tcp_open(struct tcp_case *t, const char *dns, const char *settings)
{
	struct jobj o;
	struct jdoc *doc;
	struct diag d;

	rig_init(&t->r, dns, NULL);
	diag_init(&d);
	doc = jdoc_parse(&d, "s", settings, strlen(settings));
	j_open(&o, &d, doc->root);
	t->ob = (struct outbound){ .ops = &out_dns,
				   .tag = "dns",
				   .transport = &transport_raw,
				   .sockopt = SOCKOPT_DEFAULT };
	assert_int_equal(out_dns.parse(&t->ob, &o, &t->r.l.cfg), 0);
	j_close(&o);
	assert_int_equal(d.errors, 0);
	diag_free(&d);
	memset(&t->s, 0, sizeof(t->s));
	t->ib = (struct inbound){ .tag = "tun" };
	t->s.job = t->r.l.job;
	t->s.cfg = &t->r.l.cfg;
	t->s.inbound = &t->ib;
	t->s.inbound_tag = "tun";
	t->s.target = addr_of("127.0.0.1", t->r.server[0].port);
	t->n = 0;
	assert_int_equal(out_dns.open(&t->ob, &t->s, &t->out), 0);
}

static void tcp_close(struct tcp_case *t)
{
	stream_close(&t->out, 0);
	job_forget(&t->s.job);
	out_dns.drop(&t->ob);
	rig_fini(&t->r);
}

static bool tcp_read(void *arg)
{
	struct tcp_case *t = arg;
	ssize_t n = stream_read(t->out, t->got + t->n, 7); /* small pieces */

	if (n > 0)
		t->n += (size_t)n;
	return t->n >= 2 && t->n >= 2u + get_be16(t->got);
}

static void questions_share_a_connection_byte_by_byte(void **state)
{
	struct tcp_case *t = calloc(1, sizeof(*t));
	struct dns_found f;
	uint8_t b[2][DNS_QUERY_MAX];
	size_t len[2];

	(void)state;
	tcp_open(t, FAKE_FIRST, "{}");
	for (int i = 0; i < 2; i++) {
		len[i] = query(b[i] + 2, i ? "b.example" : "a.example",
			       DNS_T_A) +
			 2;
		put_be16(b[i], (uint16_t)(len[i] - 2));
		for (size_t k = 0; k < len[i]; k++)
			assert_int_equal(stream_write(t->out, b[i] + k, 1), 1);
	}
	for (int i = 0; i < 2; i++) {
		assert_true(rig_until(&t->r, tcp_read, t, 1000));
		assert_int_equal(dns_found_decode(t->got + 2, get_be16(t->got),
						  i ? "b.example" : "a.example",
						  DNS_T_A, &f),
				 0);
		assert_int_equal(f.count, 1);
		t->n -= 2u + get_be16(t->got);
		memmove(t->got, t->got + 2 + get_be16(t->got), t->n);
	}
	assert_int_equal(stream_read(t->out, t->got, 9), -EAGAIN);
	assert_int_equal(t->out->ops->finish(t->out), 0);
	assert_int_equal(stream_read(t->out, t->got, 9), 0);
	tcp_close(t);
	free(t);
}

/* A client that resets: the relay asks whether some of its bytes wait here */
static void nothing_waits_on_its_way_to_the_answers(void **state)
{
	struct tcp_case *t = calloc(1, sizeof(*t));
	uint8_t b[DNS_QUERY_MAX];
	size_t len;

	(void)state;
	tcp_open(t, FAKE_FIRST, "{}");
	len = query(b + 2, "a.example", DNS_T_A) + 2;
	put_be16(b, (uint16_t)(len - 2));
	assert_int_equal(stream_write(t->out, b, len), len);
	assert_int_equal(t->out->ops->writev(t->out, NULL, 0), 0);
	tcp_close(t);
	free(t);
}

static void forwarded_questions_reach_the_server(void **state)
{
	static const struct {
		const char *settings;
		unsigned int udp, tcp;
	} ways[] = {
		{ "{\"rules\":[{\"action\":\"direct\"}]}", 0, 1 },
		{ "{\"rewriteNetwork\":\"udp\",\"rules\":"
		  "[{\"action\":\"direct\"}]}",
		  1, 0 },
	};
	struct tcp_case *t = calloc(1, sizeof(*t));
	uint8_t b[DNS_QUERY_MAX];
	struct dns_found f;
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		tcp_open(t, FAKE_FIRST, ways[i].settings);
		len = query(b + 2, "a.example", DNS_T_A) + 2;
		put_be16(b, (uint16_t)(len - 2));
		assert_int_equal(stream_write(t->out, b, len), len);
		assert_true(rig_until(&t->r, tcp_read, t, 1000));
		assert_int_equal(dns_found_decode(t->got + 2, get_be16(t->got),
						  "a.example", DNS_T_A, &f),
				 0);
		assert_int_equal(f.ips[0].ip[0], 192);
		assert_int_equal(t->r.server[0].asked, ways[i].udp);
		assert_int_equal(t->r.server[0].asked_tcp, ways[i].tcp);
		tcp_close(t);
	}
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fake_addresses_are_answered),
		cmocka_unit_test(a_family_without_a_pool_is_empty),
		cmocka_unit_test(https_records_show_nothing),
		cmocka_unit_test(pointers_of_fake_addresses_are_known),
		cmocka_unit_test(domains_may_have_real_servers),
		cmocka_unit_test(codes_are_passed_on),
		cmocka_unit_test(broken_messages_get_formerr_or_nothing),
		cmocka_unit_test(a_cancelled_question_leaves_nothing),
		cmocka_unit_test(questions_share_a_connection_byte_by_byte),
		cmocka_unit_test(nothing_waits_on_its_way_to_the_answers),
		cmocka_unit_test(forwarded_questions_reach_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
