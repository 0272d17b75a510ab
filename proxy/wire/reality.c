/* reality.c - REALITY: the session id, and the certificate's signature */
#include "proxy/wire/reality.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"
#include "gateway/base/crypto_pk.h"
#include "gateway/base/rd.h"

/*
 * The version a client claims to be: one whose servers want a hello as ours. Those
 * of 26.7 refuse below 26.3.27 unless configured otherwise
 */
static const uint8_t version[3] = { 26, 9, 9 };

int reality_auth(const uint8_t private_key[32], const uint8_t peer[32],
		 const uint8_t *random, uint8_t auth_key[REALITY_KEY_BYTES])
{
	uint8_t shared[X25519_BYTES], first[REALITY_NONCE_AT];
	struct iovec ikm = { shared, sizeof(shared) };
	struct iovec salt = { first, sizeof(first) };
	int rc = x25519_shared(private_key, peer, shared);

	memcpy(first, random, sizeof(first));
	if (!rc)
		rc = hkdf(HASH_SHA256, &ikm, &salt, "REALITY", auth_key,
			  REALITY_KEY_BYTES);
	wipe(shared, sizeof(shared));
	return rc;
}

int reality_seal(const struct reality_id *id, const uint8_t private_key[32],
		 uint32_t now, uint8_t *hello, size_t n,
		 uint8_t auth_key[REALITY_KEY_BYTES])
{
	const uint8_t *random = hello + TLS13_RANDOM_AT;
	uint8_t sid[TLS13_SESSION_ID_BYTES] = { 0 };
	struct iovec aad = { hello, n };
	int rc;

	if (n < TLS13_SESSION_ID_AT + TLS13_SESSION_ID_BYTES)
		return -EINVAL;
	rc = reality_auth(private_key, id->server_key, random, auth_key);
	if (rc < 0)
		return rc;
	memcpy(sid, version, sizeof(version));
	put_be32(sid + 4, now);
	memcpy(sid + 8, id->short_id, REALITY_SHORT_ID_BYTES);
	rc = aead_seal_once(AEAD_AES_256_GCM, auth_key,
			    random + REALITY_NONCE_AT, &aad, sid,
			    REALITY_PLAIN_BYTES);
	if (!rc)
		memcpy(hello + TLS13_SESSION_ID_AT, sid, sizeof(sid));
	return rc;
}

/* --- the little of X.509 that is needed --------------------------------------- */

enum {
	DER_BOOLEAN = 0x01,
	DER_BITS = 0x03,
	DER_OCTETS = 0x04,
	DER_OID = 0x06,
	DER_SEQUENCE = 0x30,
	DER_VERSION = 0xa0,
	DER_EXTENSIONS = 0xa3,
};

/* The next element: its tag, and its content in *@body */
static uint8_t der_next(struct rd *r, struct rd *body)
{
	uint8_t tag = rd_u8(r);
	size_t len = rd_u8(r);

	if (len == 0x81) {
		len = rd_u8(r);
	} else if (len == 0x82) {
		len = rd_be16(r);
	} else if (len == 0x83) {
		len = rd_be24(r);
	} else if (len >= 0x80) {
		r->bad = true;
	}
	*body = rd_sub(r, len);
	return tag;
}

/* Into an element that must be a @tag */
static struct rd der_enter(struct rd *r, uint8_t tag)
{
	struct rd body;

	if (der_next(r, &body) != tag)
		r->bad = body.bad = true;
	return body;
}

/* A BIT STRING of whole bytes */
static struct rd der_bits(struct rd *r)
{
	struct rd bits = der_enter(r, DER_BITS);

	if (rd_u8(&bits) != 0)
		bits.bad = true;
	return bits;
}

/* From a tbsCertificate to its subjectPublicKeyInfo */
static struct rd der_spki(struct rd *tbs)
{
	struct rd skip;
	int before = 5; /* serial, signature, issuer, validity, subject */

	if (rd_left(tbs) && *tbs->p == DER_VERSION)
		before++;
	while (before-- > 0)
		der_next(tbs, &skip);
	return der_enter(tbs, DER_SEQUENCE);
}

