/*
 * ipset.c - Address sets in Xray's syntax: prefixes, geoip lists, '!'
 *
 * The items of one list fall into four groups, and the set is their union:
 *
 *	prefixes | not (all "!" prefixes) | geoip lists | not (all "!" lists)
 *
 * so ["!10.0.0.0/8", "!172.16.0.0/12"] is all of IPv4 outside of both. A "not"
 * says nothing of a family that none of its items is of, as in Xray 26. Each pair
 * of '!' cancels. When sealed all of it is one sorted list of ranges.
 */
#include "gateway/route/ipset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/log.h"
#include "gateway/core/dns.h"
#include "gateway/route/geodata.h"
#include "gateway/route/geofile.h"
#include "gateway/route/ranges.h"

/**
 * struct ipset - A set of addresses
 * @yes:	Positive items; after ipset_seal() everything
 * @not_net, @not_geo:	What '!' items say, until ipset_seal()
 */
struct ipset {
	struct ranges yes, not_net, not_geo;
};

/* What geoip:private means when no geoip.dat is there; as that file has it */
static const char *const private_nets[] = {
	"0.0.0.0/8",      "10.0.0.0/8",     "100.64.0.0/10", "127.0.0.0/8",
	"169.254.0.0/16", "172.16.0.0/12",  "192.0.0.0/24",  "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/3",    "::/127",        "fc00::/7",
	"fe80::/10",      "ff00::/8",
};

struct ipset *ipset_new(void)
{
	return calloc(1, sizeof(struct ipset));
}

/* Step over '!' at *@p; true when their number is odd */
static bool take_nots(const char **p)
{
	bool neg = false;

	for (; **p == '!'; ++*p)
		neg = !neg;
	return neg;
}

static int add_private(struct ranges *r)
{
	struct cidr c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(private_nets); i++)
		if (cidr_parse(&c, private_nets[i]) < 0 ||
		    ranges_add(r, &c) < 0)
			return -ENOMEM;
	return 0;
}

/* All prefixes of one geoip entry. 0, -EPROTO, -ENOMEM */
static int read_entry(struct ranges *r, const uint8_t *p, size_t n,
		      bool *reverse)
{
	struct rd rd = rd_init(p, n);
	struct cidr c;
	int rc;

	while ((rc = geo_next_cidr(&rd, &c, reverse)) > 0)
		if (ranges_add(r, &c) < 0)
			return -ENOMEM;
	return rc;
}

/* The prefixes of a list into @r */
static int load_list(struct ranges *r, const char *name, size_t name_len,
		     const char *code, bool *reverse, char err[128])
{
	struct geo_blob blob = { NULL, 0 };
	int rc;

	rc = geo_load(name, name_len, code, strlen(code), &blob, err);
	if (rc == -ENOENT && !strcasecmp(code, "private") && name_len == 9 &&
	    !memcmp(name, "geoip.dat", 9)) {
		log_info("route: no geoip.dat: geoip:private is the built-in "
			 "list");
		return add_private(r);
	}
	if (rc < 0)
		return rc == -ENOENT ? -EINVAL : rc;
	rc = read_entry(r, blob.p, blob.n, reverse);
	free(blob.p);
	if (rc == -EPROTO) {
		snprintf(err, 128, "this list is damaged");
		rc = -EINVAL;
	}
	return rc;
}

static int add_list(struct ipset *s, const char *name, size_t name_len,
		    const char *code, bool neg, char err[128])
{
	struct ranges r = { 0 };
	bool reverse = false;
	int rc;

	neg ^= take_nots(&code);
	rc = load_list(&r, name, name_len, code, &reverse, err);
	neg ^= reverse;
	if (!rc)
		rc = ranges_add_all(neg ? &s->not_geo : &s->yes, &r);
	ranges_free(&r);
	return rc;
}

static int add_net(struct ipset *s, const char *text, bool neg, char err[128])
{
	struct cidr c;

	if (cidr_parse(&c, text) < 0) {
		snprintf(err, 128,
			 "\"%.40s\" is no address, prefix, geoip: or "
			 "ext: list",
			 text);
		return -EINVAL;
	}
	return ranges_add(neg ? &s->not_net : &s->yes, &c);
}

