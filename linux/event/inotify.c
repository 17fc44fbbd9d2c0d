/*
 * inotify(7). An instance is an open file with a queue of events; a watch ties it to an inode.
 *
 * notify_lock guards all of it: the watches of every inode and instance, and the queues. A watch
 * holds no reference to an inode of a tree, which stays while it has a name, so that its end can be
 * told; of other file systems it does, because their inodes come and go while their names stay.
 */
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/file/anonymous.h"
#include "linux/file/descriptor.h"
#include "linux/file/notify.h"
#include "linux/file/tree_fs.h"
#include "linux/file/user_path.h"
#include "linux/proc/task.h"

#define IN_ALL_EVENTS  0x00000fffu
#define IN_UNMOUNT     0x00002000u
#define IN_Q_OVERFLOW  0x00004000u
#define IN_IGNORED     0x00008000u
#define IN_ONLYDIR     0x01000000u
#define IN_DONT_FOLLOW 0x02000000u
#define IN_EXCL_UNLINK 0x04000000u
#define IN_MASK_CREATE 0x10000000u
#define IN_MASK_ADD    0x20000000u
#define IN_ISDIR       0x40000000u
#define IN_ONESHOT     0x80000000u
#define IN_ALL_BITS                                                                                \
    (IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR | IN_DONT_FOLLOW |       \
     IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ISDIR | IN_ONESHOT)

#define FIONREAD 0x541bu

#define INSTANCES_MAX 128u   /* of the container, as Linux has it for a user */
#define WATCHES_MAX   65536u /* of the container */
#define QUEUE_MAX     16384u /* events of one instance */
#define EVENTS_MAX    65536u /* of all instances */

struct user_event { /* struct inotify_event; its name follows */
    int32_t watch;
    uint32_t mask;
    uint32_t cookie;
    uint32_t name_bytes;
};

/* Its name follows it in memory. */
struct event {
    struct event *next;
    struct user_event user; /* name_bytes: with the NULs that fill it up */
};

struct watch {
    struct watch *next_of_instance;
    struct watch **instance_link;
    struct watch *next_of_inode;
    struct watch **inode_link;
    struct inotify *inotify;
    struct inode *inode;
    bool holds_inode;
    int number;
    uint32_t mask;
};

struct inotify {
    struct event *first;
    struct event *last;
    uint32_t count;
    struct event overflow; /* in the queue while is_over */
    bool is_over;
    struct watch *watches;
    int last_number;
    struct wait_queue wait;
};

uint32_t notify_watches;
static struct mutex notify_lock;
static uint32_t instances;
static uint32_t events_queued;
static uint32_t last_cookie;

static char *event_name(struct event *event)
{
    return (char *)(event + 1);
}

/* --- the queue, under notify_lock ---------------------------------------------------------------
 */

static void queue_append(struct inotify *inotify, struct event *event)
{
    event->next = NULL;
    if (inotify->last != NULL) {
        inotify->last->next = event;
    } else {
        inotify->first = event;
    }
    inotify->last = event;
    inotify->count++;
    events_queued++;
}

static struct event *queue_pop(struct inotify *inotify)
{
    struct event *event = inotify->first;
    inotify->first = event->next;
    if (inotify->first == NULL) {
        inotify->last = NULL;
    }
    inotify->count--;
    events_queued--;
    if (event == &inotify->overflow) {
        inotify->is_over = false;
    }
    return event;
}

static void event_free(struct inotify *inotify, struct event *event)
{
    if (event != &inotify->overflow) {
        heap_free(event);
    }
}

/* The queue is full, or memory is: that is told once. */
static void queue_overflow(struct inotify *inotify)
{
    if (!inotify->is_over) {
        inotify->is_over = true;
        inotify->overflow.user = (struct user_event){.watch = -1, .mask = IN_Q_OVERFLOW};
        queue_append(inotify, &inotify->overflow);
    }
}

