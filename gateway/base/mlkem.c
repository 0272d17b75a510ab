/*
 * mlkem.c - ML-KEM-768
 *
 * Polynomials have 256 coefficients below q = 3329. No branch, index or division
 * depends on what is secret: reduction is a multiplication.
 *
 * Source: FIPS 203, algorithms 5 to 18 and 20
 */
#include "gateway/base/mlkem.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/crypto.h"
#include "gateway/base/shake.h"

#define Q    3329u
#define N    256
#define RANK 3 /* k of ML-KEM-768 */

#define POLY_BYTES 384 /* 12 bits each */
#define DU         10 /* bits kept of u, and of v */
#define DV         4

struct poly {
	uint16_t c[N];
};

/* 17^BitRev7(i) mod q */
static const uint16_t zetas[128] = {
	1,    1729, 2580, 3289, 2642, 630,  1897, 848,  1062, 1919, 193,  797,
	2786, 3260, 569,  1746, 296,  2447, 1339, 1476, 3046, 56,   2240, 1333,
	1426, 2094, 535,  2882, 2393, 2879, 1974, 821,  289,  331,  3253, 1756,
	1197, 2304, 2277, 2055, 650,  1977, 2513, 632,  2865, 33,   1320, 1915,
	2319, 1435, 807,  452,  1438, 2868, 1534, 2402, 2647, 2617, 1481, 648,
	2474, 3110, 1227, 910,  17,   2761, 583,  2649, 1637, 723,  2288, 1100,
	1409, 2662, 3281, 233,  756,  2156, 3015, 3050, 1703, 1651, 2789, 1789,
	1847, 952,  1461, 2687, 939,  2308, 2437, 2388, 733,  2337, 268,  641,
	1584, 2298, 2037, 3220, 375,  2549, 2090, 1645, 1063, 319,  2773, 757,
	2099, 561,  2466, 2594, 2804, 1092, 403,  1026, 1143, 2150, 2775, 886,
	1722, 1212, 1874, 1029, 2110, 2935, 885,  2154,
};

/* x mod q, for x below 2^25: 2^36 / q, rounded up, gives the quotient exactly */
static uint32_t quotient(uint32_t x)
{
	return (uint32_t)((uint64_t)x * 20642679u >> 36);
}

static uint16_t reduce(uint32_t x)
{
	return (uint16_t)(x - Q * quotient(x));
}

static uint16_t mul(uint16_t a, uint16_t b)
{
	return reduce((uint32_t)a * b);
}

static uint16_t add(uint16_t a, uint16_t b)
{
	return reduce((uint32_t)a + b);
}

static uint16_t sub(uint16_t a, uint16_t b)
{
	return reduce((uint32_t)a + Q - b);
}

static void poly_add(struct poly *a, const struct poly *b)
{
	for (int i = 0; i < N; i++)
		a->c[i] = add(a->c[i], b->c[i]);
}

static void ntt(struct poly *f)
{
	int k = 1;

	for (int len = N / 2; len >= 2; len /= 2) {
		for (int start = 0; start < N; start += 2 * len, k++) {
			for (int j = start; j < start + len; j++) {
				uint16_t t = mul(zetas[k], f->c[j + len]);

				f->c[j + len] = sub(f->c[j], t);
				f->c[j] = add(f->c[j], t);
			}
		}
	}
}

static void ntt_back(struct poly *f)
{
	int k = 127;

	for (int len = 2; len <= N / 2; len *= 2) {
		for (int start = 0; start < N; start += 2 * len, k--) {
			for (int j = start; j < start + len; j++) {
				uint16_t t = f->c[j];

				f->c[j] = add(t, f->c[j + len]);
				f->c[j + len] =
					mul(zetas[k], sub(f->c[j + len], t));
			}
		}
	}
	for (int i = 0; i < N; i++)
		f->c[i] = mul(f->c[i], 3303); /* 1/128 */
}

