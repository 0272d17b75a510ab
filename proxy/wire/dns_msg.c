/*
 * dns_msg.c - DNS messages
 *
 *   id | flags | qd | an | ns | ar   name type class   name type class ttl len data
 *   2    2       2    2    2    2    (question)        (record)
 *
 * A name is a row of length-prefixed labels, ended by 0 or by a pointer
 * (11xxxxxx xxxxxxxx) to an earlier place. Pointers that do not go backwards
 * could loop: each jump must land before everything read so far.
 */
#include "proxy/wire/dns_msg.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/compat.h"
#include "gateway/base/rd.h"
#include "gateway/base/text.h"

#define NAME_TEXT_MAX 253

/* Append one label to @name. New length or -EPROTO */
static int label_add(char *name, int len, const uint8_t *p, int n, bool *odd)
{
	int i;

	if (len + (len ? 1 : 0) + n > NAME_TEXT_MAX)
		return -EPROTO;
	if (len)
		name[len++] = '.';
	for (i = 0; i < n; i++) {
		uint8_t c = p[i];

		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c + 'a' - 'A');
		else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			   c == '-' || c == '_'))
			*odd = true;
		if (c <= ' ' || c >= 127 || c == '.' || c == '\\' || c == '"')
			c = '?';
		name[len++] = (char)c;
	}
	return len;
}

int dns_name_decode(const uint8_t *msg, size_t n, size_t *off, char name[256],
		    bool *odd)
{
	size_t at = *off, floor = *off, behind = 0;
	bool strange = false;
	int len = 0, jumps = 0;

	for (;;) {
		uint8_t c;

		if (at >= n)
			return -EPROTO;
		c = msg[at];
		if (!c)
			break;
		if ((c & 0xc0) == 0xc0) {
			size_t to;

			if (n - at < 2 || ++jumps > DNS_JUMPS_MAX)
				return -EPROTO;
			to = get_be16(msg + at) & 0x3fffu;
			if (to >= floor)
				return -EPROTO;
			if (!behind)
				behind = at + 2;
			at = to;
			floor = to;
			continue;
		}
		if (c > 63 || n - at - 1 < c)
			return -EPROTO;
		len = label_add(name, len, msg + at + 1, c, &strange);
		if (len < 0)
			return -EPROTO;
		at += (size_t)c + 1;
	}
	name[len] = '\0';
	*off = behind ? behind : at + 1;
	if (odd)
		*odd = strange;
	return len;
}

ssize_t dns_name_encode(const char *name, uint8_t *out, size_t cap)
{
	size_t len = strlen(name), used = 0;

	if (len > NAME_TEXT_MAX)
		return -EINVAL;
	while (*name) {
		size_t n = strcspn(name, ".");

		if (!n || n > 63)
			return -EINVAL;
		if (cap - used < n + 2)
			return -ENOBUFS;
		out[used++] = (uint8_t)n;
		memcpy(out + used, name, n);
		used += n;
		name += n;
		if (*name == '.' && !*++name)
			return -EINVAL;
	}
	if (cap - used < 1)
		return -ENOBUFS;
	out[used++] = 0;
	return (ssize_t)used;
}

/* One resource record; @data points into the message at offset @data_off */
struct record {
	uint16_t type, klass, len;
	uint32_t ttl;
	size_t data_off;
	char name[256];
};

static int record_decode(const uint8_t *msg, size_t n, size_t *off,
			 struct record *r)
{
	struct rd rd;

	if (dns_name_decode(msg, n, off, r->name, NULL) < 0)
		return -EPROTO;
	rd = rd_init(msg + *off, n - *off);
	r->type = rd_be16(&rd);
	r->klass = rd_be16(&rd);
	r->ttl = rd_be32(&rd);
	r->len = rd_be16(&rd);
	if (!rd_bytes(&rd, r->len) || !rd_ok(&rd))
		return -EPROTO;
	if (r->ttl > INT32_MAX) /* RFC 2181, 8: the top bit means 0 */
		r->ttl = 0;
	r->data_off = *off + 10;
	*off = r->data_off + r->len;
	return 0;
}

/* Look for the OPT record among @count records */
static int opt_find(const uint8_t *msg, size_t n, size_t off,
		    unsigned int count, struct dns_question *q)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct record r;

		if (i == DNS_RECORDS_MAX || record_decode(msg, n, &off, &r) < 0)
			return -EPROTO;
		if (r.type != DNS_T_OPT)
			continue;
		if (q->edns || r.name[0])
			return -EPROTO;
		q->edns = true;
		q->udp_size = r.klass < DNS_UDP_PLAIN ? DNS_UDP_PLAIN : r.klass;
	}
	return 0;
}

