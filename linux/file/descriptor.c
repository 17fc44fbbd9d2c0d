/*
 * Descriptor tables: an array of files that grows by doubling, a bitmap of the numbers in use and
 * one of those that exec closes.
 *
 * table->lock guards all of it. Files are never released under it: what leaves the table is put
 * after the lock is given back, because a release may sleep.
 */
#include "linux/file/descriptor.h"

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/file/file.h"
#include "linux/file/record_lock.h"
#include "linux/proc/limit.h"

#define CAPACITY_FIRST 64
#define WORD_BITS      64

struct file_table {
    uint32_t references; /* atomic */
    uint32_t capacity;   /* a multiple of WORD_BITS */
    struct mutex lock;
    struct file **files; /* NULL: free */
    uint64_t *used;
    uint64_t *close_on_exec;
};

static bool bit_get(const uint64_t *bits, uint32_t index)
{
    return bits[index / WORD_BITS] >> index % WORD_BITS & 1;
}

static void bit_set(uint64_t *bits, uint32_t index, bool value)
{
    uint64_t mask = 1ull << index % WORD_BITS;
    if (value) {
        bits[index / WORD_BITS] |= mask;
    } else {
        bits[index / WORD_BITS] &= ~mask;
    }
}

/* One allocation holds the three arrays, the files first. Under the lock, or unshared. */
static long table_grow(struct file_table *table, uint32_t wanted)
{
    uint32_t capacity = MAX(table->capacity, CAPACITY_FIRST);
    while (capacity < wanted) {
        capacity *= 2;
    }
    if (capacity == table->capacity) {
        return 0;
    }
    uint32_t words = capacity / WORD_BITS;
    struct file **files = heap_alloc(capacity * sizeof(*files) + 2 * words * sizeof(uint64_t));
    if (files == NULL) {
        return -ENOMEM;
    }
    uint64_t *used = (uint64_t *)(void *)(files + capacity);
    if (table->files != NULL) {
        uint32_t old_words = table->capacity / WORD_BITS;
        memcpy(files, table->files, table->capacity * sizeof(*files));
        memcpy(used, table->used, old_words * sizeof(uint64_t));
        memcpy(used + words, table->close_on_exec, old_words * sizeof(uint64_t));
        heap_free(table->files);
    }
    table->files = files;
    table->used = used;
    table->close_on_exec = used + words;
    table->capacity = capacity;
    return 0;
}

/* The lowest free number from `lowest` on; perhaps the capacity or above. Under the lock. */
static uint32_t lowest_free(const struct file_table *table, uint32_t lowest)
{
    for (uint32_t fd = lowest; fd < table->capacity;) {
        uint64_t free = ~table->used[fd / WORD_BITS] >> fd % WORD_BITS;
        if (free != 0) {
            return fd + (uint32_t)__builtin_ctzll(free);
        }
        fd = ALIGN_DOWN(fd, WORD_BITS) + WORD_BITS;
    }
    return MAX(lowest, table->capacity);
}

static struct file *table_set(struct file_table *table, uint32_t fd, struct file *file,
                              bool close_on_exec)
{
    struct file *before = table->files[fd];
    table->files[fd] = file;
    bit_set(table->used, fd, file != NULL);
    bit_set(table->close_on_exec, fd, close_on_exec);
    return before;
}

/* What closing a descriptor does to the file that it referred to. */
static void file_close(struct file_table *table, struct file *file)
{
    if (file != NULL) {
        record_locks_closed(file, table);
        file_put(file);
    }
}

/* The same for who may wait: of its last descriptor the file hears before. */
static void file_close_waiting(struct file_table *table, struct file *file)
{
    if (file != NULL && file->operations->closing != NULL &&
        __atomic_load_n(&file->references, __ATOMIC_RELAXED) == 1) {
        file->operations->closing(file);
    }
    file_close(table, file);
}

static uint32_t descriptor_limit(void)
{
    return (uint32_t)MIN(limit_now(RLIMIT_NOFILE), (uint64_t)DESCRIPTORS_MAX);
}

