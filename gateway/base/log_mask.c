/*
 * log_mask.c - Addresses in a log line are made shorter, or left out
 *
 * IPv4: four groups of one to three digits, wherever they stand, as Xray's regular
 * expression finds them (app/log/log.go). IPv6: a word of hexadecimal digits and
 * colons that is an address.
 */
#include "gateway/base/log_mask.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is written, and where it ends */
struct out {
	char *s;
	size_t n, size;
};

static void put(struct out *o, const char *s, size_t n)
{
	if (n > o->size - o->n)
		n = o->size - o->n;
	memcpy(o->s + o->n, s, n);
	o->n += n;
}

/* "16" or "/16" up to '+' or the end; moves *@s there. -1: no such number */
static int parse_bits(const char **s, int max)
{
	char *end;
	long v;

	if (**s == '+' || !**s)
		return 0;
	*s += **s == '/';
	if (!isdigit((unsigned char)**s))
		return -1;
	v = strtol(*s, &end, 10);
	*s = end;
	return (*end && *end != '+') || v > max ? -1 : (int)v;
}

int log_mask_parse(struct log_mask *m, const char *text)
{
	int v4, v6 = 0;

	if (!strcmp(text, "half"))
		text = "16+32";
	else if (!strcmp(text, "quarter"))
		text = "8+16";
	else if (!strcmp(text, "full"))
		text = "0+0";
	v4 = parse_bits(&text, 32);
	if (v4 >= 0 && *text == '+') {
		text++;
		v6 = parse_bits(&text, 128);
	}
	if (v4 < 0 || v4 % 8 || v6 < 0 || *text)
		return -EINVAL;
	*m = (struct log_mask){ (uint8_t)v4, (uint8_t)v6 };
	return 0;
}

/* Length of the IPv4 address at @s, 0: none. @start: where its groups begin */
static size_t v4_length(const char *s, size_t n, size_t start[4])
{
	size_t at = 0;

	for (int group = 0; group < 4; group++) {
		size_t digits = 0;

		if (group && (at >= n || s[at++] != '.'))
			return 0;
		start[group] = at;
		while (digits < 3 && at < n && isdigit((unsigned char)s[at])) {
			digits++;
			at++;
		}
		if (!digits)
			return 0;
	}
	return at;
}

static size_t mask_v4(const struct log_mask *m, struct out *o, const char *s,
		      size_t n)
{
	size_t start[4] = { 0 }, len = v4_length(s, n, start);
	unsigned int keep = m->v4 / 8u;

	if (!len || keep == 4)
		return 0;
	if (!keep) {
		put(o, "[Masked IPv4]", 13);
		return len;
	}
	put(o, s, start[keep]);
	put(o, "*.*.*", 2 * (4 - keep) - 1);
	return len;
}

/* Bytes at @s that an IPv6 address may have; 0: fewer than two colons */
static size_t v6_word(const char *s, size_t n)
{
	unsigned int colons = 0;
	size_t len = 0;

	for (; len < n && len < INET6_ADDRSTRLEN; len++) {
		if (s[len] != ':' && s[len] != '.' &&
		    !isxdigit((unsigned char)s[len]))
			break;
		colons += s[len] == ':';
	}
	while (len && s[len - 1] == '.') /* the end of a sentence */
		len--;
	return colons >= 2 && len < INET6_ADDRSTRLEN ? len : 0;
}

static size_t mask_v6(const struct log_mask *m, struct out *o, const char *s,
		      size_t n)
{
	char text[INET6_ADDRSTRLEN + 8];
	size_t len = v6_word(s, n);
	const char *last;
	uint8_t ip[16];

	if (!len || m->v6 >= 128)
		return 0;
	memcpy(text, s, len);
	text[len] = '\0';
	if (inet_pton(AF_INET6, text, ip) != 1) {
		if (text[len - 1] != ':') /* "fd00::1: text" */
			return 0;
		text[--len] = '\0';
		if (inet_pton(AF_INET6, text, ip) != 1)
			return 0;
	}
	if (!m->v6) {
		put(o, "Masked IPv6", 11);
		return len;
	}
	for (unsigned int bit = m->v6; bit < 128; bit++)
		ip[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	inet_ntop(AF_INET6, ip, text, INET6_ADDRSTRLEN);
	last = strrchr(text, ':') + 1; /* of ::ffff:192.0.2.7 */
	put(o, text, (size_t)(last - text));
	if (!mask_v4(m, o, last, strlen(last)))
		put(o, last, strlen(last));
	snprintf(text, sizeof(text), "/%u", m->v6);
	put(o, text, strlen(text));
	return len;
}

size_t log_mask_copy(const struct log_mask *m, char *out, size_t size,
		     const char *in, size_t n)
{
	struct out o = { .size = size };
	bool inside = false; /* a word: an IPv6 address does not begin there */
	size_t i = 0, used;

	o.s = out;
	while (i < n) {
		used = inside ? 0 : mask_v6(m, &o, in + i, n - i);
		if (!used)
			used = mask_v4(m, &o, in + i, n - i);
		if (!used) {
			used = 1;
			put(&o, in + i, 1);
		}
		inside = isalnum((unsigned char)in[i + used - 1]) ||
			 in[i + used - 1] == ':' || in[i + used - 1] == '.';
		i += used;
	}
	return o.n;
}
