/* intake.h - All that decides how traffic is caught, gathered in one place */
#ifndef NETSTACK_INTAKE_H
#define NETSTACK_INTAKE_H

#include "netstack/plan.h"

struct config;

/*
 * Fill @in from the configuration and from who answers port 53 here. @tc, @tun:
 * the device that catches; NULL, none. @print: only to be printed
 */
void intake_fill(struct intake *in, const struct config *cfg,
		 const struct tun_conf *tc, const char *tun, int ifindex,
		 bool print);

/* The TUN that would catch; NULL: none */
const struct tun_conf *intake_first_tun(const struct config *cfg);

#endif
