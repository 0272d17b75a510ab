/*
 * nft_table.c - Is our table there, and away with it; without nft(8)
 * Source: Linux include/uapi/linux/netfilter/{nfnetlink,nf_tables}.h
 */
#include "netstack/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "netstack/nl.h"

static struct nl_msg *table_msg(int type, int flags, const char *name)
{
	struct nfgenmsg h = { .nfgen_family = NFPROTO_INET,
			      .version = NFNETLINK_V0 };
	struct nl_msg *m =
		nlmsg_alloc_simple(NFNL_SUBSYS_NFTABLES << 8 | type, flags);

	if (m && nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO) == 0 &&
	    nla_put_string(m, NFTA_TABLE_NAME, name) == 0)
		return m;
	nlmsg_free(m);
	return NULL;
}

static int read_table(struct nl_msg *m, void *arg)
{
	struct nlmsghdr *h = nlmsg_hdr(m);
	struct nlattr *flags, *handle, *owner;
	struct nft_seen *seen = arg;

	flags = nlmsg_find_attr(h, sizeof(struct nfgenmsg), NFTA_TABLE_FLAGS);
	if (flags && nla_len(flags) >= (int)sizeof(uint32_t))
		seen->flags = (int)ntohl(nla_get_u32(flags));
	handle = nlmsg_find_attr(h, sizeof(struct nfgenmsg), NFTA_TABLE_HANDLE);
	if (handle && nla_len(handle) >= (int)sizeof(uint64_t))
		seen->handle = nla_get_u64(handle); /* only to be compared */
	owner = nlmsg_find_attr(h, sizeof(struct nfgenmsg), NFTA_TABLE_OWNER);
	if (owner && nla_len(owner) >= (int)sizeof(uint32_t))
		seen->owner = ntohl(nla_get_u32(owner));
	return NL_OK;
}

int nft_table_see(const char *name, struct nft_seen *out)
{
	struct nft_seen seen = { .flags = 0 };
	struct nlk nl;
	int err = nlk_open(&nl, NETLINK_NETFILTER);

	if (err < 0)
		return err;
	nl_socket_modify_cb(nl.sk, NL_CB_VALID, NL_CB_CUSTOM, read_table,
			    &seen);
	err = nlk_ask(&nl, table_msg(NFT_MSG_GETTABLE, NLM_F_ACK, name));
	nlk_close(&nl);
	if (err == 0)
		*out = seen;
	return err;
}

int nft_table_flags(void)
{
	struct nft_seen seen = { .flags = 0 };
	int err = nft_table_see(NFT_TABLE, &seen);

	return err < 0 ? err : seen.flags;
}

bool nft_direct_there(void)
{
	struct nft_seen seen = { .flags = 0 };

	return nft_table_see(NFT_DIRECT, &seen) == 0;
}

static struct nl_msg *batch_msg(int type)
{
	struct nfgenmsg h = { .nfgen_family = AF_UNSPEC,
			      .version = NFNETLINK_V0,
			      .res_id = htons(NFNL_SUBSYS_NFTABLES) };
	struct nl_msg *m = nlmsg_alloc_simple(type, NLM_F_REQUEST);

	if (m && nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO) == 0)
		return m;
	nlmsg_free(m);
	return NULL;
}

/*
 * nftables changes come as a batch: begin, what to do, end. Ask for @what
 * (freed) in one. 0 or -errno
 */
static int ask_batch(struct nlk *nl, struct nl_msg *what, uint8_t *buf,
		     size_t size)
{
	struct nl_msg *m[3] = { batch_msg(NFNL_MSG_BATCH_BEGIN), what,
				batch_msg(NFNL_MSG_BATCH_END) };
	int err = m[0] && m[1] && m[2] ? 0 : -ENOMEM;
	size_t n = 0;

	for (int i = 0; err == 0 && i < 3; i++) {
		struct nlmsghdr *h = nlmsg_hdr(m[i]);

		nl_complete_msg(nl->sk, m[i]);
		h->nlmsg_flags = NLM_F_REQUEST;
		if (i == 1)
			h->nlmsg_flags |= NLM_F_ACK | NLM_F_CREATE;
		if (NLMSG_ALIGN(h->nlmsg_len) > size - n) {
			err = -EMSGSIZE;
			break;
		}
		memcpy(buf + n, h, h->nlmsg_len);
		n += NLMSG_ALIGN(h->nlmsg_len);
	}
	for (int i = 0; i < 3; i++)
		nlmsg_free(m[i]);
	return err < 0 ? err : nlk_send_raw(nl, buf, n);
}