/* The same as the one before it says nothing new. */
static bool event_repeats(struct event *last, const struct user_event *user, const char *name)
{
    return last != NULL && last->user.mask != IN_IGNORED && last->user.watch == user->watch &&
           last->user.mask == user->mask && last->user.name_bytes == user->name_bytes &&
           (name == NULL || strcmp(event_name(last), name) == 0);
}

/* `name` ends with a NUL, or is NULL. */
static void queue_event(struct inotify *inotify, int watch, uint32_t mask, uint32_t cookie,
                        const char *name)
{
    size_t length = name == NULL ? 0 : strlen(name);
    struct user_event user = {.watch = watch, .mask = mask, .cookie = cookie};
    if (name != NULL) {
        user.name_bytes = (uint32_t)ALIGN_UP(length + 1, sizeof(user));
    }
    if (event_repeats(inotify->last, &user, name)) {
        return;
    }
    struct event *event = NULL;
    if (inotify->count < QUEUE_MAX && events_queued < EVENTS_MAX) {
        event = heap_alloc(sizeof(*event) + user.name_bytes);
    }
    if (event == NULL) {
        queue_overflow(inotify);
    } else {
        event->user = user;
        memcpy(event_name(event), name == NULL ? "" : name, length);
        queue_append(inotify, event);
    }
    wait_queue_wake(&inotify->wait, WAIT_POLLIN);
}

/* --- watches, under notify_lock -----------------------------------------------------------------
 */

/* Out of both lists. The caller frees it, and puts the inode if it holds it, without the lock. */
static void watch_unlink(struct watch *watch)
{
    *watch->instance_link = watch->next_of_instance;
    if (watch->next_of_instance != NULL) {
        watch->next_of_instance->instance_link = watch->instance_link;
    }
    __atomic_store_n(watch->inode_link, watch->next_of_inode, __ATOMIC_RELEASE);
    if (watch->next_of_inode != NULL) {
        watch->next_of_inode->inode_link = watch->inode_link;
    }
    __atomic_fetch_sub(&notify_watches, 1, __ATOMIC_RELAXED);
}

static void watch_link(struct watch *watch)
{
    struct inotify *inotify = watch->inotify;
    struct inode *inode = watch->inode;
    watch->next_of_instance = inotify->watches;
    watch->instance_link = &inotify->watches;
    if (inotify->watches != NULL) {
        inotify->watches->instance_link = &watch->next_of_instance;
    }
    inotify->watches = watch;
    watch->next_of_inode = inode->watches;
    watch->inode_link = &inode->watches;
    if (inode->watches != NULL) {
        inode->watches->inode_link = &watch->next_of_inode;
    }
    __atomic_store_n(&inode->watches, watch, __ATOMIC_RELEASE);
    __atomic_fetch_add(&notify_watches, 1, __ATOMIC_RELAXED);
}

static void watch_free(struct watch *watch)
{
    if (watch->holds_inode) {
        inode_put(watch->inode);
    }
    heap_free(watch);
}

/* Tell everyone who watches the inode. One-shot watches end; they are returned, to be freed. */
static struct watch *inode_tell(struct inode *inode, uint32_t mask, uint32_t cookie,
                                const char *name)
{
    struct watch *ended = NULL;
    struct watch *next;
    for (struct watch *watch = inode->watches; watch != NULL; watch = next) {
        next = watch->next_of_inode;
        if (!(watch->mask & mask & IN_ALL_EVENTS)) {
            continue;
        }
        queue_event(watch->inotify, watch->number, mask, cookie, name);
        if (watch->mask & IN_ONESHOT) {
            queue_event(watch->inotify, watch->number, IN_IGNORED, 0, NULL);
            watch_unlink(watch);
            watch->next_of_inode = ended;
            ended = watch;
        }
    }
    return ended;
}

static void watches_free(struct watch *watch)
{
    while (watch != NULL) {
        struct watch *next = watch->next_of_inode;
        watch_free(watch);
        watch = next;
    }
}

