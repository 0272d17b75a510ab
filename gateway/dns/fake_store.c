/*
 * fake_store.c - A FakeDNS pool, locked, and its writer thread
 *
 *   worker:  lock, pool, append a record to @pending, signal, unlock
 *   writer:  lock, take @pending, unlock, write(2); now and then rewrite:
 *            FILE.tmp from the pool (a few hundred slots a lock), fsync, rename
 *
 * A record is written with one write(2) call and checked by a CRC when read, so
 * a crash costs at most the records that were not written yet. The first write
 * of a process is always a rewrite: a torn tail never stays in the file.
 *
 * A reload may bring another pool for the same file, while sessions of the old
 * generation still ask the old pool. They share a struct fake_file: from the new
 * pool's first write on the old one is kept in memory only.
 */
#include "gateway/dns/fake_store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/base/thread.h"
#include "gateway/dns/fake_journal.h"

#define CHUNK_SLOTS 256 /* copied a lock while rewriting */
#define BATCH_MS    20 /* between two writes */
#define RETRY_MS    10000 /* after a failed one */
#define FRESH_MS    2000 /* answers live for 1 s (DNS_FAKE_TTL), and a bit */
#define REWRITE_MIN (64u << 10) /* smaller files are left as they are */

struct writer {
	struct fake_store *s;
	int fd; /* -1: none yet */
	size_t file_bytes;
	uint8_t *buf; /* FAKE_PENDING_MAX */
};

static int write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t did = write(fd, p, n);

		if (did < 0 && errno == EINTR)
			continue;
		if (did <= 0)
			return did < 0 ? -errno : -EIO;
		p += did;
		n -= (size_t)did;
	}
	return 0;
}

/* Records of the next slots into @buf; sets *@slot. Locked */
static size_t chunk_take(struct fake_store *s, uint32_t *slot, uint8_t *buf)
{
	size_t n = 0;
	uint32_t end = *slot + CHUNK_SLOTS;

	for (; *slot < end && *slot < s->pool.used; (*slot)++) {
		const char *name = s->pool.slots[*slot].name;

		if (name)
			n += fake_record_encode(buf + n, *slot, name,
						strlen(name));
	}
	return n;
}

static int rewrite_into(struct writer *w, int fd)
{
	uint8_t head[FAKE_HEAD_BYTES];
	struct fake_store *s = w->s;
	uint32_t slot = 0;
	size_t n;
	int rc;

	fake_head_encode(head, &s->pool);
	rc = write_all(fd, head, sizeof(head));
	w->file_bytes = sizeof(head);
	while (!rc) {
		pthread_mutex_lock(&s->lock);
		n = chunk_take(s, &slot, w->buf);
		if (!n && slot >= s->pool.used) {
			pthread_mutex_unlock(&s->lock);
			break;
		}
		pthread_mutex_unlock(&s->lock);
		rc = write_all(fd, w->buf, n);
		w->file_bytes += n;
	}
	if (!rc && fsync(fd) < 0)
		rc = -errno;
	return rc;
}

/* A new file beside the old one, then in its place */
static int rewrite(struct writer *w)
{
	char tmp[4096];
	int fd, rc;

	if (snprintf(tmp, sizeof(tmp), "%s.tmp", w->s->file->path) >=
	    (int)sizeof(tmp))
		return -ENAMETOOLONG;
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return -errno;
	rc = rewrite_into(w, fd);
	if (!rc && rename(tmp, w->s->file->path) < 0)
		rc = -errno;
	if (rc) {
		close(fd);
		unlink(tmp);
		return rc;
	}
	if (w->fd >= 0)
		close(w->fd);
	w->fd = fd;
	return 0;
}

static void wait_ms(struct fake_store *s, long ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (!s->stop &&
	       pthread_cond_timedwait(&s->wake, &s->lock, &until) != ETIMEDOUT)
		;
}

/* @n bytes of w->buf, or all @anew. -ESTALE: the file is a newer store's */
static int write_turn(struct writer *w, bool anew, size_t n)
{
	struct fake_file *f = w->s->file;
	int rc = -ESTALE;

	pthread_mutex_lock(&f->lock);
	if (f->writer <= w->s->turn) {
		f->writer = w->s->turn;
		rc = anew ? rewrite(w) : write_all(w->fd, w->buf, n);
	}
	pthread_mutex_unlock(&f->lock);
	return rc;
}

