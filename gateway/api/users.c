/*
 * users.c - HandlerService: users of an inbound
 *
 * A user to be added becomes the JSON that the configuration would have for him, and
 * is read by the inbound's own parser: what is wrong there is wrong here.
 * Source: Xray app/proxyman/command/command.proto, common/protocol/user.proto
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/api/accounts.h"
#include "gateway/api/api_int.h"
#include "gateway/base/crypto.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"

#define USER_JSON_MAX 8192 /* email and key, with each byte escaped */

#define OP_ADD    "xray.app.proxyman.command.AddUserOperation"
#define OP_REMOVE "xray.app.proxyman.command.RemoveUserOperation"

/* The inbound that field 1 names, with users. NULL after call_fail(), *@rc then */
static const struct inbound *find(struct call *c, const uint8_t *p, size_t n,
				  int *rc)
{
	const struct config *cfg = call_cfg(c);
	const struct inbound *ib = NULL;
	char tag[CALL_TEXT_MAX];

	*rc = call_malformed(c);
	if (pb_text(p, n, 1, tag, sizeof(tag)) < 0)
		return NULL;
	for (unsigned int i = 0; i < cfg->inbound_count; i++)
		if (!strcmp(cfg->inbounds[i]->tag, tag) &&
		    cfg->inbounds[i]->ops != &api_inbound)
			ib = cfg->inbounds[i];
	if (!ib)
		*rc = call_fail(c, GRPC_UNKNOWN,
				"failed to get handler: %s > not found", tag);
	else if (!ib->ops->users)
		*rc = call_fail(c, GRPC_UNKNOWN, "proxy is not a UserManager");
	else
		*rc = 0;
	return *rc ? NULL : ib;
}

/* --- add and remove ------------------------------------------------------------------ */

/* "testseed", when it is there. 0 or -errno */
static int read_seed(const struct pb_field *account, cJSON *o)
{
	uint64_t v[ACCOUNT_SEED_MAX];
	int n = pb_numbers(account->p, account->len, 9, v, ACCOUNT_SEED_MAX);
	cJSON *list;

	if (n <= 0)
		return n;
	list = cJSON_AddArrayToObject(o, "testseed");
	for (int i = 0; list && i < n && i < ACCOUNT_SEED_MAX; i++)
		if (!cJSON_AddItemToArray(list,
					  cJSON_CreateNumber((double)v[i])))
			return -ENOMEM;
	return list ? 0 : -ENOMEM;
}

/* What only VLESS has. 0, -EPERM: "reverse", or -errno */
static int read_vless(const struct pb_field *account, cJSON *o)
{
	struct pb_field reverse;
	char flow[CALL_TEXT_MAX];
	int rc = pb_find(account->p, account->len, 7, PB_BYTES, &reverse);

	if (rc > 0) /* without it he would be an ordinary user */
		return -EPERM;
	if (!rc)
		rc = pb_text(account->p, account->len, 2, flow, sizeof(flow));
	if (!rc && !cJSON_AddStringToObject(o, "flow", flow))
		rc = -ENOMEM;
	return rc ? rc : read_seed(account, o);
}

/* The text fields of an account. 0 or -errno */
static int read_account(const struct inbound *ib, const struct pb_field *typed,
			cJSON *o)
{
	char type[CALL_TEXT_MAX], text[CALL_TEXT_MAX];
	const struct inbound_users *users = ib->ops->users;
	bool ss22;
	struct pb_field f = { .p = NULL };
	uint64_t cipher = 0;
	int rc = pb_text(typed->p, typed->len, 1, type, sizeof(type));

	if (rc < 0 || pb_find(typed->p, typed->len, 2, PB_BYTES, &f) < 0)
		return -EPROTO;
	ss22 = account_is(users->account, ACCOUNT_SS) &&
	       account_is(type, ACCOUNT_SS22);
	if (!ss22 && !account_is(type, users->account))
		return -EINVAL;
	rc = pb_text(f.p, f.len, 1, text, sizeof(text));
	if (!rc && !cJSON_AddStringToObject(o, users->secret, text))
		rc = -ENOMEM;
	wipe(text, sizeof(text));
	if (!rc && account_is(type, ACCOUNT_VLESS))
		rc = read_vless(&f, o);
	if (!rc && account_is(type, ACCOUNT_SS)) {
		const char *name;

		rc = pb_number(f.p, f.len, 2, &cipher);
		name = account_cipher_name(cipher);
		if (!rc &&
		    !cJSON_AddStringToObject(o, "method", name ? name : ""))
			rc = -ENOMEM;
	}
	return rc;
}

