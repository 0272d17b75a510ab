/* accounts.c - Accounts of users (contract and layout: accounts.h) */
#include "gateway/api/accounts.h"

#include <string.h>
#include <strings.h>

#include "gateway/base/compat.h"

#define XRAY  "xray."
#define V2RAY "v2ray.core."

static const struct {
	const char *name;
	unsigned int number;
} ciphers[] = {
	{ "aes-128-gcm", 5 },        { "aes-256-gcm", 6 },
	{ "chacha20-poly1305", 7 },  { "chacha20-ietf-poly1305", 7 },
	{ "xchacha20-poly1305", 8 }, { "xchacha20-ietf-poly1305", 8 },
};

bool account_is(const char *type, const char *name)
{
	if (!strcmp(type, name))
		return true;
	return !strncmp(type, V2RAY, strlen(V2RAY)) &&
	       !strcmp(type + strlen(V2RAY), name + strlen(XRAY));
}

unsigned int account_cipher(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(ciphers); i++)
		if (!strcasecmp(ciphers[i].name, name))
			return ciphers[i].number;
	return 0;
}

const char *account_cipher_name(uint64_t number)
{
	for (size_t i = 0; i < ARRAY_SIZE(ciphers); i++)
		if (ciphers[i].number == number)
			return ciphers[i].name;
	return NULL;
}
