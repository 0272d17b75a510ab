/* rules.h - What a dns outbound does with a question */
#ifndef GATEWAY_DNS_RULES_H
#define GATEWAY_DNS_RULES_H

#include <stdint.h>

#include "gateway/core/dns.h"

enum dns_action {
	DNS_HIJACK, /* answer from the built-in DNS */
	DNS_RETURN, /* an empty answer with a code */
	DNS_DROP, /* no answer */
	DNS_DIRECT, /* forward it as it is */
};

/**
 * rules_find() - First matching rule; none: A and AAAA are hijacked, the rest
 * gets an empty answer
 * @rules:	NULL: there are none
 * @rcode:	Filled for DNS_RETURN
 */
enum dns_action rules_find(const struct dns_rules *rules, const char *name,
			   uint16_t type, uint8_t *rcode);

#endif
