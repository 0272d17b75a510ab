/* diag_text.h - What diag_print() prints, as a string, for tests */
#ifndef TESTS_UNIT_DIAG_TEXT_H
#define TESTS_UNIT_DIAG_TEXT_H

#include <stdbool.h>

#include "gateway/base/diag.h"

/* Valid until the next call; "" when nothing is printed */
const char *diag_text(const struct diag *d, bool json);

#endif
