/*
 * addr.c - Addresses: literals, text, sockaddr, prefixes, host names
 *
 * An IPv6 address of ::ffff:0:0/96 never exists inside culvert: it becomes
 * IPv4 at every entrance, so that one host has one form in tables and rules.
 * Special ranges: IANA registries of RFC 6890; the private ones are those of
 * the list "geoip:private" that users know.
 */
#include "gateway/base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/arena.h"
#include "gateway/base/compat.h"
#include "gateway/base/hash.h"

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* "no address one could proxy to" */
static const struct cidr martians[] = {
	{ ADDR_V4, 8, { 0 } },    { ADDR_V4, 8, { 127 } },
	{ ADDR_V4, 4, { 224 } },  { ADDR_V4, 32, { 255, 255, 255, 255 } },
	{ ADDR_V6, 127, { 0 } }, /* :: and ::1 */
	{ ADDR_V6, 8, { 0xff } },
};

static const struct cidr privates[] = {
	{ ADDR_V4, 8, { 0 } },
	{ ADDR_V4, 8, { 10 } },
	{ ADDR_V4, 10, { 100, 64 } },
	{ ADDR_V4, 8, { 127 } },
	{ ADDR_V4, 16, { 169, 254 } },
	{ ADDR_V4, 12, { 172, 16 } },
	{ ADDR_V4, 24, { 192, 0, 0 } },
	{ ADDR_V4, 24, { 192, 0, 2 } },
	{ ADDR_V4, 24, { 192, 88, 99 } },
	{ ADDR_V4, 16, { 192, 168 } },
	{ ADDR_V4, 15, { 198, 18 } },
	{ ADDR_V4, 24, { 198, 51, 100 } },
	{ ADDR_V4, 24, { 203, 0, 113 } },
	{ ADDR_V4, 3, { 224 } }, /* multicast and reserved */
	{ ADDR_V6, 127, { 0 } },
	{ ADDR_V6, 7, { 0xfc } },
	{ ADDR_V6, 10, { 0xfe, 0x80 } },
	{ ADDR_V6, 8, { 0xff } },
};

struct addr addr_v4(const void *ip4, uint16_t port)
{
	struct addr a = { .kind = ADDR_V4, .port = port };

	memcpy(a.ip, ip4, 4);
	return a;
}

struct addr addr_v6(const void *ip6, uint16_t port)
{
	struct addr a = { .kind = ADDR_V6, .port = port };

	if (!memcmp(ip6, mapped, sizeof(mapped)))
		return addr_v4((const uint8_t *)ip6 + sizeof(mapped), port);
	memcpy(a.ip, ip6, 16);
	return a;
}

struct addr addr_name(const char *name, size_t len, uint16_t port)
{
	struct addr a = { .kind = ADDR_NAME, .port = port };

	if (!name || !len || len > ADDR_NAME_MAX)
		return (struct addr){ .kind = ADDR_NONE, .port = port };
	a.len = (uint8_t)len;
	a.name = name;
	return a;
}

size_t addr_ip_len(const struct addr *a)
{
	return a->kind == ADDR_V4 ? 4 : a->kind == ADDR_V6 ? 16 : 0;
}

bool addr_is_ip(const struct addr *a)
{
	return addr_ip_len(a) > 0;
}

bool addr_eq_host(const struct addr *a, const struct addr *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == ADDR_NAME)
		return a->len == b->len && !memcmp(a->name, b->name, a->len);
	return !memcmp(a->ip, b->ip, addr_ip_len(a));
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return a->port == b->port && addr_eq_host(a, b);
}

uint32_t addr_hash(const struct addr *a, uint64_t key)
{
	uint64_t h = hash_mix(key ^ ((uint64_t)a->kind << 16 | a->port));

	if (a->kind == ADDR_NAME)
		h = hash_bytes(h, a->name, a->len);
	else
		h = hash_bytes(h, a->ip, addr_ip_len(a));
	return (uint32_t)h;
}

int addr_parse_ip(struct addr *a, const char *text)
{
	uint8_t ip[16];

	if (inet_pton(AF_INET, text, ip) == 1)
		*a = addr_v4(ip, a->port);
	else if (inet_pton(AF_INET6, text, ip) == 1)
		*a = addr_v6(ip, a->port);
	else
		return -EINVAL;
	return 0;
}

