/* test_worker.c - The loop: turns, jobs, messages, watches, timers, ends */
#include "tests/unit/cm.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/unit/alloc_fail.h"
#include "tests/unit/loop.h"

static struct loop l;

static int begin(void **state)
{
	(void)state;
	loop_init(&l);
	return 0;
}

static int end(void **state)
{
	(void)state;
	loop_fini(&l);
	return 0;
}

/**
 * struct step - A job that writes its letter, then does something
 * @again:	Marks itself ready; @other: marks this one; @drop: forgets it
 */
struct step {
	struct job job;
	char letter;
	bool again;
	struct step *other, *drop;
};

static char trace[64];
static size_t traced;

static void step_run(struct job *j)
{
	struct step *s = container_of(j, struct step, job);

	assert_true(traced < sizeof(trace) - 1);
	trace[traced++] = s->letter;
	trace[traced] = '\0';
	if (s->again)
		job_ready(j);
	if (s->other)
		job_ready(&s->other->job);
	if (s->drop)
		job_forget(&s->drop->job);
}

static void steps(struct step *v, size_t n)
{
	traced = 0;
	trace[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		v[i].job.run = step_run;
		v[i].job.worker = &l.w;
		v[i].letter = (char)('a' + (int)i);
	}
}

static void jobs_run_in_order_and_once(void **state)
{
	struct step v[3] = { 0 };

	(void)state;
	steps(v, 3);
	job_ready(&v[1].job);
	job_ready(&v[0].job);
	job_ready(&v[1].job);
	job_ready(&v[2].job);
	worker_tick(&l.w, 0);
	assert_string_equal(trace, "bac");
	worker_tick(&l.w, 0);
	assert_string_equal(trace, "bac");
}

static void a_job_gets_one_turn_a_tick(void **state)
{
	struct step v[3] = { 0 };

	(void)state;
	steps(v, 3);
	v[0].again = true;
	v[0].other = &v[1]; /* new in this turn: runs in it */
	v[1].other = &v[0]; /* ran already: for the next */
	job_ready(&v[0].job);
	worker_tick(&l.w, 0);
	assert_string_equal(trace, "ab");
	v[0].again = false;
	v[0].other = v[1].other = NULL;
	job_ready(&v[2].job);
	worker_tick(&l.w, 0);
	assert_string_equal(trace, "abac"); /* what waited comes first */
	worker_tick(&l.w, 0);
	assert_string_equal(trace, "abac");
}

static void a_forgotten_job_does_not_run(void **state)
{
	struct step v[4] = { 0 };

	(void)state;
	steps(v, 4);
	for (int i = 0; i < 4; i++)
		job_ready(&v[i].job);
	job_forget(&v[1].job); /* in the middle */
	job_forget(&v[3].job); /* at the end */
	job_forget(&v[3].job);
	v[0].drop = &v[2]; /* by a job that runs before it */
	worker_tick(&l.w, 0);
	assert_string_equal(trace, "a");
	job_ready(&v[3].job); /* the queue is whole */
	worker_tick(&l.w, 0);
	assert_string_equal(trace, "ad");
}

static void forgetting_what_waits_for_the_next_turn(void **state)
{
	struct step v[3] = { 0 };

	(void)state;
	steps(v, 3);
	for (int i = 0; i < 3; i++) {
		v[i].again = true;
		job_ready(&v[i].job);
	}
	worker_tick(&l.w, 0);
	assert_string_equal(trace, "abc");
	for (int i = 0; i < 3; i++)
		v[i].again = false;
	job_forget(&v[2].job);
	job_forget(&v[0].job);
	worker_tick(&l.w, 0);
	assert_string_equal(trace, "abcb");
}

/* Against a list that is simply kept in order, 20,000 random steps */
static void queues_stay_whole(void **state)
{
	static struct step v[8];
	unsigned int seed = 5;

	(void)state;
	memset(v, 0, sizeof(v));
	steps(v, 8);
	for (int i = 0; i < 20000; i++) {
		struct step *s = &v[rand_r(&seed) % 8];

		traced = 0;
		switch (rand_r(&seed) % 4) {
		case 0:
			job_forget(&s->job);
			assert_false(s->job.queued);
			break;
		case 1:
			s->again = !s->again;
			break;
		case 2:
			s->drop = &v[rand_r(&seed) % 8];
			break;
		default:
			job_ready(&s->job);
			assert_true(s->job.queued);
		}
		if (i % 5 == 0)
			worker_tick(&l.w, 0);
	}
	for (int i = 0; i < 8; i++) {
		v[i].again = false;
		v[i].drop = NULL;
	}
	worker_tick(&l.w, 0);
	worker_tick(&l.w, 0);
	assert_null(l.w.ready_head);
	assert_null(l.w.later_head);
}

