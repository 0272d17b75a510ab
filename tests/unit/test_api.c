/* test_api.c - Methods of the API: requests as bytes, answers as bytes */
#include "api_rig.h"

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

/* What was not told is not reset */
static void an_answer_that_is_too_long_resets_nothing(void **state)
{
	static const uint8_t query[] = "\x0a\x04n>>>\x10\1";
	struct counter *v[2] = { stat_get("n>>>a"), stat_get("n>>>b") };
	struct api a;
	uint64_t value;

	(void)state;
	begin(&a);
	for (unsigned int i = 0; i < 2; i++)
		stat_add(v[i], i, 7);
	a.c.out.most = 15; /* one of them fits */
	(void)service_stats.methods[2].run(&a.c, query, sizeof(query) - 1);
	assert_true(a.c.out.bad);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(stat_read(v[i]->name, false, &value), 0);
		assert_int_equal(value, 7);
	}
	assert_int_equal(
		ask(&a, &service_stats, "QueryStats", query, sizeof(query) - 1),
		0);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(stat_read(v[i]->name, false, &value), 0);
		assert_int_equal(value, 0);
	}
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

/** struct seen - A user whom GetUsersStats told */
struct seen {
	char email[64], ip[64];
	uint64_t up, down;
	int ips, traffic;
};

/* The entries of the answer, @max of them. How many */
static int users_told(const struct api *a, struct seen *v, int max)
{
	struct rd r = rd_init(a->c.out.p, a->c.out.len), in;
	struct pb_field f, x;
	int n = 0;

	for (; pb_next(&r, &f) > 0; n++) {
		assert_true(n < max && f.number == 1);
		memset(&v[n], 0, sizeof(v[n]));
		assert_int_equal(pb_text(f.p, f.len, 1, v[n].email, 64), 0);
		in = rd_init(f.p, f.len);
		while (pb_next(&in, &x) > 0) {
			v[n].ips += x.number == 2;
			v[n].traffic += x.number == 3;
			if (x.number == 2)
				pb_text(x.p, x.len, 1, v[n].ip, 64);
			if (x.number != 3)
				continue;
			pb_number(x.p, x.len, 1, &v[n].up);
			pb_number(x.p, x.len, 2, &v[n].down);
		}
	}
	return n;
}

static struct session session_of(struct api *a, const char *email,
				 const char *ip, const struct policy *p)
{
	struct session s = { .cfg = a->cfg,
			     .user = user_keep(email),
			     .policy = p };

	assert_int_equal(addr_parse_ip(&s.source, ip), 0);
	user_meter(&s);
	return s;
}

static void users_online_are_told_with_their_traffic(void **state)
{
	static const struct policy p = { .user_up = true,
					 .user_down = true,
					 .user_online = true };
	struct session one, two, gone;
	uint64_t left;
	struct seen v[4];
	struct api a;

	(void)state;
	begin(&a);
	one = session_of(&a, "one@x", "192.0.2.1", &p);
	two = session_of(&a, "one@x", "2001:db8::1", &p);
	gone = session_of(&a, "gone@x", "192.0.2.2", &p);
	stat_add(one.stat_user[UP], 1, 300);
	stat_add(one.stat_user[UP], 2, 5);
	stat_add(two.stat_user[DOWN], 1, 70000);
	stat_add(gone.stat_user[UP], 1, 9);
	user_left(&gone);
	assert_int_equal(ask(&a, &service_stats, "GetUsersStats", TEXT("")), 0);
	assert_int_equal(users_told(&a, v, 4), 1);
	assert_string_equal(v[0].email, "one@x");
	assert_int_equal(v[0].ips, 2);
	assert_int_equal(v[0].traffic, 0);
	/* what does not fit resets nothing */
	pb_free(&a.c.out);
	a.c.out = (struct pb_out){ .most = 30 };
	for (size_t i = 0; i < service_stats.count; i++)
		if (!strcmp(service_stats.methods[i].name, "GetUsersStats"))
			(void)service_stats.methods[i].run(
				&a.c, TEXT("\x08\1\x10\1"));
	assert_true(a.c.out.bad);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ask(&a, &service_stats, "GetUsersStats",
				     TEXT("\x08\1\x10\1")),
				 0);
		assert_int_equal(users_told(&a, v, 4), 1);
		assert_int_equal(v[0].traffic, 1);
		assert_int_equal(v[0].up, i ? 0 : 305);
		assert_int_equal(v[0].down, i ? 0 : 70000);
	}
	/* of those who are told only */
	assert_int_equal(
		stat_read("user>>>gone@x>>>traffic>>>uplink", false, &left), 0);
	assert_int_equal(left, 9);
	user_left(&one);
	user_left(&two);
	assert_int_equal(ask(&a, &service_stats, "GetUsersStats", TEXT("")), 0);
	assert_int_equal(users_told(&a, v, 4), 0);
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