/* Locked: nothing is written any more */
static void give_up(struct fake_store *s)
{
	s->rewrite = false;
	s->pending_len = 0;
}

/* One batch: called and returns locked */
static void writer_turn(struct writer *w)
{
	struct fake_store *s = w->s;
	bool anew = s->rewrite;
	size_t n = s->pending_len, live;
	int rc;

	s->rewrite = false;
	s->pending_len = 0;
	if (!anew)
		memcpy(w->buf, s->pending, n);
	live = s->pool.name_bytes + (size_t)s->pool.used * FAKE_RECORD_BYTES;
	pthread_mutex_unlock(&s->lock);
	rc = write_turn(w, anew, n);
	if (!anew && !rc)
		w->file_bytes += n;
	if (rc && rc != -ESTALE)
		log_warning("fakedns: %s cannot be written: %s", s->file->path,
			    strerror(-rc));
	pthread_mutex_lock(&s->lock);
	if (rc == -ESTALE) {
		s->failed = true;
		give_up(s);
		return;
	}
	if (rc || w->file_bytes > 2 * live + REWRITE_MIN)
		s->rewrite = true;
	wait_ms(s, rc ? RETRY_MS : BATCH_MS);
	if (rc && s->stop)
		give_up(s);
}

static void file_unref(struct fake_file *f)
{
	if (!f || atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* The file of @path for one more store: @before's, or a new one. 0 or -ENOMEM */
static int file_get(struct fake_store *s, const char *path,
		    const struct fake_store *before)
{
	size_t len = strlen(path) + 1;
	struct fake_file *f = before ? before->file : NULL;

	if (f) {
		atomic_fetch_add(&f->refs, 1);
	} else {
		f = calloc(1, sizeof(*f) + len);
		if (!f)
			return -ENOMEM;
		memcpy(f->path, path, len);
		atomic_init(&f->refs, 1);
		pthread_mutex_init(&f->lock, NULL);
	}
	pthread_mutex_lock(&f->lock);
	s->turn = ++f->turns;
	pthread_mutex_unlock(&f->lock);
	s->file = f;
	return 0;
}

const char *fake_store_path(const struct fake_store *s)
{
	return s->file ? s->file->path : "";
}

static void store_free(struct fake_store *s)
{
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wake);
	fake_pool_fini(&s->pool);
	free(s->pending);
	file_unref(s->file);
	free(s);
}

static void *writer_main(void *arg)
{
	struct fake_store *s = arg;
	struct writer w = { .s = s, .fd = -1 };
	bool mine;

	w.buf = malloc(FAKE_PENDING_MAX);
	pthread_mutex_lock(&s->lock);
	while (w.buf) {
		while (!s->stop && !s->pending_len && !s->rewrite)
			pthread_cond_wait(&s->wake, &s->lock);
		if (!s->pending_len && !s->rewrite)
			break;
		writer_turn(&w);
	}
	mine = s->detached;
	pthread_mutex_unlock(&s->lock);
	free(w.buf);
	if (w.fd >= 0)
		close(w.fd);
	if (mine)
		store_free(s);
	return NULL;
}

/* Locked. The thread takes no signals: they are the main thread's */
static void writer_start(struct fake_store *s)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	s->started = !thread_start(&s->writer, writer_main, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!s->started) {
		s->failed = true;
		log_warning("fakedns: no thread for %s: mappings are not kept",
			    s->file->path);
	}
}

/* Locked: tell the writer about a new mapping */
static void record_put(struct fake_store *s, uint32_t slot, const char *name,
		       size_t len)
{
	if (!s->file || s->failed)
		return;
	if (!s->started) {
		s->pending = malloc(FAKE_PENDING_MAX);
		s->rewrite = true;
		if (!s->pending) {
			s->failed = true;
			return;
		}
		writer_start(s);
		return;
	}
	if (s->pending_len + FAKE_RECORD_MAX > FAKE_PENDING_MAX)
		s->rewrite = true; /* the pool knows; no need to queue */
	else
		s->pending_len += fake_record_encode(
			s->pending + s->pending_len, slot, name, len);
	if (s->pending_len <= FAKE_RECORD_MAX) /* it may sleep */
		pthread_cond_signal(&s->wake);
}

