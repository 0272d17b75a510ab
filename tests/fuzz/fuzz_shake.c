/*
 * fuzz_shake.c - What the other end says to each level that begins with HTTP
 *
 * First byte: level and side; second: the size of the pieces and the end. The
 * handshake, and what follows it, is read and written until the end comes; all
 * is closed then.
 */
#include "proxy/transport/transports.h"
#include "worker.h"

#define TURNS  4000
#define BIRTHS 8

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const struct level {
	const struct transport_ops *ops;
	const char *conf;
} levels[] = {
	{ &transport_ws_ops, "{ \"path\": \"/p\", \"host\": \"h.test\" }" },
	{ &transport_ws_ops,
	  "{ \"path\": \"/p?ed=64\", \"heartbeatPeriod\": 1 }" },
	{ &transport_httpupgrade_ops, "{ \"path\": \"/p\" }" },
	{ &transport_httpupgrade_ops, "{ \"path\": \"/p?ed=64\" }" },
	{ &transport_raw_ops, "{ \"header\": { \"type\": \"http\" } }" },
	{ &transport_grpc_ops, "{ \"serviceName\": \"s\" }" },
	{ &transport_grpc_ops,
	  "{ \"serviceName\": \"s\", \"multiMode\": true }" },
	{ &transport_xhttp_ops,
	  "{ \"path\": \"/p\", \"mode\": \"stream-one\" }" },
	{ &transport_xhttp_ops,
	  "{ \"path\": \"/p\", \"xPaddingBytes\": \"1-9\","
	  " \"scMinPostsIntervalMs\": 1, \"scMaxEachPostBytes\": 99 }" },
};

static struct worker w;
static struct config cfg;
static struct transport tops[ARRAY_SIZE(levels)][2];
static struct stream *born[BIRTHS];
static unsigned int born_count;
static struct job job;
static bool taken; /* somebody owns the feed */

static int feed_dial(const struct transport *t, const struct dial *d,
		     const struct addr *to, struct stream **out)
{
	struct feed *f = t->settings;

	(void)to;
	if (taken) /* a level of several connections gets one */
		return -ECONNREFUSED;
	taken = true;
	f->s.job = d->job;
	*out = &f->s;
	return 0;
}

static const struct transport_ops feed_transport = { .name = "feed",
						     .dial = feed_dial };
static struct transport bottom = { .ops = &feed_transport };

static void idle(struct job *j)
{
	(void)j;
}

static void start(void)
{
	worker_up_plain(&w, &cfg);
	job = (struct job){ .run = idle, .worker = &w };
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		for (int side = 0; side < 2; side++) {
			struct transport *t = &tops[i][side];
			struct diag d;
			struct jobj o;

			diag_init(&d);
			MUST(jdoc_parse(&d, "c", levels[i].conf,
					strlen(levels[i].conf)));
			MUST(j_open(&o, &d, d.docs->root));
			*t = (struct transport){ .ops = levels[i].ops,
						 .below = &bottom,
						 .server = side };
			MUST(t->ops->parse(t, &o, &cfg) == 0 && !d.errors);
			diag_free(&d);
		}
}

static int on_born(const struct birth *b, struct worker *at, struct stream *s)
{
	(void)b;
	(void)at;
	if (born_count == BIRTHS)
		return -EMFILE;
	born[born_count++] = s;
	stream_set_job(s, &job);
	return 0;
}

/* The stream on top, or those that come to life later. 0 or -errno */
static int open_top(const struct transport *t, struct feed *f)
{
	struct addr to = addr_name("h.test", 6, 443);
	struct dial d = { .worker = &w, .job = &job, .cfg = &cfg };
	struct birth b = { .cfg = &cfg, .born = on_born };
	int rc;

	if (!t->server && t->ops != &transport_raw_ops) {
		rc = t->ops->dial(t, &d, &to, &born[0]);
		born_count = rc == 0;
		return rc;
	}
	if (t->ops->serve)
		return t->ops->serve(t, &w, &f->s, &b);
	rc = t->ops->accept(t, &w, &f->s, &born[0]);
	born_count = rc == 0;
	return rc;
}

/* Reads and writes one stream; closes it at its end */
static void use(struct stream **s, unsigned int turn)
{
	static const uint8_t said[300] = { 1 };
	uint8_t b[4096];
	ssize_t n;

	stream_shed(s);
	n = stream_read(*s, b, turn % 3 ? sizeof(b) : 1);
	if (turn < 64 && (n > 0 || n == -EAGAIN))
		(void)stream_write(*s, said, turn % sizeof(said) + 1);
	if (n == 0)
		n = (*s)->ops->finish(*s);
	if (n >= 0 || n == -EAGAIN)
		(*s)->ops->want(*s, ST_READ | ST_WRITE);
	else
		stream_close(s, (int)n);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const struct transport *t;
	struct feed f;
	int rc;

	if (n < 2)
		return 0;
	if (!w.scratch)
		start();
	t = &tops[p[0] / 2 % ARRAY_SIZE(levels)][p[0] % 2];
	feed_init(&f, p + 2, n - 2, p[1]);
	f.s.job = &job;
	bottom.settings = &f;
	born_count = 0;
	taken = t->server || t->ops == &transport_raw_ops;
	rc = open_top(t, &f);
	MUST(rc != -ENOMEM);
	if (rc < 0 && taken)
		feed_close(&f.s, rc);
	for (unsigned int i = 0, rest = 0; i < TURNS && rest < 50; i++) {
		worker_tick(&w, 0);
		for (unsigned int k = 0; k < born_count; k++)
			if (born[k])
				use(&born[k], i);
		rest += f.closed || !f.n;
	}
	for (unsigned int k = 0; k < born_count; k++)
		stream_close(&born[k], 0);
	for (unsigned int i = 0; i < 100 && !f.closed; i++)
		worker_tick(&w, 0);
	if (w.rooms[ROOM_XHTTP]) /* flows that wait for their other half */
		w.room_free[ROOM_XHTTP](w.rooms[ROOM_XHTTP]);
	w.rooms[ROOM_XHTTP] = NULL;
	for (unsigned int i = 0; i < 100 && !f.closed; i++)
		worker_tick(&w, 0);
	MUST(f.closed || !taken);
	job_forget(&job);
	return 0;
}