const char *addr_format_host(const struct addr *a, char *buf, size_t size)
{
	char ip[INET6_ADDRSTRLEN] = "";

	if (a->kind == ADDR_NAME) {
		snprintf(buf, size, "%.*s", a->len, a->name);
		return buf;
	}
	if (a->kind == ADDR_V4)
		inet_ntop(AF_INET, a->ip, ip, sizeof(ip));
	else if (a->kind == ADDR_V6)
		inet_ntop(AF_INET6, a->ip, ip, sizeof(ip));
	else
		strcpy(ip, "-");
	snprintf(buf, size, "%s", ip);
	return buf;
}

const char *addr_format(const struct addr *a, char *buf, size_t size)
{
	char host[ADDR_NAME_MAX + 1];

	addr_format_host(a, host, sizeof(host));
	if (a->kind == ADDR_V6)
		snprintf(buf, size, "[%s]:%u", host, a->port);
	else
		snprintf(buf, size, "%s:%u", host, a->port);
	return buf;
}

static socklen_t fill_in6(const struct addr *a, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(a->port) };

	if (a->kind == ADDR_V4) {
		memcpy(in6.sin6_addr.s6_addr, mapped, sizeof(mapped));
		memcpy(in6.sin6_addr.s6_addr + sizeof(mapped), a->ip, 4);
	} else {
		memcpy(in6.sin6_addr.s6_addr, a->ip, 16);
		in6.sin6_scope_id = a->scope;
	}
	memcpy(ss, &in6, sizeof(in6));
	return sizeof(in6);
}

socklen_t addr_to_sockaddr(const struct addr *a, int family,
			   struct sockaddr_storage *ss)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(a->port) };

	memset(ss, 0, sizeof(*ss));
	if (!addr_is_ip(a) || (a->kind == ADDR_V6 && family == AF_INET))
		return 0;
	if (a->kind == ADDR_V6 || family == AF_INET6)
		return fill_in6(a, ss);
	memcpy(&in.sin_addr, a->ip, 4);
	memcpy(ss, &in, sizeof(in));
	return sizeof(in);
}

struct addr addr_from_sockaddr(const struct sockaddr_storage *ss)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct addr a;

	if (ss->ss_family == AF_INET) {
		memcpy(&in, ss, sizeof(in));
		return addr_v4(&in.sin_addr, ntohs(in.sin_port));
	}
	if (ss->ss_family == AF_INET6) {
		memcpy(&in6, ss, sizeof(in6));
		a = addr_v6(&in6.sin6_addr, ntohs(in6.sin6_port));
		if (IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr))
			a.scope = in6.sin6_scope_id;
		return a;
	}
	return (struct addr){ .kind = ADDR_NONE };
}

static bool in_table(const struct cidr *v, size_t n, const struct addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (cidr_has(&v[i], a))
			return true;
	return false;
}

/* By the first byte in none of @martians: asked twice for each packet */
static bool is_no_martian(const struct addr *a)
{
	uint8_t b = a->ip[0];

	return b && (a->kind == ADDR_V4 ? b != 127 && b < 224 : b < 0xff);
}

bool addr_is_martian(const struct addr *a)
{
	return !is_no_martian(a) && in_table(martians, ARRAY_SIZE(martians), a);
}

bool addr_is_private(const struct addr *a)
{
	return in_table(privates, ARRAY_SIZE(privates), a);
}

/* Zero the host bits of @c */
static void cidr_trim(struct cidr *c)
{
	size_t byte = c->bits / 8;

	if (byte < sizeof(c->ip) && c->bits % 8)
		c->ip[byte++] &= (uint8_t)(0xff00 >> (c->bits % 8));
	if (byte < sizeof(c->ip))
		memset(c->ip + byte, 0, sizeof(c->ip) - byte);
}

/* One to three digits up to @max, nothing else; or -EINVAL */
static int parse_bits(const char *s, int max)
{
	int v = 0;
	size_t n = strlen(s);

	if (!n || n > 3)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		v = v * 10 + (*s - '0');
	}
	return v > max ? -EINVAL : v;
}