/* The file's mappings, as far as they are good */
static int store_load(struct fake_store *s)
{
	uint8_t *data = NULL;
	struct stat st;
	size_t n = 0;
	ssize_t did;
	long good;
	int fd = open(s->file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return 0; /* none yet, or not for us: the writer will say so */
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
	    st.st_size > (off_t)FAKE_FILE_MAX)
		goto out;
	data = malloc((size_t)st.st_size);
	while (data && n < (size_t)st.st_size &&
	       (did = read(fd, data + n, (size_t)st.st_size - n)) > 0)
		n += (size_t)did;
	good = data ? fake_replay(&s->pool, data, n) : -ENOMEM;
	if (good < 0)
		goto out;
	if ((size_t)good < n)
		log_info("fakedns: %s: %zu of %zu bytes are good",
			 s->file->path, (size_t)good, n);
	log_debug("fakedns: %s: %u mappings", s->file->path, s->pool.used);
out:
	free(data);
	close(fd);
	return 0;
}

struct fake_store *fake_store_new(const struct cidr *net, uint32_t size,
				  const char *path,
				  const struct fake_store *before, int *err)
{
	struct fake_store *s = calloc(1, sizeof(*s));
	uint64_t start;

	*err = -ENOMEM;
	if (!s)
		return NULL;
	rand_bytes(&start, sizeof(start));
	*err = fake_pool_init(&s->pool, net, size, start, rand_key());
	if (*err < 0) {
		free(s);
		return NULL;
	}
	s->pool.fresh_ms = FRESH_MS;
	s->pool.now_ms = clock_ms();
	atomic_init(&s->refs, 1);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	if (path) {
		*err = file_get(s, path, before);
		if (*err < 0) {
			store_free(s);
			return NULL;
		}
		store_load(s);
	}
	return s;
}

struct fake_store *fake_store_ref(struct fake_store *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void fake_store_unref(struct fake_store *s, bool wait)
{
	pthread_t writer;

	if (atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	if (!s->started) {
		store_free(s);
		return;
	}
	pthread_mutex_lock(&s->lock);
	writer = s->writer;
	s->stop = true;
	s->detached = !wait;
	if (s->detached)
		pthread_detach(writer);
	pthread_cond_signal(&s->wake);
	if (s->detached) {
		pthread_mutex_unlock(&s->lock);
		return;
	}
	pthread_mutex_unlock(&s->lock);
	pthread_join(writer, NULL);
	store_free(s);
}

int fake_store_addr(struct fake_store *s, const char *name, size_t len,
		    struct addr *out)
{
	bool made;
	uint32_t slot;

	pthread_mutex_lock(&s->lock);
	s->pool.now_ms = clock_ms();
	slot = fake_pool_get(&s->pool, name, len, &made);
	if (slot != FAKE_NONE) {
		*out = fake_pool_addr(&s->pool, slot);
		if (made)
			record_put(s, slot, name, len);
	}
	pthread_mutex_unlock(&s->lock);
	if (slot != FAKE_NONE)
		return 0;
	if (!made)
		return -ENOMEM;
	log_warning("fakedns: all %u addresses were used within %d s: poolSize "
		    "is too small",
		    s->pool.size, FRESH_MS / 1000);
	return -ENOSPC;
}

int fake_store_name(struct fake_store *s, const struct addr *a, char name[256])
{
	size_t len = 0;
	uint32_t slot;

	pthread_mutex_lock(&s->lock);
	s->pool.now_ms = clock_ms();
	slot = fake_pool_find(&s->pool, a);
	if (slot != FAKE_NONE) {
		len = strlen(s->pool.slots[slot].name);
		memcpy(name, s->pool.slots[slot].name, len + 1);
	}
	pthread_mutex_unlock(&s->lock);
	return slot == FAKE_NONE ? -ENOENT : (int)len;
}
