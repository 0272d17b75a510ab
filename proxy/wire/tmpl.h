/* tmpl.h - Header texts with a flow's addresses in them: {{.Source}}, {{.Target}} */
#ifndef PROXY_WIRE_TMPL_H
#define PROXY_WIRE_TMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "gateway/base/addr.h"

/* Each {{...}} in @text is one that tmpl_fill() knows */
bool tmpl_known(const char *text);
/*
 * @text with its templates filled in, and a NUL. Bytes without it, -ENOBUFS,
 * -EINVAL: an unknown one
 */
ssize_t tmpl_fill(const char *text, const struct addr *source,
		  const struct addr *target, char *out, size_t room);

#endif