int dns_question_decode(const uint8_t *msg, size_t n, struct dns_question *q)
{
	size_t off = DNS_HEAD_BYTES;
	unsigned int others;
	int len;

	if (n < DNS_HEAD_BYTES || n > DNS_MSG_MAX)
		return -EBADMSG;
	memset(q, 0, sizeof(*q));
	q->id = get_be16(msg);
	q->flags = get_be16(msg + 2);
	q->end = DNS_HEAD_BYTES;
	q->udp_size = DNS_UDP_PLAIN;
	if (q->flags & DNS_F_QR)
		return -EBADMSG;
	if (q->flags & DNS_F_OPCODE)
		return -EOPNOTSUPP;
	if (get_be16(msg + 4) != 1 || (q->flags & DNS_F_TC))
		return -EPROTO;
	len = dns_name_decode(msg, n, &off, q->name, &q->odd);
	if (len < 0 || n - off < 4)
		return -EPROTO;
	q->type = get_be16(msg + off);
	q->klass = get_be16(msg + off + 2);
	others = (unsigned int)get_be16(msg + 6) + get_be16(msg + 8) +
		 get_be16(msg + 10);
	if (opt_find(msg, n, off + 4, others, q) < 0)
		return -EPROTO;
	q->name_len = (uint8_t)len;
	q->end = (uint16_t)(off + 4);
	return 0;
}

/* The OPT record, with an option for @subnet. Bytes written (cap was checked) */
static size_t opt_encode(uint8_t *p, uint16_t size, const struct cidr *subnet)
{
	size_t bytes = subnet ? (subnet->bits + 7u) / 8 : 0;
	size_t opt = subnet ? 8 + bytes : 0;

	memset(p, 0, 11);
	put_be16(p + 1, DNS_T_OPT);
	put_be16(p + 3, size);
	put_be16(p + 9, (uint16_t)opt);
	if (!subnet)
		return 11;
	put_be16(p + 11, 8); /* edns-client-subnet */
	put_be16(p + 13, (uint16_t)(4 + bytes));
	put_be16(p + 15, subnet->kind == ADDR_V6 ? 2 : 1);
	p[17] = subnet->bits;
	p[18] = 0;
	memcpy(p + 19, subnet->ip, bytes);
	return 11 + opt;
}

/* NOLINTNEXTLINE(readability-function-size): a question's seven parts */
ssize_t dns_query_encode(uint8_t *out, size_t cap, uint16_t id,
			 const char *name, uint16_t type, uint16_t edns_size,
			 const struct cidr *subnet)
{
	ssize_t len;
	size_t n;

	if (cap < DNS_HEAD_BYTES + 5 + 11 + 24)
		return -ENOBUFS;
	memset(out, 0, DNS_HEAD_BYTES);
	put_be16(out, id);
	put_be16(out + 2, DNS_F_RD);
	put_be16(out + 4, 1);
	len = dns_name_encode(name, out + DNS_HEAD_BYTES,
			      cap - DNS_HEAD_BYTES - 4 - 11 - 24);
	if (len < 0)
		return len;
	n = DNS_HEAD_BYTES + (size_t)len;
	put_be16(out + n, type);
	put_be16(out + n + 2, DNS_CLASS_IN);
	n += 4;
	if (edns_size) {
		put_be16(out + 10, 1);
		n += opt_encode(out + n, edns_size, subnet);
	}
	return (ssize_t)n;
}

ssize_t dns_query_pad(uint8_t *msg, size_t n, size_t cap, size_t block)
{
	size_t opt = DNS_HEAD_BYTES, total, pad;

	if (n < DNS_HEAD_BYTES || !get_be16(msg + 10))
		return (ssize_t)n;
	if (dns_name_decode(msg, n, &opt, (char[256]){ 0 }, NULL) < 0 ||
	    n < opt + 4 + 11)
		return (ssize_t)n;
	opt += 4; /* type and class of the question; here OPT begins */
	total = (n + 4 + block - 1) / block * block;
	if (total > cap)
		return -ENOBUFS;
	pad = total - n - 4;
	put_be16(msg + opt + 9, (uint16_t)(get_be16(msg + opt + 9) + 4 + pad));
	put_be16(msg + n, 12); /* padding */
	put_be16(msg + n + 2, (uint16_t)pad);
	memset(msg + n + 4, 0, pad);
	return (ssize_t)total;
}

/*
 * Addresses of @type owned by @owner. 1: there was a CNAME instead, and @owner
 * is its target now: scan again, for records come in any order
 */
/* NOLINTNEXTLINE(readability-function-size,readability-function-cognitive-complexity): one walk over all records */
static int answers_scan(const uint8_t *msg, size_t n, size_t off,
			unsigned int count, uint16_t type, char owner[256],
			struct dns_found *f)
{
	size_t want = type == DNS_T_A ? 4 : 16;
	char next[256];
	unsigned int i;
	int moved = 0;

