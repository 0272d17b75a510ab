/* link.h - The relay: two independent directions with back-pressure */
#ifndef GATEWAY_CORE_LINK_H
#define GATEWAY_CORE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/core/pace.h"
#include "gateway/core/stream.h"

struct worker;

/** enum way - How the last bytes went; printed in the log, asserted in tests */
enum way { WAY_NONE, WAY_SPLICE, WAY_LEND, WAY_ROOM, WAY_COPY };

struct pipe; /* a kernel pipe of the worker's pool */

/**
 * struct half - One direction of a session
 * @src, @dst:	Where the session keeps its stream pointers (they move on shed)
 * @early:	Bytes read and not yet put: sniffed head or short write; NULL when empty
 * @pipe:	Kernel pipe borrowed from the worker while @piped > 0
 * @piped:	Bytes in @pipe
 * @most:	Bytes one move reads at most, and so holds when @dst stalls; 0: as
 *		many as there is room for
 * @pace:	How much one copy reads
 * @total:	Bytes delivered to @dst, always current
 * @way:	How the last bytes went
 * @eof:	@src has ended
 * @finished:	@dst has been told so
 * @src_blocked, @dst_blocked:	Why the last turn stopped
 * @err:	-errno that ended it, of @dst when @dst_failed; 0 while it goes on
 */
struct half {
	struct stream **src, **dst;
	struct buf *early;
	struct pipe *pipe;
	size_t piped;
	uint32_t most;
	struct pace pace;
	uint64_t total;
	enum way way;
	bool eof, finished, src_blocked, dst_blocked, dst_failed;
	int err;
};

/**
 * link_pump() - Move what can be moved, both ways
 * @w:		Lends scratch memory and pipes
 * @h:		UP and DOWN
 * @budget:	Bytes a direction and turn
 * @again:	Set when the budget was used up: queue the job again
 *
 * A side that takes no more may have said something before: that is delivered
 * first, however many turns it takes.
 *
 * Return: 1 both directions finished: close both, which tells a bare socket of the
 * second end; 0 go on, -errno a side failed (and
 * *@side says which: 0 the source side of h[0] (in), 1 the other (out))
 */
int link_pump(struct worker *w, struct half h[2], size_t budget, bool *again,
	      int *side);
/* Tell both ends what each half waits for */
void link_want(const struct half h[2]);
/* Give buffers and pipes back; streams stay */
void link_free(struct worker *w, struct half h[2]);
const char *way_name(enum way way);

#endif
