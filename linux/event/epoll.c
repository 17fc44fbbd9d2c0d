/* The set of an epoll, its ready list, and its life. See epoll.h for the locks. */
#include "linux/event/epoll.h"

#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/file/anonymous.h"
#include "linux/file/descriptor.h"

#define WATCHES_MAX 262144u /* of the container */

struct mutex epoll_nest_lock;
static struct mutex watch_lock;
static uint32_t watches; /* atomic */

/* --- the ready list, under ready_lock --------------------------------------------------------- */

static void list_append(struct ready_list *list, struct epoll_item *item)
{
    item->is_listed = true;
    item->next_ready = NULL;
    item->previous_ready = list->last;
    if (list->last != NULL) {
        list->last->next_ready = item;
    } else {
        list->first = item;
    }
    list->last = item;
}

static void list_remove(struct ready_list *list, struct epoll_item *item)
{
    item->is_listed = false;
    if (item->previous_ready != NULL) {
        item->previous_ready->next_ready = item->next_ready;
    } else {
        list->first = item->next_ready;
    }
    if (item->next_ready != NULL) {
        item->next_ready->previous_ready = item->previous_ready;
    } else {
        list->last = item->previous_ready;
    }
}

/* What is in `more` comes behind. */
static void list_join(struct ready_list *list, const struct ready_list *more)
{
    if (more->first == NULL) {
        return;
    }
    more->first->previous_ready = list->last;
    if (list->last != NULL) {
        list->last->next_ready = more->first;
    } else {
        list->first = more->first;
    }
    list->last = more->last;
}

/* --- becoming ready --------------------------------------------------------------------------- */

/* False: nobody waits for the epoll now. */
static bool epoll_wake(struct epoll *epoll)
{
    bool somebody = __atomic_load_n(&epoll->wait.first, __ATOMIC_ACQUIRE) != NULL ||
                    __atomic_load_n(&epoll->poll_wait.first, __ATOMIC_ACQUIRE) != NULL;
    wait_queue_wake(&epoll->wait, WAIT_POLLIN);
    wait_queue_wake(&epoll->poll_wait, WAIT_POLLIN);
    return somebody;
}

static bool item_ready(struct epoll_item *item, uint32_t events)
{
    struct epoll *epoll = item->epoll;
    mutex_lock(&epoll->ready_lock);
    bool wanted = events & item->wanted;
    if (wanted && !item->is_listed) {
        list_append(&epoll->ready, item);
    }
    mutex_unlock(&epoll->ready_lock);
    return wanted && epoll_wake(epoll);
}

static bool item_told(struct waiter *waiter, uint32_t events)
{
    return item_ready(CONTAINER_OF(waiter, struct epoll_waiter, waiter)->item, events);
}

/* --- items, under epoll->lock ------------------------------------------------------------------
 */

static int item_compare(const struct tree_node *a, const struct tree_node *b)
{
    const struct epoll_item *one = CONTAINER_OF(a, const struct epoll_item, node);
    const struct epoll_item *other = CONTAINER_OF(b, const struct epoll_item, node);
    if (one->file != other->file) {
        return one->file < other->file ? -1 : 1;
    }
    return one->fd - other->fd;
}

struct epoll_item *epoll_find(struct epoll *epoll, const struct file *file, int fd)
{
    struct tree_node *node = epoll->items.root;
    while (node != NULL) {
        struct epoll_item *item = CONTAINER_OF(node, struct epoll_item, node);
        if (item->file == file && item->fd == fd) {
            return item;
        }
        bool left = item->file != file ? file < item->file : fd < item->fd;
        node = left ? node->left : node->right;
    }
    return NULL;
}

/* A poll that leaves its waiters in the queues. */
struct item_table {
    struct poll_table table;
    struct epoll_item *item;
};

static void item_add_waiter(struct poll_table *table, struct wait_queue *queue)
{
    struct epoll_item *item = CONTAINER_OF(table, struct item_table, table)->item;
    struct epoll_waiter *waiter = &item->waiter;
    if (waiter->waiter.queue != NULL) {
        waiter = heap_alloc(sizeof(*waiter));
        if (waiter == NULL) {
            item->exhausted = true;
            return;
        }
        waiter->next = item->more_waiters;
        item->more_waiters = waiter;
    }
    waiter->item = item;
    waiter->waiter.told = item_told;
    waiter->waiter.exclusive = item->event.events & EPOLLEXCLUSIVE;
    waiter_add(&waiter->waiter, queue, WAIT_CHANGE);
}

static uint32_t item_ask(const struct epoll_item *item, struct poll_table *table)
{
    return poll_widen(item->file->operations->poll(item->file, table)) & item->event.events;
}