/* Why a user could not be read, of -errno @rc */
static void say_unread(struct call *c, const struct inbound *ib, int rc)
{
	if (rc == -EINVAL)
		call_fail(c, GRPC_INVALID, "the account is not one of %s",
			  ib->ops->name);
	else if (rc == -EPERM)
		call_fail(c, GRPC_INVALID,
			  "\"reverse\" makes an outbound, and culvert makes "
			  "them by a reload: write the user into the "
			  "configuration, then SIGHUP");
	else if (rc && rc != -ENOMEM)
		call_malformed(c);
}

/* A User as the configuration's JSON, in @o. 0 or -errno */
static int read_user(const struct inbound *ib, const struct pb_field *user,
		     char email[CALL_TEXT_MAX], cJSON *o)
{
	struct pb_field typed;
	uint64_t level;

	if (pb_text(user->p, user->len, 2, email, CALL_TEXT_MAX) < 0 ||
	    pb_number(user->p, user->len, 1, &level) < 0 ||
	    level > UINT32_MAX ||
	    pb_find(user->p, user->len, 3, PB_BYTES, &typed) <= 0)
		return -EPROTO;
	if (!cJSON_AddStringToObject(o, "email", email) ||
	    !cJSON_AddNumberToObject(o, "level", (double)level))
		return -ENOMEM;
	return read_account(ib, &typed, o);
}

/* What the parser complained about, in one line, to c->why */
static void take_words(struct call *c, const struct diag *d)
{
	char text[1024] = "", *at;
	FILE *f = fmemopen(text, sizeof(text) - 1, "w");

	if (!f)
		return;
	diag_print(d, f, false);
	fclose(f);
	at = strstr(text, "error: "); /* before it: a place in our own text */
	call_fail(c, GRPC_INVALID, "%.*s",
		  (int)strcspn(at ? at + 7 : text, "\n"), at ? at + 7 : text);
}

static int add_text(struct call *c, const struct inbound *ib, const char *text)
{
	struct jdoc *doc;
	struct diag d;
	struct jobj u;
	int rc = -ENOMEM;

	diag_init(&d);
	doc = jdoc_parse(&d, "user", text, strlen(text));
	if (doc && j_open(&u, &d, doc->root))
		rc = ib->ops->users->add(ib, &u);
	if (rc == -EINVAL || d.errors) {
		rc = -EINVAL;
		take_words(c, &d);
	}
	diag_free(&d);
	return rc;
}

static int add_status(struct call *c, int rc, const char *email)
{
	switch (rc) {
	case 0:
		return GRPC_OK;
	case -EEXIST:
		return call_fail(c, GRPC_UNKNOWN, "User %s already exists.",
				 email);
	case -ENOTSUP:
		return call_fail(c, GRPC_UNKNOWN,
				 "proxy is not a UserManager: it has one user");
	case -ENOSPC:
		return call_fail(c, GRPC_EXHAUSTED,
				 "this inbound has as many users as it can");
	case -ENOMEM:
		return call_fail(c, GRPC_EXHAUSTED, "out of memory");
	default:
		return GRPC_INVALID;
	}
}

static int add_user(struct call *c, const struct inbound *ib,
		    const struct pb_field *op)
{
	char email[CALL_TEXT_MAX] = "", *text;
	struct pb_field user;
	cJSON *o;
	int rc;

	if (pb_find(op->p, op->len, 1, PB_BYTES, &user) <= 0)
		return call_malformed(c);
	o = cJSON_CreateObject();
	rc = o ? read_user(ib, &user, email, o) : -ENOMEM;
	/* at once as long as it gets: what it grew out of would not be wiped */
	text = rc ? NULL : cJSON_PrintBuffered(o, USER_JSON_MAX, false);
	say_unread(c, ib, rc);
	if (!rc)
		rc = text ? add_text(c, ib, text) : -ENOMEM;
	if (text)
		wipe(text, strlen(text));
	cJSON_free(text);
	j_delete(o);
	if (!rc)
		log_info("api: user %s is added to [%s]", email, ib->tag);
	return add_status(c, rc, email);
}

