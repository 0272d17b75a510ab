/* samples.c - The last results of probing one outbound */
#include "gateway/observe/samples.h"

void samples_put(struct samples *s, uint32_t ms, uint32_t now_ms)
{
	s->ms[s->next] = ms;
	s->at_ms[s->next] = now_ms;
	s->next = (s->next + 1) % s->max;
	if (s->count < s->max)
		s->count++;
}

/* Root of @v, rounded down */
static uint32_t root(uint64_t v)
{
	uint64_t r = 0;

	for (uint64_t bit = 1ULL << 31; bit; bit >>= 1)
		if ((r + bit) * (r + bit) <= v)
			r += bit;
	return (uint32_t)r;
}

void samples_tell(const struct samples *s, uint32_t now_ms, uint32_t age_ms,
		  struct health *out)
{
	uint64_t sum = 0, squares = 0;
	uint32_t good = 0, fails = 0, average = 0, deviation = 0;
	uint32_t min = 0, max = 0;

	for (uint32_t i = 0; i < s->count; i++) {
		if (age_ms && now_ms - s->at_ms[i] > age_ms)
			continue;
		if (s->ms[i] == SAMPLE_FAIL) {
			fails++;
			continue;
		}
		sum += s->ms[i];
		squares += (uint64_t)s->ms[i] * s->ms[i];
		if (!good || s->ms[i] < min)
			min = s->ms[i];
		if (s->ms[i] > max)
			max = s->ms[i];
		good++;
	}
	if (good)
		average = (uint32_t)(sum / good);
	if (good == 1)
		deviation = average / 2;
	else if (good)
		deviation = root((squares * good - sum * sum) /
				 ((uint64_t)good * good));
	atomic_store(&out->average_ms, average);
	atomic_store(&out->deviation_ms, deviation);
	atomic_store(&out->min_ms, min);
	atomic_store(&out->max_ms, max);
	atomic_store(&out->fails, fails);
	atomic_store(&out->count, good + fails);
}

/* The one @back before the next to be put */
static uint32_t newest(const struct samples *s, uint32_t back)
{
	return s->ms[(s->next + s->max - back) % s->max];
}

enum health_state samples_state(const struct samples *s, bool slips,
				enum health_state was)
{
	if (newest(s, 1) != SAMPLE_FAIL)
		return HEALTH_ALIVE;
	if (!slips || was != HEALTH_ALIVE || s->max < 2)
		return HEALTH_DEAD;
	return s->count < 2 || newest(s, 2) != SAMPLE_FAIL ? HEALTH_ALIVE :
							     HEALTH_DEAD;
}
