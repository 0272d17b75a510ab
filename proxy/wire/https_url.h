/* https_url.h - https://host[:port][/path], and where a redirect leads */
#ifndef PROXY_WIRE_HTTPS_URL_H
#define PROXY_WIRE_HTTPS_URL_H

#include <stddef.h>
#include <stdint.h>

#define HTTPS_PATH_MAX 4096

/**
 * struct https_url - A place
 * @host:	A name in lower case, or an address without brackets
 * @path:	With the query; begins with a slash
 */
struct https_url {
	char host[256];
	uint16_t port;
	char path[HTTPS_PATH_MAX];
};

/*
 * 0; -EINVAL: it is none, or has an account, a blank, a control byte or one beyond
 * ASCII; -ENOBUFS: it is too long. @u is written on success only
 */
int https_url_parse(struct https_url *u, const char *text, size_t n);
/*
 * @u becomes what its answer's "Location" means: a URL, or a part of one. 0, as above;
 * -EPROTONOSUPPORT: another scheme. Source: RFC 3986, 5.2 (without "..")
 */
int https_url_follow(struct https_url *u, const char *text, size_t n);
/* "host", "host:8443", "[::1]": for a Host header. Bytes, or -ENOBUFS */
int https_url_authority(const struct https_url *u, char *out, size_t room);

#endif