/* --- messages ----------------------------------------------------------------- */

#define MESSAGES 5000

struct numbered {
	struct message m; /* must be first */
	int n;
};

static int last_number;

static void take_number(struct worker *w, struct message *m)
{
	struct numbered *x = container_of(m, struct numbered, m);

	assert_ptr_equal(w, worker_self);
	assert_int_equal(x->n, last_number + 1);
	last_number = x->n;
	free(x);
}

static void *post_all(void *arg)
{
	(void)arg;
	for (int i = 1; i <= MESSAGES; i++) {
		struct numbered *x = malloc(sizeof(*x));

		if (!x)
			abort();
		x->m.fn = take_number;
		x->n = i;
		worker_post(&l.w, &x->m);
	}
	return NULL;
}

static void messages_of_another_thread_come_in_order(void **state)
{
	pthread_t t;

	(void)state;
	last_number = 0;
	assert_int_equal(pthread_create(&t, NULL, post_all, NULL), 0);
	for (int i = 0; i < 5000 && last_number < MESSAGES; i++)
		worker_tick(&l.w, 10);
	pthread_join(t, NULL);
	assert_int_equal(last_number, MESSAGES);
	for (int i = 0; i < 3;
	     i++) /* the last call to wake may come only now */
		worker_tick(&l.w, 0);
	assert_false(l.w.wake_job.queued); /* no spinning afterwards */
}

/* One wakeup, and one turn, for all that come before the worker looks */
static void many_messages_cost_one_wakeup(void **state)
{
	uint64_t calls = 0;

	(void)state;
	for (int round = 0; round < 2; round++) {
		last_number = 0;
		post_all(NULL);
		assert_int_equal(read(l.w.wakefd, &calls, sizeof(calls)),
				 sizeof(calls));
		assert_int_equal(calls, 1);
		assert_int_equal(write(l.w.wakefd, &calls, sizeof(calls)),
				 sizeof(calls));
		worker_tick(&l.w, 1000);
		assert_int_equal(last_number, MESSAGES);
		assert_false(l.w.wake_job.queued);
	}
}

static void post_stop(struct worker *w, struct message *m)
{
	(void)m;
	w->stop = true;
}

static void *stop_soon(void *arg)
{
	usleep(30000);
	worker_post(&l.w, arg);
	return NULL;
}

static void a_sleeping_worker_is_woken(void **state)
{
	struct message m = { .fn = post_stop };
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, stop_soon, &m), 0);
	worker_run(&l.w); /* waits without a limit */
	assert_true(l.w.stop);
	pthread_join(t, NULL);
}

/* --- descriptors and timers ----------------------------------------------------- */

static void a_watch_tells_edges_until_used_up(void **state)
{
	struct watch wt;
	int sv[2];
	char c;

	(void)state;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(watch_add(&l.w, &wt, sv[0], &l.job), 0);
	watch_want(&wt, ST_READ);
	worker_tick(&l.w, 20);
	assert_int_equal(l.runs, 0);
	assert_true(wt.ready & ST_WRITE); /* seen, but not wanted */
	assert_int_equal(write(sv[1], "x", 1), 1);
	worker_tick(&l.w, 1000);
	assert_int_equal(l.runs, 1);
	watch_want(&wt, ST_READ); /* still there: at once */
	worker_tick(&l.w, 0);
	assert_int_equal(l.runs, 2);
	assert_int_equal(read(sv[0], &c, 1), 1);
	watch_used_up(&wt, ST_READ);
	watch_want(&wt, ST_READ);
	worker_tick(&l.w, 20);
	assert_int_equal(l.runs, 2);
	close(sv[1]);
	worker_tick(&l.w, 1000);
	assert_int_equal(l.runs, 3);
	watch_del(&l.w, &wt);
	watch_del(&l.w, &wt); /* harmless */
	close(sv[0]);
}

/* Fill @fd's buffer */
static void fill(int fd)
{
	static const char block[4096];

	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, EAGAIN);
}

static void drain(int fd)
{
	static char block[65536];

	while (read(fd, block, sizeof(block)) > 0)
		;
}

/* Something is told, and read: with room, as epoll tells of both directions */
static void tick_read(struct watch *wt, int far)
{
	assert_int_equal(write(far, "x", 1), 1);
	worker_tick(&l.w, 0);
	assert_true(wt->ready & ST_READ);
	drain(wt->fd);
	watch_used_up(wt, ST_READ);
}

