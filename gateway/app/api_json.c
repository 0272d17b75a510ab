/*
 * api_json.c - Messages of the API as JSON, in the form that `xray api` prints:
 * members by name, four blanks a level, what is zero or empty left out
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/app/api_call.h"
#include "gateway/base/addr.h"
#include "gateway/base/compat.h"
#include "gateway/base/jget.h"

#define DEPTH_MAX 8

static const struct api_shape vless[] = {
	{ 1, "id", API_TEXT, false, NULL },
	{ 2, "flow", API_TEXT, false, NULL },
	{ 3, "encryption", API_TEXT, false, NULL },
	{ 0, NULL, API_TEXT, false, NULL },
};

static const struct api_shape password[] = {
	{ 1, "password", API_TEXT, false, NULL },
	{ 2, "cipherType", API_NUMBER, false, NULL },
	{ 0, NULL, API_TEXT, false, NULL },
};

static const struct api_shape key[] = {
	{ 1, "key", API_TEXT, false, NULL },
	{ 0, NULL, API_TEXT, false, NULL },
};

static const struct api_shape receiver[] = {
	{ 1, "portList", API_PORTS, false, NULL },
	{ 2, "listen", API_HOST, false, NULL },
	{ 0, NULL, API_TEXT, false, NULL },
};

/* What a TypedMessage may hold: the end of its type */
static const struct {
	const char *type;
	const struct api_shape *shape;
} types[] = {
	{ ".vless.Account", vless },
	{ ".vmess.Account", vless },
	{ ".trojan.Account", password },
	{ ".shadowsocks.Account", password },
	{ ".shadowsocks_2022.Account", key },
	{ ".proxyman.ReceiverConfig", receiver },
};

static cJSON *message(const uint8_t *p, size_t n, const struct api_shape *shape,
		      int depth);

static cJSON *number(uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	return cJSON_CreateRaw(text); /* a double has 53 bits */
}

static cJSON *text_of(const struct pb_field *f)
{
	char *copy = strndup((const char *)f->p, f->len);
	cJSON *node = copy ? cJSON_CreateString(copy) : NULL;

	free(copy);
	return node;
}

/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX */
static cJSON *typed(const struct pb_field *f, int depth)
{
	struct pb_field value = { .p = NULL };
	const struct api_shape *shape = NULL;
	char type[256];
	cJSON *o;

	if (pb_text(f->p, f->len, 1, type, sizeof(type)) < 0 ||
	    pb_find(f->p, f->len, 2, PB_BYTES, &value) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		size_t n = strlen(types[i].type), all = strlen(type);

		if (all >= n && !strcmp(type + all - n, types[i].type))
			shape = types[i].shape;
	}
	o = shape ? message(value.p, value.len, shape, depth + 1) :
		    cJSON_CreateObject();
	if (o)
		cJSON_AddStringToObject(o, "_TypedMessage_", type);
	return o;
}

/* A number when it is one port, else "1,3-5" */
static cJSON *port_list(const struct pb_field *f)
{
	struct rd r = rd_init(f->p, f->len);
	struct pb_field x;
	char text[512] = "";
	uint64_t lo = 0, hi = 0;
	int count = 0;

	while (pb_next(&r, &x) > 0) {
		size_t n = strlen(text);

		if (x.type != PB_BYTES || pb_number(x.p, x.len, 1, &lo) < 0 ||
		    pb_number(x.p, x.len, 2, &hi) < 0)
			continue;
		snprintf(text + n, sizeof(text) - n,
			 lo == hi ? "%s%llu" : "%s%llu-%llu", n ? "," : "",
			 (unsigned long long)lo, (unsigned long long)hi);
		count++;
	}
	return count == 1 && lo == hi ? number(lo) : cJSON_CreateString(text);
}

static cJSON *host(const struct pb_field *f)
{
	char text[ADDR_TEXT_MAX];
	struct pb_field ip;
	struct addr a;

	if (pb_find(f->p, f->len, 1, PB_BYTES, &ip) > 0 &&
	    (ip.len == 4 || ip.len == 16)) {
		a = ip.len == 4 ? addr_v4(ip.p, 0) : addr_v6(ip.p, 0);
		return cJSON_CreateString(
			addr_format_host(&a, text, sizeof(text)));
	}
	if (pb_text(f->p, f->len, 2, text, sizeof(text)) < 0)
		return NULL;
	return cJSON_CreateString(text);
}

