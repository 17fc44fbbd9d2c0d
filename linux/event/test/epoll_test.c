/*
 * epoll over files of the test's own, on the host: what is reported and when, how entries end with
 * their file or their set, exhaustion, and threads that do all of it at once. wait.c, epoll.c and
 * epoll_nest.c are compiled into this one, with kernel, heap and descriptors replaced.
 */
#include "lib/base/test/check.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "linux/core/lock.h"
#define thread_self thread_self_on_its_stack
#include "linux/core/thread.h"
#undef thread_self

static __thread struct own_thread test_thread;
static uint32_t unparked[16]; /* how often each slot was; atomic */

static inline struct own_thread *thread_self(void)
{
    return &test_thread;
}

#include "linux/proc/task.h"

static status_t test_unpark(uint64_t slot)
{
    __atomic_fetch_add(&unparked[slot], 1, __ATOMIC_RELAXED);
    return STATUS_OK;
}

static status_t test_park(uint64_t deadline_ns)
{
    (void)deadline_ns;
    abort(); /* nobody waits here */
}

#define kernel_thread_unpark(slot)          test_unpark(slot)
#define kernel_thread_park(deadline, flags) test_park(deadline)
#include "linux/core/container.h"

bool container_attended = true;

bool container_attend(void)
{
    return true;
}

#include "linux/event/epoll.c"
#include "linux/event/epoll_nest.c"
#include "linux/event/wait.c"

/* --- the personality around it ------------------------------------------------------------------
 */

void mutex_lock_slow(struct mutex *mutex)
{
    while (!mutex_try_lock(mutex)) {
        sched_yield();
    }
}

void mutex_unlock_slow(struct mutex *mutex)
{
    (void)mutex;
    abort(); /* a lock that nobody holds */
}

static int allocations_left = -1; /* -1: any number */
static int allocated;             /* atomic */

void *heap_alloc(size_t size_bytes)
{
    if (allocations_left == 0) {
        return NULL;
    }
    allocations_left -= allocations_left > 0;
    __atomic_fetch_add(&allocated, 1, __ATOMIC_RELAXED);
    return calloc(1, size_bytes);
}

void heap_free(void *allocation)
{
    __atomic_fetch_sub(&allocated, allocation != NULL, __ATOMIC_RELAXED);
    free(allocation);
}

struct file *anonymous_file_new(const char *kind, uint32_t flags,
                                const struct file_operations *operations, void *data)
{
    struct file *file = heap_alloc(sizeof(*file));
    if (file != NULL) {
        *file = (struct file){
            .references = 1, .flags = flags, .operations = operations, .data = data, .kind = kind};
    }
    return file;
}

void file_put(struct file *file)
{
    if (__atomic_sub_fetch(&file->references, 1, __ATOMIC_ACQ_REL) == 0) {
        if (__atomic_load_n(&file->watchers, __ATOMIC_ACQUIRE) != NULL) {
            epoll_file_gone(file);
        }
        file->operations->release(file);
        heap_free(file);
    }
}

static __thread struct file *added; /* by the last descriptor_add */

long descriptor_add(struct file *file, bool close_on_exec)
{
    (void)close_on_exec;
    added = file;
    return 3;
}

/* --- files of the test ---------------------------------------------------------------------------
 */

struct source {
    uint32_t events; /* true now; atomic */
    struct wait_queue queue[2];
};

static uint32_t source_poll(struct file *file, struct poll_table *table)
{
    struct source *source = file->data;
    poll_add(table, &source->queue[0]);
    poll_add(table, &source->queue[1]);
    return __atomic_load_n(&source->events, __ATOMIC_ACQUIRE);
}

static void source_release(struct file *file)
{
    const struct source *source = file->data;
    CHECK(source->queue[0].first == NULL && source->queue[1].first == NULL);
    heap_free(file->data);
}

static const struct file_operations source_operations = {.poll = source_poll,
                                                         .release = source_release};

static struct file *source_new(uint32_t events)
{
    struct source *source = heap_alloc(sizeof(*source));
    source->events = events;
    return anonymous_file_new("test", O_RDWR, &source_operations, source);
}

