/*
 * log.c - Leveled log to stderr, file or syslog; never blocks a worker
 *
 *   2026/11/26 01:22:33.123456 [Warning] text
 *   2026/11/26 01:22:33.123456 from 192.168.1.2:5000 accepted ...
 *
 * A line is made on the stack and put with one write(2) of at most LINE_BYTES
 * bytes, below PIPE_BUF: pipes take it whole or not at all. Pipes and
 * terminals are opened anew without blocking where the kernel allows it, and
 * polled before each write; sockets are sent to without waiting; files are
 * written directly. One lock keeps poll and write together.
 *
 * Text may hold bytes of strangers (names, headers): control characters and
 * what is no UTF-8 are printed as \xNN.
 */
#include "gateway/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/log_tail.h"
#include "gateway/base/text.h"

#define LINE_BYTES  2048 /* one line with its newline */
#define STAMP_BYTES 27 /* "2026/11/26 01:22:33.123456 " */
#define SYSLOG_PATH "/dev/log"
#define LOG_DAEMON  (3 << 3) /* facility of RFC 3164 */

/**
 * enum target_kind - How to put a line without waiting
 * @TO_NONE:	Nowhere
 * @TO_FILE:	A regular file: write
 * @TO_PIPE:	Pipe or terminal: poll, then write
 * @TO_SOCKET:	stderr of systemd: send without waiting
 * @TO_SYSLOG:	Datagram to a syslog daemon, connected anew when it comes back
 */
enum target_kind { TO_NONE, TO_FILE, TO_PIPE, TO_SOCKET, TO_SYSLOG };

/**
 * struct target - Where lines go
 * @kind:	How
 * @fd:		Owned when above 2; -1: none
 * @torn:	A line was written in part (disk full): begin with a newline
 * @lost:	Lines dropped since the last one that was written
 * @retry_s:	TO_SYSLOG: monotonic second of the last connect
 * @path:	TO_SYSLOG: its socket
 */
struct target {
	enum target_kind kind;
	int fd;
	bool torn;
	uint64_t lost;
	uint32_t retry_s;
	struct sockaddr_un path;
};

/**
 * struct line - One line being made
 * @n:		Bytes used; LINE_BYTES - 1 at most, the newline follows
 */
struct line {
	size_t n;
	char s[LINE_BYTES];
};

static const char *const level_word[] = {
	[LOG_NONE] = "",     [LOG_ERROR] = "Error", [LOG_WARNING] = "Warning",
	[LOG_INFO] = "Info", [LOG_DEBUG] = "Debug",
};

/* Severities of RFC 3164 */
static const uint8_t level_severity[] = {
	[LOG_NONE] = 7, [LOG_ERROR] = 3, [LOG_WARNING] = 4,
	[LOG_INFO] = 6, [LOG_DEBUG] = 7,
};

enum log_level log_level_now = LOG_WARNING;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* both targets */
static struct target error_log = { .kind = TO_PIPE, .fd = STDERR_FILENO };
static struct target access_log = { .kind = TO_NONE, .fd = -1 };
static uint32_t lost_total; /* MIPS32 has no wider atomics */
static bool access_on;
static struct log_mask mask_now = { 32, 128 }; /* its bytes stand alone */

/* --- making a line ------------------------------------------------------- */

/* Append untrusted text; what does not fit is replaced by "..." */
static void line_text(struct line *l, const char *text, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	size_t max = sizeof(l->s) - 1 - 3, len; /* newline, dots */

	for (size_t i = 0; i < n; i += len ? len : 1) {
		unsigned char c = (unsigned char)text[i];

		len = text_char(text + i, n - i);
		if (l->n + (len ? len : 4) > max) {
			memcpy(l->s + l->n, "...", 3);
			l->n += 3;
			return;
		}
		if (len) {
			memcpy(l->s + l->n, text + i, len);
			l->n += len;
			continue;
		}
		l->s[l->n++] = '\\';
		l->s[l->n++] = 'x';
		l->s[l->n++] = hex[c >> 4];
		l->s[l->n++] = hex[c & 15];
	}
}

static void line_str(struct line *l, const char *s)
{
	line_text(l, s, strlen(s));
}

/* "2026/11/26 01:22:33.123456 "; the date is made once a second and thread */
static void line_stamp(struct line *l)
{
	static _Thread_local time_t second = -1;
	static _Thread_local char date[20];
	struct timespec ts;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (ts.tv_sec != second) {
		second = ts.tv_sec;
		if (!localtime_r(&second, &tm) ||
		    !strftime(date, sizeof(date), "%Y/%m/%d %H:%M:%S", &tm))
			strcpy(date, "-");
	}
	l->n = (size_t)snprintf(l->s, STAMP_BYTES + 1, "%s.%06ld ", date,
				ts.tv_nsec / 1000);
}

static void line_level(struct line *l, enum log_level level)
{
	line_str(l, "[");
	line_str(l, level_word[level]);
	line_str(l, "] ");
}

/* --- putting a line; all with the lock held ------------------------------ */