/* @sum += @a * @b, all in the NTT's domain */
static void mul_add(struct poly *sum, const struct poly *a,
		    const struct poly *b)
{
	for (int i = 0; i < N / 2; i++) {
		const uint16_t *x = a->c + 2 * i, *y = b->c + 2 * i;
		uint16_t gamma = zetas[64 + i / 2];
		uint16_t high = mul(mul(x[1], y[1]), gamma);
		uint16_t low = mul(x[0], y[0]);

		low = i % 2 ? sub(low, high) : add(low, high);
		high = add(mul(x[0], y[1]), mul(x[1], y[0]));
		sum->c[2 * i] = add(sum->c[2 * i], low);
		sum->c[2 * i + 1] = add(sum->c[2 * i + 1], high);
	}
}

/* The matrix's entry of @column and @row, by rejection: both are public */
static void sample_ntt(struct poly *out, const uint8_t rho[32], uint8_t column,
		       uint8_t row)
{
	struct shake128 s;
	uint8_t seed[34], b[3];
	int n = 0;

	memcpy(seed, rho, 32);
	seed[32] = column;
	seed[33] = row;
	shake128_init(&s, seed, sizeof(seed));
	while (n < N) {
		uint16_t d[2];

		shake128_read(&s, b, sizeof(b));
		d[0] = (uint16_t)(b[0] | (b[1] & 15) << 8);
		d[1] = (uint16_t)(b[1] >> 4 | b[2] << 4);
		for (int i = 0; i < 2; i++)
			if (d[i] < Q && n < N)
				out->c[n++] = d[i];
	}
}

/* Small noise: of each four bits, two are added and two taken off */
static void sample_noise(struct poly *out, const uint8_t r[32], uint8_t nonce)
{
	uint8_t seed[33], b[128];

	memcpy(seed, r, 32);
	seed[32] = nonce;
	keccak_hash(SHAKE256_RATE, SHAKE_SUFFIX, seed, sizeof(seed), b,
		    sizeof(b));
	for (int i = 0; i < N; i++) {
		unsigned int v = b[i / 2] >> 4 * (i % 2);
		unsigned int plus = (v & 1) + (v >> 1 & 1);
		unsigned int minus = (v >> 2 & 1) + (v >> 3 & 1);

		out->c[i] = reduce(plus + Q - minus);
	}
	wipe(seed, sizeof(seed));
	wipe(b, sizeof(b));
}

/* 0, or -EPROTO: a coefficient is not below q */
static int poly_read(struct poly *out, const uint8_t p[POLY_BYTES])
{
	for (int i = 0; i < N / 2; i++, p += 3) {
		out->c[2 * i] = (uint16_t)(p[0] | (p[1] & 15) << 8);
		out->c[2 * i + 1] = (uint16_t)(p[1] >> 4 | p[2] << 4);
		if (out->c[2 * i] >= Q || out->c[2 * i + 1] >= Q)
			return -EPROTO;
	}
	return 0;
}

/* The @bits that matter most of each coefficient, side by side */
static void poly_squeeze(const struct poly *f, unsigned int bits, uint8_t *out)
{
	uint32_t pending = 0;
	unsigned int have = 0;

	for (int i = 0; i < N; i++) {
		uint32_t x = quotient(((uint32_t)f->c[i] << bits) + Q / 2);

		pending |= (x & ((1u << bits) - 1)) << have;
		for (have += bits; have >= 8; have -= 8) {
			*out++ = (uint8_t)pending;
			pending >>= 8;
		}
	}
}

/* Row @i of u: the matrix's column @i times @y, and noise */
static void make_u(struct poly *u, const struct poly *y, const uint8_t *rho,
		   const uint8_t *r, uint8_t i)
{
	struct poly a;

	memset(u, 0, sizeof(*u));
	for (uint8_t j = 0; j < RANK; j++) {
		sample_ntt(&a, rho, i, j);
		mul_add(u, &a, &y[j]);
	}
	ntt_back(u);
	sample_noise(&a, r, (uint8_t)(RANK + i));
	poly_add(u, &a);
	wipe(&a, sizeof(a));
}

