/*
 * tls_ocsp.c - Asking an authority whether a certificate still holds
 *
 *   a client comes, an answer is due -> [GET the issuer] -> POST the question
 *   -> the answer is judged and kept (tls_staple.c)
 *
 * One fetch a level at a time, by HTTP/1.0 over an own (marked) socket of the
 * worker the client came to, past routing as Xray does it. Nobody waits for it:
 * handshakes meanwhile go without, or with the answer of before. It ends within
 * FETCH_MS, and when it failed the next one is RETRY_MS later.
 * Source: RFC 6960 appendix A.1; xray.md section M; Xray common/ocsp/ocsp.go
 */
#include <openssl/err.h>
#include <openssl/http.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "proxy/transport/tls.h"
#include "proxy/wire/http1.h"

#define FETCH_MS 15000u
#define RETRY_MS 60000u
#define HEAD_MAX 2048 /* of our request */
#define BODY_MAX (TLS_OCSP_MAX + HTTP1_HEAD_MAX)

/**
 * struct tls_fetch - One answer on its way
 * @job:	Moves it; @timer: its end, in both senses: the only place that frees
 * @list, @next:	The worker's fetches
 * @issuer:	Fetched; NULL: of the chain
 * @getting:	The issuer, not yet the answer
 * @in, @out:	The HTTP exchange
 * @name:	Backs @to.name
 * @why:	"": it went well
 */
struct tls_fetch {
	struct job job;
	struct timer timer;
	struct tls_fetch **list, *next;
	struct tls_conf *conf;
	struct tls_pairs *pairs;
	struct tls_pair *pair;
	X509 *issuer;
	struct stream *s;
	struct buf *in, *out;
	struct addr to;
	bool getting, over;
	char name[256], why[160];
};

/* 0 is kept for "never asked" */
static void due_in(struct tls_pair *p, const struct worker *w, uint32_t ms)
{
	atomic_store(&p->ocsp_due_ms, (w->now_ms + ms) | 1u);
}

/* --- the end --- */

static void fetch_free(struct tls_fetch *f)
{
	for (struct tls_fetch **at = f->list; *at; at = &(*at)->next)
		if (*at == f) {
			*at = f->next;
			break;
		}
	job_forget(&f->job);
	timer_cancel(&f->timer);
	stream_close(&f->s, f->why[0] ? -ECANCELED : 0);
	buf_free(f->in);
	buf_free(f->out);
	X509_free(f->issuer);
	atomic_fetch_sub(&f->pairs->users, 1);
	atomic_store(&f->conf->ocsp_busy, false);
	config_unref(f->conf->cfg); /* f->conf may be gone now */
	free(f);
}

static void fetch_timer(struct timer *t)
{
	struct tls_fetch *f = container_of(t, struct tls_fetch, timer);
	struct tls_pair *p = f->pair;

	if (!f->over)
		snprintf(f->why, sizeof(f->why), "no answer in %u s",
			 FETCH_MS / 1000);
	if (!f->why[0]) {
		log_info("tls: OCSP answer fetched");
		due_in(p, f->job.worker, p->ocsp_s * 1000u);
		atomic_store(&p->ocsp_told, false);
	} else if (!atomic_exchange(&p->ocsp_told, true)) {
		log_warning("tls: no OCSP answer: %s", f->why);
	}
	fetch_free(f);
}

/* Nothing is freed during a turn's jobs */
static void fetch_over(struct tls_fetch *f)
{
	f->over = true;
	timer_set(&f->job.worker->wheel, &f->timer, 0);
}

void tls_ocsp_stop(struct tls_fetch *all)
{
	while (all) {
		struct tls_fetch *next = all->next;

		fetch_free(all);
		all = next;
	}
}

/* --- one exchange --- */

/* A URL of the certificate's; malloc'ed by OpenSSL. NULL: none */
static char *cert_url(const X509 *cert, int kind)
{
	AUTHORITY_INFO_ACCESS *all =
		X509_get_ext_d2i(cert, NID_info_access, NULL, NULL);
	char *url = NULL;

	for (int i = 0; !url && i < sk_ACCESS_DESCRIPTION_num(all); i++) {
		const ACCESS_DESCRIPTION *a =
			sk_ACCESS_DESCRIPTION_value(all, i);

		if (OBJ_obj2nid(a->method) != kind ||
		    a->location->type != GEN_URI)
			continue;
		url = OPENSSL_strndup(
			(const char *)ASN1_STRING_get0_data(a->location->d.ia5),
			(size_t)ASN1_STRING_length(a->location->d.ia5));
	}
	AUTHORITY_INFO_ACCESS_free(all);
	return url;
}

