/*
 * import.c - Share links on the command line: import, export, up LINK|FILE|URL
 *
 * An imported configuration is the built-in one with the links' outbounds in
 * front; private addresses go out directly. One link is the default. Of several
 * each is probed, through itself, and the quickest one is taken: a balancer
 * "auto", until something is known and when all are dead the first.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/app/app.h"
#include "gateway/app/fetch.h"
#include "gateway/base/text.h"
#include "proxy/wire/link.h"

/**
 * struct import - Outbounds being collected
 * @line:	Of the link in work, for messages
 * @bad:	Lines that were no links
 */
struct import {
	cJSON *outbounds;
	unsigned int line, bad;
};

static void say(void *arg, const char *what)
{
	const struct import *im = arg;

	fprintf(stderr, "culvert: link %u %s\n", im->line, what);
}

static const char *tag_of(const cJSON *outbound)
{
	return cJSON_GetObjectItem(outbound, "tag")->valuestring;
}

/* Selectors are prefixes: no tag of a link may select what is built in */
static bool tag_taken(const cJSON *outbounds, const char *tag)
{
	const cJSON *o;

	for (o = outbounds->child; o; o = o->next)
		if (!strcmp(tag_of(o), tag))
			return true;
	return !strncmp(tag, "direct", strlen(tag)) ||
	       !strncmp(tag, "dns", strlen(tag));
}

/* The link's name, as far as it is fit to be shown; unique */
static void make_tag(const struct import *im, const struct link *l,
		     char out[128])
{
	const char *p = l->name;
	char base[96];
	size_t n = 0;

	while (*p && n < sizeof(base) - 5) {
		size_t k = text_char(p, strlen(p));

		if (k)
			memcpy(base + n, p, k);
		n += k;
		p += k ? k : 1;
	}
	base[n] = '\0';
	if (!n)
		snprintf(base, sizeof(base), "%.80s", l->host);
	snprintf(out, 128, "%s", base);
	for (unsigned int i = 2; tag_taken(im->outbounds, out); i++)
		snprintf(out, 128, "%s %u", base, i);
}

static void each_link(void *arg, unsigned int line, const struct link *l,
		      const char *why)
{
	struct import *im = arg;
	char tag[128];

	im->line = line;
	if (!l) {
		im->bad++;
		fprintf(stderr, "culvert: link %u is left out: %s\n", line,
			why);
		return;
	}
	make_tag(im, l, tag);
	cJSON_AddItemToArray(im->outbounds, link_to_outbound(l, tag, say, im));
}

/* The whole of a file, or of standard input; malloc'ed */
static char *read_all(const char *path, size_t *n)
{
	FILE *f = strcmp(path, "-") != 0 ? fopen(path, "re") : stdin;
	char *text = f ? malloc(LINK_LIST_MAX + 1) : NULL;

	if (!f)
		fprintf(stderr, "culvert: %s: %s\n", path, strerror(errno));
	*n = text ? fread(text, 1, LINK_LIST_MAX + 1, f) : 0;
	if (f && f != stdin)
		fclose(f);
	return text;
}

/* What providers give out to other programs; NULL: none of that */
static const char *other_form(const char *text, size_t n)
{
	if (memmem(text, n, "\nproxies:", 9) ||
	    (n >= 8 && !memcmp(text, "proxies:", 8)))
		return "this is Clash's YAML; ask for the list of links";
	if (memmem(text, n, "\"outbounds\"", 11))
		return "this is a configuration; Xray's are run by -c FILE";
	if (memmem(text, n, "<html", 5) || memmem(text, n, "<HTML", 5))
		return "this is a page for browsers";
	return NULL;
}

static int parse_list(struct import *im, const char *text, size_t n)
{
	const char *other = other_form(text, n);
	int good = other ? -EPROTO : link_parse_all(text, n, each_link, im);

	if (good < 0)
		fprintf(stderr, "culvert: %s\n",
			other ? other : "neither links, nor a list of them");
	return good;
}

static int collect(struct import *im, const char *what)
{
	bool url = fetch_is_url(what);
	char *text;
	size_t n;
	int good;

	if (!url && strstr(what, "://"))
		return parse_list(im, what, strlen(what));
	text = url ? fetch_url(what, LINK_LIST_MAX + 1, &n) :
		     read_all(what, &n);
	good = text ? parse_list(im, text, n) : -ENOENT;
	free(text);
	return good;
}

