/* vision_conf.c - Vision: how much is padded, as the settings say */
#include "proxy/wire/vision.h"

#define SEED_VALUES 4

bool vision_seed_parse(struct jobj *o, const char *key, struct vision_seed *out)
{
	const cJSON *a = j_array(o, key), *m;
	uint32_t v[SEED_VALUES];
	int n = 0;

	cJSON_ArrayForEach(m, a)
	{
		double d = cJSON_IsNumber(m) ? m->valuedouble : -1;

		/* [1] and [3] are divided by; Xray ends when they are 0 */
		if (d < (n & 1) || d > INT32_MAX || d != (double)(int32_t)d) {
			diag_error(o->d, m, NULL, "must be %d to %d", n & 1,
				   INT32_MAX);
			return false;
		}
		if (n < SEED_VALUES)
			v[n] = (uint32_t)d;
		n++;
	}
	if (n < SEED_VALUES)
		return false; /* as in Xray */
	*out = (struct vision_seed){ v[0], v[1], v[2], v[3] };
	return true;
}