/* --- tables ---------------------------------------------------------------------------------- */

struct file_table *file_table_new(void)
{
    struct file_table *table = heap_alloc(sizeof(*table));
    if (table == NULL) {
        return NULL;
    }
    table->references = 1;
    mutex_init(&table->lock);
    if (table_grow(table, CAPACITY_FIRST) != 0) {
        heap_free(table);
        return NULL;
    }
    return table;
}

struct file_table *file_table_clone(struct file_table *table)
{
    struct file_table *clone = file_table_new();
    if (clone == NULL) {
        return NULL;
    }
    mutex_lock(&table->lock);
    long result = table_grow(clone, table->capacity);
    if (result == 0) {
        uint32_t words = table->capacity / WORD_BITS;
        memcpy(clone->files, table->files, table->capacity * sizeof(*table->files));
        memcpy(clone->used, table->used, words * sizeof(uint64_t));
        memcpy(clone->close_on_exec, table->close_on_exec, words * sizeof(uint64_t));
        for (uint32_t fd = 0; fd < table->capacity; fd++) {
            if (clone->files[fd] != NULL) {
                file_get(clone->files[fd]);
            }
        }
    }
    mutex_unlock(&table->lock);
    if (result != 0) {
        file_table_put(clone);
        return NULL;
    }
    return clone;
}

bool file_table_is_sole(const struct file_table *table)
{
    return __atomic_load_n(&table->references, __ATOMIC_ACQUIRE) == 1;
}

void file_table_get(struct file_table *table)
{
    __atomic_fetch_add(&table->references, 1, __ATOMIC_RELAXED);
}

void file_table_put(struct file_table *table)
{
    if (__atomic_sub_fetch(&table->references, 1, __ATOMIC_ACQ_REL) != 0) {
        return;
    }
    for (uint32_t fd = 0; fd < table->capacity; fd++) {
        file_close(table, table->files[fd]);
    }
    record_locks_table_gone(table);
    heap_free(table->files);
    heap_free(table);
}

struct file *file_table_file(struct file_table *table, int fd)
{
    struct file *file = NULL;
    mutex_lock(&table->lock);
    if (fd >= 0 && (uint32_t)fd < table->capacity) {
        file = table->files[fd];
        if (file != NULL) {
            file_get(file);
        }
    }
    mutex_unlock(&table->lock);
    return file;
}

int file_table_next(struct file_table *table, int fd)
{
    int next = -1;
    mutex_lock(&table->lock);
    for (uint32_t i = (uint32_t)MAX(fd, 0); i < table->capacity;) {
        uint64_t used = table->used[i / WORD_BITS] >> i % WORD_BITS;
        if (used != 0) {
            next = (int)(i + (uint32_t)__builtin_ctzll(used));
            break;
        }
        i = ALIGN_DOWN(i, WORD_BITS) + WORD_BITS;
    }
    mutex_unlock(&table->lock);
    return next;
}

long file_table_put_at(struct file_table *table, int fd, struct file *file)
{
    struct file *before = NULL;
    mutex_lock(&table->lock);
    long result = fd < 0 || fd >= DESCRIPTORS_MAX ? -EBADF : table_grow(table, (uint32_t)fd + 1);
    if (result == 0) {
        before = table_set(table, (uint32_t)fd, file, false);
    }
    mutex_unlock(&table->lock);
    file_close(table, result == 0 ? before : file);
    return result;
}

/* --- descriptors of the current task --------------------------------------------------------- */

struct file *descriptor_get(int fd)
{
    return file_table_file(task_current()->files, fd);
}

struct file *descriptor_get_open(int fd)
{
    struct file *file = descriptor_get(fd);
    if (file != NULL && (file->flags & O_PATH)) {
        file_put(file);
        return NULL;
    }
    return file;
}

