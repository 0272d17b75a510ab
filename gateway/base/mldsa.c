/*
 * mldsa.c - ML-DSA-65: signatures
 *
 * Polynomials have 256 coefficients modulo q = 8380417, here from -q to q (Montgomery,
 * 2^32). No branch or index depends on what is secret but on what signing throws away,
 * which the standard allows; hashes are read at once, as long as they are.
 *
 * Source: FIPS 204, algorithms 6 to 8, 14 to 36, 41, 42; parameters of ML-DSA-65
 */
#include "gateway/base/mldsa.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/crypto.h"
#include "gateway/base/shake.h"

#define Q      8380417
#define Q_INV  58728449u /* of q modulo 2^32 */
#define N      256
#define K      6 /* rows of the matrix, and columns */
#define L      5
#define D      13 /* bits of t that are kept back */
#define ETA    4
#define TAU    49
#define BETA   (TAU * ETA)
#define GAMMA1 (1 << 19)
#define GAMMA2 ((Q - 1) / 32)
#define OMEGA  55

#define C_BYTES  48 /* the challenge's hash */
#define Z_BYTES  640 /* 20 bits each */
#define T1_BYTES 320 /* 10 */
#define W1_BYTES 128 /* 4 */
#define MU_BYTES 64

struct poly {
	int32_t c[N];
};

/* 1753^BitRev8(i) 2^32 modulo q */
static const int32_t zetas[N] = {
	-4186625, 25847,    -2608894, -518909,  237124,   -777960,  -876248,
	466468,   1826347,  2353451,  -359251,  -2091905, 3119733,  -2884855,
	3111497,  2680103,  2725464,  1024112,  -1079900, 3585928,  -549488,
	-1119584, 2619752,  -2108549, -2118186, -3859737, -1399561, -3277672,
	1757237,  -19422,   4010497,  280005,   2706023,  95776,    3077325,
	3530437,  -1661693, -3592148, -2537516, 3915439,  -3861115, -3043716,
	3574422,  -2867647, 3539968,  -300467,  2348700,  -539299,  -1699267,
	-1643818, 3505694,  -3821735, 3507263,  -2140649, -1600420, 3699596,
	811944,   531354,   954230,   3881043,  3900724,  -2556880, 2071892,
	-2797779, -3930395, -1528703, -3677745, -3041255, -1452451, 3475950,
	2176455,  -1585221, -1257611, 1939314,  -4083598, -1000202, -3190144,
	-3157330, -3632928, 126922,   3412210,  -983419,  2147896,  2715295,
	-2967645, -3693493, -411027,  -2477047, -671102,  -1228525, -22981,
	-1308169, -381987,  1349076,  1852771,  -1430430, -3343383, 264944,
	508951,   3097992,  44288,    -1100098, 904516,   3958618,  -3724342,
	-8578,    1653064,  -3249728, 2389356,  -210977,  759969,   -1316856,
	189548,   -3553272, 3159746,  -1851402, -2409325, -177440,  1315589,
	1341330,  1285669,  -1584928, -812732,  -1439742, -3019102, -3881060,
	-3628969, 3839961,  2091667,  3407706,  2316500,  3817976,  -3342478,
	2244091,  -2446433, -3562462, 266997,   2434439,  -1235728, 3513181,
	-3520352, -3759364, -1197226, -3193378, 900702,   1859098,  909542,
	819034,   495491,   -1613174, -43260,   -522500,  -655327,  -3122442,
	2031748,  3207046,  -3556995, -525098,  -768622,  -3595838, 342297,
	286988,   -2437823, 4108315,  3437287,  -3342277, 1735879,  203044,
	2842341,  2691481,  -2590150, 1265009,  4055324,  1247620,  2486353,
	1595974,  -3767016, 1250494,  2635921,  -3548272, -2994039, 1869119,
	1903435,  -1050970, -1333058, 1237275,  -3318210, -1430225, -451100,
	1312455,  3306115,  -1962642, -1279661, 1917081,  -2546312, -1374803,
	1500165,  777191,   2235880,  3406031,  -542412,  -2831860, -1671176,
	-1846953, -2584293, -3724270, 594136,   -3776993, -2013608, 2432395,
	2454455,  -164721,  1957272,  3369112,  185531,   -1207385, -3183426,
	162844,   1616392,  3014001,  810149,   1652634,  -3694233, -1799107,
	-3038916, 3523897,  3866901,  269760,   2213111,  -975884,  1717735,
	472078,   -426683,  1723600,  -1803090, 1910376,  -1667432, -1104333,
	-260646,  -3833893, -2939036, -2235985, -420899,  -2286327, 183443,
	-976891,  1612842,  -3545687, -554416,  3919660,  -48306,   -1362209,
	3937738,  1400424,  -846154,  1976782,
};