/**
 * cidr_parse() - Read "address/bits" or a bare address
 * @c:		Filled on success; host bits become zero
 * @text:	NUL terminated
 *
 * A prefix inside ::ffff:0:0/96 becomes the IPv4 prefix it means.
 *
 * Return: 0 or -EINVAL
 */
int cidr_parse(struct cidr *c, const char *text)
{
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct cidr out = { 0 };
	struct addr a = { 0 };
	bool v6;
	int bits;

	if (n >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	if (addr_parse_ip(&a, host))
		return -EINVAL;
	v6 = strchr(host, ':');
	bits = slash ? parse_bits(slash + 1, v6 ? 128 : 32) : v6 ? 128 : 32;
	if (bits < 0)
		return bits;
	if (v6 && a.kind == ADDR_V4) {
		if (bits >= 96) {
			bits -= 96;
		} else {
			a.kind = ADDR_V6;
			memmove(a.ip + 12, a.ip, 4);
			memcpy(a.ip, mapped, sizeof(mapped));
		}
	}
	out.kind = a.kind;
	out.bits = (uint8_t)bits;
	memcpy(out.ip, a.ip, addr_ip_len(&a));
	cidr_trim(&out);
	*c = out;
	return 0;
}

bool cidr_has(const struct cidr *c, const struct addr *a)
{
	size_t whole = c->bits / 8;
	uint8_t mask = (uint8_t)(0xff00 >> (c->bits % 8));

	if (c->kind != a->kind || memcmp(c->ip, a->ip, whole))
		return false;
	return !(c->bits % 8) || !((c->ip[whole] ^ a->ip[whole]) & mask);
}

const char *cidr_format(const struct cidr *c, char *buf, size_t size)
{
	struct addr a = { .kind = c->kind };
	char host[INET6_ADDRSTRLEN];

	memcpy(a.ip, c->ip, sizeof(a.ip));
	addr_format_host(&a, host, sizeof(host));
	snprintf(buf, size, "%s/%u", host, c->bits);
	return buf;
}

static char name_char(char ch)
{
	if (ch >= 'A' && ch <= 'Z')
		return (char)(ch - 'A' + 'a');
	if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-' ||
	    ch == '_' || ch == '.')
		return ch;
	return '\0';
}

/**
 * addr_clean_name() - Bring a host name into the one form tables use
 * @name, @len:	As received; one trailing dot is dropped
 * @out:	Lower case, NUL terminated; written on success only
 *
 * Return: its length (1 to 255), or -EINVAL: empty, too long, an empty
 * label, or a character that no host name has
 */
int addr_clean_name(const char *name, size_t len, char out[256])
{
	char tmp[ADDR_NAME_MAX + 1];

	if (len && name[len - 1] == '.')
		len--;
	if (!len || len > ADDR_NAME_MAX || name[0] == '.')
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		tmp[i] = name_char(name[i]);
		if (!tmp[i] ||
		    (tmp[i] == '.' && (i + 1 == len || name[i + 1] == '.')))
			return -EINVAL;
	}
	tmp[len] = '\0';
	memcpy(out, tmp, len + 1);
	return (int)len;
}

int addr_parse_literal(struct addr *a, const char *s)
{
	char bare[64];
	size_t n = strlen(s);

	if (n < 3 || s[0] != '[' || s[n - 1] != ']' || n - 2 >= sizeof(bare))
		return addr_parse_ip(a, s);
	memcpy(bare, s + 1, n - 2);
	bare[n - 2] = '\0';
	return strchr(bare, ':') ? addr_parse_ip(a, bare) : -EINVAL;
}

int addr_parse_host(struct addr *a, const char *text, size_t n,
		    struct arena *mem)
{
	char host[ADDR_NAME_MAX + 1];
	const char *kept;
	int len;

	if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (!n || n > ADDR_NAME_MAX)
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	if (!addr_parse_ip(a, host))
		return 0;
	len = addr_clean_name(host, n, host);
	if (len < 0)
		return -EINVAL;
	if (addr_parse_ip(a, host) == 0) /* "192.0.2.1." */
		return 0;
	kept = arena_strndup(mem, host, (size_t)len);
	if (!kept)
		return -ENOMEM;
	*a = addr_name(kept, (size_t)len, a->port);
	return 0;
}
