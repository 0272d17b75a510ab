/* sweep.h - What a dead culvert left, found by who made it, and removed */
#ifndef NETSTACK_SWEEP_H
#define NETSTACK_SWEEP_H

#include <stdio.h>

#include "netstack/plan.h"

/*
 * Remove rules, and routes outside of the main table, that carry our protocol
 * number and are not in @keep (NULL: keep nothing). Each is named on @out
 * (NULL: silent). Routes in the main table go with their device.
 * Return: how many were removed
 */
unsigned int sweep(struct nlk *nl, const struct plan *keep, FILE *out);

#endif