static void shake256(const void *p, size_t n, uint8_t *out, size_t len)
{
	keccak_hash(SHAKE256_RATE, SHAKE_SUFFIX, p, n, out, len);
}

/* --- numbers ------------------------------------------------------------------- */

/* a / 2^32 modulo q, for |a| below 2^31 q; the result is between -q and q */
static int32_t mont(int64_t a)
{
	int32_t t = (int32_t)((uint32_t)a * Q_INV);

	return (int32_t)((a - (int64_t)t * Q) >> 32);
}

/* Of |a| below 2^31 - 2^22: about -q / 2 to q / 2 */
static int32_t small(int32_t a)
{
	int32_t t = (a + (1 << 22)) >> 23;

	return a - t * Q;
}

/* All bits when @a is negative, none else; in constant time */
static int32_t sign_of(int32_t a)
{
	return -(int32_t)((uint32_t)a >> 31);
}

/* 0 to q - 1, for |a| below q */
static int32_t positive(int32_t a)
{
	return a + (sign_of(a) & Q);
}

static void ntt(struct poly *f)
{
	int m = 0;

	for (int len = N / 2; len; len /= 2) {
		for (int start = 0; start < N; start += 2 * len) {
			int64_t z = zetas[++m];

			for (int j = start; j < start + len; j++) {
				int32_t t = mont(z * f->c[j + len]);

				f->c[j + len] = f->c[j] - t;
				f->c[j] += t;
			}
		}
	}
}

/* The result is 0 to q - 1 */
static void ntt_back(struct poly *f)
{
	int m = N;

	for (int i = 0; i < N; i++)
		f->c[i] = small(f->c[i]);
	for (int len = 1; len < N; len *= 2) {
		for (int start = 0; start < N; start += 2 * len) {
			int64_t z = -zetas[--m];

			for (int j = start; j < start + len; j++) {
				int32_t t = f->c[j];

				f->c[j] = t + f->c[j + len];
				f->c[j + len] = mont(z * (t - f->c[j + len]));
			}
		}
	}
	for (int i = 0; i < N; i++) /* 2^64 / 256 */
		f->c[i] = positive(mont((int64_t)41978 * f->c[i]));
}

/* @sum += @a * @b in the NTT's domain */
static void mul_add(struct poly *sum, const struct poly *a, const int32_t b[N])
{
	for (int i = 0; i < N; i++)
		sum->c[i] = small(sum->c[i] + mont((int64_t)a->c[i] * b[i]));
}

/* Some coefficient of -q to q, its nearest multiple of q taken off, is as large as @bound */
static bool too_large(const struct poly *f, int32_t bound)
{
	int32_t bad = 0;

	for (int i = 0; i < N; i++) {
		int32_t a = small(f->c[i]), sign = sign_of(a);

		a = (a ^ sign) - sign;
		bad |= sign_of(bound - 1 - a);
	}
	return bad;
}

/* --- what hashes become --------------------------------------------------------- */

/* The matrix's entry, by rejection: all of it is public */
static void sample_ntt(int32_t out[N], const uint8_t rho[32], int column,
		       int row)
{
	struct shake128 s;
	uint8_t seed[34], b[3];
	int n = 0;

	memcpy(seed, rho, 32);
	seed[32] = (uint8_t)column;
	seed[33] = (uint8_t)row;
	shake128_init(&s, seed, sizeof(seed));
	while (n < N) {
		int32_t v;

		shake128_read(&s, b, sizeof(b));
		v = b[0] | b[1] << 8 | (b[2] & 0x7f) << 16;
		if (v < Q)
			out[n++] = v;
	}
}

