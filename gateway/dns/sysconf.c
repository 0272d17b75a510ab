/* sysconf.c - /etc/resolv.conf and /etc/hosts (contract: sysconf.h) */
#include "gateway/dns/sysconf.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/hash.h"
#include "gateway/base/text.h"

#define CHECK_MS 1000
#define GOOD_MS  120000

static const char blanks[] = " \t\r";

void sysconf_init(struct sysconf *s, const char *resolv, const char *upstream,
		  const char *hosts)
{
	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	s->resolv.path = resolv;
	s->upstream.path = upstream;
	s->hosts.path = hosts;
}

void sysconf_fini(struct sysconf *s)
{
	free(s->host);
	free(s->hosts_text);
	pthread_mutex_destroy(&s->lock);
}

/* True when the file is another one than last time (or is gone) */
static bool file_changed(struct sysfile *f)
{
	uint64_t now = 1;
	struct stat st;

	if (!stat(f->path, &st))
		now = hash_mix((uint64_t)st.st_ino) ^
		      hash_mix((uint64_t)st.st_size + 1) ^
		      hash_mix((uint64_t)st.st_mtim.tv_sec * 1000000000u +
			       (uint64_t)st.st_mtim.tv_nsec);
	if (now == f->changed)
		return false;
	f->changed = now;
	return true;
}

/* The file as text, or NULL */
static char *file_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t n = 0, cap;
	struct stat st;
	char *text = NULL;
	ssize_t did;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 0)
		goto out;
	cap = st.st_size > (off_t)SYSCONF_BYTES ? SYSCONF_BYTES :
						  (size_t)st.st_size;
	text = malloc(cap + 1);
	if (!text)
		goto out;
	while (n < cap && (did = read(fd, text + n, cap - n)) > 0)
		n += (size_t)did;
	text[n] = '\0';
out:
	close(fd);
	return text;
}

/* The next line without its comment; NULL at the end */
static char *line_next(char **rest, const char *comments)
{
	char *line = *rest, *end;

	if (!*line)
		return NULL;
	end = line + strcspn(line, "\n");
	*rest = *end ? end + 1 : end;
	*end = '\0';
	line[strcspn(line, comments)] = '\0';
	return line;
}

/* "fe80::1%eth0", "fe80::1%2" (zones stand with such addresses only) */
static uint32_t zone_take(char *word)
{
	char *zone = strchr(word, '%');
	uint16_t index = 0;

	if (!zone)
		return 0;
	*zone++ = '\0';
	if (!text_port(zone, strlen(zone), &index))
		return index;
	return if_nametoindex(zone);
}

unsigned int sysconf_parse_resolv(char *text, struct addr out[SYSCONF_SERVERS])
{
	unsigned int n = 0;
	char *line, *word, *save;
	uint32_t scope;

	while ((line = line_next(&text, "#;"))) {
		word = strtok_r(line, blanks, &save);
		if (!word || strcmp(word, "nameserver"))
			continue;
		word = strtok_r(NULL, blanks, &save);
		if (!word || n == SYSCONF_SERVERS)
			continue;
		scope = zone_take(word);
		out[n].port = 53;
		if (!addr_parse_ip(&out[n], word))
			out[n++].scope = scope;
	}
	return n;
}

