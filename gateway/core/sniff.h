/* sniff.h - Looking at the first bytes of a flow without consuming them */
#ifndef GATEWAY_CORE_SNIFF_H
#define GATEWAY_CORE_SNIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "gateway/base/jget.h"

enum { NET_TCP = 1u << 0, NET_UDP = 1u << 1 };

#define SNIFF_MAX_BYTES 16384 /* of a stream's head */
#define SNIFF_WAIT_MS   200
#define SNIFF_DGRAMS    4 /* of one destination, kept until decided */

enum sniff_proto {
	SNIFF_NONE,
	SNIFF_HTTP1,
	SNIFF_TLS,
	SNIFF_QUIC,
	SNIFF_BITTORRENT,
	SNIFF_FAKEDNS,
};

enum verdict { SNIFF_MORE, SNIFF_NO, SNIFF_YES };

/**
 * struct sniffed - What was found
 * @proto:	enum sniff_proto
 * @len:	Bytes of @domain; 0 when the protocol was clear but has no name
 * @domain:	Lower case, no trailing dot, NUL terminated
 */
struct sniffed {
	uint8_t proto;
	uint8_t len;
	char domain[256];
};

/**
 * sniff_stream() - Look at the first bytes a TCP client sent
 * @p, @n:	All bytes so far, from the first one
 *
 * Pure. SNIFF_YES fills @out; SNIFF_NO is final; SNIFF_MORE: some sniffer could
 * still say yes when more bytes come.
 */
enum verdict sniff_stream(const uint8_t *p, size_t n, struct sniffed *out);
/* The same over the datagrams one client sent to one destination, in order */
enum verdict sniff_dgrams(const struct iovec *v, int cnt, struct sniffed *out);
/* "http1", "tls", "quic", "bittorrent", "fakedns"; "" for none */
const char *sniff_name(enum sniff_proto p);
/* Server-first by custom (ssh, smtp, ftp, mysql ...): waiting for the client is in vain */
bool sniff_server_first(uint16_t port);

struct dommap;
struct ipset;

/* destOverride as bits */
enum {
	OVERRIDE_HTTP = 1u << 0,
	OVERRIDE_TLS = 1u << 1,
	OVERRIDE_QUIC = 1u << 2,
	OVERRIDE_FAKEDNS = 1u << 3,
};

#define SNIFF_PORTS 32 /* ranges of portsExcluded */

/**
 * struct sniffing - The sniffing object of an inbound, or of a loopback
 * @excluded:	domainsExcluded, NULL none; @ips_excluded likewise
 * @ports:	portsExcluded, @port_count of them: nothing is read for these
 */
struct sniffing {
	bool enabled, metadata_only, route_only;
	uint8_t override, port_count;
	struct port_range ports[SNIFF_PORTS];
	struct dommap *excluded;
	struct ipset *ips_excluded;
};

/* Complaints go to @d; sniffing_drop() it */
void sniffing_parse(struct diag *d, const cJSON *node, struct sniffing *sn);
void sniffing_drop(struct sniffing *sn);

/* Is what a client sends to @port read at all, and waited for? */
bool sniff_reads(const struct sniffing *sn, uint16_t port);
/*
 * May the sniffed domain replace the target (xray.md, 1 D)? @fake: the
 * original destination lies in a FakeDNS pool
 */
bool sniff_overrides(const struct sniffing *sn, const struct sniffed *found,
		     const struct addr *orig, bool fake);

#endif
