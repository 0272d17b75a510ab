/*
 * jget.c - Typed getters over a JSON object
 *
 * Keys are compared without case and the last of equal ones counts, as Go's
 * decoder has it, which Xray's users rely on. Each getter marks its key; what
 * nobody asked for is warned about by j_close().
 * Forms of lists, ports, addresses and ranges: Xray's infra/conf/common.go.
 */
#include "gateway/base/jget.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/jdoc.h"
#include "gateway/base/text.h"

#define SEEN_MAX    256 /* members with a bit in struct jobj */
#define WORDS_SHOWN 400 /* bytes of a list of allowed words in a message */
#define TWO_63      9223372036854775808.0 /* INT64_MAX is no double */
#define ENV_PREFIX  "env:"

static const char *type_name(const cJSON *n)
{
	if (cJSON_IsString(n))
		return "a string";
	if (cJSON_IsNumber(n))
		return "a number";
	if (cJSON_IsBool(n))
		return cJSON_IsTrue(n) ? "true" : "false";
	if (cJSON_IsObject(n))
		return "an object";
	return cJSON_IsArray(n) ? "an array" : "null";
}

/* --- open, close --------------------------------------------------------- */

bool j_open(struct jobj *o, struct diag *d, const cJSON *node)
{
	*o = (struct jobj){ .d = d };
	if (!node || cJSON_IsNull(node))
		return false;
	if (!cJSON_IsObject(node)) {
		diag_error(d, node, NULL, "must be an object, got %s",
			   type_name(node));
		return false;
	}
	o->node = node;
	return true;
}

static void ask(struct jobj *o, const char *key)
{
	for (unsigned int i = 0; i < o->asked_count; i++)
		if (!strcmp(o->asked[i], key))
			return;
	if (o->asked_count < JOBJ_KEYS)
		o->asked[o->asked_count++] = key;
}

/* The last member @key, null included; all of that key are marked as seen */
static cJSON *find(struct jobj *o, const char *key)
{
	cJSON *found = NULL, *m;
	unsigned int i = 0;

	if (!o->node)
		return NULL;
	ask(o, key);
	for (m = o->node->child; m; m = m->next, i++) {
		if (strcasecmp(m->string, key))
			continue;
		found = m;
		if (i < SEEN_MAX)
			o->seen[i / 64] |= UINT64_C(1) << (i % 64);
	}
	return found;
}

static cJSON *get(struct jobj *o, const char *key)
{
	cJSON *m = find(o, key);

	return m && !cJSON_IsNull(m) ? m : NULL;
}

const cJSON *j_get(struct jobj *o, const char *key)
{
	return get(o, key);
}

static void wrong_type(struct jobj *o, const cJSON *m, const char *want)
{
	diag_error(o->d, m, NULL, "must be %s, got %s", want, type_name(m));
}

/* The nearest key anybody asked for; NULL: none is near */
static const char *nearest(const struct jobj *o, const char *key)
{
	unsigned int best = TEXT_FAR;
	const char *found = NULL;

	for (unsigned int i = 0; i < o->asked_count; i++)
		if (text_nearer(key, o->asked[i], &best))
			found = o->asked[i];
	return found;
}

static bool is_comment(const char *key)
{
	static const char *const words[] = { "remark", "remarks", "comment",
					     "comments" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcasecmp(key, words[i]))
			return true;
	return key[0] == '_' || key[0] == '$' || !strncmp(key, "//", 2);
}

static void unknown_key(struct jobj *o, const cJSON *m, bool strict)
{
	const char *near = nearest(o, m->string);

	if (strict)
		diag_key_error(o->d, m,
			       "unknown key, which cannot be ignored here");
	else
		diag_key_warning(o->d, m, "unknown key, ignored");
	if (near)
		diag_help(o->d, "did you mean \"%s\"?", near);
	else if (strict)
		diag_help(o->d, "a comment's key begins with _ or //");
}

/* Of members without a bit in @o->seen nobody knows whether they were asked for */
static void close_object(struct jobj *o, bool strict)
{
	unsigned int i = 0;
	const cJSON *m;

	if (!o->node)
		return;
	for (m = o->node->child; m && i < SEEN_MAX; m = m->next, i++)
		if (!(o->seen[i / 64] >> (i % 64) & 1) &&
		    !is_comment(m->string))
			unknown_key(o, m, strict);
	if (m && strict)
		diag_error(o->d, m, NULL, "more than %d keys", SEEN_MAX);
}

void j_close(struct jobj *o)
{
	close_object(o, false);
}

void j_close_strict(struct jobj *o)
{
	close_object(o, true);
}

/* --- plain values -------------------------------------------------------- */

bool j_bool(struct jobj *o, const char *key, bool def)
{
	const cJSON *m = get(o, key);

	if (!m)
		return def;
	if (!cJSON_IsBool(m)) {
		wrong_type(o, m, "true or false");
		return def;
	}
	return cJSON_IsTrue(m);
}

