/* fuzz_h2_ask.c - A server's bytes to a client with three questions */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "proxy/wire/h2_ask.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Each question is told once at most, by its own number */
static void on_told(void *arg, void *user, const struct h2_ask_answer *a)
{
	unsigned int *told = arg;

	if (user != told + 1 && user != told + 2 && user != told + 3)
		abort();
	if (++*(unsigned int *)user > 1 || a->len > H2_ASK_BODY_MAX ||
	    (!a->rc && a->status != 200))
		abort();
}

static void drain(struct h2_ask *h)
{
	const uint8_t *p;

	while (h2_ask_give(h, &p) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct h2_ask_request ask = {
		.scheme = "https",
		.authority = "d.example",
		.path = "/q",
		.type = "application/dns-message",
		.body = (const uint8_t *)"question",
		.len = 8,
	};
	unsigned int told[4] = { 0 };
	struct h2_ask *h = h2_ask_new(on_told, told);
	const char *why;
	int32_t id;

	if (!h)
		return 0;
	h2_ask_put(h, &ask, told + 1);
	id = h2_ask_put(h, &ask, told + 2);
	drain(h);
	if (h2_ask_take(h, p, n / 2, &why) == 0) {
		h2_ask_put(h, &ask, told + 3);
		if (id > 0 && !told[2])
			h2_ask_cancel(h, id);
		drain(h);
		if (h2_ask_take(h, p + n / 2, n - n / 2, &why) == 0)
			drain(h);
	}
	h2_ask_over(h);
	h2_ask_free(h);
	return 0;
}
