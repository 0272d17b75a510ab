/* clock.h - Time: monotonic for timers, wall clock only for protocols and logs */
#ifndef GATEWAY_BASE_CLOCK_H
#define GATEWAY_BASE_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC in ms; wraps after 49 days: compare with clock_before() */
uint32_t clock_ms(void);
uint64_t clock_us(void);
/* Wall clock, seconds since 1970 */
int64_t clock_wall(void);
/* The same in ms */
int64_t clock_wall_ms(void);
/* Wait; less when a signal comes. Not for workers that have sessions: those wait in epoll */
void clock_sleep_ms(uint32_t ms);

static inline int clock_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

#endif
