/*
 * process.c - The running program: workers, signals, reload, the end
 *
 * The main thread owns configuration and host; it waits for signals and the
 * netlink monitor. Workers are told by messages.
 *
 *   SIGHUP   load the configuration again; a bad one changes nothing
 *   SIGUSR1  print the counters, reopen the log files
 *   SIGINT, SIGTERM  end: listeners, sessions, host set-up
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "gateway/app/app.h"
#include "gateway/app/errand.h"
#include "gateway/app/renew.h"
#include "gateway/app/slim.h"
#include "gateway/assets/assets.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/core/dns.h"
#include "gateway/core/host.h"
#include "gateway/core/session.h"
#include "gateway/core/udp.h"
#include "gateway/core/worker.h"
#include "gateway/observe/observe.h"
#include "gateway/route/groups.h"

#define FDS_RESERVED    128 /* logs, resolver, epoll ...: not counted */
#define WORKERS_DEFAULT 4
#define REOPEN_MS       1000 /* a deleted device could not be made again */

/**
 * struct process - What the main thread owns
 * @confirmed:	--revert-after was answered (or not asked for)
 * @reopen:	A device that was deleted could not be made again yet
 */
struct process {
	const struct cli *cli;
	struct config *cfg;
	struct host *host;
	struct worker workers[WORKERS_MAX];
	unsigned int count;
	unsigned int started; /* threads running */
	int sigfd, errandfd;
	struct renew renew;
	bool full, stop, confirmed, reopen;
	bool once; /* `culvert geodata`: nothing else is done */
	uint32_t revert_at;
	int exit_code;
};

/**
 * struct order - A message with an answer the main thread waits for
 */
struct order {
	struct message m; /* must be first */
	struct config *cfg;
	bool first;
	int result;
	pthread_mutex_t lock;
	pthread_cond_t done_cond;
	bool done;
};

static void order_done(struct order *o, int result)
{
	pthread_mutex_lock(&o->lock);
	o->result = result;
	o->done = true;
	pthread_cond_signal(&o->done_cond);
	pthread_mutex_unlock(&o->lock);
}

static void order_adopt(struct worker *w, struct message *m)
{
	struct order *o = container_of(m, struct order, m);

	order_done(o, reload_listeners(w, o->cfg, o->first));
}

static void order_stop(struct worker *w, struct message *m)
{
	struct list *p, *n;

	reload_stop_listeners(w);
	list_for_each_safe (p, n, &w->sessions)
		ses_kill(container_of(p, struct session, node), -ECANCELED, 2);
	dns_worker_stop(w);
	w->stop = true;
	order_done(container_of(m, struct order, m), 0);
}

static void order_stop_lost(struct worker *w, struct message *m)
{
	reload_stop_lost(w);
	order_done(container_of(m, struct order, m), 0);
}

static void order_start_lost(struct worker *w, struct message *m)
{
	order_done(container_of(m, struct order, m), reload_start_lost(w));
}

/* Post @fn to @w and wait for its answer */
static int order_give(struct worker *w,
		      void (*fn)(struct worker *w, struct message *m),
		      struct config *cfg, bool first)
{
	struct order o = {
		.m.fn = fn,
		.cfg = cfg,
		.first = first,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.done_cond = PTHREAD_COND_INITIALIZER,
	};

	worker_post(w, &o.m);
	pthread_mutex_lock(&o.lock);
	while (!o.done)
		pthread_cond_wait(&o.done_cond, &o.lock);
	pthread_mutex_unlock(&o.lock);
	return o.result;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	worker_run(w);
	worker_tick(w, 0); /* what the last messages killed is reaped */
	return NULL;
}

static unsigned int worker_count(const struct config *cfg)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (cfg->host.workers)
		return cfg->host.workers;
	if (cfg->portals) /* a session finds its client on its own worker only */
		return 1;
	if (cores < 1)
		return 1;
	return cores > WORKERS_DEFAULT ? WORKERS_DEFAULT : (unsigned int)cores;
}