static int remove_user(struct call *c, const struct inbound *ib,
		       const struct pb_field *op)
{
	char email[CALL_TEXT_MAX];
	int rc;

	if (pb_text(op->p, op->len, 1, email, sizeof(email)) < 0)
		return call_malformed(c);
	if (!*email)
		return call_fail(c, GRPC_UNKNOWN, "Email must not be empty.");
	rc = ib->ops->users->remove(ib, email);
	if (rc == -ENOENT)
		return call_fail(c, GRPC_UNKNOWN, "User %s not found.", email);
	if (rc)
		return call_fail(c, GRPC_EXHAUSTED, "out of memory");
	log_info("api: user %s is removed from [%s]", email, ib->tag);
	return GRPC_OK;
}

int users_alter(struct call *c, const uint8_t *p, size_t n)
{
	struct pb_field typed, op = { .p = NULL };
	char type[CALL_TEXT_MAX];
	const struct inbound *ib;
	int rc;

	ib = find(c, p, n, &rc);
	if (!ib)
		return rc;
	if (pb_find(p, n, 2, PB_BYTES, &typed) <= 0 ||
	    pb_text(typed.p, typed.len, 1, type, sizeof(type)) < 0 ||
	    pb_find(typed.p, typed.len, 2, PB_BYTES, &op) < 0)
		return call_malformed(c);
	if (account_is(type, OP_ADD))
		return add_user(c, ib, &op);
	if (account_is(type, OP_REMOVE))
		return remove_user(c, ib, &op);
	return call_fail(c, GRPC_UNKNOWN, "unknown operation");
}

/* --- list ------------------------------------------------------------------------------ */

/**
 * struct listing - What is listed of whom
 * @email:	"" all
 * @found:	How many
 */
struct listing {
	struct pb_out *o;
	const struct inbound *ib;
	const char *email;
	unsigned int found;
};

static void put_account(struct pb_out *o, const struct inbound *ib,
			const struct inbound_user *u)
{
	const struct inbound_users *users = ib->ops->users;
	const char *method = users->method ? users->method(ib) : NULL;
	bool ss22 = method && !strncmp(method, "2022-", 5);
	size_t typed = pb_begin(o, 3), value;

	pb_put_text(o, 1, ss22 ? ACCOUNT_SS22 : users->account);
	value = pb_begin(o, 2);
	pb_put_text(o, 1, u->secret_key);
	if (account_is(users->account, ACCOUNT_VLESS) &&
	    u->flags & INBOUND_USER_FLOW)
		pb_put_text(o, 2, VISION_FLOW);
	if (method && !ss22)
		pb_put_number(o, 2, account_cipher(method));
	pb_end(o, value);
	pb_end(o, typed);
}

static void list_one(const struct inbound_user *u, void *arg)
{
	struct listing *l = arg;
	size_t m;

	if (*l->email && strcasecmp(l->email, u->email) != 0)
		return;
	l->found++;
	m = pb_begin(l->o, 1);
	if (u->level)
		pb_put_number(l->o, 1, u->level);
	pb_put_text(l->o, 2, u->email);
	put_account(l->o, l->ib, u);
	pb_end(l->o, m);
}

int users_get(struct call *c, const uint8_t *p, size_t n)
{
	char email[CALL_TEXT_MAX];
	struct listing l = { .o = &c->out, .email = email };
	int rc;

	l.ib = find(c, p, n, &rc);
	if (!l.ib)
		return rc;
	if (pb_text(p, n, 2, email, sizeof(email)) < 0)
		return call_malformed(c);
	l.ib->ops->users->each(l.ib, list_one, &l);
	if (*email && !l.found)
		return call_fail(c, GRPC_UNKNOWN, "User %s not found.", email);
	return GRPC_OK;
}

static void count_one(const struct inbound_user *u, void *arg)
{
	(void)u;
	(void)arg;
}

int users_count(struct call *c, const uint8_t *p, size_t n)
{
	const struct inbound *ib;
	int rc;

	ib = find(c, p, n, &rc);
	if (!ib)
		return rc;
	pb_put_number(&c->out, 1, ib->ops->users->each(ib, count_one, NULL));
	return GRPC_OK;
}
