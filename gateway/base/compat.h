/* compat.h - The few compiler helpers everybody uses; the only #if of base */
#ifndef GATEWAY_BASE_COMPAT_H
#define GATEWAY_BASE_COMPAT_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The struct that embeds member @m at @p; @p must not be NULL */
#define container_of(p, type, m) \
	((type *)(void *)((char *)(p)-offsetof(type, m)))

#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED            __attribute__((unused))

/* Give freed memory back to the system, where the C library can */
#ifdef __GLIBC__
#include <malloc.h>
static inline void compat_trim(void)
{
	malloc_trim(0);
}

/* Bytes of the level 2 cache; 0: nobody knows */
static inline long compat_level2_cache(void)
{
	long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);

	return bytes > 0 ? bytes : 0;
}
#else
static inline void compat_trim(void)
{
}
static inline long compat_level2_cache(void)
{
	return 0;
}
#endif

/* Has this CPU instructions for AES? */
#ifdef __x86_64__
static inline int compat_has_aes(void)
{
	return __builtin_cpu_supports("aes") != 0;
}
#elif defined(__aarch64__)
#include <sys/auxv.h>
static inline int compat_has_aes(void)
{
	return (getauxval(AT_HWCAP) >> 3 & 1) != 0; /* HWCAP_AES */
}
#else
static inline int compat_has_aes(void)
{
	return 0;
}
#endif

/*
 * openat(2) that does not leave @dir, by links either. The C library has no function
 * for it, older headers have no number
 */
#ifdef SYS_openat2
static inline int compat_open_beneath(int dir, const char *path, int flags)
{
	const struct {
		uint64_t flags, mode, resolve;
	} how = { .flags = (uint32_t)flags,
		  .resolve = 8 /* RESOLVE_BENEATH */ };

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}
#else
static inline int compat_open_beneath(int dir, const char *path, int flags)
{
	(void)dir;
	(void)path;
	(void)flags;
	errno = ENOSYS;
	return -1;
}
#endif

#define P61 ((1ull << 61) - 1) /* a prime */

/* a * b mod 2^61 - 1 with 32-bit multiplications; @a, @b below it */
static inline uint64_t mul_p61_narrow(uint64_t a, uint64_t b)
{
	uint32_t a1 = (uint32_t)(a >> 31), a0 = (uint32_t)a & 0x7fffffff;
	uint32_t b1 = (uint32_t)(b >> 31), b0 = (uint32_t)b & 0x7fffffff;
	uint64_t mid = (uint64_t)a1 * b0 + (uint64_t)a0 * b1;
	uint64_t x = (uint64_t)a1 * b1 * 2 + (mid >> 30) +
		     ((mid & 0x3fffffff) << 31) + (uint64_t)a0 * b0;

	x = (x >> 61) + (x & P61);
	return x >= P61 ? x - P61 : x;
}

/* The same, in one multiplication where the CPU has a wide one */
#ifdef __SIZEOF_INT128__
static inline uint64_t mul_p61(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 x = (unsigned __int128)a * b;
	uint64_t y = (uint64_t)(x >> 61) + ((uint64_t)x & P61);

	return y >= P61 ? y - P61 : y;
}
#else
static inline uint64_t mul_p61(uint64_t a, uint64_t b)
{
	return mul_p61_narrow(a, b);
}
#endif

static inline uint16_t get_be16(const void *p)
{
	const uint8_t *b = p;

	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t get_be32(const void *p)
{
	const uint8_t *b = p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	       (uint32_t)b[2] << 8 | b[3];
}

static inline uint64_t get_be64(const void *p)
{
	const uint8_t *b = p;

	return (uint64_t)get_be32(b) << 32 | get_be32(b + 4);
}

static inline void put_be16(void *p, uint16_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static inline void put_be32(void *p, uint32_t v)
{
	put_be16(p, (uint16_t)(v >> 16));
	put_be16((uint8_t *)p + 2, (uint16_t)v);
}

static inline void put_be64(void *p, uint64_t v)
{
	put_be32(p, (uint32_t)(v >> 32));
	put_be32((uint8_t *)p + 4, (uint32_t)v);
}

/* The same of little-endian bytes */
static inline uint16_t get_le16(const void *p)
{
	const uint8_t *b = p;

	return (uint16_t)(b[1] << 8 | b[0]);
}

static inline uint32_t get_le32(const void *p)
{
	const uint8_t *b = p;

	return (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 |
	       (uint32_t)b[1] << 8 | b[0];
}

static inline uint64_t get_le64(const void *p)
{
	const uint8_t *b = p;

	return (uint64_t)get_le32(b + 4) << 32 | get_le32(b);
}

static inline void put_le16(void *p, uint16_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)v;
	b[1] = (uint8_t)(v >> 8);
}

static inline void put_le32(void *p, uint32_t v)
{
	put_le16(p, (uint16_t)v);
	put_le16((uint8_t *)p + 2, (uint16_t)(v >> 16));
}

static inline void put_le64(void *p, uint64_t v)
{
	put_le32(p, (uint32_t)v);
	put_le32((uint8_t *)p + 4, (uint32_t)(v >> 32));
}

/*
 * A counter that one thread adds to and others read now and then. On a CPU that
 * does not write 64 bits at once a reader may meet it half way
 */
static inline uint64_t count_read(const uint64_t *c)
{
	if (__atomic_always_lock_free(sizeof(*c), 0))
		return __atomic_load_n(c, __ATOMIC_RELAXED);
	return *(const volatile uint64_t *)c;
}

static inline void count_add(uint64_t *c, uint64_t n)
{
	if (__atomic_always_lock_free(sizeof(*c), 0))
		__atomic_store_n(c, *c + n, __ATOMIC_RELAXED);
	else
		*c += n;
}

#endif
