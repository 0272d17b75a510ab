/* api_users.c - `culvert api adu` and `rmu`: users of a running server */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/api/accounts.h"
#include "gateway/app/api_call.h"
#include "gateway/app/app.h"
#include "gateway/base/compat.h"
#include "gateway/base/jdoc.h"

#define ALTER "/xray.app.proxyman.command.HandlerService/AlterInbound"
#define OPS   "xray.app.proxyman.command."

/** struct kind - A protocol whose users can be added; @secret: the key's member */
static const struct kind {
	const char *protocol, *secret, *account;
} kinds[] = {
	{ "vless", "id", "xray.proxy.vless.Account" },
	{ "vmess", "id", "xray.proxy.vmess.Account" },
	{ "trojan", "password", "xray.proxy.trojan.Account" },
	{ "shadowsocks", "password", ACCOUNT_SS },
};

/* One call. True when it was done; else why is printed */
static bool alter(const struct api_server *to, const struct pb_out *m)
{
	struct pb_out answer = { .p = NULL };
	char why[API_WHY_MAX];
	int rc = m->bad ? -1 : api_call(to, ALTER, m, &answer, why);

	if (rc < 0)
		printf("%s\n", m->bad ? "out of memory" : why);
	pb_free(&answer);
	return rc == 0;
}

/* Tag and operation of AlterInboundRequest; pb_end() both marks after its fields */
static void begin(struct pb_out *m, const char *tag, const char *op,
		  size_t marks[2])
{
	pb_put_text(m, 1, tag);
	marks[0] = pb_begin(m, 2);
	pb_put_text(m, 1, op);
	marks[1] = pb_begin(m, 2);
}

static const char *text_of(const cJSON *o, const char *key)
{
	const cJSON *node = cJSON_GetObjectItem(o, key);

	return cJSON_IsString(node) ? node->valuestring : "";
}

static const struct kind *kind_of(const char *protocol)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcasecmp(kinds[i].protocol, protocol))
			return &kinds[i];
	return NULL;
}

/* What is no number of 32 bits the server refuses: it gets the nearest */
static uint64_t number_of(const cJSON *x)
{
	double d = cJSON_IsNumber(x) ? x->valuedouble : 0;

	if (!(d > 0))
		return 0;
	return d < UINT32_MAX ? (uint64_t)d : UINT32_MAX;
}

/* Of the user, when he has all four numbers, else of all users */
static void put_seed(struct pb_out *m, const cJSON *user, const cJSON *settings)
{
	const cJSON *list = cJSON_GetObjectItem(user, "testseed"), *x;
	uint64_t v[ACCOUNT_SEED_MAX];
	size_t n = 0;

	if (cJSON_GetArraySize(list) < 4)
		list = cJSON_GetObjectItem(settings, "testseed");
	cJSON_ArrayForEach(x, list)
	{
		if (n < ACCOUNT_SEED_MAX)
			v[n++] = number_of(x);
	}
	if (n)
		pb_put_numbers(m, 9, v, n);
}

/* What only VLESS has */
static void put_vless(struct pb_out *m, const cJSON *user,
		      const cJSON *settings)
{
	const cJSON *reverse = cJSON_GetObjectItem(user, "reverse");
	bool own = cJSON_GetObjectItem(user, "flow") != NULL;
	size_t mark;

	pb_put_text(m, 2, text_of(own ? user : settings, "flow"));
	if (cJSON_IsObject(reverse)) {
		mark = pb_begin(m, 7);
		pb_put_text(m, 1, text_of(reverse, "tag"));
		pb_end(m, mark);
	}
	put_seed(m, user, settings);
}

static void put_account(struct pb_out *m, const struct kind *k,
			const cJSON *settings, const cJSON *user)
{
	bool ss22 = !strncmp(text_of(settings, "method"), "2022-", 5);
	size_t typed = pb_begin(m, 3), value;

	pb_put_text(m, 1, ss22 ? ACCOUNT_SS22 : k->account);
	value = pb_begin(m, 2);
	pb_put_text(m, 1, text_of(user, k->secret));
	if (!strcmp(k->account, ACCOUNT_VLESS))
		put_vless(m, user, settings);
	else if (!strcmp(k->account, ACCOUNT_SS) && !ss22)
		pb_put_number(m, 2, account_cipher(text_of(user, "method")));
	pb_end(m, value);
	pb_end(m, typed);
}