	for (i = 0; i < count && i < DNS_RECORDS_MAX; i++) {
		struct record r;

		if (record_decode(msg, n, &off, &r) < 0)
			return -EPROTO;
		if (r.klass != DNS_CLASS_IN || strcasecmp(r.name, owner))
			continue;
		if (r.type == DNS_T_CNAME) {
			size_t at = r.data_off;

			if (dns_name_decode(msg, n, &at, next, NULL) < 0)
				return -EPROTO;
			moved = 1;
		} else if (r.type == type && r.len == want) {
			if (f->count < DNS_MSG_IPS)
				f->ips[f->count++] =
					type == DNS_T_A ?
						addr_v4(msg + r.data_off, 0) :
						addr_v6(msg + r.data_off, 0);
		} else {
			continue;
		}
		if (r.ttl < f->ttl)
			f->ttl = r.ttl;
	}
	if (moved)
		memcpy(owner, next, strlen(next) + 1);
	return moved;
}

/* Skip @count records. 0 or -EPROTO */
static int records_skip(const uint8_t *msg, size_t n, size_t *off,
			unsigned int count)
{
	struct record r;
	unsigned int i;

	for (i = 0; i < count; i++)
		if (i == DNS_RECORDS_MAX || record_decode(msg, n, off, &r) < 0)
			return -EPROTO;
	return 0;
}

/* Negative time: the smaller of the SOA's own TTL and its MINIMUM field */
static uint32_t soa_ttl(const uint8_t *msg, size_t n, size_t off,
			unsigned int count)
{
	struct record r;
	unsigned int i;

	for (i = 0; i < count && i < DNS_RECORDS_MAX; i++) {
		uint32_t min;

		if (record_decode(msg, n, &off, &r) < 0)
			return 0;
		if (r.type != DNS_T_SOA || r.len < 22)
			continue;
		min = get_be32(msg + r.data_off + r.len - 4);
		return r.ttl < min ? r.ttl : min;
	}
	return 0;
}

/* The echoed question must be ours. Offset behind it in *@off; 0 or -EPROTO */
static int question_check(const uint8_t *msg, size_t n, const char *name,
			  uint16_t type, size_t *off)
{
	char got[256];

	*off = DNS_HEAD_BYTES;
	if (n < DNS_HEAD_BYTES || n > DNS_MSG_MAX ||
	    !(get_be16(msg + 2) & DNS_F_QR) || get_be16(msg + 4) != 1)
		return -EPROTO;
	if (dns_name_decode(msg, n, off, got, NULL) < 0 || n - *off < 4 ||
	    strcasecmp(got, name) || get_be16(msg + *off) != type ||
	    get_be16(msg + *off + 2) != DNS_CLASS_IN)
		return -EPROTO;
	*off += 4;
	return 0;
}

/*
 * Who understands nothing of a query, or does not want it, may send a head alone
 * (unbound's "refuse", servers without EDNS). The id has to do
 */
static bool is_bare_failure(const uint8_t *msg, size_t n)
{
	unsigned int rcode;

	if (n < DNS_HEAD_BYTES || !(get_be16(msg + 2) & DNS_F_QR) ||
	    get_be16(msg + 4))
		return false;
	rcode = get_be16(msg + 2) & DNS_F_RCODE;
	return rcode == DNS_FORMERR || rcode == DNS_SERVFAIL ||
	       rcode == DNS_NOTIMP || rcode == DNS_REFUSED;
}

int dns_found_decode(const uint8_t *msg, size_t n, const char *name,
		     uint16_t type, struct dns_found *out)
{
	struct dns_found f = { .ttl = UINT32_MAX };
	unsigned int an, hops;
	char owner[256];
	size_t off;
	int rc = 1;

	if (!is_bare_failure(msg, n) &&
	    question_check(msg, n, name, type, &off) < 0)
		return -EPROTO;
	f.id = get_be16(msg);
	f.rcode = get_be16(msg + 2) & DNS_F_RCODE;
	f.truncated = get_be16(msg + 2) & DNS_F_TC;
	an = get_be16(msg + 6);
	if (f.truncated || (f.rcode && f.rcode != DNS_NXDOMAIN)) {
		f.ttl = 0;
		*out = f;
		return 0;
	}
	memcpy(owner, name, strlen(name) + 1);
	for (hops = 0; rc == 1 && !f.count && hops < DNS_JUMPS_MAX; hops++)
		rc = answers_scan(msg, n, off, an, type, owner, &f);
	if (rc < 0 || records_skip(msg, n, &off, an) < 0)
		return -EPROTO;
	if (!f.count)
		f.ttl = soa_ttl(msg, n, off, get_be16(msg + 8));
	*out = f;
	return 0;
}