/* --- what files tell
 * ------------------------------------------------------------------------------ */

static bool is_watched(const struct inode *inode)
{
    return __atomic_load_n(&inode->watches, __ATOMIC_ACQUIRE) != NULL;
}

static uint32_t directory_bit(const struct inode *inode)
{
    return inode_is(inode, S_IFDIR) ? IN_ISDIR : 0;
}

static void tell(struct inode *inode, uint32_t mask, uint32_t cookie, const char *name)
{
    if (is_watched(inode)) {
        mutex_lock(&notify_lock);
        struct watch *ended = inode_tell(inode, mask, cookie, name);
        mutex_unlock(&notify_lock);
        watches_free(ended);
    }
}

void notify_inode(struct inode *inode, uint32_t events)
{
    tell(inode, events | directory_bit(inode), 0, NULL);
}

void notify_name(struct inode *directory, const struct last_name *last, bool is_directory,
                 uint32_t events, uint32_t cookie)
{
    tell(directory, events | (is_directory ? IN_ISDIR : 0), cookie, last->name);
}

uint32_t notify_cookie(void)
{
    return __atomic_add_fetch(&last_cookie, 1, __ATOMIC_RELAXED);
}

void notify_file(const struct file *file, uint32_t events)
{
    struct inode *inode = file->path.inode;
    if (!notify_active() || file->path.mount == NULL) {
        return;
    }
    if (file->directory != NULL) {
        tell(file->directory, events | directory_bit(inode), 0, file->name);
    }
    notify_inode(inode, events);
}

void notify_path(int directory_fd, uint64_t user_path, struct inode *inode, uint32_t events)
{
    struct path directory;
    struct last_name last;
    if (!notify_active()) {
        return;
    }
    if (user_path_find_parent(directory_fd, user_path, &directory, &last) == 0) {
        struct inode *found;
        const struct inode_operations *operations = directory.inode->operations;
        if (is_watched(directory.inode) && operations->lookup != NULL &&
            operations->lookup(directory.inode, last.name, last.length_bytes, &found) == 0) {
            if (found == inode) { /* and not a symbolic link to it */
                notify_name(directory.inode, &last, inode_is(inode, S_IFDIR), events, 0);
            }
            inode_put(found);
        }
        path_put(&directory);
    }
    notify_inode(inode, events);
}

uint32_t notify_of_change(uint32_t mask)
{
    uint32_t times = mask & (ATTRIBUTE_ACCESS_TIME | ATTRIBUTE_MODIFY_TIME);
    if (mask & ATTRIBUTE_SIZE) {
        return NOTIFY_MODIFY;
    }
    return times == ATTRIBUTE_ACCESS_TIME   ? NOTIFY_ACCESS
           : times == ATTRIBUTE_MODIFY_TIME ? NOTIFY_MODIFY
                                            : NOTIFY_ATTRIB;
}

void inode_watches_end(struct inode *inode)
{
    mutex_lock(&notify_lock);
    struct watch *ended = inode->links == 0 || inode_is(inode, S_IFDIR)
                              ? inode_tell(inode, NOTIFY_DELETE_SELF, 0, NULL)
                              : NULL;
    while (inode->watches != NULL) {
        struct watch *watch = inode->watches;
        queue_event(watch->inotify, watch->number, IN_IGNORED, 0, NULL);
        watch_unlink(watch);
        watch->next_of_inode = ended;
        ended = watch;
    }
    mutex_unlock(&notify_lock);
    watches_free(ended);
}

/* --- an instance as a file
 * -------------------------------------------------------------------------- */

static bool can_read(void *context)
{
    const struct inotify *inotify = context;
    return __atomic_load_n(&inotify->first, __ATOMIC_ACQUIRE) != NULL;
}

static uint64_t event_bytes(const struct event *event)
{
    return sizeof(event->user) + event->user.name_bytes;
}