/* Half of the work of a verification: done once for a key */
static void expand(mldsa65_matrix a, const uint8_t rho[32])
{
	for (int i = 0; i < K; i++)
		for (int j = 0; j < L; j++)
			sample_ntt(a[i][j], rho, j, i);
}

/* @out = a row of the matrix times @v, in the NTT's domain */
static void row_times(struct poly *out, const int32_t row[L][N],
		      const struct poly v[L])
{
	memset(out, 0, sizeof(*out));
	for (int j = 0; j < L; j++)
		mul_add(out, &v[j], row[j]);
}

/* -4 to 4, by rejection, of a secret seed: how many are thrown away tells nothing */
static void sample_small(struct poly *out, const uint8_t seed[66])
{
	uint8_t b[4 * SHAKE256_RATE];
	int n = 0;

	/* 2 * 544 half bytes, of which 9 in 16 are good: 256 are there but once in 2^300 */
	shake256(seed, 66, b, sizeof(b));
	for (size_t i = 0; i < 2 * sizeof(b) && n < N; i++) {
		int32_t v = i & 1 ? b[i / 2] >> 4 : b[i / 2] & 15;

		if (v < 2 * ETA + 1)
			out->c[n++] = ETA - v;
	}
	wipe(b, sizeof(b));
}

/* 49 coefficients are 1 or -1: the challenge, which is public */
static void sample_ball(struct poly *out, const uint8_t c[C_BYTES])
{
	uint8_t b[4 * SHAKE256_RATE];
	size_t at = 8;
	uint64_t signs = 0;

	shake256(c, C_BYTES, b, sizeof(b));
	for (int i = 7; i >= 0; i--)
		signs = signs << 8 | b[i];
	memset(out, 0, sizeof(*out));
	for (int i = N - TAU; i < N && at < sizeof(b); i++) {
		while (at < sizeof(b) && b[at] > i)
			at++;
		if (at == sizeof(b))
			break; /* once in 2^400 */
		out->c[i] = out->c[b[at]];
		out->c[b[at++]] = signs & 1 ? -1 : 1;
		signs >>= 1;
	}
}

/* --- high and low bits ---------------------------------------------------------- */

/* Of @a from 0 to q - 1: 0 to 15, and what is left, at most GAMMA2 */
static int32_t high_bits(int32_t a, int32_t *low)
{
	/* a / (2 GAMMA2), rounded, for all such a; 16 is 0, and a - q is left then */
	int32_t h = (a + 127) >> 7;

	h = (h * 1025 + (1 << 21)) >> 22;
	h &= 15;
	*low = a - h * 2 * GAMMA2;
	*low -= sign_of((Q - 1) / 2 - *low) & Q;
	return h;
}

static int32_t use_hint(bool hint, int32_t a)
{
	int32_t low, h = high_bits(a, &low);

	if (!hint)
		return h;
	return (low > 0 ? h + 1 : h - 1) & 15;
}

static void put_w1(uint8_t out[W1_BYTES], const struct poly *w1)
{
	for (int i = 0; i < N / 2; i++)
		out[i] = (uint8_t)(w1->c[2 * i] | w1->c[2 * i + 1] << 4);
}

/* --- verifying ------------------------------------------------------------------ */

/* @n numbers of @bits each, little endian, at @p */
static uint32_t number(const uint8_t *p, int i, int bits)
{
	int at = i * bits, have = 0;
	uint32_t v = 0;

	p += at / 8;
	for (int k = 0; have < bits + (at & 7); k++, have += 8)
		v |= (uint32_t)p[k] << have;
	return v >> (at & 7) & ((1u << bits) - 1);
}