static void a_balancers_choice_is_told(void **state)
{
	struct api a;
	char tag[64];

	(void)state;
	begin(&a);
	assert_int_equal(route_pin(a.cfg->router, "any", "d"), 0);
	assert_int_equal(ask(&a, &service_routing, "TestRoute",
			     TEXT("\x0a\x0a\x30\x50\x3a\6b.test")),
			 0);
	assert_int_equal(pb_text(a.c.out.p, a.c.out.len, 11, tag, sizeof(tag)),
			 0);
	assert_string_equal(tag, "any");
	assert_int_equal(pb_text(a.c.out.p, a.c.out.len, 12, tag, sizeof(tag)),
			 0);
	assert_string_equal(tag, "d");
	assert_int_equal(route_pin(a.cfg->router, "any", NULL), 0);
	end(&a);
}

/** struct pinned - Whom balancer "any" has pinned; "" nobody */
struct pinned {
	const char *tag;
};

static void note_pin(void *arg, const struct route_group *g)
{
	struct pinned *p = arg;

	p->tag = g->pinned ? g->now->tag : "";
}

/* Somebody chooses while a generation is being made: by the old one's router */
static void a_pin_during_a_reload_is_not_lost(void **state)
{
	struct pinned p;
	struct config *next;
	struct api a;

	(void)state;
	begin(&a);
	next = conf_text(&a.d, conf, NULL);
	assert_non_null(next);
	assert_int_equal(route_pin(a.cfg->router, "any", "b"), 0);
	route_pins_again(next->router);
	route_groups(next->router, note_pin, &p);
	assert_string_equal(p.tag, "b");
	assert_int_equal(route_pin(a.cfg->router, "any", NULL), 0);
	route_pins_again(next->router);
	route_groups(next->router, note_pin, &p);
	assert_string_equal(p.tag, "");
	config_unref(next);
	end(&a);
}

/* Field @number of the submessage 7 of the first status */
static uint64_t ping_of(const struct pb_field *status, uint32_t number)
{
	struct pb_field ping;
	uint64_t value = 0;

	assert_int_equal(pb_find(status->p, status->len, 7, PB_BYTES, &ping),
			 1);
	assert_int_equal(pb_number(ping.p, ping.len, number, &value), 0);
	return value;
}

