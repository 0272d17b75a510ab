/* uuid.h - User ids of VLESS and VMess */
#ifndef PROXY_WIRE_UUID_H
#define PROXY_WIRE_UUID_H

#include <stdint.h>

/*
 * 32 hex digits, '-' between groups optional; or any other text of 1 to 30
 * bytes, which is mapped to a version 5 UUID. 0 or -EINVAL
 * Source: Xray common/uuid/uuid.go (facts)
 */
int uuid_parse(const char *text, uint8_t out[16]);

#endif
