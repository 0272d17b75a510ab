/*
 * tls_known.c - Certificates that were verified a while ago
 *
 * A signature of a CA costs as much as one of a server, and says the same each
 * time. A chain that was found good is so taken as good for the same certificate
 * and the same name, until one of the chain ends and for an hour at most. Another
 * trust is another level: it has a table of its own.
 */
#include <errno.h>
#include <openssl/x509.h>
#include <string.h>

#include "gateway/base/crypto.h"
#include "proxy/transport/tls.h"

#define KNOWN_MAX_S 3600

int tls_known_sum(const struct x509_st *cert, const char *name,
		  uint8_t sum[TLS_PIN_BYTES])
{
	unsigned char *der = NULL;
	int n = i2d_X509(cert, &der), rc;
	union {
		const char *c;
		char *p;
	} text = { .c = name };
	struct iovec v[2] = { { der, 0 }, { text.p, strlen(name) } };

	if (n <= 0)
		return -ENOMEM;
	v[0].iov_len = (size_t)n;
	rc = hash_vec(HASH_SHA256, v, 2, sum);
	OPENSSL_free(der);
	return rc;
}

bool tls_known_has(const struct tls_known *k, const uint8_t sum[TLS_PIN_BYTES],
		   int64_t now_s)
{
	for (int i = 0; i < TLS_KNOWN; i++)
		if (k->cert[i].from <= now_s && now_s < k->cert[i].until &&
		    !memcmp(k->cert[i].sum, sum, TLS_PIN_BYTES))
			return true;
	return false;
}

void tls_known_add(struct tls_known *k, const uint8_t sum[TLS_PIN_BYTES],
		   int64_t now_s, int64_t left_s)
{
	if (left_s <= 0)
		return;
	memcpy(k->cert[k->next].sum, sum, TLS_PIN_BYTES);
	k->cert[k->next].from = now_s;
	k->cert[k->next].until = now_s + left_s;
	k->next = (k->next + 1) % TLS_KNOWN;
}

int64_t tls_chain_left(const struct stack_st_X509 *chain)
{
	int64_t left = sk_X509_num(chain) > 0 ? KNOWN_MAX_S : 0;

	for (int i = 0; i < sk_X509_num(chain); i++) {
		const X509 *cert = sk_X509_value(chain, i);
		int days = 0, s = 0;

		if (!ASN1_TIME_diff(&days, &s, NULL, X509_get0_notAfter(cert)))
			return 0;
		if (days * (int64_t)86400 + s < left)
			left = days * (int64_t)86400 + s;
	}
	return left;
}