static void health_is_told_in_the_units_of_xray(void **state)
{
	static const uint64_t ns[] = { 3000000, 40000000, 50000000, 30000000 };
	struct health h = { 0 }, unknown = { 0 };
	struct pb_field result, status;
	uint64_t value = 0;
	struct api a;

	(void)state;
	begin(&a);
	h.state = HEALTH_ALIVE;
	h.delay_ms = 41;
	h.deviation_ms = 3;
	h.average_ms = 40;
	h.max_ms = 50;
	h.min_ms = 30;
	h.tried_s = 1700000001;
	h.seen_s = 1700000000;
	a.cfg->outbounds[0]->health = &h;
	a.cfg->outbounds[1]->health = &unknown; /* not told */
	assert_int_equal(
		ask(&a, &service_observatory, "GetOutboundStatus", TEXT("")),
		0);
	assert_int_equal(pb_find(a.c.out.p, a.c.out.len, 1, PB_BYTES, &result),
			 1);
	assert_int_equal(pb_find(result.p, result.len, 1, PB_BYTES, &status),
			 1);
	assert_int_equal(pb_number(status.p, status.len, 2, &value), 0);
	assert_int_equal(value, 41);
	assert_int_equal(pb_number(status.p, status.len, 5, &value), 0);
	assert_int_equal(value, 1700000000);
	assert_int_equal(pb_number(status.p, status.len, 6, &value), 0);
	assert_int_equal(value, 1700000001);
	for (unsigned int i = 0; i < ARRAY_SIZE(ns); i++)
		assert_int_equal(ping_of(&status, 3 + i), ns[i]);
	h.state = HEALTH_DEAD;
	h.error = ECONNREFUSED;
	assert_int_equal(
		ask(&a, &service_observatory, "GetOutboundStatus", TEXT("")),
		0);
	assert_int_equal(pb_find(a.c.out.p, a.c.out.len, 1, PB_BYTES, &result),
			 1);
	assert_int_equal(pb_find(result.p, result.len, 1, PB_BYTES, &status),
			 1);
	assert_int_equal(pb_find(status.p, status.len, 3, PB_BYTES, &result),
			 1);
	assert_memory_equal(result.p, "Connection refused", result.len);
	end(&a);
}

/* Calls go on while a generation without them comes into force */
static void a_call_outlives_its_section(void **state)
{
	struct clash_conf clash = { .secret = "s" };
	struct api a;

	(void)state;
	begin(&a);
	a.cfg->clash = &clash;
	assert_non_null(strstr(clash_lines(a.cfg), "Access-Control"));
	a.cfg->clash = NULL;
	assert_null(strstr(clash_lines(a.cfg), "Access-Control"));
	a.cfg->api = NULL;
	assert_int_equal(ask(&a, &service_logger, "RestartLogger", TEXT("")),
			 GRPC_UNIMPLEMENTED);
	end(&a);
}

static struct message *told_to;
static unsigned int said;

static int reopen_later(struct worker *w, struct message *back)
{
	assert_ptr_equal(w, worker_self);
	told_to = back;
	return 0;
}

static int answer_200(struct stream *s, unsigned int status, const char *lines,
		      bool body)
{
	(void)s;
	(void)lines;
	assert_int_equal(status, 200);
	assert_true(body);
	said++;
	return 0;
}

static void no_job(struct job *j)
{
	(void)j;
}

/* Files are opened by another thread; the call is answered when they are */
static void a_logger_is_restarted_by_who_may_wait(void **state)
{
	static const struct api_conf api = { .reopen_logs = reopen_later };
	struct api a;

	(void)state;
	for (int gone = 0; gone < 2; gone++) {
		begin(&a);
		said = 0;
		a.c.answer = answer_200;
		a.c.job = (struct job){ .run = no_job, .worker = &a.l.w };
		a.cfg->api = &api;
		assert_int_equal(ask(&a, &service_logger, "RestartLogger",
				     TEXT("\0\0\0\0")),
				 GRPC_LATER);
		pb_raw(&a.c.out, "\0\0\0\0", 5);
		assert_int_equal(said, 0);
		assert_non_null(a.c.held);
		if (gone) /* the client took its call back meanwhile */
			a.c.drop(a.c.held);
		told_to->fn(&a.l.w, told_to);
		assert_int_equal(said, !gone);
		job_forget(&a.c.job);
		end(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_configuration_becomes_an_outbound_and_a_listener),
		cmocka_unit_test(places_of_listeners_are_read),
		cmocka_unit_test(counters_are_told_and_reset),
		cmocka_unit_test(an_answer_that_is_too_long_resets_nothing),
		cmocka_unit_test(nobody_was_ever_online),
		cmocka_unit_test(users_online_are_told_with_their_traffic),
		cmocka_unit_test(inbounds_are_listed_without_our_own),
		cmocka_unit_test(a_route_is_tested_without_a_session),
		cmocka_unit_test(a_balancers_choice_is_told),
		cmocka_unit_test(a_pin_during_a_reload_is_not_lost),
		cmocka_unit_test(health_is_told_in_the_units_of_xray),
		cmocka_unit_test(a_call_outlives_its_section),
		cmocka_unit_test(a_logger_is_restarted_by_who_may_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
