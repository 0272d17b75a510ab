/* test_api_users.c - Users that the API adds and takes away */
#include "api_rig.h"

/* The tag of "reverse" of those that alter_add() adds; NULL: none */
static const char *reverse_tag;
static uint64_t seed[4]; /* all 0: none */

/* AlterInbound of @tag; @type of account, its fields 1 and 2 */
static int alter_add(struct api *a, const char *tag, const char *email,
		     const char *type, const char *key, const char *flow)
{
	struct pb_out o = { .most = 4096 };
	size_t op, value, user, account, inner, reverse;
	int rc;

	pb_put_text(&o, 1, tag);
	op = pb_begin(&o, 2);
	pb_put_text(&o, 1, "xray.app.proxyman.command.AddUserOperation");
	value = pb_begin(&o, 2);
	user = pb_begin(&o, 1);
	pb_put_number(&o, 1, 3);
	pb_put_text(&o, 2, email);
	account = pb_begin(&o, 3);
	pb_put_text(&o, 1, type);
	inner = pb_begin(&o, 2);
	pb_put_text(&o, 1, key);
	pb_put_text(&o, 2, flow);
	if (reverse_tag) {
		reverse = pb_begin(&o, 7);
		pb_put_text(&o, 1, reverse_tag);
		pb_end(&o, reverse);
	}
	if (seed[0])
		pb_put_numbers(&o, 9, seed, 4);
	pb_end(&o, inner);
	pb_end(&o, account);
	pb_end(&o, user);
	pb_end(&o, value);
	pb_end(&o, op);
	assert_false(o.bad);
	rc = ask(a, &service_handler, "AlterInbound", o.p, o.len);
	pb_free(&o);
	return rc;
}

static int alter_remove(struct api *a, const char *tag, const char *email)
{
	struct pb_out o = { .most = 4096 };
	size_t op, value;
	int rc;

	pb_put_text(&o, 1, tag);
	op = pb_begin(&o, 2);
	pb_put_text(&o, 1,
		    "v2ray.core.app.proxyman.command.RemoveUserOperation");
	value = pb_begin(&o, 2);
	pb_put_text(&o, 1, email);
	pb_end(&o, value);
	pb_end(&o, op);
	rc = ask(a, &service_handler, "AlterInbound", o.p, o.len);
	pb_free(&o);
	return rc;
}

static unsigned int count(struct api *a)
{
	uint64_t n = 0;

	assert_int_equal(ask(a, &service_handler, "GetInboundUsersCount",
			     TEXT("\x0a\2vl")),
			 0);
	assert_int_equal(pb_number(a->c.out.p, a->c.out.len, 1, &n), 0);
	return (unsigned int)n;
}

#define VLESS "xray.proxy.vless.Account"

static void users_are_added_and_removed(void **state)
{
	struct pb_field f, typed;
	struct api a;
	char text[64];
	uint64_t level;

	(void)state;
	begin(&a);
	assert_int_equal(count(&a), 1);
	assert_int_equal(alter_add(&a, "vl", "two@x", VLESS, "two", ""), 0);
	assert_int_equal(alter_add(&a, "vl", "three@x",
				   "v2ray.core.proxy.vless.Account", "three",
				   ""),
			 0);
	assert_int_equal(count(&a), 3);
	assert_int_equal(ask(&a, &service_handler, "GetInboundUsers",
			     TEXT("\x0a\2vl\x12\5TWO@x")),
			 0);
	assert_int_equal(pb_find(a.c.out.p, a.c.out.len, 1, PB_BYTES, &f), 1);
	assert_int_equal(pb_number(f.p, f.len, 1, &level), 0);
	assert_int_equal(level, 3);
	assert_int_equal(pb_find(f.p, f.len, 3, PB_BYTES, &typed), 1);
	assert_int_equal(pb_text(typed.p, typed.len, 1, text, sizeof(text)), 0);
	assert_string_equal(text, VLESS);
	assert_int_equal(pb_find(typed.p, typed.len, 2, PB_BYTES, &f), 1);
	assert_int_equal(pb_text(f.p, f.len, 1, text, sizeof(text)), 0);
	assert_string_equal(text, "two");
	assert_int_equal(alter_remove(&a, "vl", "Two@X"), 0);
	assert_int_equal(count(&a), 2);
	assert_int_equal(alter_remove(&a, "vl", "one@x"), 0);
	assert_int_equal(alter_remove(&a, "vl", "three@x"), 0);
	assert_int_equal(count(&a), 0);
	end(&a);
}