/* The next event, if there is one and it fits; NULL otherwise. */
static struct event *event_take(struct inotify *inotify, uint64_t room_bytes, bool *there)
{
    mutex_lock(&notify_lock);
    struct event *event = inotify->first;
    *there = event != NULL;
    if (event != NULL) {
        event = event_bytes(event) <= room_bytes ? queue_pop(inotify) : NULL;
    }
    mutex_unlock(&notify_lock);
    return event;
}

static long event_give(struct event *event, struct io *io)
{
    return io_put(io, &event->user, sizeof(event->user)) == 0 &&
                   io_put(io, event_name(event), event->user.name_bytes) == 0
               ? (long)event_bytes(event)
               : -EFAULT;
}

static long inotify_read(struct file *file, struct io *io, uint64_t *position)
{
    (void)position;
    struct inotify *inotify = file->data;
    long moved = 0;
    for (;;) {
        bool there;
        struct event *event = event_take(inotify, io->left_bytes, &there);
        if (event != NULL) {
            long bytes = event_give(event, io);
            event_free(inotify, event);
            if (bytes < 0) {
                return moved > 0 ? moved : bytes;
            }
            moved += bytes;
            continue;
        }
        if (moved > 0 || there) {
            return moved > 0 ? moved : -EINVAL;
        }
        if (__atomic_load_n(&file->flags, __ATOMIC_RELAXED) & O_NONBLOCK) {
            return -EAGAIN;
        }
        long result = wait_event(&inotify->wait, can_read, inotify);
        if (result != 0) {
            return result;
        }
    }
}

static uint32_t inotify_poll(struct file *file, struct poll_table *table)
{
    struct inotify *inotify = file->data;
    poll_add(table, &inotify->wait);
    return can_read(inotify) ? WAIT_POLLIN : 0;
}

static long inotify_ioctl(struct file *file, uint32_t request, uint64_t argument)
{
    struct inotify *inotify = file->data;
    uint64_t bytes = 0;
    if (request != FIONREAD) {
        return -ENOTTY;
    }
    mutex_lock(&notify_lock);
    for (const struct event *event = inotify->first; event != NULL; event = event->next) {
        bytes += event_bytes(event);
    }
    mutex_unlock(&notify_lock);
    return put_user_u32(argument, (uint32_t)bytes);
}

static void inotify_release(struct file *file)
{
    struct inotify *inotify = file->data;
    struct watch *ended = NULL;
    mutex_lock(&notify_lock);
    while (inotify->watches != NULL) {
        struct watch *watch = inotify->watches;
        watch_unlink(watch);
        watch->next_of_inode = ended;
        ended = watch;
    }
    while (inotify->first != NULL) {
        event_free(inotify, queue_pop(inotify));
    }
    instances--;
    mutex_unlock(&notify_lock);
    watches_free(ended);
    heap_free(inotify);
}

static const struct file_operations inotify_operations = {
    .read = inotify_read,
    .poll = inotify_poll,
    .ioctl = inotify_ioctl,
    .release = inotify_release,
};

/* --- system calls
 * ----------------------------------------------------------------------------------- */

long linux_inotify_init1(uint64_t flags, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    if ((uint32_t)flags & ~(O_CLOEXEC | O_NONBLOCK)) {
        return -EINVAL;
    }
    struct inotify *inotify = heap_alloc(sizeof(*inotify));
    if (inotify == NULL) {
        return -ENOMEM;
    }
    mutex_lock(&notify_lock);
    bool room = instances < INSTANCES_MAX;
    instances += room;
    mutex_unlock(&notify_lock);
    if (!room) {
        heap_free(inotify);
        return -EMFILE;
    }
    return anonymous_descriptor_new("inotify", O_RDONLY | (uint32_t)flags, &inotify_operations,
                                    inotify);
}

long linux_inotify_init(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    return linux_inotify_init1(0, 0, 0, 0, 0, 0);
}