int ipset_add(struct ipset *s, const char *item, char err[128])
{
	bool neg = take_nots(&item);
	const char *colon;

	err[0] = '\0';
	if (!strncmp(item, "geoip:", 6))
		return add_list(s, "geoip.dat", 9, item + 6, neg, err);
	if (strncmp(item, "ext:", 4) && strncmp(item, "ext-ip:", 7))
		return add_net(s, item, neg, err);
	item = strchr(item, ':') + 1;
	colon = strchr(item, ':');
	if (!colon) {
		snprintf(err, 128, "expected ext:FILE:CODE");
		return -EINVAL;
	}
	return add_list(s, item, (size_t)(colon - item), colon + 1, neg, err);
}

static int merge_not(struct ipset *s, struct ranges * not )
{
	int rc;

	ranges_tidy(not );
	rc = ranges_negate(not );
	if (!rc)
		rc = ranges_add_all(&s->yes, not );
	ranges_free(not );
	return rc;
}

int ipset_seal(struct ipset *s)
{
	int rc = merge_not(s, &s->not_net);

	if (!rc)
		rc = merge_not(s, &s->not_geo);
	ranges_tidy(&s->yes);
	return rc;
}

bool ipset_has(const struct ipset *s, const struct addr *a)
{
	return ranges_have(&s->yes, a);
}

bool ipset_empty(const struct ipset *s)
{
	return !s->yes.n4 && !s->yes.n6;
}

unsigned int ipset_families(const struct ipset *s)
{
	return (s->yes.n4 ? DNS_V4 : 0) | (s->yes.n6 ? DNS_V6 : 0);
}

static struct addr addr_of4(uint32_t v)
{
	uint8_t ip[4];

	put_be32(ip, v);
	return addr_v4(ip, 0);
}

/* Kept as IPv6 even when it is v4-mapped: it is an end of a range */
static struct addr addr_of6(const struct ip6 *v)
{
	struct addr a = { .kind = ADDR_V6 };

	put_be64(a.ip, v->hi);
	put_be64(a.ip + 8, v->lo);
	return a;
}

int ipset_each(const struct ipset *s,
	       int (*fn)(void *arg, const struct addr *lo,
			 const struct addr *hi),
	       void *arg)
{
	struct addr lo, hi;
	int rc = 0;

	for (size_t i = 0; !rc && i < s->yes.n4; i++) {
		lo = addr_of4(s->yes.v4[i].lo);
		hi = addr_of4(s->yes.v4[i].hi);
		rc = fn(arg, &lo, &hi);
	}
	for (size_t i = 0; !rc && i < s->yes.n6; i++) {
		lo = addr_of6(&s->yes.v6[i].lo);
		hi = addr_of6(&s->yes.v6[i].hi);
		rc = fn(arg, &lo, &hi);
	}
	return rc;
}

size_t ipset_bytes(const struct ipset *s)
{
	return sizeof(*s) + s->yes.cap4 * sizeof(*s->yes.v4) +
	       s->yes.cap6 * sizeof(*s->yes.v6);
}

void ipset_free(struct ipset *s)
{
	if (!s)
		return;
	ranges_free(&s->yes);
	ranges_free(&s->not_net);
	ranges_free(&s->not_geo);
	free(s);
}

struct ipset *ipset_parse(struct jobj *o, const char *key)
{
	struct ipset *s = NULL;
	bool wrong = false;
	char err[128];
	struct jlist l;
	int rc;

	j_list(o, key, &l);
	while (j_list_next(o, &l)) {
		if (!s)
			s = ipset_new();
		rc = s ? ipset_add(s, l.text, err) : -ENOMEM;
		if (rc < 0)
			diag_error(o->d, l.node, NULL, "%s",
				   rc == -ENOMEM ? "out of memory" : err);
		wrong |= rc < 0;
	}
	if (!s && cJSON_IsString(j_get(o, key)))
		diag_error(o->d, j_get(o, key), NULL, "must not be empty");
	if (s && !wrong && ipset_seal(s) < 0) {
		diag_error(o->d, l.node, NULL, "out of memory");
		wrong = true;
	}
	if (!wrong)
		return s;
	ipset_free(s);
	return NULL;
}
