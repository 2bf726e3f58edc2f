#include "scheduler/strangers.h"

#include <assert.h>
#include <string.h>

static void take_out(struct strangers *strangers, unsigned at)
{
    strangers->count--;
    memmove(&strangers->items[at], &strangers->items[at + 1],
            (strangers->count - at) * sizeof strangers->items[0]);
}

void strangers_add(struct strangers *strangers, int fd, uint64_t now_ns)
{
    assert(!strangers_are_full(strangers));
    strangers->items[strangers->count++] = (struct stranger){fd, now_ns};
}

void strangers_remove(struct strangers *strangers, int fd)
{
    for (unsigned i = 0; i < strangers->count; i++)
        if (strangers->items[i].fd == fd) {
            take_out(strangers, i);
            return;
        }
}

uint64_t strangers_deadline(const struct strangers *strangers)
{
    return strangers->count ? strangers->items[0].since_ns + STRANGER_NS : UINT64_MAX;
}

int strangers_take(struct strangers *strangers)
{
    assert(strangers->count > 0);
    int fd = strangers->items[0].fd;
    take_out(strangers, 0);
    return fd;
}
