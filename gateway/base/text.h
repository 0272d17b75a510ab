/* text.h - Small helpers for text that is shown to people */
#ifndef GATEWAY_BASE_TEXT_H
#define GATEWAY_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Bytes (1 to 4) of the UTF-8 character at @s that is fit to print; 0 when it
 * is a control character or no UTF-8. @n > 0 bytes are there.
 */
size_t text_char(const char *s, size_t n);
/*
 * How many letters must be added, left out, changed or swapped with their
 * neighbour to make @a into @b, without case; @limit + 1 when more than @limit
 */
unsigned int text_distance(const char *a, const char *b, unsigned int limit);

#define TEXT_FAR 3u /* words at this distance are not meant for each other */
/*
 * Is @have nearer to @word than *@best (at first TEXT_FAR)? Then *@best is how near.
 * Words that share no letter are not near, however short they are
 */
bool text_nearer(const char *word, const char *have, unsigned int *best);

/* 0 to 15, letters of either case; -1: no hexadecimal digit */
static inline int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 0 to 65535 by @n digits, five at most, and nothing else. 0 or -EINVAL */
int text_port(const char *text, size_t n, uint16_t *port);
/* Pairs of digits, @n in all. Bytes, -EINVAL, -ENOBUFS */
ssize_t hex_decode(const char *text, size_t n, uint8_t *out, size_t room);

#endif
