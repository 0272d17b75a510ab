/*
 * link_url.c - Links of the form scheme://user@host:port/?key=value#name
 *
 * vless, trojan, socks, http, the second form of vmess, and ss: SIP002 with
 * the user in base64 or (2022 ciphers) in plain, and the old form, which is
 * base64 as a whole. Real links leave special characters of passwords as they
 * are: the last @ ends the user.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/base64.h"
#include "proxy/wire/link.h"

static int bad(const char **why, const char *what)
{
	*why = what;
	return -EPROTO;
}

static int parse_query(struct link *l, struct arena *a, const char *p, size_t n,
		       const char **why)
{
	const char *end = p + n;

	while (p < end) {
		const char *amp = memchr(p, '&', (size_t)(end - p));
		const char *stop = amp ? amp : end;
		const char *eq, *key, *value;
		int rc;

		if (stop - p > 4 && !memcmp(p, "amp;", 4))
			p += 4; /* copied out of a page: &amp; */
		eq = memchr(p, '=', (size_t)(stop - p));
		if (stop > p && eq) {
			key = link_text(a, p, (size_t)(eq - p));
			value = link_text(a, eq + 1, (size_t)(stop - eq - 1));
			if (!key || !value)
				return bad(why, "a parameter is not fit");
			rc = *value ? link_add(l, key, value, why) : 0;
			if (rc < 0)
				return rc;
		}
		p = stop + 1;
	}
	return 0;
}

/* Cuts name and parameters off: *@n becomes the length of the rest */
static int cut_tail(struct link *l, struct arena *a, const char *p, size_t *n,
		    const char **why)
{
	const char *hash = memchr(p, '#', *n), *ask;
	size_t len;

	if (hash) {
		l->name = link_text(a, hash + 1, *n - (size_t)(hash + 1 - p));
		if (!l->name)
			l->name = ""; /* a name is not worth a link */
		*n = (size_t)(hash - p);
	}
	ask = memchr(p, '?', *n);
	if (ask) {
		len = *n - (size_t)(ask + 1 - p);
		*n = (size_t)(ask - p);
		if (parse_query(l, a, ask + 1, len, why) < 0)
			return -EPROTO;
	}
	if (*n && p[*n - 1] == '/')
		(*n)--;
	return 0;
}

/* No stray bytes: what base64 gave is shown and put into JSON as text */
static char *plain_of(struct arena *a, const char *p, size_t n, size_t *len)
{
	const char *raw = link_text(a, p, n); /* "%3D" for "=" is seen */
	char *out = raw ? arena_alloc(a, strlen(raw) + 1) : NULL;
	ssize_t k = out ? base64_decode(raw, strlen(raw), (uint8_t *)out,
					strlen(raw)) :
			  -1;

	for (ssize_t i = 0; i < k; i++)
		if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
			return NULL;
	if (k <= 0)
		return NULL;
	*len = (size_t)k;
	return out;
}

/* "user:password", or that in base64, where a % is a % */
static int user_pass(struct link *l, struct arena *a, const char *p, size_t n,
		     const char **why)
{
	const char *colon = memchr(p, ':', n);
	size_t len = 0;
	char *plain = colon ? NULL : plain_of(a, p, n, &len);

	if (plain && (colon = memchr(plain, ':', len))) {
		l->user = arena_strndup(a, plain, (size_t)(colon - plain));
		l->pass = arena_strndup(a, colon + 1,
					len - (size_t)(colon + 1 - plain));
	} else {
		l->user = link_text(a, p, colon ? (size_t)(colon - p) : n);
		if (colon)
			l->pass = link_text(a, colon + 1,
					    n - (size_t)(colon + 1 - p));
	}
	return l->user && (!colon || l->pass) ?
		       0 :
		       bad(why, "user and password are not fit");
}

int link_parse_url(struct link *l, struct arena *a, const char *text, size_t n,
		   const char **why)
{
	const char *at;
	size_t user;
	int rc = cut_tail(l, a, text, &n, why);

	if (rc < 0)
		return rc;
	at = memrchr(text, '@', n);
	user = at ? (size_t)(at - text) : 0;
	if (at) {
		if (l->kind == LINK_SOCKS || l->kind == LINK_HTTP)
			rc = user_pass(l, a, text, user, why);
		else
			l->user = link_text(a, text, user);
		text = at + 1;
		n -= user + 1;
	}
	if (rc < 0)
		return rc;
	if (l->kind != LINK_SOCKS && l->kind != LINK_HTTP &&
	    (!l->user || !*l->user))
		return bad(why, "no user or password before the @");
	return link_host_port(l, a, text, n, why);
}

/* "method:password" of @p, in plain text */
static int method_pass(struct link *l, struct arena *a, const char *p, size_t n,
		       bool encoded, const char **why)
{
	const char *colon = memchr(p, ':', n);
	size_t left;

	if (!colon || colon == p)
		return bad(why, "no method:password");
	left = n - (size_t)(colon + 1 - p);
	l->method = encoded ? link_text(a, p, (size_t)(colon - p)) :
			      arena_strndup(a, p, (size_t)(colon - p));
	l->pass = encoded ? link_text(a, colon + 1, left) :
			    arena_strndup(a, colon + 1, left);
	if (!l->method || !l->pass)
		return bad(why, "method or password is not fit");
	return 0;
}

static int parse_user_ss(struct link *l, struct arena *a, const char *p,
			 size_t n, const char **why)
{
	size_t len;
	char *plain;

	if (memchr(p, ':', n) || memmem(p, n, "%3A", 3) ||
	    memmem(p, n, "%3a", 3)) {
		const char *text = link_text(a, p, n);

		if (memchr(p, ':', n))
			return method_pass(l, a, p, n, true, why);
		return text ? method_pass(l, a, text, strlen(text), false,
					  why) :
			      bad(why, "method or password is not fit");
	}
	plain = plain_of(a, p, n, &len);
	return plain ? method_pass(l, a, plain, len, false, why) :
		       bad(why, "the part before the @ is no base64");
}

int link_parse_ss(struct link *l, struct arena *a, const char *text, size_t n,
		  const char **why)
{
	int rc = cut_tail(l, a, text, &n, why);
	const char *at, *plugin = link_get(l, "plugin");
	char *plain;
	size_t len;

	if (rc < 0)
		return rc;
	if (plugin && *plugin)
		return bad(why, "shadowsocks plugins are not supported");
	at = memrchr(text, '@', n);
	if (!at) {
		plain = plain_of(a, text, n, &len);
		at = plain ? memrchr(plain, '@', len) : NULL;
		if (!at)
			return bad(why, "no server in it");
		rc = method_pass(l, a, plain, (size_t)(at - plain), false, why);
		text = plain;
		n = len;
	} else {
		rc = parse_user_ss(l, a, text, (size_t)(at - text), why);
	}
	if (rc < 0)
		return rc;
	return link_host_port(l, a, at + 1, n - (size_t)(at + 1 - text), why);
}