static int syslog_connect(struct target *t)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&t->path, sizeof(t->path))) {
		err = -errno;
		close(fd);
		return err;
	}
	t->fd = fd;
	return 0;
}

/* The daemon takes the time of arrival: the stamp is left out */
static ssize_t put_syslog(struct target *t, const struct line *l,
			  enum log_level level)
{
	char msg[LINE_BYTES + 32];
	uint32_t now_s = clock_ms() / 1000;
	size_t body = l->n > STAMP_BYTES ? l->n - STAMP_BYTES - 1 : 0;
	ssize_t n;
	int head;

	if (t->fd < 0 && now_s != t->retry_s) {
		t->retry_s = now_s;
		syslog_connect(t);
	}
	if (t->fd < 0)
		return -1;
	head = snprintf(msg, sizeof(msg),
			"<%d>culvert[%d]: ", LOG_DAEMON | level_severity[level],
			(int)getpid());
	memcpy(msg + head, l->s + STAMP_BYTES, body);
	n = send(t->fd, msg, (size_t)head + body, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != ENOBUFS) {
		close(t->fd);
		t->fd = -1;
	}
	return n < 0 ? -1 : (ssize_t)l->n;
}

static ssize_t put_pipe(const struct target *t, const char *s, size_t n)
{
	struct pollfd p = { .fd = t->fd, .events = POLLOUT };

	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
		return -1;
	return write(t->fd, s, n);
}

/* Returns bytes written, or -1 */
static ssize_t put_once(struct target *t, const struct line *l,
			enum log_level level)
{
	switch (t->kind) {
	case TO_FILE:
		if (t->torn && write(t->fd, "\n", 1) != 1)
			return -1;
		return write(t->fd, l->s, l->n);
	case TO_PIPE:
		return put_pipe(t, l->s, l->n);
	case TO_SOCKET:
		return send(t->fd, l->s, l->n, MSG_DONTWAIT | MSG_NOSIGNAL);
	case TO_SYSLOG:
		return put_syslog(t, l, level);
	case TO_NONE:
		break;
	}
	return (ssize_t)l->n;
}

static bool put_line(struct target *t, const struct line *l,
		     enum log_level level)
{
	ssize_t n = put_once(t, l, level);

	if (n > 0)
		t->torn = (size_t)n < l->n;
	if (n == (ssize_t)l->n)
		return true;
	t->lost++;
	__atomic_add_fetch(&lost_total, 1, __ATOMIC_RELAXED);
	return false;
}

/* Say in the error log how many lines @t has lost, now that it takes some */
static void put_gap(struct target *t)
{
	struct line l;

	line_stamp(&l);
	line_level(&l, LOG_WARNING);
	l.n += (size_t)snprintf(l.s + l.n, 80,
				"log: %llu lines of the %s log were lost\n",
				(unsigned long long)t->lost,
				t == &error_log ? "error" : "access");
	if (put_line(&error_log, &l, LOG_WARNING))
		t->lost = 0;
}

/* Behind the time stamp */
static void line_mask(struct line *l)
{
	struct log_mask m = {
		__atomic_load_n(&mask_now.v4, __ATOMIC_RELAXED),
		__atomic_load_n(&mask_now.v6, __ATOMIC_RELAXED),
	};
	char out[LINE_BYTES];
	size_t n;

	if ((m.v4 == 32 && m.v6 == 128) || l->n < STAMP_BYTES)
		return;
	n = log_mask_copy(&m, out, sizeof(out) - STAMP_BYTES - 1,
			  l->s + STAMP_BYTES, l->n - STAMP_BYTES);
	memcpy(l->s + STAMP_BYTES, out, n);
	l->n = STAMP_BYTES + n;
}

/* End the line and put it */
static void put(struct target *t, struct line *l, enum log_level level)
{
	line_mask(l);
	log_tail_keep(level, l->s, l->n);
	l->s[l->n++] = '\n';
	pthread_mutex_lock(&lock);
	if (put_line(t, l, level) && t->lost)
		put_gap(t);
	pthread_mutex_unlock(&lock);
}

/* --- set-up -------------------------------------------------------------- */

static void target_close(struct target *t)
{
	if (t->fd > STDERR_FILENO)
		close(t->fd);
	*t = (struct target){ .kind = TO_NONE, .fd = -1 };
}

/*
 * Take over @fd (0 to 2) as a target. O_NONBLOCK on it would hit everybody who
 * shares it, so pipes and terminals are opened anew when that is possible.
 */
static void open_std(struct target *t, int fd)
{
	char path[32];
	struct stat st;

	t->fd = fd;
	t->kind = TO_PIPE;
	if (fstat(fd, &st))
		return;
	if (S_ISREG(st.st_mode)) {
		t->kind = TO_FILE;
	} else if (S_ISSOCK(st.st_mode)) {
		t->kind = TO_SOCKET;
	} else if (S_ISFIFO(st.st_mode) || isatty(fd)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		fd = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY |
					O_CLOEXEC);
		if (fd >= 0)
			t->fd = fd;
	}
}

