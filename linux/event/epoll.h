/*
 * epoll (epoll(7)): sets of open files that keep account of which of them may be ready.
 *
 * An `epoll` is the data of an open file; its items are keyed by watched file and descriptor
 * number. Each item stands as a waiter in the wait queues of its file. When a queue tells of a
 * wanted event the item enters the ready list, and whoever waits for the epoll looks at those files
 * alone: what a wake-up costs does not depend on how many files are watched.
 *
 * An item refers to its file without a reference. The last file_put takes the items away first
 * (epoll_file_gone), with epoll->lock, so a file whose item is found under that lock can be asked.
 * That is why no lock of a file's own may be held when a file is put. Memory of an epoll is counted
 * by its file and by those who are about to take its lock.
 *
 * Locks, outermost first:
 *   nest_lock      the graph of epolls that watch epolls: items whose file is an epoll
 *   epoll->lock    the set; an epoll's before those of the epolls that it watches
 *   ... what asking a file needs; wait queues ...
 *   watch_lock     the list of items of each file
 *   epoll->ready_lock   the ready list, and which events an item wants
 * `told` runs under a wait queue's lock and takes ready_lock, and then the locks of the epoll's own
 * two queues: those of a watcher come after those of what it watches.
 */
#pragma once

#include "lib/base/tree.h"
#include "linux/event/wait.h"
#include "linux/file/file.h"

#define EPOLLEXCLUSIVE (1u << 28)
#define EPOLLWAKEUP    (1u << 29)
#define EPOLLONESHOT   (1u << 30)
#define EPOLLET        (1u << 31)
#define EPOLL_PRIVATE  (EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET)

struct epoll_event { /* of the system calls */
    uint32_t events;
    uint64_t data;
} __attribute__((packed));

struct epoll_waiter {
    struct waiter waiter;
    struct epoll_item *item;
    struct epoll_waiter *next;
};

struct epoll_item {
    struct tree_node node; /* of epoll->items */
    struct epoll *epoll;
    struct file *file; /* no reference */
    int fd;
    struct epoll_event event; /* of a oneshot that has fired only the private bits are left */
    struct epoll_waiter waiter;
    struct epoll_waiter *more_waiters; /* for files with several queues */
    bool exhausted;                    /* there was no memory for all of them */

    struct epoll_item *next_watcher; /* of the same file; and what points here */
    struct epoll_item **watcher_link;
    struct epoll_item *next_nested; /* of the same epoll, if the file is an epoll too */
    struct epoll_item **nested_link;

    uint32_t wanted; /* events, as files know them; 0: none now */
    bool is_listed;  /* in the ready list, or in that of a look in progress */
    struct epoll_item *next_ready;
    struct epoll_item *previous_ready;
};

struct ready_list {
    struct epoll_item *first;
    struct epoll_item *last;
};

struct epoll {
    uint32_t references; /* atomic */
    struct file *file;   /* whose data it is */
    struct mutex lock;
    struct tree items;
    uint32_t item_count;
    struct epoll_item *nested; /* items whose file is an epoll; under nest_lock */
    uint64_t check;            /* the last check that came here, and the depth below it found */
    uint32_t check_depth;

    struct mutex ready_lock;
    struct ready_list ready;
    struct wait_queue wait;      /* threads in epoll_wait */
    struct wait_queue poll_wait; /* polls of the epoll itself */
};

extern struct mutex epoll_nest_lock;

/* NULL: not an epoll. */
struct epoll *epoll_of(const struct file *file);

/* A new open file; -EMFILE, -ENOMEM, or its descriptor. */
long epoll_new(uint32_t flags);

/* Look at and change the set, under epoll->lock and, if the file is an epoll, under
 * epoll_nest_lock. */
struct epoll_item *epoll_find(struct epoll *epoll, const struct file *file, int fd);
long epoll_add(struct epoll *epoll, struct file *file, int fd, const struct epoll_event *event);
void epoll_change(struct epoll_item *item, const struct epoll_event *event);
void epoll_remove(struct epoll_item *item);

/* Take up to `room` events: how many. Does not wait. */
uint32_t epoll_take(struct epoll *epoll, struct epoll_event *out, uint32_t room);
bool epoll_may_be_ready(const struct epoll *epoll);
/* Who was woken and takes nothing passes it on to the next that waits. */
void epoll_pass_on(struct epoll *epoll);

/* Whether `epoll` may watch `target`: 0; -ELOOP: they would watch each other, or too deep; -EINVAL:
 * too many watch it. Under epoll_nest_lock. */
long epoll_nest_check(struct epoll *epoll, struct epoll *target);

/* The last reference to a file is gone: it leaves all sets. */
void epoll_file_gone(struct file *file);