/* What stands in a request line must not end it */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= 0x20 ||
		    (unsigned char)*text >= 0x7f)
			return false;
	return true;
}

/* Host and port to f->to, the request to f->out. 0 or -errno */
static int fetch_request(struct tls_fetch *f, const char *host, int port,
			 const char *path, const uint8_t *body, size_t n)
{
	char head[HEAD_MAX];
	bool v6 = strchr(host, ':');
	int len = snprintf(head, sizeof(head),
			   "%s %s HTTP/1.0\r\nHost: %s%s%s\r\n",
			   body ? "POST" : "GET", path, v6 ? "[" : "", host,
			   v6 ? "]" : "");

	if (body && len > 0 && len < HEAD_MAX)
		len += snprintf(head + len, sizeof(head) - (size_t)len,
				"Content-Type: application/ocsp-request\r\n"
				"Content-Length: %zu\r\n",
				n);
	if (len < 0 || len >= HEAD_MAX || !is_plain(host) || !is_plain(path))
		return -EINVAL;
	if (addr_parse_ip(&f->to, host) < 0) {
		int k = addr_clean_name(host, strlen(host), f->name);

		if (k <= 0)
			return -EINVAL;
		f->to = addr_name(f->name, (size_t)k, 0);
	}
	f->to.port = (uint16_t)port;
	f->out = buf_new((size_t)len + 2 + n);
	if (!f->out)
		return -ENOMEM;
	buf_put(f->out, head, (size_t)len);
	buf_put(f->out, "\r\n", 2);
	return n ? buf_put(f->out, body, n) : 0;
}

static int fetch_dial(struct tls_fetch *f)
{
	struct dial d = { .worker = f->job.worker,
			  .job = &f->job,
			  .cfg = f->conf->cfg };

	return transport_dial(&transport_raw, &d, &f->to, &f->s);
}

/* One exchange with what the certificate names as @kind. 0, -errno with @why */
static int fetch_url(struct tls_fetch *f, int kind, const uint8_t *body,
		     size_t n)
{
	char *url = cert_url(f->pair->cert, kind);
	char *host = NULL, *path = NULL;
	int port = 0, ssl = 0, rc = -EINVAL;

	if (!url) {
		snprintf(f->why, sizeof(f->why), "the certificate names no %s",
			 kind == NID_ad_OCSP ? "OCSP responder" :
					       "place of its issuer");
		return -ENOENT;
	}
	if (OSSL_HTTP_parse_url(url, &ssl, NULL, &host, NULL, &port, &path,
				NULL, NULL) == 1 &&
	    !ssl && port > 0 && port <= UINT16_MAX)
		rc = fetch_request(f, host, port, path, body, n);
	if (rc == 0)
		rc = fetch_dial(f);
	if (rc < 0)
		snprintf(f->why, sizeof(f->why), "%s: %s",
			 is_plain(url) ? url : "?", strerror(-rc));
	OPENSSL_free(host);
	OPENSSL_free(path);
	OPENSSL_free(url);
	ERR_clear_error();
	return rc;
}

static int fetch_answer(struct tls_fetch *f)
{
	X509 *issuer = f->issuer ? f->issuer : tls_ocsp_issuer(f->pair);
	uint8_t *der = NULL;
	int n = tls_ocsp_question(f->pair, issuer, &der), rc;

	f->getting = false;
	if (n < 0) {
		snprintf(f->why, sizeof(f->why), "%s", strerror(-n));
		return n;
	}
	rc = fetch_url(f, NID_ad_OCSP, der, (size_t)n);
	free(der);
	return rc;
}

static int fetch_begin(struct tls_fetch *f)
{
	if (tls_ocsp_issuer(f->pair))
		return fetch_answer(f);
	f->getting = true;
	return fetch_url(f, NID_ad_ca_issuers, NULL, 0);
}

/* --- what came --- */

static int take_issuer(struct tls_fetch *f, const uint8_t *p, size_t n)
{
	f->issuer = d2i_X509(NULL, &p, (long)n);
	if (f->issuer &&
	    X509_check_issued(f->issuer, f->pair->cert) == X509_V_OK)
		return 0;
	ERR_clear_error();
	snprintf(f->why, sizeof(f->why), "what came is not the issuer");
	return -EINVAL;
}

