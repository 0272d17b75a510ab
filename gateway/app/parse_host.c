/* parse_host.c - The culvert section: what `culvert up` does to the host */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <linux/rtnetlink.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/app/app.h"
#include "gateway/core/match.h"
#include "gateway/core/worker.h"

static const struct jword capture_words[] = {
	{ "none", CAPTURE_NONE },         { "tun", CAPTURE_TUN },
	{ "redirect", CAPTURE_REDIRECT }, { "tproxy", CAPTURE_TPROXY },
	{ "mixed", CAPTURE_MIXED },
};

static const struct jword fail_words[] = { { "open", 0 }, { "closed", 1 } };

/* Own numbers differ from those of other gateways on purpose */
#define HOST_DEFAULT \
	((struct host_conf){ .mark = 0x20000000, \
			     .mark_mask = 0x20000000, \
			     .table = 7663, \
			     .rule_pref = 7600, \
			     .capture = CAPTURE_TUN, \
			     .hijack_dns = true, \
			     .hijack_local = true })

enum {
	PORT_DEFAULT = 7663,
	DNS_PORT_DEFAULT = 7653,
	BYPASS_MAX = 256,
	/* the last of our rules, 90 behind, comes before the system's own, 32766 */
	PRIORITY_MAX = 32675
};

int parse_capture_word(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(capture_words); i++)
		if (!strcmp(text, capture_words[i].word))
			return capture_words[i].value;
	return -EINVAL;
}

/* --- lists -------------------------------------------------------------------- */

/**
 * struct words - A walk over [ "a", 5 ], "a,b" or 5
 */
struct words {
	struct jobj *o;
	struct config *cfg;
	const cJSON *node;
};

typedef bool (*word_fn)(struct words *w, void *into, unsigned int at,
			const char *text);

/* Take the words of o[key] into *@into, @size bytes each. Returns how many */
static unsigned int take_words(struct words *w, const char *key, void **into,
			       size_t size, word_fn fn)
{
	const cJSON *all = j_get(w->o, key), *e;
	unsigned int n = 0;
	char text[512];

	if (!all)
		return 0;
	*into = arena_alloc(&w->cfg->arena, MATCH_MAX * size);
	for (e = cJSON_IsArray(all) ? all->child : all; *into && e;
	     e = cJSON_IsArray(all) ? e->next : NULL) {
		char *save = NULL, *word;

		w->node = e;
		if (cJSON_IsNumber(e))
			snprintf(text, sizeof(text), "%.0f", e->valuedouble);
		else
			snprintf(text, sizeof(text), "%s",
				 cJSON_IsString(e) ? e->valuestring : "?");
		for (word = strtok_r(text, ", ", &save); word;
		     word = strtok_r(NULL, ", ", &save)) {
			if (n < MATCH_MAX && fn(w, *into, n, word))
				n++;
			else
				diag_error(w->o->d, e, NULL,
					   n < MATCH_MAX ?
						   "\"%s\" is no %s" :
						   "\"%s\": too many of %s",
					   word, key);
		}
	}
	return n;
}

static bool put_prefix(struct words *w, void *into, unsigned int at,
		       const char *text)
{
	struct cidr *v = into;

	(void)w;
	return cidr_parse(&v[at], text) == 0;
}

/* Words go into the text of a rule: nothing that has a meaning there */
static bool put_text(struct words *w, void *into, unsigned int at,
		     const char *text, const char *also)
{
	const char **v = into;

	for (const char *p = text; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr(also, *p))
			return false;
	v[at] = arena_strdup(&w->cfg->arena, text);
	return v[at] != NULL;
}

static bool put_interface(struct words *w, void *into, unsigned int at,
			  const char *text)
{
	const char *star = strchr(text, '*');

	return strlen(text) < 16 && star != text && (!star || !star[1]) &&
	       put_text(w, into, at, text, "._-@+*");
}

static bool put_mac(struct words *w, void *into, unsigned int at,
		    const char *text)
{
	bool ok = strlen(text) == 17;

	for (int i = 0; ok && i < 17; i++)
		ok = i % 3 == 2 ? text[i] == ':' :
				  isxdigit((unsigned char)text[i]) != 0;
	return ok && put_text(w, into, at, text, ":");
}

static bool put_cgroup(struct words *w, void *into, unsigned int at,
		       const char *text)
{
	text += strspn(text, "/");
	return *text && text[strlen(text) - 1] != '/' && !strstr(text, "..") &&
	       !strstr(text, "//") && put_text(w, into, at, text, "._-@:/");
}

