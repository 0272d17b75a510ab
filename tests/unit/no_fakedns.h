/* no_fakedns.h - Instead of gateway/dns: no pools. Of one file of a test */
#ifndef TESTS_UNIT_NO_FAKEDNS_H
#define TESTS_UNIT_NO_FAKEDNS_H

#include <errno.h>

#include "gateway/core/dns.h"

bool fakedns_in_pool(const struct fakedns *f, const struct addr *a)
{
	(void)f;
	(void)a;
	return false;
}

int fakedns_name(struct fakedns *f, const struct addr *a, char name[256])
{
	(void)f;
	(void)a;
	(void)name;
	return -ENOENT;
}

#endif