int64_t j_int(struct jobj *o, const char *key, int64_t def, int64_t min,
	      int64_t max)
{
	const cJSON *m = get(o, key);
	double v;

	if (!m)
		return def;
	if (!cJSON_IsNumber(m)) {
		diag_error(o->d, m, NULL,
			   "must be a number from %lld to %lld, got %s",
			   (long long)min, (long long)max, type_name(m));
		return def;
	}
	v = m->valuedouble;
	if (v >= -TWO_63 && v < TWO_63 && v == floor(v) && (int64_t)v >= min &&
	    (int64_t)v <= max)
		return (int64_t)v;
	diag_error(o->d, m, NULL, "must be %s%lld to %lld, got %.15g",
		   v == floor(v) ? "" : "a whole number from ", (long long)min,
		   (long long)max, v);
	return def;
}

double j_num(struct jobj *o, const char *key, double def, double min,
	     double max)
{
	const cJSON *m = get(o, key);

	if (!m)
		return def;
	if (!cJSON_IsNumber(m)) {
		diag_error(o->d, m, NULL,
			   "must be a number from %g to %g, got %s", min, max,
			   type_name(m));
		return def;
	}
	if (m->valuedouble >= min && m->valuedouble <= max)
		return m->valuedouble;
	diag_error(o->d, m, NULL, "must be %g to %g, got %.15g", min, max,
		   m->valuedouble);
	return def;
}

const char *j_str(struct jobj *o, const char *key, const char *def)
{
	const cJSON *m = get(o, key);

	if (!m)
		return def;
	if (!cJSON_IsString(m)) {
		wrong_type(o, m, "a string");
		return def;
	}
	return m->valuestring;
}

const char *j_need_str(struct jobj *o, const char *key)
{
	const cJSON *m = get(o, key);

	if (!m) {
		diag_error(o->d, o->node, key, "is missing");
		return "";
	}
	if (!cJSON_IsString(m))
		wrong_type(o, m, "a string");
	else if (!*m->valuestring)
		diag_error(o->d, m, NULL, "must not be empty");
	else
		return m->valuestring;
	return "";
}

const cJSON *j_array(struct jobj *o, const char *key)
{
	const cJSON *m = get(o, key);

	if (!m || cJSON_IsArray(m))
		return m;
	wrong_type(o, m, "an array");
	return NULL;
}

/* --- words --------------------------------------------------------------- */

static void wrong_word(struct jobj *o, const cJSON *m,
		       const struct jword *words, size_t count)
{
	const char *got = m->valuestring, *near = NULL;
	char list[WORDS_SHOWN] = "";
	unsigned int best = TEXT_FAR;
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		if (*words[i].word && len + 64 < sizeof(list))
			len += (size_t)snprintf(list + len, sizeof(list) - len,
						"%s%.60s", len ? ", " : "",
						words[i].word);
		if (text_nearer(got, words[i].word, &best))
			near = words[i].word;
	}
	diag_error(o->d, m, NULL, "must be one of %s; got \"%.64s\"", list,
		   got);
	if (near)
		diag_help(o->d, "did you mean \"%s\"?", near);
}

/* An empty string is the default, as in Xray */
int j_word(struct jobj *o, const char *key, const struct jword *words,
	   size_t count, int def)
{
	const cJSON *m = get(o, key);

	if (!m)
		return def;
	if (!cJSON_IsString(m)) {
		wrong_type(o, m, "a string");
		return def;
	}
	for (size_t i = 0; i < count; i++)
		if (!strcasecmp(words[i].word, m->valuestring))
			return words[i].value;
	if (*m->valuestring)
		wrong_word(o, m, words, count);
	return def;
}

void j_not_yet(struct jobj *o, const char *key, const char *why)
{
	const cJSON *m = get(o, key);

	if (m)
		diag_error(o->d, m, NULL, "not supported: %s", why);
}

void j_ignore(struct jobj *o, const char *key, const char *why)
{
	const cJSON *m = get(o, key);

	if (m && why)
		diag_warning(o->d, m, NULL, "has no effect: %s", why);
}

void j_ignore_not0(struct jobj *o, const char *key, const char *why)
{
	const cJSON *m = get(o, key);

	j_ignore(o, key, cJSON_IsNumber(m) && !m->valueint ? NULL : why);
}

/* --- lists --------------------------------------------------------------- */

void j_list(struct jobj *o, const char *key, struct jlist *l)
{
	const cJSON *m = get(o, key);

	l->node = NULL;
	l->text = NULL;
	l->array = NULL;
	l->rest = NULL;
	if (!m)
		return;
	if (cJSON_IsArray(m)) {
		l->array = m;
	} else if (cJSON_IsString(m)) {
		l->node = m;
		l->rest = m->valuestring;
	} else {
		wrong_type(o, m, "an array of strings, or \"a,b\"");
	}
}

