/*
 * fuzz_xhttp_dial.c - Servers' bytes to clients of XHTTP and gRPC
 *
 * First byte: which settings, what the client does; second: sizes of pieces; then
 * two lengths of two bytes: what the first and the second connection hear, the rest
 * is the third's.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/transport/transports.h"
#include "worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define CONNS   3
#define CLIENTS 2
#define TURNS   64
#define HEAD    6

enum { CONF = 7, TALK = 8, FINISH = 16, HASTY = 32, TWO = 64 };

static struct feed far[CONNS];
static uint8_t *heard[CONNS];
static unsigned int dialed;

static int far_dial(const struct transport *t, const struct dial *d,
		    const struct addr *to, struct stream **out)
{
	(void)t;
	(void)to;
	if (dialed == CONNS)
		return -ECONNREFUSED;
	far[dialed].s.job = d->job;
	*out = &far[dialed++].s;
	return 0;
}

static const struct transport_ops far_ops = { .name = "far", .dial = far_dial };
static const struct transport_ops tls_like = { .name = "far",
					       .secure = true,
					       .dial = far_dial };

/* One session at our end */
struct client {
	struct job job;
	struct stream *s;
	uint8_t how;
	unsigned int said;
};

static void client_run(struct job *j)
{
	struct client *c = container_of(j, struct client, job);
	uint8_t got[999];
	ssize_t n, put = -EAGAIN;

	if (!c->s)
		return;
	stream_shed(&c->s);
	if (c->how & TALK && c->said < 8)
		put = stream_write(c->s, "some words", 10);
	c->said += put > 0;
	if (c->how & FINISH && c->said > 2)
		(void)c->s->ops->finish(c->s);
	n = stream_read(c->s, got, sizeof(got));
	if ((n <= 0 && n != -EAGAIN) || (c->how & HASTY && n > 0) ||
	    (put < 0 && put != -EAGAIN && n < 0)) {
		stream_close(&c->s, n < 0 ? (int)n : 0);
		return;
	}
	c->s->ops->want(c->s, ST_READ | (put == -EAGAIN ? ST_WRITE : 0u));
	if (n > 0)
		job_ready(j);
}

static struct transport *levels(void)
{
	static struct transport t[6],
		far_t[2] = { { .ops = &far_ops }, { .ops = &tls_like } };
	static struct config cfg;
	static const char *const conf[] = {
		"{ \"path\": \"/x\", \"mode\": \"packet-up\", "
		"\"scMinPostsIntervalMs\": 0 }",
		"{ \"path\": \"/x\", \"mode\": \"stream-up\" }",
		"{ \"path\": \"/x\", \"mode\": \"stream-one\" }",
		"{ \"path\": \"/x\", \"mode\": \"packet-up\" }",
		"{ \"path\": \"/x\", \"mode\": \"stream-one\" }",
		"{ \"serviceName\": \"s\" }",
	};

	for (int i = 0; i < 6 && !t[i].ops; i++) {
		static struct diag all[6], *d;
		struct jobj o;

		d = &all[i];
		diag_init(d);
		t[i].ops = i < 5 ? &transport_xhttp_ops : &transport_grpc_ops;
		t[i].below = &far_t[i >= 3];
		MUST(j_open(
			&o, d,
			jdoc_parse(d, "c", conf[i], strlen(conf[i]))->root));
		MUST(t[i].ops->parse(&t[i], &o, &cfg) == 0 && !d->errors);
	}
	return t;
}

static void hears(int i, const uint8_t *p, size_t n, uint8_t how)
{
	heard[i] = malloc(n + 1);
	MUST(heard[i]);
	if (n)
		memcpy(heard[i], p, n);
	feed_init(&far[i], heard[i], n, how);
}

static void dial(struct worker *w, struct config *cfg, struct client *c,
		 uint8_t how)
{
	const struct transport *t = levels() + (how & CONF) % 6;
	struct addr to = { .kind = ADDR_V4, .port = 80 };
	struct dial d = { .worker = w, .job = &c->job, .cfg = cfg };

	*c = (struct client){ .job = { .run = client_run, .worker = w },
			      .how = how };
	if (t->ops->dial(t, &d, &to, &c->s) == 0)
		job_ready(&c->job);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct worker w;
	struct config cfg = { 0 };
	struct client c[CLIENTS];
	size_t at = HEAD;
	int clients;

	if (n < HEAD)
		return 0;
	worker_up_plain(&w, &cfg);
	dialed = 0;
	for (int i = 0; i < CONNS; i++) {
		size_t k = i < 2 ? get_be16(p + 2 + 2 * i) : n;

		if (k > n - at)
			k = n - at;
		hears(i, p + at, k, p[1]);
		at += k;
	}
	clients = p[0] & TWO ? 2 : 1;
	for (int i = 0; i < clients; i++)
		dial(&w, &cfg, &c[i], p[0]);
	for (int i = 0; i < TURNS && (w.ready_head || w.later_head); i++)
		worker_tick(&w, 0);
	for (int i = 0; i < clients; i++) {
		stream_close(&c[i].s, i ? 0 : -ECANCELED);
		job_forget(&c[i].job);
	}
	worker_tick(&w, 0);
	worker_fini(&w);
	for (int i = 0; i < CONNS; i++) {
		MUST(far[i].closed || i >= (int)dialed);
		free(heard[i]);
	}
	return 0;
}