/* Raise the descriptor limit as far as allowed; sessions get what is there */
static uint32_t fd_budget(void)
{
	struct rlimit rl = { 1024, 1024 };

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &rl) < 0)
			getrlimit(RLIMIT_NOFILE, &rl);
	}
	if (rl.rlim_cur > UINT32_MAX)
		rl.rlim_cur = UINT32_MAX;
	return (uint32_t)rl.rlim_cur - (rl.rlim_cur > 4 * FDS_RESERVED ?
						FDS_RESERVED :
						(uint32_t)rl.rlim_cur / 4);
}

/* Of one worker. A session has up to two descriptors: these are counted besides */
static uint32_t session_budget(const struct config *cfg, unsigned int workers,
			       uint32_t fds)
{
	uint32_t limit = fds;

	if (cfg->host.max_sessions && cfg->host.max_sessions < limit)
		limit = cfg->host.max_sessions;
	log_info("start: %u workers, at most %u sessions, %u descriptors",
		 workers, limit, fds);
	return limit / workers ? limit / workers : 1;
}

static int process_start_worker(struct process *p, unsigned int i,
				uint32_t budget, uint32_t fds)
{
	struct worker *w = &p->workers[i];
	int err = worker_init(w, i, p->cfg);

	if (err < 0)
		return err;
	w->session_limit = budget;
	w->fd_limit = fds;
	workers_all[i] = w;
	workers_count = i + 1;
	p->count = i + 1;
	err = dns_worker_start(w);
	if (err < 0)
		return err;
	err = thread_start(&w->thread, worker_main, w);
	if (err < 0)
		return err;
	p->started = i + 1;
	return 0;
}

static int process_start_workers(struct process *p, unsigned int n)
{
	uint32_t fds = fd_budget();
	uint32_t budget = session_budget(p->cfg, n, fds);
	int err = 0;

	for (unsigned int i = 0; i < n && err == 0; i++)
		err = process_start_worker(p, i, budget, fds);
	return err;
}

static int process_start(struct process *p)
{
	unsigned int n = worker_count(p->cfg);
	int err = host_claim(p->full, &p->host);

	if (err < 0)
		return err;
	err = process_start_workers(p, n);
	if (err < 0)
		log_error("start: %s", strerror(-err));
	for (unsigned int i = 0; i < n && err == 0; i++) /* says what fails */
		err = order_give(&p->workers[i], order_adopt, p->cfg, true);
	if (err < 0)
		return err;
	return host_start(p->host, p->cfg);
}

static void process_stop(struct process *p)
{
	host_stop(p->host);
	renew_stop(&p->renew);
	for (unsigned int i = 0; i < p->started; i++)
		order_give(&p->workers[i], order_stop, NULL, false);
	for (unsigned int i = 0; i < p->started; i++)
		pthread_join(p->workers[i].thread, NULL);
	report_stats(p->cfg->stats_on);
	errands_run(NULL); /* the answers free what waits for them */
	for (unsigned int i = 0; i < p->count; i++)
		worker_fini(&p->workers[i]);
	workers_count = 0;
	host_free(p->host);
	config_unref(p->cfg);
}

static void process_adopt(struct process *p, struct config *cfg)
{
	struct config *old = p->cfg;

	app_log_setup(cfg);
	observe_inherit(old->observe, cfg->observe);
	p->cfg = cfg;
	host_keep_devices(cfg);
	for (unsigned int i = 0; i < p->count; i++)
		order_give(&p->workers[i], order_adopt, config_ref(cfg), false);
	route_pins_again(cfg->router);
	host_reload(p->host, cfg);
	config_unref(old);
	renew_plan(&p->renew, cfg);
	compat_trim();
	log_warning("reload: generation %u is in force", cfg->generation);
}

