/*
 * ktls.h - A stream in records of TLS 1.3 that the kernel makes and opens (kTLS)
 *
 *   fd_stream  <- keys by setsockopt -  ktls  <- plain bytes -  owner
 *
 * records.c has the connection first. At a moment when nothing waits in it, either
 * way, both keys are given to the kernel, and this layer takes its place: it only
 * sees what is no data. Bytes are read and written as those of a bare socket, and
 * spliced.
 *
 * Source: Linux, Documentation/networking/tls.rst, net/tls/; RFC 8446, 4.6, 5, 6;
 * docs/decisions/024-ktls.md
 */
#ifndef PROXY_LAYER_KTLS_H
#define PROXY_LAYER_KTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "gateway/core/stream.h"
#include "proxy/wire/tls13_record.h"

struct records;

/**
 * struct ktls_got - What one read of the kernel was
 * @type:	Of the record; application data if the kernel says nothing
 * @whole:	The record ends with it
 */
struct ktls_got {
	enum tls_content type;
	bool whole;
};

/**
 * struct ktls_kernel - What is asked of the kernel; no call blocks
 * @attach:	Make @fd ready for keys. 0 or -errno (-ENOENT: it has no kTLS)
 * @give:	The key of direction @dir, from record @d->seq on; a second time: a
 *		new one. 0 or -errno (-EBUSY: it takes no second one)
 * @recv:	Bytes, 0 the connection's end, -errno
 * @say:	One record that is no data. 0 or -errno
 * @drained:	All that was written is TCP's: what the TLS of the kernel has not
 *		passed on yet is not sent behind a FIN
 * @push:	What TCP holds back, because more was announced, goes out
 * @sent:	Records under the key of writing so far
 * @rekeys:	A second key is taken
 */
struct ktls_kernel {
	int (*attach)(int fd);
	int (*give)(int fd, unsigned int dir, const struct tls13_dir *d);
	ssize_t (*recv)(int fd, const struct iovec *iov, int cnt,
			struct ktls_got *got);
	int (*say)(int fd, enum tls_content type, const uint8_t *p, size_t n);
	bool (*drained)(int fd);
	void (*push)(int fd);
	uint64_t (*sent)(int fd, const struct tls13_dir *d);
	bool (*rekeys)(void);
};

/* ktls_kernel.c: Linux */
extern const struct ktls_kernel ktls_linux;
/* Does it run here? 0 or -errno. A module of it is loaded, by root */
int ktls_there(void);

#define KTLS_KEYS_MAX 64
/*
 * What setsockopt(SOL_TLS) takes; the caller wipes it. Bytes, -EINVAL (a cipher not
 * of TLS 1.3), -ENOMEM
 */
ssize_t ktls_keys_fill(uint8_t out[KTLS_KEYS_MAX], const struct tls13_dir *d);

/**
 * ktls_over() - Give the keys of @r to the kernel
 * @r:		At rest (chunk_rests()), nothing of it is to be written; on a bare
 *		socket. It is freed on success
 *
 * Return: the stream in its place; NULL: @r goes on, and is not to be asked again
 * if @r->kernel is NULL now. With @r->c.err set the connection is lost: the kernel
 * had taken one key only
 */
struct stream *ktls_over(struct records *r);

#endif