long descriptor_add_from(struct file *file, int lowest, bool close_on_exec)
{
    struct file_table *table = task_current()->files;
    uint32_t limit = descriptor_limit();
    if (lowest < 0 || (uint32_t)lowest >= limit) {
        file_put(file);
        return lowest == 0 ? -EMFILE : -EINVAL;
    }
    mutex_lock(&table->lock);
    uint32_t fd = lowest_free(table, (uint32_t)lowest);
    long result = fd >= limit ? -EMFILE : table_grow(table, fd + 1);
    if (result == 0) {
        (void)table_set(table, fd, file, close_on_exec);
        result = fd;
    }
    mutex_unlock(&table->lock);
    if (result < 0) {
        file_put(file);
    }
    return result;
}

long descriptor_add(struct file *file, bool close_on_exec)
{
    return descriptor_add_from(file, 0, close_on_exec);
}

bool descriptor_room(void)
{
    struct file_table *table = task_current()->files;
    mutex_lock(&table->lock);
    bool room = lowest_free(table, 0) < descriptor_limit();
    mutex_unlock(&table->lock);
    return room;
}

long descriptor_replace(int fd, struct file *file, bool close_on_exec)
{
    struct file_table *table = task_current()->files;
    struct file *before = NULL;
    mutex_lock(&table->lock);
    long result =
        fd < 0 || (uint32_t)fd >= descriptor_limit() ? -EBADF : table_grow(table, (uint32_t)fd + 1);
    if (result == 0) {
        before = table_set(table, (uint32_t)fd, file, close_on_exec);
        result = fd;
    }
    mutex_unlock(&table->lock);
    if (result < 0) {
        file_put(file);
    } else {
        file_close_waiting(table, before);
    }
    return result;
}

long descriptor_close(int fd)
{
    struct file_table *table = task_current()->files;
    struct file *file = NULL;
    mutex_lock(&table->lock);
    if (fd >= 0 && (uint32_t)fd < table->capacity) {
        file = table_set(table, (uint32_t)fd, NULL, false);
    }
    mutex_unlock(&table->lock);
    file_close_waiting(table, file);
    return file == NULL ? -EBADF : 0;
}

void descriptors_close(uint32_t first, uint32_t last)
{
    struct file_table *table = task_current()->files;
    if (first > INT32_MAX) {
        return;
    }
    for (int fd = file_table_next(table, (int)first); fd >= 0 && (uint32_t)fd <= last;
         fd = file_table_next(table, fd + 1)) {
        (void)descriptor_close(fd);
    }
}

void descriptors_mark(uint32_t first, uint32_t last)
{
    struct file_table *table = task_current()->files;
    mutex_lock(&table->lock);
    for (uint32_t fd = first; fd < table->capacity && fd <= last; fd++) {
        bit_set(table->close_on_exec, fd, table->files[fd] != NULL);
    }
    mutex_unlock(&table->lock);
}

long file_table_marked(struct file_table *table, int fd)
{
    long result = -EBADF;
    mutex_lock(&table->lock);
    if (fd >= 0 && (uint32_t)fd < table->capacity && table->files[fd] != NULL) {
        result = bit_get(table->close_on_exec, (uint32_t)fd);
    }
    mutex_unlock(&table->lock);
    return result;
}

long descriptor_marked(int fd)
{
    return file_table_marked(task_current()->files, fd);
}

long descriptor_mark(int fd, bool close_on_exec)
{
    struct file_table *table = task_current()->files;
    long result = -EBADF;
    mutex_lock(&table->lock);
    if (fd >= 0 && (uint32_t)fd < table->capacity && table->files[fd] != NULL) {
        bit_set(table->close_on_exec, (uint32_t)fd, close_on_exec);
        result = 0;
    }
    mutex_unlock(&table->lock);
    return result;
}

void descriptors_close_on_exec(struct file_table *table)
{
    for (int fd = file_table_next(table, 0); fd >= 0; fd = file_table_next(table, fd + 1)) {
        struct file *file = NULL;
        mutex_lock(&table->lock);
        if (bit_get(table->close_on_exec, (uint32_t)fd)) {
            file = table_set(table, (uint32_t)fd, NULL, false);
        }
        mutex_unlock(&table->lock);
        file_close(table, file);
    }
}
