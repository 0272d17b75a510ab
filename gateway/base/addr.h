/*
 * addr.h - One address for everything: IPv4, IPv6 or a name, with a port
 *
 * Names are borrowed: whoever stores a struct addr knows how long the bytes
 * behind @name live (a session owns its names, a config its arena).
 */
#ifndef GATEWAY_BASE_ADDR_H
#define GATEWAY_BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct arena;

enum addr_kind { ADDR_NONE, ADDR_V4, ADDR_V6, ADDR_NAME };

#define ADDR_NAME_MAX 255 /* bytes of a domain name as text */
#define ADDR_TEXT_MAX 280 /* addr_format(): name, brackets, port, NUL */

/**
 * struct addr - Where to, or from whom
 * @kind:	enum addr_kind
 * @len:	Bytes of @name (1 to 255); 0 for the other kinds
 * @port:	Host byte order; 0 when there is none
 * @scope:	ADDR_V6, link-local: index of its interface; 0: unknown. Without it
 *		the kernel cannot answer such an address. Not part of equality
 * @ip:		ADDR_V4: the first 4 bytes; ADDR_V6: all 16; network order
 * @name:	ADDR_NAME: lower case, no trailing dot, NUL behind; borrowed
 */
struct addr {
	uint8_t kind;
	uint8_t len;
	uint16_t port;
	uint32_t scope;
	union {
		uint8_t ip[16];
		const char *name;
	};
};

struct addr addr_v4(const void *ip4, uint16_t port);
/* A v4-mapped address (::ffff:a.b.c.d) becomes ADDR_V4 */
struct addr addr_v6(const void *ip6, uint16_t port);
/* @name stays borrowed and must be NUL terminated behind @len bytes */
struct addr addr_name(const char *name, size_t len, uint16_t port);
bool addr_is_ip(const struct addr *a);
/* Number of bytes in @ip: 4, 16, or 0 for other kinds */
size_t addr_ip_len(const struct addr *a);
/* Same kind, same address and same port */
bool addr_eq(const struct addr *a, const struct addr *b);
/* As addr_eq() without the port */
bool addr_eq_host(const struct addr *a, const struct addr *b);
/* Keyed hash of kind, address and port */
uint32_t addr_hash(const struct addr *a, uint64_t key);
/* 0, or -EINVAL: @text (NUL terminated) is no IPv4/IPv6 literal. Port is kept */
int addr_parse_ip(struct addr *a, const char *text);
/* "1.2.3.4:80", "[::1]:80", "name:80"; always terminated; returns @buf */
const char *addr_format(const struct addr *a, char *buf, size_t size);
/* The same without port and brackets */
const char *addr_format_host(const struct addr *a, char *buf, size_t size);
/* Only IP kinds. A v4 address becomes v4-mapped when @family is AF_INET6 */
socklen_t addr_to_sockaddr(const struct addr *a, int family,
			   struct sockaddr_storage *ss);
/* ADDR_NONE for other families; v4-mapped becomes v4 */
struct addr addr_from_sockaddr(const struct sockaddr_storage *ss);
/* Loopback, unspecified, multicast, broadcast: nothing one could proxy to */
bool addr_is_martian(const struct addr *a);
/* RFC 1918, 4193, link local, CGNAT, loopback ... */
bool addr_is_private(const struct addr *a);

/**
 * struct cidr - An IP prefix
 * @kind:	ADDR_V4 or ADDR_V6
 * @bits:	0 to 32, or 0 to 128
 * @ip:		Host bits are zero
 */
struct cidr {
	uint8_t kind;
	uint8_t bits;
	uint8_t ip[16];
};
/* "10.0.0.0/8" or a bare address. 0 or -EINVAL */
int cidr_parse(struct cidr *c, const char *text);
bool cidr_has(const struct cidr *c, const struct addr *a);
const char *cidr_format(const struct cidr *c, char *buf, size_t size);

/*
 * Copy a host name as lower case without a trailing dot into @out (256 bytes).
 * Letters, digits, '-', '.', '_' only. Returns its length, or -EINVAL.
 */
int addr_clean_name(const char *name, size_t len, char out[256]);
/* "192.0.2.1", "2001:db8::1" or "[2001:db8::1]"; port untouched. 0 or -EINVAL */
int addr_parse_literal(struct addr *a, const char *s);
/*
 * The host that @n bytes of @text are: an IP address, in brackets or not, or a
 * name, which is kept in @mem. Port is kept. 0, -EINVAL, -ENOMEM
 */
int addr_parse_host(struct addr *a, const char *text, size_t n,
		    struct arena *mem);

#endif
