/*
 * fuzz_tls_ocsp.c - What a place that names an OCSP responder may answer
 *
 * First byte: bit 0: the issuer is known, else it is asked for first; the second
 * one: the size of the pieces and the end. Then, when the issuer is asked for, the
 * length (2) of that answer; the rest is the responder's. What is kept is an answer
 * that its issuer signed, and it lies inside of what came.
 */
#include <openssl/ssl.h>

#include "ocsp_certs.h"
#include "proxy/transport/tls.h"
#include "worker.h"

#define TICKS 20000 /* more than any exchange takes */

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct worker w;
static struct config cfg;
static struct tls_conf conf;
static struct tls_pairs *pairs;
static struct stack_st_X509 *chain;
static struct feed far[2];
static unsigned int dials;

/* --- instead of proxy/transport/raw.c ------------------------------------------- */

const struct transport transport_raw;

int transport_dial(const struct transport *t, const struct dial *d,
		   const struct addr *to, struct stream **out)
{
	(void)t;
	MUST(dials < 2);
	MUST(to->kind == ADDR_NAME ? to->name[to->len] == '\0' : to->port == 1);
	far[dials].s.job = d->job;
	*out = &far[dials++].s;
	return 0;
}

/* --- the level with one certificate ---------------------------------------------- */

static X509 *cert(const uint8_t *der, size_t n)
{
	X509 *x = d2i_X509(NULL, &der, (long)n);

	MUST(x);
	return x;
}

static void start(void)
{
	worker_up_plain(&w, &cfg);
	pairs = calloc(1, sizeof(*pairs) + sizeof(pairs->pair[0]));
	chain = sk_X509_new_null();
	MUST(pairs && chain);
	MUST(sk_X509_push(chain, cert(authority_der, sizeof(authority_der))));
	pairs->count = 1;
	pairs->pair[0].cert = cert(leaf_der, sizeof(leaf_der));
	pairs->pair[0].ocsp_s = 3600;
	conf.cfg = &cfg;
	conf.ocsp = true;
	atomic_init(&conf.pairs, pairs);
}

static void check_kept(const struct tls_staple *s, size_t most)
{
	unsigned int sum = 0;

	if (!s)
		return;
	MUST(s->len && s->len <= most && s->until > 0 && !s->older);
	for (size_t i = 0; i < s->len; i++)
		sum += s->der[i];
	MUST(sum); /* each byte was looked at */
}

/* How many bytes the first exchange has of what is left */
static size_t first_part(const uint8_t **p, size_t *n)
{
	size_t part;

	if (*n < 2)
		return 0;
	part = get_be16(*p);
	*p += 2;
	*n -= 2;
	return part < *n ? part : *n;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct tls_pair *pair;
	size_t part = 0;
	uint8_t how;
	bool known;

	if (n < 2)
		return 0;
	if (!pairs)
		start();
	pair = &pairs->pair[0];
	known = p[0] & 1;
	how = p[1];
	p += 2;
	n -= 2;
	pair->chain = known ? chain : NULL;
	if (!known)
		part = first_part(&p, &n);
	feed_init(&far[0], p, known ? n : part, how);
	feed_init(&far[1], p + part, n - part, how);
	dials = 0;
	atomic_store(&pair->ocsp_due_ms, 0);
	tls_ocsp_check(&conf, &w);
	MUST(dials == 1);
	for (int i = 0; i < TICKS && atomic_load(&conf.ocsp_busy); i++)
		worker_tick(&w, 0);
	MUST(!atomic_load(&conf.ocsp_busy));
	for (unsigned int i = 0; i < dials; i++)
		MUST(far[i].closed);
	check_kept(atomic_load(&pair->staple), n);
	tls_staples_free(pair);
	return 0;
}