/* v: @t times @y, noise, and the message's bits as halves of q */
static void make_v(struct poly *v, const struct poly *t, const struct poly *y,
		   const uint8_t *r, const uint8_t m[32])
{
	struct poly e;

	memset(v, 0, sizeof(*v));
	for (int j = 0; j < RANK; j++)
		mul_add(v, &t[j], &y[j]);
	ntt_back(v);
	sample_noise(&e, r, 2 * RANK);
	poly_add(v, &e);
	for (int i = 0; i < N; i++)
		e.c[i] = (uint16_t)((m[i / 8] >> i % 8 & 1) * ((Q + 1) / 2));
	poly_add(v, &e);
	wipe(&e, sizeof(e));
}

/* What only the key's owner reads: @m under the randomness @r. 0 or -EPROTO */
static int seal(const uint8_t key[MLKEM768_KEY_BYTES], const uint8_t m[32],
		const uint8_t r[32], uint8_t sealed[MLKEM768_SEALED_BYTES])
{
	const uint8_t *rho = key + RANK * POLY_BYTES;
	struct poly t[RANK], y[RANK], out;

	for (int i = 0; i < RANK; i++)
		if (poly_read(&t[i], key + i * POLY_BYTES) < 0)
			return -EPROTO;
	for (uint8_t i = 0; i < RANK; i++) {
		sample_noise(&y[i], r, i);
		ntt(&y[i]);
	}
	for (uint8_t i = 0; i < RANK; i++) {
		make_u(&out, y, rho, r, i);
		poly_squeeze(&out, DU, sealed + i * N * DU / 8);
	}
	make_v(&out, t, y, r, m);
	poly_squeeze(&out, DV, sealed + RANK * N * DU / 8);
	wipe(y, sizeof(y));
	wipe(&out, sizeof(out));
	return 0;
}

/* The secret and the randomness that follow from a message and a key's hash */
static void derive(const uint8_t m[32], const uint8_t hash[32], uint8_t kr[64])
{
	uint8_t seed[64];

	memcpy(seed, m, 32);
	memcpy(seed + 32, hash, 32);
	keccak_hash(SHA3_512_RATE, SHA3_SUFFIX, seed, sizeof(seed), kr, 64);
	wipe(seed, sizeof(seed));
}

int mlkem768_encaps(const uint8_t key[MLKEM768_KEY_BYTES], const uint8_t m[32],
		    uint8_t sealed[MLKEM768_SEALED_BYTES],
		    uint8_t shared[MLKEM_SHARED_BYTES])
{
	uint8_t hash[32], kr[64];
	int rc;

	keccak_hash(SHA3_256_RATE, SHA3_SUFFIX, key, MLKEM768_KEY_BYTES, hash,
		    sizeof(hash));
	derive(m, hash, kr);
	rc = seal(key, m, kr + 32, sealed);
	if (!rc)
		memcpy(shared, kr, MLKEM_SHARED_BYTES);
	wipe(kr, sizeof(kr));
	return rc;
}

/* --- the owner ---------------------------------------------------------------- */

static void poly_write(const struct poly *f, uint8_t out[POLY_BYTES])
{
	for (int i = 0; i < N; i += 2, out += 3) {
		out[0] = (uint8_t)f->c[i];
		out[1] = (uint8_t)(f->c[i] >> 8 | f->c[i + 1] << 4);
		out[2] = (uint8_t)(f->c[i + 1] >> 4);
	}
}

/* The reverse of poly_squeeze(), as near as what was kept allows */
static void poly_expand(struct poly *f, unsigned int bits, const uint8_t *p)
{
	uint32_t pending = 0;
	unsigned int have = 0;

	for (int i = 0; i < N; i++) {
		for (; have < bits; have += 8)
			pending |= (uint32_t)*p++ << have;
		f->c[i] = (uint16_t)(((pending & ((1u << bits) - 1)) * Q +
				      (1u << (bits - 1))) >>
				     bits);
		pending >>= bits;
		have -= bits;
	}
}

