/*
 * Epolls that watch epolls. The graph has no cycle, no chain of more than CHAIN_MAX, and no epoll
 * is watched by more than WATCHERS_MAX others: so a wake-up that climbs it ends, takes bounded
 * stack, and tells a bounded number of epolls. All of it under epoll_nest_lock.
 */
#include "linux/core/errno.h"
#include "linux/event/epoll.h"

#define CHAIN_MAX    5u /* EP_MAX_NESTS of Linux, which counts the links */
#define WATCHERS_MAX 8u
#define CYCLE        UINT32_MAX

static uint64_t last_check;

/* The longest chain that begins at `from` and goes down; CYCLE: `above` is in one. Looks at every
 * epoll once. */
static uint32_t chain_down(struct epoll *from, const struct epoll *above)
{
    if (from == above) {
        return CYCLE;
    }
    if (from->check == last_check) {
        return from->check_depth;
    }
    uint32_t longest = 0;
    for (const struct epoll_item *item = from->nested; item != NULL; item = item->next_nested) {
        uint32_t chain = chain_down(epoll_of(item->file), above);
        if (chain == CYCLE) {
            return CYCLE;
        }
        longest = MAX(longest, chain);
    }
    from->check = last_check;
    from->check_depth = longest + 1;
    return longest + 1;
}

static uint32_t chain_up(const struct epoll *from)
{
    uint32_t longest = 0;
    for (const struct epoll_item *item = from->file->watchers; item != NULL;
         item = item->next_watcher) {
        longest = MAX(longest, chain_up(item->epoll));
    }
    return longest + 1;
}

long epoll_nest_check(struct epoll *epoll, struct epoll *target)
{
    uint32_t watchers = 0;
    for (const struct epoll_item *item = target->file->watchers; item != NULL;
         item = item->next_watcher) {
        watchers++;
    }
    last_check++;
    uint32_t down = chain_down(target, epoll);
    if (down == CYCLE || down + chain_up(epoll) > CHAIN_MAX) {
        return -ELOOP;
    }
    return watchers >= WATCHERS_MAX ? -EINVAL : 0;
}