static void item_want(struct epoll_item *item, uint32_t events)
{
    mutex_lock(&item->epoll->ready_lock);
    item->event.events = events;
    item->wanted = poll_narrow(events & ~EPOLL_PRIVATE);
    mutex_unlock(&item->epoll->ready_lock);
}

static void item_link(struct epoll_item *item)
{
    struct file *file = item->file;
    mutex_lock(&watch_lock);
    item->next_watcher = file->watchers;
    item->watcher_link = &file->watchers;
    if (file->watchers != NULL) {
        file->watchers->watcher_link = &item->next_watcher;
    }
    file->watchers = item;
    mutex_unlock(&watch_lock);
    if (epoll_of(file) != NULL) {
        struct epoll *epoll = item->epoll;
        item->next_nested = epoll->nested;
        item->nested_link = &epoll->nested;
        if (epoll->nested != NULL) {
            epoll->nested->nested_link = &item->next_nested;
        }
        epoll->nested = item;
    }
}

static void item_unlink(struct epoll_item *item)
{
    if (item->nested_link != NULL) {
        *item->nested_link = item->next_nested;
        if (item->next_nested != NULL) {
            item->next_nested->nested_link = item->nested_link;
        }
    }
    mutex_lock(&watch_lock);
    /* Whoever closes the file and sees that nobody watches it frees it. */
    __atomic_store_n(item->watcher_link, item->next_watcher, __ATOMIC_RELEASE);
    if (item->next_watcher != NULL) {
        item->next_watcher->watcher_link = item->watcher_link;
    }
    mutex_unlock(&watch_lock);
}

void epoll_remove(struct epoll_item *item)
{
    struct epoll *epoll = item->epoll;
    /* First out of the queues, which live as long as the file: as long as it is linked. */
    waiter_remove(&item->waiter.waiter);
    while (item->more_waiters != NULL) {
        struct epoll_waiter *waiter = item->more_waiters;
        item->more_waiters = waiter->next;
        waiter_remove(&waiter->waiter);
        heap_free(waiter);
    }
    mutex_lock(&epoll->ready_lock);
    if (item->is_listed) {
        list_remove(&epoll->ready, item);
    }
    mutex_unlock(&epoll->ready_lock);
    tree_remove(&epoll->items, &item->node);
    epoll->item_count--;
    item_unlink(item);
    heap_free(item);
    __atomic_fetch_sub(&watches, 1, __ATOMIC_RELAXED);
}

long epoll_add(struct epoll *epoll, struct file *file, int fd, const struct epoll_event *event)
{
    if (__atomic_fetch_add(&watches, 1, __ATOMIC_RELAXED) >= WATCHES_MAX) {
        __atomic_fetch_sub(&watches, 1, __ATOMIC_RELAXED);
        return -ENOSPC;
    }
    struct epoll_item *item = heap_alloc(sizeof(*item));
    if (item == NULL) {
        __atomic_fetch_sub(&watches, 1, __ATOMIC_RELAXED);
        return -ENOMEM;
    }
    item->epoll = epoll;
    item->file = file;
    item->fd = fd;
    item->event = *event;
    item_want(item, event->events);
    tree_insert(&epoll->items, &item->node);
    epoll->item_count++;
    item_link(item);
    struct item_table table = {.table.add = item_add_waiter, .item = item};
    uint32_t events = item_ask(item, &table.table);
    if (item->exhausted) {
        epoll_remove(item);
        return -ENOMEM;
    }
    if (events != 0) {
        (void)item_ready(item, WAIT_CHANGE);
    }
    return 0;
}

void epoll_change(struct epoll_item *item, const struct epoll_event *event)
{
    item->event.data = event->data;
    item_want(item, event->events);
    if (item_ask(item, NULL) != 0) {
        (void)item_ready(item, WAIT_CHANGE);
    }
}

/* --- taking what is ready --------------------------------------------------------------------- */

bool epoll_may_be_ready(const struct epoll *epoll)
{
    return __atomic_load_n(&epoll->ready.first, __ATOMIC_ACQUIRE) != NULL;
}

/* The first of the list, which is on none from now on; NULL: there is none. */
static struct epoll_item *item_pop(struct epoll *epoll, struct ready_list *list)
{
    mutex_lock(&epoll->ready_lock);
    struct epoll_item *item = list->first;
    if (item != NULL) {
        list_remove(list, item);
    }
    mutex_unlock(&epoll->ready_lock);
    return item;
}

/* What a level-triggered item does when it was reported: it is looked at again next time. */
static void item_keep(struct epoll_item *item, struct ready_list *list)
{
    mutex_lock(&item->epoll->ready_lock);
    if (!item->is_listed) {
        list_append(list, item);
    }
    mutex_unlock(&item->epoll->ready_lock);
}

void epoll_pass_on(struct epoll *epoll)
{
    if (epoll_may_be_ready(epoll)) {
        wait_queue_wake(&epoll->wait, WAIT_POLLIN);
    }
}