int reality_cert_parse(const uint8_t *der, size_t n, const uint8_t **key,
		       const uint8_t **sig, size_t *sig_len)
{
	static const uint8_t oid_ed25519[] = { 0x06, 0x03, 0x2b, 0x65, 0x70 };
	struct rd r = rd_init(der, n), cert = der_enter(&r, DER_SEQUENCE);
	struct rd tbs = der_enter(&cert, DER_SEQUENCE), spki = der_spki(&tbs);
	struct rd algo = der_enter(&spki, DER_SEQUENCE), bits, skip;

	if (!rd_ok(&algo) || rd_left(&algo) != sizeof(oid_ed25519) ||
	    memcmp(algo.p, oid_ed25519, sizeof(oid_ed25519)) != 0)
		return -EPROTO;
	bits = der_bits(&spki);
	if (!rd_ok(&bits) || rd_left(&bits) != ED25519_BYTES)
		return -EPROTO;
	*key = bits.p;
	der_next(&cert, &skip); /* signatureAlgorithm */
	bits = der_bits(&cert);
	if (!rd_ok(&bits) || !rd_ok(&cert))
		return -EPROTO;
	*sig = bits.p;
	*sig_len = rd_left(&bits);
	return 0;
}

int reality_server_is(const struct tls13_proof *proof,
		      const uint8_t auth_key[REALITY_KEY_BYTES])
{
	uint8_t want[HASH_MAX_BYTES];
	const uint8_t *key, *sig;
	size_t sig_len;

	if (!proof->cert || proof->scheme != SCHEME_ED25519 ||
	    proof->sig_len != ED25519_SIG_BYTES)
		return -EACCES;
	if (reality_cert_parse(proof->cert, proof->cert_len, &key, &sig,
			       &sig_len) < 0)
		return -EACCES;
	if (hmac_once(HASH_SHA512, auth_key, REALITY_KEY_BYTES, key,
		      ED25519_BYTES, want) < 0)
		return -ENOMEM;
	if (sig_len != hash_len(HASH_SHA512) || !ct_equal(sig, want, sig_len))
		return -EACCES;
	return ed25519_verify(key, proof->covered, proof->covered_len,
			      proof->sig) == 0 ?
		       0 :
		       -EACCES;
}

/* --- and by ML-DSA-65 ----------------------------------------------------------- */

int reality_signed(const uint8_t auth_key[REALITY_KEY_BYTES],
		   const uint8_t key[ED25519_BYTES],
		   const struct iovec hellos[2], uint8_t out[HASH_MAX_BYTES])
{
	struct iovec v[3] = { { .iov_len = ED25519_BYTES },
			      hellos[0],
			      hellos[1] };

	memcpy(&v[0].iov_base, &key, sizeof(v[0].iov_base)); /* only read */
	return hmac_vec(HASH_SHA512, auth_key, REALITY_KEY_BYTES, v, 3, out);
}

/* The value of a certificate's first extension; NULL: it has none of that length */
static const uint8_t *first_extension(const uint8_t *der, size_t n, size_t len)
{
	struct rd r = rd_init(der, n), cert = der_enter(&r, DER_SEQUENCE);
	struct rd tbs = der_enter(&cert, DER_SEQUENCE), body;

	(void)der_spki(&tbs);
	body = der_enter(&tbs, DER_EXTENSIONS);
	body = der_enter(&body, DER_SEQUENCE);
	body = der_enter(&body, DER_SEQUENCE);
	(void)der_enter(&body, DER_OID);
	if (rd_left(&body) && *body.p == DER_BOOLEAN)
		(void)der_enter(&body, DER_BOOLEAN);
	body = der_enter(&body, DER_OCTETS);
	return rd_ok(&body) && rd_left(&body) == len ? body.p : NULL;
}

int reality_server_signs(const struct tls13_proof *proof,
			 const uint8_t auth_key[REALITY_KEY_BYTES],
			 const struct mldsa65_public_key *verify)
{
	struct iovec hellos[2] = { { .iov_len = proof->hellos_len }, { 0 } };
	const uint8_t *key, *unused, *sig = NULL;
	uint8_t said[HASH_MAX_BYTES];
	size_t len;

	memcpy(&hellos[0].iov_base, &proof->hellos, sizeof(proof->hellos));
	if (proof->cert && reality_cert_parse(proof->cert, proof->cert_len,
					      &key, &unused, &len) == 0)
		sig = first_extension(proof->cert, proof->cert_len,
				      MLDSA65_SIG_BYTES);
	if (!sig)
		return -EACCES;
	if (reality_signed(auth_key, key, hellos, said) < 0)
		return -ENOMEM;
	return mldsa65_verify(verify, said, hash_len(HASH_SHA512), sig) == 0 ?
		       0 :
		       -EACCES;
}