static void get_z(struct poly *f, const uint8_t p[Z_BYTES])
{
	for (int i = 0; i < N; i++)
		f->c[i] = GAMMA1 - (int32_t)number(p, i, 20);
}

/* Which coefficients have a hint: ascending places of each row, then where rows end */
static int get_hint(uint8_t hint[K][N], const uint8_t p[OMEGA + K])
{
	int at = 0;

	memset(hint, 0, K * N);
	for (int i = 0; i < K; i++) {
		int end = p[OMEGA + i], first = at;

		if (end < at || end > OMEGA)
			return -EPROTO;
		for (; at < end; at++) {
			if (at > first && p[at] <= p[at - 1])
				return -EPROTO;
			hint[i][p[at]] = 1;
		}
	}
	while (at < OMEGA)
		if (p[at++])
			return -EPROTO;
	return 0;
}

/* What is signed: the message, bound to the key; no context */
static void make_mu(const uint8_t tr[MU_BYTES], const uint8_t *m, size_t n,
		    uint8_t mu[MU_BYTES])
{
	uint8_t all[MU_BYTES + 2 + MLDSA_MESSAGE_MAX];

	memcpy(all, tr, MU_BYTES);
	all[MU_BYTES] = all[MU_BYTES + 1] = 0;
	memcpy(all + MU_BYTES + 2, m, n);
	shake256(all, MU_BYTES + 2 + n, mu, MU_BYTES);
}

void mldsa65_public_set(struct mldsa65_public_key *k,
			const uint8_t key[MLDSA65_KEY_BYTES])
{
	struct poly t;

	shake256(key, MLDSA65_KEY_BYTES, k->tr, sizeof(k->tr));
	expand(k->a, key);
	for (int i = 0; i < K; i++) { /* -t1 2^13 */
		const uint8_t *p = key + 32 + i * T1_BYTES;

		for (int n = 0; n < N; n++)
			t.c[n] = -((int32_t)number(p, n, 10) << D);
		ntt(&t);
		memcpy(k->t[i], t.c, sizeof(t.c));
	}
}

/* Row @i of A z - c t1 2^13, and what it becomes with its hints */
static void get_w1(const struct mldsa65_public_key *k, int i,
		   const struct poly z[L], const struct poly *c,
		   const uint8_t hint[N], uint8_t out[W1_BYTES])
{
	struct poly w;

	row_times(&w, k->a[i], z);
	mul_add(&w, c, k->t[i]);
	ntt_back(&w);
	for (int n = 0; n < N; n++)
		w.c[n] = use_hint(hint[n], w.c[n]);
	put_w1(out, &w);
}

int mldsa65_verify(const struct mldsa65_public_key *k, const uint8_t *m,
		   size_t n, const uint8_t sig[MLDSA65_SIG_BYTES])
{
	uint8_t all[MU_BYTES + K * W1_BYTES], want[C_BYTES];
	uint8_t hint[K][N];
	struct poly z[L], c;

	if (n > MLDSA_MESSAGE_MAX ||
	    get_hint(hint, sig + C_BYTES + L * Z_BYTES) < 0)
		return -EPROTO;
	for (int j = 0; j < L; j++) {
		get_z(&z[j], sig + C_BYTES + j * Z_BYTES);
		if (too_large(&z[j], GAMMA1 - BETA))
			return -EPROTO;
		ntt(&z[j]);
	}
	make_mu(k->tr, m, n, all);
	sample_ball(&c, sig);
	ntt(&c);
	for (int i = 0; i < K; i++)
		get_w1(k, i, z, &c, hint[i], all + MU_BYTES + i * W1_BYTES);
	shake256(all, sizeof(all), want, sizeof(want));
	return memcmp(want, sig, C_BYTES) ? -EACCES : 0;
}

/* --- keys ------------------------------------------------------------------------ */