/* The next element that is a string; each other one is an error */
static bool next_element(struct jobj *o, struct jlist *l)
{
	for (;;) {
		l->node = l->node ? l->node->next : l->array->child;
		if (!l->node) {
			l->array = NULL;
			return false;
		}
		if (cJSON_IsString(l->node)) {
			l->text = l->node->valuestring;
			return true;
		}
		wrong_type(o, l->node, "a string");
	}
}

/* Copy [@s, @s + @n) without blanks around; 0: nothing is left, -ENOBUFS */
static int copy_trimmed(char *out, size_t size, const char *s, size_t n)
{
	while (n && (*s == ' ' || *s == '\t')) {
		s++;
		n--;
	}
	while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	if (n >= size)
		return -ENOBUFS;
	memcpy(out, s, n);
	out[n] = '\0';
	return (int)n;
}

bool j_list_next(struct jobj *o, struct jlist *l)
{
	size_t n;
	int got;

	if (l->array)
		return next_element(o, l);
	while (l->rest) {
		n = strcspn(l->rest, ",");
		got = copy_trimmed(l->tmp, sizeof(l->tmp), l->rest, n);
		l->rest = l->rest[n] ? l->rest + n + 1 : NULL;
		if (got < 0)
			diag_error(o->d, l->node, NULL,
				   "an element longer than %zu bytes",
				   sizeof(l->tmp) - 1);
		l->text = l->tmp;
		if (got > 0)
			return true;
	}
	return false;
}

/* --- numbers in strings -------------------------------------------------- */

/**
 * read_i32() - Digits with an optional minus
 * @s:		Moved behind them on success
 *
 * Return: 0, -EINVAL: no digit, -ERANGE
 */
static int read_i32(const char **s, int32_t *out)
{
	const char *p = *s;
	bool minus = *p == '-';
	int64_t v = 0;

	p += minus;
	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (*p - '0');
		if (v > (int64_t)INT32_MAX + minus)
			return -ERANGE;
	}
	*out = (int32_t)(minus ? -v : v);
	*s = p;
	return 0;
}

/* "5" or "5-10", nothing behind; 0 or -errno */
static int read_range(const char *s, int32_t *lo, int32_t *hi)
{
	int err = read_i32(&s, lo);

	*hi = *lo;
	if (!err && *s == '-') {
		s++;
		err = read_i32(&s, hi);
	}
	return err ? err : *s ? -EINVAL : 0;
}

/* @s, or what "env:NAME" is in the environment; NULL after an error about @m */
static const char *env_text(struct jobj *o, const cJSON *m, const char *s)
{
	const char *v;

	if (strncmp(s, ENV_PREFIX, strlen(ENV_PREFIX)))
		return s;
	s += strlen(ENV_PREFIX);
	v = getenv(s);
	if (!v)
		diag_error(o->d, m, NULL,
			   "the environment variable %.64s is not set", s);
	return v;
}

const char *j_str_env(struct jobj *o, const char *key, const char *def)
{
	const char *text = j_str(o, key, def), *v;

	v = text ? env_text(o, get(o, key), text) : NULL;
	return v ? v : def;
}

/* One element of a port set; 0 or -EINVAL */
static int read_ports(const char *s, struct port_range *out)
{
	int32_t lo = 0, hi = 0;

	if (read_range(s, &lo, &hi) || lo < 0 || hi < lo || hi > 65535)
		return -EINVAL;
	*out = (struct port_range){ (uint16_t)lo, (uint16_t)hi };
	return 0;
}

/* One of a list, perhaps of the environment. 0, or -errno after a complaint */
static int part_ports(struct jobj *o, const cJSON *m, const char *part,
		      struct port_range *out)
{
	const char *v = env_text(o, m, part);

	if (!v)
		return -ENOENT;
	if (!read_ports(v, out))
		return 0;
	diag_error(o->d, m, NULL,
		   "must be ports like \"80,443,1000-2000\" up to 65535; "
		   "\"%.32s\" is none",
		   v);
	return -EINVAL;
}

static unsigned int list_ports(struct jobj *o, const cJSON *m,
			       struct port_range *out, unsigned int max)
{
	const char *s = m->valuestring;
	unsigned int n = 0;
	char part[128];
	size_t len;
	int got;

	if (!strchr(s, ',')) /* a variable alone may hold a list */
		s = env_text(o, m, s);
	for (; s; s = s[len] ? s + len + 1 : NULL) {
		len = strcspn(s, ",");
		got = copy_trimmed(part, sizeof(part), s, len);
		if (!got)
			continue;
		if (n == max) {
			diag_error(o->d, m, NULL, "more than %u port ranges",
				   max);
			return 0;
		}
		if (got < 0)
			snprintf(part, sizeof(part), "%.*s", 64, s);
		if (part_ports(o, m, part, &out[n]) < 0)
			return 0;
		n++;
	}
	return n;
}

