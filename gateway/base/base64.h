/* base64.h - Base64, standard and URL alphabet (RFC 4648, 4 and 5) */
#ifndef GATEWAY_BASE_BASE64_H
#define GATEWAY_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BASE64_LEN(n) (((n) + 2) / 3 * 4) /* without the NUL */

/*
 * Text of @n bytes with a NUL; @url: "-_" and no padding. Returns its length,
 * or -ENOBUFS
 */
ssize_t base64_encode(const void *p, size_t n, bool url, char *out,
		      size_t room);
/*
 * Both alphabets, padding optional; nothing else is skipped. Returns the
 * bytes written, -EINVAL or -ENOBUFS
 */
ssize_t base64_decode(const char *text, size_t n, uint8_t *out, size_t room);

#endif
