/* url_path.h - The target of a request in pieces: /a/b%20c?x=1 */
#ifndef PROXY_WIRE_URL_PATH_H
#define PROXY_WIRE_URL_PATH_H

#include <stddef.h>

#define URL_PATH_MAX 1024
#define URL_SEGS_MAX 16

/**
 * struct url_path - A path, decoded
 * @seg:	What stands between the slashes, in @text; empty ones are left out
 * @query:	Behind "?", as it was; borrowed
 */
struct url_path {
	char text[URL_PATH_MAX];
	const char *seg[URL_SEGS_MAX];
	unsigned int count;
	const char *query;
	size_t query_len;
};

/*
 * 0; -EINVAL: it does not begin with a slash, has a NUL, or a "%" without two
 * digits; -ENOBUFS: it is too long
 * Source: RFC 3986, 3.3 and 2.1
 */
int url_path_decode(const char *p, size_t n, struct url_path *out);
/*
 * The value of @name in a query, decoded ("+" is a space). Its length; -ENOENT,
 * -EINVAL, -ENOBUFS. Source: URL Standard, application/x-www-form-urlencoded
 */
int url_query_get(const char *query, size_t n, const char *name, char *out,
		  size_t room);

#endif
