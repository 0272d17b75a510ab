/* no_dns.h - Instead of gateway/dns: nobody may ask. Of one file of a test */
#ifndef TESTS_UNIT_NO_DNS_H
#define TESTS_UNIT_NO_DNS_H

#include "tests/unit/cm.h"

#include <errno.h>

#include "gateway/core/dns.h"

/* NOLINTNEXTLINE(readability-function-size): the contract has 7 parameters */
int dns_ask(struct worker *w, struct config *cfg, struct dns_req *r,
	    struct job *job, const char *name, unsigned int families,
	    unsigned int flags)
{
	(void)w;
	(void)cfg;
	(void)r;
	(void)job;
	(void)families;
	(void)flags;
	fail_msg("%s was looked up", name);
	return -ENOENT;
}

void dns_cancel(struct dns_req *r)
{
	(void)r;
}

#endif
