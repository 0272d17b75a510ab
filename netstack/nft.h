/*
 * nft.h - Our nftables table: what policy rules cannot do
 *
 * One table, inet culvert, written as text and loaded by nft(8):
 *
 *   OWNER  `nft -i`, a child that lives as long as we do and owns the table:
 *          others cannot flush it, and the kernel removes it when the child
 *          ends, which it does when we do, however we do
 *   PLAIN  `nft -f -`: no owner flag (old kernel, nft without -i), or it shall
 *          outlive us (fail closed). Otherwise a waiting shell removes it
 *   NONE   there is no nft
 */
#ifndef NETSTACK_NFT_H
#define NETSTACK_NFT_H

#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct intake;

#define NFT_TABLE   "culvert"
#define NFT_UPLINKS 8

enum nft_kind { NFT_NONE, NFT_OWNER, NFT_PLAIN };

/**
 * struct nft - The loaded table
 * @pid:	`nft -i` or the waiting shell; 0 none
 * @in:		Its standard input; -1
 * @uplinks:	Contents of the set, in the order found
 */
struct nft {
	enum nft_kind kind;
	pid_t pid;
	int in;
	char uplinks[NFT_UPLINKS][IFNAMSIZ];
	unsigned int uplink_count;
};

/**
 * nft_print() - Write the table as text
 * @owner:	With the owner flag
 * @ups:	Interfaces that lead out: nobody there may ask us for DNS
 */
void nft_print(const struct intake *in, bool owner, const char (*ups)[IFNAMSIZ],
	       unsigned int n, FILE *out);
/* @tun may stand in a rule: the name holds nothing that has a meaning there */
bool nft_name_ok(const char *name);

/* Load, the best way there is. 0, or -errno after a warning: we do without */
int nft_load(struct nft *n, const struct intake *in);
/* Another text in place of the loaded one, in one transaction. 0 or -errno */
int nft_replace(struct nft *n, const struct intake *in);
/* Its child has ended: the kernel does not tell that the table is gone */
bool nft_lost(const struct nft *n);
/* The table is gone or its owner is: load it again. Returns true when it was */
bool nft_watch(struct nft *n, const struct intake *in);
/* The interfaces that lead out changed. 0 or -errno */
int nft_set_uplinks(struct nft *n, const char (*ups)[IFNAMSIZ],
		    unsigned int count);
void nft_unload(struct nft *n);

/* Flags of the table in the kernel, or -ENOENT, other -errno */
int nft_table_flags(void);
/* By netlink alone. 0, also when there is none; -errno */
int nft_table_delete(void);

#endif