/* A new generation; NULL after saying why there is none */
static struct config *process_load(struct process *p)
{
	struct config *cfg;
	struct diag d;

	diag_init(&d);
	cfg = config_load(&d, p->cli, p->cfg, p->full);
	if (d.errors + d.warnings)
		diag_print(&d, stderr, false);
	diag_free(&d);
	if (cfg && cfg->portals && p->count > 1) {
		log_error("reload: clients with \"reverse\" need one thread: "
			  "restart; nothing is changed");
		config_unref(cfg);
		return NULL;
	}
	if (!cfg)
		log_error("reload: the configuration has errors; nothing is "
			  "changed");
	return cfg;
}

static void process_reload(struct process *p)
{
	struct config *cfg = process_load(p);

	if (cfg)
		process_adopt(p, cfg);
}

/* A round is over: what is new must fit before anything is replaced */
static void process_renewed(struct process *p)
{
	struct config *cfg;

	if (!renew_end(&p->renew, p->cfg)) {
		p->stop |= p->once;
		return;
	}
	cfg = process_load(p);
	if (!cfg) {
		log_warning("geodata: the configuration cannot be loaded with "
			    "the new files: the old ones stay");
		renew_drop(&p->renew);
	} else if (renew_commit(&p->renew) < 0) {
		config_unref(cfg);
		cfg = p->once ? NULL : process_load(p);
	}
	if (cfg && p->once)
		config_unref(cfg);
	else if (cfg)
		process_adopt(p, cfg);
	p->stop |= p->once;
}

static void process_renew(struct process *p)
{
	int err;

	if (!renew_due(&p->renew))
		return;
	if (!p->cfg->assets->count) { /* others replace the files */
		process_reload(p);
		return;
	}
	err = renew_begin(&p->renew, p->cfg, &p->workers[0]);
	if (err < 0 && err != -EBUSY)
		log_error("geodata: %s", strerror(-err));
}

