/*
 * sysconf.h - /etc/resolv.conf and /etc/hosts, read again when they change
 *
 * Looked at once a second at most. The files are local and small (a limit is
 * set): reading them is the one file access that workers do.
 */
#ifndef GATEWAY_DNS_SYSCONF_H
#define GATEWAY_DNS_SYSCONF_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"

#define SYSCONF_SERVERS 3 /* as libc */
#define SYSCONF_BYTES   (4u << 20) /* of a file; the rest is ignored */

struct sysfile {
	const char *path;
	uint64_t changed; /* hash of inode, size, time; 0 not read */
};

struct sysconf_host {
	const char *name; /* into hosts_text */
	struct addr addr;
};

/**
 * struct sysconf - @lock guards all of it
 * @upstream:	Servers behind systemd-resolved's stub, in the same form
 */
struct sysconf {
	pthread_mutex_t lock;
	struct sysfile resolv, upstream, hosts;
	uint32_t checked_ms;
	bool checked;
	struct addr servers[SYSCONF_SERVERS];
	unsigned int server_count;
	unsigned int good; /* the server that answered when the first did not */
	uint32_t good_ms; /* since when; looked at while @good */
	char *hosts_text;
	struct sysconf_host *host; /* sorted by name */
	size_t host_count;
};

void sysconf_init(struct sysconf *s, const char *resolv, const char *upstream,
		  const char *hosts);
void sysconf_fini(struct sysconf *s);
/*
 * Nameservers; 127.0.0.1 when there are none. At least 1. A stub at 127.0.0.53
 * is not asked but its servers: its own questions may be caught, and come to us
 */
unsigned int sysconf_servers(struct sysconf *s, uint32_t now_ms,
			     struct addr out[SYSCONF_SERVERS]);
/*
 * Which of them to ask first: 0, or for two minutes the one that answered when
 * those before it did not
 */
unsigned int sysconf_good(struct sysconf *s, uint32_t now_ms);
void sysconf_set_good(struct sysconf *s, unsigned int at, uint32_t now_ms);
/*
 * Addresses of @name in the hosts file, of @kind. Returns how many are in @out
 * (at most @max); -ENOENT: the file does not know the name at all
 */
int sysconf_hosts(struct sysconf *s, uint32_t now_ms, const char *name,
		  uint8_t kind, struct addr *out, int max);

/* Pure: "nameserver" lines of @text (changed in place). Returns how many */
unsigned int sysconf_parse_resolv(char *text, struct addr out[SYSCONF_SERVERS]);

#endif
