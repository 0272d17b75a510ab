/* log_mask.h - Addresses in a log line are made shorter, or left out */
#ifndef GATEWAY_BASE_LOG_MASK_H
#define GATEWAY_BASE_LOG_MASK_H

#include <stddef.h>
#include <stdint.h>

/* Bits that stay; @v4: 0, 8, 16, 24 or 32. 32 and 128: addresses stay whole */
struct log_mask {
	uint8_t v4, v6;
};

#define LOG_MASK_NONE ((struct log_mask){ 32, 128 })

/* "half", "quarter", "full", "/16+/64". 0 or -EINVAL */
int log_mask_parse(struct log_mask *m, const char *text);
/**
 * log_mask_copy() - @n bytes of @in with addresses masked, as Xray has it
 * @out:	Room for @size bytes; what does not fit is left out
 *
 * 192.0.2.7 is 192.0.*.* or "[Masked IPv4]", fd00::7 is fd00::/32 or "Masked IPv6".
 *
 * Return: bytes in @out
 */
size_t log_mask_copy(const struct log_mask *m, char *out, size_t size,
		     const char *in, size_t n);

#endif
