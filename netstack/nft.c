/*
 * nft.c - Loading our table through nft(8) (contract: nft.h)
 *
 * `nft -i` reads a command a line, so the text is put on one line; it says
 * nothing about success, so the kernel is asked for the table: each one that is
 * made has another handle.
 */
#include "netstack/nft.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "netstack/nft_judge.h"
#include "netstack/plan.h"

/*
 * nft takes seconds for a large set on a slow router; what it refuses it says at
 * once. It reads at once, too, but behind a change of such a set. LEAVE_MS: for
 * the child of a culvert that was killed
 */
enum { WAIT_STEP_MS = 5, WAIT_MS = 15000, TELL_MS = 5000, LEAVE_MS = 2000 };

/* --- text ------------------------------------------------------------------------- */

/* @in as text, behind @before. malloc'ed; NULL: out of memory */
static char *make_text(const struct nft *n, const struct intake *in, bool owner,
		       const char *before)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fputs(before, f);
	nft_print(n, in, owner, f);
	if (fclose(f) < 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void one_line(char *text)
{
	char *end = text + strlen(text);

	for (char *p = text; p + 1 < end; p++)
		if (*p == '\n')
			*p = ';';
}

/*
 * A table @name is there and not @was (its flags), or the child that was told to
 * make it has refused or ended (-errno)
 */
static int await_table(struct nft_child *c, const char *name, uint64_t was,
		       int limit_ms)
{
	for (int ms = 0; ms < limit_ms; ms += WAIT_STEP_MS) {
		struct nft_seen seen;

		if (nft_table_see(name, &seen) == 0 &&
		    (seen.handle != was || !seen.handle))
			return seen.flags;
		if (nft_child_complains(c))
			return -EPROTO;
		if (!nft_child_lives(c))
			return -ECHILD;
		clock_sleep_ms(WAIT_STEP_MS);
	}
	return -ETIMEDOUT;
}

/*
 * Have @c make the table @name, or another in its place, by @text (freed; NULL: out
 * of memory). Its flags, -EPROTO: refused, nothing is changed; other -errno: the
 * child is of no use any more
 */
static int tell_table(struct nft_child *c, const char *name, char *text)
{
	struct nft_seen was = { .handle = 0 };
	int err;

	if (!text)
		return -ENOMEM;
	one_line(text);
	nft_child_complains(c); /* of what came before */
	nft_table_see(name, &was);
	err = nft_child_tell(c, text, strlen(text), TELL_MS);
	free(text);
	return err < 0 ? err : await_table(c, name, was.handle, WAIT_MS);
}

/* --- the spare, and the table it keeps ---------------------------------------------- */

/* Each of two numbers in turn: the old one may still be there */
static const char *keep_name(const struct nft *n)
{
	return n->keep % 2 ? NFT_KEEP "1" : NFT_KEEP "0";
}

/*
 * Tell the spare what to keep, in place of what it keeps. 1, 0: nothing at all;
 * -errno
 */
static int renew_keep(struct nft *n, const struct intake *in)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	bool any;
	int err;

	if (!f)
		return -ENOMEM;
	if (n->kept)
		fprintf(f, "delete table inet %s\n", keep_name(n));
	any = nft_print_keep(n, in, keep_name(n), f);
	if (fclose(f) < 0) {
		free(text);
		return -ENOMEM;
	}
	if (any) {
		err = tell_table(&n->spare, keep_name(n), text);
		return err < 0 ? err : 1;
	}
	err = nft_child_tell(&n->spare, text, strlen(text), TELL_MS);
	free(text);
	return err;
}

/*
 * What shall block when we are dead must not go by another's flush then: the spare
 * stays, and with it the table that drops (docs/decisions/037)
 */
static bool spare_outlives(const struct intake *in)
{
	return in->host->fail_closed && nft_keeps_shut(in);
}

/*
 * The spare waits to load a table again at once: to start nft(8) takes 10 ms and
 * more. Meanwhile its own table holds (nft_keep.c)
 */
static void start_spare(struct nft *n, const struct intake *in)
{
	int err = -EPROTO;

	/* One of the two names may be held by the child of a culvert that was killed */
	for (int i = 0; i < 2 && err == -EPROTO; i++) {
		nft_child_end(&n->spare);
		n->kept = n->shut = false;
		n->keep++;
		if (nft_child_start(&n->spare, spare_outlives(in)) < 0)
			return;
		err = renew_keep(n, in);
	}
	n->kept = err > 0;
	n->shut = n->kept && nft_keeps_shut(in);
	if (err >= 0)
		return;
	log_warning(
		"host: nft keeps no second table: what others remove passes "
		"by until it is loaded again");
	nft_child_end(&n->spare);
}