static void what_is_wrong_with_a_user_is_said(void **state)
{
	struct api a;

	(void)state;
	begin(&a);
	assert_int_equal(alter_add(&a, "vl", "one@x", VLESS, "two", ""),
			 GRPC_UNKNOWN);
	assert_string_equal(a.c.why, "User one@x already exists.");
	assert_int_equal(alter_add(&a, "vl", "two@x", VLESS, "", ""),
			 GRPC_INVALID);
	assert_non_null(strstr(a.c.why, "id"));
	assert_int_equal(
		alter_add(&a, "vl", "two@x", VLESS, "two", "xtls-rprx-vision"),
		GRPC_INVALID);
	assert_non_null(strstr(a.c.why, "the flow needs"));
	assert_int_equal(alter_add(&a, "vl", "two@x",
				   "xray.proxy.trojan.Account", "two", ""),
			 GRPC_INVALID);
	assert_string_equal(a.c.why, "the account is not one of vless");
	assert_int_equal(alter_add(&a, "so", "two@x", VLESS, "two", ""),
			 GRPC_UNKNOWN);
	assert_string_equal(a.c.why, "proxy is not a UserManager");
	assert_int_equal(alter_add(&a, "no", "two@x", VLESS, "two", ""),
			 GRPC_UNKNOWN);
	assert_int_equal(alter_add(&a, "api", "two@x", VLESS, "two", ""),
			 GRPC_UNKNOWN);
	assert_int_equal(alter_remove(&a, "vl", "two@x"), GRPC_UNKNOWN);
	assert_string_equal(a.c.why, "User two@x not found.");
	assert_int_equal(alter_remove(&a, "vl", ""), GRPC_UNKNOWN);
	assert_int_equal(count(&a), 1);
	end(&a);
}

/* He would be an ordinary user, with sessions of his own */
static void a_user_with_reverse_is_refused_by_name(void **state)
{
	struct api a;

	(void)state;
	begin(&a);
	reverse_tag = "home";
	assert_int_equal(alter_add(&a, "vl", "two@x", VLESS, "two", ""),
			 GRPC_INVALID);
	reverse_tag = NULL;
	assert_non_null(strstr(a.c.why, "\"reverse\""));
	assert_int_equal(count(&a), 1);
	end(&a);
}

/* What proxy/in/vless.c keeps of a user begins so */
struct vless_key_head {
	uint8_t id[16];
	struct vision_seed seed;
};

static void a_seed_comes_with_its_user(void **state)
{
	struct vless_key_head *k;
	struct srv_users *us;
	struct srv_conf *c;
	struct api a;

	(void)state;
	begin(&a);
	c = a.cfg->inbounds[0]->settings;
	memcpy(seed, (uint64_t[]){ 100, 200, 300, 400 }, sizeof(seed));
	assert_int_equal(alter_add(&a, "vl", "two@x", VLESS, "two", ""), 0);
	us = srv_users_get(&c->users);
	assert_int_equal(us->count, 2);
	k = srv_key(us, 1);
	assert_int_equal(k->seed.limit, 100);
	assert_int_equal(k->seed.range, 200);
	assert_int_equal(k->seed.least, 300);
	assert_int_equal(k->seed.few, 400);
	srv_users_put(us);
	/* what the configuration's parser refuses */
	seed[1] = 0;
	assert_int_equal(alter_add(&a, "vl", "three@x", VLESS, "three", ""),
			 GRPC_INVALID);
	assert_non_null(strstr(a.c.why, "must be 1 to"));
	memset(seed, 0, sizeof(seed));
	end(&a);
}

/* A greeting that took the list before a change has it until it gives it back */
static void a_list_lives_as_long_as_it_is_looked_at(void **state)
{
	struct srv_users *us;
	struct srv_conf *c;
	struct api a;

	(void)state;
	begin(&a);
	c = a.cfg->inbounds[0]->settings;
	us = srv_users_get(&c->users);
	assert_int_equal(alter_remove(&a, "vl", "one@x"), 0);
	assert_int_equal(us->count, 1);
	assert_string_equal(us->v[0]->email, "one@x");
	assert_string_equal(us->v[0]->secret_key, "one");
	srv_users_put(us);
	end(&a);
}

static void no_memory_changes_nothing(void **state)
{
	struct api a;
	int rc = GRPC_EXHAUSTED;

	(void)state;
	begin(&a);
	for (unsigned int i = 1; rc != GRPC_OK; i++) {
		struct inbound *ib = a.cfg->inbounds[0];
		struct jdoc *doc;
		struct diag d;
		struct jobj u;
		char text[] = "{\"id\":\"nine\",\"email\":\"nine@x\"}";

		diag_init(&d);
		doc = jdoc_parse(&d, "u", text, strlen(text));
		assert_non_null(doc);
		assert_true(j_open(&u, &d, doc->root));
		alloc_fail_at(i);
		rc = ib->ops->users->add(ib, &u);
		if (!alloc_fail_hit()) {
			assert_int_equal(rc, 0);
			assert_int_equal(count(&a), 2);
		} else {
			assert_int_equal(rc, -ENOMEM);
			assert_int_equal(count(&a), 1);
		}
		diag_free(&d);
	}
	alloc_fail_at(1);
	assert_int_equal(a.cfg->inbounds[0]->ops->users->remove(
				 a.cfg->inbounds[0], "nine@x"),
			 -ENOMEM);
	assert_true(alloc_fail_hit());
	assert_int_equal(count(&a), 2);
	end(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_are_added_and_removed),
		cmocka_unit_test(what_is_wrong_with_a_user_is_said),
		cmocka_unit_test(a_user_with_reverse_is_refused_by_name),
		cmocka_unit_test(a_seed_comes_with_its_user),
		cmocka_unit_test(a_list_lives_as_long_as_it_is_looked_at),
		cmocka_unit_test(no_memory_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
