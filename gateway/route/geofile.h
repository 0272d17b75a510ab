/* geofile.h - Finding geoip.dat, geosite.dat and the like on this host */
#ifndef GATEWAY_ROUTE_GEOFILE_H
#define GATEWAY_ROUTE_GEOFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One entry; malloc'ed, the caller frees @p */
struct geo_blob {
	uint8_t *p;
	size_t n;
};

/**
 * geo_load() - Read the entry @code of the file @name
 * @name:	File name in the asset directories, or an absolute path
 * @err:	A sentence that names the missing file or code, on failure
 *
 * Directories in order: $XRAY_LOCATION_ASSET (or xray.location.asset), that of
 * the executable, /usr/local/share/xray, /usr/share/xray, /opt/share/xray,
 * /usr/share/culvert, and v2ray's. Blocks: for loading a configuration only.
 *
 * Return: 0, -ENOENT no such file, -EINVAL no such code or a bad file, -ENOMEM
 */
int geo_load(const char *name, size_t name_len, const char *code,
	     size_t code_len, struct geo_blob *out, char err[128]);

/**
 * geo_path() - Where the file @name is, or would be put
 * @out:	malloc'ed
 *
 * In $XRAY_LOCATION_ASSET, if that is set: there it goes before all others. Else where
 * it is found, or in the first of these directories that there is.
 *
 * Return: 0, -ENOENT, -ENOMEM
 */
int geo_path(const char *name, char **out);
/*
 * While a configuration is loaded, by the thread that loads it: @name is read from
 * @fd, which stays the caller's, whatever is on disk. 0 or -ENOSPC
 */
int geo_stage(const char *name, int fd);
void geo_unstage(void);
/* Lists of a file that is not there are empty (but "private"), from now on, or no more */
void geo_pardon_missing(bool yes);
/* Is what @fd leads to a geo data file, all of it? 0, or -errno and why */
int geo_check_fd(int fd, char err[128]);

#endif
