/* geofile.c - Finding geoip.dat, geosite.dat and the like on this host */
#include "gateway/route/geofile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/route/geodata.h"

static const char *const asset_dirs[] = {
	"/usr/local/share/xray", "/usr/share/xray",        "/opt/share/xray",
	"/usr/share/culvert",    "/usr/local/share/v2ray", "/usr/share/v2ray",
};

#define STAGED_MAX 64

/* Of the thread that loads a configuration */
static struct {
	const char *name;
	int fd;
} staged[STAGED_MAX];
static unsigned int staged_count;
static bool missing_pardoned;

/* What to do with a path that may be the one. Not 0: it is */
typedef int (*path_fn)(const char *path, void *arg);

static int in_dir(const char *dir, size_t dir_len, const char *name,
		  size_t name_len, path_fn fn, void *arg)
{
	char path[PATH_MAX];
	int n;

	n = snprintf(path, sizeof(path), "%.*s/%.*s", (int)dir_len, dir,
		     (int)name_len, name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return 0;
	return fn(path, arg);
}

static int beside_program(const char *name, size_t name_len, path_fn fn,
			  void *arg)
{
	char dir[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	char *slash;

	if (n <= 0)
		return 0;
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	return slash ? in_dir(dir, (size_t)(slash - dir), name, name_len, fn,
			      arg) :
		       0;
}

static const char *asset_dir(void)
{
	const char *dir = getenv("XRAY_LOCATION_ASSET");

	if (!dir)
		dir = getenv("xray.location.asset");
	return dir && *dir ? dir : NULL;
}

/* All places in order, until @fn has found it. What it returned */
static int each_place(const char *name, size_t name_len, path_fn fn, void *arg)
{
	const char *dir = asset_dir();
	int rc = 0;
	size_t i;

	if (name_len && name[0] == '/')
		return in_dir("", 0, name + 1, name_len - 1, fn, arg);
	if (dir)
		rc = in_dir(dir, strlen(dir), name, name_len, fn, arg);
	if (!rc)
		rc = beside_program(name, name_len, fn, arg);
	for (i = 0; !rc && i < ARRAY_SIZE(asset_dirs); i++)
		rc = in_dir(asset_dirs[i], strlen(asset_dirs[i]), name,
			    name_len, fn, arg);
	return rc;
}

static int open_it(const char *path, void *arg)
{
	int *fd = arg;

	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd >= 0;
}

static int open_asset(const char *name, size_t name_len)
{
	int fd = -1;

	for (unsigned int i = 0; i < staged_count; i++)
		if (strlen(staged[i].name) == name_len &&
		    !memcmp(staged[i].name, name, name_len))
			return fcntl(staged[i].fd, F_DUPFD_CLOEXEC, 0);
	each_place(name, name_len, open_it, &fd);
	return fd;
}

int geo_stage(const char *name, int fd)
{
	if (staged_count == STAGED_MAX)
		return -ENOSPC;
	staged[staged_count].name = name;
	staged[staged_count++].fd = fd;
	return 0;
}

void geo_unstage(void)
{
	staged_count = 0;
}

void geo_pardon_missing(bool yes)
{
	missing_pardoned = yes;
}

static int keep_if_there(const char *path, void *arg)
{
	char **out = arg;

	if (access(path, F_OK) < 0)
		return 0;
	*out = strdup(path);
	return 1;
}

static int keep(const char *path, void *arg)
{
	char **out = arg;

	*out = strdup(path);
	return 1;
}

int geo_path(const char *name, char **out)
{
	size_t n = strlen(name);
	const char *dir = asset_dir();
	int found;

	*out = NULL;
	if (dir && name[0] != '/')
		found = in_dir(dir, strlen(dir), name, n, keep, out);
	else if (name[0] == '/')
		found = in_dir("", 0, name + 1, n - 1, keep, out);
	else
		found = each_place(name, n, keep_if_there, out);
	for (size_t i = 0; !found && i < ARRAY_SIZE(asset_dirs); i++)
		if (access(asset_dirs[i], F_OK) == 0)
			found = in_dir(asset_dirs[i], strlen(asset_dirs[i]),
				       name, n, keep, out);
	if (!found)
		return -ENOENT;
	return *out ? 0 : -ENOMEM;
}

static void lower(char *out, const char *code)
{
	for (; *code; code++)
		*out++ = (char)(*code >= 'A' && *code <= 'Z' ? *code | 0x20 :
							       *code);
	*out = '\0';
}

/* "geosite.dat has no list gogle; closest: google, goo" */
static void say_missing(char err[128], const char *name, const char *code,
			const struct geo_near *near)
{
	char text[GEO_CODE_MAX];
	size_t i, n;

	n = (size_t)snprintf(err, 128, "%s has no list %s", name, code);
	for (i = 0; i < GEO_NEAR && near->code[i][0] && n < 128; i++) {
		lower(text, near->code[i]);
		n += (size_t)snprintf(err + n, 128 - n, "%s %s",
				      i ? "," : "; closest:", text);
	}
}

static int load_fd(int fd, const char *code, size_t code_len,
		   struct geo_near *near, struct geo_blob *out)
{
	struct geo_src src;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EPROTO;
	src = geo_fd(fd, (uint64_t)st.st_size);
	return geo_find(&src, code, code_len, near, &out->p, &out->n);
}

/* Say what @rc of loading means. Returns what geo_load() shall return */
static int say_failure(int rc, char err[128], const char *name,
		       const char *code, const struct geo_near *near)
{
	if (!rc || rc == -ENOMEM)
		return rc;
	if (rc == -ENOENT)
		say_missing(err, name, code, near);
	else if (rc == -EPROTO)
		snprintf(err, 128, "%s is damaged or no geo data file", name);
	else
		snprintf(err, 128, "%s: %s", name, strerror(-rc));
	return -EINVAL;
}

int geo_load(const char *name, size_t name_len, const char *code,
	     size_t code_len, struct geo_blob *out, char err[128])
{
	char shown[GEO_CODE_MAX], shown_code[GEO_CODE_MAX];
	struct geo_near near = { 0 };
	int fd, rc;

	if (!name_len || !code_len || code_len >= GEO_CODE_MAX) {
		snprintf(err, 128,
			 "expected FILE:CODE with a code below %d bytes",
			 GEO_CODE_MAX);
		return -EINVAL;
	}
	snprintf(shown, sizeof(shown), "%.*s", (int)(name_len & 0xffff), name);
	snprintf(shown_code, sizeof(shown_code), "%.*s", (int)code_len, code);
	fd = open_asset(name, name_len);
	if (fd < 0 && missing_pardoned && strcasecmp(shown_code, "private")) {
		*out = (struct geo_blob){ .p = calloc(1, 1) };
		return out->p ? 0 : -ENOMEM;
	}
	if (fd < 0) {
		snprintf(err, 128,
			 "%.34s not found: put it into /usr/share/xray "
			 "(Xray's release has one), or set "
			 "XRAY_LOCATION_ASSET",
			 shown);
		return -ENOENT;
	}
	rc = load_fd(fd, code, code_len, &near, out);
	close(fd);
	return say_failure(rc, err, shown, shown_code, &near);
}

int geo_check_fd(int fd, char err[128])
{
	struct geo_src src;
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0) {
		rc = -errno;
	} else {
		src = geo_fd(fd, (uint64_t)st.st_size);
		rc = geo_check(&src);
	}
	if (rc == -EPROTO)
		snprintf(err, 128, "what came is damaged or no geo data file");
	else if (rc < 0)
		snprintf(err, 128, "%s", strerror(-rc));
	return rc;
}
