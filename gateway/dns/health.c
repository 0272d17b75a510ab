/* health.c - Which servers answer (contract: health.h) */
#include "gateway/dns/health.h"

#include <errno.h>

#include "gateway/base/clock.h"

bool health_answer(struct dns_health *h, uint32_t now_ms)
{
	atomic_store(&h->heard_ms, now_ms);
	atomic_store(&h->heard, true);
	return atomic_load(&h->down) && atomic_exchange(&h->down, false);
}

/* Does @err tell of us rather than of the server? */
static bool own_error(int err)
{
	return err == -ENOMEM || err == -ENOBUFS || err == -EMFILE ||
	       err == -ENFILE || err == -ECANCELED || err == -EINVAL;
}

bool health_fail(struct dns_health *h, uint32_t asked_ms, int err)
{
	if (own_error(err))
		return false;
	if (atomic_load(&h->heard) &&
	    !clock_before(atomic_load(&h->heard_ms), asked_ms))
		return false;
	return !atomic_exchange(&h->down, true);
}

bool health_down(const struct dns_health *h)
{
	return atomic_load(&h->down);
}

bool health_probe(struct dns_health *h)
{
	if (atomic_fetch_add(&h->probes, 1) < HEALTH_PROBES)
		return true;
	atomic_fetch_sub(&h->probes, 1);
	return false;
}

void health_probed(struct dns_health *h)
{
	atomic_fetch_sub(&h->probes, 1);
}