static void source_set(struct file *file, uint32_t events, int queue)
{
    struct source *source = file->data;
    __atomic_store_n(&source->events, events, __ATOMIC_RELEASE);
    wait_queue_wake(&source->queue[queue], events);
}

static struct epoll *set_new(void)
{
    CHECK(epoll_new(0) == 3);
    return epoll_of(added);
}

static long add(struct epoll *set, struct file *file, int fd, uint32_t events)
{
    struct epoll_event event = {events | WAIT_POLL_ALWAYS, (uint64_t)fd};
    struct epoll *target = epoll_of(file);
    mutex_lock(&epoll_nest_lock);
    mutex_lock(&set->lock);
    long result = target == NULL ? 0 : epoll_nest_check(set, target);
    if (result == 0) {
        result = epoll_find(set, file, fd) != NULL ? -EEXIST : epoll_add(set, file, fd, &event);
    }
    mutex_unlock(&set->lock);
    mutex_unlock(&epoll_nest_lock);
    return result;
}

static void change(struct epoll *set, struct file *file, int fd, uint32_t events, bool remove)
{
    struct epoll_event event = {events | WAIT_POLL_ALWAYS, (uint64_t)fd};
    mutex_lock(&set->lock);
    struct epoll_item *item = epoll_find(set, file, fd);
    if (item != NULL && remove) {
        epoll_remove(item);
    } else if (item != NULL) {
        epoll_change(item, &event);
    }
    mutex_unlock(&set->lock);
}

static uint32_t take(struct epoll *set)
{
    struct epoll_event events[8];
    return epoll_take(set, events, 8);
}

/* --- tests ---------------------------------------------------------------------------------------
 */

static void level_edge_oneshot(void)
{
    struct epoll *set = set_new();
    struct file *file = source_new(0);
    CHECK(add(set, file, 5, WAIT_POLLIN) == 0 && add(set, file, 5, WAIT_POLLIN) == -EEXIST);
    CHECK(!epoll_may_be_ready(set) && take(set) == 0);
    source_set(file, WAIT_POLLOUT, 0);
    CHECK(!epoll_may_be_ready(set));
    source_set(file, WAIT_POLLIN, 1);
    CHECK(take(set) == 1 && take(set) == 1);
    source_set(file, 0, 0);
    CHECK(take(set) == 0 && !epoll_may_be_ready(set));
    source_set(file, WAIT_POLLIN, 0);
    change(set, file, 5, WAIT_POLLIN | EPOLLET, false);
    CHECK(take(set) == 1 && take(set) == 0);
    source_set(file, WAIT_POLLIN, 0);
    CHECK(take(set) == 1 && take(set) == 0);
    change(set, file, 5, WAIT_POLLIN | EPOLLONESHOT, false);
    CHECK(take(set) == 1);
    source_set(file, WAIT_POLLIN | WAIT_POLLHUP, 0);
    CHECK(take(set) == 0);
    change(set, file, 5, WAIT_POLLIN | EPOLLONESHOT, false);
    CHECK(take(set) == 1 && take(set) == 0);
    file_put(file);
    CHECK(set->items.root == NULL && set->item_count == 0);
    file_put(set->file);
    CHECK(allocated == 0);
    puts("ok 1 - level, edge and one-shot; the last reference takes the entry along");
}

static void turns(void)
{
    struct epoll *set = set_new();
    struct file *file[20];
    for (int i = 0; i < 20; i++) {
        file[i] = source_new(WAIT_POLLIN);
        CHECK(add(set, file[i], i, WAIT_POLLIN) == 0);
    }
    /* Eight at a time, in turn, whoever is still ready. */
    int seen[20] = {0};
    for (int round = 0; round < 5; round++) {
        struct epoll_event events[8];
        CHECK(epoll_take(set, events, 8) == 8);
        for (int i = 0; i < 8; i++) {
            seen[events[i].data]++;
        }
    }
    for (int i = 0; i < 20; i++) {
        CHECK(seen[i] == 2);
    }
    for (int i = 0; i < 20; i++) {
        if (i % 2) {
            change(set, file[i], i, 0, true);
        }
        file_put(file[i]);
    }
    file_put(set->file);
    CHECK(allocated == 0);
    puts("ok 2 - what is ready has its turn");
}