static int host_compare(const void *a, const void *b)
{
	const struct sysconf_host *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* Make room for one more. false: out of memory */
static bool host_grow(struct sysconf *s)
{
	struct sysconf_host *h;

	if (s->host_count & (s->host_count - 1)) /* full at powers of two */
		return true;
	h = realloc(s->host,
		    (s->host_count ? s->host_count * 2 : 1) * sizeof(*h));
	if (!h)
		return false;
	s->host = h;
	return true;
}

static void hosts_line(struct sysconf *s, char *line)
{
	char *word, *save, clean[256];
	struct addr a = { 0 };
	int len;

	word = strtok_r(line, blanks, &save);
	if (!word || addr_parse_ip(&a, word) < 0)
		return;
	while ((word = strtok_r(NULL, blanks, &save))) {
		len = addr_clean_name(word, strlen(word), clean);
		if (len <= 0 || !host_grow(s))
			continue;
		memcpy(word, clean, (size_t)len + 1);
		s->host[s->host_count].name = word;
		s->host[s->host_count++].addr = a;
	}
}

static void hosts_read(struct sysconf *s)
{
	char *line, *rest;

	free(s->host);
	free(s->hosts_text);
	s->host = NULL;
	s->host_count = 0;
	s->hosts_text = file_read(s->hosts.path);
	if (!s->hosts_text)
		return;
	rest = s->hosts_text;
	while ((line = line_next(&rest, "#")))
		hosts_line(s, line);
	if (s->host_count)
		qsort(s->host, s->host_count, sizeof(*s->host), host_compare);
}

static unsigned int servers_read(const char *path,
				 struct addr out[SYSCONF_SERVERS])
{
	char *text = file_read(path);
	unsigned int n = text ? sysconf_parse_resolv(text, out) : 0;

	free(text);
	return n;
}

static void resolv_read(struct sysconf *s)
{
	static const uint8_t stub[4] = { 127, 0, 0, 53 };
	struct addr at = addr_v4(stub, 53), upstream[SYSCONF_SERVERS];
	unsigned int n;

	s->good = 0;
	s->server_count = servers_read(s->resolv.path, s->servers);
	if (s->server_count != 1 || !addr_eq(&s->servers[0], &at))
		return;
	n = servers_read(s->upstream.path, upstream);
	if (!n)
		return;
	memcpy(s->servers, upstream, n * sizeof(*upstream));
	s->server_count = n;
}

/* Locked */
static void sysconf_check(struct sysconf *s, uint32_t now_ms)
{
	bool other;

	if (s->checked && now_ms - s->checked_ms < CHECK_MS)
		return;
	s->checked = true;
	s->checked_ms = now_ms;
	other = file_changed(&s->resolv);
	if (file_changed(&s->upstream) || other)
		resolv_read(s);
	if (file_changed(&s->hosts))
		hosts_read(s);
}

unsigned int sysconf_servers(struct sysconf *s, uint32_t now_ms,
			     struct addr out[SYSCONF_SERVERS])
{
	static const uint8_t loopback[4] = { 127, 0, 0, 1 };
	unsigned int n;

	pthread_mutex_lock(&s->lock);
	sysconf_check(s, now_ms);
	n = s->server_count;
	memcpy(out, s->servers, n * sizeof(*out));
	pthread_mutex_unlock(&s->lock);
	if (!n)
		out[n++] = addr_v4(loopback, 53);
	return n;
}

unsigned int sysconf_good(struct sysconf *s, uint32_t now_ms)
{
	unsigned int at;

	pthread_mutex_lock(&s->lock);
	if (s->good && now_ms - s->good_ms >= GOOD_MS)
		s->good = 0;
	at = s->good;
	pthread_mutex_unlock(&s->lock);
	return at;
}

void sysconf_set_good(struct sysconf *s, unsigned int at, uint32_t now_ms)
{
	pthread_mutex_lock(&s->lock);
	s->good = at;
	s->good_ms = now_ms;
	pthread_mutex_unlock(&s->lock);
}

int sysconf_hosts(struct sysconf *s, uint32_t now_ms, const char *name,
		  uint8_t kind, struct addr *out, int max)
{
	size_t lo = 0, hi, mid;
	int n = -ENOENT;

	pthread_mutex_lock(&s->lock);
	sysconf_check(s, now_ms);
	hi = s->host_count;
	while (lo < hi) { /* first of its name */
		mid = lo + (hi - lo) / 2;
		if (strcmp(s->host[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < s->host_count && !strcmp(s->host[lo].name, name); lo++) {
		if (n < 0)
			n = 0;
		if (s->host[lo].addr.kind == kind && n < max)
			out[n++] = s->host[lo].addr;
	}
	pthread_mutex_unlock(&s->lock);
	return n;
}
