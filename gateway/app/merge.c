/*
 * merge.c - Several configuration files into one, as Xray merges them
 *
 * Objects are replaced whole by the later file. An inbound or outbound with a
 * tag seen before takes its place; new inbounds are appended; new outbounds of
 * a file go to the front as a block, unless its name contains "tail".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/app/app.h"

static const char *node_tag(const cJSON *node)
{
	const cJSON *item;

	cJSON_ArrayForEach(
		item, node) if (item->string &&
				!strcasecmp(item->string, "tag") &&
				cJSON_IsString(item) &&
				item->valuestring[0]) return item->valuestring;
	return NULL;
}

static const cJSON **find_tag(const cJSON **list, unsigned int count,
			      const char *tag)
{
	for (unsigned int i = 0; tag && i < count; i++) {
		const char *other = node_tag(list[i]);

		if (other && !strcmp(other, tag))
			return &list[i];
	}
	return NULL;
}

static bool has_tail(const char *name)
{
	for (; *name; name++)
		if (!strncasecmp(name, "tail", 4))
			return true;
	return false;
}

/* Merge @array into @list; places: @front keeps new ones together at the head */
static void merge_list(struct diag *d, const cJSON *array, const cJSON **list,
		       unsigned int *count, unsigned int old, bool front)
{
	unsigned int at = front ? 0 : *count;
	const cJSON *node;

	cJSON_ArrayForEach(node, array)
	{
		/* Within one file equal tags are an error of their own */
		const cJSON **same =
			find_tag(front ? list + at : list, old, node_tag(node));

		if (same) {
			*same = node;
			continue;
		}
		if (*count >= MERGE_MAX) {
			diag_error(d, node, NULL, "more than %d entries",
				   MERGE_MAX);
			return;
		}
		memmove(list + at + 1, list + at,
			(*count - at) * sizeof(*list));
		list[at++] = node;
		++*count;
	}
}

/* Keys of Xray that are not here, or no longer there */
static void merge_refused(struct jobj *o)
{
	const cJSON *transport = j_get(o, "transport");

	j_not_yet(o, "reverse", "removed from Xray");
	/* an empty one, as of old templates, Xray lets pass */
	if (!cJSON_IsObject(transport) || transport->child)
		j_not_yet(o, "transport",
			  "removed from Xray: use streamSettings");
	j_ignore(o, "version", "not checked");
	j_ignore(o, "remarks", NULL);
	j_ignore(o, "$schema", NULL);
}

static void merge_take(struct jobj *o, const char *key, const cJSON **into)
{
	const cJSON *node = j_get(o, key);

	if (node)
		*into = node;
}

/*
 * "env" of one file, over those before. It holds from now on, and until the process
 * ends; what is so already is not set again, as other threads may read
 */
static void merge_env(struct diag *d, const cJSON *node, struct merged *m)
{
	const cJSON *v;
	const char *now;

	if (node && !cJSON_IsObject(node)) {
		diag_error(d, node, NULL, "must be an object of strings");
		return;
	}
	cJSON_ArrayForEach(v, node)
	{
		if (!cJSON_IsString(v) || !v->string[0] ||
		    strchr(v->string, '=')) {
			diag_error(d, v, NULL, "must be a name and a string");
			continue;
		}
		now = getenv(v->string);
		if ((!now || strcmp(now, v->valuestring) != 0) &&
		    setenv(v->string, v->valuestring, 1) < 0)
			diag_error(d, v, NULL, "out of memory");
		cJSON_DeleteItemFromObjectCaseSensitive(m->env, v->string);
		cJSON_AddStringToObject(m->env, v->string, v->valuestring);
	}
}

static void merge_one(struct diag *d, const struct jdoc *doc, struct merged *m)
{
	struct jobj o;

	if (!j_open(&o, d, doc->root))
		return;
	merge_take(&o, "log", &m->log);
	merge_take(&o, "routing", &m->routing);
	merge_take(&o, "dns", &m->dns);
	merge_take(&o, "policy", &m->policy);
	merge_take(&o, "stats", &m->stats);
	if (m->stats && !cJSON_IsObject(m->stats))
		diag_error(d, m->stats, NULL, "must be an object: {}");
	merge_take(&o, "fakedns", &m->fakedns);
	merge_take(&o, "observatory", &m->observatory);
	merge_take(&o, "burstObservatory", &m->burst_observatory);
	merge_take(&o, "api", &m->api);
	merge_take(&o, "metrics", &m->metrics);
	merge_take(&o, "geodata", &m->geodata);
	merge_take(&o, "culvert", &m->culvert);
	merge_env(d, j_get(&o, "env"), m);
	merge_list(d, j_array(&o, "inbounds"), m->inbounds, &m->inbound_count,
		   m->inbound_count, false);
	merge_list(d, j_array(&o, "outbounds"), m->outbounds,
		   &m->outbound_count, m->outbound_count, !has_tail(doc->name));
	merge_refused(&o);
	j_close(&o);
}

int merge_docs(struct diag *d, const struct jdoc *docs, struct merged *m)
{
	*m = (struct merged){ .log = NULL };
	m->inbounds = calloc(MERGE_MAX, sizeof(*m->inbounds));
	m->outbounds = calloc(MERGE_MAX, sizeof(*m->outbounds));
	m->env = cJSON_CreateObject();
	if (!m->inbounds || !m->outbounds || !m->env) {
		merge_free(m);
		return -ENOMEM;
	}
	for (; docs; docs = docs->next)
		merge_one(d, docs, m);
	return 0;
}

void merge_free(struct merged *m)
{
	free(m->inbounds);
	free(m->outbounds);
	cJSON_Delete(m->env);
	m->env = NULL;
	m->inbounds = NULL;
	m->outbounds = NULL;
}

static void print_add(cJSON *root, const char *key, const cJSON *node)
{
	if (node)
		cJSON_AddItemToObject(root, key, cJSON_Duplicate(node, true));
}

static void print_list(cJSON *root, const char *key, const cJSON **list,
		       unsigned int count)
{
	cJSON *array = cJSON_AddArrayToObject(root, key);

	for (unsigned int i = 0; i < count; i++)
		cJSON_AddItemToArray(array, cJSON_Duplicate(list[i], true));
}

char *merge_print(const struct merged *m)
{
	cJSON *root = cJSON_CreateObject();
	char *text;

	if (m->env->child) /* others look there: it is the first */
		print_add(root, "env", m->env);
	print_add(root, "log", m->log);
	print_add(root, "dns", m->dns);
	print_add(root, "fakedns", m->fakedns);
	print_add(root, "observatory", m->observatory);
	print_add(root, "burstObservatory", m->burst_observatory);
	print_list(root, "inbounds", m->inbounds, m->inbound_count);
	print_list(root, "outbounds", m->outbounds, m->outbound_count);
	print_add(root, "routing", m->routing);
	print_add(root, "policy", m->policy);
	print_add(root, "stats", m->stats);
	print_add(root, "api", m->api);
	print_add(root, "metrics", m->metrics);
	print_add(root, "geodata", m->geodata);
	print_add(root, "culvert", m->culvert);
	text = cJSON_Print(root);
	cJSON_Delete(root);
	return text;
}
