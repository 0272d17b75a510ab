/*
 * clash_feed.c - Answers without an end: traffic, memory, log lines, sessions
 *
 *   timer -> what there is to say -> out -> written as far as the reader takes it
 *
 * One JSON a line, or a WebSocket message each. A reader who does not take the last
 * one gets no other: a feed holds one message. What he sends is not looked at; that
 * he has gone shows when nothing can be written.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/api/clash.h"
#include "gateway/api/flows.h"
#include "gateway/api/jout.h"
#include "gateway/base/crypto.h"
#include "gateway/base/log_tail.h"
#include "gateway/core/session.h"
#include "proxy/wire/ws.h"

#define FEEDS_MAX    32u /* a worker */
#define FEED_OUT_MAX (16u << 20)
#define FEED_KEPT    (64u << 10) /* a buffer that is longer is given back */
#define INTERVAL_MS  1000u
#define INTERVAL_MIN 250u
#define INTERVAL_MAX 60000u
#define FEED_SIGN_MS 15000u /* nothing was said so long: a ping */
#define KEY_MAX      60u

/**
 * struct feed - One reader
 * @say:	Puts what there is into @text
 * @text:	A message being made; @out: what goes out, @sent of it went
 * @asked:	Workers are being asked
 * @said_ms:	When something was last said
 * @secret:	That was shown; another one, and it ends
 * @over:	Freed by the timer
 */
struct feed {
	struct job job; /* must be first */
	struct list node;
	struct timer timer;
	struct worker *worker;
	struct stream *s;
	void (*say)(struct feed *f);
	struct pb_out text, out;
	size_t sent;
	struct flows *asked;
	uint64_t moved[2];
	uint32_t interval_ms, said_ms, next_line;
	enum log_level level;
	bool ws, over;
	char secret[CLASH_SECRET_MAX + 1];
};

/** struct feed_room - Of one worker; ROOM_FEED */
struct feed_room {
	struct list feeds;
	unsigned int count;
};

/* --- life --- */

static void feed_free(struct feed *f)
{
	struct feed_room *r = f->worker->rooms[ROOM_FEED];

	r->count--;
	list_del(&f->node);
	timer_cancel(&f->timer);
	job_forget(&f->job);
	if (f->asked)
		flows_forget(f->asked);
	stream_close(&f->s, -ECANCELED);
	pb_free(&f->text);
	pb_free(&f->out);
	wipe(f->secret, sizeof(f->secret));
	free(f);
}

static void feed_end(struct feed *f, int why)
{
	stream_close(&f->s, why);
	f->over = true;
	timer_set(&f->worker->wheel, &f->timer, 0);
}

static void room_free(void *room)
{
	struct feed_room *r = room;
	struct list *p, *n;

	list_for_each_safe (p, n, &r->feeds)
		feed_free(container_of(p, struct feed, node));
	free(r);
}

static struct feed_room *room_get(struct worker *w)
{
	struct feed_room *r = w->rooms[ROOM_FEED];

	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	list_init(&r->feeds);
	w->rooms[ROOM_FEED] = r;
	w->room_free[ROOM_FEED] = room_free;
	return r;
}

/* --- going out --- */

static void push(struct feed *f)
{
	ssize_t n = 0;

	while (n >= 0 && f->sent < f->out.len) {
		n = stream_write(f->s, f->out.p + f->sent,
				 f->out.len - f->sent);
		if (n > 0)
			f->sent += (size_t)n;
	}
	if (n == -EAGAIN) {
		f->s->ops->want(f->s, ST_WRITE);
		return;
	}
	if (n < 0) {
		feed_end(f, (int)n);
		return;
	}
	f->sent = f->out.len = 0;
	if (f->out.cap > FEED_KEPT) {
		pb_free(&f->out);
		f->out = (struct pb_out){ .most = FEED_OUT_MAX };
	}
}

static void frame(struct feed *f, enum ws_opcode opcode, size_t n)
{
	struct ws_head h = { .fin = true, .opcode = opcode, .len = n };
	uint8_t head[WS_HEAD_MAX];
	ssize_t len = ws_head_encode(&h, head, sizeof(head));

	if (len > 0)
		pb_raw(&f->out, head, (size_t)len);
}

/* f->text is a message: it stands in f->out then */
static void end_message(struct feed *f)
{
	struct pb_out *t = &f->text;

	if (t->len && !t->bad) {
		if (f->ws)
			frame(f, WS_TEXT, t->len);
		pb_raw(&f->out, t->p, t->len);
		if (!f->ws)
			pb_raw(&f->out, "\n", 1);
		f->said_ms = f->worker->now_ms;
	}
	pb_free(t);
	*t = (struct pb_out){ .most = FEED_OUT_MAX };
}

/* Would he be let in today? A reload may have changed it */
static bool may_stay(const struct feed *f)
{
	const struct clash_conf *c = f->worker->cfg->clash;

	return c && !strcmp(c->secret, f->secret);
}

static void on_timer(struct timer *t)
{
	struct feed *f = container_of(t, struct feed, timer);
	uint32_t now = f->worker->now_ms;

	if (f->over) {
		feed_free(f);
		return;
	}
	if (!may_stay(f)) {
		feed_end(f, 0);
		return;
	}
	timer_set(&f->worker->wheel, &f->timer, f->interval_ms);
	if (f->out.len) { /* the last one did not go yet */
		push(f);
		return;
	}
	f->say(f);
	if (f->ws && !f->out.len && now - f->said_ms >= FEED_SIGN_MS) {
		frame(f, WS_PING, 0);
		f->said_ms = now;
	}
	if (f->out.bad)
		feed_end(f, -ENOMEM);
	else
		push(f);
}

