/*
 * renew.c - Files that renew themselves, as the main thread sees it
 *
 *	cron -> round (gateway/assets) -> new files beside the old -> the configuration
 *	is loaded with them -> renamed, adopted; or dropped
 *
 * A list that the rules need and the new file lacks is found while the old file is
 * still there: the next start would fail, too.
 */
#include "gateway/app/renew.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gateway/assets/round.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/route/geofile.h"

#define WAIT_MS    300000 /* at most: the clock may be set meanwhile */
#define MISSED_MAX 86400 /* s: a time missed longer ago was never meant */

/**
 * struct known - What a server called the file that is on disk
 * @url, @path:	Of which asset; owned
 * @st:		That file; another one is not known
 */
struct known {
	struct known *next;
	struct https_url url;
	char *path;
	struct stat st;
	char etag[HTTP_GET_ETAG_MAX];
};

/* --- what is known ----------------------------------------------------------- */

static bool same_url(const struct https_url *a, const struct https_url *b)
{
	return a->port == b->port && !strcmp(a->host, b->host) &&
	       !strcmp(a->path, b->path);
}

static struct known *known_find(const struct renew *r, const struct asset *a)
{
	struct known *k = r->known;

	while (k &&
	       (strcmp(k->path, a->path) != 0 || !same_url(&k->url, a->url)))
		k = k->next;
	return k;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void known_tell(const struct renew *r, struct round_item *it)
{
	const struct known *k = known_find(r, it->asset);
	struct stat st;

	if (k && stat(it->asset->path, &st) == 0 && same_file(&st, &k->st))
		memcpy(it->etag, k->etag, sizeof(it->etag));
}

static struct known *known_add(struct renew *r, const struct asset *a)
{
	struct known *k = calloc(1, sizeof(*k));

	if (k)
		k->path = strdup(a->path);
	if (!k || !k->path) {
		free(k);
		return NULL;
	}
	k->url = *a->url;
	k->next = r->known;
	r->known = k;
	return k;
}

/* What is on disk now is what the server has. Without memory it is asked again */
static void known_note(struct renew *r, const struct round_item *it)
{
	struct known *k = known_find(r, it->asset);

	if (!k)
		k = known_add(r, it->asset);
	if (!k)
		return;
	memcpy(k->etag, it->etag, sizeof(k->etag));
	if (stat(it->asset->path, &k->st) < 0)
		k->etag[0] = '\0';
}

/* --- when -------------------------------------------------------------------- */

int renew_init(struct renew *r)
{
	*r = (struct renew){ .next = -1 };
	r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return r->fd < 0 ? -errno : 0;
}

static void plan_from(struct renew *r, int64_t now)
{
	char text[32] = "never";
	struct tm tm;
	time_t t;

	r->seen = now;
	r->next = r->scheduled ? cron_next(&r->cron, now) : -1;
	if (!r->scheduled)
		return;
	t = (time_t)r->next;
	if (r->next >= 0 && localtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	log_info("geodata: the next time: %s", text);
}

void renew_plan(struct renew *r, const struct config *cfg)
{
	const struct assets *a = cfg->assets;
	bool scheduled = a && a->scheduled;

	if (r->scheduled && scheduled &&
	    !memcmp(&r->cron, &a->cron, sizeof(r->cron)))
		return;
	r->scheduled = scheduled;
	if (scheduled)
		r->cron = a->cron;
	tzset();
	plan_from(r, clock_wall());
}

int renew_wait_ms(const struct renew *r)
{
	int64_t left;

	if (r->next < 0)
		return -1;
	left = r->next * 1000 - clock_wall_ms();
	if (left < 0)
		return 0;
	return left < WAIT_MS ? (int)left : WAIT_MS;
}

bool renew_due(struct renew *r)
{
	int64_t now = clock_wall(), missed = now - r->next;

	if (r->next < 0)
		return false;
	if (missed < 0 && now >= r->seen) {
		r->seen = now;
		return false;
	}
	plan_from(r, now); /* or the clock was set back */
	return missed >= 0 && missed < MISSED_MAX;
}

/* --- a round ----------------------------------------------------------------- */

int renew_begin(struct renew *r, struct config *cfg, struct worker *w)
{
	struct round_item *it;
	int rc;

	if (r->round)
		return -EBUSY;
	r->round = round_new(cfg, w);
	if (!r->round)
		return -ENOMEM;
	for (unsigned int i = 0; (it = round_item(r->round, i)); i++)
		known_tell(r, it);
	rc = round_go(r->round, r->fd);
	if (rc == 0)
		return 0;
	round_free(r->round);
	r->round = NULL;
	return rc;
}

/* Is the asset still one of @cfg's? */
static bool is_wanted(const struct config *cfg, const struct asset *a)
{
	const struct assets *as = cfg->assets;

	for (unsigned int i = 0; as && i < as->count; i++)
		if (!strcmp(as->v[i].path, a->path) &&
		    same_url(as->v[i].url, a->url))
			return true;
	return false;
}

static void say(struct renew *r, const struct round_item *it)
{
	if (it->what == RENEWAL_FAILED) {
		r->failures++;
		log_warning("geodata: %s is not renewed: %s", it->asset->file,
			    it->why);
	} else if (it->what == RENEWAL_SAME) {
		log_info("geodata: %s is up to date", it->asset->file);
	}
}

static void round_over(struct renew *r)
{
	geo_unstage();
	round_free(r->round);
	r->round = NULL;
}

bool renew_end(struct renew *r, const struct config *cfg)
{
	struct round_item *it;
	unsigned int fresh = 0;
	uint64_t n;

	if (read(r->fd, &n, sizeof(n)) < 0 || !r->round)
		return false;
	round_join(r->round);
	r->failures = 0;
	for (unsigned int i = 0; (it = round_item(r->round, i)); i++) {
		say(r, it);
		if (it->what == RENEWAL_SAME)
			known_note(r, it);
		if (it->what != RENEWAL_NEW)
			continue;
		if (!is_wanted(cfg, it->asset)) {
			it->what = RENEWAL_SAME;
			stage_drop(&it->stage);
		} else if (geo_stage(it->asset->file, it->stage.fd) == 0) {
			fresh++;
		}
	}
	if (!fresh)
		round_over(r);
	return fresh > 0;
}

int renew_commit(struct renew *r)
{
	struct round_item *it;
	int rc = 0;

	for (unsigned int i = 0; (it = round_item(r->round, i)); i++) {
		unsigned long long size = it->stage.size;
		int err;

		if (it->what != RENEWAL_NEW)
			continue;
		err = stage_commit(&it->stage);
		if (err == 0) {
			log_warning("geodata: %s is renewed: %llu bytes",
				    it->asset->file, size);
			known_note(r, it);
			continue;
		}
		rc = err;
		r->failures++;
		log_warning("geodata: %s is not renewed: %s: %s",
			    it->asset->file, it->asset->path, strerror(-err));
	}
	round_over(r);
	return rc;
}

void renew_drop(struct renew *r)
{
	const struct round_item *it;

	for (unsigned int i = 0; (it = round_item(r->round, i)); i++)
		r->failures += it->what == RENEWAL_NEW;
	round_over(r);
}

void renew_stop(struct renew *r)
{
	if (r->round) {
		round_cancel(r->round);
		round_over(r);
	}
	while (r->known) {
		struct known *k = r->known;

		r->known = k->next;
		free(k->path);
		free(k);
	}
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}