static bool told(struct waiter *waiter, uint32_t events)
{
    (void)events;
    waiter->thread++; /* how often */
    return true;
}

static void exclusive_waiters(void)
{
    struct wait_queue queue;
    struct waiter one[3] = {
        {.told = told, .exclusive = true}, {.told = told, .exclusive = true}, {.told = told}};
    wait_queue_init(&queue);
    for (int i = 0; i < 3; i++) {
        waiter_add(&one[i], &queue, WAIT_POLLIN);
        one[i].thread = 0;
    }
    wait_queue_wake(&queue, WAIT_POLLOUT);
    wait_queue_wake(&queue, WAIT_POLLIN);
    CHECK(one[0].thread == 1 && one[1].thread == 0 && one[2].thread == 1);
    wait_queue_wake(&queue, WAIT_POLLIN);
    CHECK(one[0].thread == 1 && one[1].thread == 1 && one[2].thread == 2);
    wait_queue_wake(&queue, WAIT_CHANGE);
    CHECK(one[0].thread == 2 && one[1].thread == 2 && one[2].thread == 3);
    for (int i = 0; i < 3; i++) {
        waiter_remove(&one[i]);
    }
    CHECK(queue.first == NULL && queue.last == NULL);
    /* Who waits for a set is woken one at a time, and passes on what is left. */
    struct epoll *set = set_new();
    struct file *file = source_new(0);
    struct waiter waiting[2] = {{.exclusive = true}, {.exclusive = true}};
    CHECK(add(set, file, 1, WAIT_POLLIN) == 0);
    for (uint32_t i = 0; i < 2; i++) {
        test_thread.slot = i + 1;
        waiter_add(&waiting[i], &set->wait, WAIT_CHANGE);
    }
    source_set(file, WAIT_POLLIN, 0);
    CHECK(unparked[1] == 1 && unparked[2] == 0);
    CHECK(take(set) == 1 && unparked[2] == 1);
    waiter_remove(&waiting[0]);
    waiter_remove(&waiting[1]);
    file_put(set->file);
    file_put(file);
    CHECK(allocated == 0);
    puts("ok 3 - of exclusive waiters one is told, each in turn");
}

static void nested_sets(void)
{
    struct epoll *set[CHAIN_MAX + 2];
    for (uint32_t i = 0; i < CHAIN_MAX + 2; i++) {
        set[i] = set_new();
    }
    for (uint32_t i = 1; i < CHAIN_MAX; i++) {
        CHECK(add(set[i], set[i - 1]->file, 1, WAIT_POLLIN) == 0);
    }
    CHECK(add(set[0], set[2]->file, 1, WAIT_POLLIN) == -ELOOP);
    CHECK(add(set[CHAIN_MAX], set[CHAIN_MAX - 1]->file, 1, WAIT_POLLIN) == -ELOOP);
    CHECK(add(set[0], set[CHAIN_MAX]->file, 1, WAIT_POLLIN) == -ELOOP);
    struct file *file = source_new(0);
    CHECK(add(set[0], file, 2, WAIT_POLLIN) == 0);
    source_set(file, WAIT_POLLIN, 0);
    CHECK(take(set[CHAIN_MAX - 1]) == 1);
    source_set(file, 0, 0);
    CHECK(take(set[CHAIN_MAX - 1]) == 0);
    file_put(set[2]->file); /* in the middle */
    source_set(file, WAIT_POLLIN, 0);
    CHECK(take(set[CHAIN_MAX - 1]) == 0 && take(set[1]) == 1);
    struct epoll *crowd[WATCHERS_MAX];
    for (uint32_t i = 0; i < WATCHERS_MAX; i++) {
        crowd[i] = set_new();
        CHECK(add(crowd[i], set[CHAIN_MAX]->file, 1, WAIT_POLLIN) == 0);
    }
    CHECK(add(set[CHAIN_MAX + 1], set[CHAIN_MAX]->file, 1, WAIT_POLLIN) == -EINVAL);
    for (uint32_t i = 0; i < WATCHERS_MAX; i++) {
        file_put(crowd[i]->file);
    }
    for (uint32_t i = 0; i < CHAIN_MAX + 2; i++) {
        if (i != 2) {
            file_put(set[i]->file);
        }
    }
    file_put(file);
    CHECK(allocated == 0);
    puts("ok 4 - sets of sets: no circle, no long chain, no crowd");
}

