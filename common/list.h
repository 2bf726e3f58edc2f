/* An intrusive, doubly linked list: the links live in the elements, so that
 * adding and removing never allocates and never fails. */
#ifndef COMMON_LIST_H
#define COMMON_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

#define CONTAINER_OF(pointer, type, member)                                            \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
    list->next = list->prev = list;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->next == list;
}

static inline void list_append(struct list *list, struct list *link)
{
    link->next = list;
    link->prev = list->prev;
    list->prev->next = link;
    list->prev = link;
}

/* Takes the link out of whatever list it is in; harmless on a lone link. */
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* Moves all links of `from` to the end of `list`. */
static inline void list_append_all(struct list *list, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->next->prev = list->prev;
    from->prev->next = list;
    list->prev->next = from->next;
    list->prev = from->prev;
    list_init(from);
}

/* Visits every link; the visited one may be removed. */
#define LIST_FOREACH(link, head)                                                       \
    for (struct list *link = (head)->next, *link##_next = link->next; link != (head);  \
         link = link##_next, link##_next = link->next)

#endif
