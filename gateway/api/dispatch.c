/*
 * dispatch.c - Which method of which service a request is for
 *
 *   POST /package.Service/Method, content-type: application/grpc...
 *
 * Source: grpc, PROTOCOL-HTTP2.md
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/api/api_int.h"
#include "gateway/base/compat.h"
#include "gateway/core/config.h"

static const struct service *const services[] = {
	&service_stats,  &service_handler,     &service_routing,
	&service_logger, &service_observatory,
};

static bool text_is(const char *p, size_t n, const char *text)
{
	return n == strlen(text) && !memcmp(p, text, n);
}

/* "package.Service" of @n bytes */
static bool is_service(const struct service *v, const char *p, size_t n)
{
	size_t len = strlen(v->name);

	if (n <= len || !text_is(p + n - len, len, v->name) ||
	    p[n - len - 1] != '.')
		return false;
	n -= len + 1;
	for (size_t i = 0; i < ARRAY_SIZE(v->packages); i++)
		if (v->packages[i] && text_is(p, n, v->packages[i]))
			return true;
	return false;
}

static call_method find_method(const struct service *v, const char *p, size_t n)
{
	for (size_t i = 0; i < v->count; i++)
		if (text_is(p, n, v->methods[i].name))
			return v->methods[i].run;
	return NULL;
}

/* The method of /service/method. NULL with @why */
static call_method find(const struct api_conf *conf,
			const struct http1_text *path, const char **why)
{
	const char *p = path->p + 1, *slash;
	size_t n;

	*why = "unknown service";
	if (path->n < 2 || path->p[0] != '/')
		return NULL;
	slash = memchr(p, '/', path->n - 1);
	n = slash ? (size_t)(slash - p) : 0;
	for (size_t i = 0; n && i < ARRAY_SIZE(services); i++) {
		if (!is_service(services[i], p, n))
			continue;
		if (!conf || !(conf->services & services[i]->bit)) {
			*why = "this service is not among api.services";
			return NULL;
		}
		*why = "culvert does not have this method";
		return find_method(services[i], slash + 1, path->n - n - 2);
	}
	return NULL;
}

void api_handle(const struct http_rq *rq)
{
	static const char type[] = "application/grpc";
	struct http1_text got = { NULL, 0 };
	const char *why;
	call_method m;

	if (!http1_is(&rq->head->method, "POST") ||
	    !http1_header(rq->head, "content-type", &got) ||
	    got.n < sizeof(type) - 1 ||
	    strncasecmp(got.p, type, sizeof(type) - 1) != 0) {
		call_deny(rq, 415);
		return;
	}
	m = find(rq->worker->cfg->api, &rq->head->target, &why);
	call_grpc(rq, m, m ? NULL : why);
}