static void process_signal(struct process *p)
{
	struct signalfd_siginfo si;

	if (read(p->sigfd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	switch (si.ssi_signo) {
	case SIGHUP:
		process_reload(p);
		break;
	case SIGUSR1:
		app_log_setup(p->cfg);
		report_stats(true);
		break;
	case SIGUSR2:
		if (!p->confirmed)
			log_warning("confirmed: the set-up stays");
		p->confirmed = true;
		break;
	default:
		p->stop = true;
		break;
	}
}

void process_hold_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int process_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &set, NULL); /* workers inherit it */
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static bool device_lost(const struct config *cfg)
{
	for (unsigned int i = 0; i < cfg->inbound_count; i++)
		if (host_device_lost(cfg->inbounds[i]))
			return true;
	return false;
}

/*
 * Somebody deleted our TUN: nothing is caught until there is another one. All let go
 * of the old one first, as they share it
 */
static void process_reopen(struct process *p)
{
	bool again = p->reopen;
	int err = 0;

	if (!again && !device_lost(p->cfg))
		return;
	if (!again)
		log_error("a TUN device was deleted; it is made again");
	for (unsigned int i = 0; i < p->count; i++)
		order_give(&p->workers[i], order_stop_lost, NULL, false);
	for (unsigned int i = 0; i < p->count; i++)
		err |= order_give(&p->workers[i], order_start_lost, NULL,
				  false);
	if (!err)
		err = host_reload(p->host, p->cfg);
	p->reopen = err < 0;
	if (!err)
		log_warning("the TUN device is there again");
}

/* --revert-after: a lost SSH session must not lose the machine */
static int revert_wait_ms(struct process *p)
{
	int32_t left;

	if (p->confirmed)
		return -1;
	left = (int32_t)(p->revert_at - clock_ms());
	if (left > 0)
		return left;
	log_error("not confirmed in time: everything is undone");
	p->stop = true;
	p->exit_code = EXIT_FAIL;
	return 0;
}

/* The earlier one; -1 is never */
static int sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

static void process_loop(struct process *p)
{
	while (!p->stop) {
		struct pollfd pf[] = {
			{ .fd = p->sigfd, .events = POLLIN },
			{ .fd = host_fd(p->host), .events = POLLIN },
			{ .fd = p->errandfd, .events = POLLIN },
			{ .fd = p->renew.fd, .events = POLLIN },
		};
		int wait = sooner(revert_wait_ms(p), renew_wait_ms(&p->renew));

		if (p->reopen)
			wait = sooner(wait, REOPEN_MS);
		if (p->stop || poll(pf, ARRAY_SIZE(pf), wait) < 0)
			continue;
		if (pf[0].revents)
			process_signal(p);
		if (p->stop)
			continue; /* nothing is put back any more */
		if (pf[1].revents)
			host_event(p->host);
		if (pf[2].revents)
			errands_run(p->cfg);
		if (pf[3].revents)
			process_renewed(p);
		process_reopen(p);
		process_renew(p);
	}
}

static void process_revert_setup(struct process *p)
{
	unsigned int s = p->cli->revert_after_s;

	p->confirmed = !s;
	p->revert_at = clock_ms() + s * 1000;
	if (s)
		log_warning("everything is undone in %u s unless `culvert "
			    "confirm` is run",
			    s);
}

/* Large, one a process, and zero: unused workers cost no memory */
static struct process process;

static struct process *process_new(const struct cli *cli, struct config *cfg,
				   bool full)
{
	struct process *p = &process;

	p->cli = cli;
	p->cfg = cfg;
	p->full = full;
	p->sigfd = process_signals();
	p->errandfd = errands_start();
	if (renew_init(&p->renew) < 0)
		log_error("geodata: no eventfd: nothing is renewed");
	return p;
}

int process_run(const struct cli *cli, struct config *cfg, bool full)
{
	struct process *p = process_new(cli, cfg, full);

	if (app_log_setup(cfg) < 0)
		fprintf(stderr, "culvert: cannot open the log files\n");
	sock_set_own_mark(full ? cfg->host.mark : 0);
	if (p->sigfd < 0 || p->errandfd < 0 || process_start(p) < 0) {
		p->exit_code = EXIT_FAIL;
	} else {
		compat_trim(); /* what parsing took is given back */
		slim_down();
		log_warning("culvert " CULVERT_VERSION " started");
		if (!full && !cfg->inbound_count)
			log_warning("there is no inbound: nothing comes here. "
				    "`culvert up` catches the host's traffic");
		process_revert_setup(p);
		renew_plan(&p->renew, cfg);
		process_loop(p);
	}
	process_stop(p);
	close(p->sigfd);
	return p->exit_code;
}

static void process_wait_once(struct process *p)
{
	while (!p->stop) {
		struct pollfd pf[2] = {
			{ .fd = p->sigfd, .events = POLLIN },
			{ .fd = p->renew.fd, .events = POLLIN },
		};

		if (poll(pf, 2, -1) < 0)
			continue;
		if (pf[1].revents)
			process_renewed(p);
		if (pf[0].revents)
			p->stop = true;
	}
}

int process_renew_once(const struct cli *cli, struct config *cfg)
{
	struct process *p = process_new(cli, cfg, false);
	int err;

	p->once = true;
	log_setup(LOG_INFO, NULL, "none");
	err = p->sigfd < 0 || p->renew.fd < 0 ? -EMFILE :
						process_start_workers(p, 1);
	if (!err)
		err = renew_begin(&p->renew, cfg, &p->workers[0]);
	if (err < 0)
		log_error("geodata: %s", strerror(-err));
	else
		process_wait_once(p);
	if (err < 0 || p->renew.round || p->renew.failures)
		p->exit_code = EXIT_FAIL;
	process_stop(p);
	close(p->sigfd);
	return p->exit_code;
}