static void feed_run(struct job *j)
{
	struct feed *f = container_of(j, struct feed, job);

	if (!f->over && f->out.len)
		push(f);
}

/* --- what is said --- */

static void say_traffic(struct feed *f)
{
	uint64_t was[2] = { f->moved[UP], f->moved[DOWN] };

	flows_moved(f->moved);
	jo(&f->text,
	   "{\"up\":%llu,\"down\":%llu,\"upTotal\":%llu,\"downTotal\":%llu}",
	   (unsigned long long)(f->moved[UP] - was[UP]),
	   (unsigned long long)(f->moved[DOWN] - was[DOWN]),
	   (unsigned long long)f->moved[UP],
	   (unsigned long long)f->moved[DOWN]);
	end_message(f);
}

static void say_memory(struct feed *f)
{
	jo(&f->text, "{\"inuse\":%llu,\"oslimit\":0}",
	   (unsigned long long)flows_memory());
	end_message(f);
}

static void say_line(void *arg, enum log_level level, const char *text,
		     size_t n)
{
	static const char *const words[] = {
		[LOG_ERROR] = "error",
		[LOG_WARNING] = "warning",
		[LOG_INFO] = "info",
		[LOG_DEBUG] = "debug",
	};
	struct feed *f = arg;

	if (level > f->level || level == LOG_NONE)
		return;
	jo(&f->text, "{\"type\":\"%s\",\"payload\":", words[level]);
	jo_quoted(&f->text, text, n);
	jo(&f->text, "}");
	end_message(f);
}

static void say_log(struct feed *f)
{
	log_tail_read(&f->next_line, say_line, f);
}

static void have_flows(const struct flows *flows, void *arg)
{
	struct feed *f = arg;

	f->asked = NULL;
	if (f->over)
		return;
	flows_put(flows, &f->text);
	end_message(f);
	push(f);
}

static void say_flows(struct feed *f)
{
	if (!f->asked)
		f->asked = flows_ask(f->worker, have_flows, f);
}

/* --- who asks --- */

/* 101 to a WebSocket's request, 200 else. 0 or -errno */
static int answer(const struct ask *a, bool ws)
{
	char text[KEY_MAX + 4], accept[WS_ACCEPT_TEXT], lines[512];
	struct http1_text key;
	int n;

	if (!ws)
		return a->rq->answer(a->rq->s, 200, clash_lines(a->cfg), true);
	if (!http1_header(a->rq->head, "sec-websocket-key", &key) ||
	    key.n > KEY_MAX)
		return -EPROTO;
	snprintf(text, sizeof(text), "%.*s", (int)key.n, key.p);
	if (ws_accept(text, accept) < 0)
		return -ENOMEM;
	n = snprintf(lines, sizeof(lines),
		     "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		     "Sec-WebSocket-Accept: %s\r\n",
		     accept);
	if (n < 0 || (size_t)n >= sizeof(lines))
		return -ENOBUFS;
	return a->rq->answer(a->rq->s, 101, lines, true);
}

static bool wants_ws(const struct ask *a)
{
	return http1_has_token(a->rq->head, "upgrade", "websocket");
}

/* NULL: it was answered */
static struct feed *begin(struct ask *a, void (*say)(struct feed *f))
{
	struct worker *w = a->rq->worker;
	struct feed_room *r = room_get(w);
	struct stream *s = a->rq->s;
	struct feed *f = NULL;

	if (r && r->count < FEEDS_MAX)
		f = calloc(1, sizeof(*f));
	if (!f) {
		call_refuse(a->rq, 503, "");
		return NULL;
	}
	if (answer(a, wants_ws(a)) < 0) {
		free(f);
		call_refuse(a->rq, 400, "");
		return NULL;
	}
	*f = (struct feed){ .job = { .run = feed_run, .worker = w },
			    .worker = w,
			    .s = s,
			    .say = say,
			    .text = { .most = FEED_OUT_MAX },
			    .out = { .most = FEED_OUT_MAX },
			    .interval_ms = ask_number(
				    a, "interval", INTERVAL_MS, INTERVAL_MAX),
			    .said_ms = w->now_ms,
			    .ws = wants_ws(a) };
	snprintf(f->secret, sizeof(f->secret), "%s", a->cfg->clash->secret);
	if (f->interval_ms < INTERVAL_MIN)
		f->interval_ms = INTERVAL_MIN;
	list_add_tail(&r->feeds, &f->node);
	r->count++;
	timer_init(&f->timer, on_timer);
	timer_set(&w->wheel, &f->timer, 0);
	stream_set_job(s, &f->job);
	return f;
}

void clash_traffic(struct ask *a)
{
	struct feed *f = begin(a, say_traffic);

	if (f)
		flows_moved(f->moved);
}

void clash_memory(struct ask *a)
{
	struct feed *f = begin(a, say_memory);

	if (!f)
		return;
	jo(&f->text, "{\"inuse\":0,\"oslimit\":0}"); /* graphs begin so */
	end_message(f);
}

void clash_logs(struct ask *a)
{
	static const struct {
		const char *word;
		enum log_level level;
	} words[] = { { "error", LOG_ERROR },
		      { "warning", LOG_WARNING },
		      { "debug", LOG_DEBUG } };
	struct feed *f = begin(a, say_log);
	char level[16];

	if (!f)
		return;
	f->interval_ms = INTERVAL_MIN;
	f->level = LOG_INFO;
	ask_param(a, "level", level, sizeof(level));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(words[i].word, level))
			f->level = words[i].level;
}

bool clash_flows_feed(struct ask *a)
{
	if (!wants_ws(a))
		return false;
	(void)begin(a, say_flows);
	return true;
}
