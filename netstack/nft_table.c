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
#include <string.h>

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "netstack/nl.h"

static struct nl_msg *table_msg(int type, int flags)
{
	struct nfgenmsg h = { .nfgen_family = NFPROTO_INET,
			      .version = NFNETLINK_V0 };
	struct nl_msg *m =
		nlmsg_alloc_simple(NFNL_SUBSYS_NFTABLES << 8 | type, flags);

	if (m && nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO) == 0 &&
	    nla_put_string(m, NFTA_TABLE_NAME, NFT_TABLE) == 0)
		return m;
	nlmsg_free(m);
	return NULL;
}

static int read_flags(struct nl_msg *m, void *arg)
{
	struct nlattr *a = nlmsg_find_attr(
		nlmsg_hdr(m), sizeof(struct nfgenmsg), NFTA_TABLE_FLAGS);
	int *flags = arg;

	if (a && nla_len(a) >= (int)sizeof(uint32_t))
		*flags = (int)ntohl(nla_get_u32(a));
	return NL_OK;
}

int nft_table_flags(void)
{
	struct nlk nl;
	int err = nlk_open(&nl, NETLINK_NETFILTER), flags = 0;

	if (err < 0)
		return err;
	nl_socket_modify_cb(nl.sk, NL_CB_VALID, NL_CB_CUSTOM, read_flags,
			    &flags);
	err = nlk_ask(&nl, table_msg(NFT_MSG_GETTABLE, NLM_F_ACK));
	nlk_close(&nl);
	return err < 0 ? err : flags;
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

/* nftables changes come as a batch: begin, what to do, end */
int nft_table_delete(void)
{
	struct nl_msg *m[3] = {
		batch_msg(NFNL_MSG_BATCH_BEGIN),
		table_msg(NFT_MSG_DELTABLE, NLM_F_REQUEST),
		batch_msg(NFNL_MSG_BATCH_END),
	};
	uint8_t buf[1024];
	size_t n = 0;
	struct nlk nl;
	int err = m[0] && m[1] && m[2] ? nlk_open(&nl, NETLINK_NETFILTER) :
					 -ENOMEM;

	for (int i = 0; err == 0 && i < 3; i++) {
		struct nlmsghdr *h = nlmsg_hdr(m[i]);

		nl_complete_msg(nl.sk, m[i]);
		h->nlmsg_flags = NLM_F_REQUEST | (i == 1 ? NLM_F_ACK : 0);
		memcpy(buf + n, h, h->nlmsg_len);
		n += NLMSG_ALIGN(h->nlmsg_len);
	}
	for (int i = 0; i < 3; i++)
		nlmsg_free(m[i]);
	if (err < 0)
		return err;
	nl_socket_disable_seq_check(nl.sk);
	err = nlk_send_raw(&nl, buf, n);
	nlk_close(&nl);
	return err == -ENOENT || err == -EOPNOTSUPP ? 0 : err;
}
