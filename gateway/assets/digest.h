/* digest.h - Files of checksums, as sha256sum writes them */
#ifndef GATEWAY_ASSETS_DIGEST_H
#define GATEWAY_ASSETS_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/crypto.h"

/* "sha256", "SHA-512" ...: enum hash_kind; "" is sha256. -EINVAL */
int digest_kind(const char *word);
/**
 * digest_find() - The digest that @n bytes of @text have for one of @names
 * @names:	What the file may be called there (its folder does not count); NULL
 *		behind the last
 * @out:	hash_len(@kind) bytes
 *
 * Lines: "HEX  NAME" (or "*NAME"), "SHA256 (NAME) = HEX", "HEX". One without a name
 * fits all. The first that fits counts.
 *
 * Return: 0 or -ENOENT
 */
int digest_find(const char *text, size_t n, enum hash_kind kind,
		const char *const *names, uint8_t *out);
/* Does the file of @fd have this digest? 1, 0, -errno */
int digest_check(int fd, enum hash_kind kind, const uint8_t *want);

#endif
