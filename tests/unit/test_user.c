/* test_user.c - Users: whose sessions are counted, and from where they are online */
#include "tests/unit/cm.h"

#include <errno.h>
#include <string.h>

#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "gateway/core/stats.h"
#include "gateway/core/user.h"
#include "tests/unit/alloc_fail.h"

static struct config cfg = { .stats_on = true };

static struct session session_of(const char *user, const char *ip,
				 const struct policy *p)
{
	struct session s = { .user = user, .policy = p, .cfg = &cfg };

	assert_int_equal(addr_parse_ip(&s.source, ip), 0);
	return s;
}

static void an_email_is_kept_once(void **state)
{
	char text[] = "a@b";
	const char *kept = user_keep(text);

	(void)state;
	assert_string_equal(kept, "a@b");
	assert_ptr_not_equal(kept, text);
	assert_ptr_equal(user_keep("a@b"), kept);
	alloc_fail_at(1);
	assert_null(user_keep("never"));
	assert_true(alloc_fail_hit());
}

static void only_what_the_level_asks_for_is_counted(void **state)
{
	struct policy up = { .user_up = true }, none = { .idle_ms = 1 };
	struct session s = session_of("up", "192.0.2.1", &up);
	struct session t = session_of("none", "192.0.2.1", &none);
	struct session nobody = session_of(NULL, "192.0.2.1", &up);
	uint64_t v;

	(void)state;
	user_meter(&s);
	user_meter(&t);
	user_meter(&nobody);
	assert_non_null(s.stat_user[UP]);
	assert_null(s.stat_user[DOWN]);
	assert_null(s.online);
	assert_null(t.stat_user[UP]);
	assert_null(nobody.stat_user[UP]);
	stat_add(s.stat_user[UP], 3, 11);
	assert_int_equal(stat_read("user>>>up>>>traffic>>>uplink", false, &v),
			 0);
	assert_int_equal(v, 11);
	assert_int_equal(user_online("up", NULL, 0), -ENOENT);
	cfg.stats_on = false;
	t = session_of("off", "192.0.2.1", &up);
	user_meter(&t);
	assert_null(t.stat_user[UP]);
	cfg.stats_on = true;
}

/* Names that differ at their end only */
static void long_emails_have_counters_of_their_own(void **state)
{
	struct policy p = { .user_up = true, .user_down = true };
	char first[600], second[600];
	struct session a, b;

	(void)state;
	memset(first, 'x', sizeof(first));
	first[sizeof(first) - 1] = '\0';
	memcpy(second, first, sizeof(second));
	second[sizeof(second) - 2] = 'y';
	a = session_of(first, "192.0.2.1", &p);
	b = session_of(second, "192.0.2.1", &p);
	user_meter(&a);
	user_meter(&b);
	assert_ptr_not_equal(a.stat_user[UP], b.stat_user[UP]);
	assert_ptr_not_equal(a.stat_user[UP], a.stat_user[DOWN]);
	assert_non_null(strstr(a.stat_user[UP]->name, "x>>>traffic>>>uplink"));
}

static void sum_ips(const char *email, unsigned int ips, void *arg)
{
	if (!strncmp(email, "on", 2))
		*(unsigned int *)arg += ips;
}

static void a_user_is_online_from_where_a_session_of_his_is(void **state)
{
	struct policy p = { .user_online = true };
	struct session a = session_of("on", "192.0.2.1", &p);
	struct session b = session_of("on", "192.0.2.1", &p);
	struct session c = session_of("on", "2001:db8::1", &p);
	struct session d = session_of("on", "127.0.0.1", &p);
	struct session e = session_of("on", "::1", &p);
	unsigned int sum = 0;
	struct online_ip v[2];

	(void)state;
	a.source.port = 1;
	b.source.port = 2;
	user_meter(&a);
	user_meter(&a); /* a second time counts nothing */
	user_meter(&b);
	assert_int_equal(user_online("on", v, 2), 1);
	assert_true(addr_eq_host(&v[0].ip, &a.source));
	assert_true(v[0].seen_s > 1600000000);
	user_meter(&c);
	assert_int_equal(user_online("on", v, 1), 2);
	user_meter(&d); /* this host is nobody */
	user_meter(&e);
	assert_int_equal(user_online("on", v, 2), 2);
	user_each(sum_ips, &sum);
	assert_int_equal(sum, 2);
	user_left(&a);
	assert_int_equal(user_online("on", v, 2), 2);
	user_left(&a); /* nothing more to take away */
	assert_int_equal(user_online("on", v, 2), 2);
	user_left(&b);
	assert_int_equal(user_online("on", v, 2), 1);
	user_left(&c);
	user_left(&d);
	assert_int_equal(user_online("on", v, 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_email_is_kept_once),
		cmocka_unit_test(only_what_the_level_asks_for_is_counted),
		cmocka_unit_test(long_emails_have_counters_of_their_own),
		cmocka_unit_test(
			a_user_is_online_from_where_a_session_of_his_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