static bool add_one(const struct api_server *to, const cJSON *inbound,
		    const struct kind *k, const cJSON *user)
{
	const cJSON *settings = cJSON_GetObjectItem(inbound, "settings");
	const cJSON *level = cJSON_GetObjectItem(user, "level");
	struct pb_out m = { .most = 65536 };
	size_t marks[2], u;
	bool done;

	printf("add user: %s\n", text_of(user, "email"));
	begin(&m, text_of(inbound, "tag"), OPS "AddUserOperation", marks);
	u = pb_begin(&m, 1);
	if (cJSON_IsNumber(level) && level->valuedouble > 0)
		pb_put_number(&m, 1, (uint64_t)level->valuedouble);
	pb_put_text(&m, 2, text_of(user, "email"));
	put_account(&m, k, settings, user);
	pb_end(&m, u);
	pb_end(&m, marks[1]);
	pb_end(&m, marks[0]);
	done = alter(to, &m);
	if (done)
		puts("result: ok");
	pb_free(&m);
	return done;
}

/** struct tally - Users that were tried, and with success */
struct tally {
	int tried, done;
};

/* The users of one inbound of a configuration */
static void add_inbound(const struct api_server *to, const cJSON *inbound,
			struct tally *t)
{
	const cJSON *settings = cJSON_GetObjectItem(inbound, "settings");
	const cJSON *list = cJSON_GetObjectItem(settings, "users"), *user;
	const struct kind *k = kind_of(text_of(inbound, "protocol"));

	if (!*text_of(inbound, "tag"))
		return;
	printf("processing inbound: %s\n", text_of(inbound, "tag"));
	if (!k) {
		puts("unsupported inbound type");
		return;
	}
	if (!list)
		list = cJSON_GetObjectItem(settings, "clients");
	for (int i = 0; i < cJSON_GetArraySize(list); i++) {
		user = cJSON_GetArrayItem(list, i);
		if (!*text_of(user, "email"))
			continue;
		t->tried++;
		t->done += add_one(to, inbound, k, user);
	}
}

static void add_file(const struct api_server *to, const cJSON *root,
		     struct tally *t)
{
	const cJSON *list = cJSON_GetObjectItem(root, "inbounds");
	int n = cJSON_GetArraySize(list);

	for (int i = 0; i < n; i++)
		add_inbound(to, cJSON_GetArrayItem(list, i), t);
}

int api_add_users(const struct api_server *to, char *const *files, int count)
{
	struct tally t = { 0, 0 };
	int code = EXIT_OK;
	struct diag d;

	diag_init(&d);
	for (int i = 0; i < count; i++) {
		const struct jdoc *doc = jdoc_load(&d, files[i]);

		if (doc)
			add_file(to, doc->root, &t);
	}
	if (t.done < t.tried)
		code = EXIT_FAIL;
	if (d.errors) {
		diag_print(&d, stderr, false);
		code = EXIT_CONFIG;
	}
	diag_free(&d);
	printf("Added %d user(s) in total.\n", t.done);
	return code;
}

int api_remove_users(const struct api_server *to, const char *tag,
		     char *const *emails, int count)
{
	int done = 0;

	for (int i = 0; i < count; i++) {
		struct pb_out m = { .most = 65536 };
		size_t marks[2];

		printf("remove user: %s\n", emails[i]);
		begin(&m, tag, OPS "RemoveUserOperation", marks);
		pb_put_text(&m, 1, emails[i]);
		pb_end(&m, marks[1]);
		pb_end(&m, marks[0]);
		done += alter(to, &m);
		pb_free(&m);
	}
	printf("Removed %d user(s) in total.\n", done);
	return done < count ? EXIT_FAIL : EXIT_OK;
}
