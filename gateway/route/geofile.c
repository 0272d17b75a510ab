/* geofile.c - Finding geoip.dat, geosite.dat and the like on this host */
#include "gateway/route/geofile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/route/geodata.h"

static const char *const asset_dirs[] = {
	"/usr/local/share/xray", "/usr/share/xray",        "/opt/share/xray",
	"/usr/share/culvert",    "/usr/local/share/v2ray", "/usr/share/v2ray",
};

static int open_in(const char *dir, const char *name, size_t name_len)
{
	char path[PATH_MAX];
	int n;

	n = snprintf(path, sizeof(path), "%s/%.*s", dir, (int)name_len, name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int open_beside_program(const char *name, size_t name_len)
{
	char dir[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	char *slash;

	if (n <= 0)
		return -1;
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	if (!slash)
		return -1;
	*slash = '\0';
	return open_in(dir, name, name_len);
}

static int open_asset(const char *name, size_t name_len)
{
	const char *dir = getenv("XRAY_LOCATION_ASSET");
	size_t i;
	int fd = -1;

	if (name_len && name[0] == '/')
		return open_in("", name, name_len);
	if (!dir)
		dir = getenv("xray.location.asset");
	if (dir && *dir)
		fd = open_in(dir, name, name_len);
	if (fd < 0)
		fd = open_beside_program(name, name_len);
	for (i = 0; fd < 0 && i < ARRAY_SIZE(asset_dirs); i++)
		fd = open_in(asset_dirs[i], name, name_len);
	return fd;
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
