/*
 * cidrs.h - Many prefixes as sorted, disjoint ranges (8 bytes an IPv4 one)
 *
 * Filled from words and from files with a prefix a line, then sealed. For the
 * kernel's interval sets, which take nothing that overlaps.
 */
#ifndef GATEWAY_CORE_CIDRS_H
#define GATEWAY_CORE_CIDRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"

#define CIDRS_MAX 2000000u /* of each family */

/* First and last address; host byte order */
struct range4 {
	uint32_t lo, hi;
};

/* First and last address; network byte order */
struct range6 {
	uint8_t lo[16], hi[16];
};

/**
 * struct cidrs - The list; zero is an empty one
 */
struct cidrs {
	struct range4 *v4;
	struct range6 *v6;
	size_t count4, count6;
};

/* 0, -ENOMEM, or -E2BIG: more than CIDRS_MAX */
int cidrs_add(struct cidrs *s, const struct cidr *c);
/* The same for the addresses from @lo to @hi, of one kind */
int cidrs_add_range(struct cidrs *s, const struct addr *lo,
		    const struct addr *hi);
/**
 * cidrs_add_text() - Add a prefix a line; "#" begins a comment
 * @line:	In: number of the first line. Out: the line of an error
 * @last:	No more text follows: the last line needs no newline
 *
 * Return: bytes taken (whole lines), -EINVAL for a line that is no prefix, or
 * as cidrs_add()
 */
long cidrs_add_text(struct cidrs *s, const char *text, size_t n, size_t *line,
		    bool last);
/* A whole file, in pieces. 0, or as above with *@line, or -errno with 0 there */
int cidrs_add_file(struct cidrs *s, const char *path, size_t *line);
/* Sort, and join what overlaps or touches */
void cidrs_seal(struct cidrs *s);
/* Is the address @a in one of them? @s is sealed */
bool cidrs_have(const struct cidrs *s, const struct addr *a);
void cidrs_free(struct cidrs *s);

#endif