static void have_spare(struct nft *n, const struct intake *in)
{
	if (!nft_child_lives(&n->spare))
		start_spare(n, in);
}

/* Another configuration for the spare */
static void renew_spare(struct nft *n, const struct intake *in)
{
	int err = nft_child_lives(&n->spare) &&
				  n->spare.outlives == spare_outlives(in) ?
			  renew_keep(n, in) :
			  -ECHILD;

	if (err < 0) {
		start_spare(n, in);
		return;
	}
	n->kept = err > 0;
	n->shut = n->kept && nft_keeps_shut(in);
}

/*
 * The spare becomes the owner: true. Its own table goes as the other one comes:
 * writes the words for that. Without a spare another child is started
 */
static bool take_spare(struct nft *n, char words[64])
{
	words[0] = '\0';
	/* one that outlives us is of a configuration that is about to be replaced */
	if (!nft_child_lives(&n->spare) || n->spare.outlives) {
		nft_child_start(&n->own, false);
		return false;
	}
	if (n->kept)
		snprintf(words, 64, "delete table inet %s\n", keep_name(n));
	n->own = n->spare;
	n->spare = NFT_CHILD_NONE;
	n->kept = n->shut = false;
	return true;
}

/* --- the three ways ----------------------------------------------------------------- */

static int load_owner(struct nft *n, const struct intake *in)
{
	bool spare;
	int err;

	do {
		char words[64];

		spare = take_spare(n, words);
		err = tell_table(&n->own, NFT_TABLE,
				 make_text(n, in, true, words));
		if (err >= 0 && !(err & NFT_TABLE_F_OWNER))
			err = -EOPNOTSUPP; /* the flag was not understood */
		if (err < 0)
			nft_child_end(&n->own);
	} while (err < 0 && spare); /* it may be stopped, or have hung */
	if (err < 0)
		return err;
	n->kind = NFT_OWNER;
	have_spare(n, in);
	return 0;
}

/*
 * A shell that waits for our end and then removes the tables that have no
 * owner: NFT_TABLE only if it is not to outlive us
 */
static void start_cleaner(struct nft *n, const struct intake *in)
{
	bool all = n->kind == NFT_PLAIN && !in->host->fail_closed;

	if (nft_child_lives(&n->cleaner) && n->cleans == all)
		return;
	nft_child_end(&n->cleaner);
	n->cleans = all;
	if (nft_child_cleaner(&n->cleaner, NFT_DIRECT, all ? NFT_TABLE : NULL) <
	    0)
		log_warning("host: the nftables table stays when culvert is "
			    "killed");
}

/*
 * Somebody has removed a PLAIN table: what it held passes by until it is back.
 * Starting nft(8) takes 10 ms and more. 0, or -errno: it is not known to be back
 */
static int load_by_spare(struct nft *n, const struct intake *in)
{
	int err;

	if (!nft_child_lives(&n->spare))
		return -ECHILD;
	err = tell_table(&n->spare, NFT_TABLE, make_text(n, in, false, ""));
	if (err >= 0)
		return 0;
	nft_child_end(&n->spare);
	return err;
}

static int load_plain(struct nft *n, const struct intake *in)
{
	/* Added, so that deleting cannot fail */
	char *text = make_text(n, in, false,
			       "add table inet " NFT_TABLE "\n"
			       "delete table inet " NFT_TABLE "\n");
	int err = text ? nft_run(text, WAIT_MS) : -ENOMEM;

	free(text);
	if (err < 0)
		return err;
	n->kind = NFT_PLAIN;
	if (!in->host->fail_closed)
		start_cleaner(n, in);
	have_spare(n, in);
	return 0;
}

/* The child of a culvert that was killed has its table until it has ended, too */
static void await_heir(void)
{
	int flags = nft_table_flags(), ms = 0;

	for (; flags >= 0 && flags & NFT_TABLE_F_OWNER && ms < LEAVE_MS;
	     ms += WAIT_STEP_MS) {
		clock_sleep_ms(WAIT_STEP_MS);
		flags = nft_table_flags();
	}
	if (ms >= LEAVE_MS)
		log_error("host: another program owns the nftables table "
			  "inet " NFT_TABLE);
}

/* None of ours has an owner: what shall block is replaced without a gap */
static int load_best(struct nft *n, const struct intake *in)
{
	int err = -EOPNOTSUPP;

	await_heir();
	if (!in->host->fail_closed) {
		nft_table_delete();
		err = load_owner(n, in);
	}
	if (err < 0)
		err = load_plain(n, in);
	if (err == 0)
		n->stale = 0;
	return err;
}