static int table_delete(const char *name)
{
	uint8_t buf[1024];
	struct nlk nl;
	int err = nlk_open(&nl, NETLINK_NETFILTER);

	if (err < 0)
		return err;
	nl_socket_disable_seq_check(nl.sk);
	err = ask_batch(&nl, table_msg(NFT_MSG_DELTABLE, NLM_F_REQUEST, name),
			buf, sizeof(buf));
	nlk_close(&nl);
	return err == -ENOENT || err == -EOPNOTSUPP ? 0 : err;
}

int nft_direct_delete(void)
{
	return table_delete(NFT_DIRECT);
}

int nft_table_delete(void)
{
	int err = table_delete(NFT_DIRECT);
	int err2 = table_delete(NFT_TABLE);

	return err2 < 0 ? err2 : err;
}

/* --- elements of the large sets ------------------------------------------------- */

/* An attribute holds less than 64 KiB: 88 bytes a range of IPv6 */
enum { FEED_RANGES = 700, FEED_BYTES = 65536 + 1024 };

/* One end of a range: the first address, or the one behind the last */
static bool put_end(struct nl_msg *m, const void *key, int n, bool end)
{
	struct nlattr *elem = nla_nest_start(m, NFTA_LIST_ELEM);
	struct nlattr *k = elem ? nla_nest_start(m, NFTA_SET_ELEM_KEY) : NULL;

	if (!k || nla_put(m, NFTA_DATA_VALUE, n, key) < 0)
		return false;
	nla_nest_end(m, k);
	if (end && nla_put_u32(m, NFTA_SET_ELEM_FLAGS,
			       htonl(NFT_SET_ELEM_INTERVAL_END)) < 0)
		return false;
	nla_nest_end(m, elem);
	return true;
}

static bool put_range4(struct nl_msg *m, const struct range4 *r)
{
	uint32_t lo = htonl(r->lo), behind = htonl(r->hi + 1);

	return put_end(m, &lo, 4, false) &&
	       (!behind || put_end(m, &behind, 4, true));
}

static bool put_range6(struct nl_msg *m, const struct range6 *r)
{
	unsigned int carry = 1;
	uint8_t behind[16];

	for (int i = 15; i >= 0; i--) {
		carry += r->hi[i];
		behind[i] = (uint8_t)carry;
		carry >>= 8;
	}
	return put_end(m, r->lo, 16, false) &&
	       (carry || put_end(m, behind, 16, true));
}

/* Elements from @at on into @set, as many as a message takes */
static struct nl_msg *elements_msg(const struct cidrs *s, bool v6, size_t at,
				   size_t end)
{
	struct nfgenmsg h = { .nfgen_family = NFPROTO_INET,
			      .version = NFNETLINK_V0 };
	struct nl_msg *m = nlmsg_alloc_size(FEED_BYTES);
	struct nlattr *list = NULL;
	bool ok = m && nlmsg_put(m, NL_AUTO_PORT, NL_AUTO_SEQ,
				 NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM,
				 0, 0);

	ok = ok && nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO) == 0 &&
	     nla_put_string(m, NFTA_SET_ELEM_LIST_TABLE, NFT_DIRECT) == 0 &&
	     nla_put_string(m, NFTA_SET_ELEM_LIST_SET,
			    v6 ? "direct6" : "direct4") == 0;
	if (ok)
		list = nla_nest_start(m, NFTA_SET_ELEM_LIST_ELEMENTS);
	ok = list != NULL;
	for (; ok && at < end; at++)
		ok = v6 ? put_range6(m, &s->v6[at]) : put_range4(m, &s->v4[at]);
	if (ok) {
		nla_nest_end(m, list);
		return m;
	}
	nlmsg_free(m);
	return NULL;
}

static int feed(struct nlk *nl, const struct cidrs *s, bool v6, uint8_t *buf)
{
	size_t count = v6 ? s->count6 : s->count4;
	int err = 0;

	for (size_t at = 0; err == 0 && at < count; at += FEED_RANGES) {
		size_t end =
			at + FEED_RANGES < count ? at + FEED_RANGES : count;

		err = ask_batch(nl, elements_msg(s, v6, at, end), buf,
				FEED_BYTES);
	}
	return err;
}

int nft_direct_feed(const struct cidrs *s)
{
	uint8_t *buf = malloc(FEED_BYTES);
	struct nlk nl;
	int err = buf ? nlk_open(&nl, NETLINK_NETFILTER) : -ENOMEM;

	if (err == 0) {
		nl_socket_disable_seq_check(nl.sk);
		nl_socket_set_buffer_size(nl.sk, 4 * FEED_BYTES,
					  4 * FEED_BYTES);
		err = feed(&nl, s, false, buf);
		if (err == 0)
			err = feed(&nl, s, true, buf);
		nlk_close(&nl);
	}
	free(buf);
	return err;
}
