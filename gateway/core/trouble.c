/*
 * trouble.c - A server that does not work is said once (contract: trouble.h)
 *
 *   no connection to the server, it breaks before it is up, or the server
 *   refuses the user                        certain
 *   waited in vain for it to be up          nearly so
 *   up, but not one byte came back          likely: servers close on who has the
 *                                           wrong key. Or the target is dead
 *
 * Several likely failures in a row, of different targets, are certain, too.
 */
#include "gateway/core/trouble.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/session.h"

#define LIKELY   1u
#define NEARLY   3u
#define CERTAIN  6u
#define PATIENCE 3000u /* ms: who leaves before was not interested */

static bool is_ours(int why)
{
	return why == -ECANCELED || why == -EACCES || why == -EFORBIDDEN ||
	       why == -ENOMEM || why == -ELOOP || why == -EMFILE;
}

/* What @s tells of its server by ending now; 0 nothing */
static unsigned int weigh(const struct session *s, int why, int side)
{
	bool answers = s->outbound->trouble->answers;
	bool waited = s->job.worker->now_ms - s->born_ms >= PATIENCE;

	if (s->net != NET_TCP || s->half[DOWN].total || is_ours(why))
		return 0;
	if (s->state == SES_RELAY)
		return s->half[UP].total && (side == 1 || !why || waited) ?
			       LIKELY :
			       0;
	if (s->state != SES_OPEN)
		return 0;
	if (side == 1)
		return s->unreached || !answers || why == -EPERM ? CERTAIN :
								   LIKELY;
	if (!waited)
		return 0;
	return answers ? LIKELY : NEARLY;
}

/* An unlikely target makes no server bad by being asked for often */
static bool same_target(struct trouble *t, const struct session *s)
{
	unsigned int h = addr_hash(&s->target, rand_key()) | 1;

	return atomic_exchange(&t->last, h) == h;
}

#define DIFFER \
	"id, password, path, serverName or clock differ from the server's, " \
	"whose log says which"

/* What to look at. @reached: there was a connection */
static const char *advice(int err, bool reached)
{
	if (err == EPERM)
		return "user or password";
	if (err == EKEYREJECTED)
		return "its certificate: a line of tls says what is wrong";
	if (reached)
		return DIFFER;
	switch (err) {
	case ECONNREFUSED:
		return "nothing listens there, or a firewall refuses";
	case ETIMEDOUT:
		return "no answer: address, port, or somebody on the way "
		       "drops it";
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
	case EADDRNOTAVAIL:
		return "this host has no way there: `culvert check`";
	case ENOENT:
		return "DNS does not know its name";
	case EIO:
		return "DNS does not answer for its name";
	default:
		return DIFFER;
	}
}

/* Once until it works again, and no more often than LOG_AGAIN_MS */
static bool may_tell(struct trouble *t)
{
	return !atomic_load(&t->told) && log_due(&t->told_ms, LOG_AGAIN_MS) &&
	       !atomic_exchange(&t->told, true);
}

static const char *what(const struct session *s, int err)
{
	if (s->state == SES_RELAY || !err)
		return "no answer comes through it";
	return err == ENOENT ? "no address" : strerror(err);
}

void trouble_end(const struct session *s, int why, int side)
{
	const struct outbound *ob = s->outbound;
	struct trouble *t = ob ? ob->trouble : NULL;
	unsigned int n = t ? weigh(s, why, side) : 0;
	int err = side == 1 ? -why : ETIMEDOUT;
	bool up = s->state == SES_RELAY || (side == 1 && !s->unreached);
	char text[ADDR_TEXT_MAX];

	if (!n || (same_target(t, s) && n != CERTAIN) ||
	    atomic_fetch_add(&t->fails, n) + n < CERTAIN || !may_tell(t))
		return;
	log_warning("outbound [%s]: %s does not work: %s (%s)", ob->tag,
		    addr_format(t->server, text, sizeof(text)), what(s, err),
		    advice(err, up));
}

void trouble_clear(const struct outbound *ob)
{
	struct trouble *t = ob->trouble;

	atomic_store(&t->fails, 0);
	if (atomic_load(&t->told) && atomic_exchange(&t->told, false))
		log_warning("outbound [%s]: works again", ob->tag);
}
