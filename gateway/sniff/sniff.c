/*
 * sniff.c - Which sniffer looks at what, and what its answer is good for
 *
 * The first byte picks the only sniffer that can succeed, so every other
 * stream is let go at once:
 *
 *	stream   13 BitTorrent | 16 TLS | a letter HTTP
 *	datagram bits 11xxxxxx QUIC | 41 uTP
 *
 * Source: xray.md, 1 D (override rules of app/dispatcher/default.go)
 */
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/core/match.h"
#include "gateway/sniff/sniffers.h"

static const char *const names[] = {
	[SNIFF_NONE] = "",
	[SNIFF_HTTP1] = "http1",
	[SNIFF_TLS] = "tls",
	[SNIFF_QUIC] = "quic",
	[SNIFF_BITTORRENT] = "bittorrent",
	[SNIFF_FAKEDNS] = "fakedns",
};

/* Which destOverride entry lets a protocol's name through */
static const uint8_t override_of[] = {
	[SNIFF_NONE] = 0,           [SNIFF_HTTP1] = OVERRIDE_HTTP,
	[SNIFF_TLS] = OVERRIDE_TLS, [SNIFF_QUIC] = OVERRIDE_QUIC,
	[SNIFF_BITTORRENT] = 0,     [SNIFF_FAKEDNS] = OVERRIDE_FAKEDNS,
};
_Static_assert(ARRAY_SIZE(names) == ARRAY_SIZE(override_of),
	       "both tables know every protocol");

bool sniffed_set(struct sniffed *out, enum sniff_proto proto,
		 const uint8_t *name, size_t len)
{
	char clean[256];
	struct addr a;
	int n = 0;

	if (len) {
		n = len > ADDR_NAME_MAX ?
			    -1 :
			    addr_clean_name((const char *)name, len, clean);
		if (n <= 0)
			return false;
		if (addr_parse_ip(&a, clean) == 0)
			n = 0;
	}
	memset(out, 0, sizeof(*out));
	out->proto = (uint8_t)proto;
	out->len = (uint8_t)n;
	if (n)
		memcpy(out->domain, clean, (size_t)n);
	return true;
}

enum verdict sniff_stream(const uint8_t *p, size_t n, struct sniffed *out)
{
	enum verdict v;

	if (!n)
		return SNIFF_MORE;
	if (p[0] == 0x16)
		v = sniff_tls(p, n, out);
	else if (p[0] == 0x13)
		v = sniff_bt_stream(p, n, out);
	else
		v = sniff_http(p, n, out);
	return v == SNIFF_MORE && n >= SNIFF_MAX_BYTES ? SNIFF_NO : v;
}

enum verdict sniff_dgrams(const struct iovec *v, int cnt, struct sniffed *out)
{
	const uint8_t *p;

	if (cnt <= 0)
		return SNIFF_MORE;
	p = v[0].iov_base;
	if (!v[0].iov_len)
		return SNIFF_NO;
	if (p[0] == 0x41)
		return sniff_utp(p, v[0].iov_len, out);
	if ((p[0] & 0xc0) == 0xc0)
		return sniff_quic(v, cnt, out);
	return SNIFF_NO;
}

const char *sniff_name(enum sniff_proto p)
{
	return (size_t)p < ARRAY_SIZE(names) ? names[p] : "";
}

bool sniff_server_first(uint16_t port)
{
	static const uint16_t ports[] = {
		13,  17,  19,   21,   22,   23,   24,   25,   37,   110,  119,
		143, 587, 2121, 2222, 2525, 3306, 4190, 5900, 5901, 5902, 5903,
	};

	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		if (ports[i] == port)
			return true;
	return false;
}

bool sniff_reads(const struct sniffing *sn, uint16_t port)
{
	return sn->enabled && !sn->metadata_only &&
	       !ports_have(sn->ports, sn->port_count, port);
}

bool sniff_overrides(const struct sniffing *sn, const struct sniffed *found,
		     const struct addr *orig, bool fake)
{
	if (!found->len || found->proto >= ARRAY_SIZE(override_of))
		return false;
	if (sn->excluded && dommap_has(sn->excluded, found->domain, found->len))
		return false;
	if (sn->ips_excluded && addr_is_ip(orig) &&
	    ipset_has(sn->ips_excluded, orig))
		return false;
	if (sn->override & override_of[found->proto])
		return true;
	/* A name seen in the payload stands in for a fake one that was lost */
	return fake && sn->override & OVERRIDE_FAKEDNS &&
	       found->proto != SNIFF_BITTORRENT;
}
