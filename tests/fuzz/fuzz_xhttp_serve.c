/*
 * fuzz_xhttp_serve.c - Clients' bytes to servers of XHTTP and gRPC
 *
 * First byte: which settings, how sessions behave; second: sizes of pieces; then
 * two lengths of two bytes: what the first and the second connection say, the rest
 * is the third's. One of HTTP/2 gets the words it begins with.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/transport/transports.h"
#include "worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define CONNS    3
#define SESSIONS 32
#define TURNS    64
#define HEAD     6

enum {
	CONF = 3,
	HTTP2 = 4,
	DEAF = 8,
	ECHO = 16,
	HASTY = 32,
	LATE = 64,
	TIGHT = 128
};

static const char begin[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
			    "\0\0\0\4\0\0\0\0\0";

/* A way back that is nearly full: a few bytes every other call */
static ssize_t tight_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	static bool later;
	struct iovec some = { 0 };

	later = !later;
	for (int i = 0; i < cnt && !some.iov_len; i++)
		some = iov[i];
	if (some.iov_len > 99)
		some.iov_len = 99;
	return later && some.iov_len ? -EAGAIN : feed_writev(s, &some, 1);
}

/* One session: an owner of the stream that was born */
struct owner {
	struct job job;
	struct stream *s;
	uint8_t how;
	size_t heard;
};

static struct owner owners[SESSIONS];
static unsigned int owner_count;
static uint8_t owner_how;

static void owner_run(struct job *j)
{
	struct owner *o = container_of(j, struct owner, job);
	uint8_t got[999];
	ssize_t n;

	if (!o->s)
		return;
	stream_shed(&o->s);
	n = stream_read(o->s, got, sizeof(got));
	o->heard += n > 0 ? (size_t)n : 0;
	if (n > 0 && o->how & ECHO && o->s->ops->up(o->s))
		(void)stream_write(o->s, got, (size_t)n);
	if ((n <= 0 && n != -EAGAIN) || (o->how & HASTY && o->heard > 3)) {
		(void)stream_write(o->s, "end", 3);
		n = n < 0 ? n : o->s->ops->finish(o->s);
		if (n != -EAGAIN || o->how & HASTY) {
			stream_close(&o->s, n < 0 ? (int)n : 0);
			return;
		}
	}
	o->s->ops->want(o->s, ST_READ | (n == -EAGAIN ? 0u : ST_WRITE));
	if (n > 0)
		job_ready(j);
}

static int on_born(const struct birth *b, struct worker *w, struct stream *s)
{
	struct owner *o = owners + owner_count;

	(void)b;
	if (owner_how & DEAF || owner_count == SESSIONS)
		return -ENOMEM;
	*o = (struct owner){ .job = { .run = owner_run, .worker = w },
			     .s = s,
			     .how = owner_how };
	owner_count++;
	stream_set_job(s, &o->job);
	job_ready(&o->job);
	return 0;
}

static struct transport *levels(void)
{
	static struct transport t[3];
	static struct config cfg;
	static const char *const conf[] = {
		"{ \"path\": \"/x\", \"scMaxEachPostBytes\": 3000 }",
		"{ \"path\": \"/x\", \"mode\": \"packet-up\", "
		"\"uplinkDataPlacement\": \"cookie\", "
		"\"uplinkDataKey\": \"d\", \"seqPlacement\": \"header\", "
		"\"sessionIDPlacement\": \"query\", "
		"\"xPaddingBytes\": \"1-10\" }",
		"{ \"serviceName\": \"s\" }",
	};

	for (int i = 0; i < 3 && !t[i].ops; i++) {
		static struct diag all[3], *d;
		struct jobj o;

		d = &all[i];
		diag_init(d);
		t[i].ops = i < 2 ? &transport_xhttp_ops : &transport_grpc_ops;
		t[i].server = true;
		MUST(j_open(
			&o, d,
			jdoc_parse(d, "c", conf[i], strlen(conf[i]))->root));
		MUST(t[i].ops->parse(&t[i], &o, &cfg) == 0 && !d->errors);
	}
	return t;
}

/* A connection that says the @n bytes at @p, in memory of their size */
static uint8_t *come(struct worker *w, struct config *cfg, struct feed *f,
		     const uint8_t *p, size_t n, const uint8_t *how)
{
	const struct transport *t = levels() + (how[0] & CONF) % 3;
	struct birth b = { .cfg = cfg, .born = on_born };
	bool h2 = how[0] & HTTP2 || (how[0] & CONF) == 2;
	size_t more = h2 ? sizeof(begin) - 1 : 0;
	uint8_t *all = malloc(more + n + 1);
	static struct stream_ops tight;

	MUST(all);
	memcpy(all, begin, more);
	if (n)
		memcpy(all + more, p, n);
	feed_init(f, all, more + n, how[1]);
	if (how[0] & TIGHT) {
		tight = feed_ops;
		tight.writev = tight_writev;
		f->s.ops = &tight;
	}
	MUST(t->ops->serve(t, w, &f->s, &b) == 0);
	return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct worker w;
	struct config cfg = { 0 };
	struct feed f[CONNS];
	uint8_t *said[CONNS];
	size_t at[CONNS + 1];

	if (n < HEAD)
		return 0;
	worker_up_plain(&w, &cfg);
	owner_count = 0;
	owner_how = p[0];
	at[0] = HEAD;
	for (int i = 0; i < 2; i++) {
		at[i + 1] = at[i] + get_be16(p + 2 + 2 * i);
		if (at[i + 1] > n)
			at[i + 1] = n;
	}
	at[3] = n;
	for (int i = 0; i < CONNS; i++) {
		said[i] =
			come(&w, &cfg, &f[i], p + at[i], at[i + 1] - at[i], p);
		if (p[0] & LATE)
			worker_tick(&w, 0);
	}
	for (int i = 0; i < TURNS && (w.ready_head || w.later_head); i++)
		worker_tick(&w, 0);
	for (unsigned int i = 0; i < owner_count; i++) {
		stream_close(&owners[i].s, i & 1 ? 0 : -ECANCELED);
		job_forget(&owners[i].job);
	}
	worker_tick(&w, 0);
	worker_fini(&w);
	for (int i = 0; i < CONNS; i++) {
		MUST(f[i].closed);
		free(said[i]);
	}
	return 0;
}
