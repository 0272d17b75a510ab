/* outcome.h - From a server's message to the result of a question */
#ifndef GATEWAY_DNS_OUTCOME_H
#define GATEWAY_DNS_OUTCOME_H

#include "gateway/dns/conf.h"
#include "proxy/wire/dns_msg.h"

/*
 * What @f means after the filters of @s. True: they took every address (then
 * the answer is nobody's, and not cached)
 */
bool outcome_of(const struct dns_server *s, const struct dns_found *f,
		struct dns_outcome *o);
/*
 * Is @o what the asker shall have, whatever other servers would say? @refused:
 * outcome_of() said so
 */
bool outcome_final(const struct dns_outcome *o, uint8_t family, bool refused);
/* Keep the more telling of two results without addresses in @last */
void outcome_keep(struct dns_outcome *last, const struct dns_outcome *o);
/* The access log's line, when dnsLog is on. @ms -1: not known */
void outcome_log(const struct config *cfg, const char *server, const char *what,
		 const char *name, const struct dns_outcome *o, int ms);

#endif
