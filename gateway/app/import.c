/*
 * import.c - Share links on the command line: import, export, up LINK|FILE|URL
 *
 * An imported configuration is the built-in one without its TUN and with the links'
 * outbounds in front; private addresses go out directly. One link is the default, and
 * is probed now and then. Of several each is probed, through itself, and the quickest
 * one is taken: a balancer "auto", until something is known and when all are dead the
 * first. Outbounds that the configuration would refuse are left out, with the reason.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/app/app.h"
#include "gateway/app/fetch.h"
#include "gateway/base/foreign.h"
#include "gateway/base/text.h"
#include "proxy/wire/link.h"

/**
 * struct import - Outbounds being collected
 * @lines:	Of each outbound the line of its link; LINK_ALL_MAX
 * @line:	Of the link in work, for messages
 * @bad:	Lines that were no links
 * @link:	It stood on the command line
 */
struct import {
	cJSON *outbounds;
	unsigned int *lines;
	unsigned int line, bad;
	bool link;
};

static void say(void *arg, const char *what)
{
	const struct import *im = arg;

	fprintf(stderr, "culvert: link %u %s\n", im->line, what);
}

static void left_out(unsigned int line, const char *name, const char *why)
{
	fprintf(stderr, "culvert: link %u%s%s%s is left out: %s\n", line,
		*name ? " (" : "", name, *name ? ")" : "", why);
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

/* A name that strangers gave, as far as it is fit to be shown */
static void clean_name(const char *p, char out[96])
{
	size_t n = 0;

	while (*p && n < 96 - 5) {
		size_t k = text_char(p, strlen(p));

		if (k)
			memcpy(out + n, p, k);
		n += k;
		p += k ? k : 1;
	}
	out[n] = '\0';
}

/* The link's name; unique */
static void make_tag(const struct import *im, const struct link *l,
		     char out[128])
{
	char base[96];

	clean_name(l->name, base);
	if (!*base)
		snprintf(base, sizeof(base), "%.80s", l->host);
	snprintf(out, 128, "%s", base);
	for (unsigned int i = 2; tag_taken(im->outbounds, out); i++)
		snprintf(out, 128, "%s %u", base, i);
}

static void each_link(void *arg, unsigned int line, const struct link *l,
		      const char *why)
{
	struct import *im = arg;
	unsigned int i = (unsigned int)cJSON_GetArraySize(im->outbounds);
	char tag[128];

	im->line = line;
	if (why) {
		im->bad++;
		clean_name(l->name, tag);
		left_out(line, tag, why);
		return;
	}
	make_tag(im, l, tag);
	if (i < LINK_ALL_MAX &&
	    cJSON_AddItemToArray(im->outbounds,
				 link_to_outbound(l, tag, say, im)))
		im->lines[i] = line;
}

/* The whole of a file, or of standard input; malloc'ed */
static char *read_all(const char *path, size_t *n)
{
	FILE *f = strcmp(path, "-") != 0 ? fopen(path, "re") : stdin;
	char *text = f ? malloc(LINK_LIST_MAX + 1) : NULL;

	if (!f)
		fprintf(stderr,
			"culvert: %s: %s\n"
			"help: give a link, the address of a subscription, or "
			"a file of links\n",
			path, strerror(errno));
	*n = text ? fread(text, 1, LINK_LIST_MAX + 1, f) : 0;
	if (f && f != stdin)
		fclose(f);
	return text;
}

/* Where the text begins, behind a mark of byte order and blanks; @n: nowhere */
static size_t first_of(const char *text, size_t n)
{
	size_t i = n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;

	while (i < n && isspace((unsigned char)text[i]))
		i++;
	return i;
}

/* An Xray configuration, perhaps with comments */
static bool is_config(const char *text, size_t n)
{
	size_t i = first_of(text, n);

	return i < n && (text[i] == '{' || text[i] == '/' || text[i] == '#') &&
	       (memmem(text, n, "\"outbounds\"", 11) ||
		memmem(text, n, "\"inbounds\"", 10));
}

/* What is read from a pipe is gone for who reads it next */
static bool is_file(const char *path)
{
	struct stat st;

	return strcmp(path, "-") != 0 && stat(path, &st) == 0 &&
	       S_ISREG(st.st_mode);
}

bool import_is_config(const char *path)
{
	FILE *f = is_file(path) ? fopen(path, "re") : NULL;
	char *text = f ? malloc(LINK_LIST_MAX + 1) : NULL;
	size_t n = text ? fread(text, 1, LINK_LIST_MAX, f) : 0;
	cJSON *root = n ? cJSON_ParseWithLength(text, n) : NULL;
	const struct foreign *other = root ? foreign_tree(root) : NULL;
	bool is = n && is_config(text, n) && !(other && other->servers);

	cJSON_Delete(root);
	free(text);
	if (f)
		fclose(f);
	return is;
}

/* Says what @text is when it holds no links; false: it may hold some */
static bool is_other(const char *text, size_t n)
{
	const struct foreign *f = foreign_text(text, n);
	cJSON *root = f ? NULL : cJSON_ParseWithLength(text, n);
	bool other;

	if (root)
		f = foreign_tree(root);
	cJSON_Delete(root);
	other = f ? !f->servers : is_config(text, n);
	if (other && f)
		fprintf(stderr, "culvert: this is %s\nhelp: %s\n", f->what,
			f->help ? f->help : "only lists of links are read");
	else if (other)
		fprintf(stderr, "culvert: this is a configuration already\n"
				"help: it is run by `culvert up -c FILE`\n");
	return other;
}

static int parse_list(struct import *im, const char *text, size_t n)
{
	int good;

	if (first_of(text, n) == n) {
		fprintf(stderr, "culvert: it is empty\n"
				"help: a subscription that has expired may be; "
				"look at the provider's page\n");
		return -ENODATA;
	}
	if (is_other(text, n))
		return -EPROTO;
	good = link_parse_all(text, n, each_link, im);
	if (good < 0)
		fprintf(stderr, "culvert: neither links, nor a list of them\n");
	return good;
}

static int collect(struct import *im, const char *what)
{
	bool url = fetch_is_url(what);
	char *text;
	size_t n;
	int good;

	im->link = !url && strstr(what, "://");
	if (im->link)
		return parse_list(im, what, strlen(what));
	text = url ? fetch_url(what, LINK_LIST_MAX + 1, &n) :
		     read_all(what, &n);
	good = text ? parse_list(im, text, n) : url ? -EAGAIN : -ENOENT;
	free(text);
	return good;
}

static void add_rule(cJSON *root, const char *rule)
{
	cJSON *routing = cJSON_GetObjectItem(root, "routing");

	cJSON_AddItemToArray(cJSON_GetObjectItem(routing, "rules"),
			     cJSON_Parse(rule));
}

/* One server is asked now and then, so that the log tells whether it answers */
static void add_probe(cJSON *root, cJSON *tags)
{
	cJSON *probes = cJSON_AddObjectToObject(root, "observatory");

	cJSON_AddItemToObject(probes, "subjectSelector", tags);
	cJSON_AddStringToObject(probes, "probeInterval", "5m");
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

/* The built-in configuration around @links */
static char *whole(const cJSON *links)
{
	cJSON *root = cJSON_Parse(builtin_config), *old,
	      *outbounds = cJSON_Duplicate(links, true),
	      *tags = cJSON_CreateArray();
	const cJSON *o;
	char *text;

	for (o = links->child; o; o = o->next)
		cJSON_AddItemToArray(tags, cJSON_CreateString(tag_of(o)));
	/* `up` adds a TUN, OpenWrt's service its own, other captures none */
	cJSON_DeleteItemFromObject(root, "inbounds");
	cJSON_DeleteItemFromObject(root, "culvert");
	old = cJSON_GetObjectItem(root, "outbounds");
	while (cJSON_GetArraySize(old))
		cJSON_AddItemToArray(outbounds,
				     cJSON_DetachItemFromArray(old, 0));
	cJSON_ReplaceItemInObject(root, "outbounds", outbounds);
	add_rule(root, "{\"ruleTag\":\"private\",\"ip\":[\"geoip:private\"],"
		       "\"outboundTag\":\"direct\"}");
	/* with a wrong clock no server takes us, and it could not be set */
	add_rule(root,
		 "{\"ruleTag\":\"clock\",\"network\":\"udp\",\"port\":123,"
		 "\"outboundTag\":\"direct\"}");
	if (cJSON_GetArraySize(tags) > 1)
		add_auto(root, tags);
	else
		add_probe(root, tags);
	text = cJSON_Print(root);
	cJSON_Delete(root);
	return text;
}

/* outbounds[3].settings.port: which outbound, and what is said of it. -1: of none */
static int of_outbound(const char **path)
{
	static const char head[] = "outbounds[";
	char *end;
	long i;

	if (strncmp(*path, head, sizeof(head) - 1) != 0)
		return -1;
	i = strtol(*path + sizeof(head) - 1, &end, 10);
	if (*end != ']')
		return -1;
	*path = end + 1 + (end[1] == '.');
	return (int)i;
}

/* Leave out what @d has errors of. How many outbounds */
static int drop_refused(struct import *im, const struct diag *d)
{
	int count = cJSON_GetArraySize(im->outbounds), last = count, n = 0;
	const char *path, *text;
	char why[512];

	/* from the end, so that numbers stay true; each for the first reason */
	for (int i = count - 1; i >= 0; i--) {
		for (unsigned int k = 0;
		     last != i && diag_nth_error(d, k, &path, &text); k++) {
			if (of_outbound(&path) != i)
				continue;
			snprintf(why, sizeof(why), "%s%s%s", path,
				 *path ? ": " : "", text);
			left_out(im->lines[i],
				 tag_of(cJSON_GetArrayItem(im->outbounds, i)),
				 why);
			cJSON_DeleteItemFromArray(im->outbounds, i);
			memmove(&im->lines[i], &im->lines[i + 1],
				(size_t)(count - 1 - i) * sizeof(*im->lines));
			count--;
			n++;
			last = i;
		}
	}
	return n;
}

/* Does the configuration take them? How many were left out; what else is wrong with it
 * is told when it is loaded */
static int check_outbounds(struct import *im)
{
	char *text = whole(im->outbounds);
	struct config *cfg = NULL;
	struct merged m;
	struct diag d;
	int n = 0;

	diag_init(&d);
	if (text && jdoc_parse(&d, "link", text, strlen(text)) &&
	    merge_docs(&d, d.docs, &m) == 0) {
		cfg = config_build(&d, &m, NULL, NULL);
		merge_free(&m);
		n = cfg ? 0 : drop_refused(im, &d);
	}
	if (cfg)
		config_unref(cfg);
	diag_free(&d);
	free(text);
	return n;
}

/* The configuration of what was collected; NULL: nothing was */
static char *finish(struct import *im, const char *what, int good)
{
	while (good > 0 && im->outbounds->child && check_outbounds(im))
		im->bad++;
	if (im->outbounds->child)
		return whole(im->outbounds);
	if (im->link && strchr(what, '?') && !strchr(what, '&'))
		fprintf(stderr, "help: a shell cuts a link at its first &: put "
				"it into quotes, '...'\n");
	else if (good >= 0 && !im->link)
		fprintf(stderr, im->bad ? "culvert: no server is left\n" :
					  "culvert: there is no link in it\n");
	return NULL;
}

int import_config(const char *what, char **text)
{
	struct import im = {
		.outbounds = cJSON_CreateArray(),
		.lines = calloc(LINK_ALL_MAX, sizeof(*im.lines)),
	};
	int good = -ENOMEM;

	*text = NULL;
	if (im.outbounds && im.lines) {
		good = collect(&im, what);
		*text = finish(&im, what, good);
	}
	free(im.lines);
	cJSON_Delete(im.outbounds);
	return *text ? EXIT_OK : good == -EAGAIN ? EXIT_FAIL : EXIT_CONFIG;
}

int import_run(const char *what)
{
	char *text;
	int code = import_config(what, &text);

	if (code != EXIT_OK)
		return code;
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
