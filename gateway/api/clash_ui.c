/*
 * clash_ui.c - A folder with a dashboard below /ui/
 *
 * Files are read whole: they are few and small, and lie in the page cache after the
 * first time. Nothing outside of the folder is served: no "..", no dot files, no links
 * that lead out of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/api/beneath.h"
#include "gateway/api/clash.h"
#include "gateway/api/jout.h"

#define FILE_MAX_BYTES (CALL_OUT_MAX - 1)

static const char *type_of(const char *name)
{
	static const char *const types[][2] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".mjs", "text/javascript; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".json", "application/json" },
		{ ".webmanifest", "application/manifest+json" },
		{ ".svg", "image/svg+xml" },
		{ ".png", "image/png" },
		{ ".ico", "image/x-icon" },
		{ ".woff2", "font/woff2" },
		{ ".wasm", "application/wasm" },
	};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < ARRAY_SIZE(types); i++)
		if (!strcmp(dot, types[i][0]))
			return types[i][1];
	return "application/octet-stream";
}

/* The file's path in the folder; false: none that may be served */
static bool path_of(const struct ask *a, char *out, size_t room)
{
	int n = 0;

	for (unsigned int i = 1; i < a->path.count; i++) {
		const char *seg = a->path.seg[i];

		if (seg[0] == '.' || strchr(seg, '/') || n < 0 ||
		    (size_t)n >= room)
			return false;
		n += snprintf(out + n, room - (size_t)n, "%s%s",
			      i > 1 ? "/" : "", seg);
	}
	if (a->path.count == 1)
		n = snprintf(out, room, "index.html");
	return n > 0 && (size_t)n < room;
}

/* All of @fd into the answer. 0 or -errno */
static int read_file(int fd, struct pb_out *o)
{
	uint8_t part[16384];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_MAX_BYTES)
		return -EINVAL;
	while ((n = read(fd, part, sizeof(part))) > 0)
		pb_raw(o, part, (size_t)n);
	return n < 0 ? -errno : 0;
}

/* "/ui": what the page names would be looked for beside it */
static bool lacks_slash(const struct ask *a)
{
	const struct http1_text *t = &a->rq->head->target;
	const char *mark = memchr(t->p, '?', t->n);
	size_t n = mark ? (size_t)(mark - t->p) : t->n;

	return a->path.count == 1 && t->p[n - 1] != '/';
}

static void to_ui(struct ask *a)
{
	call_refuse(a->rq, 307, "Location: /ui/\r\n");
}

void clash_ui(struct ask *a)
{
	char path[PATH_MAX], lines[128];
	int fd = -1, rc = -ENOENT;
	struct call *c;

	if (a->cfg->clash->ui && lacks_slash(a)) {
		to_ui(a);
		return;
	}
	c = ask_call(a);
	if (!c)
		return;
	if (a->cfg->clash->ui && path_of(a, path, sizeof(path)))
		fd = beneath_open(a->cfg->clash->ui, path);
	if (fd >= 0) {
		rc = read_file(fd, &c->out);
		close(fd);
	}
	if (rc < 0) {
		clash_fail(c, 404, "Not found");
		return;
	}
	snprintf(lines, sizeof(lines), "Content-Type: %s\r\n", type_of(path));
	call_send(c, 200, lines);
}

void clash_root(struct ask *a)
{
	struct call *c;

	if (a->cfg->clash->ui) {
		to_ui(a);
		return;
	}
	c = ask_call(a);
	if (!c)
		return;
	jo(&c->out, "{\"hello\":\"culvert\"}");
	clash_send(c, 200);
}