static void add_pair(cJSON *map, const struct pb_field *f)
{
	char name[512];
	uint64_t v;

	if (!pb_text(f->p, f->len, 1, name, sizeof(name)) &&
	    !pb_number(f->p, f->len, 2, &v))
		cJSON_AddItemToObject(map, name, number(v));
}

/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX */
static cJSON *field(const struct pb_field *f, const struct api_shape *s,
		    int depth)
{
	switch (s->kind) {
	case API_TEXT:
		return f->len ? text_of(f) : NULL;
	case API_NUMBER:
		return f->value ? number(f->value) : NULL;
	case API_BOOL:
		return f->value ? cJSON_CreateTrue() : NULL;
	case API_MESSAGE:
		return message(f->p, f->len, s->of, depth + 1);
	case API_TYPED:
		return typed(f, depth);
	case API_PORTS:
		return port_list(f);
	case API_HOST:
		return host(f);
	case API_MAP:
		break;
	}
	return NULL;
}

/* The member of @s in @o, an array or an object; made when it is not there */
static cJSON *member(cJSON *o, const struct api_shape *s)
{
	cJSON *node = cJSON_GetObjectItem(o, s->name);

	if (node)
		return node;
	return s->kind == API_MAP ? cJSON_AddObjectToObject(o, s->name) :
				    cJSON_AddArrayToObject(o, s->name);
}

/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX */
static void put(cJSON *o, const struct pb_field *f, const struct api_shape *s,
		int depth)
{
	bool bytes = s->kind != API_NUMBER && s->kind != API_BOOL;
	cJSON *node;

	if (f->type != (bytes ? PB_BYTES : PB_VARINT))
		return;
	if (s->kind == API_MAP) {
		add_pair(member(o, s), f);
		return;
	}
	node = field(f, s, depth);
	if (node && s->many)
		cJSON_AddItemToArray(member(o, s), node);
	else if (node)
		cJSON_AddItemToObject(o, s->name, node);
}

/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX */
static cJSON *message(const uint8_t *p, size_t n, const struct api_shape *shape,
		      int depth)
{
	struct rd r = rd_init(p, n);
	cJSON *o = cJSON_CreateObject();
	struct pb_field f;

	while (o && depth < DEPTH_MAX && pb_next(&r, &f) > 0)
		for (const struct api_shape *s = shape; s && s->number; s++)
			if (s->number == f.number)
				put(o, &f, s, depth);
	return o;
}

/* --- printing -------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const cJSON *const *x = a, *const *y = b;

	return strcmp((*x)->string, (*y)->string);
}

/* The order of members, as Go prints maps */
static void sort_members(cJSON *o)
{
	int n = cJSON_GetArraySize(o);
	cJSON **v = n > 0 ? calloc((size_t)n, sizeof(*v)) : NULL;

	for (int i = 0; v && i < n; i++)
		v[i] = cJSON_DetachItemFromArray(o, 0);
	if (v)
		qsort(v, (size_t)n, sizeof(cJSON *), by_name);
	for (int i = 0; v && i < n; i++)
		cJSON_AddItemToArray(o, v[i]); /* keeps its name */
	free(v);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as message() made it */
static void print(cJSON *node, int depth)
{
	const char *open = cJSON_IsArray(node) ? "[" : "{";
	const char *close = cJSON_IsArray(node) ? "]" : "}";
	cJSON *item;

	if (!cJSON_IsArray(node) && !cJSON_IsObject(node)) {
		char *text = cJSON_PrintUnformatted(node);

		fputs(text ? text : "null", stdout);
		cJSON_free(text);
		return;
	}
	if (cJSON_IsObject(node))
		sort_members(node);
	fputs(open, stdout);
	cJSON_ArrayForEach(item, node)
	{
		printf("%s\n%*s", item == node->child ? "" : ",",
		       4 * (depth + 1), "");
		if (cJSON_IsObject(node))
			printf("\"%s\": ", item->string);
		print(item, depth + 1);
	}
	if (node->child)
		printf("\n%*s", 4 * depth, "");
	fputs(close, stdout);
}

cJSON *api_json(const uint8_t *p, size_t n, const struct api_shape *shape)
{
	return message(p, n, shape, 0);
}

void api_print(const struct pb_out *answer, const struct api_shape *shape)
{
	cJSON *o = message(answer->p, answer->len, shape, 0);

	if (!o)
		return;
	print(o, 0);
	puts("\n");
	cJSON_Delete(o);
}
