/* cc.h - Compiler and platform glue for lwIP: hosted Linux, either byte order */
#ifndef NETSTACK_LW_ARCH_CC_H
#define NETSTACK_LW_ARCH_CC_H

#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>

#define LWIP_ERRNO_INCLUDE   <errno.h>
#define LWIP_TIMEVAL_PRIVATE 0
#define LWIP_PLATFORM_DIAG(x)
/* Counted and logged once; the flow at work is dropped (lw.c). Never aborts */
#define LWIP_PLATFORM_ASSERT(x) lw_assert_failed(x, __FILE__, __LINE__)
void lw_assert_failed(const char *what, const char *file, int line);
uint32_t rand_u32(void);
#define LWIP_RAND() rand_u32()

/* ntohl() and the others are the C library's, here and in our own files */
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS

/* On big-endian hosts lwIP defines these itself, unguarded */
#if BYTE_ORDER == LITTLE_ENDIAN
#define lwip_htons(x) htobe16(x)
#define lwip_htonl(x) htobe32(x)
#endif

#endif