/* One answer record whose name points at the question; bytes, 0: does not fit */
static size_t rr_encode(uint8_t *p, size_t space, uint16_t type, uint32_t ttl,
			const uint8_t *data, size_t len)
{
	if (space < 12 + len)
		return 0;
	put_be16(p, 0xc000u | DNS_HEAD_BYTES);
	put_be16(p + 2, type);
	put_be16(p + 4, DNS_CLASS_IN);
	put_be32(p + 6, ttl);
	put_be16(p + 10, (uint16_t)len);
	memcpy(p + 12, data, len);
	return 12 + len;
}

/* Records of @r behind @*n. How many; -ENOBUFS when they do not all fit */
static int reply_records(const struct dns_question *q,
			 const struct dns_reply *r, uint8_t *out, size_t *n,
			 size_t limit)
{
	uint8_t wire[256];
	size_t len, was = *n;
	int count = 0, i;

	for (i = 0; i < r->count; i++) {
		const struct addr *a = &r->ips[i];

		if ((q->type != DNS_T_A || a->kind != ADDR_V4) &&
		    (q->type != DNS_T_AAAA || a->kind != ADDR_V6))
			continue;
		len = rr_encode(out + *n, limit - *n, q->type, r->ttl, a->ip,
				addr_ip_len(a));
		if (!len)
			goto full;
		*n += len;
		count++;
	}
	if (r->ptr && q->type == DNS_T_PTR) {
		ssize_t name = dns_name_encode(r->ptr, wire, sizeof(wire));

		if (name < 0)
			return count;
		len = rr_encode(out + *n, limit - *n, DNS_T_PTR, r->ttl, wire,
				(size_t)name);
		if (!len)
			goto full;
		*n += len;
		count++;
	}
	return count;
full:
	*n = was;
	return -ENOBUFS;
}

ssize_t dns_reply_encode(const struct dns_question *q, const uint8_t *msg,
			 const struct dns_reply *r, uint8_t *out, size_t cap,
			 size_t limit)
{
	size_t n = q->end, opt = q->edns ? 11 : 0;
	uint16_t flags;
	int count;

	if (limit > cap)
		limit = cap;
	if (limit < n + opt)
		return -ENOBUFS;
	memcpy(out, msg, n);
	flags = (uint16_t)(DNS_F_QR | DNS_F_AA | DNS_F_RA |
			   (q->flags & (DNS_F_OPCODE | DNS_F_RD | DNS_F_CD)) |
			   (r->rcode & DNS_F_RCODE));
	count = reply_records(q, r, out, &n, limit - opt);
	if (count < 0) {
		flags |= DNS_F_TC;
		count = 0;
	}
	put_be16(out + 2, flags);
	put_be16(out + 4, q->end > DNS_HEAD_BYTES ? 1 : 0);
	put_be16(out + 6, (uint16_t)count);
	put_be16(out + 8, 0);
	put_be16(out + 10, q->edns ? 1 : 0);
	if (q->edns)
		n += opt_encode(out + n, DNS_UDP_EDNS, NULL);
	return (ssize_t)n;
}

static int arpa4(const char *name, size_t len, struct addr *out)
{
	uint8_t ip[4];
	size_t i = 0;
	int part;

	for (part = 3; part >= 0; part--) {
		unsigned int v = 0, digits = 0;

		for (; i < len && name[i] >= '0' && name[i] <= '9'; i++) {
			v = v * 10 + (unsigned int)(name[i] - '0');
			if (++digits > 3)
				return -EINVAL;
		}
		if (!digits || v > 255 || i >= len || name[i] != '.')
			return -EINVAL;
		i++;
		ip[part] = (uint8_t)v;
	}
	if (i != len)
		return -EINVAL;
	*out = addr_v4(ip, 0);
	return 0;
}

static int arpa6(const char *name, size_t len, struct addr *out)
{
	uint8_t ip[16];
	int i;

	if (len != 64)
		return -EINVAL;
	for (i = 0; i < 16; i++) {
		const char *p = name + (15 - i) * 4;
		int lo = hex_digit(p[0]), hi = hex_digit(p[2]);

		if (lo < 0 || hi < 0 || p[1] != '.' || p[3] != '.')
			return -EINVAL;
		ip[i] = (uint8_t)(hi << 4 | lo);
	}
	*out = addr_v6(ip, 0);
	return 0;
}

int dns_arpa_addr(const char *name, struct addr *out)
{
	static const char in4[] = "in-addr.arpa", in6[] = "ip6.arpa";
	size_t len = strlen(name);

	if (len > sizeof(in4) - 1 &&
	    !strcasecmp(name + len - (sizeof(in4) - 1), in4))
		return arpa4(name, len - (sizeof(in4) - 1), out);
	if (len > sizeof(in6) - 1 &&
	    !strcasecmp(name + len - (sizeof(in6) - 1), in6))
		return arpa6(name, len - (sizeof(in6) - 1), out);
	return -EINVAL;
}