/* Row @i of the public key: the matrix's row times @s, and noise */
static void make_t(struct poly *t, const struct poly *s, const uint8_t *rho,
		   const uint8_t *sigma, uint8_t i)
{
	struct poly a;

	sample_noise(t, sigma, (uint8_t)(RANK + i));
	ntt(t);
	for (uint8_t j = 0; j < RANK; j++) {
		sample_ntt(&a, rho, j, i);
		mul_add(t, &a, &s[j]);
	}
}

void mlkem768_key_set(struct mlkem768_secret_key *k,
		      const uint8_t seed[MLKEM_SEED_BYTES])
{
	uint8_t d[33], both[64];
	struct poly s[RANK], t;

	memcpy(d, seed, 32);
	d[32] = RANK;
	keccak_hash(SHA3_512_RATE, SHA3_SUFFIX, d, sizeof(d), both,
		    sizeof(both));
	for (uint8_t i = 0; i < RANK; i++) {
		sample_noise(&s[i], both + 32, i);
		ntt(&s[i]);
		memcpy(k->s + i * N, s[i].c, sizeof(s[i].c));
	}
	for (uint8_t i = 0; i < RANK; i++) {
		make_t(&t, s, both, both + 32, i);
		poly_write(&t, k->public_key + i * POLY_BYTES);
	}
	memcpy(k->public_key + RANK * POLY_BYTES, both, 32);
	keccak_hash(SHA3_256_RATE, SHA3_SUFFIX, k->public_key,
		    sizeof(k->public_key), k->hash, sizeof(k->hash));
	memcpy(k->z, seed + 32, sizeof(k->z));
	wipe(d, sizeof(d));
	wipe(both, sizeof(both));
	wipe(s, sizeof(s));
	wipe(&t, sizeof(t));
}

/* The message in @sealed, or what looks like one */
static void unseal(const struct mlkem768_secret_key *k, const uint8_t *sealed,
		   uint8_t m[32])
{
	struct poly u, s, sum, v;

	memset(&sum, 0, sizeof(sum));
	for (int i = 0; i < RANK; i++) {
		poly_expand(&u, DU, sealed + i * N * DU / 8);
		ntt(&u);
		memcpy(s.c, k->s + i * N, sizeof(s.c));
		mul_add(&sum, &s, &u);
	}
	ntt_back(&sum);
	poly_expand(&v, DV, sealed + RANK * N * DU / 8);
	for (int i = 0; i < N; i++)
		v.c[i] = sub(v.c[i], sum.c[i]);
	poly_squeeze(&v, 1, m);
	wipe(&s, sizeof(s));
	wipe(&sum, sizeof(sum));
	wipe(&v, sizeof(v));
}

/* What was not sealed for us has a secret of its own */
static void reject_secret(const struct mlkem768_secret_key *k,
			  const uint8_t *sealed, uint8_t out[32])
{
	uint8_t both[32 + MLKEM768_SEALED_BYTES];

	memcpy(both, k->z, 32);
	memcpy(both + 32, sealed, MLKEM768_SEALED_BYTES);
	keccak_hash(SHAKE256_RATE, SHAKE_SUFFIX, both, sizeof(both), out, 32);
	wipe(both, sizeof(both));
}

void mlkem768_decaps(const struct mlkem768_secret_key *k,
		     const uint8_t sealed[MLKEM768_SEALED_BYTES],
		     uint8_t shared[MLKEM_SHARED_BYTES])
{
	uint8_t m[32], kr[64], other[32], again[MLKEM768_SEALED_BYTES];
	uint8_t keep;

	unseal(k, sealed, m);
	derive(m, k->hash, kr);
	reject_secret(k, sealed, other);
	(void)seal(k->public_key, m, kr + 32, again); /* our own key is one */
	keep = (uint8_t)-ct_equal(sealed, again, sizeof(again));
	for (int i = 0; i < MLKEM_SHARED_BYTES; i++)
		shared[i] = (uint8_t)((kr[i] & keep) | (other[i] & ~keep));
	wipe(m, sizeof(m));
	wipe(kr, sizeof(kr));
	wipe(other, sizeof(other));
	wipe(again, sizeof(again));
}
