/* list.h - Intrusive doubly linked ring; an empty list points at itself */
#ifndef GATEWAY_BASE_LIST_H
#define GATEWAY_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/compat.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Append @n at the tail of @l */
static inline void list_add_tail(struct list *l, struct list *n)
{
	n->prev = l->prev;
	n->next = l;
	l->prev->next = n;
	l->prev = n;
}

static inline void list_add(struct list *l, struct list *n)
{
	list_add_tail(l->next, n);
}

/* Unlink; @n becomes an empty list of its own, so that a second call is harmless */
static inline void list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

#define list_first(l, type, m) container_of((l)->next, type, m)
#define list_last(l, type, m)  container_of((l)->prev, type, m)

#define list_for_each(p, l) for ((p) = (l)->next; (p) != (l); (p) = (p)->next)
/* @p may be unlinked and freed inside the body */
#define list_for_each_safe(p, n, l) \
	for ((p) = (l)->next, (n) = (p)->next; (p) != (l); \
	     (p) = (n), (n) = (p)->next)

#endif