/* With a reference. -EBADF, -EINVAL: something else. */
static long inotify_get(uint64_t fd, struct file **out)
{
    struct file *file = descriptor_get_open((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    if (file->operations != &inotify_operations) {
        file_put(file);
        return -EINVAL;
    }
    *out = file;
    return 0;
}

/* Under notify_lock. */
static struct watch *watch_of(const struct inotify *inotify, const struct inode *inode)
{
    struct watch *watch = inode->watches;
    while (watch != NULL && watch->inotify != inotify) {
        watch = watch->next_of_inode;
    }
    return watch;
}

/* Under notify_lock: a number that no watch of the instance has. They rise, as on Linux. */
static int number_new(struct inotify *inotify)
{
    inotify->last_number = inotify->last_number == INT32_MAX ? 1 : inotify->last_number + 1;
    return inotify->last_number;
}

/* The watch is there already: its mask changes. */
static long watch_change(struct watch *watch, uint32_t mask)
{
    if (mask & IN_MASK_CREATE) {
        return -EEXIST;
    }
    uint32_t kept = mask & IN_MASK_ADD ? watch->mask : 0;
    watch->mask = kept | (mask & (IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK));
    return watch->number;
}

static long watch_add(struct inotify *inotify, struct inode *inode, uint32_t mask)
{
    struct watch *new = heap_alloc(sizeof(*new));
    if (new == NULL) {
        return -ENOMEM;
    }
    long result;
    mutex_lock(&notify_lock);
    struct watch *watch = watch_of(inotify, inode);
    if (watch != NULL) {
        result = watch_change(watch, mask);
    } else if (notify_watches >= WATCHES_MAX) {
        result = -ENOSPC;
    } else {
        new->inotify = inotify;
        new->inode = inode;
        new->number = number_new(inotify);
        new->mask = mask &(IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK);
        new->holds_inode = !tree_fs_is(inode);
        if (new->holds_inode) {
            inode_get(inode);
        }
        watch_link(new);
        result = new->number;
        new = NULL;
    }
    mutex_unlock(&notify_lock);
    heap_free(new);
    return result;
}

long linux_inotify_add_watch(uint64_t fd, uint64_t user_path, uint64_t mask_argument, uint64_t d,
                             uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    uint32_t mask = (uint32_t)mask_argument;
    if (!(mask & IN_ALL_BITS)) {
        return -EINVAL;
    }
    struct file *file;
    struct path path;
    uint32_t walk =
        (mask & IN_ONLYDIR ? WALK_DIRECTORY : 0) | (mask & IN_DONT_FOLLOW ? WALK_NO_FOLLOW : 0);
    long result =
        (mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE) ? -EINVAL : inotify_get(fd, &file);
    if (result != 0) {
        return result;
    }
    result = user_path_find(AT_FDCWD, user_path, 0, walk, &path);
    if (result == 0) {
        result = inode_permission(path.inode, 4);
        if (result == 0) {
            result = watch_add(file->data, path.inode, mask);
        }
        path_put(&path);
    }
    file_put(file);
    return result;
}

long linux_inotify_rm_watch(uint64_t fd, uint64_t number, uint64_t c, uint64_t d, uint64_t e,
                            uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct file *file;
    long result = inotify_get(fd, &file);
    if (result != 0) {
        return result;
    }
    struct inotify *inotify = file->data;
    mutex_lock(&notify_lock);
    struct watch *watch = inotify->watches;
    while (watch != NULL && watch->number != (int)number) {
        watch = watch->next_of_instance;
    }
    if (watch != NULL) {
        queue_event(inotify, watch->number, IN_IGNORED, 0, NULL);
        watch_unlink(watch);
    }
    mutex_unlock(&notify_lock);
    if (watch != NULL) {
        watch_free(watch);
    }
    file_put(file);
    return watch == NULL ? -EINVAL : 0;
}
