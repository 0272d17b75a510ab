/*
 * raw_http.c - HTTP heads before the first bytes each way (header.type http)
 *
 *   client: one request head with its first bytes; server: one response head with
 *   its first bytes. Nothing in them means anything: a head is what ends with a
 *   blank line. Where Xray picks one value of a list for each connection, we
 *   do, too. The layer is spent after the heads.
 *
 * Source: xray.md section L; Xray-core transport/internet/headers/http
 */
#include "proxy/transport/raw_http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/base/wr.h"
#include "gateway/core/config.h"
#include "proxy/layer/head.h"

#define HEAD_MAX   8192
#define VALUES_MAX 32
#define LINES_MAX  64

/* Some values, of which one is picked */
struct values {
	const char **v;
	unsigned int count;
};

struct line {
	const char *name;
	struct values values;
};

/**
 * struct raw_http - Both heads as configured
 * @first:	Method, path, version of a request
 */
struct raw_http {
	struct values method, path, host;
	const char *version, *status, *reason;
	struct line request[LINES_MAX], response[LINES_MAX];
	unsigned int request_count, response_count;
};

static bool one_line(const char *text)
{
	return !strpbrk(text, "\r\n");
}

static void values_of(struct jobj *o, const char *key, struct values *out,
		      struct config *cfg)
{
	struct jlist l;

	out->count = 0;
	out->v = arena_alloc(&cfg->arena, VALUES_MAX * sizeof(*out->v));
	j_list(o, key, &l);
	while (out->v && j_list_next(o, &l) && out->count < VALUES_MAX) {
		const char *copy = arena_strdup(&cfg->arena, l.text);

		if (!one_line(l.text))
			diag_error(o->d, l.node, NULL, "must be one line");
		else if (copy)
			out->v[out->count++] = copy;
	}
}

/* Header lines of @node into @lines. Returns how many */
static unsigned int lines_of(struct jobj *o, struct line *lines,
			     struct config *cfg)
{
	const cJSON *node = j_get(o, "headers"), *one;
	unsigned int n = 0;
	struct jobj h;

	if (!j_open(&h, o->d, node))
		return 0;
	cJSON_ArrayForEach(one, node)
	{
		if (n == LINES_MAX || !one->string || !one_line(one->string)) {
			diag_error(o->d, one, NULL,
				   "must be a name of one line, of at most %d "
				   "headers",
				   LINES_MAX);
			break;
		}
		lines[n].name = arena_strdup(&cfg->arena, one->string);
		values_of(&h, one->string, &lines[n].values, cfg);
		if (lines[n].name && lines[n].values.count)
			n++;
	}
	return n;
}

/* Text of one line, kept. NULL: out of memory, or after a complaint */
static const char *word_of(struct jobj *o, const char *key, const char *def,
			   struct config *cfg)
{
	const char *word = j_str(o, key, def);

	if (one_line(word))
		return arena_strdup(&cfg->arena, word);
	diag_error(o->d, j_get(o, key), NULL, "must be one line");
	return NULL;
}

static void set_default(struct values *v, struct config *cfg, const char *a,
			const char *b)
{
	if (v->count)
		return;
	v->v = arena_alloc(&cfg->arena, 2 * sizeof(*v->v));
	if (!v->v)
		return;
	v->v[v->count++] = a;
	if (b)
		v->v[v->count++] = b;
}

struct raw_http *raw_http_parse(struct jobj *header, struct config *cfg)
{
	struct raw_http *r = arena_alloc(&cfg->arena, sizeof(*r));
	struct jobj rq, rp;

	if (!r)
		return NULL;
	j_open(&rq, header->d, j_get(header, "request"));
	j_open(&rp, header->d, j_get(header, "response"));
	values_of(&rq, "method", &r->method, cfg);
	values_of(&rq, "path", &r->path, cfg);
	r->version = word_of(&rq, "version", "1.1", cfg);
	r->request_count = lines_of(&rq, r->request, cfg);
	(void)j_str(&rp, "version", "1.1");
	r->status = word_of(&rp, "status", "200", cfg);
	r->reason = word_of(&rp, "reason", "OK", cfg);
	r->response_count = lines_of(&rp, r->response, cfg);
	if (rq.node)
		j_close(&rq);
	if (rp.node)
		j_close(&rp);
	set_default(&r->method, cfg, "GET", NULL);
	set_default(&r->path, cfg, "/", NULL);
	set_default(&r->host, cfg, "www.baidu.com", "www.bing.com");
	return r->version && r->status && r->reason ? r : NULL;
}

