/*
 * dns_msg.h - DNS messages: bounded decoding, queries and answers
 *
 * Source: RFC 1035 section 4, RFC 6891 (EDNS), RFC 7871 (client subnet),
 * RFC 9460 (SVCB, HTTPS), RFC 2308 (negative answers), RFC 7830 and RFC 8467
 * (padding)
 */
#ifndef PROXY_WIRE_DNS_MSG_H
#define PROXY_WIRE_DNS_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/addr.h"

#define DNS_HEAD_BYTES  12
#define DNS_MSG_MAX     65535
#define DNS_UDP_PLAIN   512 /* without EDNS */
#define DNS_UDP_EDNS    1232 /* what we offer and accept at most */
#define DNS_JUMPS_MAX   16 /* compression pointers of one name */
#define DNS_RECORDS_MAX 256 /* looked at in one answer section */
#define DNS_MSG_IPS     16 /* addresses kept of one answer */
#define DNS_QUERY_MAX   320 /* dns_query_encode(): head, name, type, OPT */
#define DNS_PAD_BLOCK   128 /* of queries to encrypted servers: RFC 8467, 4.1 */
#define DNS_PADDED_MAX  384 /* DNS_QUERY_MAX in whole blocks */
#define DNS_REPLY_MAX   1280 /* dns_reply_encode() never needs more */

enum dns_type {
	DNS_T_A = 1,
	DNS_T_CNAME = 5,
	DNS_T_SOA = 6,
	DNS_T_PTR = 12,
	DNS_T_AAAA = 28,
	DNS_T_OPT = 41,
	DNS_T_SVCB = 64,
	DNS_T_HTTPS = 65,
	DNS_T_ANY = 255,
};

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
};

enum {
	DNS_F_QR = 0x8000,
	DNS_F_OPCODE = 0x7800,
	DNS_F_AA = 0x0400,
	DNS_F_TC = 0x0200,
	DNS_F_RD = 0x0100,
	DNS_F_RA = 0x0080,
	DNS_F_CD = 0x0010,
	DNS_F_RCODE = 0x000f,
};

#define DNS_CLASS_IN 1

/**
 * struct dns_question - Head and only question of a message
 * @end:	Offset behind the question; DNS_HEAD_BYTES when it is not usable
 * @udp_size:	What the asker takes over UDP (512 without EDNS)
 * @odd:	@name has bytes that no host name has (kept as '?' where they
 *		are not printable): such a name must not be resolved
 * @name:	Lower case, no trailing dot; "" is the root
 */
struct dns_question {
	uint16_t id, flags, type, klass;
	uint16_t end, udp_size;
	bool edns, odd;
	uint8_t name_len;
	char name[256];
};

/**
 * dns_name_decode() - Read a name, following compression pointers
 * @off:	In: where it starts; out: behind it (behind the first pointer)
 * @odd:	Set as of struct dns_question; may be NULL
 *
 * Pointers must go backwards, at most DNS_JUMPS_MAX of them.
 *
 * Return: length of @name (0 to 253), -EPROTO
 */
int dns_name_decode(const uint8_t *msg, size_t n, size_t *off, char name[256],
		    bool *odd);
/* Wire form without compression. Bytes written, -EINVAL, -ENOBUFS */
ssize_t dns_name_encode(const char *name, uint8_t *out, size_t cap);

/**
 * dns_question_decode() - Read a query's head, question and OPT record
 *
 * Return: 0; -EBADMSG too short, or a response: drop it; -EPROTO answer with
 * FORMERR, -EOPNOTSUPP with NOTIMP (id, flags and end of @q are filled)
 */
int dns_question_decode(const uint8_t *msg, size_t n, struct dns_question *q);

/**
 * dns_query_encode() - Build a recursive query with one question
 * @edns_size:	0: no OPT record
 * @subnet:	Client subnet to send (needs OPT), or NULL
 *
 * Return: bytes (at most DNS_QUERY_MAX), -EINVAL, -ENOBUFS
 */
ssize_t dns_query_encode(uint8_t *out, size_t cap, uint16_t id,
			 const char *name, uint16_t type, uint16_t edns_size,
			 const struct cidr *subnet);

/**
 * dns_query_pad() - Fill a query up to whole blocks, so that its length says little
 * @msg, @n:	Of dns_query_encode(); one without OPT is left as it is
 *
 * Return: bytes, a multiple of @block (@n itself without OPT), -ENOBUFS
 */
ssize_t dns_query_pad(uint8_t *msg, size_t n, size_t cap, size_t block);

/**
 * struct dns_found - What a response says
 * @ttl:	Smallest of the records used, seconds; for an empty answer the
 *		negative time of its SOA record (RFC 2308), 0 without one
 * @ips:	Addresses of the asked type, CNAMEs followed; no ports
 */
struct dns_found {
	uint16_t id;
	uint8_t rcode, count;
	bool truncated;
	uint32_t ttl;
	struct addr ips[DNS_MSG_IPS];
};

/**
 * dns_found_decode() - Read a response to our question
 * @name, @type:	What was asked; another question is refused, and none is too,
 *		unless the server says FORMERR, SERVFAIL, NOTIMP or REFUSED
 *
 * Return: 0, -EPROTO
 */
int dns_found_decode(const uint8_t *msg, size_t n, const char *name,
		     uint16_t type, struct dns_found *out);

/**
 * struct dns_reply - What to answer
 * @ips, @count:	A or AAAA records, borrowed; those of another kind than
 *			the question's type are left out
 * @ptr:		Target of a PTR record, or NULL
 */
struct dns_reply {
	uint8_t rcode, count;
	uint32_t ttl;
	const struct addr *ips;
	const char *ptr;
};

/**
 * dns_reply_encode() - Build the answer to a decoded question
 * @msg:	The message @q was decoded from; its question is echoed
 * @limit:	Longest answer the asker takes: what does not fit is left out
 *		and TC is set
 *
 * Return: bytes, -ENOBUFS when @cap is too small
 */
ssize_t dns_reply_encode(const struct dns_question *q, const uint8_t *msg,
			 const struct dns_reply *r, uint8_t *out, size_t cap,
			 size_t limit);

/*
 * Address behind "4.3.2.1.in-addr.arpa" or 32 nibbles under ip6.arpa.
 * 0 or -EINVAL
 */
int dns_arpa_addr(const char *name, struct addr *out);

#endif
