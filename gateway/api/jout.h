/* jout.h - JSON and other text into an answer */
#ifndef GATEWAY_API_JOUT_H
#define GATEWAY_API_JOUT_H

#include <string.h>

#include "gateway/base/compat.h"
#include "proxy/wire/pb.h"

/* At most 255 bytes of text */
void jo(struct pb_out *o, const char *fmt, ...) PRINTF(2, 3);
/*
 * @n bytes between quotes: JSON and Prometheus both know these escapes. What is no
 * UTF-8 and controls are question marks: a browser ends a WebSocket for one of them
 */
void jo_quoted(struct pb_out *o, const char *p, size_t n);
static inline void jo_text(struct pb_out *o, const char *text)
{
	jo_quoted(o, text, strlen(text));
}
/* "key":"text", and a comma before it unless it is the first of its object */
void jo_pair(struct pb_out *o, const char *key, const char *text);

#endif