/* The large sets: a table without an owner, so that we may fill it ourselves */
static int load_direct(struct nft *n, const struct intake *in)
{
	const struct cidrs *s = &in->host->how.direct;
	char *text = NULL;
	size_t size = 0;
	FILE *f;
	int err;

	if (!s->count4 && !s->count6)
		return nft_direct_delete();
	f = open_memstream(&text, &size);
	if (!f)
		return -ENOMEM;
	fputs("add table inet " NFT_DIRECT "\n"
	      "delete table inet " NFT_DIRECT "\n",
	      f);
	nft_print_direct(in, f);
	err = fclose(f) < 0 ? -ENOMEM : 0;
	if (err == 0)
		err = nft_run(text, WAIT_MS);
	free(text);
	if (err == 0) {
		start_cleaner(n, in);
		err = nft_direct_feed(s);
	}
	if (err < 0)
		log_error("host: directCidr is not set up: %s", strerror(-err));
	else
		log_info("host: %zu IPv4 and %zu IPv6 ranges go directly",
			 s->count4, s->count6);
	return err;
}

static bool direct_lost(const struct intake *in)
{
	const struct cidrs *s = &in->host->how.direct;

	return (s->count4 || s->count6) && !nft_direct_there();
}

void nft_init(struct nft *n)
{
	*n = (struct nft){ .own = NFT_CHILD_NONE,
			   .cleaner = NFT_CHILD_NONE,
			   .spare = NFT_CHILD_NONE };
}

int nft_load(struct nft *n, const struct intake *in)
{
	int err;

	n->kind = NFT_NONE;
	nft_child_end(&n->own);
	n->near_used = nft_uses_near(in);
	n->closed = in->host->fail_closed;
	if (in->tun[0] && !nft_name_ok(in->tun)) {
		log_warning("host: no nftables rules for a TUN named %s",
			    in->tun);
		return -EINVAL;
	}
	err = load_best(n, in);
	if (err == 0) {
		n->missing = false;
		log_info("host: nftables table inet " NFT_TABLE " loaded%s",
			 n->kind == NFT_OWNER ? "" : ", without an owner");
		if (nft_guards_end(n->spare.pid, NULL))
			have_spare(n, in); /* it may have lacked a name */
		load_direct(n, in);
		return 0;
	}
	if (!in->tun[0] || n->missing)
		return err; /* nothing is caught without; it was told */
	log_warning("host: no nftables rules (%s): replies to forwarded "
		    "connections from outside and DNS to this host's own "
		    "addresses are not looked after",
		    err == -ENOENT ? "nft is not installed" : strerror(-err));
	return err;
}

/*
 * "fail" has changed, and with it whose the table is. Meanwhile the spare's holds,
 * or there is none
 */
static int change_owner(struct nft *n, const struct intake *in)
{
	n->closed = in->host->fail_closed;
	nft_child_end(&n->own);
	n->kind = NFT_PLAIN; /* nobody's now, if it is there at all */
	nft_child_end(&n->cleaner);
	return load_best(n, in);
}

static int replace_table(struct nft *n, const struct intake *in)
{
	int err;

	n->near_used = nft_uses_near(in);
	if (n->closed != in->host->fail_closed)
		return change_owner(n, in);
	if (n->kind != NFT_OWNER)
		return load_plain(n, in);
	err = tell_table(
		&n->own, NFT_TABLE,
		make_text(n, in, true, "delete table inet " NFT_TABLE "\n"));
	if (err >= 0)
		n->stale = 0;
	if (err >= 0 || err == -EPROTO || err == -ENOMEM)
		return err < 0 ? err : 0; /* refused: it is as it was */
	log_warning("host: the nft that owns the table is of no use any more");
	nft_child_end(&n->own);
	return load_best(n, in);
}

int nft_replace(struct nft *n, const struct intake *in)
{
	int err = n->kind == NFT_NONE ? 0 : replace_table(n, in);

	if (n->kind == NFT_NONE)
		return err;
	n->missing = err < 0 && nft_table_flags() < 0;
	if (err < 0) {
		log_error("host: the nftables table %s: %s",
			  n->missing ? "is gone and cannot be loaded" :
				       "cannot be replaced",
			  strerror(-err));
		return err;
	}
	renew_spare(n, in);
	return load_direct(n, in);
}

