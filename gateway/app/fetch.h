/* fetch.h - A subscription's address: what stands there */
#ifndef GATEWAY_APP_FETCH_H
#define GATEWAY_APP_FETCH_H

#include <stdbool.h>
#include <stddef.h>

#define FETCH_URL_MAX 2048 /* bytes of an address */

/**
 * fetch_is_url() - Whether @what is the address of a document
 *
 * http:// and https:// are share links of HTTP proxies, too: those have a user,
 * or no path.
 */
bool fetch_is_url(const char *what);

/**
 * fetch_url() - Download what stands at @url, with the host's own client
 * @max:	Bytes to read at most; a longer document is cut there
 * @n:		Bytes read
 *
 * Waits, up to 30 s: for the command line only, before workers run.
 *
 * Return: the bytes (free()), or NULL after saying why on stderr. Neither says
 * the address, which is as good as a password.
 */
char *fetch_url(const char *url, size_t max, size_t *n);

#endif