/* Of t: the higher bits to @key, the lower ones to @t0 */
static void put_t1(uint8_t out[T1_BYTES], const struct poly *t, struct poly *t0)
{
	memset(out, 0, T1_BYTES);
	for (int i = 0; i < N; i++) {
		int32_t high = (t->c[i] + (1 << (D - 1)) - 1) >> D;
		int at = i * 10;

		t0->c[i] = t->c[i] - (high << D);
		out[at / 8] |= (uint8_t)(high << (at & 7));
		out[at / 8 + 1] |= (uint8_t)(high >> (8 - (at & 7)));
	}
}

static void sample_secret(struct poly *out, const uint8_t seed[64], int number)
{
	uint8_t all[66];

	memcpy(all, seed, 64);
	all[64] = (uint8_t)number;
	all[65] = 0;
	sample_small(out, all);
	wipe(all, sizeof(all));
}

void mldsa65_key_set(struct mldsa65_secret_key *k,
		     const uint8_t seed[MLDSA_SEED_BYTES])
{
	uint8_t in[MLDSA_SEED_BYTES + 2], out[32 + 64 + 32];
	struct poly s1[L], s2, t, t0;

	memcpy(in, seed, MLDSA_SEED_BYTES);
	in[MLDSA_SEED_BYTES] = K;
	in[MLDSA_SEED_BYTES + 1] = L;
	shake256(in, sizeof(in), out, sizeof(out));
	memcpy(k->public_key, out, 32);
	memcpy(k->key, out + 96, 32);
	expand(k->a, out);
	for (int j = 0; j < L; j++) {
		sample_secret(&s1[j], out + 32, j);
		ntt(&s1[j]);
		memcpy(k->s1[j], s1[j].c, sizeof(s1[j].c));
	}
	for (int i = 0; i < K; i++) {
		sample_secret(&s2, out + 32, L + i);
		row_times(&t, k->a[i], s1);
		ntt_back(&t);
		for (int n = 0; n < N; n++) {
			t.c[n] = positive(t.c[n] + s2.c[n] - Q);
			t.c[n] = positive(t.c[n]);
			t.c[n] -= Q & ~sign_of(t.c[n] - Q);
		}
		put_t1(k->public_key + 32 + i * T1_BYTES, &t, &t0);
		ntt(&s2);
		ntt(&t0);
		memcpy(k->s2[i], s2.c, sizeof(s2.c));
		memcpy(k->t0[i], t0.c, sizeof(t0.c));
	}
	shake256(k->public_key, MLDSA65_KEY_BYTES, k->tr, sizeof(k->tr));
	wipe(in, sizeof(in));
	wipe(out, sizeof(out));
	wipe(s1, sizeof(s1));
	wipe(&s2, sizeof(s2));
	wipe(&t0, sizeof(t0));
}

/* --- signing --------------------------------------------------------------------- */

/* The mask: 20 bits each, from a seed that is new for each try */
static void sample_mask(struct poly *out, const uint8_t seed[64], int number_of)
{
	uint8_t in[66], b[Z_BYTES];

	memcpy(in, seed, 64);
	in[64] = (uint8_t)number_of;
	in[65] = (uint8_t)(number_of >> 8);
	shake256(in, sizeof(in), b, sizeof(b));
	get_z(out, b);
	wipe(in, sizeof(in));
	wipe(b, sizeof(b));
}

static void put_z(uint8_t out[Z_BYTES], const struct poly *f)
{
	for (int i = 0; i < N; i += 2, out += 5) {
		uint32_t a = (uint32_t)(GAMMA1 - small(f->c[i]));
		uint32_t b = (uint32_t)(GAMMA1 - small(f->c[i + 1]));

		out[0] = (uint8_t)a;
		out[1] = (uint8_t)(a >> 8);
		out[2] = (uint8_t)(a >> 16 | b << 4);
		out[3] = (uint8_t)(b >> 4);
		out[4] = (uint8_t)(b >> 12);
	}
}

/* @out = @c times the secret @s, 0 to q - 1 */
static void times_secret(struct poly *out, const struct poly *c,
			 const int32_t s[N])
{
	memset(out, 0, sizeof(*out));
	mul_add(out, c, s);
	ntt_back(out);
}

/**
 * struct try - What one signature is made of; to be wiped
 * @y, @z:	Mask, and the mask with the secret in it
 * @all:	mu, then w1 packed
 */