/* The child that reads the other end of @in has ended */
static bool child_gone(int in)
{
	struct pollfd p = { .fd = in };

	return in >= 0 && poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

bool nft_lost(const struct nft *n)
{
	return child_gone(n->own.in) || (n->kept && child_gone(n->spare.in));
}

/* It was there and is not. What let it go may keep it from coming back: told once */
static void load_again(struct nft *n, const struct intake *in)
{
	bool missing = n->missing;
	int err = 0;

	if (n->kind == NFT_PLAIN) {
		if (load_by_spare(n, in) < 0)
			err = load_plain(n, in);
	} else {
		err = nft_load(n, in);
	}
	n->missing = err < 0;
	if (!err)
		log_warning(
			"host: the nftables table was removed; loaded again");
	else if (!missing)
		log_error("host: the nftables table was removed and cannot be "
			  "loaded: %s; tried again until it is there",
			  strerror(-err));
}

bool nft_watch(struct nft *n, const struct intake *in)
{
	bool lost = n->missing ||
		    (n->kind != NFT_NONE &&
		     (nft_table_flags() < 0 || child_gone(n->own.in)));

	nft_child_complains(&n->own);
	nft_child_complains(&n->spare);
	if (lost)
		load_again(n, in);
	if (n->kept && child_gone(n->spare.in)) {
		log_warning(
			"host: the nft in waiting has ended; another waits");
		start_spare(n, in);
		lost = true;
	}
	if (n->kind != NFT_NONE && direct_lost(in)) { /* large: comes last */
		log_warning(
			"host: directCidr's table was removed; loaded again");
		load_direct(n, in);
	}
	return lost;
}

/* Writes the lines that bring the sets of a table up to date */
typedef void print_change(const struct nft *n, const char *table, FILE *out);

/* Send what @print says of @table to @c; NULL: to an nft of its own */
static int change_table(const struct nft *n, print_change *print,
			const char *table, struct nft_child *c)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int err = -ENOMEM;

	if (!f)
		return err;
	print(n, table, f);
	if (fclose(f) == 0)
		err = c ? nft_child_tell(c, text, size, TELL_MS) :
			  nft_run(text, WAIT_MS);
	free(text);
	return err;
}

static int change_sets(struct nft *n, print_change *print, enum nft_stale which)
{
	int err = change_table(n, print, NFT_TABLE,
			       n->kind == NFT_OWNER ? &n->own : NULL);
	int err2 = 0;

	if (n->shut)
		err2 = change_table(n, print, keep_name(n), &n->spare);
	n->stale &= (uint8_t)~which;
	if (err < 0)
		n->stale |= (uint8_t)which;
	return err < 0 ? err : err2;
}

int nft_set_uplinks(struct nft *n, const char (*ups)[IFNAMSIZ],
		    unsigned int count)
{
	if (count > NFT_UPLINKS)
		count = NFT_UPLINKS;
	if (count == n->uplink_count && !(n->stale & STALE_UPLINKS) &&
	    !memcmp(n->uplinks, ups, count * sizeof(*ups)))
		return 0;
	memcpy(n->uplinks, ups, count * sizeof(*ups));
	n->uplink_count = count;
	if (n->kind == NFT_NONE)
		return 0;
	return change_sets(n, nft_print_uplinks_change, STALE_UPLINKS);
}

/* The same ranges; both are sealed */
static bool same_ranges(const struct cidrs *a, const struct cidrs *b)
{
	return a->count4 == b->count4 && a->count6 == b->count6 &&
	       (!a->count4 ||
		!memcmp(a->v4, b->v4, a->count4 * sizeof(*a->v4))) &&
	       (!a->count6 ||
		!memcmp(a->v6, b->v6, a->count6 * sizeof(*a->v6)));
}

int nft_set_near(struct nft *n, struct cidrs *near)
{
	if (same_ranges(near, &n->near) && !(n->stale & STALE_NEAR)) {
		cidrs_free(near);
		return 0;
	}
	cidrs_free(&n->near);
	n->near = *near;
	*near = (struct cidrs){ .v4 = NULL };
	if (n->kind == NFT_NONE || !n->near_used)
		return 0;
	return change_sets(n, nft_print_near_change, STALE_NEAR);
}

void nft_unload(struct nft *n)
{
	bool any = n->kind != NFT_NONE || n->missing || n->cleaner.pid > 0;

	cidrs_free(&n->near);
	n->missing = false;
	n->stale = 0;
	nft_child_end(&n->spare); /* first, as it shuts */
	nft_child_end(&n->own); /* its table goes along */
	nft_child_end(&n->cleaner);
	if (any)
		nft_table_delete();
	n->kept = n->shut = false;
	n->kind = NFT_NONE;
}
