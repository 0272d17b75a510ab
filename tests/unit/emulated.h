/* emulated.h - What an emulator of another processor cannot do for a test */
#ifndef TESTS_UNIT_EMULATED_H
#define TESTS_UNIT_EMULATED_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/**
 * skip_emulated() - First line of a test that qemu-user makes fail
 * @why:	What the emulator gets wrong
 *
 * Only scripts/cross sets the variable; elsewhere the test runs.
 */
static inline void skip_emulated(const char *why)
{
	if (!getenv("CULVERT_EMULATED"))
		return;
	print_message("emulator: %s\n", why);
	skip();
}

/* First line of a test that reads SO_ERROR: it has the host's numbers there */
static inline void skip_foreign_errno(void)
{
	if (ECONNREFUSED != 111)
		skip_emulated("SO_ERROR is not translated");
}

#endif