/* "1000" or "1000-2000" */
static bool parse_ids(const char *text, struct id_range *r)
{
	char *end;
	unsigned long lo, hi;

	if (!isdigit((unsigned char)*text))
		return false;
	lo = hi = strtoul(text, &end, 10);
	if (*end == '-' && isdigit((unsigned char)end[1]))
		hi = strtoul(end + 1, &end, 10);
	*r = (struct id_range){ (uint32_t)lo, (uint32_t)hi };
	return !*end && lo <= hi && hi < UINT32_MAX;
}

static bool put_uid(struct words *w, void *into, unsigned int at,
		    const char *text)
{
	struct id_range *v = into;
	struct passwd entry, *pw = NULL;
	char room[4096];

	(void)w;
	if (parse_ids(text, &v[at]))
		return true;
	if (getpwnam_r(text, &entry, room, sizeof(room), &pw) == 0 && pw)
		v[at] = (struct id_range){ pw->pw_uid, pw->pw_uid };
	return pw != NULL;
}

static bool put_gid(struct words *w, void *into, unsigned int at,
		    const char *text)
{
	struct id_range *v = into;
	struct group entry, *gr = NULL;
	char room[4096];

	(void)w;
	if (parse_ids(text, &v[at]))
		return true;
	if (getgrnam_r(text, &entry, room, sizeof(room), &gr) == 0 && gr)
		v[at] = (struct id_range){ gr->gr_gid, gr->gr_gid };
	return gr != NULL;
}

/* --- objects --------------------------------------------------------------------- */

