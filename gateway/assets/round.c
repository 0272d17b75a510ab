/*
 * round.c - All assets fetched once, by a thread (contract: round.h)
 *
 * The thread writes and checks files, which may take as long as the disk needs; a
 * worker does what the network is for. Between them: a socket pair.
 */
#include "gateway/assets/round.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/assets/digest.h"
#include "gateway/assets/get.h"
#include "gateway/base/thread.h"
#include "gateway/core/config.h"

#define READ_BYTES 65536
#define SUMS_MAX   65536 /* of a file of digests */

struct round {
	struct config *cfg; /* one reference */
	const struct assets *conf;
	struct worker *w;
	pthread_t thread;
	bool running;
	int fd;
	atomic_bool cancelled;
	unsigned int count;
	struct round_item v[];
};

static void failed(struct round_item *it, const char *why)
{
	it->what = RENEWAL_FAILED;
	snprintf(it->why, sizeof(it->why), "%s", why);
}

/* [0] blocks, [1] does not. 0 or -errno */
static int make_pair(int fd[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
		return -errno;
	if (fcntl(fd[1], F_SETFL, O_NONBLOCK) == 0)
		return 0;
	close(fd[0]);
	close(fd[1]);
	return -EINVAL;
}

/**
 * struct bin - Where bytes go
 * @stage:	A file; NULL: @text, which has room for SUMS_MAX
 */
struct bin {
	struct stage *stage;
	char *text;
	size_t n;
};

static int bin_put(struct bin *b, const void *p, size_t n)
{
	if (b->stage)
		return stage_put(b->stage, p, n);
	if (n > SUMS_MAX - b->n)
		return -EMSGSIZE;
	memcpy(b->text + b->n, p, n);
	b->n += n;
	return 0;
}

/* What comes from @fd goes into @b. 0, or -errno of writing */
static int drain(int fd, struct bin *b)
{
	char *buf = malloc(READ_BYTES);
	int rc = buf ? 0 : -ENOMEM;
	ssize_t n;

	while (!rc) {
		n = read(fd, buf, READ_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		rc = bin_put(b, buf, (size_t)n);
	}
	free(buf);
	return rc;
}

/* What @o asks for into @b. 0: o->status says what; else why is said */
static int fetch(struct round *r, struct round_item *it, struct get_order *o,
		 struct bin *b)
{
	char text[96];
	int fd[2], rc = make_pair(fd);

	if (rc < 0) {
		failed(it, strerror(-rc));
		return rc;
	}
	o->conf = r->conf;
	o->cfg = r->cfg;
	o->fd = fd[1];
	get_start(r->w, o);
	if (atomic_load(&r->cancelled)) /* its order came before ours */
		get_cancel(r->w);
	rc = drain(fd[0], b);
	close(fd[0]);
	if (rc < 0)
		get_cancel(r->w);
	get_wait(o);
	if (rc < 0)
		failed(it, strerror(-rc));
	else if (o->rc < 0)
		failed(it, get_why(o, text));
	return rc < 0 ? rc : o->rc;
}

/* --- digests ----------------------------------------------------------------- */

/* What its digest shall be. 0; else why is said */
static int fetch_sum(struct round *r, struct round_item *it, uint8_t *want)
{
	const struct asset *a = it->asset;
	const char *names[] = { a->file, a->url->path, NULL };
	struct get_order o = { .url = a->sum_url, .etag = "", .max = SUMS_MAX };
	struct bin b = { .text = malloc(SUMS_MAX) };
	int rc = -ENOMEM;

	if (b.text)
		rc = fetch(r, it, &o, &b);
	else
		failed(it, strerror(ENOMEM));
	if (!rc) {
		rc = digest_find(b.text, b.n, (enum hash_kind)a->sum_kind,
				 names, want);
		if (rc)
			failed(it, "no digest for it is in what hashUrl has");
	}
	free(b.text);
	return rc;
}

/* Has the file that is there this digest? */
static bool is_current(const struct asset *a, const uint8_t *want)
{
	int fd = open(a->path, O_RDONLY | O_CLOEXEC);
	bool yes = fd >= 0 &&
		   digest_check(fd, (enum hash_kind)a->sum_kind, want) == 1;

	if (fd >= 0)
		close(fd);
	return yes;
}

/* --- one asset --------------------------------------------------------------- */

/* The file is complete: is it good, is it new? @want: its digest; NULL none is told */
static void judge(const struct round *r, struct round_item *it,
		  const uint8_t *want)
{
	char err[128];
	int rc = r->conf->check(it->stage.fd, err);

	if (rc < 0) {
		failed(it, err);
		return;
	}
	if (want &&
	    digest_check(it->stage.fd, (enum hash_kind)it->asset->sum_kind,
			 want) != 1) {
		failed(it, "what came has not the digest that hashUrl tells");
		return;
	}
	it->what = stage_same(&it->stage) ? RENEWAL_SAME : RENEWAL_NEW;
	if (it->what == RENEWAL_NEW) {
		rc = stage_sync(&it->stage);
		if (rc < 0)
			failed(it, strerror(-rc));
	}
}

/* The stage is open */
static void renew(struct round *r, struct round_item *it)
{
	const struct asset *a = it->asset;
	struct get_order o = { .url = a->url,
			       .etag = it->etag,
			       .max = r->conf->max_bytes };
	struct bin b = { .stage = &it->stage };
	uint8_t want[HASH_MAX_BYTES];

	if (a->sum_url) {
		if (fetch_sum(r, it, want) < 0)
			return;
		if (is_current(a, want)) {
			it->what = RENEWAL_SAME;
			return;
		}
		it->etag[0] = '\0'; /* what is there is not it */
	}
	if (fetch(r, it, &o, &b) < 0)
		return;
	if (o.status == 304) {
		it->what = RENEWAL_SAME;
		return;
	}
	judge(r, it, a->sum_url ? want : NULL);
	if (it->what != RENEWAL_FAILED)
		memcpy(it->etag, o.now, sizeof(it->etag));
}

static void renew_one(struct round *r, struct round_item *it)
{
	int rc = stage_open(&it->stage, it->asset->path);

	if (rc < 0) {
		snprintf(it->why, sizeof(it->why), "%s: %s", it->asset->path,
			 rc == -EBUSY ? "another culvert renews it" :
					strerror(-rc));
		return;
	}
	renew(r, it);
	if (it->what != RENEWAL_NEW)
		stage_drop(&it->stage);
}

static void *round_main(void *arg)
{
	struct round *r = arg;
	uint64_t one = 1;

	for (unsigned int i = 0; i < r->count; i++) {
		if (atomic_load(&r->cancelled))
			failed(&r->v[i], strerror(ECANCELED));
		else
			renew_one(r, &r->v[i]);
	}
	/* an eventfd that nobody read yet is as good */
	if (write(r->fd, &one, sizeof(one)) < 0)
		return NULL;
	return NULL;
}

struct round *round_new(struct config *cfg, struct worker *w)
{
	const struct assets *a = cfg->assets;
	struct round *r = calloc(1, sizeof(*r) + a->count * sizeof(r->v[0]));

	if (!r)
		return NULL;
	r->cfg = config_ref(cfg);
	r->conf = a;
	r->w = w;
	r->count = a->count;
	for (unsigned int i = 0; i < r->count; i++) {
		r->v[i].asset = &a->v[i];
		r->v[i].stage.fd = -1;
	}
	return r;
}

int round_go(struct round *r, int fd)
{
	int rc;

	r->fd = fd;
	rc = thread_start(&r->thread, round_main, r);
	r->running = rc == 0;
	return rc;
}

void round_cancel(struct round *r)
{
	atomic_store(&r->cancelled, true);
	get_cancel(r->w);
}

void round_join(struct round *r)
{
	if (r->running)
		pthread_join(r->thread, NULL);
	r->running = false;
}

struct round_item *round_item(struct round *r, unsigned int i)
{
	return i < r->count ? &r->v[i] : NULL;
}

void round_free(struct round *r)
{
	round_join(r);
	for (unsigned int i = 0; i < r->count; i++)
		stage_drop(&r->v[i].stage);
	config_unref(r->cfg);
	free(r);
}
