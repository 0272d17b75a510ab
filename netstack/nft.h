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
 *
 * While it is gone, as somebody removed it or ended the child, a second table
 * holds: what should be caught is dropped, what is translated goes on. It belongs
 * to the spare, the next child in waiting, so only both at once let anything by.
 * With fail: closed the spare outlives us, and only another culvert ends it.
 */
#ifndef NETSTACK_NFT_H
#define NETSTACK_NFT_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "gateway/core/cidrs.h"
#include "netstack/nft_child.h"

struct intake;

#define NFT_TABLE   "culvert"
#define NFT_DIRECT  "culvert_direct" /* large sets, fed without nft(8) */
#define NFT_KEEP    "culvert_keep" /* and a number: holds meanwhile */
#define NFT_UPLINKS 8

enum nft_kind { NFT_NONE, NFT_OWNER, NFT_PLAIN };

/* Sets whose contents the kernel's lack */
enum nft_stale { STALE_NEAR = 1, STALE_UPLINKS = 2 };

/**
 * struct nft - The loaded table
 * @own:	`nft -i` that owns it
 * @cleaner:	The waiting shell; @cleans: it removes NFT_TABLE, too
 * @spare:	`nft -i` that waits to load a table again at once
 * @keep:	Number of the spare's own table
 * @kept, @shut:	That is loaded; it drops what should be caught
 * @near:	Contents of near4 and near6
 * @near_used:	The table has these sets
 * @closed:	It was loaded with fail: closed
 * @missing:	It was there and could not be loaded again
 * @stale:	enum nft_stale
 * @uplinks:	Contents of the set, in the order found
 */
struct nft {
	enum nft_kind kind;
	struct nft_child own, cleaner, spare;
	unsigned int keep;
	bool cleans, kept, shut;
	uint8_t stale;
	struct cidrs near;
	bool near_used, closed, missing;
	char uplinks[NFT_UPLINKS][IFNAMSIZ];
	unsigned int uplink_count;
};

/**
 * nft_print() - Write the table as text
 * @n:		Its sets: interfaces that lead out, where nobody may ask us for
 *		DNS; what is near
 * @owner:	With the owner flag
 */
void nft_print(const struct nft *n, const struct intake *in, bool owner,
	       FILE *out);
/* Its sets alone, for a table of ours */
void nft_print_sets(const struct nft *n, const struct intake *in, FILE *out);
/* One line that brings the sets of @table up to date */
void nft_print_near_change(const struct nft *n, const char *table, FILE *out);
void nft_print_uplinks_change(const struct nft *n, const char *table,
			      FILE *out);
/* Would the second table drop anything for this configuration? */
bool nft_keeps_shut(const struct intake *in);
/* The second table, with the owner flag. false: it would be empty */
bool nft_print_keep(const struct nft *n, const struct intake *in,
		    const char *name, FILE *out);
/* The table NFT_DIRECT with all its elements, for people */
void nft_print_direct_all(const struct intake *in, FILE *out);
/* @tun may stand in a rule: the name holds nothing that has a meaning there */
bool nft_name_ok(const char *name);

/* None is loaded, no child is there */
void nft_init(struct nft *n);
/* Load, the best way there is. 0, or -errno after a warning: we do without */
int nft_load(struct nft *n, const struct intake *in);
/* Another text in place of the loaded one, in one transaction. 0 or -errno */
int nft_replace(struct nft *n, const struct intake *in);
/* A child of it has ended: the kernel does not tell that its table is gone */
bool nft_lost(const struct nft *n);
/*
 * A table is gone or its owner is: load it again. Returns true when one was. While
 * @n->missing this is to be called from time to time
 */
bool nft_watch(struct nft *n, const struct intake *in);
/*
 * The interfaces that lead out changed. 0, or -errno: call it again, the same for
 * nft_set_near()
 */
int nft_set_uplinks(struct nft *n, const char (*ups)[IFNAMSIZ],
		    unsigned int count);
/* What is near changed; takes the contents of @near. 0 or -errno */
int nft_set_near(struct nft *n, struct cidrs *near);
void nft_unload(struct nft *n);

/**
 * nft_guards_end() - End the spares of culverts that were killed with fail: closed
 * @ours:	pid of the one that stays; 0: none
 * @out:	What is removed is told there; NULL: nowhere
 *
 * Their tables go along. Return: how many there were
 */
unsigned int nft_guards_end(pid_t ours, FILE *out);
/* The table of one of them is there */
bool nft_guards_there(void);

/**
 * struct nft_seen - A table in the kernel
 * @handle:	Another one for each table ever made; 0: the kernel does not tell
 * @owner:	Port of the netlink socket that owns it; 0: nobody does
 */
struct nft_seen {
	int flags;
	uint64_t handle;
	uint32_t owner;
};

/* 0 with *@out, -ENOENT, other -errno */
int nft_table_see(const char *name, struct nft_seen *out);
int nft_table_flags(void); /* of NFT_TABLE, or -errno */
/* By netlink alone, NFT_TABLE and NFT_DIRECT. 0, also when there is none */
int nft_table_delete(void);
/* The same for NFT_DIRECT: there? Its elements, by netlink. 0 or -errno */
bool nft_direct_there(void);
int nft_direct_delete(void);
int nft_direct_feed(const struct cidrs *s);

#endif
