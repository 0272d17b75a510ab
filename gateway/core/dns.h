/* dns.h - What other rooms ask of the DNS module, and FakeDNS */
#ifndef GATEWAY_CORE_DNS_H
#define GATEWAY_CORE_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/jget.h"
#include "gateway/core/job.h"

struct config;
struct worker;
struct dns; /* compiled "dns" object, immutable, of one config */
struct fakedns; /* pools; shared by workers and generations, locked inside */

enum { DNS_V4 = 1u << 0, DNS_V6 = 1u << 1 };
enum {
	DNS_SYSTEM = 1u << 0, /* only the system's servers and /etc/hosts */
};

#define DNS_MAX_IPS 16

struct dns_ip {
	uint8_t kind; /* ADDR_V4 or ADDR_V6 */
	uint8_t ip[16];
};

static inline struct addr dns_ip_addr(const struct dns_ip *ip, uint16_t port)
{
	return ip->kind == ADDR_V4 ? addr_v4(ip->ip, port) :
				     addr_v6(ip->ip, port);
}

/**
 * struct dns_req - One question of a session; its asker owns it
 * @job:	Marked ready when @rc is no longer -EAGAIN, and when the second
 *		family arrives later
 * @rc:		-EAGAIN waiting, 0 some address is there, -ENOENT the name has
 *		none, -ETIMEDOUT, other -errno
 * @pending:	Families not answered yet (DNS_V4 | DNS_V6): A and AAAA do not
 *		wait for each other
 * @count, @ips:	Answers so far
 * @query:	The module's; NULL when nothing is under way
 */
struct dns_req {
	struct job *job;
	int rc;
	uint8_t pending, count;
	uint32_t ttl;
	struct dns_ip ips[DNS_MAX_IPS];
	struct dns_query *query;
};

/**
 * dns_ask() - Resolve @name through the built-in DNS, never FakeDNS
 * @r:		Zeroed by this call; must live until done or dns_cancel()
 * @name:	Lower case, no trailing dot; copied
 * @families:	DNS_V4 | DNS_V6; the config's queryStrategy narrows it
 *
 * Return: r->rc (0 at once from cache or hosts, -EAGAIN, -errno)
 */
int dns_ask(struct worker *w, struct config *cfg, struct dns_req *r,
	    struct job *job, const char *name, unsigned int families,
	    unsigned int flags);
/* Forget an unfinished question; harmless when it is done */
void dns_cancel(struct dns_req *r);

/* Answer one client's DNS message (the dns outbound) */
struct dns_serve {
	struct job *job; /* marked ready when done */
	int rc; /* -EAGAIN, 0 answer is there, -ENOENT: drop, -ENOTSUP: forward it */
	uint8_t *answer; /* malloc'ed, the asker frees; NULL until rc is 0 */
	size_t answer_len;
	bool tcp; /* no truncation */
	void *state; /* the module's */
};
/* Rules of a dns outbound decide what is hijacked; NULL: A/AAAA, rest rcode 0 */
struct dns_rules;
/* "rules", or the old "nonIPQuery" and "blockTypes", of a dns outbound's
 * settings. Errors go to the diag; NULL after one or when none are there */
struct dns_rules *dns_rules_parse(struct jobj *settings);
void dns_rules_free(struct dns_rules *r); /* NULL is allowed */
/**
 * dns_serve() - Answer one message
 * @q, @n:	The client's message, without TCP framing; copied where needed
 *
 * Return: s->rc
 */
int dns_serve(struct worker *w, struct config *cfg,
	      const struct dns_rules *rules, struct dns_serve *s,
	      struct job *job, const uint8_t *q, size_t n);
void dns_serve_cancel(struct dns_serve *s);

/* Config side: parse, free. NULL node gives the defaults (localhost) */
struct dns *dns_parse(struct diag *d, const cJSON *node, struct config *cfg);
void dns_free(struct dns *dns);
/* The module's inbound tag (its own queries), for loop checks */
const char *dns_tag(const struct dns *dns);
/* @tag is that of the module or of one of its servers: a query of our own */
bool dns_own_tag(const struct dns *dns, const char *tag);
int dns_worker_start(struct worker *w);
void dns_worker_stop(struct worker *w);

/* A `fakedns` server exists: the families it needs pools for; else 0 */
unsigned int dns_wants_fake(const struct dns *dns);

/*
 * FakeDNS. @node: "fakedns" object or list; @needed: dns_wants_fake(), makes the
 * default pools when there is no @node; @old: the generation before, of which
 * equal pools are kept with their mappings, or NULL. NULL: none, or an error
 */
struct fakedns *fakedns_parse(struct diag *d, const cJSON *node,
			      unsigned int needed, struct fakedns *old);
void fakedns_ref(struct fakedns *f);
void fakedns_unref(struct fakedns *f); /* NULL is allowed */
bool fakedns_in_pool(const struct fakedns *f, const struct addr *a);
/* Subnets of the pools into @out (room for @max). NULL @f: none. How many */
unsigned int fakedns_pools(const struct fakedns *f, struct cidr *out,
			   unsigned int max);
/* Name behind a fake address: length, or -ENOENT. Keeps @a's mapping fresh */
int fakedns_name(struct fakedns *f, const struct addr *a, char name[256]);
/*
 * Fake address of a name; @kind ADDR_V4/V6. 0, -ENOENT no pool of that family,
 * -ENOSPC all addresses of it were given out a moment ago
 */
int fakedns_addr(struct fakedns *f, const char *name, uint8_t kind,
		 struct addr *out);

#endif