unsigned int j_ports(struct jobj *o, const char *key, struct port_range *out,
		     unsigned int max)
{
	const cJSON *m = get(o, key);
	int64_t v;

	if (!m || !max)
		return 0;
	if (cJSON_IsString(m))
		return list_ports(o, m, out, max);
	if (!cJSON_IsNumber(m)) {
		wrong_type(o, m, "a port, or \"80,443,1000-2000\"");
		return 0;
	}
	v = j_int(o, key, -1, 0, 65535);
	if (v < 0)
		return 0;
	out[0] = (struct port_range){ (uint16_t)v, (uint16_t)v };
	return 1;
}

bool j_range(struct jobj *o, const char *key, int32_t *lo, int32_t *hi)
{
	const cJSON *m = get(o, key);
	int32_t a = 0, b = 0;
	unsigned int errors = o->d->errors;

	if (!m)
		return false;
	if (cJSON_IsNumber(m)) {
		a = (int32_t)j_int(o, key, 0, INT32_MIN, INT32_MAX);
		b = a;
	} else if (!cJSON_IsString(m)) {
		wrong_type(o, m, "a number, or \"5-10\"");
	} else if (*m->valuestring && read_range(m->valuestring, &a, &b)) {
		diag_error(o->d, m, NULL,
			   "must be a number or a range like \"5-10\", got "
			   "\"%.32s\"",
			   m->valuestring);
	}
	if (o->d->errors != errors)
		return false;
	*lo = a < b ? a : b;
	*hi = a < b ? b : a;
	return true;
}

bool j_range_item(struct jobj *o, const cJSON *m, int32_t *lo, int32_t *hi)
{
	double v = cJSON_IsNumber(m) ? m->valuedouble : 0.5;
	int32_t a = 0, b = 0;

	if (v == floor(v) && v >= INT32_MIN && v <= INT32_MAX) {
		a = b = (int32_t)v;
	} else if (!cJSON_IsString(m) || read_range(m->valuestring, &a, &b)) {
		diag_error(o->d, m, NULL,
			   "must be a number or a range like \"5-10\"");
		return false;
	}
	*lo = a < b ? a : b;
	*hi = a < b ? b : a;
	return true;
}

/* --- addresses ----------------------------------------------------------- */

static void wrong_addr(struct jobj *o, const cJSON *m, const char *s)
{
	diag_error(o->d, m, NULL,
		   "must be an IP address or a host name, got \"%.64s\"", s);
	for (const char *p = s; *p; p++) {
		if ((unsigned char)*p < 0x80)
			continue;
		diag_help(o->d, "write an international name in its ASCII "
				"form, xn--...");
		return;
	}
}

/*
 * The cleaned name is written back to the node, so that it lives as long as
 * the document.
 */
bool j_addr(struct jobj *o, const char *key, struct addr *out)
{
	cJSON *m = get(o, key);
	struct addr a = { 0 };
	char name[ADDR_NAME_MAX + 1];
	const char *s;
	int len;

	if (!m)
		return false;
	if (!cJSON_IsString(m)) {
		wrong_type(o, m, "an IP address or a host name");
		return false;
	}
	s = env_text(o, m, m->valuestring);
	if (!s || !*s)
		return false;
	if (!addr_parse_literal(&a, s)) {
		*out = a;
		return true;
	}
	len = addr_clean_name(s, strlen(s), name);
	if (len < 0) {
		wrong_addr(o, m, s);
		return false;
	}
	s = cJSON_SetValuestring(m, name);
	if (!s) {
		diag_error(o->d, m, NULL, "out of memory");
		return false;
	}
	*out = addr_name(s, (size_t)len, 0);
	return true;
}

int64_t j_duration_ms(const char *text)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {
		{ "ms", 1 },   { "us", 0.001 }, { "ns", 0.000001 },
		{ "s", 1000 }, { "m", 60000 },  { "h", 3600000 },
	};
	double sum = 0;

	if (!*text)
		return -EINVAL;
	while (*text) {
		size_t i = 0, n;
		char *end;
		double v = strtod(text, &end);

		if (end == text || v < 0)
			return -EINVAL;
		for (; i < ARRAY_SIZE(units); i++) {
			n = strlen(units[i].unit);
			if (!strncmp(end, units[i].unit, n))
				break;
		}
		if (i == ARRAY_SIZE(units))
			return -EINVAL;
		sum += v * units[i].ms;
		text = end + strlen(units[i].unit);
		if (sum > J_DURATION_MAX_MS)
			return -EINVAL;
	}
	return (int64_t)sum;
}