/* All of a response is in f->in. 1: and the next exchange has begun */
static int take_all(struct tls_fetch *f)
{
	struct http1_head head;
	ssize_t n = http1_response_decode(buf_head(f->in), f->in->len, &head);
	X509 *issuer = f->issuer ? f->issuer : tls_ocsp_issuer(f->pair);
	const uint8_t *body = buf_head(f->in) + (n > 0 ? n : 0);
	size_t len = f->in->len - (size_t)(n > 0 ? n : 0);
	int rc;

	if (n <= 0 || head.status != 200) {
		snprintf(f->why, sizeof(f->why),
			 n <= 0 ? "no HTTP answer" : "HTTP status %u",
			 n <= 0 ? 0u : head.status);
		return -EPROTO;
	}
	if (!f->getting)
		return tls_ocsp_accept(f->pair, issuer, body, len, f->why,
				       sizeof(f->why));
	rc = take_issuer(f, body, len);
	stream_close(&f->s, rc);
	buf_free(f->in);
	buf_free(f->out);
	f->in = f->out = NULL;
	if (rc == 0)
		rc = fetch_answer(f);
	return rc < 0 ? rc : 1;
}

/* A response with a length may be whole before the end */
static bool is_whole(struct buf *in)
{
	struct http1_head head;
	struct http1_text value;
	char text[12];
	ssize_t n = http1_response_decode(buf_head(in), in->len, &head);

	if (n <= 0 || !http1_header(&head, "content-length", &value) ||
	    value.n >= sizeof(text))
		return false;
	memcpy(text, value.p, value.n);
	text[value.n] = '\0';
	return in->len - (size_t)n >= strtoul(text, NULL, 10);
}

/* Send what is left. 0, -EAGAIN, -errno */
static int fetch_send(struct tls_fetch *f)
{
	while (f->out->len) {
		ssize_t n = stream_write(f->s, buf_head(f->out), f->out->len);

		if (n < 0)
			return (int)n;
		buf_drop(f->out, (size_t)n);
	}
	return 0;
}

/* 0 the response is whole, -EAGAIN, -errno */
static int fetch_receive(struct tls_fetch *f)
{
	uint8_t some[4096];
	ssize_t n;

	if (!f->in)
		f->in = buf_new(BODY_MAX);
	if (!f->in)
		return -ENOMEM;
	do {
		n = stream_read(f->s, some, sizeof(some));
		if (n > 0 && buf_put(f->in, some, (size_t)n) < 0)
			return -EMSGSIZE;
	} while (n > 0);
	return n == -EAGAIN && is_whole(f->in) ? 0 : (int)n;
}

static void fetch_run(struct job *j)
{
	struct tls_fetch *f = container_of(j, struct tls_fetch, job);
	int rc;

	if (f->over)
		return;
	do {
		stream_shed(&f->s);
		rc = fetch_send(f);
		if (rc == 0)
			rc = fetch_receive(f);
		if (rc == -EAGAIN) {
			f->s->ops->want(
				f->s, ST_READ | (f->out->len ? ST_WRITE : 0u));
			return;
		}
		if (rc == 0)
			rc = take_all(f);
		else
			snprintf(f->why, sizeof(f->why), "%s", strerror(-rc));
	} while (rc > 0);
	fetch_over(f);
}

/* --- the beginning --- */

static void fetch_start(struct tls_conf *c, struct tls_pairs *all,
			struct tls_pair *p, struct worker *w)
{
	struct tls_fetch **list = tls_fetches(w);
	struct tls_fetch *f = list ? calloc(1, sizeof(*f)) : NULL;

	if (!f) {
		atomic_store(&c->ocsp_busy, false);
		return;
	}
	f->job = (struct job){ .run = fetch_run, .worker = w };
	timer_init(&f->timer, fetch_timer);
	timer_set(&w->wheel, &f->timer, FETCH_MS);
	f->conf = c;
	config_ref(c->cfg);
	atomic_fetch_add(&all->users, 1);
	f->pairs = all;
	f->pair = p;
	f->list = list;
	f->next = *list;
	*list = f;
	if (fetch_begin(f) < 0)
		fetch_over(f);
	else
		job_ready(&f->job);
}

static struct tls_pair *due(struct tls_pairs *all, uint32_t now)
{
	for (unsigned int i = 0; i < all->count; i++) {
		struct tls_pair *p = &all->pair[i];
		unsigned int at = atomic_load(&p->ocsp_due_ms);

		/* 0: never asked */
		if (p->ocsp_s && (!at || clock_before(at, now)))
			return p;
	}
	return NULL;
}

void tls_ocsp_check(struct tls_conf *c, struct worker *w)
{
	struct tls_pairs *all = atomic_load(&c->pairs);
	struct tls_pair *p = all ? due(all, w->now_ms) : NULL;

	if (!p || atomic_exchange(&c->ocsp_busy, true))
		return;
	due_in(p, w, RETRY_MS);
	fetch_start(c, all, p, w);
}