struct
try {
	struct poly y[L], z[L], w[K], c;
	uint8_t all[MU_BYTES + K * W1_BYTES];
};

/* The commitment, and the challenge to it at @sig */
static void commit(struct try *t, const mldsa65_matrix a, uint8_t *sig)
{
	struct poly high;
	int32_t low;

	for (int j = 0; j < L; j++) {
		t->z[j] = t->y[j];
		ntt(&t->z[j]);
	}
	for (int i = 0; i < K; i++) {
		row_times(&t->w[i], a[i], t->z);
		ntt_back(&t->w[i]);
		for (int n = 0; n < N; n++)
			high.c[n] = high_bits(t->w[i].c[n], &low);
		put_w1(t->all + MU_BYTES + i * W1_BYTES, &high);
	}
	shake256(t->all, sizeof(t->all), sig, C_BYTES);
	sample_ball(&t->c, sig);
	ntt(&t->c);
}

/* z; false: it would tell of the secret */
static bool respond(struct try *t, const struct mldsa65_secret_key *k,
		    uint8_t *sig)
{
	for (int j = 0; j < L; j++) {
		times_secret(&t->z[j], &t->c, k->s1[j]);
		for (int n = 0; n < N; n++)
			t->z[j].c[n] = small(t->z[j].c[n] + t->y[j].c[n]);
		if (too_large(&t->z[j], GAMMA1 - BETA))
			return false;
		put_z(sig + C_BYTES + j * Z_BYTES, &t->z[j]);
	}
	return true;
}

/* Hints of row @i at @hint, from *@at on; false: it would tell, or they are too many */
static bool hints(struct try *t, const struct mldsa65_secret_key *k, int i,
		  uint8_t *hint, int *at)
{
	struct poly s, low;
	int32_t l, h;

	times_secret(&s, &t->c, k->s2[i]);
	for (int n = 0; n < N; n++) {
		t->w[i].c[n] = positive(t->w[i].c[n] - s.c[n]);
		(void)high_bits(t->w[i].c[n], &low.c[n]);
	}
	if (too_large(&low, GAMMA2 - BETA))
		return false;
	times_secret(&s, &t->c, k->t0[i]);
	if (too_large(&s, GAMMA2))
		return false;
	for (int n = 0; n < N; n++) {
		h = high_bits(t->w[i].c[n], &l);
		if (h == high_bits(positive(t->w[i].c[n] + s.c[n] - Q), &l))
			continue;
		if (*at == OMEGA)
			return false;
		hint[(*at)++] = (uint8_t)n;
	}
	hint[OMEGA + i] = (uint8_t)*at;
	return true;
}

static bool one_try(struct try *t, const struct mldsa65_secret_key *k,
		    uint8_t *sig)
{
	uint8_t *hint = sig + C_BYTES + L * Z_BYTES;
	int at = 0;

	commit(t, k->a, sig);
	if (!respond(t, k, sig))
		return false;
	memset(hint, 0, OMEGA + K);
	for (int i = 0; i < K; i++)
		if (!hints(t, k, i, hint, &at))
			return false;
	return true;
}

void mldsa65_sign(const struct mldsa65_secret_key *k, const uint8_t *m,
		  size_t n, const uint8_t random[32],
		  uint8_t sig[MLDSA65_SIG_BYTES])
{
	uint8_t in[32 + 32 + MU_BYTES], seed[64];
	struct try t;
	int count = 0;

	make_mu(k->tr, m, n, t.all);
	memcpy(in, k->key, 32);
	memcpy(in + 32, random, 32);
	memcpy(in + 64, t.all, MU_BYTES);
	shake256(in, sizeof(in), seed, sizeof(seed));
	do { /* one in five is good */
		for (int j = 0; j < L; j++)
			sample_mask(&t.y[j], seed, count++);
	} while (!one_try(&t, k, sig));
	wipe(&t, sizeof(t));
	wipe(in, sizeof(in));
	wipe(seed, sizeof(seed));
}
