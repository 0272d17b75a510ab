/* stream.h - One end of a byte stream: kernel socket, netstack flow, or a layer */
#ifndef GATEWAY_CORE_STREAM_H
#define GATEWAY_CORE_STREAM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "gateway/core/job.h"

enum { ST_READ = 1u << 0, ST_WRITE = 1u << 1, ST_STAY = 1u << 2 /* op bare */ };

#define STREAM_IOV 64 /* iovec places a caller of lend/room brings */

struct stream;
struct watch;

/**
 * struct stream_hello - What a TLS client asked for, and was given
 * @name:	Server name in lower case; "" none
 * @alpn:	What was agreed on; "" none
 */
struct stream_hello {
	char name[256], alpn[256];
};

/**
 * struct stream_ops - What any byte stream can do; no call blocks
 * @name:	For logs: "fd", "netstack", "tls", "ws"
 * @readv:	Pull. >0 bytes, 0 end of stream, -EAGAIN, other -errno is final
 * @writev:	Put. >0 bytes (may be short), -EAGAIN, other -errno is final.
 *		Of nothing: 0 when nothing waits in this layer, else -EAGAIN
 *		(and those below: stream_settled())
 * @lend:	Show received bytes in place: fills @iov, sets *@cnt (in: places,
 *		out: used). >0 bytes, else as @readv. Repeated calls without
 *		@took show the same bytes and what came since. NULL: cannot
 * @took:	The caller used the first @n lent bytes: give window and memory back
 * @room:	Show send space to be filled in place. >0 bytes, -EAGAIN. NULL: cannot
 * @filled:	The caller put @n bytes there (0 gives the space back). 0 or -errno
 * @want:	Which readiness shall mark @s->job ready; replaces the last want.
 *		If that readiness holds already the job is marked at once. After
 *		the end of stream was read (it reads 0 ever after), ST_READ
 *		means: it broke (RST), and the next readv gives the -errno
 * @up:		This layer and all below have finished their handshakes
 * @finish:	Half close, after what is pending. 0, -EAGAIN (call again), -errno
 * @close:	Release @s and all below; the caller forgets the pointer. @why:
 *		0 ends in order (FIN), -errno cuts (RST), so that the other side
 *		can tell a complete stream from a broken one
 * @shed:	Spent and holding no bytes: free only @s, return the one below.
 *		Otherwise NULL. The op may be NULL: never
 * @watch:	Socket for splice(2) in direction @dir (ST_READ or ST_WRITE), with
 *		its readiness; NULL while this layer holds or transforms bytes
 *		that way. The op may be NULL: never
 * @bare:	For a layer on top that ends this one's work (Vision): from now on
 *		bytes pass @dir as they are, after what was written before, and
 *		from the first byte read that is not of this layer. @dir 0 comes
 *		first, and says that it may: read no more than one unit ahead;
 *		ST_STAY takes that back: all that is read is of this layer.
 *		0, -EAGAIN (a head is awaited; ask again), -errno (cannot). The op
 *		may be NULL: cannot
 * @hello:	Of TLS whose handshake is over, either side. NULL: it is none
 *
 * A write that fails is no end of reading: what was received is delivered first,
 * in the layers as at the bottom, and then the reason is read.
 *
 * Only the owner calls; only from its job's run(). A stream may be used from
 * birth: while connecting, calls return -EAGAIN; a failed connect is the
 * -errno of the next call. There is no "on_connected".
 */
struct stream_ops {
	const char *name;
	ssize_t (*readv)(struct stream *s, const struct iovec *iov, int cnt);
	ssize_t (*writev)(struct stream *s, const struct iovec *iov, int cnt);
	ssize_t (*lend)(struct stream *s, struct iovec *iov, int *cnt);
	void (*took)(struct stream *s, size_t n);
	ssize_t (*room)(struct stream *s, struct iovec *iov, int *cnt);
	int (*filled)(struct stream *s, size_t n);
	void (*want)(struct stream *s, unsigned int events);
	bool (*up)(const struct stream *s);
	int (*finish)(struct stream *s);
	void (*close)(struct stream *s, int why);
	struct stream *(*shed)(struct stream *s);
	struct watch *(*watch)(struct stream *s, unsigned int dir);
	void (*hello)(struct stream *s, struct stream_hello *out);
	int (*bare)(struct stream *s, unsigned int dir);
};

/**
 * struct stream - One end of a byte stream
 * @ops:	The only way in
 * @below:	What this layer stands on, owned by it; NULL at the bottom
 * @job:	Whom the bottom marks ready; stream_set_job() sets all levels
 */
struct stream {
	const struct stream_ops *ops;
	struct stream *below;
	struct job *job;
};

/* All that @iov[0] to @iov[@cnt - 1] hold */
static inline size_t iov_bytes(const struct iovec *iov, int cnt)
{
	size_t n = 0;

	for (int i = 0; i < cnt; i++)
		n += iov[i].iov_len;
	return n;
}

/* Owner only: peel spent layers off the top of *@sp */
void stream_shed(struct stream **sp);
/* Point @s and everything below at @j */
void stream_set_job(struct stream *s, struct job *j);
/* Close *@sp unless NULL, and set it to NULL */
void stream_close(struct stream **sp, int why);
/* Of the uppermost level that has one; else empty */
void stream_hello(struct stream *s, struct stream_hello *out);
/**
 * stream_settled() - Has what was written to @s reached the bottom?
 *
 * Asks every level down to the kernel's socket.
 *
 * Return: 0 yes, -EAGAIN a level holds some of it, other -errno: one has failed
 */
int stream_settled(struct stream *s);
ssize_t stream_read(struct stream *s, void *p, size_t n);
ssize_t stream_write(struct stream *s, const void *p, size_t n);

#endif