static void text(struct wr *w, const char *s)
{
	wr_bytes(w, s, strlen(s));
}

static void pick(struct wr *w, const struct values *v)
{
	text(w, v->count ? v->v[rand_below(v->count)] : "");
}

static bool put_lines(struct wr *w, const struct line *lines, unsigned int n)
{
	bool host = false;

	for (unsigned int i = 0; i < n; i++) {
		host |= !strcasecmp(lines[i].name, "host");
		text(w, lines[i].name);
		text(w, ": ");
		pick(w, &lines[i].values);
		text(w, "\r\n");
	}
	return host;
}

static void put_request(struct wr *w, const struct raw_http *r)
{
	pick(w, &r->method);
	text(w, " ");
	pick(w, &r->path);
	text(w, " HTTP/");
	text(w, r->version);
	text(w, "\r\n");
	if (!put_lines(w, r->request, r->request_count)) {
		text(w, "Host: ");
		pick(w, &r->host);
		text(w, "\r\n");
	}
	text(w, "\r\n");
}

static void put_response(struct wr *w, const struct raw_http *r)
{
	text(w, "HTTP/1.1 ");
	text(w, r->status);
	text(w, " ");
	text(w, r->reason);
	text(w, "\r\n");
	put_lines(w, r->response, r->response_count);
	text(w, "\r\n");
}

static size_t any_size(const uint8_t *p, size_t n)
{
	(void)p;
	(void)n;
	return SIZE_MAX;
}

/* Is the request of @n bytes for one of our paths? */
static bool path_fits(const struct raw_http *r, const uint8_t *p, size_t n)
{
	const uint8_t *from = memchr(p, ' ', n), *to;

	if (!from)
		return false;
	from++;
	to = memchr(from, ' ', n - (size_t)(from - p));
	for (unsigned int i = 0; to && i < r->path.count; i++)
		if (strlen(r->path.v[i]) == (size_t)(to - from) &&
		    !memcmp(r->path.v[i], from, (size_t)(to - from)))
			return true;
	return false;
}

/* Up to the blank line. A server looks at the path, as Xray's does */
static ssize_t head_take(void *arg, uint32_t id, const uint8_t *p, size_t n)
{
	const uint8_t *end = n ? memmem(p, n, "\r\n\r\n", 4) : NULL;
	const struct raw_http *const *server = arg;

	if (end && server && !path_fits(*server, p, (size_t)(end - p))) {
		log_info("s%x raw: HTTP head with another path", id);
		return -EPROTO;
	}
	if (end)
		return end + 4 - p;
	if (n < HEAD_MAX)
		return 0;
	log_info("s%x raw: no end of the HTTP head", id);
	return -EPROTO;
}

static const struct head_ops client_ops = { .name = "http head",
					    .size = any_size,
					    .take = head_take };
static const struct head_ops server_ops = {
	.name = "http head", .size = any_size, .take = head_take, .lazy = true
};

int raw_http_wrap(const struct raw_http *r, bool server, uint32_t id,
		  struct stream **s)
{
	uint8_t head[HEAD_MAX];
	struct wr w = wr_init(head, sizeof(head));
	const struct raw_http **arg = NULL;
	struct stream *on;

	if (server)
		put_response(&w, r);
	else
		put_request(&w, r);
	if (!wr_ok(&w))
		return -ENOBUFS;
	if (server) {
		arg = malloc(sizeof(*arg));
		if (!arg)
			return -ENOMEM;
		*arg = r;
	}
	on = head_new(server ? &server_ops : &client_ops, *s, head, wr_len(&w),
		      arg, id);
	if (!on)
		return -ENOMEM;
	*s = on;
	return 0;
}
