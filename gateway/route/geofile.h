/* geofile.h - Finding geoip.dat, geosite.dat and the like on this host */
#ifndef GATEWAY_ROUTE_GEOFILE_H
#define GATEWAY_ROUTE_GEOFILE_H

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

#endif
