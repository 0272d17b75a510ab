/*
 * nft_judge.h - Who is caught, as nftables rules: include, exclude, what is
 * near, and then taken by NAT, by TProxy, or by the TUN's policy rules
 */
#ifndef NETSTACK_NFT_JUDGE_H
#define NETSTACK_NFT_JUDGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct intake;

/* The bit below our mark: in conntrack "is caught"; on packets "to TProxy" */
uint32_t nft_kept_bit(const struct intake *in);
/* Anything to judge for this configuration? */
bool nft_judges(const struct intake *in);
/* Are the sets near4, near6 used? */
bool nft_uses_near(const struct intake *in);
/* Does TProxy take anything? */
bool nft_by_tproxy(const struct intake *in);
/* FakeDNS gives addresses that UDP cannot reach: say so, for a quick fallback */
bool nft_fake_lost(const struct intake *in);
/* What TProxy has marked must not leave this host */
void nft_print_stray(const struct intake *in, FILE *out);
/* All chains that catch, in the table */
void nft_print_judges(const struct intake *in, FILE *out);
/* The table inet culvert_direct, without its elements; nothing if not used */
void nft_print_direct(const struct intake *in, FILE *out);

#endif