static void add_rule(cJSON *root, const char *rule)
{
	cJSON *routing = cJSON_GetObjectItem(root, "routing");

	cJSON_AddItemToArray(cJSON_GetObjectItem(routing, "rules"),
			     cJSON_Parse(rule));
}

/* The quickest of @tags, whose array it takes over */
static void add_auto(cJSON *root, cJSON *tags)
{
	cJSON *routing = cJSON_GetObjectItem(root, "routing"),
	      *all = cJSON_AddArrayToObject(routing, "balancers"),
	      *one = cJSON_Parse("{\"tag\":\"auto\",\"strategy\":"
				 "{\"type\":\"leastPing\"}}"),
	      *probes = cJSON_AddObjectToObject(root, "observatory");

	cJSON_AddStringToObject(one, "fallbackTag", tags->child->valuestring);
	cJSON_AddItemToObject(one, "selector", cJSON_Duplicate(tags, true));
	cJSON_AddItemToArray(all, one);
	cJSON_AddItemToObject(probes, "subjectSelector", tags);
	add_rule(root, "{\"ruleTag\":\"auto\",\"network\":\"tcp,udp\","
		       "\"balancerTag\":\"auto\"}");
}

/* The built-in configuration around @outbounds, which it takes over */
static char *whole(cJSON *outbounds)
{
	cJSON *root = cJSON_Parse(builtin_config), *old,
	      *tags = cJSON_CreateArray();
	const cJSON *o;
	char *text;

	for (o = outbounds->child; o; o = o->next)
		cJSON_AddItemToArray(tags, cJSON_CreateString(tag_of(o)));
	old = cJSON_GetObjectItem(root, "outbounds");
	while (cJSON_GetArraySize(old))
		cJSON_AddItemToArray(outbounds,
				     cJSON_DetachItemFromArray(old, 0));
	cJSON_ReplaceItemInObject(root, "outbounds", outbounds);
	add_rule(root, "{\"ruleTag\":\"private\",\"ip\":[\"geoip:private\"],"
		       "\"outboundTag\":\"direct\"}");
	if (cJSON_GetArraySize(tags) > 1)
		add_auto(root, tags);
	else
		cJSON_Delete(tags);
	text = cJSON_Print(root);
	cJSON_Delete(root);
	return text;
}

char *import_config(const char *what)
{
	struct import im = { .outbounds = cJSON_CreateArray() };
	int good = im.outbounds ? collect(&im, what) : -ENOMEM;

	if (good > 0)
		return whole(im.outbounds);
	if (good == 0 && !im.bad)
		fprintf(stderr, "culvert: there is no link in it\n");
	cJSON_Delete(im.outbounds);
	return NULL;
}

int import_run(const char *what)
{
	char *text = import_config(what);

	if (!text)
		return EXIT_CONFIG;
	puts(text);
	cJSON_free(text);
	return EXIT_OK;
}

static const cJSON *find_tag(const struct merged *m, const char *tag)
{
	for (unsigned int i = 0; i < m->outbound_count; i++) {
		const cJSON *t = cJSON_GetObjectItem(m->outbounds[i], "tag");

		if (cJSON_IsString(t) && !strcmp(t->valuestring, tag))
			return m->outbounds[i];
	}
	return NULL;
}

int export_run(const struct cli *cli, const char *tag)
{
	const char *why = "there is no outbound of this tag";
	const cJSON *ob = NULL;
	struct merged m = { 0 };
	char *link = NULL;
	struct diag d;
	int code;

	diag_init(&d);
	for (unsigned int i = 0; i < cli->file_count; i++)
		jdoc_load(&d, cli->files[i]);
	if (!d.errors && d.docs && merge_docs(&d, d.docs, &m) == 0)
		ob = find_tag(&m, tag);
	if (d.errors)
		diag_print(&d, stderr, false);
	if (ob)
		link = link_from_outbound(ob, &why);
	code = link ? EXIT_OK : EXIT_CONFIG;
	if (link)
		puts(link);
	else
		fprintf(stderr, "culvert: %s: %s\n", tag, why);
	free(link);
	merge_free(&m);
	diag_free(&d);
	return code;
}
