/*
 * accounts.h - Accounts of users as protobuf messages, and as the configuration
 * writes them
 *
 *   xray.proxy.vless.Account             1 id, 2 flow, 7 reverse { 1 tag },
 *                                        9 testseed (numbers)
 *   xray.proxy.vmess.Account             1 id
 *   xray.proxy.trojan.Account            1 password
 *   xray.proxy.shadowsocks.Account       1 password, 2 cipher
 *   xray.proxy.shadowsocks_2022.Account  1 key
 *
 * v2ray's names begin with v2ray.core. instead of xray.
 * What is not listed is of clients, or does nothing here.
 * Source: Xray proxy/.../account.proto, config.proto
 */
#ifndef GATEWAY_API_ACCOUNTS_H
#define GATEWAY_API_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/wire/pb.h"

#define ACCOUNT_VLESS "xray.proxy.vless.Account"
#define ACCOUNT_SS    "xray.proxy.shadowsocks.Account"
#define ACCOUNT_SS22  "xray.proxy.shadowsocks_2022.Account"
#define VISION_FLOW   "xtls-rprx-vision"

#define ACCOUNT_SEED_MAX 8 /* numbers of a "testseed" that are looked at */

/* Is @type Xray's @name, or v2ray's? */
bool account_is(const char *type, const char *name);
/* Number of the cipher of this name in an account, and back; 0, NULL: none */
unsigned int account_cipher(const char *name);
const char *account_cipher_name(uint64_t number);

#endif