static void exhaustion(void)
{
    struct epoll *set = set_new();
    struct file *file = source_new(WAIT_POLLIN);
    long result = -ENOMEM;
    for (int left = 0; result == -ENOMEM; left++) {
        CHECK(left < 10);
        int before = allocated;
        allocations_left = left;
        result = add(set, file, 1, WAIT_POLLIN);
        allocations_left = -1;
        CHECK(result == 0 || (allocated == before && set->items.root == NULL &&
                              file->watchers == NULL && !epoll_may_be_ready(set)));
    }
    CHECK(result == 0 && take(set) == 1);
    allocations_left = 0;
    CHECK(epoll_new(0) == -ENOMEM);
    allocations_left = 1;
    CHECK(epoll_new(0) == -ENOMEM);
    allocations_left = -1;
    file_put(set->file);
    file_put(file);
    CHECK(allocated == 0);
    puts("ok 5 - a failed allocation leaves nothing behind");
}

/* --- threads -------------------------------------------------------------------------------------
 */

#define PLACES  6
#define THREADS 6
#define ROUNDS  30000

/* Files and sets that the threads replace; each holds a reference. */
static struct place {
    struct mutex lock;
    struct file *file;
} files[PLACES], sets[PLACES];

static struct file *place_get(struct place *place)
{
    mutex_lock(&place->lock);
    struct file *file = place->file;
    __atomic_fetch_add(&file->references, 1, __ATOMIC_RELAXED);
    mutex_unlock(&place->lock);
    return file;
}

static void place_replace(struct place *place, struct file *file)
{
    mutex_lock(&place->lock);
    struct file *before = place->file;
    place->file = file;
    mutex_unlock(&place->lock);
    file_put(before);
}

static void storm_step(unsigned *seed)
{
    struct place *file_place = &files[(unsigned)rand_r(seed) % PLACES];
    struct place *set_place = &sets[(unsigned)rand_r(seed) % PLACES];
    struct file *file = place_get(file_place);
    struct file *set = place_get(set_place);
    switch (rand_r(seed) % 12) {
    case 0:
        place_replace(file_place, source_new(0));
        break;
    case 1:
        place_replace(set_place, set_new()->file);
        break;
    case 2:
        change(epoll_of(set), file, 1, 0, true);
        break;
    case 3: {
        struct file *inner = place_get(&sets[(unsigned)rand_r(seed) % PLACES]);
        if (inner != set) {
            (void)add(epoll_of(set), inner, 1, WAIT_POLLIN | EPOLLET);
        }
        file_put(inner);
        break;
    }
    case 4:
    case 5:
    case 6:
        (void)add(epoll_of(set), file, 1, rand_r(seed) % 2 ? WAIT_POLLIN : WAIT_POLLIN | EPOLLET);
        break;
    case 7:
    case 8:
        source_set(file, rand_r(seed) % 2 ? WAIT_POLLIN : 0, rand_r(seed) % 2);
        break;
    default:
        (void)take(epoll_of(set));
        break;
    }
    file_put(set);
    file_put(file);
}

static void *storm(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    for (int i = 0; i < ROUNDS; i++) {
        storm_step(&seed);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t thread[THREADS];
    for (int i = 0; i < PLACES; i++) {
        files[i].file = source_new(0);
        sets[i].file = set_new()->file;
    }
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&thread[i], NULL, storm, (void *)(i + 1)) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    for (int i = 0; i < PLACES; i++) {
        file_put(files[i].file);
        file_put(sets[i].file);
    }
    CHECK(allocated == 0 && watches == 0);
    puts("ok 6 - threads add, remove, close and look at once");
}

int main(void)
{
    level_edge_oneshot();
    turns();
    exclusive_waiters();
    nested_sets();
    exhaustion();
    threads();
    puts("1..6");
    return 0;
}