#define TAKE(w, key, m, what, fn) \
	((m)->what##_count = take_words(w, key, (void **)&(m)->what##s, \
					sizeof(*(m)->what##s), fn))

/* "include", "exclude" */
static void parse_match(struct diag *d, const cJSON *node, struct config *cfg,
			struct capture_match *m)
{
	struct words w = { .cfg = cfg };
	struct jobj o;

	if (!j_open(&o, d, node))
		return;
	w.o = &o;
	TAKE(&w, "interface", m, interface, put_interface);
	TAKE(&w, "source", m, source, put_prefix);
	TAKE(&w, "mac", m, mac, put_mac);
	TAKE(&w, "uid", m, uid, put_uid);
	TAKE(&w, "gid", m, gid, put_gid);
	TAKE(&w, "cgroup", m, cgroup, put_cgroup);
	TAKE(&w, "destination", m, destination, put_prefix);
	m->ports = arena_alloc(&cfg->arena, INBOUND_PORTS * sizeof(*m->ports));
	if (m->ports)
		m->port_count = j_ports(&o, "port", m->ports, INBOUND_PORTS);
	j_close(&o);
}

/* A word of directCidr that is the path of a file */
static void add_direct_file(struct jobj *o, const struct jlist *l,
			    struct cidrs *s)
{
	size_t line = 0;
	int err = cidrs_add_file(s, l->text, &line);

	if (err == -EINVAL)
		diag_error(o->d, l->node, NULL, "%s:%zu: no prefix", l->text,
			   line);
	else if (err < 0)
		diag_error(o->d, l->node, NULL, "%s: %s", l->text,
			   strerror(-err));
}

static int add_direct_range(void *arg, const struct addr *lo,
			    const struct addr *hi)
{
	return cidrs_add_range(arg, lo, hi);
}

/*
 * Paths of files; the other words are one list in the syntax of routing rules:
 * prefixes, geoip:, ext:, "!"
 */
static void parse_direct(struct jobj *o, struct cidrs *s)
{
	struct ipset *set = ipset_new();
	char err[128];
	struct jlist l;
	int rc = set ? 0 : -ENOMEM;

	j_list(o, "directCidr", &l);
	while (!rc && j_list_next(o, &l)) {
		if (l.text[0] == '/' || l.text[0] == '.') {
			add_direct_file(o, &l, s);
			continue;
		}
		rc = ipset_add(set, l.text, err);
		if (rc == -EINVAL) {
			diag_error(o->d, l.node, NULL, "%s%s", err,
				   strchr(l.text, ':') ?
					   "" :
					   "; a file is /PATH or ./PATH");
			rc = 0;
		}
	}
	if (!rc)
		rc = ipset_seal(set);
	if (!rc)
		rc = ipset_each(set, add_direct_range, s);
	if (rc < 0)
		diag_error(o->d, j_get(o, "directCidr"), NULL, "%s",
			   rc == -E2BIG ? "too many prefixes" : strerror(-rc));
	ipset_free(set);
	cidrs_seal(s);
}

/* "bypass": prefixes that are never caught */
static void parse_bypass(struct jobj *o, struct config *cfg)
{
	struct host_conf *h = &cfg->host;
	struct jlist l;

	h->bypass = arena_alloc(&cfg->arena, BYPASS_MAX * sizeof(*h->bypass));
	j_list(o, "bypass", &l);
	while (h->bypass && j_list_next(o, &l)) {
		if (h->bypass_count == BYPASS_MAX)
			diag_error(o->d, l.node, NULL, "at most %d prefixes",
				   BYPASS_MAX);
		else if (cidr_parse(&h->bypass[h->bypass_count], l.text) < 0)
			diag_error(o->d, l.node, NULL, "\"%s\" is no subnet",
				   l.text);
		else
			h->bypass_count++;
	}
}

static void parse_marks(struct jobj *o, struct host_conf *h)
{
	h->mark = (uint32_t)j_int(o, "mark", h->mark, 0, UINT32_MAX);
	h->mark_mask = (uint32_t)j_int(
		o, "markMask", h->mark ? h->mark : h->mark_mask, 0, UINT32_MAX);
	if (!(h->mark & h->mark_mask))
		diag_error(o->d, o->node, "mark",
			   "must have a bit of markMask: own sockets are told "
			   "by it");
	else if (h->mark &
		 ~h->mark_mask) /* "mark & mask == mark" never holds */
		diag_error(o->d, o->node, "mark",
			   "has a bit that markMask has not");
	h->table = (uint32_t)j_int(o, "table", h->table, 1, UINT32_MAX);
	if (h->table >= RT_TABLE_DEFAULT && h->table <= RT_TABLE_LOCAL)
		diag_error(o->d, o->node, "table",
			   "253 to 255 are the system's");
	h->rule_pref = (uint32_t)j_int(o, "rulePriority", h->rule_pref, 1,
				       PRIORITY_MAX);
}

static void parse_capture(struct jobj *o, struct config *cfg)
{
	struct host_conf *h = &cfg->host;

	h->capture =
		(enum capture)j_word(o, "capture", capture_words,
				     ARRAY_SIZE(capture_words), CAPTURE_TUN);
	h->how.tcp_port = (uint16_t)j_int(o, "port", PORT_DEFAULT, 1, 65535);
	h->how.dns_port =
		(uint16_t)j_int(o, "dnsPort", DNS_PORT_DEFAULT, 1, 65535);
	h->how.udp_port = h->how.tcp_port;
	if (h->how.tcp_port == h->how.dns_port)
		diag_error(o->d, o->node, "dnsPort", "is \"port\", too");
	if (h->capture > CAPTURE_TUN &&
	    !((h->mark_mask & (0u - h->mark_mask)) >> 1))
		diag_error(o->d, o->node, "markMask",
			   "the bit below it is needed by this capture");
	h->reject_quic = j_bool(o, "rejectQuic", false);
	parse_match(o->d, j_get(o, "include"), cfg, &h->how.include);
	parse_match(o->d, j_get(o, "exclude"), cfg, &h->how.exclude);
	parse_direct(o, &h->how.direct);
}

void parse_host(struct diag *d, const cJSON *node, struct config *cfg)
{
	struct host_conf *h = &cfg->host;
	struct jobj o;

	*h = HOST_DEFAULT;
	h->how.tcp_port = h->how.udp_port = PORT_DEFAULT;
	h->how.dns_port = DNS_PORT_DEFAULT;
	if (!j_open(&o, d, node))
		return;
	h->workers = (unsigned int)j_int(&o, "workers", 0, 0, WORKERS_MAX);
	parse_marks(&o, h);
	parse_capture(&o, cfg);
	h->fail_closed =
		j_word(&o, "fail", fail_words, ARRAY_SIZE(fail_words), 0) != 0;
	h->hijack_dns = j_bool(&o, "hijackDns", true);
	h->hijack_local = j_bool(&o, "hijackLocalDns", true);
	parse_bypass(&o, cfg);
	h->max_sessions = (uint32_t)j_int(&o, "maxSessions", 0, 0, UINT32_MAX);
	parse_clash(&o, cfg);
	j_close_strict(&o);
}
