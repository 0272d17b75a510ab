/*
 * nft_match.h - Is this packet to be caught? The same questions in each chain of
 * ours, as nftables rules: who sends, where to, what is near
 */
#ifndef NETSTACK_NFT_MATCH_H
#define NETSTACK_NFT_MATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct capture_conf;
struct capture_match;
struct intake;

/** enum judge_kind - What the chain being written is for */
enum judge_kind {
	JUDGE_FILTER, /* takes, or marks what goes by */
	JUDGE_NAT, /* takes by NAT: sees the first packet of a connection only */
	JUDGE_KEEP /* behind the other two: what they should have taken */
};

/**
 * struct judge - One base chain being written
 * @own:	This host's traffic, else forwarded
 * @name:	Of the chain
 * @skip:	What lets a packet go
 * @take:	Chain that takes; NULL: a chain for DNS alone
 */
struct judge {
	const struct intake *in;
	const struct capture_conf *how;
	FILE *out;
	enum judge_kind kind;
	bool own;
	const char *name;
	char skip[96];
	const char *take;
};

/* The chain's first line; before it the chain that may follow it, by name */
void judge_begin(const struct judge *j);
/* Ours, answers, and who asks the real name servers */
void judge_ours(const struct judge *j);
/* "include" (@inc) or "exclude": who sends */
void judge_match(const struct judge *j, const struct capture_match *m,
		 bool inc);
/* All the questions, then "goto take"; ends the chain */
void judge_all(const struct judge *j);

#endif