static void an_open_watch_asks_for_room_once_it_was_refused(void **state)
{
	struct watch wt;
	int sv[2];

	(void)state;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(watch_add_open(&l.w, &wt, sv[0], &l.job), 0);
	assert_int_equal(wt.ready, ST_WRITE);
	fill(sv[0]);
	watch_used_up(&wt, ST_WRITE);
	assert_false(wt.no_out);
	watch_want(&wt, ST_WRITE);
	worker_tick(&l.w, 0);
	assert_int_equal(wt.ready, 0);
	drain(sv[1]);
	worker_tick(&l.w, 0);
	assert_int_equal(wt.ready, ST_WRITE);
	/* room that came before it was asked for is told, too */
	fill(sv[0]);
	wt.no_out = true;
	drain(sv[1]);
	watch_used_up(&wt, ST_WRITE);
	worker_tick(&l.w, 0);
	assert_int_equal(wt.ready, ST_WRITE);
	watch_del(&l.w, &wt);
	close(sv[0]);
	close(sv[1]);
}

static void room_that_is_no_news_is_not_asked_for_any_more(void **state)
{
	struct watch wt;
	int sv[2];

	(void)state;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(watch_add(&l.w, &wt, sv[0], &l.job), 0);
	worker_tick(&l.w, 0);
	assert_int_equal(wt.ready, ST_WRITE); /* that was news */
	for (int i = 0; i < 20; i++)
		tick_read(&wt, sv[1]);
	assert_false(wt.no_out); /* with what was to be read: no wakeup more */
	for (int i = 0; i < 20 && !wt.no_out; i++) {
		/* read before epoll was asked: only the room is left to tell */
		assert_int_equal(write(sv[1], "x", 1), 1);
		drain(sv[0]);
		worker_tick(&l.w, 0);
	}
	assert_true(wt.no_out);
	fill(sv[0]);
	watch_used_up(&wt, ST_WRITE);
	assert_false(wt.no_out);
	watch_del(&l.w, &wt);
	close(sv[0]);
	close(sv[1]);
}

static void what_cannot_be_watched_is_told(void **state)
{
	struct watch wt;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(watch_add(&l.w, &wt, 9999, &l.job), -EBADF);
	assert_int_equal(wt.fd, -1);
	assert_int_equal(watch_add(&l.w, &wt, fd, &l.job), -EPERM);
	watch_del(&l.w, &wt);
	close(fd);
}

static int fired;

static void on_timer(struct timer *t)
{
	(void)t;
	fired++;
}

static void a_tick_sleeps_until_the_next_timer(void **state)
{
	uint32_t t0 = clock_ms();
	struct timer t;

	(void)state;
	fired = 0;
	timer_init(&t, on_timer);
	timer_set(&l.w.wheel, &t, 60);
	for (int i = 0; i < 100 && !fired; i++)
		worker_tick(&l.w, -1);
	assert_int_equal(fired, 1);
	assert_in_range(clock_ms() - t0, 55, 5000);
}

struct flush_count {
	struct flusher f; /* must be first */
	int n;
	bool leave;
};

static void flush_one(struct flusher *f)
{
	struct flush_count *c = container_of(f, struct flush_count, f);

	c->n++;
	if (c->leave)
		list_del(&f->node);
}

static void flushers_run_after_jobs_and_may_leave(void **state)
{
	struct flush_count a = { .f.flush = flush_one, .leave = true };
	struct flush_count b = { .f.flush = flush_one };

	(void)state;
	list_add_tail(&l.w.flushers, &a.f.node);
	list_add_tail(&l.w.flushers, &b.f.node);
	worker_tick(&l.w, 0);
	worker_tick(&l.w, 0);
	assert_int_equal(a.n, 1);
	assert_int_equal(b.n, 2);
	list_del(&b.f.node);
}

static void a_worker_that_gets_no_memory_is_not_made(void **state)
{
	static struct worker w;
	int err;

	(void)state;
	for (unsigned int n = 1;; n++) {
		int before = fd_count();

		alloc_fail_at(n);
		err = worker_init(&w, 1, NULL);
		if (!alloc_fail_hit())
			break;
		assert_int_equal(err, -ENOMEM);
		assert_int_equal(fd_count(), before);
	}
	assert_int_equal(err, 0);
	worker_fini(&w);
}

#define T(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(jobs_run_in_order_and_once),
		T(a_job_gets_one_turn_a_tick),
		T(a_forgotten_job_does_not_run),
		T(forgetting_what_waits_for_the_next_turn),
		T(queues_stay_whole),
		T(messages_of_another_thread_come_in_order),
		T(many_messages_cost_one_wakeup),
		T(a_sleeping_worker_is_woken),
		T(a_watch_tells_edges_until_used_up),
		T(an_open_watch_asks_for_room_once_it_was_refused),
		T(room_that_is_no_news_is_not_asked_for_any_more),
		T(what_cannot_be_watched_is_told),
		T(a_tick_sleeps_until_the_next_timer),
		T(flushers_run_after_jobs_and_may_leave),
		T(a_worker_that_gets_no_memory_is_not_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