uint32_t epoll_take(struct epoll *epoll, struct epoll_event *out, uint32_t room)
{
    uint32_t count = 0;
    mutex_lock(&epoll->lock);
    mutex_lock(&epoll->ready_lock);
    struct ready_list looked = epoll->ready; /* what comes meanwhile is for the next look */
    epoll->ready = (struct ready_list){NULL, NULL};
    mutex_unlock(&epoll->ready_lock);
    struct ready_list again = {NULL, NULL};
    while (count < room) {
        struct epoll_item *item = item_pop(epoll, &looked);
        if (item == NULL) {
            break;
        }
        uint32_t events = item_ask(item, NULL);
        if (events == 0) {
            continue;
        }
        out[count++] = (struct epoll_event){events, item->event.data};
        if (item->event.events & EPOLLONESHOT) {
            item_want(item, item->event.events & EPOLL_PRIVATE);
        } else if (!(item->event.events & EPOLLET)) {
            item_keep(item, &again);
        }
    }
    mutex_lock(&epoll->ready_lock);
    list_join(&looked, &epoll->ready);
    list_join(&looked, &again);
    epoll->ready = looked;
    mutex_unlock(&epoll->ready_lock);
    mutex_unlock(&epoll->lock);
    epoll_pass_on(epoll);
    return count;
}

/* --- an epoll as a file ------------------------------------------------------------------------
 */

static uint32_t epoll_poll(struct file *file, struct poll_table *table)
{
    struct epoll *epoll = file->data;
    uint32_t events = 0;
    poll_add(table, &epoll->poll_wait);
    mutex_lock(&epoll->lock);
    while (events == 0) {
        struct epoll_item *item = item_pop(epoll, &epoll->ready);
        if (item == NULL) {
            break;
        }
        if (item_ask(item, NULL) != 0) {
            events = WAIT_POLLIN;
            item_keep(item, &epoll->ready);
        }
    }
    mutex_unlock(&epoll->lock);
    epoll_pass_on(epoll); /* who looked meanwhile may have found the list empty */
    return events;
}

static void epoll_put(struct epoll *epoll)
{
    if (__atomic_sub_fetch(&epoll->references, 1, __ATOMIC_ACQ_REL) == 0) {
        heap_free(epoll);
    }
}

static void epoll_release(struct file *file)
{
    struct epoll *epoll = file->data;
    /* Nobody adds to it any more. */
    bool nests = __atomic_load_n(&epoll->nested, __ATOMIC_ACQUIRE) != NULL;
    if (nests) {
        mutex_lock(&epoll_nest_lock);
    }
    mutex_lock(&epoll->lock);
    while (epoll->items.root != NULL) {
        epoll_remove(CONTAINER_OF(epoll->items.root, struct epoll_item, node));
    }
    mutex_unlock(&epoll->lock);
    if (nests) {
        mutex_unlock(&epoll_nest_lock);
    }
    epoll_put(epoll);
}

static const struct file_operations epoll_operations = {
    .poll = epoll_poll,
    .release = epoll_release,
};

struct epoll *epoll_of(const struct file *file)
{
    return file->operations == &epoll_operations ? file->data : NULL;
}

long epoll_new(uint32_t flags)
{
    struct epoll *epoll = heap_alloc(sizeof(*epoll));
    if (epoll == NULL) {
        return -ENOMEM;
    }
    epoll->references = 1;
    tree_init(&epoll->items, item_compare);
    struct file *file = anonymous_file_new("[eventpoll]", O_RDWR, &epoll_operations, epoll);
    if (file == NULL) {
        heap_free(epoll);
        return -ENOMEM;
    }
    epoll->file = file;
    return descriptor_add(file, flags & O_CLOEXEC);
}

void epoll_file_gone(struct file *file)
{
    bool nested = epoll_of(file) != NULL;
    if (nested) {
        mutex_lock(&epoll_nest_lock);
    }
    for (;;) {
        mutex_lock(&watch_lock);
        struct epoll_item *item = file->watchers;
        struct epoll *epoll = item == NULL ? NULL : item->epoll;
        int fd = item == NULL ? -1 : item->fd;
        if (epoll != NULL) {
            __atomic_fetch_add(&epoll->references, 1, __ATOMIC_RELAXED);
        }
        mutex_unlock(&watch_lock);
        if (epoll == NULL) {
            break;
        }
        mutex_lock(&epoll->lock);
        item = epoll_find(epoll, file, fd); /* unless the epoll ends itself */
        if (item != NULL) {
            epoll_remove(item);
        }
        mutex_unlock(&epoll->lock);
        epoll_put(epoll);
    }
    if (nested) {
        mutex_unlock(&epoll_nest_lock);
    }
}
