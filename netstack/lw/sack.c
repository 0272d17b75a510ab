/* sack.c - Loss recovery (to come) */
#include "netstack/lw/lw_in.h"
void sack_input(struct flow *f, const struct tcp_hdr *th, uint32_t payload)
{
	(void)f; (void)th; (void)payload;
}
void sack_free(struct flow *f) { (void)f; }