static int open_file(struct target *t, const char *path)
{
	struct stat st;
	int fd = open(path,
		      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK |
			      O_NOCTTY,
		      0640);

	if (fd < 0)
		return -errno;
	t->fd = fd;
	t->kind = !fstat(fd, &st) && S_ISREG(st.st_mode) ? TO_FILE : TO_PIPE;
	return 0;
}

/* "syslog", or "syslog:PATH" of another socket. A daemon may come later */
static int open_syslog(struct target *t, const char *path)
{
	path = path[6] == ':' ? path + 7 : SYSLOG_PATH;
	if (strlen(path) >= sizeof(t->path.sun_path))
		return -ENAMETOOLONG;
	t->kind = TO_SYSLOG;
	t->path.sun_family = AF_UNIX;
	memcpy(t->path.sun_path, path, strlen(path) + 1);
	t->retry_s = clock_ms() / 1000;
	syslog_connect(t);
	return 0;
}

static int target_open(struct target *t, const char *path, int std)
{
	*t = (struct target){ .kind = TO_NONE, .fd = -1 };
	if (!path) {
		open_std(t, std);
		return 0;
	}
	if (!strcmp(path, "none"))
		return 0;
	if (!strcmp(path, "syslog") || !strncmp(path, "syslog:", 7))
		return open_syslog(t, path);
	return open_file(t, path);
}

int log_setup(enum log_level level, const char *error_path,
	      const char *access_path)
{
	struct target e, a, old_e, old_a;
	int err;

	tzset();
	err = target_open(&e, error_path, STDERR_FILENO);
	if (err)
		return err;
	err = target_open(&a, access_path, STDOUT_FILENO);
	if (err) {
		target_close(&e);
		return err;
	}
	pthread_mutex_lock(&lock);
	old_e = error_log;
	old_a = access_log;
	e.lost = old_e.lost;
	a.lost = old_a.lost;
	error_log = e;
	access_log = a;
	pthread_mutex_unlock(&lock);
	target_close(&old_e);
	target_close(&old_a);
	__atomic_store_n(&access_on, a.kind != TO_NONE, __ATOMIC_RELAXED);
	__atomic_store_n(&log_level_now, level, __ATOMIC_RELAXED);
	return 0;
}

/* --- what others call ---------------------------------------------------- */

/**
 * site_allows() - Count a line against the limit of its call site
 * @dropped:	How many lines of earlier seconds this one stands for
 *
 * Whoever asks for debug wants every step of every session: no limit there.
 *
 * Return: true to print it
 */
static bool site_allows(struct log_site *site, uint32_t *dropped)
{
	uint32_t now_s = clock_ms() / 1000;

	*dropped = 0;
	if (log_on(LOG_DEBUG))
		return true;
	if (__atomic_load_n(&site->second, __ATOMIC_RELAXED) != now_s) {
		__atomic_store_n(&site->second, now_s, __ATOMIC_RELAXED);
		__atomic_store_n(&site->printed, 0, __ATOMIC_RELAXED);
		*dropped = __atomic_exchange_n(&site->dropped, 0,
					       __ATOMIC_RELAXED);
	}
	if (__atomic_fetch_add(&site->printed, 1, __ATOMIC_RELAXED) < LOG_BURST)
		return true;
	__atomic_fetch_add(&site->dropped, 1, __ATOMIC_RELAXED);
	return false;
}

void log_print(struct log_site *site, enum log_level level, const char *fmt,
	       ...)
{
	char text[LINE_BYTES], more[32];
	uint32_t dropped;
	struct line l;
	va_list ap;

	if (!site_allows(site, &dropped))
		return;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		strcpy(text, "(text that cannot be formatted)");
	va_end(ap);
	line_stamp(&l);
	line_level(&l, level);
	if (dropped) {
		snprintf(more, sizeof(more), "(%u more dropped) ", dropped);
		line_str(&l, more);
	}
	line_str(&l, text);
	put(&error_log, &l, level);
}

bool log_due(atomic_uint *last, uint32_t gap_ms)
{
	unsigned int now = clock_ms() | 1, was = atomic_load(last);

	if (was && now - was < gap_ms)
		return false;
	return atomic_compare_exchange_strong(last, &was, now);
}

void log_mask_set(struct log_mask mask)
{
	__atomic_store_n(&mask_now.v4, mask.v4, __ATOMIC_RELAXED);
	__atomic_store_n(&mask_now.v6, mask.v6, __ATOMIC_RELAXED);
}

void log_access(const char *line)
{
	struct line l;

	if (!log_access_on())
		return;
	line_stamp(&l);
	line_str(&l, line);
	put(&access_log, &l, LOG_INFO);
}

bool log_access_on(void)
{
	return __atomic_load_n(&access_on, __ATOMIC_RELAXED);
}

uint32_t log_lost(void)
{
	return __atomic_load_n(&lost_total, __ATOMIC_RELAXED);
}
